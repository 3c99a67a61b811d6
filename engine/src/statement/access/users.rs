//! CREATE, ALTER, DROP and DESC of users.

use super::{Onto, check_name, onto_existing};
use crate::{
    Error, Result, Users,
    access::{
        ACCOUNT_ADMIN, Kept, NetworkPolicy, Object, PasswordPolicy, Privilege, UserRecord, Work, available, days_since,
        find, get,
    },
    plan::StatementContext,
    principal::matches,
    sql::{Authentication, Creation, UserOptions, UserRef},
    statement::Outcome,
};
use basalt_meta::EntityKind;

/// Earlier passwords that are remembered, whatever a policy asks for.
const HISTORY_MAX: usize = 24;

pub(super) fn create(
    context: &StatementContext,
    name: &str,
    creation: Creation,
    authentication: &Authentication,
    options: &UserOptions,
    work: &mut Work,
) -> Result<()> {
    context.require(Privilege::CreateUser, &Object::Global)?;
    check_name(EntityKind::User, name)?;
    let exists = || Error::EntityExists { kind: EntityKind::User, name: name.to_owned() };
    if context.parts.settings.users.contains(name) {
        return if creation == Creation::IfNotExists { Ok(()) } else { Err(exists()) };
    }
    let existing = find::<UserRecord>(&context.snapshot, EntityKind::User, name)?;
    let Some(onto) = onto_existing(existing, creation, exists)? else {
        return Ok(());
    };
    if let Onto::Old(old) = &onto {
        check_rank(context, &old.body)?;
    }
    let mut user = UserRecord::default();
    apply_options(context, &mut user, options)?;
    authenticate_by(context, &mut user, authentication, options)?;
    match onto {
        Onto::Nothing => work.add(context, EntityKind::User, name, &user),
        Onto::Old(old) => work.change(context, &old.entity, &user),
    }
}

pub(super) fn alter(
    context: &StatementContext,
    target: &UserRef,
    authentication: Option<&Authentication>,
    options: &UserOptions,
    work: &mut Work,
) -> Result<()> {
    let own = &context.session.principal.name;
    let name = match target {
        UserRef::Current => own,
        UserRef::Named(name) => name,
    };
    // Everybody may change the own password, and nothing else of oneself.
    if name != own || *options != UserOptions::default() {
        context.require(Privilege::Alter, &Object::Global)?;
    }
    check_not_of_file(context, name)?;
    let Kept { entity, body: mut user } = get::<UserRecord>(&context.snapshot, EntityKind::User, name)?;
    if name != own {
        check_rank(context, &user)?;
    }
    apply_options(context, &mut user, options)?;
    if let Some(authentication) = authentication {
        change_password(context, &mut user, authentication, options)?;
    }
    work.change(context, &entity, &user)
}

pub(super) fn drop(context: &StatementContext, name: &str, if_exists: bool, work: &mut Work) -> Result<()> {
    context.require(Privilege::DropUser, &Object::Global)?;
    check_not_of_file(context, name)?;
    match find::<UserRecord>(&context.snapshot, EntityKind::User, name)? {
        Some(old) => {
            check_rank(context, &old.body)?;
            work.remove(&old.entity);
            Ok(())
        }
        None if if_exists => Ok(()),
        None => Err(Error::UnknownEntity { kind: EntityKind::User, name: name.to_owned() }),
    }
}

/// Who has all rights is changed only by who has them too.
fn check_rank(context: &StatementContext, user: &UserRecord) -> Result<()> {
    if !available(&context.snapshot, &user.grants.roles)?.contains(ACCOUNT_ADMIN) {
        return Ok(());
    }
    super::roles::require_admin(context, "users with the role account_admin are changed by such users only")
}

fn check_not_of_file(context: &StatementContext, name: &str) -> Result<()> {
    if !context.parts.settings.users.contains(name) {
        return Ok(());
    }
    let message = format!("user `{name}` comes from the server's configuration: it is changed there");
    Err(Error::InvalidArgument { message })
}

fn apply_options(context: &StatementContext, user: &mut UserRecord, options: &UserOptions) -> Result<()> {
    if let Some(role) = &options.default_role {
        user.default_role = (!role.is_empty()).then(|| role.clone());
    }
    if let Some(disabled) = options.disabled {
        user.disabled = disabled;
    }
    if let Some(must) = options.must_change_password {
        user.must_change_password = must;
    }
    if let Some(policy) = &options.network_policy {
        if let Some(name) = policy {
            get::<NetworkPolicy>(&context.snapshot, EntityKind::NetworkPolicy, name)?;
        }
        user.network_policy.clone_from(policy);
    }
    if let Some(policy) = &options.password_policy {
        if let Some(name) = policy {
            get::<PasswordPolicy>(&context.snapshot, EntityKind::PasswordPolicy, name)?;
        }
        user.password_policy.clone_from(policy);
    }
    Ok(())
}

fn policy_of(context: &StatementContext, user: &UserRecord) -> Result<Option<PasswordPolicy>> {
    match &user.password_policy {
        Some(name) => Ok(Some(get::<PasswordPolicy>(&context.snapshot, EntityKind::PasswordPolicy, name)?.body)),
        None => Ok(None),
    }
}

/// Another password (or none) for a user that has one: how often it may change and which ones were used is checked.
fn change_password(
    context: &StatementContext,
    user: &mut UserRecord,
    authentication: &Authentication,
    options: &UserOptions,
) -> Result<()> {
    if let (Authentication::Password { password, .. }, Some(policy)) = (authentication, policy_of(context, user)?) {
        let now = context.now().timestamp_micros();
        let (min_age, age) = (policy.value("PASSWORD_MIN_AGE_DAYS"), days_since(user.password_changed, now));
        if user.password_hash.is_some() && !user.must_change_password && age < min_age {
            let message = format!("the password must stay for {min_age} days and is {age} days old");
            return Err(Error::InvalidPassword { message });
        }
        let history = usize::try_from(policy.value("PASSWORD_HISTORY")).unwrap_or(HISTORY_MAX);
        let earlier = user.password_hash.iter().chain(&user.password_history).take(history);
        if earlier.into_iter().any(|hash| matches(hash, password)) {
            let message = format!("the password is one of the last {history}: choose another");
            return Err(Error::InvalidPassword { message });
        }
    }
    if let Some(old) = user.password_hash.take() {
        user.password_history.insert(0, old);
        user.password_history.truncate(HISTORY_MAX);
    }
    if options.must_change_password.is_none() {
        user.must_change_password = false;
    }
    authenticate_by(context, user, authentication, options)
}

fn authenticate_by(
    context: &StatementContext,
    user: &mut UserRecord,
    authentication: &Authentication,
    options: &UserOptions,
) -> Result<()> {
    match authentication {
        Authentication::NoPassword => {
            user.auth_type = "no_password".into();
            user.password_hash = None;
        }
        Authentication::Password { kind, password } => {
            if let Some(policy) = policy_of(context, user)? {
                policy.check(password)?;
            }
            user.auth_type = (*kind).into();
            user.password_hash = Some(Users::hash_password(password)?);
        }
    }
    if let Some(must) = options.must_change_password {
        user.must_change_password = must;
    }
    user.password_changed = context.now().timestamp_micros();
    user.generation = context.parts.catalog.next_id();
    Ok(())
}

pub(super) fn describe(context: &StatementContext, name: &str) -> Result<Outcome> {
    if name != context.session.principal.name {
        context.require(Privilege::Grant, &Object::Global)?;
    }
    let names = [
        "name",
        "hostname",
        "auth_type",
        "default_role",
        "default_warehouse",
        "roles",
        "disabled",
        "network_policy",
        "password_policy",
        "must_change_password",
    ];
    let row = if let Some((_, role, has_password)) = context.parts.settings.users.list().find(|(n, _, _)| *n == name) {
        let auth = if has_password { "double_sha1_password" } else { "no_password" };
        let default = if role == crate::Role::Admin { ACCOUNT_ADMIN } else { "" };
        let texts = [name, "%", auth, default, "", default, "false"].map(|t| Some(t.to_owned()));
        texts.into_iter().chain([None, None, None]).collect()
    } else {
        let user = get::<UserRecord>(&context.snapshot, EntityKind::User, name)?.body;
        let roles: Vec<&str> = user.grants.roles.iter().map(String::as_str).collect();
        vec![
            Some(name.to_owned()),
            Some("%".into()),
            Some(user.auth_type.clone()),
            Some(user.default_role.clone().unwrap_or_default()),
            Some(String::new()),
            Some(roles.join(", ")),
            Some(user.disabled.to_string()),
            user.network_policy.clone(),
            user.password_policy.clone(),
            user.must_change_password.then(|| "true".to_owned()),
        ]
    };
    Outcome::texts(&names, vec![row])
}
