//! Users, roles and ownership as the catalogue keeps them: JSON bodies of entities. Fields are only ever added.

use super::Privileges;
use crate::{Error, Result, plan::StatementContext};
use basalt_meta::{Edit, Entity, EntityKind, Precondition, Snapshot, Version};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// May do everything; its users may take any role.
pub(crate) const ACCOUNT_ADMIN: &str = "account_admin";
/// Everybody has it.
pub(crate) const PUBLIC: &str = "public";

/// What was granted to a user or role: privileges by the key of their object, and roles.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Grants {
    pub privileges: BTreeMap<String, Privileges>,
    pub roles: BTreeSet<String>,
}

/// A user that SQL made. Users of the users file are not kept here.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct UserRecord {
    /// As it was said; only shown again.
    pub auth_type: String,
    /// PHC string (argon2id); none = no password is asked for.
    pub password_hash: Option<String>,
    /// New with every user and every password: who logged in with an older one is out.
    pub generation: u64,
    /// Microseconds since 1970.
    pub password_changed: i64,
    /// Hashes of earlier passwords, newest first.
    pub password_history: Vec<String>,
    pub must_change_password: bool,
    pub disabled: bool,
    pub default_role: Option<String>,
    pub network_policy: Option<String>,
    pub password_policy: Option<String>,
    pub grants: Grants,
}

/// Hashes stay out of logs.
impl std::fmt::Debug for UserRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserRecord").field("grants", &self.grants).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RoleRecord {
    pub comment: String,
    pub grants: Grants,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct OwnershipRecord {
    pub role: String,
}

/// An entity with its body read.
#[derive(Debug, Clone)]
pub(crate) struct Kept<T> {
    pub entity: Arc<Entity>,
    pub body: T,
}

/// The body of an entity.
pub(crate) fn body<T: DeserializeOwned>(entity: &Entity) -> Result<T> {
    serde_json::from_slice(&entity.body).map_err(|source| Error::Corrupt {
        message: format!("{} `{}` cannot be read: {source}", entity.kind, entity.name),
    })
}

/// The entity of this name, if there is one.
pub(crate) fn find<T: DeserializeOwned>(snapshot: &Snapshot, kind: EntityKind, name: &str) -> Result<Option<Kept<T>>> {
    let Some(entity) = snapshot.entity(kind, name) else {
        return Ok(None);
    };
    Ok(Some(Kept { body: body(&entity)?, entity }))
}

/// The entity of this name; it is an error when there is none.
pub(crate) fn get<T: DeserializeOwned>(snapshot: &Snapshot, kind: EntityKind, name: &str) -> Result<Kept<T>> {
    find(snapshot, kind, name)?.ok_or_else(|| Error::UnknownEntity { kind, name: name.to_owned() })
}

/// All entities of a kind.
pub(crate) fn all<T: DeserializeOwned>(snapshot: &Snapshot, kind: EntityKind) -> Result<Vec<Kept<T>>> {
    snapshot.entities(kind, "").map(|entity| Ok(Kept { body: body(entity)?, entity: Arc::clone(entity) })).collect()
}

/// What a commit is to do.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub edits: Vec<Edit>,
    pub preconditions: Vec<Precondition>,
}

impl Work {
    /// Adds a new entity.
    pub fn add<T: Serialize>(
        &mut self,
        context: &StatementContext,
        kind: EntityKind,
        name: &str,
        body: &T,
    ) -> Result<()> {
        self.preconditions.push(Precondition::EntityAbsent { kind, name: name.to_owned() });
        self.edits.push(Edit::PutEntity(fresh(context, kind, name, body)?));
        Ok(())
    }

    /// Gives an entity another body; it must not have changed meanwhile.
    pub fn change<T: Serialize>(&mut self, context: &StatementContext, old: &Entity, body: &T) -> Result<()> {
        self.unchanged(old);
        let updated = context.parts.catalog.clock().now();
        self.edits.push(Edit::PutEntity(Entity { updated, body: encoded(old.kind, &old.name, body)?, ..old.clone() }));
        Ok(())
    }

    pub fn remove(&mut self, old: &Entity) {
        self.unchanged(old);
        self.edits.push(Edit::DeleteEntity { kind: old.kind, name: old.name.clone() });
    }

    fn unchanged(&mut self, old: &Entity) {
        let (kind, name, since) = (old.kind, old.name.clone(), old.changed_at);
        self.preconditions.push(Precondition::EntityUnchanged { kind, name, since });
    }
}

/// An entity that is to be.
pub(crate) fn fresh<T: Serialize>(
    context: &StatementContext,
    kind: EntityKind,
    name: &str,
    body: &T,
) -> Result<Entity> {
    let now = context.parts.catalog.clock().now();
    Ok(Entity {
        kind,
        name: name.to_owned(),
        id: context.parts.catalog.next_id(),
        created: now,
        updated: now,
        changed_at: Version(0),
        body: encoded(kind, name, body)?,
    })
}

fn encoded<T: Serialize>(kind: EntityKind, name: &str, body: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(body).map_err(|source| Error::internal(format!("{kind} `{name}` cannot be written"), source))
}
