//! CREATE, ALTER and DROP of roles, and which of them a session acts in.

use super::{Onto, check_name, onto_existing};
use crate::{
    Error, Result,
    access::{
        ACCOUNT_ADMIN, Object, PUBLIC, Privilege, RoleRecord, UserRecord, Work, available, find, forget_role, get,
        is_unlimited, role_exists,
    },
    plan::StatementContext,
    sql::{Creation, SecondaryRoles},
    statement::Outcome,
};
use basalt_meta::EntityKind;

pub(super) fn create(
    context: &StatementContext,
    name: &str,
    creation: Creation,
    comment: Option<&str>,
    work: &mut Work,
) -> Result<()> {
    context.require(Privilege::CreateRole, &Object::Global)?;
    check_name(EntityKind::Role, name)?;
    let exists = || Error::EntityExists { kind: EntityKind::Role, name: name.to_owned() };
    if is_built_in(name) {
        return if creation == Creation::IfNotExists { Ok(()) } else { Err(exists()) };
    }
    let existing = find::<RoleRecord>(&context.snapshot, EntityKind::Role, name)?;
    let Some(onto) = onto_existing(existing, creation, exists)? else {
        return Ok(());
    };
    let role = RoleRecord { comment: comment.unwrap_or_default().to_owned(), ..RoleRecord::default() };
    match onto {
        Onto::Nothing => work.add(context, EntityKind::Role, name, &role),
        Onto::Old(old) => {
            context.require(Privilege::DropRole, &Object::Global)?;
            work.change(context, &old.entity, &role)
        }
    }
}

pub(super) fn alter(
    context: &StatementContext,
    name: &str,
    if_exists: bool,
    comment: &str,
    work: &mut Work,
) -> Result<()> {
    context.require(Privilege::Alter, &Object::Global)?;
    match find::<RoleRecord>(&context.snapshot, EntityKind::Role, name)? {
        Some(mut old) => {
            comment.clone_into(&mut old.body.comment);
            work.change(context, &old.entity, &old.body)
        }
        None if if_exists => Ok(()),
        None => Err(unknown(name)),
    }
}

pub(super) fn drop(context: &StatementContext, name: &str, if_exists: bool, work: &mut Work) -> Result<()> {
    context.require(Privilege::DropRole, &Object::Global)?;
    if is_built_in(name) {
        let message = format!("role `{name}` is built in and cannot be dropped");
        return Err(Error::IllegalName { kind: EntityKind::Role, message });
    }
    match find::<RoleRecord>(&context.snapshot, EntityKind::Role, name)? {
        Some(old) => {
            if available(&context.snapshot, &old.body.grants.roles)?.contains(ACCOUNT_ADMIN) {
                require_admin(context, "a role that inherits account_admin is dropped by such users only")?;
            }
            work.remove(&old.entity);
            forget_role(context, name, work)
        }
        None if if_exists => Ok(()),
        None => Err(unknown(name)),
    }
}

/// The user's role at the next login: of oneself, or of others for who may change users.
pub(super) fn set_default(context: &StatementContext, name: &str, users: &[String], work: &mut Work) -> Result<()> {
    let own = context.session.principal.name.clone();
    let users = if users.is_empty() { vec![own.clone()] } else { users.to_vec() };
    for user in &users {
        if *user != own {
            context.require(Privilege::Alter, &Object::Global)?;
        }
        if context.parts.settings.users.contains(user) {
            let message = format!("user `{user}` comes from the server's configuration: it has no default role");
            return Err(Error::InvalidArgument { message });
        }
        let mut found = get::<UserRecord>(&context.snapshot, EntityKind::User, user)?;
        if !available(&context.snapshot, &found.body.grants.roles)?.contains(name) {
            return Err(not_available(name, user));
        }
        found.body.default_role = Some(name.to_owned());
        work.change(context, &found.entity, &found.body)?;
    }
    Ok(())
}

pub(super) fn set_role(context: &mut StatementContext, name: String) -> Result<Outcome> {
    let authority = context.authority()?;
    if !authority.available.contains(&name) {
        return Err(not_available(&name, &context.session.principal.name));
    }
    context.session.role = Some(name);
    Ok(Outcome::Done)
}

pub(super) fn set_secondary(context: &mut StatementContext, roles: SecondaryRoles) -> Result<Outcome> {
    let chosen = match roles {
        SecondaryRoles::All => None,
        SecondaryRoles::Some(roles) => {
            let authority = context.authority()?;
            if let Some(role) = roles.iter().find(|role| !authority.available.contains(*role)) {
                return Err(not_available(role, &context.session.principal.name));
            }
            Some(roles)
        }
    };
    context.session.secondary_roles = chosen;
    Ok(Outcome::Done)
}

/// Fails unless the session has all rights.
pub(super) fn require_admin(context: &StatementContext, why: &str) -> Result<()> {
    if is_unlimited(&context.session) || context.authority()?.is_everything() {
        return Ok(());
    }
    let user = &context.session.principal.name;
    Err(Error::PermissionDenied { message: format!("{why}; user '{user}'@'%' does not have that role") })
}

/// Fails unless there is such a role.
pub(super) fn check_exists(context: &StatementContext, name: &str) -> Result<()> {
    if role_exists(&context.snapshot, name) { Ok(()) } else { Err(unknown(name)) }
}

pub(super) fn is_built_in(name: &str) -> bool {
    name == ACCOUNT_ADMIN || name == PUBLIC
}

fn unknown(name: &str) -> Error {
    Error::UnknownEntity { kind: EntityKind::Role, name: name.to_owned() }
}

fn not_available(role: &str, user: &str) -> Error {
    Error::InvalidRole { role: role.to_owned(), reason: format!("user '{user}' does not have it") }
}
