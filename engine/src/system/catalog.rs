//! Databases, tables, columns and views.

use super::{
    INFORMATION_SCHEMA, SYSTEM, database,
    rows::{Cell, Kind, Rows, row},
};
use crate::{
    Result,
    access::{Object, database_key, owner, table_key},
    plan::{StatementContext, sql_type},
    session::temporary,
    statement::{column_extra, engine_name},
};
use basalt_meta::{Column, Database, KeyModel, Table, TableKind, TableSnapshot};
use std::sync::Arc;

/// Name of the one catalogue there is.
pub(super) const CATALOG: &str = "default";

/// Live databases, the server's own first.
pub(super) fn all_databases(context: &StatementContext) -> Vec<Arc<Database>> {
    let own = [INFORMATION_SCHEMA, SYSTEM].into_iter().filter_map(database);
    let seen = databases_of_users(context).filter(|d| context.sees(&Object::database(d)));
    own.chain(seen).collect()
}

/// Live databases that users can name.
fn databases_of_users(context: &StatementContext) -> impl Iterator<Item = Arc<Database>> {
    context.snapshot.databases().into_iter().filter(|database| !temporary::is_hidden(&database.name))
}

/// Live tables as names find them: a temporary table of the session stands in the place of the other of its name.
pub(super) fn tables_by_name(context: &StatementContext) -> Result<Vec<(Arc<Database>, TableSnapshot)>> {
    let own = temporary::tables_of(&context.snapshot, &context.session);
    let hidden = |database: &Database, table: &TableSnapshot| {
        own.iter().any(|(name, temporary)| *name == database.name && temporary.table().name == table.table().name)
    };
    let mut tables = all_tables(context)?;
    tables.retain(|(database, table)| !hidden(database, table));
    for (name, table) in &own {
        if let Some(database) = context.snapshot.database(name) {
            tables.push((database, table.clone()));
        }
    }
    Ok(tables)
}

/// Temporary tables of the user's client sessions.
pub(super) fn temporary_tables(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("session_id", Kind::Text),
        ("session_type", Kind::Text),
        ("user", Kind::Text),
        ("node", Kind::Text),
        ("is_current_session", Kind::Bool),
        ("database", Kind::Text),
        ("name", Kind::Text),
        ("table_id", Kind::U64),
        ("engine", Kind::Text),
        ("num_rows", Kind::U64),
        ("num_segments", Kind::U64),
        ("num_blocks", Kind::U64),
        ("compressed_data_bytes", Kind::U64),
        ("index_data_bytes", Kind::U64),
        ("created_on", Kind::Time),
        ("updated_on", Kind::Time),
    ]);
    for (database, table) in temporary::tables_of(&context.snapshot, &context.session) {
        let record = table.table();
        rows.push(row![
            context.session.id.as_str(),
            "HTTPQuery",
            context.session.principal.name.as_str(),
            "local",
            true,
            database,
            record.name.as_str(),
            record.id.0,
            engine_name(record.engine),
            table.rows(),
            table.segments(),
            table.segments(),
            table.bytes(),
            0u64,
            record.created_at,
            record.updated_at,
        ]);
    }
    Ok(rows)
}

/// Live tables and views with their databases, as the statement sees them; temporary ones left out.
pub(super) fn all_tables(context: &StatementContext) -> Result<Vec<(Arc<Database>, TableSnapshot)>> {
    let mut tables = Vec::new();
    for database in databases_of_users(context) {
        for table in context.snapshot.tables(database.id) {
            if !context.sees(&Object::table_of(&database, table.table())) {
                continue;
            }
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
    let mut rows = Rows::new(DATABASE_COLUMNS);
    for database in all_databases(context) {
        let created = (database.created_at.0 > 0).then_some(database.created_at);
        rows.push(row![
            CATALOG,
            database.name.as_str(),
            database.id.0,
            owner(&context.snapshot, &database_key(database.id)),
            database.dropped.map(|d| d.at),
            created,
            database.comment.as_str(),
        ]);
    }
    Ok(rows)
}

/// Databases that can be recovered, and those that live.
pub(super) fn databases_with_history(context: &StatementContext) -> Result<Rows> {
    let mut rows = databases(context)?;
    for row in dropped_databases(context) {
        rows.push(row);
    }
    Ok(rows)
}

/// Databases that can be recovered.
pub(super) fn databases_dropped(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(DATABASE_COLUMNS);
    for row in dropped_databases(context) {
        rows.push(row);
    }
    Ok(rows)
}

fn dropped_databases(context: &StatementContext) -> impl Iterator<Item = Vec<Cell>> {
    let dropped = context.snapshot.dropped_databases();
    dropped.into_iter().filter(|database| !temporary::is_hidden(&database.name)).map(|database| {
        row![
            CATALOG,
            database.name.as_str(),
            database.id.0,
            Cell::Null,
            database.dropped.map(|d| d.at),
            database.created_at,
            database.comment.as_str(),
        ]
    })
}

const DATABASE_COLUMNS: &[(&str, Kind)] = &[
    ("catalog", Kind::Text),
    ("name", Kind::Text),
    ("database_id", Kind::U64),
    ("owner", Kind::TextN),
    ("dropped_on", Kind::TimeN),
    ("created_on", Kind::TimeN),
    ("comment", Kind::Text),
];

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
        rows.push(table_row(context, &database, table.table(), Some(&table)));
    }
    Ok(rows)
}

/// Live tables, and dropped ones that can still be recovered.
pub(super) fn tables_with_history(context: &StatementContext) -> Result<Rows> {
    let mut rows = tables(context)?;
    for database in databases_of_users(context) {
        for table in context.snapshot.dropped_tables(database.id) {
            if !context.sees(&Object::table_of(&database, &table)) {
                continue;
            }
            rows.push(table_row(context, &database, &table, None));
        }
    }
    Ok(rows)
}

fn table_row(
    context: &StatementContext,
    database: &Database,
    table: &Table,
    live: Option<&TableSnapshot>,
) -> Vec<Cell> {
    let stored = live.filter(|_| !is_view(table));
    let memory = stored.map(|t| t.iter().map(|s| s.segment.memory_bytes).sum::<u64>());
    let options: Vec<String> = table.options.iter().map(|(name, value)| format!("{name}='{value}'")).collect();
    let engine = if is_view(table) { "VIEW" } else { engine_name(table.engine) };
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
        if table.transient { "TRANSIENT" } else { "" },
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
        owner(&context.snapshot, &table_key(database.id, table.id)),
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
    if !table.cluster_by.is_empty() {
        return format!("({})", table.cluster_by.join(", "));
    }
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
        ("extra", Kind::Text),
    ]);
    for (database, table) in tables_by_name(context)? {
        let table = table.table();
        for (index, column) in table.columns.iter().enumerate() {
            let unique = matches!(&table.key_model, KeyModel::Unique { key } if key.contains(&column.id));
            rows.push(row![
                column.name.as_str(),
                database.name.as_str(),
                table.name.as_str(),
                type_text(&column.data_type, column.nullable),
                sql_type(&column.data_type),
                default_kind(column),
                default_text(column),
                if column.nullable { "YES" } else { "NO" },
                column.comment.as_str(),
                index + 1,
                table.sort_key.contains(&column.id),
                unique,
                column_extra(column),
            ]);
        }
    }
    Ok(rows)
}

/// Whether a column's value is given, a default or computed.
fn default_kind(column: &Column) -> &'static str {
    match (&column.computed, &column.default) {
        (Some(computed), _) if computed.stored => "STORED",
        (Some(_), _) => "VIRTUAL",
        (None, Some(_)) => "DEFAULT",
        (None, None) => "",
    }
}

fn default_text(column: &Column) -> String {
    match (&column.computed, &column.default) {
        (Some(computed), _) => computed.expression.clone(),
        (None, Some(default)) => default.clone(),
        (None, None) => String::new(),
    }
}

/// `Nullable(Int64)` and the like.
pub(crate) fn type_text(data_type: &arrow::datatypes::DataType, nullable: bool) -> String {
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
            owner(&context.snapshot, &table_key(database.id, table.id)),
            table.comment.as_str(),
            query.as_str(),
        ]);
    }
    Ok(rows)
}
