//! What can go wrong with bytes.

use thiserror::Error;

/// Failures of storage, one variant per situation.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    #[error("segment is damaged: path=`{path}` {reason}")]
    Damaged { path: String, reason: String },
    #[error("segment is missing: path=`{path}`")]
    Missing { path: String },
    #[error("no space left for segments")]
    NoSpace,
    /// Rows that were given to a writer do not have the table's schema.
    #[error("rows do not fit the table: {reason}")]
    Schema { reason: String },
    #[error("column type cannot be stored: column=`{column}` type=`{data_type}`")]
    UnsupportedType { column: String, data_type: String },
    /// A merge that would lose or double rows; nothing was published.
    #[error("merge went wrong: expected_rows={expected} found_rows={found}")]
    RowsLost { expected: u64, found: u64 },
    #[error("storage location is not usable: location=`{location}` {reason}")]
    Location { location: String, reason: String },
    #[error("catalogue")]
    Meta(#[from] basalt_meta::Error),
    #[error("parquet")]
    Parquet(#[from] parquet::errors::ParquetError),
    #[error("arrow")]
    Arrow(#[from] arrow::error::ArrowError),
    #[error("object store")]
    Store(#[from] object_store::Error),
    #[error("input/output")]
    Io(#[from] std::io::Error),
    #[error("background work was cancelled")]
    Cancelled,
}
