//! Labels: the idempotency key of a load, per database.

use super::{DatabaseId, Timestamp, Version};
use serde::{Deserialize, Serialize};

/// A label within its database.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Label {
    pub database: DatabaseId,
    pub name: String,
}

/// What the catalogue remembers of a labelled load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelRecord {
    pub label: Label,
    pub state: LabelState,
    /// Number of the load, shown to clients as transaction id.
    pub load_id: u64,
    pub finished_at: Timestamp,
    /// The commit that published it; stamped by the commit.
    pub version: Version,
}

/// Only finished labels are persisted: a running label lives in the memory of the process that runs it, and a
/// failed one is free again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum LabelState {
    /// `report` is the answer the first caller got, serialised by the engine.
    Finished { report: String },
}
