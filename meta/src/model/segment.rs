//! Segments: immutable sorted runs of rows, what is known of them, and which of their rows are deleted.

use super::{ColumnId, SegmentId, Version};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An immutable sorted run of rows of one partition of one table.
///
/// Visible at version `v` when `added_at <= v` and (`removed_at` is none or `v < removed_at`). `storage` makes the
/// record with `added_at` = 0; the commit stamps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    pub id: SegmentId,
    pub location: Location,
    /// Value of the partition expression as text; `None` where the table has none.
    pub partition: Option<String>,
    /// How often these rows were merged: 0 = as loaded.
    pub level: u32,
    pub rows: u64,
    /// Encoded size: of the file, or of the inline Arrow IPC bytes.
    pub bytes: u64,
    /// Size of the rows in memory as Arrow, for planning.
    pub memory_bytes: u64,
    /// XXH3-128 of all encoded bytes.
    pub checksum: u128,
    /// Schema version of the table these rows were written with.
    pub schema_version: u64,
    /// Columns the rows are ordered by (a prefix of, or equal to, the table's sort key when they were written).
    pub sorted_by: Vec<ColumnId>,
    pub stats: Vec<ColumnStats>,
    pub added_at: Version,
    pub removed_at: Option<Version>,
}

/// Where a segment's bytes lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Location {
    /// Path of a Parquet object below the data root of the store. Server-made.
    Object(String),
    /// Arrow IPC stream kept in the catalogue itself (`Catalog::inline_rows`).
    Inline,
}

/// What is known of one column of a segment. Bounds are inclusive; a truncated string or binary bound is still a
/// bound (`max` rounded up), and then `exact` is false.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnStats {
    pub column: ColumnId,
    pub min: Option<StatValue>,
    pub max: Option<StatValue>,
    pub nulls: u64,
    /// Distinct values, estimated; none = unknown.
    pub distinct: Option<u64>,
    pub exact: bool,
}

/// A bound, in the storage width of the column's type: dates and times as their integer, decimals unscaled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum StatValue {
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    Decimal128(i128),
    /// Little-endian two's complement.
    Decimal256([u8; 32]),
    Utf8(String),
    Binary(Vec<u8>),
}

/// The part of a segment's record that planning does not need and that is therefore not kept in memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct SegmentDetail {
    /// CRC32C of each block of `block_bytes` bytes of the file, the last one shorter.
    pub block_crcs: Vec<u32>,
    pub block_bytes: u32,
}

/// Rows of a segment that no longer exist: row positions, valid from `added_at` until the next vector of the same
/// segment. Each vector contains all earlier ones.
#[derive(Debug, Clone, PartialEq)]
pub struct DeletionVector {
    pub segment: SegmentId,
    pub rows: Arc<RoaringBitmap>,
    pub added_at: Version,
}
