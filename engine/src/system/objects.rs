//! Sequences, functions and procedures that users made.

use super::rows::{Cell, Kind, Rows, row};
use crate::{
    Result,
    plan::{FunctionBody, StatementContext},
    statement::{ProcedureBody, SequenceBody, function_returns, function_signature},
};
use arrow::record_batch::RecordBatch;
use basalt_meta::{Entity, EntityKind};

const SEQUENCES: &[(&str, Kind)] = &[
    ("name", Kind::Text),
    ("start", Kind::U64),
    ("interval", Kind::I64),
    ("current", Kind::U64),
    ("created_on", Kind::Time),
    ("updated_on", Kind::Time),
    ("comment", Kind::TextN),
];

/// Sequences as SHOW SEQUENCES and DESC SEQUENCE tell them.
pub(crate) fn sequence_rows<'a>(entities: impl Iterator<Item = &'a Entity>) -> Result<RecordBatch> {
    sequences_of(entities)?.batch()
}

fn sequences_of<'a>(entities: impl Iterator<Item = &'a Entity>) -> Result<Rows> {
    let mut rows = Rows::new(SEQUENCES);
    for entity in entities {
        let body = SequenceBody::of(entity)?;
        rows.push(row![
            entity.name.as_str(),
            body.start,
            i64::try_from(body.increment).unwrap_or(i64::MAX),
            body.next,
            entity.created,
            entity.updated,
            Some(body.comment).filter(|comment| !comment.is_empty()),
        ]);
    }
    Ok(rows)
}

pub(super) fn sequences(context: &StatementContext) -> Result<Rows> {
    // A number taken a moment ago counts, whatever the statement's own snapshot.
    let snapshot = context.parts.catalog.snapshot();
    let visible = snapshot.entities(EntityKind::Sequence, "").filter(|entity| !entity.name.starts_with("__basalt_"));
    sequences_of(visible.map(|entity| entity.as_ref()))
}

pub(super) fn user_functions(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("name", Kind::Text),
        ("is_aggregate", Kind::TextN),
        ("description", Kind::Text),
        ("arguments", Kind::Text),
        ("language", Kind::Text),
        ("definition", Kind::Text),
        ("created_on", Kind::Time),
        ("update_on", Kind::Time),
    ]);
    for entity in context.snapshot.entities(EntityKind::Function, "") {
        let body = FunctionBody::of(entity)?;
        rows.push(row![
            entity.name.as_str(),
            Cell::Null,
            body.comment.as_str(),
            [function_signature(&body), function_returns(&body)].join(" ").trim().to_owned(),
            "SQL",
            body.body.trim(),
            entity.created,
            entity.updated,
        ]);
    }
    Ok(rows)
}

pub(super) fn procedures(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("name", Kind::Text),
        ("procedure_id", Kind::U64),
        ("arguments", Kind::Text),
        ("comment", Kind::Text),
        ("description", Kind::Text),
        ("created_on", Kind::Time),
    ]);
    for entity in context.snapshot.entities(EntityKind::Procedure, "") {
        let body = ProcedureBody::of(entity)?;
        rows.push(row![
            body.name.as_str(),
            entity.id,
            body.signature()?,
            body.comment.as_str(),
            "user-defined procedure",
            entity.created,
        ]);
    }
    Ok(rows)
}

/// The engines of tables.
pub(super) fn engines(_context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[("Engine", Kind::Text), ("Comment", Kind::Text)]);
    rows.push(row!["FUSE", "Columnar segments in the catalogue's own storage"]);
    rows.push(row!["MEMORY", "Kept like FUSE: nothing is lost at a restart"]);
    rows.push(row!["NULL", "Takes rows and keeps none"]);
    rows.push(row!["VIEW", "A stored query"]);
    Ok(rows)
}

/// The one catalogue there is.
pub(super) fn catalogs(_context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[("name", Kind::Text), ("type", Kind::Text), ("created_on", Kind::TimeN)]);
    rows.push(row!["default", "default", Cell::Null]);
    Ok(rows)
}

/// Indexes that users make: there are none.
pub(super) fn indexes(_context: &StatementContext) -> Result<Rows> {
    Ok(Rows::new(&[
        ("name", Kind::Text),
        ("type", Kind::Text),
        ("original", Kind::Text),
        ("definition", Kind::Text),
        ("created_on", Kind::Time),
        ("updated_on", Kind::TimeN),
    ]))
}

/// Locks of tables: statements take none, they are tried again when another came first.
pub(super) fn locks(_context: &StatementContext) -> Result<Rows> {
    Ok(Rows::new(&[
        ("table_id", Kind::U64),
        ("revision", Kind::U64),
        ("type", Kind::Text),
        ("name", Kind::Text),
        ("status", Kind::Text),
        ("user", Kind::Text),
        ("node", Kind::Text),
        ("query_id", Kind::Text),
        ("created_on", Kind::Time),
        ("acquired_on", Kind::TimeN),
    ]))
}

/// Functions that stand behind FROM.
pub(super) fn table_functions(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[("name", Kind::Text)]);
    for name in context.parts.functions.table_names() {
        rows.push(row![name]);
    }
    Ok(rows)
}
