//! Users, roles and policies, as far as the caller may know them.

use super::rows::{Cell, Kind, Rows, row};
use crate::{
    Result, Role,
    access::{
        ACCOUNT_ADMIN, ATTRIBUTES, Kept, NetworkPolicy, Object, PUBLIC, PasswordPolicy, Privilege, RoleRecord,
        UserRecord, all, role_grants,
    },
    plan::StatementContext,
};
use basalt_meta::{EntityKind, Timestamp};

/// All users for who may grant; others see themselves.
pub(super) fn users(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("name", Kind::Text),
        ("hostname", Kind::Text),
        ("auth_type", Kind::Text),
        ("is_configured", Kind::Text),
        ("default_role", Kind::Text),
        ("default_warehouse", Kind::Text),
        ("roles", Kind::Text),
        ("disabled", Kind::Bool),
        ("network_policy", Kind::TextN),
        ("password_policy", Kind::TextN),
        ("must_change_password", Kind::BoolN),
        ("workload_groups", Kind::TextN),
        ("created_on", Kind::TimeN),
        ("update_on", Kind::TimeN),
    ]);
    let everyone = context.may(Privilege::Grant, &Object::Global);
    let seen = |name: &str| everyone || name == context.session.principal.name;
    for (name, role, has_password) in context.parts.settings.users.list().filter(|(name, _, _)| seen(name)) {
        let role = if role == Role::Admin { ACCOUNT_ADMIN } else { "" };
        rows.push(row![
            name,
            "%",
            if has_password { "double_sha1_password" } else { "no_password" },
            "YES",
            role,
            "",
            role,
            false,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
        ]);
    }
    for Kept { entity, body } in all::<UserRecord>(&context.snapshot, EntityKind::User)? {
        if !seen(&entity.name) {
            continue;
        }
        let roles: Vec<&str> = body.grants.roles.iter().map(String::as_str).collect();
        rows.push(row![
            entity.name.as_str(),
            "%",
            body.auth_type.as_str(),
            "NO",
            body.default_role.unwrap_or_default(),
            "",
            roles.join(", "),
            body.disabled,
            body.network_policy.as_deref(),
            body.password_policy.as_deref(),
            if body.must_change_password { Cell::Bool(true) } else { Cell::Null },
            Cell::Null,
            entity.created,
            entity.updated,
        ]);
    }
    Ok(rows)
}

/// All roles for who may grant; others see those they can take.
pub(super) fn roles(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("name", Kind::Text),
        ("inherited_roles", Kind::U64),
        ("inherited_roles_name", Kind::Text),
        ("created_on", Kind::Time),
        ("update_on", Kind::Time),
        ("comment", Kind::Text),
    ]);
    let everything = context.may(Privilege::Grant, &Object::Global);
    let authority = context.authority()?;
    let mut names: Vec<String> = vec![ACCOUNT_ADMIN.into(), PUBLIC.into()];
    names.extend(context.snapshot.entities(EntityKind::Role, "").map(|entity| entity.name.clone()));
    names.sort();
    names.dedup();
    for name in names.into_iter().filter(|name| everything || authority.available.contains(name)) {
        let inherited = role_grants(&context.snapshot, &name)?.unwrap_or_default().roles;
        let list: Vec<&str> = inherited.iter().map(String::as_str).collect();
        let kept = crate::access::find::<RoleRecord>(&context.snapshot, EntityKind::Role, &name)?;
        let times = kept.as_ref().map(|role| (role.entity.created, role.entity.updated));
        let (created, updated) = times.unwrap_or((Timestamp(0), Timestamp(0)));
        let comment = kept.map(|role| role.body.comment).unwrap_or_default();
        rows.push(row![name, inherited.len(), list.join(", "), created, updated, comment]);
    }
    Ok(rows)
}

pub(super) fn network_policies(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("name", Kind::Text),
        ("allowed_ip_list", Kind::Text),
        ("blocked_ip_list", Kind::Text),
        ("comment", Kind::Text),
        ("created_on", Kind::Time),
        ("updated_on", Kind::Time),
    ]);
    if !context.may(Privilege::Super, &Object::Global) {
        return Ok(rows);
    }
    let list = |ranges: &[crate::IpRange]| ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    for Kept { entity, body } in all::<NetworkPolicy>(&context.snapshot, EntityKind::NetworkPolicy)? {
        let (allowed, blocked) = (list(&body.allowed), list(&body.blocked));
        rows.push(row![entity.name.as_str(), allowed, blocked, body.comment, entity.created, entity.updated]);
    }
    Ok(rows)
}

pub(super) fn password_policies(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("name", Kind::Text),
        ("comment", Kind::Text),
        ("options", Kind::Text),
        ("created_on", Kind::Time),
        ("updated_on", Kind::Time),
    ]);
    if !context.may(Privilege::Super, &Object::Global) {
        return Ok(rows);
    }
    for Kept { entity, body } in all::<PasswordPolicy>(&context.snapshot, EntityKind::PasswordPolicy)? {
        let option = |name: &str| format!("{}={}", name.trim_start_matches("PASSWORD_"), body.value(name));
        let options: Vec<String> = ATTRIBUTES.iter().map(|attribute| option(attribute.name)).collect();
        let comment = body.comment.as_str();
        rows.push(row![entity.name.as_str(), comment, options.join(", "), entity.created, entity.updated]);
    }
    Ok(rows)
}
