//! A run: rows of one partition in memory, in the order in which they will be stored.
//!
//! Rows are not moved when they are ordered: the run keeps its batches and a list of positions, and columns are put
//! together piece by piece while they are encoded, so that sorting does not double the memory.

use crate::Result;
use arrow::{
    array::{Array, ArrayRef, DynComparator, make_comparator, new_empty_array},
    compute::{SortOptions, concat, interleave},
    datatypes::SchemaRef,
    record_batch::RecordBatch,
    row::{RowConverter, Rows, SortField},
};
use basalt_meta::{ColumnId, KeyModel, Table};
use std::{cmp::Ordering, collections::HashMap, ops::Range};

/// Ascending, nulls last: the order of every sort key.
pub(crate) const SORT_OPTIONS: SortOptions = SortOptions { descending: false, nulls_first: false };

/// Pieces of fewer rows (on average) are joined before they are encoded.
const PIECE_ROWS_MIN: usize = 1024;

/// Where a row stands: batch, row in the batch.
type Position = (u32, u32);

/// Ordered rows of one partition.
#[derive(Debug)]
pub(crate) struct Run {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// Number of the first row of each batch.
    starts: Vec<usize>,
    rows: usize,
    /// `None`: as they come.
    order: Option<Vec<Position>>,
}

impl Run {
    /// Orders `batches` by the table's sort key, stably. Of rows with equal unique key only the last is kept.
    pub(crate) fn new(table: &Table, schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<Self> {
        let mut starts = Vec::with_capacity(batches.len());
        let mut rows = 0;
        for batch in &batches {
            starts.push(rows);
            rows += batch.num_rows();
        }
        let mut run = Self { schema, batches, starts, rows, order: None };
        if rows > 1 {
            run.arrange(table)?;
        }
        Ok(run)
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Positions of the given rows, if they are not simply as they come.
    pub(crate) fn positions(&self, rows: Range<usize>) -> Option<Vec<(usize, usize)>> {
        let order = self.order.as_ref()?;
        Some(order[rows].iter().map(|&(batch, row)| (batch as usize, row as usize)).collect())
    }

    /// A column of the given rows, in pieces; `positions` as [`Run::positions`] gave them. Rows that stand as they
    /// came are not copied, unless they came in crumbs.
    pub(crate) fn pieces(
        &self,
        column: usize,
        rows: Range<usize>,
        positions: Option<&[(usize, usize)]>,
    ) -> Result<Vec<ArrayRef>> {
        if let Some(positions) = positions {
            let arrays: Vec<&dyn Array> = self.batches.iter().map(|b| b.column(column).as_ref()).collect();
            return Ok(vec![interleave(&arrays, positions)?]);
        }
        let mut pieces = Vec::new();
        let first = self.starts.partition_point(|&start| start <= rows.start).saturating_sub(1);
        for (batch, &start) in self.batches.iter().zip(&self.starts).skip(first) {
            let (from, to) = (rows.start.max(start), rows.end.min(start + batch.num_rows()));
            if from >= rows.end {
                break;
            }
            if from < to {
                pieces.push(batch.column(column).slice(from - start, to - from));
            }
        }
        if rows.len() < pieces.len() * PIECE_ROWS_MIN {
            return Ok(vec![concat(&pieces.iter().map(|a| a.as_ref()).collect::<Vec<_>>())?]);
        }
        Ok(pieces)
    }

    /// A column of the given rows.
    fn column(&self, column: usize, rows: Range<usize>, positions: Option<&[(usize, usize)]>) -> Result<ArrayRef> {
        let pieces = self.pieces(column, rows, positions)?;
        match &pieces[..] {
            [] => Ok(new_empty_array(self.schema.field(column).data_type())),
            [one] => Ok(one.clone()),
            many => Ok(concat(&many.iter().map(|a| a.as_ref()).collect::<Vec<_>>())?),
        }
    }

    /// A column of `count` rows spread evenly over the run.
    pub(crate) fn sample(&self, column: usize, count: usize) -> Result<ArrayRef> {
        let count = count.min(self.rows);
        let positions: Vec<(usize, usize)> = (0..count).map(|i| self.position(i * self.rows / count)).collect();
        self.column(column, 0..count, Some(&positions))
    }

    fn position(&self, row: usize) -> (usize, usize) {
        if let Some(order) = &self.order {
            return (order[row].0 as usize, order[row].1 as usize);
        }
        let batch = self.starts.partition_point(|&start| start <= row) - 1;
        (batch, row - self.starts[batch])
    }

    /// All rows as one batch.
    pub(crate) fn batch(&self) -> Result<RecordBatch> {
        if let (None, [one]) = (&self.order, &self.batches[..]) {
            return Ok(one.clone().with_schema(self.schema.clone())?);
        }
        let positions = self.positions(0..self.rows);
        let column = |c| self.column(c, 0..self.rows, positions.as_deref());
        let columns = (0..self.schema.fields().len()).map(column).collect::<Result<Vec<_>>>()?;
        let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(self.rows));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }

    fn arrange(&mut self, table: &Table) -> Result<()> {
        let sort_key = column_indexes(table, &table.sort_key);
        let unique_key = match &table.key_model {
            KeyModel::Unique { key } => Some(column_indexes(table, key)),
            KeyModel::Duplicate => None,
        };
        let found = if sort_key.is_empty() { Found::Sorted } else { self.check_order(&sort_key)? };
        let unique_is_sort = unique_key.as_ref().is_some_and(|key| same_columns(key, &sort_key));
        if found == Found::Distinct && (unique_is_sort || unique_key.is_none()) {
            return Ok(());
        }
        let mut order = None;
        if found == Found::Unsorted || unique_is_sort {
            let keys = self.keys(&sort_key)?;
            let mut sorted = sorted_rows(&keys, self.key_shape(&sort_key));
            if unique_is_sort {
                keep_last_of_equal(&mut sorted, &keys);
            }
            order = Some(sorted);
        }
        if let (Some(key), false) = (&unique_key, unique_is_sort) {
            let keys = self.keys(key)?;
            if let Some(last) = last_rows(&keys) {
                let mut kept = order.unwrap_or_else(|| (0..self.rows as u32).collect());
                kept.retain(|row| last[*row as usize]);
                order = Some(kept);
            }
        }
        if let Some(order) = order {
            self.rows = order.len();
            let positions = self.all_positions();
            self.order = Some(order.into_iter().map(|row| positions[row as usize]).collect());
        }
        Ok(())
    }

    /// A key's first byte says whether the value is null, and of strings whether it is empty.
    fn key_shape(&self, columns: &[usize]) -> KeyShape {
        let is_fixed = |&c: &usize| self.schema.field(c).data_type().is_primitive();
        let first_has_nulls = self.batches.iter().any(|b| b.column(columns[0]).null_count() > 0);
        KeyShape {
            first_byte_is_constant: is_fixed(&columns[0]) && !first_has_nulls,
            equally_long: columns.iter().all(is_fixed),
        }
    }

    fn all_positions(&self) -> Vec<Position> {
        let of_batch = |(index, batch): (usize, &RecordBatch)| {
            (0..batch.num_rows() as u32).map(move |row| (index as u32, row)).collect::<Vec<_>>()
        };
        self.batches.iter().enumerate().flat_map(of_batch).collect()
    }

    /// Compares each row with the next one.
    fn check_order(&self, columns: &[usize]) -> Result<Found> {
        let mut found = Found::Distinct;
        let mut previous: Option<&RecordBatch> = None;
        for batch in self.batches.iter().filter(|b| b.num_rows() > 0) {
            if let Some(previous) = previous {
                let across = comparators(previous, batch, columns)?;
                found = found.and(compare(&across, previous.num_rows() - 1, 0));
            }
            let within = comparators(batch, batch, columns)?;
            for row in 1..batch.num_rows() {
                found = found.and(compare(&within, row - 1, row));
                if found == Found::Unsorted {
                    return Ok(found);
                }
            }
            previous = Some(batch);
        }
        Ok(found)
    }

    /// Keys of all rows in a form that compares bytewise.
    fn keys(&self, columns: &[usize]) -> Result<Rows> {
        let field = |&c: &usize| SortField::new_with_options(self.schema.field(c).data_type().clone(), SORT_OPTIONS);
        let converter = RowConverter::new(columns.iter().map(field).collect())?;
        let mut keys = converter.empty_rows(self.rows, self.rows * 16);
        for batch in &self.batches {
            let arrays: Vec<ArrayRef> = columns.iter().map(|&c| batch.column(c).clone()).collect();
            converter.append(&mut keys, &arrays)?;
        }
        Ok(keys)
    }
}

/// How rows turned out to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Unsorted,
    Sorted,
    /// Sorted, and no two neighbours equal.
    Distinct,
}

impl Found {
    fn and(self, next: Ordering) -> Self {
        match (self, next) {
            (Self::Unsorted, _) | (_, Ordering::Greater) => Self::Unsorted,
            (Self::Sorted, _) | (_, Ordering::Equal) => Self::Sorted,
            (Self::Distinct, Ordering::Less) => Self::Distinct,
        }
    }
}

fn comparators(left: &RecordBatch, right: &RecordBatch, columns: &[usize]) -> Result<Vec<DynComparator>> {
    let one = |&c: &usize| make_comparator(left.column(c), right.column(c), SORT_OPTIONS);
    Ok(columns.iter().map(one).collect::<Result<_, _>>()?)
}

fn compare(comparators: &[DynComparator], left: usize, right: usize) -> Ordering {
    comparators.iter().map(|c| c(left, right)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

/// What is known of keys in their bytewise form.
#[derive(Debug, Clone, Copy)]
struct KeyShape {
    first_byte_is_constant: bool,
    equally_long: bool,
}

/// Row numbers in the order of their keys; equal keys keep their order.
///
/// Comparisons are decided by a head of the key that lies in the entry itself: all of them when keys are short and
/// equally long, else most.
fn sorted_rows(keys: &Rows, shape: KeyShape) -> Vec<u32> {
    let skip = usize::from(shape.first_byte_is_constant);
    let rows = 0..keys.num_rows() as u32;
    let length = keys.row_len(0) - skip;
    if shape.equally_long && length <= size_of::<u64>() {
        let mut entries: Vec<(u64, u32)> = rows.map(|row| (u64::from_be_bytes(head(keys, row, skip)), row)).collect();
        entries.sort_unstable();
        return entries.into_iter().map(|(_, row)| row).collect();
    }
    if shape.equally_long && length <= size_of::<u128>() {
        let mut entries: Vec<(u128, u32)> = rows.map(|row| (u128::from_be_bytes(head(keys, row, skip)), row)).collect();
        entries.sort_unstable();
        return entries.into_iter().map(|(_, row)| row).collect();
    }
    let mut entries: Vec<(u64, u32)> = rows.map(|row| (u64::from_be_bytes(head(keys, row, skip)), row)).collect();
    entries.sort_unstable_by(|&(a_head, a), &(b_head, b)| {
        let by_key = || keys.row(a as usize).cmp(&keys.row(b as usize));
        a_head.cmp(&b_head).then_with(by_key).then(a.cmp(&b))
    });
    entries.into_iter().map(|(_, row)| row).collect()
}

/// The first bytes of a key, filled up with zeros.
fn head<const N: usize>(keys: &Rows, row: u32, skip: usize) -> [u8; N] {
    let key = keys.row(row as usize);
    let bytes = &key.data()[skip..];
    let mut head = [0; N];
    let length = bytes.len().min(N);
    head[..length].copy_from_slice(&bytes[..length]);
    head
}

/// Of neighbours with equal keys only the last one stays.
fn keep_last_of_equal(sorted: &mut Vec<u32>, keys: &Rows) {
    let mut kept = 0;
    for index in 0..sorted.len() {
        let is_last =
            sorted.get(index + 1).is_none_or(|&next| keys.row(sorted[index] as usize) != keys.row(next as usize));
        if is_last {
            sorted[kept] = sorted[index];
            kept += 1;
        }
    }
    sorted.truncate(kept);
}

/// For each row whether it is the last of its key; `None` when all keys differ.
fn last_rows(keys: &Rows) -> Option<Vec<bool>> {
    let mut last: HashMap<&[u8], usize> = HashMap::with_capacity(keys.num_rows());
    let mut is_last = vec![true; keys.num_rows()];
    let mut all_differ = true;
    for (row, key) in keys.iter().enumerate() {
        if let Some(earlier) = last.insert(key.data(), row) {
            is_last[earlier] = false;
            all_differ = false;
        }
    }
    (!all_differ).then_some(is_last)
}

fn same_columns(a: &[usize], b: &[usize]) -> bool {
    a.len() == b.len() && a.iter().all(|column| b.contains(column))
}

/// Indexes of columns in the table's schema. Ids that are no columns any more are left out.
pub(crate) fn column_indexes(table: &Table, ids: &[ColumnId]) -> Vec<usize> {
    ids.iter().filter_map(|id| table.columns.iter().position(|c| c.id == *id)).collect()
}
