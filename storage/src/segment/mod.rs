//! Segments: how rows become Parquet (or inline Arrow IPC) and how they are read back.

mod reader;
mod schema;
mod stats;
mod writer;

pub use reader::{RowPositions, SegmentReader};
pub use schema::table_schema;
pub use writer::{TableWriter, Written};
