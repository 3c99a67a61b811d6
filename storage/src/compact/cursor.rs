//! One input of a merge: its rows in order, deleted ones left out, one batch at a time with its keys.

use crate::{Result, Storage, segment::run::Run};
use arrow::{
    array::{ArrayRef, BooleanArray},
    compute::filter_record_batch,
    record_batch::RecordBatch,
    row::{Row, RowConverter, Rows},
};
use basalt_meta::{Location, SegmentView, Table};
use futures::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use roaring::RoaringBitmap;
use std::sync::Arc;

/// Live rows of one segment, in the table's sort order, with the table's present columns.
pub(crate) fn live_rows(
    storage: &Storage,
    table: &Arc<Table>,
    view: &SegmentView,
) -> BoxStream<'static, Result<RecordBatch>> {
    let all_columns = (0..table.columns.len()).collect();
    let deleted = view.deleted.clone();
    let rows = storage.scan_rows(Arc::clone(table), view.clone(), all_columns);
    let live = rows.map(move |item| {
        let (first, batch) = item?;
        without_deleted(first, batch, deleted.as_deref())
    });
    if table.sort_key.is_empty() || is_sorted(table, view) {
        return live.try_filter(|batch| futures::future::ready(batch.num_rows() > 0)).boxed();
    }
    sorted_in_memory(Arc::clone(table), live.boxed())
}

/// Whether the segment's rows stand in the order the table has now.
fn is_sorted(table: &Table, view: &SegmentView) -> bool {
    view.segment.sorted_by.starts_with(&table.sort_key)
}

/// A segment written under another sort key: it is small enough to be sorted whole.
fn sorted_in_memory(
    table: Arc<Table>,
    live: BoxStream<'static, Result<RecordBatch>>,
) -> BoxStream<'static, Result<RecordBatch>> {
    let sorting = async move {
        let batches: Vec<RecordBatch> = live.try_collect().await?;
        let schema = crate::table_schema(&table);
        let same_schema = |batch: RecordBatch| Ok(RecordBatch::try_new(schema.clone(), batch.columns().to_vec())?);
        let batches = batches.into_iter().map(same_schema).collect::<Result<Vec<_>>>()?;
        Run::new(&table, schema.clone(), batches)?.batch()
    };
    stream::once(sorting).boxed()
}

fn without_deleted(first: u64, batch: RecordBatch, deleted: Option<&RoaringBitmap>) -> Result<RecordBatch> {
    let Some(deleted) = deleted else { return Ok(batch) };
    let rows = u64::from(u32::MAX).min(first)..(first + batch.num_rows() as u64);
    let (start, end) = (rows.start as u32, u32::try_from(rows.end).unwrap_or(u32::MAX));
    if deleted.range_cardinality(start..end) == 0 {
        return Ok(batch);
    }
    let live: BooleanArray = (start..end).map(|row| Some(!deleted.contains(row))).collect();
    Ok(filter_record_batch(&batch, &live)?)
}

/// Where a merge stands in one input.
pub(crate) struct Cursor {
    rows: BoxStream<'static, Result<RecordBatch>>,
    converter: Arc<RowConverter>,
    key_columns: Arc<[usize]>,
    current: Option<Current>,
}

struct Current {
    batch: RecordBatch,
    keys: Rows,
    next: usize,
}

impl Cursor {
    pub(crate) async fn open(
        rows: BoxStream<'static, Result<RecordBatch>>,
        converter: Arc<RowConverter>,
        key_columns: Arc<[usize]>,
    ) -> Result<Self> {
        let mut cursor = Self { rows, converter, key_columns, current: None };
        cursor.load().await?;
        Ok(cursor)
    }

    /// Replaces a used-up batch by the next one. `false` at the end.
    pub(crate) async fn load(&mut self) -> Result<bool> {
        self.current = None;
        while let Some(batch) = self.rows.try_next().await? {
            if batch.num_rows() == 0 {
                continue;
            }
            let columns: Vec<ArrayRef> = self.key_columns.iter().map(|&c| batch.column(c).clone()).collect();
            let keys = self.converter.convert_columns(&columns)?;
            self.current = Some(Current { batch, keys, next: 0 });
            return Ok(true);
        }
        Ok(false)
    }

    /// The key of the next row; `None` at the end.
    pub(crate) fn head(&self) -> Option<Row<'_>> {
        self.current.as_ref().map(|c| c.keys.row(c.next))
    }

    /// Batch and number of the next row.
    pub(crate) fn position(&self) -> Option<(&RecordBatch, usize)> {
        self.current.as_ref().map(|c| (&c.batch, c.next))
    }

    /// How many of the next rows (at most `limit`) stand before `other`; equal ones too if `with_equal`.
    pub(crate) fn count_before(&self, other: Option<Row<'_>>, with_equal: bool, limit: usize) -> usize {
        let Some(current) = &self.current else { return 0 };
        let limit = limit.min(current.batch.num_rows() - current.next);
        let Some(other) = other else { return limit };
        let before = |row: usize| {
            let order = current.keys.row(current.next + row).cmp(&other);
            order.is_lt() || (with_equal && order.is_eq())
        };
        if limit > 0 && before(limit - 1) {
            return limit;
        }
        // Runs are short when inputs interleave: grow the step instead of halving the whole.
        let mut known = 0;
        let mut step = 1;
        while known + step < limit && before(known + step - 1) {
            known += step;
            step *= 2;
        }
        let upper = (known + step).min(limit);
        known + partition_point(upper - known, |i| before(known + i))
    }

    /// Moves on by `rows`. `true` when the batch is used up.
    pub(crate) fn advance(&mut self, rows: usize) -> bool {
        let Some(current) = &mut self.current else { return true };
        current.next += rows;
        current.next >= current.batch.num_rows()
    }
}

fn partition_point(length: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, length);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// Whether all inputs are inline: their rows fit into a writer's buffers and are sorted there.
pub(crate) fn all_inline(inputs: &[SegmentView]) -> bool {
    inputs.iter().all(|view| view.segment.location == Location::Inline)
}
