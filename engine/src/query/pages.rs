//! The bounded page buffer between a running plan and a client that may be slow.

use arrow::record_batch::RecordBatch;

/// A slice of a result.
#[derive(Debug, Clone)]
pub struct ResultPage {
    /// 0-based.
    pub number: u64,
    /// Rows in order; every batch has the result's schema.
    pub batches: Vec<RecordBatch>,
    pub rows: usize,
    /// Whether another page may follow; false once the end is known.
    pub more: bool,
}
