//! New arrays out of the items of old ones: which item of which column comes next, and where a row ends.

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, ListArray, MapArray, StructArray, new_empty_array},
        buffer::{NullBuffer, OffsetBuffer},
        compute::interleave,
        datatypes::DataType,
        row::{OwnedRow, Row, RowConverter, Rows, SortField},
    },
    common::{Result, internal_err},
};
use std::sync::Arc;

/// The rows of a new array column.
#[derive(Default)]
pub(super) struct Picks {
    items: Vec<(usize, usize)>,
    lengths: Vec<usize>,
    valid: Vec<bool>,
    begun: usize,
}

impl Picks {
    /// Takes item `at` of source `source` as the next item of the row.
    pub fn take(&mut self, source: usize, at: usize) {
        self.items.push((source, at));
    }

    pub fn take_all(&mut self, source: usize, range: std::ops::Range<usize>) {
        self.items.extend(range.map(|at| (source, at)));
    }

    pub fn end_row(&mut self) {
        self.lengths.push(self.items.len() - self.begun);
        self.valid.push(true);
        self.begun = self.items.len();
    }

    /// A NULL instead of an array.
    pub fn null_row(&mut self) {
        self.items.truncate(self.begun);
        self.lengths.push(0);
        self.valid.push(false);
    }

    /// The items taken so far in this row.
    pub fn row(&self) -> &[(usize, usize)] {
        &self.items[self.begun..]
    }

    pub fn row_mut(&mut self) -> &mut [(usize, usize)] {
        &mut self.items[self.begun..]
    }

    fn gathered(&self, sources: &[&dyn Array]) -> Result<ArrayRef> {
        if self.items.is_empty() {
            return Ok(new_empty_array(sources[0].data_type()));
        }
        Ok(interleave(sources, &self.items)?)
    }

    fn nulls(&self) -> Option<NullBuffer> {
        self.valid.contains(&false).then(|| NullBuffer::from(self.valid.clone()))
    }

    /// The array column; `sources` are what `take` counted, all of the items' type.
    pub fn into_list(self, sources: &[&dyn Array], answer: &DataType) -> Result<ArrayRef> {
        let DataType::List(item) = answer else {
            return internal_err!("an array was to be made, not {answer}");
        };
        let values = self.gathered(sources)?;
        let nulls = self.nulls();
        Ok(Arc::new(ListArray::try_new(item.clone(), OffsetBuffer::from_lengths(self.lengths), values, nulls)?))
    }

    /// The map column out of keys and values, both picked alike.
    pub fn into_map(self, keys: &[&dyn Array], values: &[&dyn Array], answer: &DataType) -> Result<ArrayRef> {
        let values = self.gathered(values)?;
        self.into_map_with(keys, values, answer)
    }

    /// The map column out of picked keys and values that are already in order.
    pub fn into_map_with(self, keys: &[&dyn Array], values: ArrayRef, answer: &DataType) -> Result<ArrayRef> {
        let DataType::Map(entries, sorted) = answer else {
            return internal_err!("a map was to be made, not {answer}");
        };
        let DataType::Struct(fields) = entries.data_type() else {
            return internal_err!("a map has no entries: {answer}");
        };
        let keys = self.gathered(keys)?;
        let nulls = self.nulls();
        let pairs = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
        let offsets = OffsetBuffer::from_lengths(self.lengths);
        Ok(Arc::new(MapArray::try_new(entries.clone(), offsets, pairs, nulls, *sorted)?))
    }
}

/// Items as bytes that compare and hash as SQL values do; NULLs are equal to each other and less than the rest.
pub(super) struct Keys {
    rows: Vec<Rows>,
}

impl Keys {
    /// The keys of several columns of one type.
    pub fn new(columns: &[&ArrayRef]) -> Result<Self> {
        let Some(first) = columns.first() else {
            return internal_err!("no columns to compare");
        };
        let converter = RowConverter::new(vec![SortField::new(first.data_type().clone())])?;
        let rows = columns.iter().map(|c| Ok(converter.convert_columns(&[Arc::clone(c)])?));
        Ok(Self { rows: rows.collect::<Result<Vec<_>>>()? })
    }

    pub fn get(&self, column: usize, at: usize) -> Row<'_> {
        self.rows[column].row(at)
    }

    pub fn owned(&self, column: usize, at: usize) -> OwnedRow {
        self.get(column, at).owned()
    }
}
