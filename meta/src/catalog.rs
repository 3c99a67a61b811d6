//! The single door to RocksDB: open and recover, snapshot, commit, and reads of what is not kept in memory.

use crate::{Changes, Clock, Committed, Result, Snapshot, model::*};
use bytes::Bytes;
use std::{path::Path, sync::Arc};

/// How the catalogue is kept.
#[derive(Debug, Clone)]
pub struct CatalogSettings {
    /// Most commits joined into one synced write.
    pub group_commit_max: usize,
    /// Commits that may wait for the committer before callers wait in turn.
    pub commit_queue: usize,
    /// RocksDB block cache, bytes.
    pub block_cache_bytes: usize,
}

impl Default for CatalogSettings {
    fn default() -> Self {
        Self { group_commit_max: 1024, commit_queue: 4096, block_cache_bytes: 64 << 20 }
    }
}

/// The register of everything that exists. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Catalog {}

impl Catalog {
    /// Opens (or creates) the catalogue in `dir`, recovers, and bumps the epoch. A second process on the same
    /// directory gets `Error::Locked`; a newer format, `Error::NewerFormat`.
    pub fn open(_dir: &Path, _settings: CatalogSettings, _clock: Arc<dyn Clock>) -> Result<Self> {
        todo!()
    }

    /// The state after the newest commit. Pins its version until dropped (garbage collection respects pins).
    pub fn snapshot(&self) -> Snapshot {
        todo!()
    }

    /// Applies `changes` durably, or not at all. Returns after the write is synced and visible to new snapshots.
    /// Cancelling the future does not cancel the commit: the outcome is then unknown to the caller.
    pub async fn commit(&self, _changes: Changes) -> Result<Committed> {
        todo!()
    }

    /// `commit` for threads that may block.
    pub fn commit_blocking(&self, _changes: Changes) -> Result<Committed> {
        todo!()
    }

    pub fn clock(&self) -> &Arc<dyn Clock> {
        todo!()
    }

    /// Number of this process's life on this directory: grows by one at every open. Files are written below it.
    pub fn epoch(&self) -> u64 {
        todo!()
    }

    /// A number never handed out before on this directory, across restarts too (ids of databases, tables, loads).
    pub fn next_id(&self) -> u64 {
        todo!()
    }

    /// The Arrow IPC stream of an inline segment.
    pub fn inline_rows(&self, _table: TableId, _segment: SegmentId) -> Result<Bytes> {
        todo!()
    }

    /// Block checksums of a segment's file.
    pub fn segment_detail(&self, _table: TableId, _segment: SegmentId) -> Result<SegmentDetail> {
        todo!()
    }

    /// The record of a finished label.
    pub fn label(&self, _label: &Label) -> Result<Option<LabelRecord>> {
        todo!()
    }

    /// Labels finished before `before`, oldest first, at most `limit`.
    pub fn labels_before(&self, _before: Timestamp, _limit: usize) -> Result<Vec<Label>> {
        todo!()
    }

    /// A table's history, oldest first.
    pub fn history(&self, _table: TableId) -> Result<Vec<TableVersion>> {
        todo!()
    }

    /// The newest version whose commit was made at or before `at` (for time travel by timestamp).
    pub fn version_at(&self, _at: Timestamp) -> Result<Version> {
        todo!()
    }

    /// Removed segments that no snapshot can see any more: removed at or before `horizon`, oldest first, with the
    /// table they belonged to. `horizon` must be at most [`Catalog::min_pinned`].
    pub fn garbage(&self, _horizon: Version, _limit: usize) -> Result<Vec<(TableId, Segment)>> {
        todo!()
    }

    /// The oldest version a living snapshot can see; the newest version when there is none.
    pub fn min_pinned(&self) -> Version {
        todo!()
    }

    /// Whether any record (live or removed, of live or dropped tables) refers to this object path.
    pub fn refers_to(&self, _path: &str) -> Result<bool> {
        todo!()
    }

    /// Stops the committer after the commits already taken, and writes the clean-shutdown record.
    pub fn close(&self) -> Result<()> {
        todo!()
    }
}
