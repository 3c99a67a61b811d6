//! What commits of other statements do to rights: who creates something owns it, and what is dropped takes the rights
//! on it along. Without a record of ownership, account_admin owns a thing.

use super::{
    ACCOUNT_ADMIN, Grants, Kept, OwnershipRecord, RoleRecord, UserRecord, Work, all, body, is_unlimited,
    object::{database_key, entity_key, table_key, tables_prefix},
    records::fresh,
};
use crate::{Result, Role, plan::StatementContext, session::temporary};
use basalt_meta::{Edit, Entity, EntityKind, Snapshot};
use std::sync::Arc;

/// Kinds of entities that have owners.
const OWNED: &[EntityKind] = &[
    EntityKind::Stage,
    EntityKind::FileFormat,
    EntityKind::Connection,
    EntityKind::Sequence,
    EntityKind::Function,
    EntityKind::Procedure,
    EntityKind::MaskingPolicy,
    EntityKind::RowAccessPolicy,
];

/// The role that owns what has this key.
pub(crate) fn owner(snapshot: &Snapshot, key: &str) -> String {
    let record = snapshot.entity(EntityKind::Ownership, key);
    let role = record.and_then(|entity| body::<OwnershipRecord>(&entity).ok()).map(|owner| owner.role);
    role.unwrap_or_else(|| ACCOUNT_ADMIN.to_owned())
}

/// What else a commit with these edits has to change.
pub(crate) fn follow(context: &StatementContext, edits: &[Edit]) -> Result<Work> {
    let mut work = Work::default();
    let mut dropped = Vec::new();
    for edit in edits {
        if let Some(key) = created(context, edit) {
            own(context, key, &mut work)?;
        }
        dropped.extend(gone(context, edit));
    }
    if !dropped.is_empty() {
        forget(context, &dropped, &mut work)?;
    }
    Ok(work)
}

fn created(context: &StatementContext, edit: &Edit) -> Option<String> {
    match edit {
        Edit::CreateTable(table) => {
            let database = context.snapshot.database_by_id(table.database);
            let hidden = database.is_some_and(|d| temporary::is_hidden(&d.name));
            (!hidden).then(|| table_key(table.database, table.id))
        }
        Edit::CreateDatabase(database) if temporary::is_hidden(&database.name) => None,
        Edit::CreateDatabase(database) => Some(database_key(database.id)),
        Edit::PutEntity(entity) if OWNED.contains(&entity.kind) => {
            let is_new = context.snapshot.entity(entity.kind, &entity.name).is_none();
            is_new.then(|| entity_key(entity.kind, &entity.name))
        }
        _ => None,
    }
}

fn own(context: &StatementContext, key: String, work: &mut Work) -> Result<()> {
    // What users of the users file make belongs to account_admin: their roles are not roles of SQL.
    if is_unlimited(&context.session) || !matches!(context.session.principal.role, Role::Granted(_) | Role::Admin) {
        return Ok(());
    }
    let role = context.authority()?.current.clone();
    if role != ACCOUNT_ADMIN {
        let entity = fresh(context, EntityKind::Ownership, &key, &OwnershipRecord { role })?;
        work.edits.push(Edit::PutEntity(entity));
    }
    Ok(())
}

/// Whole keys, or what keys begin with.
enum Gone {
    Key(String),
    Prefix(String),
}

impl Gone {
    fn has(&self, key: &str) -> bool {
        match self {
            Gone::Key(gone) => key == gone,
            Gone::Prefix(prefix) => key.starts_with(prefix.as_str()),
        }
    }

    fn text(&self) -> &str {
        match self {
            Gone::Key(text) | Gone::Prefix(text) => text,
        }
    }
}

fn gone(context: &StatementContext, edit: &Edit) -> Vec<Gone> {
    match edit {
        Edit::DropTable { table } => {
            let found = context.snapshot.table_by_id(*table);
            found.map(|t| Gone::Key(table_key(t.table().database, *table))).into_iter().collect()
        }
        Edit::DropDatabase { database } => {
            vec![Gone::Key(database_key(*database)), Gone::Prefix(tables_prefix(*database))]
        }
        Edit::DeleteEntity { kind, name } if OWNED.contains(kind) => vec![Gone::Key(entity_key(*kind, name))],
        _ => Vec::new(),
    }
}

fn forget(context: &StatementContext, gone: &[Gone], work: &mut Work) -> Result<()> {
    let snapshot = &context.snapshot;
    for one in gone {
        let owned = snapshot.entities(EntityKind::Ownership, one.text()).filter(|entity| one.has(&entity.name));
        owned.for_each(|entity| work.remove(entity));
    }
    let mentions =
        |entity: &Entity| gone.iter().any(|one| memchr::memmem::find(&entity.body, one.text().as_bytes()).is_some());
    let users: Vec<Arc<Entity>> = snapshot.entities(EntityKind::User, "").filter(|e| mentions(e)).cloned().collect();
    for entity in users {
        let mut user: UserRecord = body(&entity)?;
        if strip(&mut user.grants, gone) {
            work.change(context, &entity, &user)?;
        }
    }
    let roles: Vec<Arc<Entity>> = snapshot.entities(EntityKind::Role, "").filter(|e| mentions(e)).cloned().collect();
    for entity in roles {
        let mut role: RoleRecord = body(&entity)?;
        if strip(&mut role.grants, gone) {
            work.change(context, &entity, &role)?;
        }
    }
    Ok(())
}

fn strip(grants: &mut Grants, gone: &[Gone]) -> bool {
    let before = grants.privileges.len();
    grants.privileges.retain(|key, _| !gone.iter().any(|one| one.has(key)));
    grants.privileges.len() != before
}

/// Everything a dropped role leaves behind: who had it, and what it owned.
pub(crate) fn forget_role(context: &StatementContext, role: &str, work: &mut Work) -> Result<()> {
    for Kept { entity, mut body } in all::<UserRecord>(&context.snapshot, EntityKind::User)? {
        if body.grants.roles.remove(role) {
            work.change(context, &entity, &body)?;
        }
    }
    for Kept { entity, mut body } in all::<RoleRecord>(&context.snapshot, EntityKind::Role)? {
        if body.grants.roles.remove(role) {
            work.change(context, &entity, &body)?;
        }
    }
    for Kept { entity, body } in all::<OwnershipRecord>(&context.snapshot, EntityKind::Ownership)? {
        if body.role == role {
            work.remove(&entity);
        }
    }
    Ok(())
}
