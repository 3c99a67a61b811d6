//! The storage of one server: a store, its caches, and the doors to write, read, merge and remove segments.

use crate::{CompactionSpec, ObjectStore, Result, SegmentReader, StorageSettings, TableWriter, Written};
use arrow::record_batch::RecordBatch;
use basalt_meta::{Catalog, Segment, SegmentView, Table, TableId};
use futures::stream::BoxStream;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Whether a small load may become an inline segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inline {
    Allowed,
    Never,
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Storage {}

impl Storage {
    /// Opens the store at `settings.location` (creating a local directory), and prepares this epoch's directories.
    /// CPU work runs on `cpu`.
    pub async fn open(_settings: StorageSettings, _catalog: Catalog, _cpu: Handle) -> Result<Self> {
        todo!()
    }

    pub fn settings(&self) -> &StorageSettings {
        todo!()
    }

    /// Starts writing rows for `table`: see [`TableWriter`]. With `Inline::Never`, small loads become Parquet too.
    pub fn writer(&self, _table: Arc<Table>, _inline: Inline) -> TableWriter {
        todo!()
    }

    /// A reader of a segment that is a Parquet object: cached footer, cached and verified ranges.
    pub fn reader(&self, _table: TableId, _segment: Arc<Segment>) -> SegmentReader {
        todo!()
    }

    /// The rows of an inline segment in its *own* schema (as written), deletions not applied. Cached.
    pub fn inline_rows(&self, _table: TableId, _segment: &Segment) -> Result<RecordBatch> {
        todo!()
    }

    /// All rows of a segment (inline or Parquet) in order, deleted ones too, with the columns of `table` named by
    /// `projection` (indexes into `table.columns`), cast and null-filled to the table's present schema. Row positions
    /// are therefore the running count. Batches have about 8,192 rows. Row groups that `skip` rejects (index of row
    /// group, statistics) are left out; each item says at which row it starts.
    pub fn scan_rows(
        &self,
        _table: Arc<Table>,
        _segment: SegmentView,
        _projection: Vec<usize>,
    ) -> BoxStream<'static, Result<(u64, RecordBatch)>> {
        todo!()
    }

    /// Merges the inputs of `spec` into new segments in sort order, deleted rows left out. Nothing is published.
    /// Asserts that rows out = rows in − deleted.
    pub async fn merge(&self, _table: Arc<Table>, _spec: CompactionSpec) -> Result<Written> {
        todo!()
    }

    /// Removes the bytes of segments that nothing refers to any more (they were unpublished and no reader can hold
    /// them: the caller asked `Catalog::garbage`). Missing files are fine.
    pub async fn remove(&self, _segments: &[Segment]) -> Result<()> {
        todo!()
    }

    /// The store for the query library's registry: read-only.
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        todo!()
    }
}
