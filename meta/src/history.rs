//! The past: a table as it was, its steps, commits by time, and what is left to collect. Read from the database on
//! demand; only the present is kept in memory.

use crate::{
    Error, Result,
    core::Core,
    keys::{Family, Key, prefix},
    model::*,
    record::{self, CommitSeq, CommitTimes, HistoryRow, TableRecord},
    recover::{check_totals, decode_deletions, entry, history_at, no_history},
    rocks::{View, key_of},
    segments::{Entry, SegmentList},
    state::TableState,
};
use roaring::RoaringBitmap;
use std::{collections::HashMap, sync::Arc};

/// The table as it was at `version`. The caller holds a pin on that version.
pub(crate) fn table_at(core: &Core, table: TableId, version: Version) -> Result<TableState> {
    let view = core.rocks.view();
    let record: TableRecord = view.get(&Key::Table(table))?.ok_or(Error::NoTable { id: table })?;
    check_reachable(&view, &record, version)?;
    let definition = definition_at(&view, table, version)?;
    if definition.dropped.is_some() {
        return Err(Error::NoTable { id: table });
    }
    let (touched_at, row) = history_at(&view, table, version)?.ok_or_else(|| no_history(table))?;
    let segments = segments_at(&view, table, version)?;
    check_totals(table, touched_at, &row, &segments)?;
    Ok(TableState {
        table: Arc::new(definition),
        created: record.created,
        changed_at: row.changed_at,
        touched_at,
        breaking_version: record.breaking_version,
        floor: record.floor,
        segments,
    })
}

fn check_reachable(view: &View<'_>, record: &TableRecord, version: Version) -> Result<()> {
    if version < record.created {
        return Err(Error::NotYet { version, created: record.created });
    }
    if version < record.floor {
        return Err(Error::HistoryGone { version, oldest: record.floor });
    }
    let newest = view.get::<CommitSeq>(&Key::CommitSeq)?.map_or(Version(0), |seq| seq.version);
    if version > newest {
        return Err(Error::Invalid {
            reason: format!("version lies in the future: version={version} newest={newest}"),
        });
    }
    Ok(())
}

fn definition_at(view: &View<'_>, table: TableId, version: Version) -> Result<Table> {
    let key = Key::Definition(table, version);
    let begin = prefix::of_table(&key, table);
    match view.last_at_or_before(Family::Versions, &begin, &key.encode())? {
        Some(row) => record::decode(&row.0, &row.1),
        None => Err(Error::Damaged { kind: key.kind(), key: format!("{key:?}") }),
    }
}

fn segments_at(view: &View<'_>, table: TableId, version: Version) -> Result<SegmentList> {
    let mut deletions = deletions_at(view, table, version)?;
    let live = prefix::of_table(&Key::Segment(table, SegmentId(0)), table);
    let removed = Key::Removed(table, Version(version.0.saturating_add(1)), SegmentId(0));
    let removed = view.scan(Family::Segments, prefix::of_table(&removed, table), removed.encode());
    let mut entries: Vec<Entry> = Vec::new();
    for row in view.scan_all(Family::Segments, live).chain(removed) {
        let row = row?;
        let mut segment: Segment = record::decode(&row.0, &row.1)?;
        if segment.added_at > version {
            continue;
        }
        // At that version nobody knew yet that it would be removed.
        segment.removed_at = None;
        let deleted = deletions.remove(&segment.id);
        entries.push(entry(segment, deleted)?);
    }
    entries.sort_unstable_by_key(|entry| (entry.view.segment.added_at, entry.view.segment.id));
    Ok(entries.into_iter().collect())
}

/// Each segment's newest vector at or before `version`.
fn deletions_at(
    view: &View<'_>,
    table: TableId,
    version: Version,
) -> Result<HashMap<SegmentId, (Version, Arc<RoaringBitmap>)>> {
    let mut found = HashMap::new();
    let lowest = Key::Deletions(table, SegmentId(0), Version(0));
    let highest = Key::Deletions(table, SegmentId(u128::MAX), Version(u64::MAX));
    let begin = prefix::of_table(&lowest, table);
    let mut before = highest.encode();
    while let Some(row) = view.last_at_or_before(Family::Segments, &begin, &before)? {
        let Key::Deletions(_, segment, set_at) = key_of(&row)? else { return Err(record::damaged(&row.0)) };
        before = if set_at > version {
            Key::Deletions(table, segment, version).encode()
        } else {
            found.insert(segment, (set_at, decode_deletions(&row)?));
            Key::Deletions(table, segment, Version(0)).encode()
        };
    }
    Ok(found)
}

/// A table's steps, oldest first.
pub(crate) fn steps(core: &Core, table: TableId) -> Result<Vec<TableVersion>> {
    let view = core.rocks.view();
    let begin = prefix::of_table(&Key::History(table, Version(0)), table);
    let step = |row| -> Result<TableVersion> {
        let row = row?;
        let Key::History(table, version) = key_of(&row)? else { return Err(record::damaged(&row.0)) };
        let step: HistoryRow = record::decode(&row.0, &row.1)?;
        Ok(TableVersion {
            table,
            version,
            operation: step.operation,
            at: step.at,
            rows: step.live_rows,
            segments: step.segments,
            bytes: step.bytes,
            schema_version: step.schema_version,
        })
    };
    view.scan_all(Family::Versions, begin).map(step).collect()
}

/// The newest commit made at or before `at`; 0 when there is none.
pub(crate) fn version_at(core: &Core, at: Timestamp) -> Result<Version> {
    let view = core.rocks.view();
    let key = Key::CommitTimes(at, Version(u64::MAX));
    let begin = prefix::of_kind(&key);
    let Some(row) = view.last_at_or_before(Family::Versions, &begin, &key.encode())? else { return Ok(Version(0)) };
    let times: CommitTimes = record::decode(&row.0, &row.1)?;
    let newest = times.commits.iter().rev().find(|(_, committed_at)| *committed_at <= at);
    newest.map(|(version, _)| *version).ok_or_else(|| record::damaged(&row.0))
}

/// Segments removed at or before `horizon`, oldest removal first.
pub(crate) fn garbage(core: &Core, horizon: Version, limit: usize) -> Result<Vec<(TableId, Segment)>> {
    let view = core.rocks.view();
    let begin = prefix::of_kind(&Key::Garbage(horizon, TableId(0), SegmentId(0)));
    let mut found = Vec::new();
    for row in view.scan_all(Family::Segments, begin).take(limit) {
        let row = row?;
        let Key::Garbage(removed_at, table, segment) = key_of(&row)? else { return Err(record::damaged(&row.0)) };
        if removed_at > horizon {
            break;
        }
        let key = Key::Removed(table, removed_at, segment);
        let segment = view.get(&key)?.ok_or_else(|| record::damaged(&key.encode()))?;
        found.push((table, segment));
    }
    Ok(found)
}

/// Labels finished before `before`, oldest first.
pub(crate) fn labels_before(core: &Core, before: Timestamp, limit: usize) -> Result<Vec<Label>> {
    let view = core.rocks.view();
    let none = Label { database: DatabaseId(0), name: String::new() };
    let begin = prefix::of_kind(&Key::LabelByTime(before, none));
    let mut found = Vec::new();
    for row in view.scan_all(Family::Catalog, begin).take(limit) {
        let row = row?;
        let Key::LabelByTime(finished_at, label) = key_of(&row)? else { return Err(record::damaged(&row.0)) };
        if finished_at >= before {
            break;
        }
        found.push(label);
    }
    Ok(found)
}
