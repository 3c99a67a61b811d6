//! Rows in, durable segments out: buffered per partition, sorted, encoded in parallel, within a memory bound.
//!
//! A small load never leaves the caller's thread: its rows become an inline segment. Everything larger is cut into
//! runs, each of which one [`EncodeJob`] turns into a segment in the background; an error there comes back with the
//! next call.

use crate::{
    Error, Inline, Result, Storage, is_storable,
    metrics::WRITTEN_ROWS,
    paths::fresh_segment_id,
    segment::{
        budget::{Reservation, WriterShare},
        checksum::checksum,
        encode::{EncodeJob, EncodedSegment, batch_stats, sorted_by},
        inline::encode_inline,
        run::Run,
        size::{batch_bytes, without_unused_buffers},
    },
    storage::Parts,
};
use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use basalt_meta::{Edit, InlineRows, Location, Operation, Segment, SegmentDetail, Table, TableId, Version};
use std::{collections::BTreeMap, sync::Arc};
use tokio::task::JoinSet;

/// Rows of an inline segment up to this size are sorted and encoded on the caller's thread.
const ON_CALLER_BYTES_MAX: usize = 64 << 10;

/// Takes rows of one table and writes them as segments. Dropping it without [`TableWriter::finish`] removes what was
/// written. Memory is bounded by `StorageSettings::write_buffer_bytes`, shared with all other writers: `write` waits.
#[derive(Debug)]
pub struct TableWriter {
    parts: Arc<Parts>,
    table: Arc<Table>,
    schema: SchemaRef,
    inline: Inline,
    level: u32,
    /// First byte of all ids, so that all objects lie in one directory.
    directory: u8,
    share: WriterShare,
    buffers: BTreeMap<Option<String>, Buffer>,
    buffered_bytes: usize,
    runs: usize,
    jobs: JoinSet<Result<(usize, EncodedSegment)>>,
    done: Vec<(usize, EncodedSegment)>,
}

/// Rows of one partition that wait to become a run.
#[derive(Debug, Default)]
struct Buffer {
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
    reservations: Vec<Reservation>,
}

impl TableWriter {
    pub(crate) fn new(parts: Arc<Parts>, table: Arc<Table>, inline: Inline, level: u32) -> Self {
        Self {
            schema: crate::table_schema(&table),
            share: parts.budget.join(),
            directory: rand::random(),
            parts,
            table,
            inline,
            level,
            buffers: BTreeMap::new(),
            buffered_bytes: 0,
            runs: 0,
            jobs: JoinSet::new(),
            done: Vec::new(),
        }
    }

    /// Adds rows of one partition (`None` where the table has none). `batch` has the schema of
    /// [`crate::table_schema`]. Rows keep their order within equal sort keys.
    pub async fn write(&mut self, partition: Option<&str>, batch: RecordBatch) -> Result<()> {
        self.check_schema(&batch)?;
        self.collect_finished()?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = without_unused_buffers(batch);
        let bytes = batch_bytes(&batch);
        let rows_per_piece = self.rows_per_piece(&batch, bytes);
        if batch.num_rows() <= rows_per_piece {
            return self.add(partition, batch, bytes).await;
        }
        for start in (0..batch.num_rows()).step_by(rows_per_piece) {
            let piece = batch.slice(start, rows_per_piece.min(batch.num_rows() - start));
            let bytes = batch_bytes(&piece);
            self.add(partition, piece, bytes).await?;
        }
        Ok(())
    }

    /// Sorts and encodes the rest, makes everything durable (files and directories synced, or the store's PUT done).
    ///
    /// Segments come in the order in which their rows were written. In a unique-key table no two rows of one segment
    /// have the same key, but rows of two segments may: the later segment's row is the one that counts.
    pub async fn finish(mut self) -> Result<Written> {
        let nothing_sealed = self.runs == 0;
        let small = self.buffered_bytes <= self.parts.settings.inline_bytes_max;
        if nothing_sealed
            && small
            && self.inline == Inline::Allowed
            && let Some(written) = self.finish_inline().await?
        {
            return Ok(written);
        }
        while let Some(partition) = self.largest_buffer() {
            self.seal(&partition);
        }
        while let Some(outcome) = self.jobs.join_next().await {
            self.take_outcome(outcome)?;
        }
        self.publishable().await
    }

    fn check_schema(&self, batch: &RecordBatch) -> Result<()> {
        let given = batch.schema_ref();
        if Arc::ptr_eq(given, &self.schema) {
            return Ok(());
        }
        if given.fields().len() != self.schema.fields().len() {
            let reason = format!("{} columns instead of {}", given.fields().len(), self.schema.fields().len());
            return Err(Error::Schema { reason });
        }
        for ((given, wanted), array) in given.fields().iter().zip(self.schema.fields()).zip(batch.columns()) {
            if !given.data_type().equals_datatype(wanted.data_type()) {
                let (name, given, wanted) = (wanted.name(), given.data_type(), wanted.data_type());
                return Err(Error::Schema { reason: format!("column=`{name}` has type {given} instead of {wanted}") });
            }
            if !wanted.is_nullable() && array.null_count() > 0 {
                return Err(Error::Schema { reason: format!("column=`{}` has nulls", wanted.name()) });
            }
            if !is_storable(wanted.data_type()) {
                let (column, data_type) = (wanted.name().clone(), wanted.data_type().to_string());
                return Err(Error::UnsupportedType { column, data_type });
            }
        }
        Ok(())
    }

    /// How many rows of a batch may go into one buffer at once.
    fn rows_per_piece(&self, batch: &RecordBatch, bytes: usize) -> usize {
        let settings = &self.parts.settings;
        let bytes_max = settings.segment_memory_bytes_max.min(settings.write_buffer_bytes / 4).max(1);
        let by_bytes = if bytes > bytes_max { batch.num_rows() / bytes.div_ceil(bytes_max) } else { batch.num_rows() };
        by_bytes.clamp(1, settings.segment_rows_max.max(1))
    }

    async fn add(&mut self, partition: Option<&str>, batch: RecordBatch, bytes: usize) -> Result<()> {
        let reservation = self.reserve(bytes).await?;
        // Buffers share the table's schema from here on, whatever metadata the caller's has.
        let batch = RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec())?;
        let key = partition.map(str::to_string);
        let buffer = self.buffers.entry(key.clone()).or_default();
        buffer.rows += batch.num_rows();
        buffer.bytes += bytes;
        buffer.batches.push(batch);
        buffer.reservations.push(reservation);
        self.buffered_bytes += bytes;
        let settings = &self.parts.settings;
        if buffer.rows >= settings.segment_rows_max || buffer.bytes >= settings.segment_memory_bytes_max {
            self.seal(&key);
        }
        Ok(())
    }

    /// Room for more rows. Seals the largest buffers while this writer has more than its share, and everything
    /// before it waits: who waits holds nothing that is not about to be released.
    async fn reserve(&mut self, bytes: usize) -> Result<Reservation> {
        while self.buffered_bytes > 0 && self.buffered_bytes + bytes > self.share.bytes(self.buffered_bytes) {
            let largest = self.largest_buffer().expect("buffered bytes are in a buffer");
            self.seal(&largest);
        }
        if let Some(reservation) = self.share.try_reserve(bytes) {
            return Ok(reservation);
        }
        while let Some(partition) = self.largest_buffer() {
            self.seal(&partition);
            if let Some(reservation) = self.share.try_reserve(bytes) {
                return Ok(reservation);
            }
        }
        let reservation = self.share.reserve(bytes).await;
        self.collect_finished()?;
        Ok(reservation)
    }

    fn largest_buffer(&self) -> Option<Option<String>> {
        self.buffers.iter().max_by_key(|(_, buffer)| buffer.bytes).map(|(partition, _)| partition.clone())
    }

    /// Hands the rows of a partition to a background task, which releases their reservation.
    fn seal(&mut self, partition: &Option<String>) {
        let Some(buffer) = self.buffers.remove(partition) else { return };
        self.buffered_bytes -= buffer.bytes;
        let number = self.runs;
        self.runs += 1;
        let job = EncodeJob {
            parts: Arc::clone(&self.parts),
            table: Arc::clone(&self.table),
            partition: partition.clone(),
            level: self.level,
            id: fresh_segment_id(self.directory),
            batches: buffer.batches,
        };
        let reservations = buffer.reservations;
        let task = async move {
            let encoded = job.run().await;
            drop(reservations);
            Ok((number, encoded?))
        };
        self.jobs.spawn_on(task, &self.parts.cpu);
    }

    fn collect_finished(&mut self) -> Result<()> {
        while let Some(outcome) = self.jobs.try_join_next() {
            self.take_outcome(outcome)?;
        }
        Ok(())
    }

    fn take_outcome(&mut self, outcome: Result<Result<(usize, EncodedSegment)>, tokio::task::JoinError>) -> Result<()> {
        let done = outcome.map_err(|error| {
            tracing::error!(table = %self.table.id, %error, "encoding a segment ended early");
            Error::Cancelled
        })??;
        self.done.push(done);
        Ok(())
    }

    /// Syncs the names and lets go of the objects.
    async fn publishable(mut self) -> Result<Written> {
        let mut done = std::mem::take(&mut self.done);
        done.sort_unstable_by_key(|(number, _)| *number);
        let paths: Vec<String> = done.iter().map(|(_, e)| e.object.path().to_string()).collect();
        if self.parts.store.is_local() && !paths.is_empty() {
            let store = Arc::clone(&self.parts.store);
            let syncing = tokio::task::spawn_blocking(move || store.sync_directories(paths.iter().map(String::as_str)));
            syncing.await.map_err(|_| Error::Cancelled)??;
        }
        let mut written = Written::default();
        for (_, encoded) in done {
            encoded.object.keep();
            written.rows += encoded.segment.rows;
            written.bytes += encoded.segment.bytes;
            written.segments.push((encoded.segment, encoded.detail));
        }
        Ok(written)
    }

    /// The rows as inline segments, one per partition; `None` if they turn out too large.
    async fn finish_inline(&mut self) -> Result<Option<Written>> {
        let buffers: Vec<(Option<String>, Vec<RecordBatch>)> =
            self.buffers.iter().map(|(partition, buffer)| (partition.clone(), buffer.batches.clone())).collect();
        let (parts, table, directory) = (Arc::clone(&self.parts), Arc::clone(&self.table), self.directory);
        let work = move || inline_segments(&parts, &table, buffers, directory);
        if self.buffered_bytes <= ON_CALLER_BYTES_MAX {
            return work();
        }
        self.parts.cpu.spawn(async move { work() }).await.map_err(|_| Error::Cancelled)?
    }
}

fn inline_segments(
    parts: &Parts,
    table: &Table,
    buffers: Vec<(Option<String>, Vec<RecordBatch>)>,
    directory: u8,
) -> Result<Option<Written>> {
    let mut written = Written::default();
    let mut decoded = Vec::with_capacity(buffers.len());
    for (partition, batches) in buffers {
        let schema = batches[0].schema();
        let batch = Run::new(table, schema, batches)?.batch()?;
        let ipc = encode_inline(&batch)?;
        written.bytes += ipc.len() as u64;
        if written.bytes > parts.settings.inline_bytes_max as u64 {
            return Ok(None);
        }
        let id = fresh_segment_id(directory);
        let segment = Segment {
            id,
            location: Location::Inline,
            partition,
            level: 0,
            rows: batch.num_rows() as u64,
            bytes: ipc.len() as u64,
            memory_bytes: batch_bytes(&batch) as u64,
            checksum: checksum(&ipc),
            schema_version: table.schema_version,
            sorted_by: sorted_by(table),
            stats: batch_stats(table, &batch)?,
            added_at: Version(0),
            removed_at: None,
        };
        written.rows += segment.rows;
        written.segments.push((segment, SegmentDetail::default()));
        written.inline.push(InlineRows { segment: id, ipc });
        decoded.push((id, batch));
    }
    for (id, batch) in decoded {
        parts.caches.put_rows(id, batch);
    }
    metrics::counter!(WRITTEN_ROWS).increment(written.rows);
    Ok(Some(written))
}

/// Durable, unpublished segments. If the commit that was to publish them does not happen, call
/// [`Written::discard`]; after a crash they are orphans that garbage collection removes.
#[derive(Debug, Default)]
pub struct Written {
    pub segments: Vec<(Segment, SegmentDetail)>,
    pub inline: Vec<InlineRows>,
    pub rows: u64,
    pub bytes: u64,
}

impl Written {
    /// The edit that publishes these segments; `None` when there are no rows.
    pub fn edit(&self, table: TableId, operation: Operation) -> Option<Edit> {
        (!self.segments.is_empty()).then(|| Edit::AddSegments {
            table,
            operation,
            segments: self.segments.clone(),
            inline: self.inline.clone(),
        })
    }

    /// Removes the bytes again. Only when the commit is *known* not to have happened.
    pub async fn discard(self, storage: &Storage) -> Result<()> {
        let segments: Vec<Segment> = self.segments.into_iter().map(|(segment, _)| segment).collect();
        storage.remove(&segments).await
    }
}

#[cfg(test)]
mod tests;
