//! Statements with a label change rows once: the label is finished in the commit that publishes the rows, and a second
//! statement with it changes nothing. Labels of statements and of loads are the same ones.

use super::Outcome;
use crate::{Error, LoadReport, Result, plan::StatementContext, sql::Statement};
use basalt_meta::{Edit, Label, LabelRecord, LabelState, Precondition, Version};

/// The label of the statement, if it has one.
pub(super) fn label(context: &StatementContext) -> Result<Option<Label>> {
    let Some(name) = context.label.as_ref().or(context.settings.deduplicate_label.as_ref()) else { return Ok(None) };
    if context.transaction.is_some() {
        return Err(Error::Unsupported { what: "deduplicate_label inside a transaction".into() });
    }
    let database = context.database(&context.session.database)?.id;
    Ok(Some(Label { database, name: name.clone() }))
}

/// The answer when another statement or load has finished with the label: nothing is changed again.
pub(super) fn repeated(context: &StatementContext, label: &Label, statement: &Statement) -> Result<Option<Outcome>> {
    if context.parts.catalog.label(label)?.is_none() {
        return Ok(None);
    }
    context.counters.warn(format!("label `{}` was used before: nothing was changed", label.name));
    let what = match statement {
        Statement::Insert(_) | Statement::Replace(_) => "number of rows inserted",
        Statement::Update(_) => "number of rows updated",
        Statement::Delete(_) => "number of rows deleted",
        _ => return Ok(Some(Outcome::Done)),
    };
    Outcome::counts(&[(what, 0)]).map(Some)
}

/// What a commit needs to finish the label with `rows` rows.
pub(super) fn finish(context: &StatementContext, label: Label, rows: u64) -> Result<(Edit, Precondition)> {
    let load_id = context.parts.catalog.next_id();
    let report = LoadReport::of_statement(load_id, label.name.clone(), rows);
    let report = serde_json::to_string(&report).map_err(|source| Error::internal("report of a label", source))?;
    let record = LabelRecord {
        label: label.clone(),
        state: LabelState::Finished { report },
        load_id,
        finished_at: context.parts.catalog.clock().now(),
        version: Version(0),
    };
    Ok((Edit::FinishLabel(record), Precondition::LabelAbsent { label }))
}
