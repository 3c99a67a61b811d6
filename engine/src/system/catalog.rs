//! Databases, tables, columns and views.

use super::{
    INFORMATION_SCHEMA, SYSTEM, database,
    rows::{Cell, Kind, Rows, row},
};
use crate::{
    Result,
    plan::{StatementContext, sql_type},
};
use basalt_meta::{Database, KeyModel, Table, TableKind, TableSnapshot};
use std::sync::Arc;

/// Name of the one catalogue there is.
pub(super) const CATALOG: &str = "default";

/// Live databases, the server's own first.
pub(super) fn all_databases(context: &StatementContext) -> Vec<Arc<Database>> {
    let own = [INFORMATION_SCHEMA, SYSTEM].into_iter().filter_map(database);
    own.chain(context.snapshot.databases()).collect()
}

/// Live tables and views with their databases, as the statement sees them.
pub(super) fn all_tables(context: &StatementContext) -> Result<Vec<(Arc<Database>, TableSnapshot)>> {
    let mut tables = Vec::new();
    for database in context.snapshot.databases() {
        for table in context.snapshot.tables(database.id) {
            let table = match &context.transaction {
                Some(transaction) => transaction.overlay(&table)?,
                None => table,
            };
            tables.push((database.clone(), table));
        }
    }
    Ok(tables)
}

pub(super) fn is_view(table: &Table) -> bool {
    matches!(table.kind, TableKind::View { .. })
}

pub(super) fn databases(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("catalog", Kind::Text),
        ("name", Kind::Text),
        ("database_id", Kind::U64),
        ("owner", Kind::TextN),
        ("dropped_on", Kind::TimeN),
        ("created_on", Kind::TimeN),
        ("comment", Kind::Text),
    ]);
    for database in all_databases(context) {
        let created = (database.created_at.0 > 0).then_some(database.created_at);
        rows.push(row![
            CATALOG,
            database.name.as_str(),
            database.id.0,
            Cell::Null,
            database.dropped.map(|d| d.at),
            created,
            database.comment.as_str(),
        ]);
    }
    Ok(rows)
}

const TABLE_COLUMNS: &[(&str, Kind)] = &[
    ("catalog", Kind::Text),
    ("database", Kind::Text),
    ("database_id", Kind::U64),
    ("name", Kind::Text),
    ("table_id", Kind::U64),
    ("total_columns", Kind::U64),
    ("engine", Kind::Text),
    ("engine_full", Kind::Text),
    ("cluster_by", Kind::Text),
    ("is_transient", Kind::Text),
    ("is_attach", Kind::Text),
    ("created_on", Kind::Time),
    ("dropped_on", Kind::TimeN),
    ("updated_on", Kind::Time),
    ("num_rows", Kind::U64N),
    ("data_size", Kind::U64N),
    ("data_compressed_size", Kind::U64N),
    ("index_size", Kind::U64N),
    ("bloom_index_size", Kind::U64N),
    ("ngram_index_size", Kind::U64N),
    ("inverted_index_size", Kind::U64N),
    ("vector_index_size", Kind::U64N),
    ("virtual_column_size", Kind::U64N),
    ("number_of_segments", Kind::U64N),
    ("number_of_blocks", Kind::U64N),
    ("owner", Kind::TextN),
    ("comment", Kind::Text),
    ("table_type", Kind::Text),
    ("is_external", Kind::Bool),
    ("storage_param", Kind::Text),
    ("table_option", Kind::Text),
    ("key_model", Kind::Text),
    ("partition_by", Kind::TextN),
];

pub(super) fn tables(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(TABLE_COLUMNS);
    for (database, table) in all_tables(context)? {
        rows.push(table_row(&database, table.table(), Some(&table)));
    }
    Ok(rows)
}

/// Live tables, and dropped ones that can still be recovered.
pub(super) fn tables_with_history(context: &StatementContext) -> Result<Rows> {
    let mut rows = tables(context)?;
    for database in context.snapshot.databases() {
        for table in context.snapshot.dropped_tables(database.id) {
            rows.push(table_row(&database, &table, None));
        }
    }
    Ok(rows)
}

fn table_row(database: &Database, table: &Table, live: Option<&TableSnapshot>) -> Vec<Cell> {
    let stored = live.filter(|_| !is_view(table));
    let memory = stored.map(|t| t.iter().map(|s| s.segment.memory_bytes).sum::<u64>());
    let options: Vec<String> = table.options.iter().map(|(name, value)| format!("{name}='{value}'")).collect();
    let engine = if is_view(table) { "VIEW" } else { "FUSE" };
    row![
        CATALOG,
        database.name.as_str(),
        database.id.0,
        table.name.as_str(),
        table.id.0,
        table.columns.len(),
        engine,
        engine,
        sort_key(table),
        "",
        "",
        table.created_at,
        table.dropped.map(|d| d.at),
        table.updated_at,
        stored.map(TableSnapshot::rows),
        memory,
        stored.map(TableSnapshot::bytes),
        Cell::Null,
        Cell::Null,
        Cell::Null,
        Cell::Null,
        Cell::Null,
        Cell::Null,
        stored.map(TableSnapshot::segments),
        stored.map(TableSnapshot::segments),
        Cell::Null,
        table.comment.as_str(),
        if is_view(table) { "VIEW" } else { "BASE TABLE" },
        false,
        "",
        options.join(" "),
        match &table.key_model {
            KeyModel::Duplicate => "duplicate",
            KeyModel::Unique { .. } => "unique",
        },
        table.partition_by.as_deref(),
    ]
}

/// The sort key as `(a, b)`; empty when there is none.
pub(super) fn sort_key(table: &Table) -> String {
    let names: Vec<&str> =
        table.sort_key.iter().filter_map(|id| table.column_by_id(*id)).map(|c| c.name.as_str()).collect();
    if names.is_empty() { String::new() } else { format!("({})", names.join(", ")) }
}

pub(super) fn columns(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("name", Kind::Text),
        ("database", Kind::Text),
        ("table", Kind::Text),
        ("type", Kind::Text),
        ("data_type", Kind::Text),
        ("default_kind", Kind::Text),
        ("default_expression", Kind::Text),
        ("is_nullable", Kind::Text),
        ("comment", Kind::Text),
        ("position", Kind::U64),
        ("is_sort_key", Kind::Bool),
        ("is_unique_key", Kind::Bool),
    ]);
    for (database, table) in all_tables(context)? {
        let table = table.table();
        for (index, column) in table.columns.iter().enumerate() {
            let unique = matches!(&table.key_model, KeyModel::Unique { key } if key.contains(&column.id));
            rows.push(row![
                column.name.as_str(),
                database.name.as_str(),
                table.name.as_str(),
                type_text(&column.data_type, column.nullable),
                sql_type(&column.data_type),
                if column.default.is_some() { "DEFAULT" } else { "" },
                column.default.clone().unwrap_or_default(),
                if column.nullable { "YES" } else { "NO" },
                column.comment.as_str(),
                index + 1,
                table.sort_key.contains(&column.id),
                unique,
            ]);
        }
    }
    Ok(rows)
}

/// `Nullable(Int64)` and the like.
fn type_text(data_type: &arrow::datatypes::DataType, nullable: bool) -> String {
    use arrow::datatypes::DataType as T;
    let name = match data_type {
        T::Utf8 | T::LargeUtf8 | T::Utf8View => "String".to_owned(),
        T::Binary | T::LargeBinary | T::BinaryView => "Binary".to_owned(),
        T::Date32 | T::Date64 => "Date".to_owned(),
        T::Timestamp(_, _) => "Timestamp".to_owned(),
        T::Decimal128(p, s) | T::Decimal256(p, s) => format!("Decimal({p}, {s})"),
        T::List(item) => format!("Array({})", type_text(item.data_type(), item.is_nullable())),
        other => other.to_string(),
    };
    if nullable { format!("Nullable({name})") } else { name }
}

pub(super) fn views(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("catalog", Kind::Text),
        ("database", Kind::Text),
        ("database_id", Kind::U64),
        ("name", Kind::Text),
        ("table_id", Kind::U64),
        ("engine", Kind::Text),
        ("engine_full", Kind::Text),
        ("created_on", Kind::Time),
        ("dropped_on", Kind::TimeN),
        ("updated_on", Kind::Time),
        ("owner", Kind::TextN),
        ("comment", Kind::Text),
        ("view_query", Kind::Text),
    ]);
    for (database, table) in all_tables(context)? {
        let table = table.table();
        let TableKind::View { query, .. } = &table.kind else {
            continue;
        };
        rows.push(row![
            CATALOG,
            database.name.as_str(),
            database.id.0,
            table.name.as_str(),
            table.id.0,
            "VIEW",
            "VIEW",
            table.created_at,
            Cell::Null,
            table.updated_at,
            Cell::Null,
            table.comment.as_str(),
            query.as_str(),
        ]);
    }
    Ok(rows)
}
