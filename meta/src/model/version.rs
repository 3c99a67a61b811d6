//! A table's history: one record per commit that touched it.

use super::{TableId, Timestamp, Version};
use serde::{Deserialize, Serialize};

/// What a commit did to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    Create,
    Append,
    Delete,
    Update,
    Merge,
    Truncate,
    Overwrite,
    Alter,
    /// Inline segments folded into Parquet; no row changed.
    Fold,
    /// Segments merged; no row changed.
    Compact,
    Drop,
    Undrop,
}

/// One step of a table's history (time travel, `system.snapshots`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableVersion {
    pub table: TableId,
    pub version: Version,
    pub operation: Operation,
    pub at: Timestamp,
    pub rows: u64,
    pub segments: u64,
    pub bytes: u64,
    pub schema_version: u64,
}
