//! What privileges are granted on, and the key under which a grant remembers it. Databases and tables are remembered by
//! id, so that a rename keeps what was granted and a namesake inherits nothing; everything else by name.

use crate::plan::ResolvedTable;
use basalt_meta::{Database, DatabaseId, EntityKind, TableId};
use std::fmt;

/// One thing that privileges are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Object {
    /// `*.*`: the server and everything in it.
    Global,
    /// `db.*`
    Database { id: DatabaseId, name: String },
    /// A table or view.
    Table { database: DatabaseId, database_name: String, id: TableId, name: String },
    /// A stage, function, sequence…
    Entity { kind: EntityKind, name: String },
}

/// Which privileges an object knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    Global,
    Database,
    Table,
    Stage,
    /// What USAGE is granted on.
    Usable,
    Policy,
    /// Owned at most.
    Ungrantable,
}

impl Object {
    pub fn database(database: &Database) -> Self {
        Object::Database { id: database.id, name: database.name.clone() }
    }

    pub fn table(table: &ResolvedTable) -> Self {
        Self::table_of(&table.database, table.table.table())
    }

    pub fn table_of(database: &Database, table: &basalt_meta::Table) -> Self {
        Object::Table {
            database: database.id,
            database_name: database.name.clone(),
            id: table.id,
            name: table.name.clone(),
        }
    }

    pub fn entity(kind: EntityKind, name: impl Into<String>) -> Self {
        Object::Entity { kind, name: name.into() }
    }

    pub fn kind(&self) -> ObjectKind {
        match self {
            Object::Global => ObjectKind::Global,
            Object::Database { .. } => ObjectKind::Database,
            Object::Table { .. } => ObjectKind::Table,
            Object::Entity { kind, .. } => match kind {
                EntityKind::Stage => ObjectKind::Stage,
                EntityKind::Function | EntityKind::Sequence | EntityKind::Procedure | EntityKind::Connection => {
                    ObjectKind::Usable
                }
                EntityKind::MaskingPolicy | EntityKind::RowAccessPolicy => ObjectKind::Policy,
                _ => ObjectKind::Ungrantable,
            },
        }
    }

    /// Under what grants and ownership remember it.
    pub fn key(&self) -> String {
        match self {
            Object::Global => "*".into(),
            Object::Database { id, .. } => database_key(*id),
            Object::Table { database, id, .. } => table_key(*database, *id),
            Object::Entity { kind, name } => entity_key(*kind, name),
        }
    }
}

pub(crate) fn database_key(id: DatabaseId) -> String {
    format!("database/{}", id.0)
}

pub(crate) fn table_key(database: DatabaseId, table: TableId) -> String {
    format!("{}{}", tables_prefix(database), table.0)
}

/// What the keys of a database's tables begin with.
pub(crate) fn tables_prefix(database: DatabaseId) -> String {
    format!("table/{}/", database.0)
}

pub(crate) fn entity_key(kind: EntityKind, name: &str) -> String {
    format!("{}/{name}", kind.noun())
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Global => f.write_str("*.*"),
            Object::Database { name, .. } => write!(f, "'default'.'{name}'.*"),
            Object::Table { database_name, name, .. } => write!(f, "'default'.'{database_name}'.'{name}'"),
            Object::Entity { kind: EntityKind::Function, name } => write!(f, "UDF {name}"),
            Object::Entity { kind, name } => write!(f, "{} {name}", kind.noun().to_uppercase()),
        }
    }
}
