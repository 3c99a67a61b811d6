//! Rows of a segment as the table has them now: for merging, and for whoever needs row positions.

use crate::{
    Error, Result, Storage,
    segment::interval::{file_type, from_file, is_changed_in_files},
};
use arrow::{
    array::{ArrayRef, new_null_array},
    compute::{CastOptions, cast_with_options},
    datatypes::{Field, Schema, SchemaRef},
    record_batch::{RecordBatch, RecordBatchOptions},
};
use basalt_meta::{Location, Segment, Table};
use futures::{StreamExt, TryStreamExt, future, stream, stream::BoxStream};
use parquet::{
    arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask},
    errors::ParquetError,
};
use std::sync::Arc;

const BATCH_ROWS: usize = 8192;

pub(crate) fn scan_rows(
    storage: Storage,
    table: Arc<Table>,
    segment: Arc<Segment>,
    projection: Vec<usize>,
) -> BoxStream<'static, Result<(u64, RecordBatch)>> {
    let opening = async move {
        let rows = match &segment.location {
            Location::Inline => inline_batches(&storage, &table, &segment, &projection)?,
            Location::Object(_) => parquet_batches(storage, &table, segment, &projection).await?,
        };
        Ok::<_, Error>(rows)
    };
    let mut next_row = 0;
    let positioned = move |batch: RecordBatch| {
        let first = next_row;
        next_row += batch.num_rows() as u64;
        (first, batch)
    };
    stream::once(opening).try_flatten().map_ok(positioned).boxed()
}

fn inline_batches(
    storage: &Storage,
    table: &Table,
    segment: &Segment,
    projection: &[usize],
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let rows = storage.inline_rows(table.id, segment)?;
    let target = Target::new(table, projection, rows.schema_ref());
    let rows = target.adapt(&rows)?;
    let slice = move |start| rows.slice(start, BATCH_ROWS.min(rows.num_rows() - start));
    let starts = (0..segment.rows as usize).step_by(BATCH_ROWS);
    Ok(stream::iter(starts.map(slice).map(Ok)).boxed())
}

async fn parquet_batches(
    storage: Storage,
    table: &Table,
    segment: Arc<Segment>,
    projection: &[usize],
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let reader = storage.reader(table.id, Arc::clone(&segment));
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(inner_error)?;
    let found = builder.metadata().file_metadata().num_rows();
    if u64::try_from(found) != Ok(segment.rows) {
        let reason = format!("{found} rows instead of {}", segment.rows);
        return Err(Error::Damaged { path: crate::paths::display(&segment), reason });
    }
    let file_schema = Arc::clone(builder.schema());
    let target = Target::new(table, projection, &file_schema);
    let roots: Vec<usize> = target.names.iter().filter_map(|name| file_schema.index_of(name).ok()).collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let batches = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(inner_error)?;
    Ok(batches.map_err(inner_error).and_then(move |batch| future::ready(target.adapt(&batch))).boxed())
}

/// Finds our own error again behind the library's.
pub(crate) fn inner_error(error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => Error::Parquet(ParquetError::External(other)),
        },
        other => Error::Parquet(other),
    }
}

/// Columns as the table has them now, and how to get there from what a segment has.
struct Target {
    schema: SchemaRef,
    names: Vec<String>,
}

impl Target {
    /// A column that `source` lacks may be null, whatever the table says of it.
    fn new(table: &Table, projection: &[usize], source: &Schema) -> Self {
        let columns = projection.iter().map(|&index| &table.columns[index]);
        let field = |column: &basalt_meta::Column| {
            let nullable = column.nullable || source.index_of(&column.physical_name).is_err();
            Field::new(&column.physical_name, column.data_type.clone(), nullable)
        };
        let schema = Arc::new(Schema::new(columns.clone().map(field).collect::<Vec<_>>()));
        Self { schema, names: columns.map(|c| c.physical_name.clone()).collect() }
    }

    fn adapt(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let column = |(name, field): (&String, &Arc<Field>)| -> Result<ArrayRef> {
            let Some(array) = batch.column_by_name(name) else {
                return Ok(new_null_array(field.data_type(), batch.num_rows()));
            };
            if array.data_type() == field.data_type() {
                return Ok(array.clone());
            }
            if is_changed_in_files(field.data_type()) && *array.data_type() == file_type(field.data_type()) {
                return from_file(array, field.data_type());
            }
            let options = CastOptions { safe: false, ..CastOptions::default() };
            Ok(cast_with_options(array, field.data_type(), &options)?)
        };
        let columns = self.names.iter().zip(self.schema.fields()).map(column).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}
