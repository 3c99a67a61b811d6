//! Applying changes, one after the other, to the state and to one write batch. Deterministic: no clock, no chance.
//!
//! Each change works on a copy of the state that shares nearly everything with it; when a precondition or an edit
//! fails, the copy is thrown away and nothing of that change remains. Preconditions are in `preconditions.rs`, edits
//! in `edits.rs`, the thread and the write in `committer.rs`.

use crate::{
    Changes, Committed, Error, Result,
    keys::Key,
    model::*,
    record::{CommitSeq, CommitTimes, HistoryRow, TableRecord},
    rocks::{Batch, Rocks, Write},
    state::{State, TableState},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

/// Labels written (some) or forgotten (none) but not yet in the database.
pub(crate) type PendingLabels = HashMap<Label, Option<LabelRecord>>;

/// The changes that one synced write makes durable.
pub(crate) struct Group<'a> {
    rocks: &'a Rocks,
    batch: Batch<'a>,
    state: State,
    /// The oldest version a living snapshot can see.
    oldest_pin: Version,
    labels: PendingLabels,
    added: HashSet<(TableId, SegmentId)>,
    times: CommitTimes,
}

impl<'a> Group<'a> {
    pub(crate) fn new(rocks: &'a Rocks, state: State, oldest_pin: Version) -> Self {
        let times = CommitTimes::default();
        Self { rocks, batch: rocks.batch(), state, oldest_pin, labels: HashMap::new(), added: HashSet::new(), times }
    }

    /// Applies one change on top of the earlier ones of the group, or refuses it and leaves everything as it was.
    pub(crate) fn apply(&mut self, changes: Changes) -> Result<Committed> {
        let mut item = Item::new(self, changes.at);
        for precondition in &changes.preconditions {
            item.check(precondition)?;
        }
        if changes.edits.is_empty() {
            return Ok(Committed { version: self.state.version });
        }
        for edit in changes.edits {
            item.edit(edit)?;
        }
        let Applied { state, writes, labels, added } = item.finish();
        assert_eq!(state.version.0, self.state.version.0 + 1, "commit numbers have no gaps");
        assert!(state.at >= self.state.at, "commit times never go back");
        self.state = state;
        self.labels.extend(labels);
        self.added.extend(added);
        writes.iter().for_each(|write| self.batch.apply(write));
        self.times.commits.push((self.state.version, self.state.at));
        Ok(Committed { version: self.state.version })
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.batch.size_bytes()
    }

    /// Number of changes applied.
    pub(crate) fn len(&self) -> usize {
        self.times.commits.len()
    }

    /// The finished batch and the state after it.
    pub(crate) fn finish(mut self) -> (Batch<'a>, State) {
        let seq = CommitSeq { version: self.state.version, at: self.state.at };
        self.batch.apply(&Write::put(&Key::CommitSeq, &seq));
        if let Some(&(version, at)) = self.times.commits.first() {
            self.batch.apply(&Write::put(&Key::CommitTimes(at, version), &self.times));
        }
        (self.batch, self.state)
    }
}

/// One change being applied.
pub(crate) struct Item<'g> {
    pub(crate) rocks: &'g Rocks,
    pub(crate) oldest_pin: Version,
    group_labels: &'g PendingLabels,
    group_added: &'g HashSet<(TableId, SegmentId)>,
    pub(crate) state: State,
    pub(crate) writes: Vec<Write>,
    labels: PendingLabels,
    added: HashSet<(TableId, SegmentId)>,
    touched: BTreeMap<TableId, Touch>,
}

/// What a change did to a table, for its history.
#[derive(Debug, Clone, Copy)]
struct Touch {
    operation: Operation,
    rows_changed: bool,
}

/// A change applied to the state, and what to write for it.
struct Applied {
    state: State,
    writes: Vec<Write>,
    labels: PendingLabels,
    added: HashSet<(TableId, SegmentId)>,
}

impl<'g> Item<'g> {
    fn new(group: &'g Group<'_>, at: Timestamp) -> Self {
        let mut state = group.state.clone();
        state.version.0 += 1;
        state.at = state.at.max(at);
        Self {
            rocks: group.rocks,
            oldest_pin: group.oldest_pin,
            group_labels: &group.labels,
            group_added: &group.added,
            state,
            writes: Vec::new(),
            labels: HashMap::new(),
            added: HashSet::new(),
            touched: BTreeMap::new(),
        }
    }

    pub(crate) fn live_table(&self, id: TableId) -> Result<&Arc<TableState>> {
        self.state.live_table(id).ok_or(Error::NoTable { id })
    }

    /// The table for changing; shared parts are copied.
    pub(crate) fn table_mut(&mut self, id: TableId) -> &mut TableState {
        Arc::make_mut(self.state.tables.get_mut(&id).expect("the caller looked the table up"))
    }

    /// The finished load that used a label, earlier changes of the group included.
    pub(crate) fn label(&self, label: &Label) -> Result<Option<LabelRecord>> {
        if let Some(pending) = self.labels.get(label).or_else(|| self.group_labels.get(label)) {
            return Ok(pending.clone());
        }
        self.rocks.get(&Key::Label(label.clone()))
    }

    pub(crate) fn set_label(&mut self, label: Label, record: Option<LabelRecord>) {
        self.labels.insert(label, record);
    }

    /// Notes a segment's id as given out; false when it was before.
    pub(crate) fn claim_segment(&mut self, table: TableId, segment: SegmentId) -> Result<bool> {
        if self.group_added.contains(&(table, segment)) || !self.added.insert((table, segment)) {
            return Ok(false);
        }
        let known = self.rocks.contains(&Key::Segment(table, segment))?;
        Ok(!known && !self.rocks.contains(&Key::RemovedAt(table, segment))?)
    }

    pub(crate) fn put<R: crate::record::Record>(&mut self, key: &Key, record: &R) {
        self.writes.push(Write::put(key, record));
    }

    pub(crate) fn delete(&mut self, key: &Key) {
        self.writes.push(Write::delete(key));
    }

    /// Writes a table's record.
    pub(crate) fn put_table_record(&mut self, id: TableId) {
        let state = self.state.tables.get(&id).expect("the caller put the table");
        let record = TableRecord {
            table: Table::clone(&state.table),
            created: state.created,
            breaking_version: state.breaking_version,
            floor: state.floor,
        };
        self.put(&Key::Table(id), &record);
    }

    /// Writes a table's record and keeps it as its definition from this version on.
    pub(crate) fn put_definition(&mut self, id: TableId) {
        self.put_table_record(id);
        let table = Arc::clone(&self.state.tables.get(&id).expect("the caller put the table").table);
        self.put(&Key::Definition(id, self.state.version), &*table);
    }

    /// Notes what was done to a table. The first thing that changed rows names the step in the table's history.
    pub(crate) fn touch(&mut self, table: TableId, operation: Operation, rows_changed: bool) {
        let new = Touch { operation, rows_changed };
        let touch = self.touched.entry(table).or_insert(new);
        if !touch.rows_changed && rows_changed {
            *touch = new;
        }
    }

    fn finish(mut self) -> Applied {
        for (table, touch) in std::mem::take(&mut self.touched) {
            self.finish_table(table, touch);
        }
        Applied { state: self.state, writes: self.writes, labels: self.labels, added: self.added }
    }

    fn finish_table(&mut self, id: TableId, touch: Touch) {
        if self.state.tables.get(&id).is_none() {
            return; // purged by the same change
        }
        let (version, at) = (self.state.version, self.state.at);
        let state = self.table_mut(id);
        state.touched_at = version;
        if touch.rows_changed {
            state.changed_at = version;
        }
        state.segments.assert_consistent();
        let totals = state.segments.totals();
        let row = HistoryRow {
            operation: touch.operation,
            at,
            live_rows: totals.live_rows,
            rows: totals.rows,
            segments: totals.segments,
            bytes: totals.bytes,
            state_hash: totals.hash,
            schema_version: state.table.schema_version,
            changed_at: state.changed_at,
        };
        self.put(&Key::History(id, version), &row);
    }
}
