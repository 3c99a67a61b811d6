//! The last hops of every row that is written, whoever brings it (load, INSERT, UPDATE, MERGE): partition, write,
//! find older rows of the same key, publish in one commit.

use crate::{Result, parts::Parts, plan::StatementContext};
use arrow::record_batch::RecordBatch;
use basalt_meta::{Edit, Operation, Precondition, TableId, TableSnapshot, Version};
use basalt_storage::Written;
use std::sync::Arc;

/// Writers of one unique-key table wait for each other here; everything else runs side by side.
#[derive(Debug, Default)]
pub(crate) struct TableLocks {}

/// Takes rows in the table's schema (`basalt_storage::table_schema`: physical names, exact types) and makes them
/// durable, unpublished segments.
#[derive(Debug)]
pub(crate) struct TableSink {}

impl TableSink {
    /// `operation` names the commit in the table's history. Inside a transaction no inline segments are made.
    pub fn open(_context: &StatementContext, _table: TableSnapshot, _operation: Operation) -> Result<Self> {
        todo!()
    }

    /// NOT NULL is checked here, for every writer.
    pub async fn write(&mut self, _batch: RecordBatch) -> Result<()> {
        todo!()
    }

    pub async fn finish(self) -> Result<Staged> {
        todo!()
    }
}

/// Durable rows that no one sees yet, and what must hold when they are published.
#[derive(Debug)]
pub(crate) struct Staged {
    pub table: TableSnapshot,
    pub operation: Operation,
    pub written: Written,
    /// Edits besides adding `written`: deletion vectors, removed segments.
    pub edits: Vec<Edit>,
    pub preconditions: Vec<Precondition>,
}

/// Publishes staged rows of any number of tables, plus `extra` edits (a label), in one commit. Rows of unique-key
/// tables get the deletion vectors of the older rows of their keys, recomputed on the newest snapshot when another
/// commit came between. `Error::Conflict` when rows this statement deletes were changed by another commit.
pub(crate) async fn publish(
    _parts: &Arc<Parts>,
    _staged: Vec<Staged>,
    _extra: Vec<Edit>,
    _preconditions: Vec<Precondition>,
) -> Result<Version> {
    todo!()
}

/// Deletion vectors for rows of `table` that `written` replaces by key (unique-key tables).
pub(crate) async fn replaced_rows(_parts: &Arc<Parts>, _table: &TableSnapshot, _written: &Written) -> Result<Vec<Edit>> {
    todo!()
}

/// Table id of a staged write.
impl Staged {
    pub fn table_id(&self) -> TableId {
        self.table.table().id
    }
}
