//! The standard views of the catalogue, as BI tools read them.

use super::{
    catalog::{CATALOG, all_databases, all_tables, is_view},
    rows::{Cell, Kind, Rows, row},
};
use crate::{
    Result,
    access::{database_key, owner},
    plan::{StatementContext, sql_type},
};
use arrow::datatypes::DataType;
use basalt_meta::{Column, KeyModel, Table, TableKind, TableSnapshot};
use datafusion::sql::sqlparser::keywords::{
    ALL_KEYWORDS, ALL_KEYWORDS_INDEX, RESERVED_FOR_COLUMN_ALIAS, RESERVED_FOR_TABLE_ALIAS,
};

/// Longest text of a value, as these views state it.
const TEXT_CHARS_MAX: u64 = 16382;

pub(super) fn schemata(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("catalog_name", Kind::Text),
        ("schema_name", Kind::Text),
        ("schema_owner", Kind::TextN),
        ("default_character_set_catalog", Kind::TextN),
        ("default_character_set_schema", Kind::TextN),
        ("default_character_set_name", Kind::TextN),
        ("default_collation_name", Kind::TextN),
        ("sql_path", Kind::TextN),
    ]);
    for database in all_databases(context) {
        rows.push(row![
            CATALOG,
            database.name.as_str(),
            owner(&context.snapshot, &database_key(database.id)),
            Cell::Null,
            Cell::Null,
            "utf8mb4",
            "utf8mb4_general_ci",
            Cell::Null,
        ]);
    }
    Ok(rows)
}

pub(super) fn tables(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("table_catalog", Kind::Text),
        ("table_schema", Kind::Text),
        ("table_name", Kind::Text),
        ("table_type", Kind::Text),
        ("engine", Kind::Text),
        ("create_time", Kind::TimeN),
        ("drop_time", Kind::TimeN),
        ("table_rows", Kind::U64N),
        ("data_length", Kind::U64N),
        ("index_length", Kind::U64N),
        ("data_free", Kind::U64N),
        ("auto_increment", Kind::U64N),
        ("table_collation", Kind::TextN),
        ("table_comment", Kind::Text),
    ]);
    for (database, table) in all_tables(context)? {
        let record = table.table();
        let stored = Some(&table).filter(|_| !is_view(record));
        rows.push(row![
            CATALOG,
            database.name.as_str(),
            record.name.as_str(),
            if is_view(record) { "VIEW" } else { "BASE TABLE" },
            if is_view(record) { "VIEW" } else { crate::statement::engine_name(record.engine) },
            record.created_at,
            Cell::Null,
            stored.map(TableSnapshot::rows),
            stored.map(TableSnapshot::bytes),
            Cell::Null,
            Cell::Null,
            Cell::Null,
            "utf8mb4_general_ci",
            record.comment.as_str(),
        ]);
    }
    for (database, name) in super::TABLES.iter().map(|(database, name, _)| (database, name)) {
        rows.push(row![
            CATALOG,
            *database,
            *name,
            "SYSTEM VIEW",
            "SYSTEM",
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            "utf8mb4_general_ci",
            "",
        ]);
    }
    Ok(rows)
}

pub(super) fn columns(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("table_catalog", Kind::Text),
        ("table_schema", Kind::Text),
        ("table_name", Kind::Text),
        ("column_name", Kind::Text),
        ("ordinal_position", Kind::U64),
        ("column_default", Kind::TextN),
        ("column_comment", Kind::Text),
        ("column_key", Kind::TextN),
        ("nullable", Kind::U8),
        ("is_nullable", Kind::Text),
        ("data_type", Kind::Text),
        ("column_type", Kind::Text),
        ("character_maximum_length", Kind::U64N),
        ("character_octet_length", Kind::U64N),
        ("numeric_precision", Kind::U64N),
        ("numeric_precision_radix", Kind::U64N),
        ("numeric_scale", Kind::U64N),
        ("datetime_precision", Kind::U64N),
        ("character_set_catalog", Kind::TextN),
        ("character_set_schema", Kind::TextN),
        ("character_set_name", Kind::TextN),
        ("collation_catalog", Kind::TextN),
        ("collation_schema", Kind::TextN),
        ("collation_name", Kind::TextN),
        ("domain_catalog", Kind::TextN),
        ("domain_schema", Kind::TextN),
        ("domain_name", Kind::TextN),
        ("privileges", Kind::TextN),
        ("default", Kind::TextN),
        ("extra", Kind::TextN),
    ]);
    for (database, table) in all_tables(context)? {
        let table = table.table();
        for (index, column) in table.columns.iter().enumerate() {
            let data_type = sql_type(&column.data_type).to_lowercase();
            let text = is_text(&column.data_type);
            let (precision, scale) = precision(&column.data_type);
            rows.push(row![
                CATALOG,
                database.name.as_str(),
                table.name.as_str(),
                column.name.as_str(),
                index + 1,
                column.default.as_deref(),
                column.comment.as_str(),
                if is_key(table, column) { "PRI" } else { "" },
                u64::from(column.nullable),
                if column.nullable { "YES" } else { "NO" },
                data_type.as_str(),
                if text { format!("varchar({TEXT_CHARS_MAX})") } else { data_type.clone() },
                text.then_some(TEXT_CHARS_MAX),
                text.then_some(TEXT_CHARS_MAX * 4),
                precision,
                precision.map(|_| 10u64),
                scale,
                matches!(column.data_type, DataType::Timestamp(_, _)).then_some(6u64),
                Cell::Null,
                Cell::Null,
                text.then_some("utf8mb4"),
                Cell::Null,
                Cell::Null,
                text.then_some("utf8mb4_general_ci"),
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null,
                column.default.as_deref(),
                "",
            ]);
        }
    }
    Ok(rows)
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn precision(data_type: &DataType) -> (Option<u64>, Option<u64>) {
    match data_type {
        DataType::Int8 | DataType::UInt8 => (Some(3), Some(0)),
        DataType::Int16 | DataType::UInt16 => (Some(5), Some(0)),
        DataType::Int32 | DataType::UInt32 => (Some(10), Some(0)),
        DataType::Int64 => (Some(19), Some(0)),
        DataType::UInt64 => (Some(20), Some(0)),
        DataType::Decimal128(p, s) | DataType::Decimal256(p, s) => (Some(u64::from(*p)), u64::try_from(*s).ok()),
        _ => (None, None),
    }
}

fn is_key(table: &Table, column: &Column) -> bool {
    matches!(&table.key_model, KeyModel::Unique { key } if key.contains(&column.id))
}

pub(super) fn views(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("table_catalog", Kind::Text),
        ("table_schema", Kind::Text),
        ("table_name", Kind::Text),
        ("view_definition", Kind::Text),
        ("check_option", Kind::Text),
        ("is_updatable", Kind::U8),
        ("is_insertable_into", Kind::U8),
        ("is_trigger_updatable", Kind::U8),
        ("is_trigger_deletable", Kind::U8),
        ("is_trigger_insertable_into", Kind::U8),
    ]);
    for (database, table) in all_tables(context)? {
        let table = table.table();
        let TableKind::View { query, .. } = &table.kind else {
            continue;
        };
        rows.push(row![
            CATALOG,
            database.name.as_str(),
            table.name.as_str(),
            query.as_str(),
            "NONE",
            0u64,
            0u64,
            0u64,
            0u64,
            0u64,
        ]);
    }
    Ok(rows)
}

/// The one character set there is.
pub(super) fn character_sets(_context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("character_set_name", Kind::Text),
        ("default_collate_name", Kind::Text),
        ("description", Kind::Text),
        ("maxlen", Kind::U64),
    ]);
    rows.push(row!["utf8mb4", "utf8mb4_general_ci", "UTF-8 Unicode", 4u64]);
    Ok(rows)
}

/// Foreign keys: there are none.
pub(super) fn referential_constraints(_context: &StatementContext) -> Result<Rows> {
    Ok(Rows::new(&[
        ("constraint_catalog", Kind::Text),
        ("constraint_schema", Kind::Text),
        ("constraint_name", Kind::Text),
        ("unique_constraint_catalog", Kind::Text),
        ("unique_constraint_schema", Kind::Text),
        ("unique_constraint_name", Kind::TextN),
        ("match_option", Kind::Text),
        ("update_rule", Kind::Text),
        ("delete_rule", Kind::Text),
        ("table_name", Kind::Text),
        ("referenced_table_name", Kind::Text),
    ]))
}

/// Words of the grammar, and whether they need quotes as names.
pub(super) fn keywords(_context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[("keywords", Kind::Text), ("reserved", Kind::U8)]);
    for (word, keyword) in ALL_KEYWORDS.iter().zip(ALL_KEYWORDS_INDEX) {
        let reserved = RESERVED_FOR_COLUMN_ALIAS.contains(keyword) || RESERVED_FOR_TABLE_ALIAS.contains(keyword);
        rows.push(row![*word, u64::from(reserved)]);
    }
    Ok(rows)
}

/// Columns of unique keys.
pub(super) fn key_column_usage(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("constraint_catalog", Kind::Text),
        ("constraint_schema", Kind::Text),
        ("constraint_name", Kind::Text),
        ("table_catalog", Kind::Text),
        ("table_schema", Kind::Text),
        ("table_name", Kind::Text),
        ("column_name", Kind::Text),
        ("ordinal_position", Kind::U64),
        ("position_in_unique_constraint", Kind::U64N),
        ("referenced_table_schema", Kind::TextN),
        ("referenced_table_name", Kind::TextN),
        ("referenced_column_name", Kind::TextN),
    ]);
    for (database, table) in all_tables(context)? {
        for (position, column) in unique_key(table.table()).into_iter().enumerate() {
            rows.push(row![
                CATALOG,
                database.name.as_str(),
                "PRIMARY",
                CATALOG,
                database.name.as_str(),
                table.table().name.as_str(),
                column.name.as_str(),
                position + 1,
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null,
            ]);
        }
    }
    Ok(rows)
}

/// Indexes: unique keys are the only ones.
pub(super) fn statistics(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("table_catalog", Kind::Text),
        ("table_schema", Kind::Text),
        ("table_name", Kind::Text),
        ("non_unique", Kind::U64),
        ("index_schema", Kind::Text),
        ("index_name", Kind::Text),
        ("seq_in_index", Kind::U64),
        ("column_name", Kind::Text),
        ("nullable", Kind::Text),
        ("index_type", Kind::Text),
    ]);
    for (database, table) in all_tables(context)? {
        for (position, column) in unique_key(table.table()).into_iter().enumerate() {
            rows.push(row![
                CATALOG,
                database.name.as_str(),
                table.table().name.as_str(),
                0u64,
                database.name.as_str(),
                "PRIMARY",
                position + 1,
                column.name.as_str(),
                if column.nullable { "YES" } else { "" },
                "SORTED",
            ]);
        }
    }
    Ok(rows)
}

fn unique_key(table: &Table) -> Vec<&Column> {
    match &table.key_model {
        KeyModel::Unique { key } => key.iter().filter_map(|id| table.column_by_id(*id)).collect(),
        KeyModel::Duplicate => Vec::new(),
    }
}
