//! Table functions that show what a table is made of: `fuse_snapshot('db', 't')` and its like. A snapshot is a version of
//! the table, and each segment is one block.

use super::rows::{Kind, Rows, row};
use crate::{
    Error, Result,
    plan::{ResolvedTable, StatementContext, explain, snapshot_id, sql_type},
    statement::select,
    table::bound_value,
};
use basalt_meta::{Column, Location, SegmentView, StatValue};
use datafusion::{catalog::TableProvider, common::ScalarValue, datasource::MemTable};
use std::sync::Arc;

type Make = fn(&StatementContext, &ResolvedTable) -> Result<Rows>;

const FUNCTIONS: &[(&str, Make)] = &[
    ("clustering_information", clustering),
    ("fuse_block", blocks),
    ("fuse_column", columns),
    ("fuse_segment", segments),
    ("fuse_snapshot", snapshots),
    ("fuse_statistic", statistics),
];

/// Their names.
pub(crate) const NAMES: &[&str] =
    &["clustering_information", "fuse_block", "fuse_column", "fuse_segment", "fuse_snapshot", "fuse_statistic"];

/// The rows of the function called `name`; `None` when it is none of these.
pub(crate) fn function(
    context: &StatementContext,
    name: &str,
    arguments: &[ScalarValue],
) -> Result<Option<Arc<dyn TableProvider>>> {
    let Some((name, make)) = FUNCTIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
        return Ok(None);
    };
    let text = |value: &ScalarValue| match value.try_as_str() {
        Some(Some(text)) => Ok(text.to_owned()),
        _ => Err(Error::Semantic { message: format!("{name} takes names as texts, not `{value}`") }),
    };
    let table = match arguments {
        [database, table] => context.table(&select::object_name(&[&text(database)?, &text(table)?]))?,
        [table] => context.table(&select::object_name(&[&text(table)?]))?,
        other => {
            let message = format!("Function '{name}' expects 2 arguments but received {}", other.len());
            return Err(Error::Semantic { message });
        }
    };
    let batch = make(context, &table)?.batch()?;
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).map_err(explain)?;
    Ok(Some(Arc::new(table)))
}

fn location(view: &SegmentView) -> String {
    match &view.segment.location {
        Location::Object(path) => path.clone(),
        Location::Inline => format!("inline/{}", view.segment.id),
    }
}

fn snapshots(context: &StatementContext, table: &ResolvedTable) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("snapshot_id", Kind::Text),
        ("snapshot_location", Kind::Text),
        ("format_version", Kind::U64),
        ("previous_snapshot_id", Kind::TextN),
        ("segment_count", Kind::U64),
        ("block_count", Kind::U64),
        ("row_count", Kind::U64),
        ("bytes_uncompressed", Kind::U64),
        ("bytes_compressed", Kind::U64),
        ("index_size", Kind::U64),
        ("timestamp", Kind::Time),
    ]);
    let record = table.table.table();
    let history = context.parts.catalog.history(record.id);
    let history = history.map_err(|error| Error::internal("cannot read a table's history", error))?;
    for (at, step) in history.iter().enumerate().rev() {
        let previous = at.checked_sub(1).map(|before| snapshot_id(record.id, history[before].version));
        let id = snapshot_id(record.id, step.version);
        rows.push(row![
            id.as_str(),
            format!("catalogue/{id}"),
            1u64,
            previous.as_deref(),
            step.segments,
            step.segments,
            step.rows,
            step.bytes,
            step.bytes,
            0u64,
            step.at,
        ]);
    }
    Ok(rows)
}

fn segments(_context: &StatementContext, table: &ResolvedTable) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("file_location", Kind::Text),
        ("format_version", Kind::U64),
        ("block_count", Kind::U64),
        ("row_count", Kind::U64),
        ("bytes_uncompressed", Kind::U64),
        ("bytes_compressed", Kind::U64),
    ]);
    for view in table.table.iter() {
        let segment = &view.segment;
        rows.push(row![location(view), 1u64, 1u64, view.live_rows(), segment.memory_bytes, segment.bytes]);
    }
    Ok(rows)
}

fn blocks(context: &StatementContext, table: &ResolvedTable) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("snapshot_id", Kind::Text),
        ("timestamp", Kind::TimeN),
        ("block_location", Kind::Text),
        ("block_size", Kind::U64),
        ("file_size", Kind::U64),
        ("row_count", Kind::U64),
    ]);
    let record = table.table.table();
    let history = context.parts.catalog.history(record.id);
    let history = history.map_err(|error| Error::internal("cannot read a table's history", error))?;
    let newest = history.last();
    for view in table.table.iter() {
        let segment = &view.segment;
        rows.push(row![
            newest.map(|step| snapshot_id(record.id, step.version)).unwrap_or_default(),
            newest.map(|step| step.at),
            location(view),
            segment.memory_bytes,
            segment.bytes,
            view.live_rows(),
        ]);
    }
    Ok(rows)
}

fn columns(_context: &StatementContext, table: &ResolvedTable) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("block_location", Kind::Text),
        ("row_count", Kind::U64),
        ("column_name", Kind::Text),
        ("column_type", Kind::Text),
        ("column_id", Kind::U64),
        ("null_count", Kind::U64N),
        ("min", Kind::TextN),
        ("max", Kind::TextN),
    ]);
    for view in table.table.iter() {
        for column in &table.table.table().columns {
            let stats = view.segment.stats.iter().find(|s| s.column == column.id);
            rows.push(row![
                location(view),
                view.segment.rows,
                column.name.as_str(),
                sql_type(&column.data_type),
                u64::from(column.id.0),
                stats.map(|s| s.nulls),
                stats.and_then(|s| bound(s.min.as_ref(), column)),
                stats.and_then(|s| bound(s.max.as_ref(), column)),
            ]);
        }
    }
    Ok(rows)
}

fn bound(value: Option<&StatValue>, column: &Column) -> Option<String> {
    bound_value(value?, &column.data_type).map(|value| value.to_string())
}

fn statistics(_context: &StatementContext, table: &ResolvedTable) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("column_name", Kind::Text),
        ("distinct_count", Kind::U64N),
        ("null_count", Kind::U64),
        ("row_count", Kind::U64),
    ]);
    for column in &table.table.table().columns {
        let of_column = |view: &SegmentView| view.segment.stats.iter().find(|s| s.column == column.id).cloned();
        let stats: Vec<_> = table.table.iter().filter_map(of_column).collect();
        // A bound for all segments is the largest of one only when there is one.
        let distinct = match stats.as_slice() {
            [one] => one.distinct,
            _ => None,
        };
        let nulls: u64 = stats.iter().map(|s| s.nulls).sum();
        let all: u64 = table.table.iter().map(|view| view.live_rows()).sum();
        rows.push(row![column.name.as_str(), distinct, nulls, all]);
    }
    Ok(rows)
}

fn clustering(_context: &StatementContext, table: &ResolvedTable) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("cluster_key", Kind::Text),
        ("total_block_count", Kind::U64),
        ("constant_block_count", Kind::U64),
        ("unclustered_block_count", Kind::U64),
    ]);
    let record = table.table.table();
    let name_of = |id: &basalt_meta::ColumnId| record.columns.iter().find(|c| c.id == *id).map(|c| c.name.as_str());
    let key: Vec<&str> = record.sort_key.iter().filter_map(name_of).collect();
    let (mut all, mut constant, mut unclustered) = (0u64, 0u64, 0u64);
    for view in table.table.iter() {
        all += 1;
        let first = record.sort_key.first();
        unclustered += u64::from(!record.sort_key.is_empty() && view.segment.sorted_by.is_empty());
        let stats = view.segment.stats.iter().find(|s| Some(&s.column) == first);
        constant += u64::from(stats.is_some_and(|s| s.exact && s.nulls == 0 && s.min.is_some() && s.min == s.max));
    }
    rows.push(row![format!("({})", key.join(", ")), all, constant, unclustered]);
    Ok(rows)
}
