//! The nouns. Plain data, persisted through `record.rs`, never serialised to a client.

mod entity;
mod id;
mod label;
mod segment;
mod table;
mod version;

pub use entity::{Entity, EntityKind};
pub use id::{ColumnId, DatabaseId, SegmentId, TableId, Timestamp, Version};
pub use label::{Label, LabelRecord, LabelState};
pub use segment::{ColumnStats, DeletionVector, Location, Segment, SegmentDetail, StatValue};
pub use table::{Check, Column, Computed, Database, Dropped, KeyModel, Table, TableEngine, TableKind};
pub use version::{Operation, TableVersion};
