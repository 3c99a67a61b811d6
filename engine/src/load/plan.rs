//! What becomes of the fields of a load: read straight into a table column, or as text into a temporary one that
//! expressions use; columns that are not loaded get their default. Made once per load, then used by every piece.

use super::{
    ColumnMapping, LoadFormat, LoadRequest,
    column::{BadRows, Conversion, FieldTarget, type_name},
    rules::{EmptyField, FieldRules, MissingField},
};
use crate::{
    Error, Result,
    functions::cast_in_zone,
    plan::{ResolvedTable, StatementContext, sql_type},
    types::Special,
};
use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array},
    compute::{filter_record_batch, kernels::zip::zip},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use basalt_meta::{Column, TableSnapshot};
use chrono_tz::Tz;
use datafusion::physical_expr::PhysicalExpr;
use std::{collections::HashSet, sync::Arc};

type Expression = Arc<dyn PhysicalExpr>;

/// How a load's fields become rows of its table.
#[derive(Debug)]
pub(super) struct LoadPlan {
    pub table: TableSnapshot,
    /// Fields in the order of the input.
    pub fields: Vec<FieldTarget>,
    pub conversion: Conversion,
    /// Fields under their names: what expressions see.
    fields_schema: SchemaRef,
    sources: Vec<Source>,
    filter: Option<Filter>,
    pub rules: FieldRules,
}

/// Where a table column's values come from.
#[derive(Debug)]
enum Source {
    /// A field; records without it get the default.
    Field {
        field: usize,
        default: Option<Expression>,
    },
    /// Times are in the load's zone; in UTC for a default, which must mean the same to all.
    Expression {
        expression: Expression,
        zone: Tz,
    },
    Null,
}

/// The load's condition, over the table's columns and the temporary ones.
#[derive(Debug)]
struct Filter {
    expression: Expression,
    schema: SchemaRef,
    temporary: Vec<usize>,
}

/// Rows of a piece, ready to be written.
#[derive(Debug)]
pub(super) struct Transformed {
    pub batch: RecordBatch,
    pub unselected: u64,
}

impl LoadPlan {
    pub fn new(
        context: &StatementContext,
        resolved: &ResolvedTable,
        request: &LoadRequest,
        rules: &FieldRules,
    ) -> Result<Self> {
        let table = resolved.table.table();
        let items = items(&table.columns, request.columns.as_deref());
        let computed = computed(&table.columns, &items)?;
        let mut fields = Vec::new();
        let mut seen = HashSet::new();
        for item in &items {
            let ColumnMapping::Field(name) = item else { continue };
            if !seen.insert(name.to_lowercase()) {
                return Err(Error::InvalidArgument { message: format!("field `{name}` is named twice") });
            }
            let column = find(&table.columns, name).filter(|at| !computed.iter().any(|(c, _)| c == at));
            fields.push(match column.map(|at| &table.columns[at]) {
                Some(column) => {
                    let data_type = match is_cast(&column.data_type) {
                        true => DataType::Utf8View,
                        false => column.data_type.clone(),
                    };
                    FieldTarget { name: column.name.clone(), data_type }
                }
                None => FieldTarget { name: name.clone(), data_type: DataType::Utf8View },
            });
        }
        let max = context.parts.settings.columns_max;
        if fields.len() > max {
            return Err(Error::InvalidArgument { message: format!("{} fields, at most {max}", fields.len()) });
        }
        let field = |f: &FieldTarget| Field::new(&f.name, f.data_type.clone(), true);
        let fields_schema: SchemaRef = Arc::new(Schema::new(fields.iter().map(field).collect::<Vec<_>>()));
        let mut sources = Vec::with_capacity(table.columns.len());
        for (at, column) in table.columns.iter().enumerate() {
            let expression = |sql: &str| context.expression_in_zone(sql, &fields_schema);
            let default = match default_text(column, rules) {
                Some(text) => Some(context.expression(&text, &fields_schema)?),
                None => None,
            };
            let field = fields.iter().position(|f| f.name == column.name);
            let formula = computed.iter().find(|(c, _)| *c == at);
            let zone = context.settings.timezone;
            sources.push(match (formula, field, default) {
                (Some((_, sql)), ..) => Source::Expression { expression: expression(sql)?, zone },
                (None, Some(_), _) if is_cast(&column.data_type) => {
                    Source::Expression { expression: expression(&cast_of(column))?, zone }
                }
                (None, Some(field), default) => Source::Field { field, default },
                (None, None, Some(default)) => Source::Expression { expression: default, zone: Tz::UTC },
                (None, None, None) if column.nullable => Source::Null,
                (None, None, None) => {
                    let message = format!("Column has no default value. column: {}", column.name);
                    return Err(Error::InvalidArgument { message });
                }
            });
        }
        let filter = request.filter.as_deref().map(|sql| filter(context, resolved, &fields, sql)).transpose()?;
        let empty_as_null = match rules.empty {
            EmptyField::Stream => matches!(&request.format, LoadFormat::Csv(options) if options.empty_as_null),
            EmptyField::Null | EmptyField::Default => true,
            EmptyField::Text => false,
        };
        Ok(Self {
            table: resolved.table.clone(),
            fields,
            conversion: Conversion {
                strict: request.strict,
                empty_as_null,
                empty: rules.empty,
                binary: rules.binary,
                zone: context.settings.timezone,
                json: matches!(request.format, LoadFormat::Json(_)),
                bad_variant_as_null: rules.bad_variant_as_null,
            },
            rules: rules.clone(),
            fields_schema,
            sources,
            filter,
        })
    }

    /// Rows of the table from the fields of `rows` records; `missing` says which records lack a field. Rows that
    /// cannot be are added to `bad`, and left out, as are those the condition does not hold for.
    pub fn transform(
        &self,
        fields: &[ArrayRef],
        missing: &[Option<BooleanArray>],
        rows: usize,
        bad: &mut BadRows,
    ) -> Result<Transformed> {
        let input = batch_of(&self.fields_schema, fields.to_vec(), rows)?;
        let table = self.table.table();
        let mut columns = Vec::with_capacity(self.sources.len());
        for (source, column) in self.sources.iter().zip(&table.columns) {
            let array = match source {
                Source::Field { field, default } => match (&missing[*field], default) {
                    (Some(missing), Some(default)) => {
                        zip(missing, &self.compute(default, Tz::UTC, column, &input, bad)?, &fields[*field])?
                    }
                    _ => Arc::clone(&fields[*field]),
                },
                Source::Expression { expression, zone } => self.compute(expression, *zone, column, &input, bad)?,
                Source::Null => new_null_array(&column.data_type, rows),
            };
            if !column.nullable && array.logical_null_count() > 0 {
                let nulls = array.logical_nulls().expect("a null count above zero has a null buffer");
                for row in (0..rows).filter(|row| nulls.is_null(*row)) {
                    bad.add(row, || format!("NULL value in non-nullable column '{}'", column.name));
                }
            }
            columns.push(array);
        }
        let schema = Schema::new(
            table.columns.iter().map(|c| Field::new(&c.physical_name, c.data_type.clone(), true)).collect::<Vec<_>>(),
        );
        let batch = batch_of(&Arc::new(schema), columns, rows)?;
        self.select(batch, fields, bad)
    }

    /// Leaves out bad rows and those the condition does not hold for.
    fn select(&self, batch: RecordBatch, fields: &[ArrayRef], bad: &mut BadRows) -> Result<Transformed> {
        let rows = batch.num_rows();
        let Some(filter) = &self.filter else {
            if bad.is_empty() {
                return Ok(Transformed { batch, unselected: 0 });
            }
            let batch = filter_record_batch(&batch, &bad.mask(rows))?;
            return Ok(Transformed { batch, unselected: 0 });
        };
        let temporary = filter.temporary.iter().map(|at| Arc::clone(&fields[*at]));
        let input = batch_of(&filter.schema, batch.columns().iter().cloned().chain(temporary).collect(), rows)?;
        let holds = evaluate(&filter.expression, &input, bad)?;
        let holds = holds
            .as_boolean_opt()
            .ok_or_else(|| Error::Semantic { message: "the filter is not a condition".into() })?;
        let good = bad.mask(rows);
        let keep: BooleanArray =
            (0..rows).map(|row| Some(good.value(row) && holds.is_valid(row) && holds.value(row))).collect();
        let unselected = (good.true_count() - keep.true_count()) as u64;
        Ok(Transformed { batch: filter_record_batch(&batch, &keep)?, unselected })
    }

    /// Values of an expression in a column's type; `zone` is that of texts and dates that become times.
    fn compute(
        &self,
        expression: &Expression,
        zone: Tz,
        column: &Column,
        input: &RecordBatch,
        bad: &mut BadRows,
    ) -> Result<ArrayRef> {
        let values = evaluate(expression, input, bad)?;
        if values.data_type() == &column.data_type {
            return Ok(values);
        }
        let array = cast_in_zone(&values, &column.data_type, zone)?;
        if self.conversion.strict && array.logical_null_count() > values.logical_null_count() {
            for row in (0..array.len()).filter(|row| array.is_null(*row) && values.is_valid(*row)) {
                let shown = arrow::util::display::array_value_to_string(&values, row).unwrap_or_default();
                bad.add(row, || {
                    let wanted = type_name(&column.data_type);
                    format!("Value '{shown}' is out of range. The type of '{}' is {wanted}", column.name)
                });
            }
        }
        Ok(array)
    }
}

/// Types whose texts only an expression can read.
fn is_cast(data_type: &DataType) -> bool {
    use Special as S;
    matches!(Special::of(data_type), Some(S::Bitmap | S::Geometry | S::Geography | S::TimestampTz | S::Interval))
}

/// The text of a field as the column's type.
fn cast_of(column: &Column) -> String {
    format!("CAST(\"{}\" AS {})", column.name.replace('"', "\"\""), sql_type(&column.data_type))
}

/// The expression for records that lack a column's field.
fn default_text(column: &Column, rules: &FieldRules) -> Option<String> {
    let of_type = || type_default(&column.data_type).filter(|_| !column.nullable).map(str::to_string);
    match rules.missing {
        MissingField::TypeDefault => of_type(),
        MissingField::DefaultOrNull if !rules.defaults_for_values() => column.default.clone(),
        _ => column.default.clone().or_else(of_type),
    }
}

/// The value a NOT NULL column without a default has where nothing is given.
fn type_default(data_type: &DataType) -> Option<&'static str> {
    match data_type {
        data_type if data_type.is_numeric() => Some("0"),
        DataType::Boolean => Some("FALSE"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some("''"),
        DataType::Date32 => Some("DATE '1970-01-01'"),
        DataType::Timestamp(..) => Some("TIMESTAMP '1970-01-01 00:00:00'"),
        _ => None,
    }
}

/// The items of the load: without a list, or with one of expressions only, the table's other columns are its fields.
fn items(columns: &[Column], listed: Option<&[ColumnMapping]>) -> Vec<ColumnMapping> {
    let listed = listed.unwrap_or_default();
    if listed.iter().any(|item| matches!(item, ColumnMapping::Field(_))) {
        return listed.to_vec();
    }
    let is_computed = |name: &str| {
        listed
            .iter()
            .any(|i| matches!(i, ColumnMapping::Expression { column, .. } if column.eq_ignore_ascii_case(name)))
    };
    let plain = columns.iter().filter(|c| !is_computed(&c.name)).map(|c| ColumnMapping::Field(c.name.clone()));
    plain.chain(listed.iter().cloned()).collect()
}

/// Columns (by position) that expressions compute.
fn computed<'a>(columns: &[Column], items: &'a [ColumnMapping]) -> Result<Vec<(usize, &'a str)>> {
    let mut computed = Vec::new();
    for item in items {
        let ColumnMapping::Expression { column, sql } = item else { continue };
        let at = find(columns, column).ok_or_else(|| Error::InvalidArgument {
            message: format!("Mapping column is not in table. column: {column}"),
        })?;
        computed.push((at, sql.as_str()));
    }
    Ok(computed)
}

fn find(columns: &[Column], name: &str) -> Option<usize> {
    let exact = columns.iter().position(|c| c.name == name);
    exact.or_else(|| columns.iter().position(|c| c.name.eq_ignore_ascii_case(name)))
}

fn filter(context: &StatementContext, resolved: &ResolvedTable, fields: &[FieldTarget], sql: &str) -> Result<Filter> {
    let table = resolved.table.table();
    let temporary: Vec<usize> = (0..fields.len())
        .filter(|at| !table.columns.iter().any(|c| c.name.eq_ignore_ascii_case(&fields[*at].name)))
        .collect();
    let columns = table.columns.iter().map(|c| Field::new(&c.name, c.data_type.clone(), true));
    let extra = temporary.iter().map(|at| Field::new(&fields[*at].name, fields[*at].data_type.clone(), true));
    let schema: SchemaRef = Arc::new(Schema::new(columns.chain(extra).collect::<Vec<_>>()));
    Ok(Filter { expression: context.expression_in_zone(sql, &schema)?, schema, temporary })
}

/// Values of an expression. When it fails, row by row, so that only the rows it fails for are bad.
fn evaluate(expression: &Expression, input: &RecordBatch, bad: &mut BadRows) -> Result<ArrayRef> {
    let rows = input.num_rows();
    if let Ok(values) = expression.evaluate(input).and_then(|values| values.into_array(rows)) {
        return Ok(values);
    }
    let data_type = expression.data_type(&input.schema())?;
    let mut values = Vec::with_capacity(rows);
    for row in 0..rows {
        match expression.evaluate(&input.slice(row, 1)).and_then(|value| value.into_array(1)) {
            Ok(value) => values.push(value),
            Err(error) => {
                bad.add(row, || Error::from(error).to_string());
                values.push(new_null_array(&data_type, 1));
            }
        }
    }
    let values: Vec<&dyn Array> = values.iter().map(|v| v.as_ref()).collect();
    if values.is_empty() {
        return Ok(new_null_array(&data_type, 0));
    }
    Ok(arrow::compute::concat(&values)?)
}

fn batch_of(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
