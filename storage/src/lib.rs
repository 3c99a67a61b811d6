//! Where the bytes lie: segments as Parquet objects on a local directory or an object store, their caches, merging
//! of segments, and garbage.
//!
//! The order that keeps data safe: bytes first (written under a fresh, server-made name and made durable), then one
//! commit in `meta` publishes them. Deleting runs backwards. Nothing here knows SQL or any protocol, and nothing here
//! decides *when* to merge or collect: that is the engine's.

mod cache;
mod compact;
mod error;
mod files;
mod gc;
mod metrics;
mod paths;
mod segment;
mod settings;
mod storage;
mod store;
#[cfg(test)]
mod testing;

pub use compact::{CompactionPolicy, CompactionSpec, propose};
pub use error::Error;
pub use files::{FileStore, FileWriter, RemoteFile};
pub use gc::{Collected, OrphanScan};
pub use segment::{
    RowPositions, SegmentReader, TableWriter, Written, file_type, from_file, is_changed_in_files, is_storable,
    table_schema,
};
pub use settings::{Compression, StorageSettings};
pub use storage::{Inline, Storage};

/// The object store interface, for the one place of the engine that must hand a store to its query library.
pub use object_store::ObjectStore;

/// Result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
