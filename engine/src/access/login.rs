//! Who comes in: passwords of users that SQL made, from where they come, and whether they still may.
//!
//! Users of the users file are checked by [`crate::Users`]; they cannot be changed by SQL.

use super::{NetworkPolicy, PasswordPolicy, UserRecord, find, get, password::days_since};
use crate::{Error, Principal, Result, Role, parts::Parts};
use basalt_meta::{EntityKind, Snapshot};
use std::{net::IpAddr, time::Duration};

/// Checks a user's password. `from` is the other end of the connection; `None` = the caller is in this process.
/// Blocking: hashing takes tens of milliseconds.
pub(crate) fn authenticate(parts: &Parts, name: &str, password: &str, from: Option<IpAddr>) -> Result<Principal> {
    let users = &parts.settings.users;
    if users.contains(name) {
        return users.verify(name, password);
    }
    let snapshot = parts.catalog.snapshot();
    let Some(user) = find::<UserRecord>(&snapshot, EntityKind::User, name)? else {
        // Takes as long as a wrong password.
        return match users.check(name, password, None) {
            Err(Error::Unauthenticated { .. }) | Ok(()) => {
                Err(Error::UnknownEntity { kind: EntityKind::User, name: name.to_owned() })
            }
            Err(busy) => Err(busy),
        };
    };
    let user = user.body;
    check_entry(&snapshot, name, &user, from)?;
    match &user.password_hash {
        None if from.is_none_or(|address| address.to_canonical().is_loopback()) => {}
        None => {
            let reason = "users without a password may come from this machine only";
            return Err(Error::LoginRefused { user: name.to_owned(), reason: reason.into() });
        }
        Some(hash) => check_password(parts, &snapshot, name, password, &user, hash)?,
    }
    Ok(Principal { name: name.to_owned(), role: Role::Granted(user.generation) })
}

fn check_password(
    parts: &Parts,
    snapshot: &Snapshot,
    name: &str,
    password: &str,
    user: &UserRecord,
    hash: &str,
) -> Result<()> {
    let users = &parts.settings.users;
    let Some(policy) = password_policy(snapshot, user)? else {
        return users.check(name, password, Some(hash));
    };
    let lockout = Duration::from_secs(60 * policy.value("PASSWORD_LOCKOUT_TIME_MINS"));
    users.check_within(name, password, hash, policy.value("PASSWORD_MAX_RETRIES"), lockout)
}

/// Whether somebody who was let in before may still come in: the user is there, has the same password, is not disabled,
/// and comes from where it may.
pub(crate) fn check_principal(parts: &Parts, principal: &Principal, from: Option<IpAddr>) -> Result<()> {
    let Role::Granted(_) = principal.role else {
        return Ok(());
    };
    let snapshot = parts.catalog.snapshot();
    let user = live_user(&snapshot, principal)?;
    check_entry(&snapshot, &principal.name, &user, from)
}

/// The record of somebody who was let in; an error when it was dropped, disabled or given another password since.
pub(super) fn live_user(snapshot: &Snapshot, principal: &Principal) -> Result<UserRecord> {
    let gone = || Error::Unauthenticated { user: principal.name.clone() };
    let user = find::<UserRecord>(snapshot, EntityKind::User, &principal.name)?.ok_or_else(gone)?.body;
    if principal.role != Role::Granted(user.generation) {
        return Err(gone());
    }
    if user.disabled {
        return Err(disabled(&principal.name));
    }
    Ok(user)
}

fn check_entry(snapshot: &Snapshot, name: &str, user: &UserRecord, from: Option<IpAddr>) -> Result<()> {
    if user.disabled {
        return Err(disabled(name));
    }
    let (Some(policy), Some(address)) = (&user.network_policy, from) else {
        return Ok(());
    };
    let policy = get::<NetworkPolicy>(snapshot, EntityKind::NetworkPolicy, policy)?.body;
    if policy.admits(address) {
        return Ok(());
    }
    let reason = format!("address {address} is not allowed by the user's network policy");
    Err(Error::LoginRefused { user: name.to_owned(), reason })
}

fn disabled(name: &str) -> Error {
    Error::LoginRefused { user: name.to_owned(), reason: "the user is disabled".into() }
}

/// Whether the user has to change its password before anything else.
pub(super) fn must_change(snapshot: &Snapshot, user: &UserRecord, now: i64) -> Result<bool> {
    if user.must_change_password {
        return Ok(true);
    }
    let Some(policy) = password_policy(snapshot, user)? else {
        return Ok(false);
    };
    let max_age = policy.value("PASSWORD_MAX_AGE_DAYS");
    Ok(max_age > 0 && user.password_hash.is_some() && days_since(user.password_changed, now) >= max_age)
}

pub(crate) fn password_policy(snapshot: &Snapshot, user: &UserRecord) -> Result<Option<PasswordPolicy>> {
    match &user.password_policy {
        Some(name) => Ok(Some(get::<PasswordPolicy>(snapshot, EntityKind::PasswordPolicy, name)?.body)),
        None => Ok(None),
    }
}
