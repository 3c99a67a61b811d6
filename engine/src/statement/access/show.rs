//! SHOW GRANTS, SHOW ROLES and SHOW of policies.

use super::{
    entity_kind,
    grants::object,
    listing::{Cell, Listing},
};
use crate::{
    Error, Result,
    access::{
        ACCOUNT_ADMIN, ATTRIBUTES, Grants, Kept, NetworkPolicy, Object, ObjectKind, OwnershipRecord, PUBLIC,
        PasswordPolicy, Privilege, Privileges, RoleRecord, RuleRecord, UserRecord, all, database_key, entity_key, find,
        get, inherit, is_unlimited, owner, role_exists, role_grants, table_key,
    },
    plan::StatementContext,
    sql::{Grantee, PolicyKind, ShowAccess, ShownAccess},
    statement::Outcome,
};
use basalt_meta::{DatabaseId, EntityKind, TableId};
use std::collections::BTreeMap;

pub(super) async fn show(context: &StatementContext, show: ShowAccess) -> Result<Outcome> {
    let listing = match &show.what {
        ShownAccess::GrantsFor(grantee) => grants_for(context, grantee.as_ref())?,
        ShownAccess::GrantsOn(on) => grants_on(context, &object(context, on)?)?,
        ShownAccess::GrantsOf(role) => grants_of(context, role)?,
        ShownAccess::Roles => roles(context)?,
        ShownAccess::Policies(kind) => policies(context, *kind)?,
    };
    listing.outcome(context, show.filter, show.limit).await
}

const GRANT_COLUMNS: &[&str] = &["privileges", "object_name", "object_id", "grant_to", "name", "grants"];

/// What a user or role was granted, directly and through roles.
fn grants_for(context: &StatementContext, grantee: Option<&Grantee>) -> Result<Listing> {
    let own = Grantee::User(context.session.principal.name.clone());
    let grantee = grantee.unwrap_or(&own);
    let (grants, everything) = match grantee {
        Grantee::User(name) => {
            if *grantee != own {
                context.require(Privilege::Grant, &Object::Global)?;
            }
            user_grants(context, name)?
        }
        Grantee::Role(name) => {
            let unknown = || Error::UnknownEntity { kind: EntityKind::Role, name: name.clone() };
            let grants = role_grants(&context.snapshot, name)?.ok_or_else(unknown)?;
            let visible = is_unlimited(&context.session) || context.authority()?.available.contains(name);
            if !visible {
                context.require(Privilege::Grant, &Object::Global)?;
            }
            (grants, name == ACCOUNT_ADMIN)
        }
    };
    let mut roles = Vec::new();
    if let Grantee::Role(name) = grantee {
        roles.push(name.clone());
    }
    for role in &grants.roles {
        inherit(&context.snapshot, role, &mut roles)?;
    }
    let mut all_grants: BTreeMap<String, Privileges> = grants.privileges;
    for role in &roles {
        for (key, privileges) in role_grants(&context.snapshot, role)?.unwrap_or_default().privileges {
            let held = all_grants.entry(key).or_default();
            *held = held.union(privileges);
        }
    }
    let mut rows = Vec::new();
    if everything || roles.iter().any(|role| role == ACCOUNT_ADMIN) {
        all_grants.insert("*".into(), Privileges::all_on(ObjectKind::Global));
    }
    let names = Names::new(context);
    for (key, privileges) in all_grants {
        rows.extend(names.row(&key, privileges, grantee));
    }
    for Kept { entity, body } in all::<OwnershipRecord>(&context.snapshot, EntityKind::Ownership)? {
        if roles.contains(&body.role) {
            rows.extend(names.row(&entity.name, Privileges::of(&[Privilege::Ownership]), grantee));
        }
    }
    Ok(Listing { columns: GRANT_COLUMNS, rows, named_by: "object_name", ordered: false })
}

fn user_grants(context: &StatementContext, name: &str) -> Result<(Grants, bool)> {
    if let Some((_, role, _)) = context.parts.settings.users.list().find(|(known, _, _)| *known == name) {
        return Ok((Grants::default(), role == crate::Role::Admin));
    }
    Ok((get::<UserRecord>(&context.snapshot, EntityKind::User, name)?.body.grants, false))
}

/// Keys of grants as users know the things.
struct Names {
    databases: BTreeMap<String, (u64, String)>,
    tables: BTreeMap<String, (u64, String, String)>,
    entities: BTreeMap<String, (EntityKind, u64, String)>,
}

impl Names {
    fn new(context: &StatementContext) -> Self {
        let snapshot = &context.snapshot;
        let mut names = Self { databases: BTreeMap::new(), tables: BTreeMap::new(), entities: BTreeMap::new() };
        for database in snapshot.databases() {
            names.databases.insert(database_key(database.id), (database.id.0, database.name.clone()));
            for table in snapshot.tables(database.id) {
                let table = table.table();
                let row = (table.id.0, database.name.clone(), table.name.clone());
                names.tables.insert(table_key(database.id, table.id), row);
            }
        }
        for name in ["system", "information_schema"] {
            if let Ok(database) = context.database(name) {
                names.databases.insert(database_key(database.id), (database.id.0, database.name.clone()));
            }
        }
        for kind in EntityKind::ALL {
            if !matches!(Object::entity(kind, "").kind(), ObjectKind::Ungrantable) {
                for entity in snapshot.entities(kind, "") {
                    names.entities.insert(entity_key(kind, &entity.name), (kind, entity.id, entity.name.clone()));
                }
            }
        }
        names
    }

    /// `None` for what was dropped.
    fn row(&self, key: &str, privileges: Privileges, grantee: &Grantee) -> Option<Vec<Cell>> {
        let (object, name, id) = self.object(key)?;
        let all = Privileges::all_on(object.kind());
        let list = if !all.is_empty() && privileges == all { "ALL".to_owned() } else { privileges.to_string() };
        let (kind, grantee_name, to) = match grantee {
            Grantee::User(user) => ("USER", user, format!("'{user}'@'%'")),
            Grantee::Role(role) => ("ROLE", role, format!("ROLE `{role}`")),
        };
        let text = format!("GRANT {list} ON {object} TO {to}");
        Some(vec![list.into(), name.into(), Cell::Number(id), kind.into(), grantee_name.as_str().into(), text.into()])
    }

    fn object(&self, key: &str) -> Option<(Object, String, Option<u64>)> {
        if key == "*" {
            return Some((Object::Global, "*.*".into(), None));
        }
        if let Some((id, name)) = self.databases.get(key) {
            let object = Object::Database { id: DatabaseId(*id), name: name.clone() };
            return Some((object, name.clone(), Some(*id)));
        }
        if let Some((id, database, name)) = self.tables.get(key) {
            let object = Object::Table {
                database: DatabaseId(0),
                database_name: database.clone(),
                id: TableId(*id),
                name: name.clone(),
            };
            return Some((object, format!("default.{database}.{name}"), Some(*id)));
        }
        let (kind, id, name) = self.entities.get(key)?;
        Some((Object::entity(*kind, name.clone()), name.clone(), Some(*id)))
    }
}

/// Who holds what on one object.
fn grants_on(context: &StatementContext, object: &Object) -> Result<Listing> {
    if !context.sees(object) {
        let user = &context.session.principal.name;
        let message = format!("user '{user}'@'%' has no privilege on {object}");
        return Err(Error::PermissionDenied { message });
    }
    let key = object.key();
    let (name, id) = match object {
        Object::Global => ("*.*".to_owned(), None),
        Object::Database { id, name } => (name.clone(), Some(id.0)),
        Object::Table { id, name, .. } => (name.clone(), Some(id.0)),
        Object::Entity { kind, name } => (name.clone(), context.snapshot.entity(*kind, name).map(|e| e.id)),
    };
    let row = |privileges: String, kind: &str, grantee: &str| {
        vec![privileges.into(), name.clone().into(), Cell::Number(id), kind.into(), grantee.into(), "".into()]
    };
    let mut rows = Vec::new();
    for user in all::<UserRecord>(&context.snapshot, EntityKind::User)? {
        if let Some(held) = user.body.grants.privileges.get(&key) {
            rows.push(row(held.to_string(), "USER", &user.entity.name));
        }
    }
    for role in all::<RoleRecord>(&context.snapshot, EntityKind::Role)? {
        if let Some(held) = role.body.grants.privileges.get(&key) {
            rows.push(row(held.to_string(), "ROLE", &role.entity.name));
        }
    }
    if *object != Object::Global {
        rows.push(row("OWNERSHIP".into(), "ROLE", &owner(&context.snapshot, &key)));
    }
    Ok(Listing { columns: GRANT_COLUMNS, rows, named_by: "name", ordered: false })
}

/// Who was given a role directly.
fn grants_of(context: &StatementContext, role: &str) -> Result<Listing> {
    if !role_exists(&context.snapshot, role) {
        return Err(Error::UnknownEntity { kind: EntityKind::Role, name: role.to_owned() });
    }
    context.require(Privilege::Grant, &Object::Global)?;
    let mut rows = Vec::new();
    for user in all::<UserRecord>(&context.snapshot, EntityKind::User)? {
        if user.body.grants.roles.contains(role) {
            rows.push(vec![role.into(), "USER".into(), user.entity.name.as_str().into()]);
        }
    }
    for other in all::<RoleRecord>(&context.snapshot, EntityKind::Role)? {
        if other.body.grants.roles.contains(role) {
            rows.push(vec![role.into(), "ROLE".into(), other.entity.name.as_str().into()]);
        }
    }
    Ok(Listing { columns: &["role", "granted_to", "grantee_name"], rows, named_by: "grantee_name", ordered: false })
}

/// The roles the session can take; all of them for who has all rights.
fn roles(context: &StatementContext) -> Result<Listing> {
    let authority = context.authority()?;
    let principal = &context.session.principal;
    let default = match principal.role {
        crate::Role::Admin => ACCOUNT_ADMIN.to_owned(),
        _ => {
            let user = find::<UserRecord>(&context.snapshot, EntityKind::User, &principal.name)?;
            user.and_then(|u| u.body.default_role).unwrap_or_else(|| PUBLIC.to_owned())
        }
    };
    let mut rows = Vec::new();
    for name in &authority.available {
        let inherited = role_grants(&context.snapshot, name)?.unwrap_or_default().roles;
        let names: Vec<&str> = inherited.iter().map(String::as_str).collect();
        rows.push(vec![
            name.as_str().into(),
            Cell::Number(Some(inherited.len() as u64)),
            names.join(", ").into(),
            Cell::Bool(*name == authority.current),
            Cell::Bool(*name == default),
        ]);
    }
    let columns = &["name", "inherited_roles", "inherited_roles_name", "is_current", "is_default"];
    Ok(Listing { columns, rows, named_by: "name", ordered: true })
}

fn policies(context: &StatementContext, kind: PolicyKind) -> Result<Listing> {
    let snapshot = &context.snapshot;
    let mut rows = Vec::new();
    let columns: &'static [&'static str] = match kind {
        PolicyKind::Network => {
            for Kept { entity, body } in all::<NetworkPolicy>(snapshot, EntityKind::NetworkPolicy)? {
                let list =
                    |ranges: &[crate::IpRange]| ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                rows.push(vec![
                    entity.name.as_str().into(),
                    list(&body.allowed).into(),
                    list(&body.blocked).into(),
                    body.comment.into(),
                ]);
            }
            &["Name", "Allowed Ip List", "Blocked Ip List", "Comment"]
        }
        PolicyKind::Password => {
            for Kept { entity, body } in all::<PasswordPolicy>(snapshot, EntityKind::PasswordPolicy)? {
                rows.push(vec![entity.name.as_str().into(), body.comment.as_str().into(), options(&body).into()]);
            }
            &["name", "comment", "options"]
        }
        PolicyKind::Masking | PolicyKind::RowAccess => {
            let kind = entity_kind(kind);
            for Kept { entity, body } in all::<RuleRecord>(snapshot, kind)? {
                if context.sees(&Object::entity(kind, entity.name.clone())) {
                    rows.push(vec![
                        entity.name.as_str().into(),
                        super::policies::signature(&body).into(),
                        body.returns.as_str().into(),
                        body.comment.as_str().into(),
                    ]);
                }
            }
            &["name", "signature", "return_type", "comment"]
        }
    };
    let named_by = columns[0];
    Ok(Listing { columns, rows, named_by, ordered: true })
}

/// `MIN_LENGTH=8, MAX_LENGTH=256, …`
fn options(policy: &PasswordPolicy) -> String {
    let value = |name: &str| format!("{}={}", name.trim_start_matches("PASSWORD_"), policy.value(name));
    ATTRIBUTES.iter().map(|attribute| value(attribute.name)).collect::<Vec<_>>().join(", ")
}
