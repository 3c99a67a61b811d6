//! The databases `system` and `information_schema`: tables made from what is there when they are asked, limited to
//! what the user may see.

mod access;
mod activity;
mod catalog;
mod fuse;
mod information;
mod objects;
mod rows;
mod stages;
mod storage;

use crate::{
    Error, Result,
    parts::Parts,
    plan::{StatementContext, explain},
};
use basalt_meta::{Changes, Database, DatabaseId, Edit, Error as MetaError, Precondition, Timestamp};
pub(crate) use catalog::type_text;
use datafusion::{catalog::TableProvider, datasource::MemTable};
pub(crate) use objects::sequence_rows;
use rows::Rows;
use std::sync::{Arc, LazyLock};

/// Name of the database every session starts in; made on the first start.
const DEFAULT_DATABASE: &str = "default";

pub(crate) use fuse::{NAMES as TABLE_FUNCTIONS, function as table_function};

pub(crate) const SYSTEM: &str = "system";
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

type Make = fn(&StatementContext) -> Result<Rows>;

/// Every table: database, name, and what makes its rows.
const TABLES: &[(&str, &str, Make)] = &[
    (SYSTEM, "catalogs", objects::catalogs),
    (SYSTEM, "columns", catalog::columns),
    (SYSTEM, "connections", stages::connections),
    (SYSTEM, "databases", catalog::databases),
    (SYSTEM, "databases_dropped", catalog::databases_dropped),
    (SYSTEM, "databases_with_history", catalog::databases_with_history),
    (SYSTEM, "engines", objects::engines),
    (SYSTEM, "file_formats", stages::file_formats),
    (SYSTEM, "functions", activity::functions),
    (SYSTEM, "indexes", objects::indexes),
    (SYSTEM, "locks", objects::locks),
    (SYSTEM, "metrics", activity::metrics),
    (SYSTEM, "one", activity::one),
    (SYSTEM, "procedures", objects::procedures),
    (SYSTEM, "processes", activity::processes),
    (SYSTEM, "network_policies", access::network_policies),
    (SYSTEM, "password_policies", access::password_policies),
    (SYSTEM, "queries", activity::queries),
    (SYSTEM, "roles", access::roles),
    (SYSTEM, "segments", storage::segments),
    (SYSTEM, "sequences", objects::sequences),
    (SYSTEM, "session_variables", activity::session_variables),
    (SYSTEM, "settings", activity::settings),
    (SYSTEM, "snapshots", storage::snapshots),
    (SYSTEM, "stages", stages::stages),
    (SYSTEM, "table_functions", objects::table_functions),
    (SYSTEM, "tables", catalog::tables),
    (SYSTEM, "tables_with_history", catalog::tables_with_history),
    (SYSTEM, "tasks", activity::tasks),
    (SYSTEM, "temporary_tables", catalog::temporary_tables),
    (SYSTEM, "user_functions", objects::user_functions),
    (SYSTEM, "users", access::users),
    (SYSTEM, "views", catalog::views),
    (INFORMATION_SCHEMA, "character_sets", information::character_sets),
    (INFORMATION_SCHEMA, "columns", information::columns),
    (INFORMATION_SCHEMA, "keywords", information::keywords),
    (INFORMATION_SCHEMA, "key_column_usage", information::key_column_usage),
    (INFORMATION_SCHEMA, "referential_constraints", information::referential_constraints),
    (INFORMATION_SCHEMA, "schemata", information::schemata),
    (INFORMATION_SCHEMA, "statistics", information::statistics),
    (INFORMATION_SCHEMA, "tables", information::tables),
    (INFORMATION_SCHEMA, "views", information::views),
];

/// Whether a database is one of ours.
pub(crate) fn is_system(database: &str) -> bool {
    database.eq_ignore_ascii_case(SYSTEM) || database.eq_ignore_ascii_case(INFORMATION_SCHEMA)
}

/// Names of the tables of a system database.
#[cfg(test)]
pub(crate) fn table_names(database: &str) -> impl Iterator<Item = &'static str> {
    let database = database.to_ascii_lowercase();
    TABLES.iter().filter(move |(db, _, _)| *db == database).map(|(_, name, _)| *name)
}

/// The rows of a system table; `None` when `database` is an ordinary one.
pub(crate) fn provider(
    context: &StatementContext,
    database: &str,
    name: &str,
) -> Result<Option<Arc<dyn TableProvider>>> {
    if !is_system(database) {
        return Ok(None);
    }
    let wanted =
        |(db, table, _): &&(&str, &str, Make)| db.eq_ignore_ascii_case(database) && table.eq_ignore_ascii_case(name);
    let Some((_, _, make)) = TABLES.iter().find(wanted) else {
        return Err(Error::UnknownTable { database: database.to_owned(), name: name.to_owned() });
    };
    let batch = make(context)?.batch()?;
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).map_err(explain)?;
    Ok(Some(Arc::new(table)))
}

/// The record of a system database, so that it can be used like any other.
pub(crate) fn database(name: &str) -> Option<Arc<Database>> {
    static RECORDS: LazyLock<[Arc<Database>; 2]> = LazyLock::new(|| {
        let record = |id, name: &str| {
            let comment = "made by the server".to_owned();
            let name = name.to_owned();
            Arc::new(Database { id: DatabaseId(id), name, comment, created_at: Timestamp(0), dropped: None })
        };
        [record(u64::MAX, SYSTEM), record(u64::MAX - 1, INFORMATION_SCHEMA)]
    });
    RECORDS.iter().find(|d| d.name.eq_ignore_ascii_case(name)).cloned()
}

/// Makes the database `default` when the data directory is new.
pub(crate) async fn create_default_database(parts: &Parts) -> Result<()> {
    let snapshot = parts.catalog.snapshot();
    let known = |d: &Arc<Database>| d.name == DEFAULT_DATABASE;
    if snapshot.database(DEFAULT_DATABASE).is_some() || snapshot.dropped_databases().iter().any(known) {
        return Ok(());
    }
    let now = parts.catalog.clock().now();
    let database = Database {
        id: DatabaseId(parts.catalog.next_id()),
        name: DEFAULT_DATABASE.to_owned(),
        comment: String::new(),
        created_at: now,
        dropped: None,
    };
    let changes = Changes {
        preconditions: vec![Precondition::DatabaseNameFree { name: DEFAULT_DATABASE.to_owned() }],
        edits: vec![Edit::CreateDatabase(database)],
        at: now,
    };
    match parts.catalog.commit(changes).await {
        Ok(_) | Err(MetaError::DatabaseExists { .. }) => Ok(()),
        Err(error) => Err(Error::internal("cannot create the default database", error)),
    }
}
