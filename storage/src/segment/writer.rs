//! Rows in, durable segments out: buffered per partition, sorted, encoded in parallel, within a memory bound.

use crate::Result;
use arrow::record_batch::RecordBatch;
use basalt_meta::{Edit, InlineRows, Operation, Segment, SegmentDetail, TableId};

/// Takes rows of one table and writes them as segments. Dropping it without [`TableWriter::finish`] removes what was
/// written. Memory is bounded by `StorageSettings::write_buffer_bytes`, shared with all other writers: `write` waits.
#[derive(Debug)]
pub struct TableWriter {}

impl TableWriter {
    /// Adds rows of one partition (`None` where the table has none). `batch` has the schema of
    /// [`crate::table_schema`]. Rows keep their order within equal sort keys.
    pub async fn write(&mut self, _partition: Option<&str>, _batch: RecordBatch) -> Result<()> {
        todo!()
    }

    /// Sorts and encodes the rest, makes everything durable (files and directories synced, or the store's PUT done).
    pub async fn finish(self) -> Result<Written> {
        todo!()
    }
}

/// Durable, unpublished segments. If the commit that was to publish them does not happen, call
/// [`Written::discard`]; after a crash they are orphans that garbage collection removes.
#[derive(Debug, Default)]
pub struct Written {
    pub segments: Vec<(Segment, SegmentDetail)>,
    pub inline: Vec<InlineRows>,
    pub rows: u64,
    pub bytes: u64,
}

impl Written {
    /// The edit that publishes these segments; `None` when there are no rows.
    pub fn edit(&self, table: TableId, operation: Operation) -> Option<Edit> {
        (!self.segments.is_empty()).then(|| Edit::AddSegments {
            table,
            operation,
            segments: self.segments.clone(),
            inline: self.inline.clone(),
        })
    }
}
