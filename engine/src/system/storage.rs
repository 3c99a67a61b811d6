//! Segments, and the history of tables.

use super::{
    catalog::{all_tables, is_view},
    rows::{Kind, Rows, row},
};
use crate::{
    Error, Result,
    plan::{StatementContext, snapshot_id},
};
use basalt_meta::{Location, Operation};

pub(super) fn segments(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("database", Kind::Text),
        ("table", Kind::Text),
        ("segment_id", Kind::Text),
        ("kind", Kind::Text),
        ("partition", Kind::TextN),
        ("level", Kind::U64),
        ("rows", Kind::U64),
        ("deleted_rows", Kind::U64),
        ("bytes", Kind::U64),
        ("memory_bytes", Kind::U64),
        ("checksum", Kind::Text),
        ("schema_version", Kind::U64),
        ("added_at", Kind::U64),
    ]);
    for (database, table) in all_tables(context)? {
        for view in table.iter() {
            let segment = &view.segment;
            rows.push(row![
                database.name.as_str(),
                table.table().name.as_str(),
                segment.id.to_string(),
                match segment.location {
                    Location::Object(_) => "parquet",
                    Location::Inline => "inline",
                },
                segment.partition.as_deref(),
                u64::from(segment.level),
                segment.rows,
                segment.rows - view.live_rows(),
                segment.bytes,
                segment.memory_bytes,
                format!("{:032x}", segment.checksum),
                segment.schema_version,
                segment.added_at.0,
            ]);
        }
    }
    Ok(rows)
}

pub(super) fn snapshots(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("database", Kind::Text),
        ("table", Kind::Text),
        ("snapshot_id", Kind::Text),
        ("version", Kind::U64),
        ("operation", Kind::Text),
        ("timestamp", Kind::Time),
        ("rows", Kind::U64),
        ("segments", Kind::U64),
        ("bytes", Kind::U64),
        ("schema_version", Kind::U64),
    ]);
    for (database, table) in all_tables(context)? {
        let table = table.table();
        if is_view(table) {
            continue;
        }
        let history = context.parts.catalog.history(table.id);
        for step in history.map_err(|error| Error::internal("cannot read a table's history", error))? {
            rows.push(row![
                database.name.as_str(),
                table.name.as_str(),
                snapshot_id(table.id, step.version),
                step.version.0,
                operation(step.operation),
                step.at,
                step.rows,
                step.segments,
                step.bytes,
                step.schema_version,
            ]);
        }
    }
    Ok(rows)
}

fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "create",
        Operation::Append => "append",
        Operation::Delete => "delete",
        Operation::Update => "update",
        Operation::Merge => "merge",
        Operation::Truncate => "truncate",
        Operation::Overwrite => "overwrite",
        Operation::Alter => "alter",
        Operation::Fold => "fold",
        Operation::Compact => "compact",
        Operation::Drop => "drop",
        Operation::Undrop => "undrop",
    }
}
