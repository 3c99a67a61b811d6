//! The façade: holds the parts and opens the doors. No logic lives here.

use crate::{ByteStream, EngineSettings, LoadReport, LoadRequest, Principal, QueryHandle, QueryRequest, Result, Session};

/// One database server without a network. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {}

impl Engine {
    /// Opens the data directory, recovers, starts the background tasks.
    pub async fn open(_settings: EngineSettings) -> Result<Self> {
        todo!()
    }

    pub fn settings(&self) -> &EngineSettings {
        todo!()
    }

    /// Checks a user's password.
    pub async fn authenticate(&self, _user: &str, _password: &str) -> Result<Principal> {
        todo!()
    }

    /// Starts a statement. Errors found before it runs (syntax, names, permissions) are returned here; later ones by
    /// the handle's pages.
    pub async fn query(&self, _request: QueryRequest) -> Result<QueryHandle> {
        todo!()
    }

    /// The living (or recently closed) query with this id, if `principal` may see it: its own, or any for an admin.
    pub fn find_query(&self, _principal: &Principal, _id: &str) -> Result<QueryHandle> {
        todo!()
    }

    /// Ends what belongs to a client session: its open transaction is rolled back, its queries are closed.
    pub async fn end_session(&self, _session: &Session) -> Result<()> {
        todo!()
    }

    /// Checks that a session could be used: the database exists, the settings are known and well-formed.
    pub fn check_session(&self, _session: &Session) -> Result<()> {
        todo!()
    }

    /// Value of a setting in force for a session (session, then global, then default).
    pub fn setting(&self, _session: &Session, _name: &str) -> Result<String> {
        todo!()
    }

    /// Loads a stream of rows into a table, all or none, once per label.
    pub async fn load(&self, _request: LoadRequest, _body: ByteStream) -> Result<LoadReport> {
        todo!()
    }

    /// The log of bad rows of a recent load: one line per row.
    pub fn rejected_rows(&self, _principal: &Principal, _log: &str) -> Option<String> {
        todo!()
    }

    /// Stops accepting, waits for what runs (at most `grace`), closes the catalogue.
    pub async fn shutdown(&self, _grace: std::time::Duration) -> Result<()> {
        todo!()
    }
}
