//! An immutable view of everything at one version.

use crate::{
    Edit, Error, Result, SegmentChunk, SegmentView,
    core::Core,
    history,
    model::*,
    pins::Pin,
    segments::{Entry, SegmentList, Totals},
    state::{State, TableState},
};
use std::sync::{Arc, Weak};

/// All tables at one version. Cheap to clone; holding one keeps what it sees from being collected.
#[derive(Debug, Clone)]
pub struct Snapshot {
    state: Arc<State>,
    pin: Arc<Pin>,
    core: Weak<Core>,
}

impl Snapshot {
    pub(crate) fn take(core: &Arc<Core>) -> Self {
        let (state, pin) = core.pins.pin_with(|| {
            let state = core.head.load_full();
            let version = state.version;
            (state, version)
        });
        Self { state, pin, core: Arc::downgrade(core) }
    }

    pub fn version(&self) -> Version {
        self.state.version
    }

    /// Live databases in name order.
    pub fn databases(&self) -> Vec<Arc<Database>> {
        self.state.database_names.values().filter_map(|id| self.database_by_id(*id)).collect()
    }

    /// The live database of this name (exact match).
    pub fn database(&self, name: &str) -> Option<Arc<Database>> {
        self.database_by_id(*self.state.database_names.get(name)?)
    }

    /// The live database with this id.
    pub fn database_by_id(&self, id: DatabaseId) -> Option<Arc<Database>> {
        self.state.live_database(id).map(|state| Arc::clone(&state.database))
    }

    /// Live tables and views of a database in name order.
    pub fn tables(&self, database: DatabaseId) -> Vec<TableSnapshot> {
        let Some(state) = self.state.live_database(database) else { return Vec::new() };
        state.table_names.values().filter_map(|id| self.table_by_id(*id)).collect()
    }

    pub fn table(&self, database: DatabaseId, name: &str) -> Option<TableSnapshot> {
        self.table_by_id(*self.state.live_database(database)?.table_names.get(name)?)
    }

    /// The live table with this id.
    pub fn table_by_id(&self, id: TableId) -> Option<TableSnapshot> {
        let state = Arc::clone(self.state.live_table(id)?);
        let (pin, core) = (Arc::clone(&self.pin), Weak::clone(&self.core));
        Some(TableSnapshot { state, version: self.state.version, pin, core })
    }

    /// A table that does not exist yet (or not yet in this shape), without rows: what its first rows are written for
    /// before one commit makes both visible.
    pub fn unpublished(&self, table: Arc<Table>) -> TableSnapshot {
        let version = self.state.version;
        let state = TableState {
            created: version,
            changed_at: version,
            touched_at: version,
            breaking_version: table.schema_version,
            floor: version,
            segments: SegmentList::default(),
            table,
        };
        let (pin, core) = (Arc::clone(&self.pin), Weak::clone(&self.core));
        TableSnapshot { state: Arc::new(state), version, pin, core }
    }

    /// Dropped databases and tables that can still be recovered, newest drop first.
    pub fn dropped_databases(&self) -> Vec<Arc<Database>> {
        let all = self.state.databases.values().map(|state| Arc::clone(&state.database));
        newest_drop_first(all, |database| database.dropped)
    }

    /// Dropped tables of a database (itself live or dropped) that can still be recovered, newest drop first.
    pub fn dropped_tables(&self, database: DatabaseId) -> Vec<Arc<Table>> {
        let all = self.state.tables.values().map(|state| Arc::clone(&state.table));
        newest_drop_first(all.filter(|table| table.database == database), |table| table.dropped)
    }

    pub fn entity(&self, kind: EntityKind, name: &str) -> Option<Arc<Entity>> {
        self.state.entity(kind, name).cloned()
    }

    /// Entities of a kind whose names begin with `prefix`, in name order.
    pub fn entities(&self, kind: EntityKind, prefix: &str) -> impl Iterator<Item = &Arc<Entity>> {
        let first = (kind, prefix.to_owned());
        let all = self.state.entities.range(first..).map(|(_, entity)| entity);
        let prefix = prefix.to_owned();
        all.take_while(move |entity| entity.kind == kind && entity.name.starts_with(&prefix))
    }

    /// Global settings that were changed, in name order.
    pub fn settings(&self) -> Vec<(String, String)> {
        self.state.settings.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

fn newest_drop_first<T>(all: impl Iterator<Item = Arc<T>>, dropped: impl Fn(&T) -> Option<Dropped>) -> Vec<Arc<T>> {
    let mut found: Vec<(Version, Arc<T>)> = all.filter_map(|it| dropped(&it).map(|d| (d.version, it))).collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, it)| it).collect()
}

/// One table at one version.
#[derive(Debug, Clone)]
pub struct TableSnapshot {
    state: Arc<TableState>,
    version: Version,
    #[expect(dead_code, reason = "held, not read")]
    pin: Arc<Pin>,
    core: Weak<Core>,
}

impl TableSnapshot {
    pub fn table(&self) -> &Arc<Table> {
        &self.state.table
    }

    pub fn version(&self) -> Version {
        self.version
    }

    /// The version of the last commit that changed rows (appends and deletes; not merging).
    pub fn changed_at(&self) -> Version {
        self.state.changed_at
    }

    /// Rows that exist, deletions subtracted.
    pub fn rows(&self) -> u64 {
        let Totals { live_rows, .. } = self.state.segments.totals();
        live_rows
    }

    /// Encoded bytes.
    pub fn bytes(&self) -> u64 {
        self.state.segments.totals().bytes
    }

    /// Number of segments.
    pub fn segments(&self) -> usize {
        self.state.segments.totals().segments as usize
    }

    /// The segments in groups of about a thousand. A group that a commit did not touch is the same `Arc` before and
    /// after, so what planning derives from it can be cached by [`SegmentChunk::id`].
    pub fn chunks(&self) -> &[Arc<SegmentChunk>] {
        self.state.segments.chunks()
    }

    /// All segments with their deletions, chunk after chunk.
    pub fn iter(&self) -> impl Iterator<Item = &SegmentView> {
        self.chunks().iter().flat_map(|chunk| chunk.segments.iter())
    }

    /// The same table at an older version: its columns, segments and deletions as they were then. Fails with
    /// `Error::HistoryGone` when retention has passed it, `Error::NotYet` when the table did not exist.
    pub fn at(&self, version: Version) -> Result<TableSnapshot> {
        if (self.state.touched_at..=self.version).contains(&version) {
            return Ok(Self { version, ..self.clone() });
        }
        let core = self.core.upgrade().ok_or(Error::Closed)?;
        // Pinned before the floor is read: what is reachable now stays reachable.
        let ((), pin) = core.pins.pin_with(|| ((), version.min(self.version)));
        let state = history::table_at(&core, self.state.table.id, version)?;
        Ok(Self { state: Arc::new(state), version, pin, core: Weak::clone(&self.core) })
    }

    /// This table with uncommitted edits on top (segments added and removed, deletion vectors set), as a transaction
    /// reads its own writes. Edits of other tables are ignored.
    pub fn overlay(&self, edits: &[Edit]) -> Result<TableSnapshot> {
        let mut state = TableState::clone(&self.state);
        for edit in edits {
            overlay_edit(&mut state, edit, self.version)?;
        }
        Ok(Self { state: Arc::new(state), ..self.clone() })
    }
}

fn overlay_edit(state: &mut TableState, edit: &Edit, version: Version) -> Result<()> {
    let (id, segments) = (state.table.id, &mut state.segments);
    match edit {
        Edit::AddSegments { table, segments: new, .. } if *table == id => {
            segments.append(new.iter().map(|(segment, _)| Entry::new(Arc::new(segment.clone()))).collect());
        }
        Edit::RemoveSegments { table, segments: removed, .. } if *table == id => {
            segments.remove(removed).map_err(|segment| Error::NoSegment { table: id, segment })?;
        }
        Edit::SetDeletions { table, segment, rows, .. } if *table == id => {
            let Some((view, _)) = segments.find(*segment) else {
                return Err(Error::NoSegment { table: id, segment: *segment });
            };
            if rows.max().is_some_and(|last| u64::from(last) >= view.segment.rows) {
                return Err(Error::Invalid {
                    reason: format!("deleted row is not in the segment: table={id} segment={segment}"),
                });
            }
            segments.set_deletions(*segment, Arc::new(rows.clone()), version);
        }
        _ => {}
    }
    Ok(())
}
