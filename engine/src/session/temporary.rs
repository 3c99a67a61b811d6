//! Temporary tables: tables like any other, in databases whose names nobody can write and only one client session
//! looks into. They end with their session: at logout, after a long silence, and when the server starts anew.

use super::Session;
use crate::{Principal, Result, parts::Parts};
use basalt_meta::{Changes, Database, DatabaseId, Edit, Snapshot, TableSnapshot};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// Begins the names of these databases. Control characters cannot stand in names that users make.
const PREFIX: &str = "\u{1}temporary/";

/// How long a session may be silent before its temporary tables go.
const SILENCE_MAX: Duration = Duration::from_secs(4 * 3600);

/// When each session with temporary tables was last heard of.
#[derive(Debug, Default)]
pub(crate) struct TemporarySessions {
    heard: Mutex<HashMap<String, Instant>>,
}

impl TemporarySessions {
    /// The session has temporary tables from now on.
    pub fn open(&self, session: &Session) {
        self.heard.lock().insert(key(&session.principal, &session.id), Instant::now());
    }

    /// The session is alive. False: it has no temporary tables that we know of.
    pub fn touch(&self, principal: &Principal, id: &str) -> bool {
        match self.heard.lock().get_mut(&key(principal, id)) {
            Some(heard) => {
                *heard = Instant::now();
                true
            }
            None => false,
        }
    }

    fn take_silent(&self) -> Vec<String> {
        let mut heard = self.heard.lock();
        let silent: Vec<String> =
            heard.iter().filter(|(_, at)| at.elapsed() > SILENCE_MAX).map(|(key, _)| key.clone()).collect();
        heard.retain(|key, _| !silent.contains(key));
        silent
    }
}

/// What all names of one session's databases begin with.
fn key(principal: &Principal, id: &str) -> String {
    [PREFIX, &principal.name, "/", id, "/"].concat()
}

/// The database behind `database` for this session.
pub(crate) fn database_name(session: &Session, database: &str) -> String {
    key(&session.principal, &session.id) + database
}

/// Whether a database holds temporary tables.
pub(crate) fn is_hidden(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The session's temporary tables, each with the name of the database it seems to be in.
pub(crate) fn tables_of(snapshot: &Snapshot, session: &Session) -> Vec<(String, TableSnapshot)> {
    if session.id.is_empty() {
        return Vec::new();
    }
    let key = key(&session.principal, &session.id);
    let databases = snapshot.databases().into_iter().filter(|database| database.name.starts_with(&key));
    databases
        .flat_map(|database| {
            let shown = database.name[key.len()..].to_owned();
            snapshot.tables(database.id).into_iter().map(move |table| (shown.clone(), table))
        })
        .collect()
}

/// The database that `hidden` seems to be; `None` for an ordinary one.
pub(crate) fn shown_name(database: &Database) -> Option<&str> {
    database.name.strip_prefix(PREFIX)?.splitn(3, '/').nth(2)
}

/// The session's database of temporary tables behind `database`, if it is there.
pub(crate) fn home(snapshot: &Snapshot, session: &Session, database: &str) -> Option<Arc<Database>> {
    if session.id.is_empty() {
        return None;
    }
    snapshot.database(&database_name(session, database))
}

/// Drops the temporary tables of one session.
pub(crate) async fn end(parts: &Parts, principal: &Principal, id: &str) -> Result<()> {
    let key = key(principal, id);
    if parts.temporary.heard.lock().remove(&key).is_some() {
        drop_databases(parts, &key).await?;
    }
    Ok(())
}

/// Drops the temporary tables of sessions that were silent for too long.
pub(crate) async fn end_silent(parts: &Parts) -> Result<()> {
    for key in parts.temporary.take_silent() {
        tracing::info!("temporary tables of a silent session dropped");
        drop_databases(parts, &key).await?;
    }
    Ok(())
}

/// Drops all temporary tables: at start, when the sessions they belonged to are gone.
pub(crate) async fn end_all(parts: &Parts) -> Result<()> {
    drop_databases(parts, PREFIX).await
}

/// Drops databases for good: nobody can ask for them any more.
async fn drop_databases(parts: &Parts, prefix: &str) -> Result<()> {
    let snapshot = parts.catalog.snapshot();
    for database in snapshot.databases().into_iter().filter(|database| database.name.starts_with(prefix)) {
        let tables = snapshot.tables(database.id).iter().map(|table| table.table().id).collect();
        let id: DatabaseId = database.id;
        let edits = vec![Edit::DropDatabase { database: id }, Edit::PurgeTables { tables }];
        let changes = Changes { edits, at: parts.catalog.clock().now(), ..Changes::default() };
        parts.catalog.commit(changes).await?;
    }
    Ok(())
}
