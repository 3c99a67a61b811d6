//! The merge: inputs side by side, smallest key first, straight into a writer that cuts segments.
//!
//! Memory is bounded: one batch of each input, one batch of output, and the writer's buffers. Where inputs do not
//! overlap, whole stretches are handed through without being copied row by row. Equal keys keep the order of the
//! inputs, which is the order in which they were written.

use super::{
    CompactionSpec,
    cursor::{Cursor, all_inline, live_rows},
};
use crate::{
    Error, Inline, Result, Storage, TableWriter, Written,
    segment::run::{SORT_OPTIONS, column_indexes},
};
use arrow::{
    compute::interleave_record_batch,
    record_batch::RecordBatch,
    row::{RowConverter, SortField},
};
use basalt_meta::{SegmentView, Table};
use futures::TryStreamExt;
use std::sync::Arc;

const OUTPUT_ROWS: usize = 8192;
/// Stretches at least this long are passed on as slices.
const SLICE_ROWS_MIN: usize = 1024;

pub(crate) async fn merge(storage: Storage, table: Arc<Table>, spec: CompactionSpec) -> Result<Written> {
    let expected: u64 = spec.inputs.iter().map(|view| view.live_rows()).sum();
    let mut inputs = spec.inputs;
    inputs.sort_by_key(|view| view.segment.added_at);
    let writer = TableWriter::new(Arc::clone(storage.parts()), Arc::clone(&table), Inline::Never, spec.level);
    let mut output = Output { writer, partition: spec.partition, pending: Vec::new(), picked: Vec::new() };
    let key_columns = column_indexes(&table, &table.sort_key);
    // Together in one segment, small pieces are sorted by the writer.
    let in_one_segment = all_inline(&inputs) && fills_no_segment(&storage, &inputs, expected);
    if key_columns.is_empty() || in_one_segment {
        for view in &inputs {
            let mut rows = live_rows(&storage, &table, view);
            while let Some(batch) = rows.try_next().await? {
                output.write(batch).await?;
            }
        }
    } else {
        let cursors = open_cursors(&storage, &table, &inputs, key_columns).await?;
        merge_sorted(cursors, &mut output).await?;
    }
    let written = output.writer.finish().await?;
    if written.rows != expected {
        let found = written.rows;
        tracing::error!(table = %table.id, expected, found, "merge did not keep the number of rows");
        written.discard(&storage).await?;
        return Err(Error::RowsLost { expected, found });
    }
    Ok(written)
}

/// Whether rows stay below what a writer puts into one segment.
fn fills_no_segment(storage: &Storage, inputs: &[SegmentView], rows: u64) -> bool {
    let settings = storage.settings();
    let bytes_max = settings.segment_memory_bytes_max.min(settings.write_buffer_bytes / 4);
    let bytes: u64 = inputs.iter().map(|view| view.segment.memory_bytes).sum();
    rows < settings.segment_rows_max as u64 && bytes < bytes_max as u64
}

async fn open_cursors(
    storage: &Storage,
    table: &Arc<Table>,
    inputs: &[SegmentView],
    key_columns: Vec<usize>,
) -> Result<Vec<Cursor>> {
    let field = |&c: &usize| SortField::new_with_options(table.columns[c].data_type.clone(), SORT_OPTIONS);
    let converter = Arc::new(RowConverter::new(key_columns.iter().map(field).collect())?);
    let key_columns: Arc<[usize]> = key_columns.into();
    let mut cursors = Vec::with_capacity(inputs.len());
    for view in inputs {
        let rows = live_rows(storage, table, view);
        cursors.push(Cursor::open(rows, Arc::clone(&converter), Arc::clone(&key_columns)).await?);
    }
    cursors.retain(|cursor| cursor.head().is_some());
    Ok(cursors)
}

async fn merge_sorted(mut cursors: Vec<Cursor>, output: &mut Output) -> Result<()> {
    while let Some((smallest, second)) = two_smallest(&cursors) {
        let room = OUTPUT_ROWS - output.picked.len();
        let limit = second.and_then(|index| cursors[index].head());
        // Of equal keys the earlier input's come first.
        let with_equal = second.is_none_or(|index| smallest < index);
        let rows = cursors[smallest].count_before(limit, with_equal, OUTPUT_ROWS).max(1);
        let (batch, start) = cursors[smallest].position().expect("the smallest input has a next row");
        if rows >= SLICE_ROWS_MIN {
            let slice = batch.slice(start, rows);
            output.flush().await?;
            output.write(slice).await?;
        } else {
            let rows = rows.min(room);
            output.pick(smallest, batch, start..start + rows);
        }
        let rows = if rows >= SLICE_ROWS_MIN { rows } else { rows.min(room) };
        if cursors[smallest].advance(rows) && !cursors[smallest].load().await? {
            // Removing keeps the order of the others, on which equal keys depend.
            cursors.remove(smallest);
            output.flush().await?;
        }
        if output.picked.len() >= OUTPUT_ROWS {
            output.flush().await?;
            tokio::task::yield_now().await;
        }
    }
    output.flush().await
}

/// Inputs with the smallest and the second smallest next key; the earlier input wins a tie.
fn two_smallest(cursors: &[Cursor]) -> Option<(usize, Option<usize>)> {
    let mut smallest: Option<usize> = None;
    let mut second: Option<usize> = None;
    let before = |a: usize, b: Option<usize>| b.is_none_or(|b| cursors[a].head() < cursors[b].head());
    for index in 0..cursors.len() {
        if before(index, smallest) {
            second = smallest;
            smallest = Some(index);
        } else if before(index, second) {
            second = Some(index);
        }
    }
    smallest.map(|smallest| (smallest, second))
}

/// Rows picked from several batches on their way to the writer.
struct Output {
    writer: TableWriter,
    partition: Option<String>,
    /// Batches that `picked` refers to, with the input each came from.
    pending: Vec<(usize, RecordBatch)>,
    picked: Vec<(usize, usize)>,
}

impl Output {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.writer.write(self.partition.as_deref(), batch).await
    }

    fn pick(&mut self, input: usize, batch: &RecordBatch, rows: std::ops::Range<usize>) {
        let same = |(from, pending): &(usize, RecordBatch)| *from == input && is_same(pending, batch);
        let index = self.pending.iter().rposition(same).unwrap_or_else(|| {
            self.pending.push((input, batch.clone()));
            self.pending.len() - 1
        });
        self.picked.extend(rows.map(|row| (index, row)));
    }

    async fn flush(&mut self) -> Result<()> {
        if self.picked.is_empty() {
            return Ok(());
        }
        let batches: Vec<&RecordBatch> = self.pending.iter().map(|(_, batch)| batch).collect();
        let merged = interleave_record_batch(&batches, &self.picked)?;
        self.picked.clear();
        self.pending.clear();
        self.write(merged).await
    }
}

/// Whether two handles are of the very same rows.
fn is_same(a: &RecordBatch, b: &RecordBatch) -> bool {
    a.num_rows() == b.num_rows() && a.columns().iter().zip(b.columns()).all(|(a, b)| Arc::ptr_eq(a, b))
}

#[cfg(test)]
mod tests;
