//! The in-memory state read back from the database: once, at start. Segments are decoded in parallel; each table's
//! sums are compared with the newest row of its history, so a lost or doubled record is found before anything is
//! served.

use crate::{
    Error, Result,
    keys::{Family, Key, prefix},
    model::*,
    record::{self, CommitSeq, HistoryRow, TableRecord},
    rocks::{Rocks, Row, View, key_of},
    segments::{Entry, SegmentList},
    state::{State, TableState},
};
use parking_lot::Mutex;
use roaring::RoaringBitmap;
use std::{
    collections::HashMap,
    sync::{Arc, mpsc},
    thread,
};

/// Rows handed to a decoding thread at once, and how many such batches may wait.
const DECODE_BATCH: usize = 256;
const DECODE_QUEUE: usize = 64;
const DECODE_THREADS_MAX: usize = 8;

/// Reads everything live or dropped, but not removed.
pub(crate) fn recover(rocks: &Rocks) -> Result<State> {
    let view = rocks.view();
    let mut state = State::empty();
    if let Some(seq) = view.get::<CommitSeq>(&Key::CommitSeq)? {
        (state.version, state.at) = (seq.version, seq.at);
    }
    for row in view.scan_all(Family::Catalog, prefix::of_kind(&Key::Database(DatabaseId(0)))) {
        let row = row?;
        state.put_database(Arc::new(record::decode(&row.0, &row.1)?));
    }
    let mut segments = live_segments(&view)?;
    for row in view.scan_all(Family::Catalog, prefix::of_kind(&Key::Table(TableId(0)))) {
        let row = row?;
        let record: TableRecord = record::decode(&row.0, &row.1)?;
        if !state.databases.contains_key(&record.table.database) {
            return Err(record::damaged(&row.0));
        }
        let entries = segments.remove(&record.table.id).unwrap_or_default();
        state.put_table(table_state(&view, record, entries)?);
    }
    if let Some((&table, _)) = segments.iter().next() {
        return Err(Error::Damaged { kind: "table", key: format!("{:?}", Key::Table(table)) });
    }
    for row in view.scan_all(Family::Catalog, prefix::of_kind(&Key::Setting(String::new()))) {
        let row = row?;
        let Key::Setting(name) = key_of(&row)? else { return Err(record::damaged(&row.0)) };
        state.settings.insert_mut(name, record::decode(&row.0, &row.1)?);
    }
    for row in view.scan_all(Family::Catalog, prefix::of_kind(&Key::Entity(EntityKind::Stage, String::new()))) {
        let row = row?;
        let entity: Entity = record::decode(&row.0, &row.1)?;
        state.entities.insert_mut((entity.kind, entity.name.clone()), Arc::new(entity));
    }
    Ok(state)
}

fn table_state(view: &View<'_>, record: TableRecord, mut entries: Vec<Entry>) -> Result<TableState> {
    let id = record.table.id;
    entries.sort_unstable_by_key(|entry| (entry.view.segment.added_at, entry.view.segment.id));
    let segments: SegmentList = entries.into_iter().collect();
    let (touched_at, row) = history_at(view, id, Version(u64::MAX))?.ok_or_else(|| no_history(id))?;
    check_totals(id, touched_at, &row, &segments)?;
    Ok(TableState {
        table: Arc::new(record.table),
        created: record.created,
        changed_at: row.changed_at,
        touched_at,
        breaking_version: record.breaking_version,
        floor: record.floor,
        segments,
    })
}

/// The newest step of a table's history at or before `version`.
pub(crate) fn history_at(view: &View<'_>, table: TableId, version: Version) -> Result<Option<(Version, HistoryRow)>> {
    let key = Key::History(table, version);
    let begin = prefix::of_table(&key, table);
    let Some(row) = view.last_at_or_before(Family::Versions, &begin, &key.encode())? else { return Ok(None) };
    let Key::History(_, found) = key_of(&row)? else { return Err(record::damaged(&row.0)) };
    Ok(Some((found, record::decode(&row.0, &row.1)?)))
}

pub(crate) fn no_history(table: TableId) -> Error {
    Error::Damaged { kind: "history", key: format!("{:?}", Key::History(table, Version(0))) }
}

/// Compares what was found of a table with what the history says there was.
pub(crate) fn check_totals(table: TableId, version: Version, row: &HistoryRow, found: &SegmentList) -> Result<()> {
    let totals = found.totals();
    let same = (row.segments, row.rows, row.live_rows, row.bytes, row.state_hash)
        == (totals.segments, totals.rows, totals.live_rows, totals.bytes, totals.hash);
    if same {
        return Ok(());
    }
    tracing::error!(%table, %version, ?row, ?totals, "a table's segments are not those of its history");
    Err(Error::Damaged { kind: "table's segments", key: format!("{:?}", Key::History(table, version)) })
}

/// Reads a deletion vector from its stored bytes.
pub(crate) fn decode_deletions(row: &Row) -> Result<Arc<RoaringBitmap>> {
    let bytes = record::decode_raw(&row.0, &row.1)?;
    let rows = RoaringBitmap::deserialize_from(bytes).map_err(|_| record::damaged(&row.0))?;
    Ok(Arc::new(rows))
}

/// A live segment with its newest deletions; damage when those do not fit it.
pub(crate) fn entry(segment: Segment, deletions: Option<(Version, Arc<RoaringBitmap>)>) -> Result<Entry> {
    let mut entry = Entry::new(Arc::new(segment));
    if let Some((version, rows)) = deletions {
        let id = entry.view.segment.id;
        if rows.max().is_some_and(|last| u64::from(last) >= entry.view.segment.rows) {
            return Err(Error::Damaged { kind: "deletion vector", key: format!("{id} {version}") });
        }
        entry.view.deleted = Some(rows);
        entry.deleted_at = version;
    }
    Ok(entry)
}

fn live_segments(view: &View<'_>) -> Result<HashMap<TableId, Vec<Entry>>> {
    let mut deletions = newest_deletions(view)?;
    let mut tables: HashMap<TableId, Vec<Entry>> = HashMap::new();
    for (table, segment) in decode_segments(view)? {
        let deleted = deletions.remove(&(table, segment.id));
        tables.entry(table).or_default().push(entry(segment, deleted)?);
    }
    Ok(tables)
}

type Deletions = HashMap<(TableId, SegmentId), (Version, Arc<RoaringBitmap>)>;

/// The newest vector of each segment, found backwards so that older ones are not read.
fn newest_deletions(view: &View<'_>) -> Result<Deletions> {
    let mut newest = HashMap::new();
    let highest = Key::Deletions(TableId(u64::MAX), SegmentId(u128::MAX), Version(u64::MAX));
    let begin = prefix::of_kind(&highest);
    let mut before = highest.encode();
    while let Some(row) = view.last_at_or_before(Family::Segments, &begin, &before)? {
        let Key::Deletions(table, segment, version) = key_of(&row)? else { return Err(record::damaged(&row.0)) };
        newest.insert((table, segment), (version, decode_deletions(&row)?));
        // No commit has number 0, so this key lies behind all vectors of the segments before this one.
        before = Key::Deletions(table, segment, Version(0)).encode();
    }
    Ok(newest)
}

fn decode_segments(view: &View<'_>) -> Result<Vec<(TableId, Segment)>> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(DECODE_THREADS_MAX);
    let (sender, receiver) = mpsc::sync_channel::<Vec<Row>>(DECODE_QUEUE);
    let receiver = Mutex::new(receiver);
    thread::scope(|scope| {
        let receiver = &receiver;
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(move || decode_batches(receiver))).collect();
        let read = send_rows(view, sender);
        let mut decoded = Vec::new();
        for worker in workers {
            decoded.append(&mut worker.join().expect("decoding does not panic")?);
        }
        read.map(|()| decoded)
    })
}

fn send_rows(view: &View<'_>, sender: mpsc::SyncSender<Vec<Row>>) -> Result<()> {
    let begin = prefix::of_kind(&Key::Segment(TableId(0), SegmentId(0)));
    let mut batch = Vec::with_capacity(DECODE_BATCH);
    for row in view.scan_all(Family::Segments, begin) {
        batch.push(row?);
        if batch.len() == DECODE_BATCH {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(DECODE_BATCH));
            sender.send(full).expect("the receiver outlives the workers");
        }
    }
    sender.send(batch).expect("the receiver outlives the workers");
    Ok(())
}

/// Decodes batches until there are no more. After damage it goes on receiving, so that the reader is never stuck.
fn decode_batches(receiver: &Mutex<mpsc::Receiver<Vec<Row>>>) -> Result<Vec<(TableId, Segment)>> {
    let mut decoded = Ok(Vec::new());
    loop {
        let received = receiver.lock().recv();
        let Ok(batch) = received else { return decoded };
        let Ok(segments) = &mut decoded else { continue };
        if let Err(error) = decode_batch(&batch, segments) {
            decoded = Err(error);
        }
    }
}

fn decode_batch(batch: &[Row], into: &mut Vec<(TableId, Segment)>) -> Result<()> {
    for row in batch {
        let Key::Segment(table, _) = key_of(row)? else { return Err(record::damaged(&row.0)) };
        into.push((table, record::decode(&row.0, &row.1)?));
    }
    Ok(())
}
