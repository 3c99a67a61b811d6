//! What a session may do: its user, the roles that are active, and everything they were granted. Made once per statement
//! from the newest commit, so that what is revoked is refused at the next statement.

use super::{
    ACCOUNT_ADMIN, Object, PUBLIC, Privilege, Privileges,
    object::{ObjectKind, database_key, tables_prefix},
    records::{Grants, OwnershipRecord, RoleRecord, UserRecord, body, find},
};
use crate::{Error, Result, Role, Session};
use basalt_meta::{DatabaseId, EntityKind, Snapshot};
use std::collections::{BTreeMap, BTreeSet};

/// The rights of one session at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Authority {
    snapshot: Snapshot,
    role: Role,
    /// account_admin is among the active roles.
    everything: bool,
    /// The role that owns what is created.
    pub current: String,
    /// The roles in force: the current one, the secondary ones, and what they inherit.
    pub active: Vec<String>,
    /// The roles the session could take.
    pub available: BTreeSet<String>,
    /// Granted to the user and to the active roles.
    granted: BTreeMap<String, Privileges>,
    /// Granted to the user and to the current role and what it inherits.
    creating: BTreeMap<String, Privileges>,
}

/// Whether a session has all rights, found without looking at anything.
pub(crate) fn is_unlimited(session: &Session) -> bool {
    session.principal.role == Role::Admin
        && (session.secondary_roles.is_none() || session.role.as_deref().is_none_or(|role| role == ACCOUNT_ADMIN))
}

impl Authority {
    pub fn of(session: &Session, snapshot: &Snapshot) -> Result<Self> {
        let principal = &session.principal;
        let (user, own) = match principal.role {
            Role::Granted(_) => match find::<UserRecord>(snapshot, EntityKind::User, &principal.name)? {
                Some(user) => (user.body.default_role, user.body.grants),
                None => return Err(Error::Unauthenticated { user: principal.name.clone() }),
            },
            Role::Admin => {
                let roles = BTreeSet::from([ACCOUNT_ADMIN.to_owned()]);
                (Some(ACCOUNT_ADMIN.to_owned()), Grants { roles, ..Grants::default() })
            }
            Role::Reader | Role::Writer => (None, Grants::default()),
        };
        let available = available(snapshot, &own.roles)?;
        let known = |role: &&str| available.contains(*role);
        let current =
            session.role.as_deref().filter(known).or(user.as_deref().filter(known)).unwrap_or(PUBLIC).to_owned();
        let mut active = Vec::new();
        inherit(snapshot, &current, &mut active)?;
        let creating_roles = active.len();
        match &session.secondary_roles {
            None => {
                for role in own.roles.iter().filter(|role| available.contains(*role)) {
                    inherit(snapshot, role, &mut active)?;
                }
            }
            Some(chosen) => {
                for role in chosen.iter().filter(|role| available.contains(*role)) {
                    inherit(snapshot, role, &mut active)?;
                }
            }
        }
        inherit(snapshot, PUBLIC, &mut active)?;
        let everything = active.iter().any(|role| role == ACCOUNT_ADMIN);
        let mut granted = own.privileges.clone();
        let mut creating = own.privileges;
        for (n, role) in active.iter().enumerate() {
            let grants = role_grants(snapshot, role)?.unwrap_or_default();
            for (key, privileges) in grants.privileges {
                if n < creating_roles {
                    add(&mut creating, &key, privileges);
                }
                add(&mut granted, &key, privileges);
            }
        }
        Ok(Self {
            snapshot: snapshot.clone(),
            role: principal.role,
            everything,
            current,
            active,
            available,
            granted,
            creating,
        })
    }

    /// Everything is allowed.
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    pub fn may(&self, privilege: Privilege, object: &Object) -> bool {
        self.everything
            || from_file(self.role, privilege, object)
            || holds(&self.granted, privilege, object)
            || self.owns(object)
    }

    /// Like `may`, for making something that the current role will own: secondary roles do not count.
    pub fn may_create(&self, privilege: Privilege, object: &Object) -> bool {
        self.everything
            || from_file(self.role, privilege, object)
            || holds(&self.creating, privilege, object)
            || self.owner(object).is_some_and(|owner| owner == self.current)
    }

    /// Whether the session may know that an object is there.
    pub fn sees(&self, object: &Object) -> bool {
        let relevant = match object.kind() {
            ObjectKind::Global => return true,
            ObjectKind::Database | ObjectKind::Table => Privileges::all_on(ObjectKind::Table).with(Privilege::Super),
            other => Privileges::all_on(other),
        };
        if self.everything || relevant.iter().any(|privilege| self.may(privilege, object)) {
            return true;
        }
        match object {
            Object::Database { id, .. } => self.granted.contains_key(&object.key()) || self.sees_a_table(*id),
            Object::Entity { kind: EntityKind::MaskingPolicy, .. } => {
                self.may(Privilege::ApplyMaskingPolicy, &Object::Global)
            }
            Object::Entity { kind: EntityKind::RowAccessPolicy, .. } => {
                self.may(Privilege::ApplyRowAccessPolicy, &Object::Global)
            }
            _ => false,
        }
    }

    fn sees_a_table(&self, database: DatabaseId) -> bool {
        let prefix = tables_prefix(database);
        let granted = self.granted.range(prefix.clone()..).next().is_some_and(|(key, _)| key.starts_with(&prefix));
        granted
            || self
                .snapshot
                .entities(EntityKind::Ownership, &prefix)
                .any(|entity| body::<OwnershipRecord>(entity).is_ok_and(|owner| self.is_active(&owner.role)))
    }

    /// Whether an active role owns the object, or the database it is in.
    pub fn owns(&self, object: &Object) -> bool {
        if self.everything || self.owner_of(&object.key()).is_some_and(|role| self.is_active(&role)) {
            return true;
        }
        match object {
            Object::Table { database, .. } => {
                self.owner_of(&database_key(*database)).is_some_and(|role| self.is_active(&role))
            }
            _ => false,
        }
    }

    pub fn is_active(&self, role: &str) -> bool {
        self.active.iter().any(|active| active == role)
    }

    fn owner(&self, object: &Object) -> Option<String> {
        self.owner_of(&object.key())
    }

    fn owner_of(&self, key: &str) -> Option<String> {
        let entity = self.snapshot.entity(EntityKind::Ownership, key)?;
        body::<OwnershipRecord>(&entity).ok().map(|owner| owner.role)
    }
}

fn add(all: &mut BTreeMap<String, Privileges>, key: &str, privileges: Privileges) {
    let entry = all.entry(key.to_owned()).or_default();
    *entry = entry.union(privileges);
}

/// Whether a privilege was granted on the object or on what it is in.
fn holds(granted: &BTreeMap<String, Privileges>, privilege: Privilege, object: &Object) -> bool {
    let on = |key: &str| granted.get(key).is_some_and(|privileges| privileges.contains(privilege));
    if on("*") || (!matches!(object, Object::Global) && on(&object.key())) {
        return true;
    }
    // To enter a database says nothing about the tables in it.
    match object {
        Object::Table { database, .. } => privilege != Privilege::Usage && on(&database_key(*database)),
        _ => false,
    }
}

/// What the roles of the users file allow. They are coarse: a reader reads everything, a writer also changes it.
fn from_file(role: Role, privilege: Privilege, object: &Object) -> bool {
    use Privilege as P;
    let reads = matches!(privilege, P::Select | P::Read | P::Usage);
    match role {
        Role::Granted(_) => false,
        Role::Admin => false,
        Role::Reader => reads,
        Role::Writer => match object.kind() {
            ObjectKind::Table => privilege != P::Grant,
            ObjectKind::Global | ObjectKind::Database => {
                reads
                    || matches!(
                        privilege,
                        P::Create
                            | P::CreateDatabase
                            | P::CreateStage
                            | P::CreateConnection
                            | P::CreateSequence
                            | P::CreateProcedure
                            | P::Insert
                            | P::Update
                            | P::Delete
                    )
            }
            ObjectKind::Policy => false,
            ObjectKind::Stage | ObjectKind::Usable | ObjectKind::Ungrantable => privilege != P::Grant,
        },
    }
}

/// Whether a role exists.
pub(crate) fn role_exists(snapshot: &Snapshot, role: &str) -> bool {
    role == ACCOUNT_ADMIN || role == PUBLIC || snapshot.entity(EntityKind::Role, role).is_some()
}

/// What a role was granted; `None` when there is no such role.
pub(crate) fn role_grants(snapshot: &Snapshot, role: &str) -> Result<Option<Grants>> {
    match find::<RoleRecord>(snapshot, EntityKind::Role, role)? {
        Some(found) => Ok(Some(found.body.grants)),
        None if role_exists(snapshot, role) => Ok(Some(Grants::default())),
        None => Ok(None),
    }
}

/// The roles a user with these can take: they, what they inherit, and `public`. An account_admin can take any.
pub(crate) fn available(snapshot: &Snapshot, roles: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    let mut found = Vec::new();
    for role in roles {
        inherit(snapshot, role, &mut found)?;
    }
    if found.iter().any(|role| role == ACCOUNT_ADMIN) {
        found.extend(snapshot.entities(EntityKind::Role, "").map(|entity| entity.name.clone()));
    }
    found.push(PUBLIC.to_owned());
    Ok(found.into_iter().collect())
}

/// Adds a role and all it inherits, if it exists.
pub(crate) fn inherit(snapshot: &Snapshot, role: &str, into: &mut Vec<String>) -> Result<()> {
    let mut waiting = vec![role.to_owned()];
    while let Some(role) = waiting.pop() {
        if into.contains(&role) {
            continue;
        }
        let Some(grants) = role_grants(snapshot, &role)? else {
            continue;
        };
        waiting.extend(grants.roles.into_iter().rev());
        into.push(role);
    }
    Ok(())
}
