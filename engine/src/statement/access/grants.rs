//! GRANT and REVOKE.

use super::roles::{check_exists, require_admin};
use crate::{
    Error, Result,
    access::{
        ACCOUNT_ADMIN, Grants, Kept, Object, ObjectKind, OwnershipRecord, Privilege, Privileges, RoleRecord,
        UserRecord, Work, find, get, inherit, is_unlimited,
    },
    plan::StatementContext,
    sql::{GrantObject, Granted, Grantee, PrivilegeList, ident_name},
};
use basalt_meta::EntityKind;

pub(super) fn grant(context: &StatementContext, what: &Granted, to: &Grantee, work: &mut Work) -> Result<()> {
    match what {
        Granted::Role(role) => {
            check_exists(context, role)?;
            check_grantee(context, to)?;
            may_grant_role(context, role)?;
            if let Grantee::Role(heir) = to {
                check_no_cycle(context, role, heir)?;
            }
            change_grants(context, to, work, |grants| grants.roles.insert(role.clone()))
        }
        Granted::Privileges { privileges, on } => {
            let object = object(context, on)?;
            let privileges = privileges_on(privileges, &object)?;
            check_grantee(context, to)?;
            may_grant(context, &object)?;
            if *to == Grantee::Role(ACCOUNT_ADMIN.into()) {
                return Err(Error::IllegalGrant { message: "account_admin has all privileges already".into() });
            }
            let key = object.key();
            change_grants(context, to, work, |grants| {
                let held = grants.privileges.entry(key).or_default();
                let before = *held;
                *held = held.union(privileges);
                *held != before
            })
        }
        Granted::Ownership(on) => {
            let Grantee::Role(role) = to else {
                return Err(Error::IllegalGrant { message: "ownership is granted to roles only".into() });
            };
            let object = object(context, on)?;
            if object == Object::Global {
                return Err(Error::IllegalGrant {
                    message: "nobody owns everything: grant ownership of one object".into(),
                });
            }
            check_exists(context, role)?;
            may_grant(context, &object)?;
            own(context, &object, role, work)
        }
    }
}

pub(super) fn revoke(context: &StatementContext, what: &Granted, from: &Grantee, work: &mut Work) -> Result<()> {
    match what {
        Granted::Role(role) => {
            check_grantee(context, from)?;
            may_grant_role(context, role)?;
            change_grants(context, from, work, |grants| grants.roles.remove(role))
        }
        Granted::Privileges { privileges, on } => {
            let object = object(context, on)?;
            let privileges = privileges_on(privileges, &object)?;
            check_grantee(context, from)?;
            may_grant(context, &object)?;
            let key = object.key();
            change_grants(context, from, work, |grants| {
                let Some(held) = grants.privileges.get_mut(&key) else { return false };
                *held = held.minus(privileges);
                if held.is_empty() {
                    grants.privileges.remove(&key);
                }
                true
            })
        }
        Granted::Ownership(_) => Err(Error::IllegalGrant { message: "ownership is granted to another role".into() }),
    }
}

/// What a statement means by an object; it must exist.
pub(super) fn object(context: &StatementContext, on: &GrantObject) -> Result<Object> {
    match on {
        GrantObject::Everything => Ok(Object::Global),
        GrantObject::CurrentDatabase => Ok(Object::database(&*context.database(&context.session.database)?)),
        GrantObject::Database(name) => Ok(Object::database(&*context.database(&ident_name(name))?)),
        GrantObject::Table(name) => Ok(Object::table(&context.table(name)?)),
        GrantObject::Entity { kind, name } => entity(context, *kind, name),
    }
}

/// Names of these are exact, or fold to lower case like those of tables.
fn entity(
    context: &StatementContext,
    kind: EntityKind,
    name: &datafusion::sql::sqlparser::ast::Ident,
) -> Result<Object> {
    let folded = ident_name(name);
    for candidate in [&name.value, &folded, &compact(&folded)] {
        if context.snapshot.entity(kind, candidate).is_some() {
            return Ok(Object::entity(kind, candidate.clone()));
        }
    }
    Err(Error::UnknownEntity { kind, name: name.value.clone() })
}

/// `p(int, string)` without blanks.
fn compact(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace()).collect()
}

fn privileges_on(list: &PrivilegeList, object: &Object) -> Result<Privileges> {
    let kind = object.kind();
    let wanted = match list {
        PrivilegeList::All => Privileges::all_on(kind),
        PrivilegeList::Some(privileges) => Privileges::of(privileges),
    };
    let known = if kind == ObjectKind::Global {
        Privileges::all_on(ObjectKind::Global)
    } else {
        Privileges::grantable_on(kind)
    };
    let strange = wanted.minus(known);
    if wanted.is_empty() || !strange.is_empty() {
        let message = format!("privilege {strange} cannot be granted on {object} (only {known})");
        return Err(Error::IllegalGrant { message });
    }
    Ok(wanted)
}

/// The owner of an object gives rights on it, and who has GRANT there.
fn may_grant(context: &StatementContext, object: &Object) -> Result<()> {
    if is_unlimited(&context.session) {
        return Ok(());
    }
    let authority = context.authority()?;
    if authority.may(Privilege::Grant, object) || authority.owns(object) {
        return Ok(());
    }
    Err(context.denied(authority, &[Privilege::Grant], object))
}

fn may_grant_role(context: &StatementContext, role: &str) -> Result<()> {
    context.require(Privilege::Grant, &Object::Global)?;
    let mut inherited = Vec::new();
    inherit(&context.snapshot, role, &mut inherited)?;
    if inherited.iter().any(|role| role == ACCOUNT_ADMIN) {
        require_admin(context, "the role account_admin is given and taken by such users only")?;
    }
    Ok(())
}

fn check_grantee(context: &StatementContext, grantee: &Grantee) -> Result<()> {
    match grantee {
        Grantee::Role(role) => check_exists(context, role),
        Grantee::User(user) if context.parts.settings.users.contains(user) => {
            let message = format!("user `{user}` comes from the server's configuration: its rights are set there");
            Err(Error::IllegalGrant { message })
        }
        Grantee::User(user) => get::<UserRecord>(&context.snapshot, EntityKind::User, user).map(|_| ()),
    }
}

/// `heir` is about to inherit `role`: that must not inherit `heir`.
fn check_no_cycle(context: &StatementContext, role: &str, heir: &str) -> Result<()> {
    let mut inherited = Vec::new();
    inherit(&context.snapshot, role, &mut inherited)?;
    if inherited.iter().any(|role| role == heir) {
        let reason = format!("role `{heir}` is `{role}` itself or inherited by it already");
        return Err(Error::InvalidRole { role: role.to_owned(), reason });
    }
    if super::roles::is_built_in(heir) {
        let reason = format!("the built-in role `{heir}` inherits nothing");
        return Err(Error::InvalidRole { role: role.to_owned(), reason });
    }
    Ok(())
}

/// Changes what a user or role was granted, unless nothing changes.
fn change_grants(
    context: &StatementContext,
    grantee: &Grantee,
    work: &mut Work,
    change: impl FnOnce(&mut Grants) -> bool,
) -> Result<()> {
    match grantee {
        Grantee::User(name) => {
            let Kept { entity, mut body } = get::<UserRecord>(&context.snapshot, EntityKind::User, name)?;
            if change(&mut body.grants) {
                work.change(context, &entity, &body)?;
            }
        }
        Grantee::Role(name) => match find::<RoleRecord>(&context.snapshot, EntityKind::Role, name)? {
            Some(Kept { entity, mut body }) => {
                if change(&mut body.grants) {
                    work.change(context, &entity, &body)?;
                }
            }
            // A built-in role that nothing was granted to yet.
            None => {
                let mut body = RoleRecord::default();
                if change(&mut body.grants) {
                    work.add(context, EntityKind::Role, name, &body)?;
                }
            }
        },
    }
    Ok(())
}

fn own(context: &StatementContext, object: &Object, role: &str, work: &mut Work) -> Result<()> {
    let key = object.key();
    let body = OwnershipRecord { role: role.to_owned() };
    match find::<OwnershipRecord>(&context.snapshot, EntityKind::Ownership, &key)? {
        Some(old) if role == ACCOUNT_ADMIN => {
            work.remove(&old.entity);
            Ok(())
        }
        Some(old) => work.change(context, &old.entity, &body),
        None if role == ACCOUNT_ADMIN => Ok(()),
        None => work.add(context, EntityKind::Ownership, &key, &body),
    }
}
