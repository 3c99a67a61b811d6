//! The storage of one server: a store, its caches, and the doors to write, read, merge and remove segments.

use crate::{
    CompactionPolicy, CompactionSpec, ObjectStore, Result, SegmentReader, StorageSettings, TableWriter, Written,
    cache::Caches,
    compact,
    metrics::REMOVED_SEGMENTS,
    segment::{self, budget::Budget},
    store::Store,
};
use arrow::record_batch::RecordBatch;
use basalt_meta::{Catalog, Location, Segment, SegmentView, Table, TableId};
use futures::stream::BoxStream;
use std::sync::Arc;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};

/// Whether a small load may become an inline segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inline {
    Allowed,
    Never,
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Storage {
    parts: Arc<Parts>,
}

/// What writers, readers and merges share.
#[derive(Debug)]
pub(crate) struct Parts {
    pub settings: StorageSettings,
    pub catalog: Catalog,
    pub store: Arc<Store>,
    pub caches: Arc<Caches>,
    /// Where sorting and encoding runs.
    pub cpu: Handle,
    pub budget: Arc<Budget>,
    encode_slots: Arc<Semaphore>,
}

impl Parts {
    pub(crate) async fn encode_slot(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.encode_slots).acquire_owned().await.expect("the semaphore is never closed")
    }

    pub(crate) fn try_encode_slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.encode_slots).try_acquire_owned().ok()
    }
}

impl Storage {
    /// Opens the store at `settings.location` (creating a local directory). CPU work runs on `cpu`; a remote store's
    /// requests run on the runtime that calls this.
    pub async fn open(settings: StorageSettings, catalog: Catalog, cpu: Handle) -> Result<Self> {
        let (location, options) = (settings.location.clone(), settings.store_options.clone());
        let store = if location.contains("://") {
            Store::open(&location, &options)?
        } else {
            let opening = tokio::task::spawn_blocking(move || Store::open(&location, &options));
            opening.await.map_err(|_| crate::Error::Cancelled)??
        };
        let parts = Parts {
            catalog,
            store: Arc::new(store),
            caches: Arc::new(Caches::new(&settings)),
            cpu,
            budget: Budget::new(settings.write_buffer_bytes),
            encode_slots: Arc::new(Semaphore::new(settings.encode_threads.max(1))),
            settings,
        };
        Ok(Self { parts: Arc::new(parts) })
    }

    /// When segments are worth merging.
    pub fn compaction_policy(&self) -> CompactionPolicy {
        CompactionPolicy::new(&self.parts.settings)
    }

    pub fn settings(&self) -> &StorageSettings {
        &self.parts.settings
    }

    /// Starts writing rows for `table`: see [`TableWriter`]. With `Inline::Never`, small loads become Parquet too.
    pub fn writer(&self, table: Arc<Table>, inline: Inline) -> TableWriter {
        TableWriter::new(Arc::clone(&self.parts), table, inline, 0)
    }

    /// A reader of a segment that is a Parquet object: cached footer, cached and verified ranges.
    pub fn reader(&self, table: TableId, segment: Arc<Segment>) -> SegmentReader {
        let parts = &self.parts;
        let (store, caches) = (Arc::clone(&parts.store), Arc::clone(&parts.caches));
        SegmentReader::new(store, caches, parts.catalog.clone(), table, segment)
    }

    /// The rows of an inline segment in its *own* schema (as written), deletions not applied. Cached.
    pub fn inline_rows(&self, table: TableId, segment: &Segment) -> Result<RecordBatch> {
        if let Some(rows) = self.parts.caches.rows(segment.id) {
            return Ok(rows);
        }
        let ipc = self.parts.catalog.inline_rows(table, segment.id)?;
        let rows = segment::decode_inline(segment, &ipc)?;
        self.parts.caches.put_rows(segment.id, rows.clone());
        Ok(rows)
    }

    /// All rows of a segment (inline or Parquet) in order, deleted ones too, with the columns of `table` named by
    /// `projection` (indexes into `table.columns`), cast and null-filled to the table's present schema: a column that
    /// the segment does not have is null. Each batch (about 8,192 rows) comes with the position of its first row.
    pub fn scan_rows(
        &self,
        table: Arc<Table>,
        segment: SegmentView,
        projection: Vec<usize>,
    ) -> BoxStream<'static, Result<(u64, RecordBatch)>> {
        segment::scan_rows(self.clone(), table, segment.segment, projection)
    }

    /// Merges the inputs of `spec` into new segments in sort order, deleted rows left out. Nothing is published.
    /// Asserts that rows out = rows in − deleted.
    pub async fn merge(&self, table: Arc<Table>, spec: CompactionSpec) -> Result<Written> {
        let storage = self.clone();
        let merging = self.parts.cpu.spawn(async move { compact::merge(storage, table, spec).await });
        // A merge that nobody waits for any more ends and removes what it wrote.
        AbortOnDrop(merging).finished().await
    }

    /// Removes the bytes of segments that nothing refers to any more (they were unpublished and no reader can hold
    /// them: the caller asked `Catalog::garbage`). Missing files are fine.
    pub async fn remove(&self, segments: &[Segment]) -> Result<()> {
        let mut paths = Vec::with_capacity(segments.len());
        for segment in segments {
            self.parts.caches.forget(segment.id);
            if let Location::Object(path) = &segment.location {
                paths.push(path.clone());
            }
        }
        metrics::counter!(REMOVED_SEGMENTS).increment(segments.len() as u64);
        if paths.is_empty() {
            return Ok(());
        }
        self.parts.store.delete(paths).await
    }

    /// The store for the query library's registry: read-only.
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        self.parts.store.read_only()
    }

    pub(crate) fn parts(&self) -> &Arc<Parts> {
        &self.parts
    }
}

/// A task that ends with the future that waits for it.
struct AbortOnDrop<T>(tokio::task::JoinHandle<Result<T>>);

impl<T> AbortOnDrop<T> {
    async fn finished(mut self) -> Result<T> {
        (&mut self.0).await.map_err(|_| crate::Error::Cancelled)?
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
