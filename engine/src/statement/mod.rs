//! What each kind of statement does, given its context: one file per family. SELECT is planned in `plan`; everything
//! else is here.

mod access;
mod alter;
mod assign;
mod change;
mod columns;
mod database;
mod delete;
mod describe;
mod explain;
mod insert;
mod insert_many;
mod literals;
mod merge;
mod object;
mod once;
mod outcome;
mod replace;
mod rewrite;
mod rules;
pub(crate) mod select;
mod settings;
mod show;
mod stage;
mod table;
#[cfg(test)]
mod tests;
mod transaction;
mod update;
mod view;

pub(crate) use assign::{Defaults, convert_in_zone, to_batch};
pub(crate) use columns::{find as find_column, no_columns};
pub(crate) use describe::{engine_name, extra as column_extra};
pub(crate) use insert::Filler;
pub(crate) use object::{ProcedureBody, SequenceBody, function_returns, function_signature, take_numbers};
pub(crate) use outcome::Outcome;
pub(crate) use stage::{copied_name, insert_stream};
pub(crate) use transaction::{Transaction, Transactions, admit, fail, roll_back, roll_back_idle, roll_back_session};

use crate::{
    Error, Result, SessionEffect, TransactionState, plan::StatementContext, session::Settings, sql::Statement,
};
use basalt_meta::{Changes, Edit, Precondition, Version};
use std::collections::BTreeMap;

/// Runs one statement. Changes of the session are made on `context.session`; `effect` says what they were.
///
/// Permissions are decided in `access`, before anything runs. An error inside a transaction rolls it back.
pub(crate) async fn execute(
    context: &mut StatementContext,
    statement: Statement,
) -> Result<(Outcome, Option<SessionEffect>)> {
    transaction::admit(context, &statement)?;
    let result = match permit(context, &statement) {
        Ok(()) => run(context, statement).await,
        Err(error) => Err(error),
    };
    if result.is_err() {
        transaction::fail(context).await;
    }
    result
}

/// Whether the user is still there and may run the statement. Tables that queries read are checked when they are planned.
pub(crate) fn permit(context: &mut StatementContext, statement: &Statement) -> Result<()> {
    // A script may have changed rights since its last statement.
    context.authority = Default::default();
    crate::access::admit(context, statement)?;
    crate::access::check(context, statement)
}

async fn run(context: &mut StatementContext, statement: Statement) -> Result<(Outcome, Option<SessionEffect>)> {
    use Statement as S;
    let outcome = match statement {
        S::Query(query) => {
            let planned = context.plan_query(&query).await?;
            let stream = context.run(planned.physical)?;
            Outcome::Rows { schema: planned.schema, stream }
        }
        S::Explain { mode, statement } => explain::explain(context, mode, *statement).await?,
        S::WithSettings { settings, statement } => {
            context.settings = with_settings(context, settings)?;
            return Box::pin(run(context, *statement)).await;
        }
        S::IgnoreResult(statement) => {
            let (outcome, effect) = Box::pin(run(context, *statement)).await?;
            return Ok((outcome.without_rows(), effect));
        }

        S::CreateDatabase { name, if_not_exists, or_replace, comment } => {
            database::create(context, &name, if_not_exists, or_replace, comment).await?
        }
        S::DropDatabase { name, if_exists } => database::drop(context, &name, if_exists).await?,
        S::UndropDatabase { name } => database::undrop(context, &name).await?,
        S::ShowCreateDatabase { name } => describe::create_database(context, &name)?,

        S::CreateTable(create) => table::create(context, *create).await?,
        S::AlterTable(alter) => alter::alter(context, *alter).await?,
        S::DropTable { name, if_exists } => table::drop(context, &name, if_exists).await?,
        S::UndropTable { name } => table::undrop(context, &name).await?,
        S::RenameTables { pairs, if_exists } => table::rename(context, pairs, if_exists).await?,
        S::OptimizeTable { name, action } => table::optimize(context, &name, action).await?,
        S::AnalyzeTable { name } => table::analyze(context, &name)?,
        S::Vacuum { name } => table::vacuum(context, name.as_ref()).await?,
        S::ShowCreateTable { name } => describe::create_table(context, &name)?,
        S::Describe { name } => describe::describe(context, &name).await?,

        S::CreateView(create) => view::create(context, *create).await?,
        S::DropView { name, if_exists } => view::drop(context, &name, if_exists).await?,

        changing @ (S::TruncateTable { .. }
        | S::Insert(_)
        | S::Update(_)
        | S::Delete(_)
        | S::Merge(_)
        | S::Replace(_)
        | S::InsertMany(_)) => change::apply(context, &changing).await?,
        S::Object(object) => return Box::pin(object::run(context, *object)).await,

        S::Begin => transaction::begin(context)?,
        S::Commit => transaction::commit(context).await?,
        S::Rollback => transaction::rollback(context).await?,

        S::Set { settings, global } => return settings::set(context, settings, global).await,
        S::Unset { names, global } => return settings::unset(context, names, global).await,
        S::UseCatalog { name } => return settings::use_catalog(&name),
        S::Use { database } => return settings::use_database(context, &database),
        S::KillQuery { id } => settings::kill(context, &id)?,
        S::Show(show) => show::show(context, *show).await?,
        S::Access(statement) => access::run(context, *statement).await?,
        S::Stage(stage) => stage::run(context, *stage).await?,
    };
    Ok((outcome, None))
}

/// The settings in force with some of them changed for this statement only.
pub(crate) fn with_settings(context: &StatementContext, changed: Vec<(String, String)>) -> Result<Settings> {
    let mut session: BTreeMap<String, String> = context.session.settings.clone();
    for (name, value) in changed {
        let (definition, value) = crate::session::known_value(&name, &value)?;
        session.insert(definition.name.to_string(), value);
    }
    Ok(Settings::resolve(&session, &context.snapshot.settings()))
}

/// Statements that change what exists take effect at once and cannot be rolled back, so they are refused inside a
/// transaction.
fn refuse_in_transaction(context: &StatementContext, what: &str) -> Result<()> {
    match context.session.transaction {
        TransactionState::AutoCommit => Ok(()),
        TransactionState::Active(_) | TransactionState::Failed(_) => {
            Err(Error::Unsupported { what: format!("{what} inside a transaction (COMMIT or ROLLBACK first)") })
        }
    }
}

/// Commits changes of what exists.
async fn commit(context: &StatementContext, edits: Vec<Edit>, preconditions: Vec<Precondition>) -> Result<Version> {
    let at = context.parts.catalog.clock().now();
    let (edits, preconditions) = with_rights(context, edits, preconditions)?;
    Ok(context.parts.catalog.commit(Changes { preconditions, edits, at }).await?.version)
}

/// Edits with what they do to rights: who creates something owns it, and what is dropped takes grants along.
fn with_rights(
    context: &StatementContext,
    mut edits: Vec<Edit>,
    mut preconditions: Vec<Precondition>,
) -> Result<(Vec<Edit>, Vec<Precondition>)> {
    let more = crate::access::follow(context, &edits)?;
    edits.extend(more.edits);
    preconditions.extend(more.preconditions);
    Ok((edits, preconditions))
}
