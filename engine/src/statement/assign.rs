//! Values on their way into columns: cast to the column's type, with errors that name value, column and row; defaults
//! for columns that a statement leaves out.

use super::columns::no_columns;
use crate::{
    Error, Result,
    functions::{CastRules, cast_array, has_own_cast},
    plan::{StatementContext, explain, sql_type},
    types::Special,
};
use arrow::{
    array::{Array, ArrayRef, new_null_array},
    compute::{CastOptions, can_cast_types, cast_with_options},
    record_batch::{RecordBatch, RecordBatchOptions},
    util::display::{ArrayFormatter, FormatOptions},
};
use basalt_meta::{Column, ColumnId, Table};
use basalt_storage::table_schema;
use chrono_tz::Tz;
use datafusion::physical_expr::PhysicalExpr;
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

/// `values` in the column's type. `first_row` is how many rows of the statement came before.
pub(super) fn convert(values: &ArrayRef, column: &Column, first_row: u64) -> Result<ArrayRef> {
    convert_with(values, column, first_row, Tz::UTC)
}

fn convert_with(values: &ArrayRef, column: &Column, first_row: u64, zone: Tz) -> Result<ArrayRef> {
    if values.data_type() == &column.data_type {
        return Ok(Arc::clone(values));
    }
    if has_own_cast(values.data_type(), &column.data_type) {
        return own_cast(values, column, first_row, CastRules::new(zone));
    }
    if !can_cast_types(values.data_type(), &column.data_type) {
        let (wanted, found) = (sql_type(&column.data_type), sql_type(values.data_type()));
        let message = format!("column `{}` is of type {wanted}, the value for it is of type {found}", column.name);
        return Err(Error::Semantic { message });
    }
    // Inside nested values a null does not show in the outer array, so they must fail by themselves.
    let nested = column.data_type.is_nested();
    let options = CastOptions { safe: !nested, ..CastOptions::default() };
    let cast = cast_with_options(values, &column.data_type, &options).map_err(|error| Error::Evaluation {
        message: format!(
            "cannot convert a value to {} for column `{}`: {error}",
            sql_type(&column.data_type),
            column.name
        ),
    })?;
    if cast.null_count() != values.logical_null_count() {
        check_nulls(values, &cast, column, first_row)?;
    }
    Ok(cast)
}

/// Like [`convert`], with texts read as times in the session's zone.
pub(crate) fn convert_in_zone(
    context: &StatementContext,
    values: &ArrayRef,
    column: &Column,
    first_row: u64,
) -> Result<ArrayRef> {
    convert_with(values, column, first_row, context.settings.timezone)
}

/// One of our conversions; the error names column and row where values are single.
fn own_cast(values: &ArrayRef, column: &Column, first_row: u64, rules: CastRules) -> Result<ArrayRef> {
    if values.data_type().is_string() && (Special::of(&column.data_type).is_some() || !column.data_type.is_nested()) {
        let cast = cast_array(values, &column.data_type, rules.or_null()).map_err(explain)?;
        check_nulls(values, &cast, column, first_row)?;
        return Ok(cast);
    }
    cast_array(values, &column.data_type, rules).map_err(|error| match explain(error) {
        crate::Error::Evaluation { message } => {
            crate::Error::Evaluation { message: format!("{message} for column `{}`", column.name) }
        }
        other => other,
    })
}

/// Finds the value that a cast turned into null.
fn check_nulls(before: &ArrayRef, after: &ArrayRef, column: &Column, first_row: u64) -> Result<()> {
    let nulls = before.logical_nulls();
    let was_null = |row: usize| nulls.as_ref().is_some_and(|n| n.is_null(row));
    match (0..after.len()).find(|row| after.is_null(*row) && !was_null(*row)) {
        Some(row) => Err(cannot_convert(&shown(before, row), column, first_row + row as u64)),
        None => Ok(()),
    }
}

pub(super) fn cannot_convert(value: &str, column: &Column, row: u64) -> Error {
    let short: String = value.chars().take(64).collect();
    let dots = if short.len() < value.len() { "…" } else { "" };
    let wanted = sql_type(&column.data_type);
    let message = format!("cannot convert '{short}{dots}' to {wanted} for column `{}` in row {}", column.name, row + 1);
    Error::Evaluation { message }
}

fn shown(values: &ArrayRef, row: usize) -> String {
    let options = FormatOptions::default();
    match ArrayFormatter::try_new(values.as_ref(), &options) {
        Ok(formatter) => formatter.value(row).to_string(),
        Err(_) => "?".into(),
    }
}

/// Arrays of all columns of `table`, each in its column's type, as rows of its segments.
pub(crate) fn to_batch(table: &Table, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    // NOT NULL is the sink's to check: it names column and row.
    let schema = table_schema(table);
    let fields: Vec<_> = schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    RecordBatch::try_new_with_options(schema, columns, &options)
        .map_err(|source| Error::internal("rows do not fit their table", source))
}

/// Default expressions of columns, compiled once per statement.
#[derive(Debug, Default)]
pub(crate) struct Defaults {
    expressions: HashMap<ColumnId, Arc<dyn PhysicalExpr>>,
}

impl Defaults {
    /// `rows` default values of a column: its default expression (evaluated for each row), else NULL.
    pub fn values(&mut self, context: &StatementContext, column: &Column, rows: usize) -> Result<ArrayRef> {
        let Some(text) = &column.default else {
            return Ok(new_null_array(&column.data_type, rows));
        };
        let expression = match self.expressions.entry(column.id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(context.expression(text, &no_columns())?),
        };
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let empty = RecordBatch::try_new_with_options(no_columns(), Vec::new(), &options)
            .map_err(|source| Error::internal("rows without columns", source))?;
        let value = expression.evaluate(&empty).map_err(explain)?;
        let values = value.into_array(rows).map_err(explain)?;
        convert(&values, column, 0)
    }
}
