//! RocksDB, opened with every option that matters said explicitly, behind reads and writes by [`Key`].
//!
//! The load is many tiny synced commits: what counts is the log. So the memtables are large (few flushes), the log is
//! bounded by size (it is what start-up replays), and nothing is recycled or written without the log. What a key
//! means is not here.

use crate::{
    Error, Result,
    keys::{Family, Key, prefix},
    record::{self, Record},
};
use rocksdb::{
    BlockBasedOptions, BoundColumnFamily, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode,
    Direction, IteratorMode, LogLevel, Options, ReadOptions, SnapshotWithThreadMode, WriteBatch, WriteOptions,
};
use std::{collections::BTreeSet, path::Path, sync::Arc};

const MEMTABLE_BYTES: usize = 64 << 20;
const MEMTABLES: i32 = 4;
const MAX_TOTAL_WAL_BYTES: u64 = 256 << 20;
const BACKGROUND_JOBS: i32 = 2;
const BLOCK_BYTES: usize = 16 << 10;
const BLOOM_BITS_PER_KEY: f64 = 10.0;
/// Inline rows of this size or more go to blob files when flushed, so that compaction does not copy them.
const MIN_BLOB_BYTES: u64 = 4 << 10;
const INFO_LOG_BYTES: usize = 4 << 20;
const INFO_LOGS: usize = 4;

/// The database.
pub(crate) struct Rocks {
    db: DB,
}

impl std::fmt::Debug for Rocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rocks").field("path", &self.db.path()).finish()
    }
}

impl Rocks {
    /// Opens or creates the database. Families of a newer release are opened too, so that its format number can be
    /// read and named.
    pub(crate) fn open(dir: &Path, block_cache_bytes: usize) -> Result<Self> {
        let cache = Cache::new_lru_cache(block_cache_bytes);
        let options = database_options();
        let mut names: BTreeSet<String> = Family::ALL.iter().map(|family| family.name().to_owned()).collect();
        if dir.join("CURRENT").exists() {
            names.extend(DB::list_cf(&options, dir)?);
        }
        let families = names.into_iter().map(|name| {
            let options = family_options(&name, &cache);
            ColumnFamilyDescriptor::new(name, options)
        });
        let db = DB::open_cf_descriptors(&options, dir, families).map_err(|error| locked_or(error, dir))?;
        Ok(Self { db })
    }

    pub(crate) fn get<R: Record>(&self, key: &Key) -> Result<Option<R>> {
        let bytes = key.encode();
        let value = self.db.get_pinned_cf(&self.family(key.family()), &bytes)?;
        value.map(|value| record::decode(&bytes, &value)).transpose()
    }

    /// The payload of a value with a format of its own.
    pub(crate) fn get_raw(&self, key: &Key) -> Result<Option<Vec<u8>>> {
        let bytes = key.encode();
        let value = self.db.get_pinned_cf(&self.family(key.family()), &bytes)?;
        value.map(|value| record::decode_raw(&bytes, &value).map(<[u8]>::to_vec)).transpose()
    }

    pub(crate) fn contains(&self, key: &Key) -> Result<bool> {
        Ok(self.db.get_pinned_cf(&self.family(key.family()), key.encode())?.is_some())
    }

    /// A consistent view for reads of several keys.
    pub(crate) fn view(&self) -> View<'_> {
        View { rocks: self, snapshot: self.db.snapshot() }
    }

    /// Writes the batch and waits until the log is on disk.
    pub(crate) fn write_synced(&self, batch: Batch<'_>) -> Result<(), rocksdb::Error> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.write_opt(batch.batch, &options)
    }

    pub(crate) fn batch(&self) -> Batch<'_> {
        Batch { batch: WriteBatch::default(), families: Family::ALL.map(|family| self.family(family)) }
    }

    fn family(&self, family: Family) -> Arc<BoundColumnFamily<'_>> {
        self.db.cf_handle(family.name()).expect("all families are created at open")
    }
}

/// The database at one moment.
pub(crate) struct View<'a> {
    rocks: &'a Rocks,
    snapshot: SnapshotWithThreadMode<'a, DB>,
}

impl View<'_> {
    pub(crate) fn get<R: Record>(&self, key: &Key) -> Result<Option<R>> {
        let bytes = key.encode();
        let value = self.snapshot.get_pinned_cf(&self.rocks.family(key.family()), &bytes)?;
        value.map(|value| record::decode(&bytes, &value)).transpose()
    }

    /// Encoded keys and values from `from` on while they begin with `begin`, in key order.
    pub(crate) fn scan<'v>(
        &'v self,
        family: Family,
        begin: Vec<u8>,
        from: Vec<u8>,
    ) -> impl Iterator<Item = Result<Row>> + 'v {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(from.clone());
        if let Some(end) = prefix::end_of(&begin) {
            options.set_iterate_upper_bound(end);
        }
        let mode = IteratorMode::From(&from, Direction::Forward);
        self.snapshot.iterator_cf_opt(&self.rocks.family(family), options, mode).map(|row| Ok(row?))
    }

    /// All keys and values that begin with `begin`.
    pub(crate) fn scan_all<'v>(&'v self, family: Family, begin: Vec<u8>) -> impl Iterator<Item = Result<Row>> + 'v {
        self.scan(family, begin.clone(), begin)
    }

    /// The last key at or before `key` that begins with `begin`, with its value.
    pub(crate) fn last_at_or_before(&self, family: Family, begin: &[u8], key: &[u8]) -> Result<Option<Row>> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(begin.to_vec());
        let mode = IteratorMode::From(key, Direction::Reverse);
        let mut rows = self.snapshot.iterator_cf_opt(&self.rocks.family(family), options, mode);
        match rows.next().transpose()? {
            Some(row) if row.0.starts_with(begin) => Ok(Some(row)),
            _ => Ok(None),
        }
    }
}

/// An encoded key and its value.
pub(crate) type Row = (Box<[u8]>, Box<[u8]>);

/// Reads the key of a row.
pub(crate) fn key_of(row: &Row) -> Result<Key> {
    Key::decode(&row.0).ok_or_else(|| record::damaged(&row.0))
}

/// Writes that happen together or not at all.
pub(crate) struct Batch<'a> {
    batch: WriteBatch,
    families: [Arc<BoundColumnFamily<'a>>; Family::ALL.len()],
}

impl Batch<'_> {
    pub(crate) fn apply(&mut self, write: &Write) {
        match write {
            Write::Put { family, key, value } => self.batch.put_cf(&self.families[*family as usize], key, value),
            Write::Delete { family, key } => self.batch.delete_cf(&self.families[*family as usize], key),
            Write::DeleteRange { family, from, to } => {
                self.batch.delete_range_cf(&self.families[*family as usize], from, to);
            }
        }
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.batch.size_in_bytes()
    }
}

/// One write of a batch, encoded.
#[derive(Debug, Clone)]
pub(crate) enum Write {
    Put {
        family: Family,
        key: Vec<u8>,
        value: Vec<u8>,
    },
    Delete {
        family: Family,
        key: Vec<u8>,
    },
    /// Deletes keys from `from` up to, without, `to`.
    DeleteRange {
        family: Family,
        from: Vec<u8>,
        to: Vec<u8>,
    },
}

impl Write {
    pub(crate) fn put<R: Record>(key: &Key, record: &R) -> Self {
        let bytes = key.encode();
        let value = record::encode(&bytes, record);
        Write::Put { family: key.family(), key: bytes, value }
    }

    pub(crate) fn put_raw(key: &Key, payload: &[u8]) -> Self {
        let bytes = key.encode();
        let value = record::encode_raw(&bytes, payload);
        Write::Put { family: key.family(), key: bytes, value }
    }

    pub(crate) fn delete(key: &Key) -> Self {
        Write::Delete { family: key.family(), key: key.encode() }
    }

    /// Deletes all keys that begin with `begin`. For rare occasions: RocksDB keeps a range deletion until compaction.
    pub(crate) fn delete_all(family: Family, begin: Vec<u8>) -> Self {
        let to = prefix::end_of(&begin).expect("a prefix starts with a tag below 0xFF");
        Write::DeleteRange { family, from: begin, to }
    }

    pub(crate) fn delete_encoded(family: Family, key: &[u8]) -> Self {
        Write::Delete { family, key: key.to_vec() }
    }
}

fn database_options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);
    // Point-in-time recovery (the default) drops everything behind the first bad record without a word.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_recycle_log_file_num(0);
    options.set_manual_wal_flush(false);
    options.set_atomic_flush(false);
    options.set_allow_mmap_writes(false);
    options.set_allow_mmap_reads(false);
    options.set_max_total_wal_size(MAX_TOTAL_WAL_BYTES);
    options.set_max_background_jobs(BACKGROUND_JOBS);
    // The committer is the only busy writer: handing over between writers costs it time for nothing.
    options.set_enable_pipelined_write(false);
    options.set_skip_stats_update_on_db_open(true);
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(INFO_LOG_BYTES);
    options.set_keep_log_file_num(INFO_LOGS);
    options
}

fn family_options(name: &str, cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_block_size(BLOCK_BYTES);
    blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_format_version(5);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_write_buffer_size(MEMTABLE_BYTES);
    options.set_max_write_buffer_number(MEMTABLES);
    options.set_compression_type(DBCompressionType::Lz4);
    if name == Family::Inline.name() {
        options.set_enable_blob_files(true);
        options.set_min_blob_size(MIN_BLOB_BYTES);
        options.set_blob_compression_type(DBCompressionType::Lz4);
        options.set_enable_blob_gc(true);
    }
    options
}

/// RocksDB says that its own lock is taken only in words.
fn locked_or(error: rocksdb::Error, dir: &Path) -> Error {
    let text = error.to_string();
    if text.contains("lock hold by current process") || text.contains("While lock file") {
        return Error::Locked { dir: dir.display().to_string() };
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SegmentId, TableId, Version};

    fn put(rocks: &Rocks, writes: &[Write]) {
        let mut batch = rocks.batch();
        writes.iter().for_each(|write| batch.apply(write));
        rocks.write_synced(batch).unwrap();
    }

    #[test]
    fn scans_stay_within_their_prefix_and_find_the_last_before() {
        let dir = tempfile::tempdir().unwrap();
        let rocks = Rocks::open(dir.path(), 1 << 20).unwrap();
        let key = |table, version| Key::Removed(TableId(table), Version(version), SegmentId(1));
        let writes: Vec<Write> =
            [(1, 1), (1, 5), (2, 3), (2, 9), (3, 1)].map(|(t, v)| Write::put(&key(t, v), &())).into();
        put(&rocks, &writes);
        let view = rocks.view();
        put(&rocks, &[Write::delete(&key(2, 3))]);
        let begin = prefix::of_table(&key(0, 0), TableId(2));
        let found: Vec<Key> =
            view.scan_all(Family::Segments, begin.clone()).map(|row| key_of(&row.unwrap()).unwrap()).collect();
        assert_eq!(found, [key(2, 3), key(2, 9)]);
        let last = |version| {
            let at = key(2, version).encode();
            view.last_at_or_before(Family::Segments, &begin, &at).unwrap().map(|row| key_of(&row).unwrap())
        };
        assert_eq!(last(2), None);
        assert_eq!(last(8), Some(key(2, 3)));
        assert_eq!(last(99), Some(key(2, 9)));
    }

    #[test]
    fn a_second_open_is_refused_by_rocksdb_too() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Rocks::open(dir.path(), 1 << 20).unwrap();
        assert!(matches!(Rocks::open(dir.path(), 1 << 20), Err(Error::Locked { .. })));
    }
}
