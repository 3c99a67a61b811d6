//! One run becomes one Parquet object: columns of a row group are put together, measured and encoded side by side
//! when encode slots are free, then appended in order. Runs on the CPU runtime; writing goes straight to the store.

use crate::{
    Error, Result,
    cache::Footer,
    metrics::{ENCODE_SECONDS, WRITTEN_BYTES, WRITTEN_ROWS, WRITTEN_SEGMENTS},
    paths,
    segment::{
        checksum::{ChecksumWriter, FileSums},
        interval, layout,
        run::{Run, column_indexes},
        size::batch_bytes,
        stats::{StatsBuilder, has_text_bounds},
    },
    storage::Parts,
    store::{NewObject, UnpublishedObject, write_error},
};
use arrow::{datatypes::Schema, record_batch::RecordBatch};
use basalt_meta::{ColumnStats, Location, Segment, SegmentDetail, SegmentId, Table, Version};
use parking_lot::Mutex;
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves},
    },
    errors::ParquetError,
    file::{metadata::ParquetMetaData, writer::SerializedFileWriter},
};
use std::{ops::Range, sync::Arc, time::Instant};
use tokio::sync::OwnedSemaphorePermit;

/// A run on its way to become a segment.
#[derive(Debug)]
pub(crate) struct EncodeJob {
    pub parts: Arc<Parts>,
    pub table: Arc<Table>,
    pub partition: Option<String>,
    pub level: u32,
    pub id: SegmentId,
    pub batches: Vec<RecordBatch>,
}

/// A segment whose contents are durable, though its name may not be yet.
#[derive(Debug)]
pub(crate) struct EncodedSegment {
    pub segment: Segment,
    pub detail: SegmentDetail,
    pub object: UnpublishedObject,
}

type FileWriter = SerializedFileWriter<ChecksumWriter<NewObject>>;

impl EncodeJob {
    /// Sorts, encodes, writes and syncs. Holds one encode slot while it computes, not while it syncs.
    pub(crate) async fn run(self) -> Result<EncodedSegment> {
        let slot = self.parts.encode_slot().await;
        let started = Instant::now();
        let memory_bytes = self.batches.iter().map(batch_bytes).sum::<usize>() as u64;
        let schema = crate::table_schema(&self.table);
        let run = Arc::new(Run::new(&self.table, schema, self.batches)?);
        let path = paths::segment_path(self.parts.catalog.epoch(), self.id);
        let object = self.parts.store.create(&path)?;
        let properties = layout::properties(&self.parts.settings, &self.table, &run)?;
        let sink = ChecksumWriter::new(object);
        let file_fields: Vec<_> = run.schema().fields().iter().map(|f| interval::file_field(f)).collect();
        let file_schema = Arc::new(Schema::new(file_fields));
        let writer = ArrowWriter::try_new(sink, file_schema, Some(properties)).map_err(parquet_error)?;
        let (mut writer, factory) = writer.into_serialized_writer().map_err(parquet_error)?;
        let mut stats: Vec<StatsBuilder> = run.schema().fields().iter().map(|_| StatsBuilder::default()).collect();
        let group_rows = self.parts.settings.row_group_rows.max(1);
        for (group, start) in (0..run.rows()).step_by(group_rows).enumerate() {
            let rows = start..(start + group_rows).min(run.rows());
            stats = write_row_group(&self.parts, &run, rows, group, &factory, &mut writer, stats).await?;
        }
        let (object, sums, metadata) = close(writer)?;
        drop(slot);
        metrics::histogram!(ENCODE_SECONDS).record(started.elapsed());
        let object = object.sync().await?;
        count(&sums, run.rows());
        let columns = self.table.columns.iter();
        let segment = Segment {
            id: self.id,
            location: Location::Object(path),
            partition: self.partition,
            level: self.level,
            rows: run.rows() as u64,
            bytes: sums.bytes,
            memory_bytes,
            checksum: sums.checksum,
            schema_version: self.table.schema_version,
            sorted_by: sorted_by(&self.table),
            stats: stats.into_iter().zip(columns).map(|(s, c)| s.finish(c.id)).collect(),
            added_at: Version(0),
            removed_at: None,
        };
        let footer = Footer::new(metadata, Arc::new(sums.detail.clone()));
        self.parts.caches.put_footer(self.id, Arc::new(footer));
        tracing::debug!(
            table = %self.table.id, segment_id = %self.id, rows = segment.rows, size_bytes = segment.bytes,
            elapsed_ms = started.elapsed().as_millis() as u64, "segment written"
        );
        Ok(EncodedSegment { segment, detail: sums.detail, object })
    }
}

/// The columns rows of `table` are ordered by when they are written now.
pub(crate) fn sorted_by(table: &Table) -> Vec<basalt_meta::ColumnId> {
    column_indexes(table, &table.sort_key).into_iter().map(|c| table.columns[c].id).collect()
}

/// Statistics of all columns of a batch.
pub(crate) fn batch_stats(table: &Table, batch: &RecordBatch) -> Result<Vec<ColumnStats>> {
    let of_column = |(array, column): (_, &basalt_meta::Column)| {
        let mut stats = StatsBuilder::default();
        stats.add(array)?;
        Ok(stats.finish(column.id))
    };
    batch.columns().iter().zip(&table.columns).map(of_column).collect()
}

fn count(sums: &FileSums, rows: usize) {
    metrics::counter!(WRITTEN_BYTES).increment(sums.bytes);
    metrics::counter!(WRITTEN_ROWS).increment(rows as u64);
    metrics::counter!(WRITTEN_SEGMENTS).increment(1);
}

fn close(mut writer: FileWriter) -> Result<(NewObject, FileSums, ParquetMetaData)> {
    let metadata = writer.finish().map_err(parquet_error)?;
    // `finish` has flushed everything through; `into_inner` would write a second footer.
    let (object, sums) = writer.inner_mut().take().expect("a file is closed once");
    Ok((object, sums, metadata))
}

/// A full disk shows up inside the library's error.
fn parquet_error(error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(io) => write_error(*io),
            Err(other) => Error::Parquet(ParquetError::External(other)),
        },
        other => Error::Parquet(other),
    }
}

/// One column of one row group that waits for someone to encode it.
struct ColumnWork {
    column: usize,
    writers: Vec<ArrowColumnWriter>,
    stats: StatsBuilder,
}

struct EncodedColumn {
    column: usize,
    chunks: Vec<ArrowColumnChunk>,
    stats: StatsBuilder,
}

/// What the tasks that encode one row group share.
struct RowGroupWork {
    run: Arc<Run>,
    rows: Range<usize>,
    positions: Option<Vec<(usize, usize)>>,
    /// Cheapest first; taken from the end.
    columns: Mutex<Vec<ColumnWork>>,
}

async fn write_row_group(
    parts: &Arc<Parts>,
    run: &Arc<Run>,
    rows: Range<usize>,
    group: usize,
    factory: &ArrowRowGroupWriterFactory,
    writer: &mut FileWriter,
    stats: Vec<StatsBuilder>,
) -> Result<Vec<StatsBuilder>> {
    let column_count = stats.len();
    let work = Arc::new(RowGroupWork {
        run: Arc::clone(run),
        positions: run.positions(rows.clone()),
        rows,
        columns: Mutex::new(column_works(run, factory, group, stats)?),
    });
    let mut encoded = encode_columns(parts, work, column_count).await?;
    encoded.sort_unstable_by_key(|e| e.column);
    let mut row_group = writer.next_row_group().map_err(parquet_error)?;
    let mut stats = Vec::with_capacity(column_count);
    for column in encoded {
        for chunk in column.chunks {
            chunk.append_to_row_group(&mut row_group).map_err(parquet_error)?;
        }
        stats.push(column.stats);
    }
    row_group.close().map_err(parquet_error)?;
    Ok(stats)
}

fn column_works(
    run: &Run,
    factory: &ArrowRowGroupWriterFactory,
    group: usize,
    stats: Vec<StatsBuilder>,
) -> Result<Vec<ColumnWork>> {
    let mut writers = factory.create_column_writers(group)?.into_iter();
    let fields = run.schema().fields();
    let mut works = Vec::with_capacity(fields.len());
    for ((column, field), stats) in fields.iter().enumerate().zip(stats) {
        let leaves = layout::leaf_count(field.data_type());
        works.push(ColumnWork { column, writers: writers.by_ref().take(leaves as usize).collect(), stats });
    }
    // Columns of strings and nested ones take longest: they go first, so that the end is even.
    works.sort_by_key(|work| fields[work.column].data_type().primitive_width().unwrap_or(usize::MAX));
    Ok(works)
}

/// Encodes all columns, with the help of as many tasks as there are free encode slots.
async fn encode_columns(
    parts: &Arc<Parts>,
    work: Arc<RowGroupWork>,
    column_count: usize,
) -> Result<Vec<EncodedColumn>> {
    let mut helpers = tokio::task::JoinSet::new();
    while helpers.len() + 1 < column_count.min(parts.settings.encode_threads) {
        let Some(slot) = parts.try_encode_slot() else { break };
        helpers.spawn_on(help(Arc::clone(&work), slot), &parts.cpu);
    }
    let mut encoded = work.encode_some()?;
    while let Some(helped) = helpers.join_next().await {
        encoded.extend(helped.map_err(|_| Error::Cancelled)??);
    }
    Ok(encoded)
}

async fn help(work: Arc<RowGroupWork>, _slot: OwnedSemaphorePermit) -> Result<Vec<EncodedColumn>> {
    work.encode_some()
}

impl RowGroupWork {
    /// Takes columns until none is left.
    fn encode_some(&self) -> Result<Vec<EncodedColumn>> {
        let mut encoded = Vec::new();
        loop {
            let Some(next) = self.columns.lock().pop() else { return Ok(encoded) };
            encoded.push(self.encode(next)?);
        }
    }

    fn encode(&self, mut work: ColumnWork) -> Result<EncodedColumn> {
        let field = self.run.schema().field(work.column);
        let bounds_come_encoded = has_text_bounds(field.data_type());
        let file_field = interval::file_field(field);
        for piece in self.run.pieces(work.column, self.rows.clone(), self.positions.as_deref())? {
            if bounds_come_encoded {
                work.stats.add_nulls(&piece);
            } else {
                work.stats.add(&piece)?;
            }
            let piece = interval::into_file(&piece)?;
            for (writer, leaf) in
                work.writers.iter_mut().zip(compute_leaves(&file_field, &piece).map_err(parquet_error)?)
            {
                writer.write(&leaf).map_err(parquet_error)?;
            }
        }
        let chunks = work.writers.into_iter().map(ArrowColumnWriter::close).collect::<Result<Vec<_>, _>>();
        let chunks = chunks.map_err(parquet_error)?;
        if bounds_come_encoded && let Some(found) = chunks.first().and_then(|c| c.close().metadata.statistics()) {
            work.stats.add_text_bounds(field.data_type(), found);
        }
        Ok(EncodedColumn { column: work.column, chunks, stats: work.stats })
    }
}
