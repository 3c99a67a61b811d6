//! A change as plain data: edits plus the preconditions under which they may be applied. Ids and clock readings are
//! inside it, so applying it is deterministic and the same bytes can later be an entry of a replicated log.

use crate::model::*;
use bytes::Bytes;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

/// What one commit is to do: everything or nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    pub preconditions: Vec<Precondition>,
    pub edits: Vec<Edit>,
    /// Wall clock at which the change was made; recorded in every table's history it touches.
    pub at: Timestamp,
}

/// What must still hold when the commit is applied; checked by the committer, one commit after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Precondition {
    /// No live database has this name.
    DatabaseNameFree { name: String },
    /// No live table of the database has this name.
    TableNameFree { database: DatabaseId, name: String },
    /// The database exists and is not dropped.
    DatabaseLive { database: DatabaseId },
    /// The table exists, is not dropped, and still has this schema version.
    TableSchema { table: TableId, schema_version: u64 },
    /// The table exists and is not dropped. Columns may have been added since, none dropped or retyped
    /// (`breaking_version` ≤ the schema version the rows were written with).
    TableAppendable { table: TableId, schema_version: u64 },
    /// No row of the table was added, deleted or changed after `since` (merging segments is no change).
    TableUnchanged { table: TableId, since: Version },
    /// These segments are live, and none got a deletion vector after `since`.
    SegmentsUnchanged { table: TableId, segments: Vec<SegmentId>, since: Version },
    /// No finished load has this label.
    LabelAbsent { label: Label },
    /// No entity of this kind has this name.
    EntityAbsent { kind: EntityKind, name: String },
    /// The entity is there and was not written after `since`.
    EntityUnchanged { kind: EntityKind, name: String, since: Version },
}

/// One edit. Order within a [`Changes`] matters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Edit {
    CreateDatabase(Database),
    /// Drops the database and all its live tables.
    DropDatabase {
        database: DatabaseId,
    },
    UndropDatabase {
        database: DatabaseId,
    },
    CreateTable(Table),
    /// Replaces the record (ALTER, RENAME). `schema_version` must be the old one plus one. `breaking` says that
    /// rows written with an older schema version can no longer be appended (a column dropped or retyped).
    AlterTable {
        table: Table,
        breaking: bool,
    },
    DropTable {
        table: TableId,
    },
    UndropTable {
        table: TableId,
    },
    AddSegments {
        table: TableId,
        operation: Operation,
        segments: Vec<(Segment, SegmentDetail)>,
        inline: Vec<InlineRows>,
    },
    RemoveSegments {
        table: TableId,
        operation: Operation,
        segments: Vec<SegmentId>,
    },
    /// Replaces the segment's deletion vector; must contain the earlier one.
    SetDeletions {
        table: TableId,
        operation: Operation,
        segment: SegmentId,
        #[serde(with = "bitmap_bytes")]
        rows: RoaringBitmap,
    },
    FinishLabel(LabelRecord),
    PutSetting {
        name: String,
        value: String,
    },
    DeleteSetting {
        name: String,
    },
    /// Creates an entity, or replaces the one of its kind and name.
    PutEntity(Entity),
    DeleteEntity {
        kind: EntityKind,
        name: String,
    },
    /// Forgets dropped tables for good (retention ended); their segments go to the garbage queue.
    PurgeTables {
        tables: Vec<TableId>,
    },
    /// Forgets removed segments whose bytes are gone; time travel of the table below `floor` ends.
    ForgetSegments {
        table: TableId,
        segments: Vec<SegmentId>,
        floor: Version,
    },
    /// Forgets labels finished before a point in time.
    ForgetLabels {
        labels: Vec<Label>,
    },
}

/// The bytes of an inline segment: one Arrow IPC stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InlineRows {
    pub segment: SegmentId,
    #[serde(with = "ipc_bytes")]
    pub ipc: Bytes,
}

/// What a commit returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The change's number; a snapshot at this version or later sees it.
    pub version: Version,
}

mod bitmap_bytes {
    use roaring::RoaringBitmap;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _, ser::Error as _};

    pub fn serialize<S: Serializer>(rows: &RoaringBitmap, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(rows.serialized_size());
        rows.serialize_into(&mut bytes).map_err(S::Error::custom)?;
        serializer.serialize_bytes(&bytes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RoaringBitmap, D::Error> {
        let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?;
        RoaringBitmap::deserialize_from(&bytes[..]).map_err(D::Error::custom)
    }
}

mod ipc_bytes {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(ipc: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(ipc)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        Ok(serde_bytes::ByteBuf::deserialize(deserializer)?.into_vec().into())
    }
}
