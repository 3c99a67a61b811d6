//! Rows from files and files from rows: COPY both ways, streams of rows loaded by a statement, stage attachments.

mod streaming;

pub(crate) use streaming::streaming_load;
pub use streaming::{StreamingLoad, StreamingLoaded};
