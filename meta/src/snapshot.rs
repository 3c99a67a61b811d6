//! An immutable view of everything at one version.

use crate::{Result, SegmentChunk, SegmentView, model::*};
use std::sync::Arc;

/// All tables at one version. Cheap to clone; holding one keeps what it sees from being collected.
#[derive(Debug, Clone)]
pub struct Snapshot {}

impl Snapshot {
    pub fn version(&self) -> Version {
        todo!()
    }

    /// Live databases in name order.
    pub fn databases(&self) -> Vec<Arc<Database>> {
        todo!()
    }

    /// The live database of this name (exact match).
    pub fn database(&self, _name: &str) -> Option<Arc<Database>> {
        todo!()
    }

    pub fn database_by_id(&self, _id: DatabaseId) -> Option<Arc<Database>> {
        todo!()
    }

    /// Live tables and views of a database in name order.
    pub fn tables(&self, _database: DatabaseId) -> Vec<TableSnapshot> {
        todo!()
    }

    pub fn table(&self, _database: DatabaseId, _name: &str) -> Option<TableSnapshot> {
        todo!()
    }

    pub fn table_by_id(&self, _id: TableId) -> Option<TableSnapshot> {
        todo!()
    }

    /// Dropped databases and tables that can still be recovered, newest drop first.
    pub fn dropped_databases(&self) -> Vec<Arc<Database>> {
        todo!()
    }

    pub fn dropped_tables(&self, _database: DatabaseId) -> Vec<Arc<Table>> {
        todo!()
    }

    /// Global settings that were changed, in name order.
    pub fn settings(&self) -> Vec<(String, String)> {
        todo!()
    }
}

/// One table at one version.
#[derive(Debug, Clone)]
pub struct TableSnapshot {}

impl TableSnapshot {
    pub fn table(&self) -> &Arc<Table> {
        todo!()
    }

    pub fn version(&self) -> Version {
        todo!()
    }

    /// The version of the last commit that changed rows (appends and deletes; not merging).
    pub fn changed_at(&self) -> Version {
        todo!()
    }

    /// Rows that exist, deletions subtracted.
    pub fn rows(&self) -> u64 {
        todo!()
    }

    /// Encoded bytes.
    pub fn bytes(&self) -> u64 {
        todo!()
    }

    /// Number of segments.
    pub fn segments(&self) -> usize {
        todo!()
    }

    /// The segments in groups of about a thousand. A group that a commit did not touch is the same `Arc` before and
    /// after, so what planning derives from it can be cached by [`SegmentChunk::id`].
    pub fn chunks(&self) -> &[Arc<SegmentChunk>] {
        todo!()
    }

    /// All segments with their deletions, chunk after chunk.
    pub fn iter(&self) -> impl Iterator<Item = &SegmentView> {
        std::iter::empty()
    }

    /// The same table at an older version: its columns, segments and deletions as they were then. Fails with
    /// `Error::HistoryGone` when retention has passed it, `Error::NotYet` when the table did not exist.
    pub fn at(&self, _version: Version) -> Result<TableSnapshot> {
        todo!()
    }

    /// This table with uncommitted edits on top (segments added and removed, deletion vectors set), as a transaction
    /// reads its own writes. Edits of other tables are ignored.
    pub fn overlay(&self, _edits: &[crate::Edit]) -> Result<TableSnapshot> {
        todo!()
    }
}
