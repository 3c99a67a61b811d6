//! Rows from files and files from rows: COPY both ways, queries over files, streams of rows loaded by a statement.

mod compression;
mod fill;
mod format;
mod infer;
mod into_location;
mod into_table;
mod named;
mod options;
mod query;
mod source;
mod streaming;
#[cfg(test)]
mod tests;
mod text;
mod variants;

pub(crate) use fill::FileReport;
pub(crate) use format::FileFormat;
pub(crate) use infer::{files_of, listing};
pub(crate) use into_location::{Unloaded, copy_into_location};
pub(crate) use into_table::{InsertRows, Purge, copy_into_table, insert_files};
pub(crate) use options::check_options;
pub(crate) use query::{Mentions, hide_from_wildcards, relation_name, staged_function, staged_tables};
pub(crate) use source::{place, resolve_connection, resolve_format};
pub use streaming::{StreamingLoad, StreamingLoaded};
pub(crate) use streaming::{fill_from_stream, streaming_load};
