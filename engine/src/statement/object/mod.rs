//! Sequences, functions, procedures, streams, session variables and scripts: one file each. The catalogue keeps them as
//! entities; what their bodies say is here.

mod function;
mod procedure;
mod rows;
mod script;
mod sequence;
mod variable;

pub(crate) use function::{returns as function_returns, signature as function_signature};
pub(crate) use procedure::ProcedureBody;
pub(crate) use sequence::{SequenceBody, new_sequence, take_numbers};

use super::{Outcome, commit, refuse_in_transaction};
use crate::{
    Error, Result, SessionEffect,
    plan::StatementContext,
    sql::{CreateMode, ObjectStatement},
};
use basalt_meta::{Edit, Entity, EntityKind, Precondition};
use serde::Serialize;

pub(super) async fn run(
    context: &mut StatementContext,
    statement: ObjectStatement,
) -> Result<(Outcome, Option<SessionEffect>)> {
    use ObjectStatement as S;
    let outcome = match statement {
        S::CreateSequence { name, create, start, increment, comment } => {
            sequence::create(context, &name, create, start, increment, comment).await?
        }
        S::DropSequence { name, if_exists } => drop(context, EntityKind::Sequence, &name, if_exists).await?,
        S::DescribeSequence { name } => sequence::describe(context, &name)?,
        S::CreateFunction { name, create, function } => function::create(context, &name, create, function).await?,
        S::AlterFunction { name, function } => function::alter(context, &name, function).await?,
        S::DropFunction { name, if_exists } => drop(context, EntityKind::Function, &name, if_exists).await?,
        S::DescribeFunction { name } => function::describe(context, &name)?,
        S::CreateProcedure { name, create, procedure } => procedure::create(context, &name, create, procedure).await?,
        S::DropProcedure { name, arguments, if_exists } => {
            procedure::drop(context, &name, &arguments, if_exists).await?
        }
        S::DescribeProcedure { name, arguments } => procedure::describe(context, &name, &arguments)?,
        S::Call { name, arguments } => procedure::call(context, &name, &arguments).await?,
        S::ExecuteImmediate { text } => return script::execute_immediate(context, &text).await,
        S::SetVariables { names, values } => variable::set(context, &names, &values).await?,
        S::UnsetVariables { names } => variable::unset(context, &names),
    };
    Ok((outcome, None))
}

/// Creates an entity, or replaces it, as CREATE says.
async fn put(
    context: &mut StatementContext,
    kind: EntityKind,
    name: String,
    create: CreateMode,
    body: &impl Serialize,
) -> Result<Outcome> {
    refuse_in_transaction(context, "CREATE")?;
    let existing = context.snapshot.entity(kind, &name);
    match (&existing, create) {
        (Some(_), CreateMode::IfNotExists) => return Ok(Outcome::Done),
        (Some(_), CreateMode::New) => return Err(Error::EntityExists { kind, name }),
        _ => {}
    }
    let precondition = match &existing {
        Some(old) => Precondition::EntityUnchanged { kind, name: name.clone(), since: old.changed_at },
        None => Precondition::EntityAbsent { kind, name: name.clone() },
    };
    let now = context.parts.catalog.clock().now();
    let entity = Entity {
        kind,
        name,
        id: context.parts.catalog.next_id(),
        created: existing.map_or(now, |old| old.created),
        updated: now,
        changed_at: Default::default(),
        body: encode(body)?,
    };
    match commit(context, vec![Edit::PutEntity(entity)], vec![precondition]).await {
        Err(Error::EntityExists { .. }) if create == CreateMode::IfNotExists => Ok(Outcome::Done),
        other => other.map(|_| Outcome::Done),
    }
}

fn encode(body: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(body).map_err(|source| Error::internal("an object's record cannot be written", source))
}

async fn drop(
    context: &mut StatementContext,
    kind: EntityKind,
    name: &datafusion::sql::sqlparser::ast::Ident,
    if_exists: bool,
) -> Result<Outcome> {
    delete(context, kind, crate::sql::ident_name(name), if_exists).await
}

async fn delete(context: &mut StatementContext, kind: EntityKind, name: String, if_exists: bool) -> Result<Outcome> {
    refuse_in_transaction(context, "DROP")?;
    if context.snapshot.entity(kind, &name).is_none() {
        return if if_exists { Ok(Outcome::Done) } else { Err(Error::UnknownEntity { kind, name }) };
    }
    commit(context, vec![Edit::DeleteEntity { kind, name }], Vec::new()).await?;
    Ok(Outcome::Done)
}
