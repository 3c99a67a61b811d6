//! The in-memory state: everything at one version, immutable, sharing with its predecessor all that did not change.
//!
//! Persistent maps make a new state from an old one in a few steps per change, so the committer builds one per commit
//! and readers keep theirs as long as they like. How a state changes is in `apply.rs`, how it is read from disk in
//! `recover.rs`.

use crate::{
    model::*,
    segments::{Mark, SegmentList, Totals},
};
use roaring::RoaringBitmap;
use rpds::RedBlackTreeMapSync;
use std::sync::Arc;

/// A segment and the rows of it that are deleted, as a snapshot sees them.
#[derive(Debug, Clone)]
pub struct SegmentView {
    pub segment: Arc<Segment>,
    pub deleted: Option<Arc<RoaringBitmap>>,
}

impl SegmentView {
    /// Rows that exist.
    pub fn live_rows(&self) -> u64 {
        self.segment.rows - self.deleted.as_ref().map_or(0, |d| d.len())
    }
}

/// About a thousand segments that planning handles together. Immutable.
#[derive(Debug)]
pub struct SegmentChunk {
    /// Unique within the process; another number means other contents.
    pub id: u64,
    pub segments: Vec<SegmentView>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) totals: Totals,
}

/// Everything at one version, dropped things included.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) version: Version,
    /// Time of the newest commit; never goes back.
    pub(crate) at: Timestamp,
    pub(crate) databases: RedBlackTreeMapSync<DatabaseId, DatabaseState>,
    /// Live databases.
    pub(crate) database_names: RedBlackTreeMapSync<String, DatabaseId>,
    pub(crate) tables: RedBlackTreeMapSync<TableId, Arc<TableState>>,
    pub(crate) settings: RedBlackTreeMapSync<String, String>,
    pub(crate) entities: RedBlackTreeMapSync<(EntityKind, String), Arc<Entity>>,
}

/// A database and the names of its live tables.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseState {
    pub(crate) database: Arc<Database>,
    pub(crate) table_names: RedBlackTreeMapSync<String, TableId>,
}

/// A table at one version.
#[derive(Debug, Clone)]
pub(crate) struct TableState {
    pub(crate) table: Arc<Table>,
    pub(crate) created: Version,
    /// The last commit that changed rows.
    pub(crate) changed_at: Version,
    /// The last commit that changed anything of the table.
    pub(crate) touched_at: Version,
    pub(crate) breaking_version: u64,
    /// The oldest version that time travel reaches.
    pub(crate) floor: Version,
    pub(crate) segments: SegmentList,
}

impl State {
    pub(crate) fn empty() -> Self {
        Self {
            version: Version(0),
            at: Timestamp(i64::MIN),
            databases: RedBlackTreeMapSync::new_sync(),
            database_names: RedBlackTreeMapSync::new_sync(),
            tables: RedBlackTreeMapSync::new_sync(),
            settings: RedBlackTreeMapSync::new_sync(),
            entities: RedBlackTreeMapSync::new_sync(),
        }
    }

    pub(crate) fn entity(&self, kind: EntityKind, name: &str) -> Option<&Arc<Entity>> {
        self.entities.get(&(kind, name.to_owned()))
    }

    /// The database, unless it is dropped or never was.
    pub(crate) fn live_database(&self, id: DatabaseId) -> Option<&DatabaseState> {
        self.databases.get(&id).filter(|state| state.database.dropped.is_none())
    }

    /// The table, unless it is dropped or never was.
    pub(crate) fn live_table(&self, id: TableId) -> Option<&Arc<TableState>> {
        self.tables.get(&id).filter(|state| state.table.dropped.is_none())
    }

    /// Puts a database's record in place and keeps the index of live names in step.
    pub(crate) fn put_database(&mut self, database: Arc<Database>) {
        let table_names = match self.databases.get(&database.id) {
            Some(old) => {
                if old.database.dropped.is_none() {
                    self.database_names.remove_mut(&old.database.name);
                }
                old.table_names.clone()
            }
            None => RedBlackTreeMapSync::new_sync(),
        };
        if database.dropped.is_none() {
            self.database_names.insert_mut(database.name.clone(), database.id);
        }
        self.databases.insert_mut(database.id, DatabaseState { database, table_names });
    }

    /// Puts a table in place and keeps the index of live names in step.
    pub(crate) fn put_table(&mut self, new: TableState) {
        let (id, table) = (new.table.id, Arc::clone(&new.table));
        let old = self.tables.get(&id).map(|old| Arc::clone(&old.table));
        self.tables.insert_mut(id, Arc::new(new));
        if old.as_ref().is_some_and(|old| Arc::ptr_eq(old, &table)) {
            return;
        }
        if let Some(old) = old.filter(|old| old.dropped.is_none()) {
            self.with_names(old.database, |names| {
                names.remove_mut(&old.name);
            });
        }
        if table.dropped.is_none() {
            self.with_names(table.database, |names| names.insert_mut(table.name.clone(), id));
        }
    }

    fn with_names(&mut self, database: DatabaseId, change: impl FnOnce(&mut RedBlackTreeMapSync<String, TableId>)) {
        let mut state = self.databases.get(&database).expect("tables belong to known databases").clone();
        change(&mut state.table_names);
        self.databases.insert_mut(database, state);
    }
}
