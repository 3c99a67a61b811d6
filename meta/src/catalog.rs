//! The single door to RocksDB: open and recover, snapshot, commit, and reads of what is not kept in memory.

use crate::{
    Changes, Clock, Committed, Edit, Error, Result, Snapshot,
    committer::Committer,
    core::Core,
    floor, history,
    ids::Ids,
    keys::Key,
    lock::{DirectoryLock, create_private},
    metrics as names,
    model::*,
    pins::Pins,
    recover,
    rocks::{Rocks, Write},
};
use arc_swap::ArcSwap;
use bytes::Bytes;
use std::{path::Path, sync::Arc, time::Instant};

/// Number of the format this release writes.
const FORMAT: u64 = 1;

/// RocksDB's folder below the catalogue's.
const ROCKS_FOLDER: &str = "rocks";

/// The database that exists from the beginning.
const DEFAULT_DATABASE: &str = "default";

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
pub struct Catalog {
    open: Arc<Open>,
}

/// Dropped in order: the committer ends before the database is closed.
#[derive(Debug)]
struct Open {
    committer: Committer,
    core: Arc<Core>,
}

impl Catalog {
    /// Opens (or creates) the catalogue in `dir`, recovers, and bumps the epoch. A second process on the same
    /// directory gets `Error::Locked`; a newer format, `Error::NewerFormat`.
    pub fn open(dir: &Path, settings: CatalogSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        names::describe();
        let started = Instant::now();
        let lock = DirectoryLock::take(dir)?;
        let rocks_dir = dir.join(ROCKS_FOLDER);
        create_private(&rocks_dir)?;
        let rocks = Rocks::open(&rocks_dir, settings.block_cache_bytes)?;
        check_format(&rocks)?;
        let state = recover::recover(&rocks)?;
        floor::check(dir, state.version)?;
        let epoch = bump_epoch(&rocks)?;
        floor::raise(dir, state.version)?;
        let (version, tables) = (state.version, state.tables.size());
        let core = Arc::new(Core {
            ids: Ids::open(&rocks)?,
            rocks,
            head: ArcSwap::from_pointee(state),
            pins: Arc::new(Pins::default()),
            epoch,
            clock,
            dir: dir.to_owned(),
            lock,
        });
        let committer = Committer::start(Arc::clone(&core), &settings)?;
        let catalog = Self { open: Arc::new(Open { committer, core }) };
        if version == Version(0) {
            catalog.create_default_database()?;
        }
        let elapsed_ms = started.elapsed().as_millis() as u64;
        tracing::info!(%version, epoch, tables, elapsed_ms, "catalogue opened");
        Ok(catalog)
    }

    /// The state after the newest commit. Pins its version until dropped (garbage collection respects pins).
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(self.core())
    }

    /// Applies `changes` durably, or not at all. Returns after the write is synced and visible to new snapshots.
    /// Cancelling the future does not cancel the commit: the outcome is then unknown to the caller.
    pub async fn commit(&self, changes: Changes) -> Result<Committed> {
        self.open.committer.commit(changes).await
    }

    /// `commit` for threads that may block.
    pub fn commit_blocking(&self, changes: Changes) -> Result<Committed> {
        self.open.committer.commit_blocking(changes)
    }

    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.core().clock
    }

    /// Number of this process's life on this directory: grows by one at every open. Files are written below it.
    pub fn epoch(&self) -> u64 {
        self.core().epoch
    }

    /// A number never handed out before on this directory, across restarts too (ids of databases, tables, loads).
    pub fn next_id(&self) -> u64 {
        self.core().ids.next(&self.core().rocks)
    }

    /// The Arrow IPC stream of an inline segment.
    pub fn inline_rows(&self, table: TableId, segment: SegmentId) -> Result<Bytes> {
        let ipc = self.core().rocks.get_raw(&Key::InlineRows(table, segment))?;
        ipc.map(Bytes::from).ok_or(Error::NoSegment { table, segment })
    }

    /// Block checksums of a segment's file. Empty when none were recorded.
    pub fn segment_detail(&self, table: TableId, segment: SegmentId) -> Result<SegmentDetail> {
        let rocks = &self.core().rocks;
        if let Some(detail) = rocks.get(&Key::SegmentDetail(table, segment))? {
            return Ok(detail);
        }
        let known =
            rocks.contains(&Key::Segment(table, segment))? || rocks.contains(&Key::RemovedAt(table, segment))?;
        known.then(SegmentDetail::default).ok_or(Error::NoSegment { table, segment })
    }

    /// The record of a finished label.
    pub fn label(&self, label: &Label) -> Result<Option<LabelRecord>> {
        self.core().rocks.get(&Key::Label(label.clone()))
    }

    /// Labels finished before `before`, oldest first, at most `limit`.
    pub fn labels_before(&self, before: Timestamp, limit: usize) -> Result<Vec<Label>> {
        history::labels_before(self.core(), before, limit)
    }

    /// A table's history, oldest first.
    pub fn history(&self, table: TableId) -> Result<Vec<TableVersion>> {
        history::steps(self.core(), table)
    }

    /// The newest version whose commit was made at or before `at` (for time travel by timestamp); 0 when there is
    /// none.
    pub fn version_at(&self, at: Timestamp) -> Result<Version> {
        history::version_at(self.core(), at)
    }

    /// Removed segments that no snapshot can see any more: removed at or before `horizon`, oldest first, with the
    /// table they belonged to. `horizon` must be at most [`Catalog::min_pinned`].
    pub fn garbage(&self, horizon: Version, limit: usize) -> Result<Vec<(TableId, Segment)>> {
        let pinned = self.min_pinned();
        if horizon > pinned {
            return Err(Error::Invalid {
                reason: format!("horizon is above the oldest pinned version: horizon={horizon} pinned={pinned}"),
            });
        }
        history::garbage(self.core(), horizon, limit)
    }

    /// The oldest version a living snapshot can see; the newest version when there is none.
    pub fn min_pinned(&self) -> Version {
        self.core().pins.oldest(|| self.core().head.load().version)
    }

    /// Whether any record (live or removed, of live or dropped tables) refers to this object path.
    pub fn refers_to(&self, path: &str) -> Result<bool> {
        self.core().rocks.contains(&Key::ObjectPath(path.to_owned()))
    }

    /// Stops the committer after the commits already taken, and writes the clean-shutdown record.
    pub fn close(&self) -> Result<()> {
        if !self.open.committer.stop() {
            return Ok(());
        }
        let core = self.core();
        core.ids.close(&core.rocks);
        let version = core.head.load().version;
        floor::raise(&core.dir, version)?;
        tracing::info!(%version, "catalogue closed");
        Ok(())
    }

    fn core(&self) -> &Arc<Core> {
        &self.open.core
    }

    fn create_default_database(&self) -> Result<()> {
        let at = self.clock().now();
        let database = Database {
            id: DatabaseId(self.next_id()),
            name: DEFAULT_DATABASE.to_owned(),
            comment: String::new(),
            created_at: at,
            dropped: None,
        };
        self.commit_blocking(Changes { edits: vec![Edit::CreateDatabase(database)], at, ..Changes::default() })?;
        Ok(())
    }
}

/// Refuses a directory that a newer release wrote; marks a new one as ours.
fn check_format(rocks: &Rocks) -> Result<()> {
    match rocks.get::<u64>(&Key::Format)? {
        Some(found) if found > FORMAT => {
            Err(Error::NewerFormat { found: u32::try_from(found).unwrap_or(u32::MAX), supported: FORMAT as u32 })
        }
        Some(_) => Ok(()),
        None => put_synced(rocks, &Key::Format, FORMAT),
    }
}

fn bump_epoch(rocks: &Rocks) -> Result<u64> {
    let epoch = rocks.get::<u64>(&Key::Epoch)?.unwrap_or(0) + 1;
    put_synced(rocks, &Key::Epoch, epoch)?;
    Ok(epoch)
}

fn put_synced(rocks: &Rocks, key: &Key, number: u64) -> Result<()> {
    let mut batch = rocks.batch();
    batch.apply(&Write::put(key, &number));
    Ok(rocks.write_synced(batch)?)
}

#[cfg(test)]
mod tests;
