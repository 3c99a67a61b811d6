//! Databases, tables, their columns and key models.

use super::{ColumnId, DatabaseId, TableId, Timestamp, Version};
use arrow_schema::DataType;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A namespace of tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Database {
    pub id: DatabaseId,
    pub name: String,
    pub comment: String,
    pub created_at: Timestamp,
    pub dropped: Option<Dropped>,
}

/// When something was dropped. It stays recoverable (UNDROP) until retention ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Dropped {
    pub at: Timestamp,
    pub version: Version,
}

/// What kind of relation a [`Table`] record describes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TableKind {
    Table,
    /// A stored query, kept as the text the user wrote, with the database its unqualified names resolve in.
    View {
        query: String,
        database: String,
    },
}

/// How rows of equal key are treated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum KeyModel {
    /// Keep every row.
    Duplicate,
    /// One row per key: the last write wins.
    Unique { key: Vec<ColumnId> },
}

/// One column. `name` is what users say; `physical_name` is the field's name inside segments and never changes,
/// so a rename touches metadata only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub id: ColumnId,
    pub name: String,
    pub physical_name: String,
    pub data_type: DataType,
    pub nullable: bool,
    /// SQL text of the default expression.
    pub default: Option<String>,
    pub comment: String,
    /// Set for a column whose value follows from the others of its row.
    #[serde(default)]
    pub computed: Option<Computed>,
    /// Name of the sequence that numbers the rows, for a column declared AUTOINCREMENT.
    #[serde(default)]
    pub identity: Option<String>,
}

/// The formula of a computed column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Computed {
    /// SQL text over other columns of the table.
    pub expression: String,
    /// As declared; either way the value is written with the row.
    pub stored: bool,
}

/// A condition every row must meet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    /// SQL text over columns of the table.
    pub condition: String,
}

/// What a table does with its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TableEngine {
    #[default]
    Fuse,
    /// Kept like the others; the name is what the user asked for.
    Memory,
    /// Takes rows and keeps none.
    Null,
}

/// A table or view as of one schema version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    pub id: TableId,
    pub database: DatabaseId,
    pub name: String,
    pub kind: TableKind,
    pub columns: Vec<Column>,
    /// Highest column id ever given out in this table.
    pub last_column: ColumnId,
    pub key_model: KeyModel,
    /// Rows of a segment are ordered by these columns, ascending, nulls last.
    pub sort_key: Vec<ColumnId>,
    /// SQL text of the expression whose value names a row's partition, e.g. `to_yyyymm(ts)`.
    pub partition_by: Option<String>,
    pub options: BTreeMap<String, String>,
    pub comment: String,
    #[serde(default)]
    pub engine: TableEngine,
    /// Declared TRANSIENT.
    #[serde(default)]
    pub transient: bool,
    /// SQL texts of CLUSTER BY where it holds more than columns; `sort_key` then has the columns they use.
    #[serde(default)]
    pub cluster_by: Vec<String>,
    #[serde(default)]
    pub checks: Vec<Check>,
    /// Grows by one with every ALTER.
    pub schema_version: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub dropped: Option<Dropped>,
}

impl Table {
    /// The column called `name` (exact match).
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// The column with this id.
    pub fn column_by_id(&self, id: ColumnId) -> Option<&Column> {
        self.columns.iter().find(|c| c.id == id)
    }
}
