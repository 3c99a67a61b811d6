//! Segments: how rows become Parquet (or inline Arrow IPC) and how they are read back.

pub(crate) mod budget;
mod checksum;
mod encode;
mod inline;
mod interval;
mod layout;
mod reader;
pub(crate) mod run;
mod scan;
mod schema;
pub(crate) mod size;
pub(crate) mod stats;
mod writer;

pub(crate) use inline::decode_inline;
pub(crate) use scan::scan_rows;

pub use interval::{file_type, from_file, is_changed_in_files};
pub use reader::{RowPositions, SegmentReader};
pub use schema::{is_storable, table_schema};
pub use writer::{TableWriter, Written};
