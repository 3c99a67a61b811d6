//! Users, roles, grants and policies. Every change is one commit that fails when what it read was changed meanwhile, and
//! is then tried again.

mod attach;
mod grants;
mod listing;
mod policies;
mod roles;
mod show;
mod users;

pub(super) use attach::{attach_masking, attach_rows, check_unprotected, detach_masking, detach_rows, has_row_policy};

use super::{Outcome, commit, refuse_in_transaction};
use crate::{
    Error, Result,
    access::Work,
    plan::StatementContext,
    sql::{AccessStatement, Creation, PolicyKind},
};

/// How often a change is tried when other commits change the same things.
const ATTEMPTS_MAX: usize = 10;

pub(super) async fn run(context: &mut StatementContext, statement: AccessStatement) -> Result<Outcome> {
    match statement {
        AccessStatement::SetRole { name } => roles::set_role(context, name),
        AccessStatement::SetSecondaryRoles(roles) => roles::set_secondary(context, roles),
        AccessStatement::Show(shown) => show::show(context, shown).await,
        AccessStatement::DescribeUser { name } => users::describe(context, &name),
        AccessStatement::DescribePolicy { kind, name } => policies::describe(context, kind, &name),
        changing => {
            refuse_in_transaction(context, "changing users, roles, grants or policies")?;
            let mut attempt = 1;
            loop {
                match change(context, &changing).await {
                    Err(Error::Conflict { .. }) if attempt < ATTEMPTS_MAX => {
                        attempt += 1;
                        context.snapshot = context.parts.catalog.snapshot();
                        context.authority = Default::default();
                    }
                    other => return other.map(|()| Outcome::Done),
                }
            }
        }
    }
}

async fn change(context: &StatementContext, statement: &AccessStatement) -> Result<()> {
    use AccessStatement as S;
    let mut work = Work::default();
    match statement {
        S::CreateUser { name, creation, authentication, options } => {
            users::create(context, name, *creation, authentication, options, &mut work)?
        }
        S::AlterUser { user, authentication, options } => {
            users::alter(context, user, authentication.as_ref(), options, &mut work)?
        }
        S::DropUser { name, if_exists } => users::drop(context, name, *if_exists, &mut work)?,
        S::CreateRole { name, creation, comment } => {
            roles::create(context, name, *creation, comment.as_deref(), &mut work)?
        }
        S::AlterRole { name, if_exists, comment } => roles::alter(context, name, *if_exists, comment, &mut work)?,
        S::DropRole { name, if_exists } => roles::drop(context, name, *if_exists, &mut work)?,
        S::SetDefaultRole { name, users } => roles::set_default(context, name, users, &mut work)?,
        S::Grant { what, to } => grants::grant(context, what, to, &mut work)?,
        S::Revoke { what, from } => grants::revoke(context, what, from, &mut work)?,
        S::CreatePolicy { name, creation, policy } => {
            policies::create(context, name, *creation, policy, &mut work).await?
        }
        S::AlterNetworkPolicy { name, if_exists, changes } => {
            policies::alter_network(context, name, *if_exists, changes, &mut work)?
        }
        S::AlterPasswordPolicy { name, if_exists, changes } => {
            policies::alter_password(context, name, *if_exists, changes, &mut work)?
        }
        S::DropPolicy { kind, name, if_exists } => policies::drop(context, *kind, name, *if_exists, &mut work)?,
        S::SetRole { .. }
        | S::SetSecondaryRoles(_)
        | S::Show(_)
        | S::DescribeUser { .. }
        | S::DescribePolicy { .. } => {}
    }
    if work.edits.is_empty() {
        return Ok(());
    }
    commit(context, work.edits, work.preconditions).await.map(|_| ())
}

/// What to do about a thing of the name that exists. `None`: nothing is to be done.
fn onto_existing<T>(
    existing: Option<T>,
    creation: Creation,
    exists: impl FnOnce() -> Error,
) -> Result<Option<Onto<T>>> {
    match (existing, creation) {
        (None, _) => Ok(Some(Onto::Nothing)),
        (Some(old), Creation::OrReplace) => Ok(Some(Onto::Old(old))),
        (Some(_), Creation::IfNotExists) => Ok(None),
        (Some(_), Creation::New) => Err(exists()),
    }
}

/// Where something new goes.
enum Onto<T> {
    Nothing,
    Old(T),
}

/// Names of users, roles and policies: they are shown inside quotes.
fn check_name(kind: basalt_meta::EntityKind, name: &str) -> Result<()> {
    let fault = if name.is_empty() {
        "is empty"
    } else if name.len() > 255 {
        "is longer than 255 bytes"
    } else if name.chars().any(|c| matches!(c, '\'' | '"' | '\\' | '`' | '/') || c.is_control()) {
        "has a quote, a slash or a control character"
    } else {
        return Ok(());
    };
    let shown: String = name.chars().take(40).collect();
    Err(Error::IllegalName { kind, message: format!("{kind} name `{}` {fault}", shown.escape_debug()) })
}

fn entity_kind(kind: PolicyKind) -> basalt_meta::EntityKind {
    use basalt_meta::EntityKind as K;
    match kind {
        PolicyKind::Network => K::NetworkPolicy,
        PolicyKind::Password => K::PasswordPolicy,
        PolicyKind::Masking => K::MaskingPolicy,
        PolicyKind::RowAccess => K::RowAccessPolicy,
    }
}
