//! Changing rows: which rows of which segments go, as edits of one commit; and trying again on a new snapshot when
//! another commit came between.

use super::{Outcome, delete, insert, insert_many, merge, once, replace, table, update};
use crate::{
    Error, Result,
    plan::{ResolvedTable, StatementContext},
    sql::Statement,
    write::Staged,
};
use arrow::{
    array::{Array, AsArray},
    datatypes::UInt32Type,
    record_batch::RecordBatch,
};
use basalt_meta::{Edit, Operation, Precondition, SegmentId, SegmentView, TableKind, TableSnapshot};
use basalt_storage::Written;
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, HashSet};

/// How often a statement of its own is tried when other commits change the same rows.
const ATTEMPTS_MAX: usize = 10;

/// Runs a statement that changes rows. Outside of transactions it is tried again after a write conflict.
pub(super) async fn apply(context: &mut StatementContext, statement: &Statement) -> Result<Outcome> {
    let label = once::label(context)?;
    if let Some(transaction) = context.transaction.clone() {
        let _turn = transaction.turn().await;
        return apply_once(context, statement).await;
    }
    let mut attempt = 1;
    loop {
        if let Some(label) = &label
            && let Some(outcome) = once::repeated(context, label, statement)?
        {
            return Ok(outcome);
        }
        match apply_once(context, statement).await {
            Err(Error::Conflict { message }) if attempt < ATTEMPTS_MAX && !context.cancel.is_cancelled() => {
                tracing::debug!(query_id = %context.query_id, attempt, reason = %message, "write conflict, trying again");
                attempt += 1;
                context.snapshot = context.parts.catalog.snapshot();
            }
            other => return other,
        }
    }
}

async fn apply_once(context: &StatementContext, statement: &Statement) -> Result<Outcome> {
    match statement {
        Statement::Insert(insert) => insert::insert(context, insert).await,
        Statement::Update(update) => update::update(context, update).await,
        Statement::Delete(delete) => delete::delete(context, delete).await,
        Statement::Merge(merge) => merge::merge(context, merge).await,
        Statement::Replace(statement) => replace::replace(context, statement).await,
        Statement::InsertMany(statement) => insert_many::insert(context, statement).await,
        Statement::TruncateTable { name } => table::truncate(context, name).await,
        _ => unreachable!("only statements that change rows come here"),
    }
}

/// A table whose rows may be changed.
pub(super) fn target(
    context: &StatementContext,
    name: &datafusion::sql::sqlparser::ast::ObjectName,
) -> Result<ResolvedTable> {
    let resolved = context.table(name)?;
    if matches!(resolved.table.table().kind, TableKind::View { .. }) {
        let message = format!("`{}` is a view: its rows cannot be changed", resolved.table.table().name);
        return Err(Error::Semantic { message });
    }
    Ok(resolved)
}

/// Rows of a table by segment (index into `TableSnapshot::iter`) and position.
#[derive(Debug, Default)]
pub(super) struct RowSet {
    segments: BTreeMap<u32, RoaringBitmap>,
    rows: u64,
}

/// Whether a row may be named twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeats {
    Allowed,
    /// An error with this text.
    Error(&'static str),
}

impl RowSet {
    /// Number of different rows.
    pub fn len(&self) -> u64 {
        self.rows
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Adds the rows whose segment and position are the first two columns of `batch`.
    pub fn add(&mut self, batch: &RecordBatch, repeats: Repeats) -> Result<()> {
        let segments = batch.column(0).as_primitive::<UInt32Type>();
        let positions = batch.column(1).as_primitive::<UInt32Type>();
        debug_assert_eq!(segments.null_count(), 0, "rows of the target always stand somewhere");
        let mut start = 0;
        while start < segments.len() {
            let segment = segments.value(start);
            let end = (start..segments.len()).find(|n| segments.value(*n) != segment).unwrap_or(segments.len());
            let rows = self.segments.entry(segment).or_default();
            for position in &positions.values()[start..end] {
                if rows.insert(*position) {
                    self.rows += 1;
                } else if let Repeats::Error(message) = repeats {
                    return Err(Error::Semantic { message: message.into() });
                }
            }
            start = end;
        }
        Ok(())
    }

    /// The edits that delete these rows, and what must not have happened to them meanwhile.
    pub fn delete(
        self,
        context: &StatementContext,
        table: &TableSnapshot,
        operation: Operation,
    ) -> (Vec<Edit>, Vec<Precondition>) {
        let views: Vec<&SegmentView> = table.iter().collect();
        let doomed = self.segments.into_iter().map(|(index, rows)| (views[index as usize], Some(rows)));
        Doomed::new(context, table, operation).edits(doomed)
    }
}

/// The edits that delete all rows of a table.
pub(super) fn delete_all(
    context: &StatementContext,
    table: &TableSnapshot,
    operation: Operation,
) -> (Vec<Edit>, Vec<Precondition>) {
    Doomed::new(context, table, operation).edits(table.iter().map(|view| (view, None)))
}

struct Doomed<'a> {
    table: &'a TableSnapshot,
    operation: Operation,
    /// Segments of the open transaction: they are not there yet when the commit is checked, and never removed whole.
    own: HashSet<SegmentId>,
    since: basalt_meta::Version,
}

impl<'a> Doomed<'a> {
    fn new(context: &StatementContext, table: &'a TableSnapshot, operation: Operation) -> Self {
        let own = context.transaction.as_ref().map(|t| t.own_segments()).unwrap_or_default();
        let since = context.transaction.as_ref().map_or(table.version(), |t| t.snapshot().version());
        Self { table, operation, own, since }
    }

    /// `None` as rows: all of them.
    fn edits<'b>(
        &self,
        doomed: impl Iterator<Item = (&'b SegmentView, Option<RoaringBitmap>)>,
    ) -> (Vec<Edit>, Vec<Precondition>) {
        let (table, operation) = (self.table.table().id, self.operation);
        let mut edits = Vec::new();
        let mut removed = Vec::new();
        let mut touched = Vec::new();
        for (view, rows) in doomed {
            let id = view.segment.id;
            let own = self.own.contains(&id);
            let rows = deleted_rows(view, rows);
            if !own {
                touched.push(id);
            }
            if !own && rows.len() >= view.segment.rows {
                removed.push(id);
            } else {
                edits.push(Edit::SetDeletions { table, operation, segment: id, rows });
            }
        }
        if !removed.is_empty() {
            edits.push(Edit::RemoveSegments { table, operation, segments: removed });
        }
        let mut preconditions = Vec::new();
        if !touched.is_empty() {
            preconditions.push(Precondition::SegmentsUnchanged { table, segments: touched, since: self.since });
        }
        (edits, preconditions)
    }
}

/// All rows of a segment that are deleted when `rows` go too.
fn deleted_rows(view: &SegmentView, rows: Option<RoaringBitmap>) -> RoaringBitmap {
    let Some(mut rows) = rows else {
        let mut all = RoaringBitmap::new();
        // Segments hold about a million rows; positions are 32 bits wide throughout.
        all.insert_range(0..u32::try_from(view.segment.rows).unwrap_or(u32::MAX));
        return all;
    };
    if let Some(before) = &view.deleted {
        rows |= before.as_ref();
    }
    rows
}

/// Staged deletions without new rows.
pub(super) fn staged(
    table: TableSnapshot,
    operation: Operation,
    (edits, preconditions): (Vec<Edit>, Vec<Precondition>),
) -> Staged {
    Staged { table, operation, written: Written::default(), edits, preconditions }
}
