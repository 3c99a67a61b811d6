//! Columns of tables: from definitions in SQL, from the columns of a query, and found again by name.

use super::{
    assign::{self, Defaults},
    database::new_name,
};
use crate::{
    Error, Result,
    plan::{StatementContext, arrow_type, calls_sequence, sequences_of, sql_type},
    sql::{ColumnDefinition, ident_name, matches_name},
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use basalt_meta::{Column, ColumnId, Computed, EntityKind, Table};
use basalt_storage::is_storable;
use datafusion::sql::sqlparser::ast::{self, Ident};
use std::{collections::HashSet, sync::Arc};

/// The column a definition describes, under a new id.
pub(super) fn define(context: &StatementContext, definition: &ColumnDefinition, id: ColumnId) -> Result<Column> {
    let data_type = column_type(&definition.data_type)?;
    let said_nullable = matches!(definition.data_type, ast::DataType::Nullable(_)).then_some(true);
    let nullable = definition.nullable.or(said_nullable).unwrap_or(context.settings.nullable_columns);
    let column = Column {
        id,
        name: new_name(&definition.name)?,
        physical_name: physical_name(id),
        data_type,
        nullable,
        default: definition.default.clone(),
        comment: definition.comment.clone().unwrap_or_default(),
        computed: definition.computed.clone().map(|(expression, stored)| Computed { expression, stored }),
        identity: None,
    };
    if column.computed.is_some() && (column.default.is_some() || definition.identity.is_some()) {
        let message = format!("column `{}` is computed and takes no default", column.name);
        return Err(Error::Semantic { message });
    }
    check_default(context, &column)?;
    Ok(column)
}

/// A default must be an expression without columns that makes a value of the column's type.
pub(super) fn check_default(context: &StatementContext, column: &Column) -> Result<()> {
    let Some(text) = &column.default else {
        return Ok(());
    };
    let parsed = crate::sql::parse_expression(text, context.sql_limits())?;
    if calls_sequence(&parsed) {
        // Evaluating it would take a number; that it can be planned, over sequences that exist, is enough.
        for name in sequences_of(&parsed) {
            let kind = EntityKind::Sequence;
            if context.snapshot.entity(kind, &name).is_none() {
                return Err(Error::UnknownEntity { kind, name });
            }
        }
        context.expression_ast(&parsed, &no_columns())?;
    } else {
        let value = Defaults::default().values(context, column, 1)?;
        assign::convert(&value, column, 0)?;
    }
    Ok(())
}

/// A field's name inside segments.
pub(super) fn physical_name(id: ColumnId) -> String {
    format!("c{}", id.0)
}

/// The type of a column that a statement names.
pub(super) fn column_type(sql: &ast::DataType) -> Result<DataType> {
    let data_type = arrow_type(sql)?;
    storable(&data_type)?;
    Ok(data_type)
}

fn storable(data_type: &DataType) -> Result<()> {
    if is_storable(data_type) {
        return Ok(());
    }
    Err(Error::Unsupported { what: format!("columns of type {}", sql_type(data_type)) })
}

/// Columns for the rows of a query (CREATE TABLE … AS).
pub(super) fn of_query(schema: &Schema) -> Result<Vec<Column>> {
    let columns = schema.fields().iter().zip(1u32..).map(|(field, id)| {
        let data_type = kept_type(field.data_type());
        storable(&data_type)?;
        Ok(Column {
            id: ColumnId(id),
            name: new_name(&Ident::with_quote('"', field.name()))?,
            physical_name: physical_name(ColumnId(id)),
            data_type,
            nullable: true,
            default: None,
            comment: String::new(),
            computed: None,
            identity: None,
        })
    });
    columns.collect()
}

/// Columns as a view shows them: of any type, since it keeps no rows.
pub(super) fn of_result(schema: &Schema) -> Vec<Column> {
    let columns = schema.fields().iter().zip(1u32..).map(|(field, id)| Column {
        id: ColumnId(id),
        name: field.name().clone(),
        physical_name: physical_name(ColumnId(id)),
        data_type: field.data_type().clone(),
        nullable: field.is_nullable(),
        default: None,
        comment: String::new(),
        computed: None,
        identity: None,
    });
    columns.collect()
}

/// The type in which a table keeps values of a computed type.
fn kept_type(computed: &DataType) -> DataType {
    match computed {
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Dictionary(_, value) => kept_type(value),
        DataType::Float16 => DataType::Float32,
        DataType::Timestamp(_, _) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Date64 => DataType::Date32,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            DataType::List(Arc::new(Field::new_list_field(kept_type(item.data_type()), true)))
        }
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|f| Field::new(f.name(), kept_type(f.data_type()), true)).collect())
        }
        other => other.clone(),
    }
}

/// Every name at most once, whatever its case: unquoted names could not tell such columns apart.
pub(super) fn check_names(context: &StatementContext, columns: &[Column]) -> Result<()> {
    let max = context.parts.settings.columns_max;
    if columns.len() > max {
        return Err(Error::InvalidArgument {
            message: format!("a table has at most {max} columns, not {}", columns.len()),
        });
    }
    let mut seen = HashSet::new();
    for column in columns {
        if !seen.insert(column.name.to_lowercase()) {
            return Err(Error::Semantic { message: format!("column `{}` appears twice", column.name) });
        }
    }
    Ok(())
}

/// Position of the column a name refers to.
pub(crate) fn find(table: &Table, ident: &Ident) -> Result<usize> {
    find_in(&table.columns, ident)
}

pub(super) fn find_in(columns: &[Column], ident: &Ident) -> Result<usize> {
    let wanted = ident_name(ident);
    if let Some(exact) = columns.iter().position(|c| c.name == wanted) {
        return Ok(exact);
    }
    columns.iter().position(|c| matches_name(ident, &c.name)).ok_or_else(|| unknown(columns, ident))
}

fn unknown(columns: &[Column], ident: &Ident) -> Error {
    let near = columns
        .iter()
        .map(|c| (strsim::jaro_winkler(&ident.value.to_lowercase(), &c.name.to_lowercase()), &c.name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = near.map(|(_, name)| format!(" (did you mean `{name}`?)")).unwrap_or_default();
    Error::UnknownColumn { name: ident.value.clone(), hint }
}

/// Ids of the columns of a key. Values must have an order.
pub(super) fn key(columns: &[Column], key: &[Ident], what: &str) -> Result<Vec<ColumnId>> {
    let mut ids = Vec::with_capacity(key.len());
    for ident in key {
        let column = &columns[find_in(columns, ident)?];
        if column.data_type.is_nested() {
            let message =
                format!("column `{}` of type {} cannot be in a {what}", column.name, sql_type(&column.data_type));
            return Err(Error::Semantic { message });
        }
        if ids.contains(&column.id) {
            return Err(Error::Semantic { message: format!("column `{}` appears twice in the {what}", column.name) });
        }
        ids.push(column.id);
    }
    Ok(ids)
}

/// A schema without columns: what defaults are computed over.
pub(crate) fn no_columns() -> SchemaRef {
    Arc::new(Schema::empty())
}
