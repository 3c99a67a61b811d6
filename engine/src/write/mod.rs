//! The last hops of every row that is written, whoever brings it (load, INSERT, UPDATE, MERGE): partition, write,
//! find older rows of the same key, publish in one commit.
//!
//! Bytes first, then metadata: a [`TableSink`] makes rows durable without showing them, [`publish()`] shows them in one
//! commit, or discards them. How rows are decoded is `load`'s and `statement`'s business, how they are encoded is
//! `storage`'s.

mod keys;
mod locks;
mod partition;
mod publish;
mod replaced;
mod rules;
mod sink;

pub(crate) use locks::TableLocks;
pub(crate) use publish::{Published, publish, publish_labelled};
pub(crate) use replaced::replaced_rows;
pub(crate) use rules::RowRules;
pub(crate) use sink::TableSink;

use crate::parts::Parts;
use basalt_meta::{Edit, KeyModel, Location, Operation, Precondition, Segment, TableId, TableSnapshot};
use basalt_storage::Written;

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

impl Staged {
    /// The table the rows are for.
    pub fn table_id(&self) -> TableId {
        self.table.table().id
    }

    /// Whether rows of equal key replace each other in this table.
    pub fn is_unique(&self) -> bool {
        matches!(self.table.table().key_model, KeyModel::Unique { .. })
    }
}

/// Removes rows that will not be published. A failure leaves orphans that garbage collection removes later.
pub(crate) async fn discard(parts: &Parts, written: impl IntoIterator<Item = Written>) {
    let segments: Vec<Segment> = written
        .into_iter()
        .flat_map(|w| w.segments)
        .map(|(segment, _)| segment)
        .filter(|s| matches!(s.location, Location::Object(_)))
        .collect();
    if segments.is_empty() {
        return;
    }
    if let Err(error) = parts.storage.remove(&segments).await {
        tracing::warn!(%error, segments = segments.len(), "unpublished segments were not removed");
    }
}
