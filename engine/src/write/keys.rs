//! Keys of unique-key tables as comparable bytes, and the removal of older rows of equal key within rows that are
//! still in memory.

use crate::{Error, Result};
use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch},
    compute::filter_record_batch,
    row::{RowConverter, Rows, SortField},
};
use basalt_meta::{KeyModel, Table};
use std::collections::HashSet;

/// Turns the key columns of rows into bytes that are equal when the keys are.
#[derive(Debug)]
pub(super) struct KeyEncoder {
    /// Positions of the key columns in the table.
    pub columns: Vec<usize>,
    converter: RowConverter,
}

impl KeyEncoder {
    /// `None` for tables that keep every row.
    pub fn new(table: &Table) -> Result<Option<Self>> {
        let KeyModel::Unique { key } = &table.key_model else { return Ok(None) };
        let position = |id| table.columns.iter().position(|c| c.id == id);
        let columns: Option<Vec<usize>> = key.iter().map(|id| position(*id)).collect();
        let columns = columns.ok_or_else(|| Error::Internal {
            message: format!("key column of table {} does not exist", table.id),
            source: None,
        })?;
        let fields = columns.iter().map(|c| SortField::new(table.columns[*c].data_type.clone()));
        let converter = RowConverter::new(fields.collect())?;
        Ok(Some(Self { columns, converter }))
    }

    /// Keys of rows that have all columns of the table.
    pub fn of_table_rows(&self, batch: &RecordBatch) -> Result<Rows> {
        let columns: Vec<ArrayRef> = self.columns.iter().map(|c| batch.column(*c).clone()).collect();
        Ok(self.converter.convert_columns(&columns)?)
    }

    /// Keys of rows that have the key columns only, in key order.
    pub fn of_key_rows(&self, batch: &RecordBatch) -> Result<Rows> {
        Ok(self.converter.convert_columns(batch.columns())?)
    }
}

/// Keeps the last row of each key; `batches` are in the order the rows came.
pub(super) fn keep_last(encoder: &KeyEncoder, batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
    if let [batch] = batches.as_slice()
        && batch.num_rows() == 1
    {
        return Ok(batches);
    }
    let keys: Vec<Rows> = batches.iter().map(|b| encoder.of_table_rows(b)).collect::<Result<_>>()?;
    let total = keys.iter().map(Rows::num_rows).sum();
    let mut seen: HashSet<&[u8]> = HashSet::with_capacity(total);
    let mut kept = Vec::with_capacity(batches.len());
    for (batch, keys) in batches.iter().zip(&keys).rev() {
        let mut mask = vec![false; keys.num_rows()];
        for row in (0..keys.num_rows()).rev() {
            mask[row] = seen.insert(keys.row(row).data());
        }
        if mask.iter().all(|keep| *keep) {
            kept.push(batch.clone());
        } else {
            kept.push(filter_record_batch(batch, &BooleanArray::from(mask))?);
        }
    }
    kept.reverse();
    kept.retain(|b| b.num_rows() > 0);
    Ok(kept)
}
