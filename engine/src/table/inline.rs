//! Inline segments as batches: from `storage`'s cache, in the table's present schema, without deleted rows.

use arrow::{
    array::{Array, ArrayRef, BooleanArray, new_null_array},
    buffer::BooleanBuffer,
    compute::{cast, filter_record_batch},
    datatypes::SchemaRef,
    record_batch::{RecordBatch, RecordBatchOptions},
};
use basalt_meta::{SegmentView, Table};
use basalt_storage::Storage;
use datafusion::common::{DataFusionError, Result};

/// The live rows of an inline segment: columns of `table` under the names of `schema`.
pub(super) fn live_rows(
    storage: &Storage,
    table: &Table,
    schema: &SchemaRef,
    view: &SegmentView,
) -> Result<RecordBatch> {
    let stored =
        storage.inline_rows(table.id, &view.segment).map_err(|error| DataFusionError::External(Box::new(error)))?;
    let columns = table
        .columns
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| match stored.column_by_name(&column.physical_name) {
            Some(array) if array.data_type() == field.data_type() => Ok(array.clone()),
            Some(array) => Ok(cast(array, field.data_type())?),
            None => Ok(new_null_array(field.data_type(), stored.num_rows())),
        })
        .collect::<Result<Vec<ArrayRef>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(stored.num_rows()));
    let batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
    let Some(deleted) = view.deleted.as_ref().filter(|d| !d.is_empty()) else {
        return Ok(batch);
    };
    let live = BooleanBuffer::collect_bool(batch.num_rows(), |row| !deleted.contains(row as u32));
    Ok(filter_record_batch(&batch, &BooleanArray::new(live, None))?)
}
