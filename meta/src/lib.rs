//! What exists: databases, tables, segments, versions, labels, settings, named entities, and the one door through which they change.
//!
//! [`Catalog::commit`] is the commit point of the whole server: a change exists when, and only when, one RocksDB
//! write batch with a synced log has returned. Readers take a [`Snapshot`]: an immutable view of all tables at one
//! [`Version`], cheap to clone, holding no lock. Bytes of segments are not kept here (that is `storage`), with one
//! exception: small loads travel inside the commit itself as *inline* segments.
//!
//! The key layout is written in `keys.rs`, the value encoding in `record.rs`, the options of RocksDB in `rocks.rs`.

mod apply;
mod catalog;
mod changes;
mod clock;
mod committer;
mod core;
mod crash;
mod edits;
mod error;
mod floor;
mod history;
mod ids;
mod keys;
mod lock;
mod metrics;
mod model;
mod pins;
mod preconditions;
mod record;
mod recover;
mod rocks;
mod segments;
mod snapshot;
mod state;

pub use catalog::{Catalog, CatalogSettings};
pub use changes::{Changes, Committed, Edit, InlineRows, Precondition};
pub use clock::{Clock, ManualClock, SystemClock};
pub use crash::{CRASH_POINT_VARIABLE, crash_point};
pub use error::Error;
pub use model::*;
pub use snapshot::{Snapshot, TableSnapshot};
pub use state::{SegmentChunk, SegmentView};

/// Result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
