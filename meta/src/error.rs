//! What can go wrong in the catalogue.

use crate::model::*;
use thiserror::Error;

/// Failures of the catalogue, one variant per situation.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    #[error("another process uses this data directory: dir=`{dir}`")]
    Locked { dir: String },
    #[error("the data directory was written by a newer release: format={found} supported={supported}")]
    NewerFormat { found: u32, supported: u32 },
    #[error("the catalogue lost acknowledged commits: found={found} expected at least {expected}")]
    CommitsMissing { found: Version, expected: Version },
    #[error("the data directory is on a network file system, whose locks and syncs cannot be trusted: dir=`{dir}`")]
    NetworkFileSystem { dir: String },
    #[error("record is damaged: kind={kind} key=`{key}`")]
    Damaged { kind: &'static str, key: String },
    #[error("database exists already: name=`{name}`")]
    DatabaseExists { name: String },
    #[error("table exists already: name=`{name}`")]
    TableExists { name: String },
    #[error("{kind} exists already: name=`{name}`")]
    EntityExists { kind: EntityKind, name: String },
    #[error("{kind} does not exist: name=`{name}`")]
    NoEntity { kind: EntityKind, name: String },
    /// Another commit wrote or removed it; recompute on a new snapshot, or give up.
    #[error("write conflict on {kind} `{name}`: another commit changed it")]
    EntityChanged { kind: EntityKind, name: String },
    #[error("database does not exist: id={id}")]
    NoDatabase { id: DatabaseId },
    #[error("table does not exist or was dropped: id={id}")]
    NoTable { id: TableId },
    #[error("segment has no such record: table={table} segment={segment}")]
    NoSegment { table: TableId, segment: SegmentId },
    /// Something the change relied on was changed by another commit; recompute on a new snapshot, or give up.
    #[error("write conflict on table `{table}`: {reason}")]
    Conflict { table: String, reason: &'static str },
    #[error("label was used already: label=`{name}`", name = record.label.name)]
    LabelUsed { record: Box<LabelRecord> },
    #[error("version is older than this table's retained history: version={version} oldest={oldest}")]
    HistoryGone { version: Version, oldest: Version },
    #[error("table did not exist at that version: version={version} created={created}")]
    NotYet { version: Version, created: Version },
    #[error("change is not applicable: {reason}")]
    Invalid { reason: String },
    #[error("the catalogue is shutting down")]
    Closed,
    #[error("rocksdb: {0}")]
    Rocks(#[from] rocksdb::Error),
    #[error("input/output on the data directory")]
    Io(#[from] std::io::Error),
}
