//! Files whose columns have names and types: Parquet and Avro. Read as batches, and brought into the columns of a table
//! by name.

use super::{
    format::{FileFormat, Kind, Missing},
    source::Source,
    variants::variants_of,
};
use crate::{
    Error, Result,
    plan::{StatementContext, sql_type},
    stage::Found,
    statement::{Defaults, convert_in_zone, to_batch},
    types::Special,
};
use arrow::{
    array::{Array, ArrayRef, RecordBatch, new_null_array},
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use arrow_avro::reader::ReaderBuilder;
use basalt_meta::{Column, Table};
use datafusion::{
    object_store::path::Path, parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder,
    physical_expr::PhysicalExpr,
};
use futures::{StreamExt, stream::BoxStream};
use std::{io::BufReader, sync::Arc};

const BATCH_ROWS: usize = 8192;
/// Avro is read from memory; larger files are refused.
const AVRO_BYTES_MAX: u64 = 1 << 30;

/// A file being read.
pub(crate) struct NamedFile {
    pub schema: SchemaRef,
    pub batches: BoxStream<'static, Result<RecordBatch>>,
}

/// Opens a file.
pub(crate) async fn open(source: &Source, format: &FileFormat, found: &Found) -> Result<NamedFile> {
    match format.kind {
        Kind::Parquet(_) => open_parquet(source, found).await,
        _ => open_avro(source, found).await,
    }
}

fn damaged(path: &str, error: impl std::fmt::Display) -> Error {
    Error::BadData { message: format!("file `{path}` cannot be read: {error}") }
}

/// Where the library finds an object.
pub(crate) fn library_path(object: &str) -> Path {
    Path::parse(object).unwrap_or_else(|_| Path::from(object))
}

#[expect(deprecated, reason = "the library's reader over a store; its successor is an example to be copied")]
async fn open_parquet(source: &Source, found: &Found) -> Result<NamedFile> {
    let name = found.file.path.clone();
    let reader = datafusion::parquet::arrow::async_reader::ParquetObjectReader::new(
        source.store.object_store(),
        library_path(&found.object),
    )
    .with_file_size(found.file.size);
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(|e| damaged(&name, e))?;
    let schema = Arc::clone(builder.schema());
    let stream = builder.with_batch_size(BATCH_ROWS).build().map_err(|e| damaged(&name, e))?;
    Ok(NamedFile { schema, batches: stream.map(move |b| b.map_err(|e| damaged(&name, e))).boxed() })
}

async fn open_avro(source: &Source, found: &Found) -> Result<NamedFile> {
    let name = found.file.path.clone();
    if found.file.size > AVRO_BYTES_MAX {
        let what = format!("Avro files of more than {AVRO_BYTES_MAX} bytes (`{name}`)");
        return Err(Error::Unsupported { what });
    }
    let bytes = source.store.read(&found.object, 0..found.file.size).await?;
    let reader = ReaderBuilder::new()
        .with_batch_size(BATCH_ROWS)
        .build(BufReader::new(std::io::Cursor::new(bytes)))
        .map_err(|e| damaged(&name, e))?;
    let schema = reader.schema();
    let batches = futures::stream::iter(reader).map(move |b| b.map_err(|e| damaged(&name, e)));
    Ok(NamedFile { schema, batches: batches.boxed() })
}

/// How the columns of files become those of a table.
#[derive(Debug)]
pub(crate) struct NamedRows {
    table: Arc<Table>,
    /// For each column of the table: read by name, or computed.
    wanted: Vec<Wanted>,
    missing: Missing,
    case_sensitive: bool,
}

/// Where a column's values come from.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// The file's column of this name.
    Name(String),
    /// The same value for all rows.
    Constant(Arc<dyn PhysicalExpr>),
    Default,
}

impl NamedRows {
    pub fn new(table: Arc<Table>, wanted: Vec<Wanted>, missing: Missing, case_sensitive: bool) -> Self {
        Self { table, wanted, missing, case_sensitive }
    }

    /// For each column of the table, its place in a file.
    pub fn places(&self, schema: &Schema) -> Result<Vec<Option<usize>>> {
        let place = |wanted: &Wanted| match wanted {
            Wanted::Name(name) => match self.find(schema, name) {
                None if self.missing == Missing::Error => {
                    let message = format!("file has no column `{name}` (MISSING_FIELD_AS is ERROR)");
                    Err(Error::BadData { message })
                }
                found => Ok(found),
            },
            Wanted::Constant(_) | Wanted::Default => Ok(None),
        };
        self.wanted.iter().map(place).collect()
    }

    fn find(&self, schema: &Schema, name: &str) -> Option<usize> {
        let exact = schema.fields().iter().position(|f| f.name() == name);
        let alike = || schema.fields().iter().position(|f| f.name().eq_ignore_ascii_case(name));
        exact.or_else(|| if self.case_sensitive { None } else { alike() })
    }

    /// Rows of the table from rows of a file.
    pub fn rows(
        &self,
        context: &StatementContext,
        batch: &RecordBatch,
        places: &[Option<usize>],
        first_row: u64,
        defaults: &mut Defaults,
    ) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let mut arrays = Vec::with_capacity(self.table.columns.len());
        for ((column, wanted), place) in self.table.columns.iter().zip(&self.wanted).zip(places) {
            arrays.push(match (wanted, place) {
                (_, Some(place)) => convert_named(context, batch.column(*place), column, first_row)?,
                (Wanted::Constant(expression), None) => {
                    let value = expression.evaluate(batch).and_then(|v| v.into_array(rows));
                    convert_in_zone(context, &value.map_err(crate::plan::explain)?, column, first_row)?
                }
                (Wanted::Name(_) | Wanted::Default, None) => {
                    let values = defaults.values(context, column, rows)?;
                    if !column.nullable && values.null_count() > 0 { type_default(column, rows)? } else { values }
                }
            });
        }
        to_batch(&self.table, arrays, rows)
    }
}

/// What a NOT NULL column without a default has.
fn type_default(column: &Column, rows: usize) -> Result<ArrayRef> {
    use arrow::array::{BooleanArray, Int32Array, StringArray};
    let plain: ArrayRef = match &column.data_type {
        DataType::Boolean => Arc::new(BooleanArray::from(vec![false; rows])),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Arc::new(StringArray::from(vec![""; rows])),
        data_type if data_type.is_numeric() || matches!(data_type, DataType::Date32) => {
            Arc::new(Int32Array::from(vec![0; rows]))
        }
        _ => return Ok(new_null_array(&column.data_type, rows)),
    };
    Ok(cast(&plain, &column.data_type)?)
}

/// Values of a file's column in the type of a table's.
fn convert_named(context: &StatementContext, values: &ArrayRef, column: &Column, first_row: u64) -> Result<ArrayRef> {
    if values.data_type() == &column.data_type {
        return Ok(Arc::clone(values));
    }
    match (Special::of(&column.data_type), values.data_type()) {
        (Some(Special::Variant), _) => variants_of(values, false),
        (Some(_), from) if from.is_string() || matches!(from, DataType::Utf8View) => cast_text(context, values, column),
        (_, DataType::Timestamp(_, Some(_))) => {
            let utc = cast(values, &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))?;
            let instant = cast(&utc, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
            convert_in_zone(context, &instant, column, first_row)
        }
        _ => convert_in_zone(context, values, column, first_row),
    }
}

/// Texts of a type that only an expression can read.
fn cast_text(context: &StatementContext, values: &ArrayRef, column: &Column) -> Result<ArrayRef> {
    let texts = cast(values, &DataType::Utf8View)?;
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("v", DataType::Utf8View, true)]));
    let expression = context.expression_in_zone(&format!("CAST(v AS {})", sql_type(&column.data_type)), &schema)?;
    let batch = RecordBatch::try_new(schema, vec![texts])?;
    let rows = batch.num_rows();
    expression.evaluate(&batch).and_then(|v| v.into_array(rows)).map_err(crate::plan::explain)
}
