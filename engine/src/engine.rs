//! The façade: holds the parts and opens the doors. No logic lives here.

use crate::{
    Access, ByteStream, EngineSettings, Error, LoadReport, LoadRequest, Principal, QueryHandle, QueryRequest, Result,
    Role, Session, StageFile, StreamingLoad, StreamingLoaded, access, copy,
    functions::Functions,
    load, metrics,
    parts::Parts,
    query::{self, Registry},
    runtime::Runtime,
    session, stage, statement, system,
    tasks::Supervisor,
};
use basalt_meta::{Catalog, CatalogSettings, Clock, SystemClock};
use basalt_storage::Storage;
use std::{
    net::IpAddr,
    sync::{Arc, Weak},
    time::Duration,
};

/// How often results that nobody asks for are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_millis(500);

/// One database server without a network. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    parts: Arc<Parts>,
}

impl Engine {
    /// Opens the data directory, recovers, starts the background tasks.
    pub async fn open(settings: EngineSettings) -> Result<Self> {
        Self::open_at(settings, Arc::new(SystemClock)).await
    }

    /// Like [`Engine::open`], with a clock of the caller's.
    pub async fn open_at(settings: EngineSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        metrics::describe();
        let functions = Functions::new();
        let runtime = Runtime::start(&settings, functions.clone())?;
        let directory = settings.data_dir.join("meta");
        let opening =
            runtime.cpu().spawn_blocking(move || Catalog::open(&directory, CatalogSettings::default(), clock));
        let catalog = opening.await.map_err(|source| Error::internal("opening the catalogue failed", source))??;
        let storage = Storage::open(settings.storage.clone(), catalog.clone(), runtime.cpu().clone()).await?;
        runtime.serve(storage.object_store());
        let orphans = storage.remove_orphans().await?;
        if !orphans.removed.is_empty() {
            tracing::info!(files = orphans.removed.len(), "files of interrupted writes were removed");
        }
        let parts = Arc::new(Parts {
            queries: Registry::new(&settings),
            settings,
            catalog,
            storage,
            runtime,
            functions,
            chunks: Default::default(),
            results: Default::default(),
            transactions: Default::default(),
            temporary: Default::default(),
            table_locks: Default::default(),
            loads: Default::default(),
            stages: Default::default(),
            tasks: Supervisor::default(),
        });
        system::create_default_database(&parts).await?;
        session::temporary::end_all(&parts).await?;
        stage::remove_orphans(&parts).await?;
        parts.tasks.start(&parts);
        start_sweeper(&parts);
        Ok(Self { parts })
    }

    #[cfg(test)]
    pub(crate) fn parts(&self) -> &Arc<Parts> {
        &self.parts
    }

    pub fn settings(&self) -> &EngineSettings {
        &self.parts.settings
    }

    /// Checks a user's password. `from` is where the user comes from; `None` = this process.
    pub async fn authenticate(&self, user: &str, password: &str, from: Option<IpAddr>) -> Result<Principal> {
        let users = &self.parts.settings.users;
        if user == "root" && users.has_open_user() {
            return users.verify(user, password);
        }
        let (parts, user, password) = (self.parts.clone(), user.to_owned(), password.to_owned());
        let checking =
            self.parts.runtime.cpu().spawn_blocking(move || access::authenticate(&parts, &user, &password, from));
        checking.await.map_err(|source| Error::internal("checking a password failed", source))?
    }

    /// Whether somebody who was let in before may still come in, and from there.
    pub fn check_principal(&self, principal: &Principal, from: Option<IpAddr>) -> Result<()> {
        access::check_principal(&self.parts, principal, from)
    }

    /// Whether a user may do what a route asks for. What users made by SQL may do with data is decided when that is
    /// known; for the server itself they need all rights.
    pub fn require(&self, principal: &Principal, access: Access) -> Result<()> {
        if !matches!((principal.role, access), (Role::Granted(_), Access::Write | Access::Admin)) {
            return principal.require(access);
        }
        if access == Access::Write {
            return Ok(());
        }
        let session = Session::new(principal.clone());
        let authority = access::Authority::of(&session, &self.parts.catalog.snapshot())?;
        if authority.is_everything() { Ok(()) } else { principal.require(access) }
    }

    /// The roles a user can take, the one it starts with first.
    pub fn roles(&self, principal: &Principal) -> Result<Vec<String>> {
        let session = Session::new(principal.clone());
        let authority = access::Authority::of(&session, &self.parts.catalog.snapshot())?;
        let others = authority.available.iter().filter(|role| **role != authority.current).cloned();
        Ok(std::iter::once(authority.current.clone()).chain(others).collect())
    }

    /// Starts a statement. Errors found before it runs (syntax, names, permissions) are returned here (inside a
    /// transaction, by the handle, which also says what became of the transaction); later ones by the handle's pages.
    pub async fn query(&self, request: QueryRequest) -> Result<QueryHandle> {
        query::start(&self.parts, request).await
    }

    /// The living (or recently closed) query with this id, if `principal` may see it: its own, or any for an admin.
    pub fn find_query(&self, principal: &Principal, id: &str) -> Result<QueryHandle> {
        self.parts.queries.find_for(principal, id)
    }

    /// Statements that wait for a place to run.
    pub fn queries_waiting(&self) -> usize {
        self.parts.queries.waiting()
    }

    /// Ends what belongs to a client session: its open transactions are rolled back, its queries are closed.
    pub async fn end_session(&self, session: &Session) -> Result<()> {
        if !session.id.is_empty() {
            self.parts.queries.end_session(&session.principal, &session.id);
            statement::roll_back_session(&self.parts, &session.principal, &session.id).await;
            session::temporary::end(&self.parts, &session.principal, &session.id).await?;
        }
        if let crate::TransactionState::Active(id) | crate::TransactionState::Failed(id) = session.transaction {
            statement::roll_back(&self.parts, &session.principal, id).await;
        }
        Ok(())
    }

    /// Marks a client session as alive: what belongs to it is kept.
    pub fn touch_session(&self, principal: &Principal, id: &str) {
        self.parts.temporary.touch(principal, id);
    }

    /// Checks that a session could be used: the database exists, the settings are known and well-formed.
    pub fn check_session(&self, session: &Session) -> Result<()> {
        for (name, value) in &session.settings {
            session::known_value(name, value)?;
        }
        let context = query::open_context(&self.parts, session.clone())?;
        context.database(&session.database).map(|_| ())
    }

    /// Value of a setting in force for a session (session, then global, then default).
    pub fn setting(&self, session: &Session, name: &str) -> Result<String> {
        session::value_in_force(name, &session.settings, &self.parts.catalog.snapshot().settings())
    }

    /// Loads a stream of rows into a table, all or none, once per label.
    pub async fn load(&self, request: LoadRequest, body: ByteStream) -> Result<LoadReport> {
        load::run(&self.parts, request, body).await
    }

    /// Writes a file into a stage (`~` is the user's own), in the place of one of the same path. Durable before it is
    /// visible.
    pub async fn put_stage_file(
        &self,
        session: &Session,
        stage: &str,
        path: &str,
        body: ByteStream,
    ) -> Result<StageFile> {
        stage::put(&self.parts, session, stage, path, body).await
    }

    /// A file of a stage, and its bytes.
    pub async fn get_stage_file(&self, session: &Session, stage: &str, path: &str) -> Result<(StageFile, ByteStream)> {
        stage::get(&self.parts, session, stage, path).await
    }

    /// Files of a stage whose paths begin with `prefix`.
    pub async fn list_stage(&self, session: &Session, stage: &str, prefix: &str) -> Result<Vec<StageFile>> {
        stage::list(&self.parts, session, stage, prefix).await
    }

    /// Removes files of a stage; returns how many there were.
    pub async fn remove_stage_files(&self, session: &Session, stage: &str, paths: &[String]) -> Result<usize> {
        stage::remove(&self.parts, session, stage, paths).await
    }

    /// Runs `INSERT INTO t [(columns)] [VALUES (?, …)] FROM @placeholder FILE_FORMAT = (…)` over a stream of bytes.
    pub async fn streaming_load(&self, request: StreamingLoad, body: ByteStream) -> Result<StreamingLoaded> {
        copy::streaming_load(&self.parts, request, body).await
    }

    /// The log of bad rows of a recent load: one line per row.
    pub fn rejected_rows(&self, principal: &Principal, log: &str) -> Option<String> {
        self.parts.loads.rejected_rows(principal, log)
    }

    /// Stops accepting, waits for what runs (at most `grace`), closes the catalogue.
    pub async fn shutdown(&self, grace: Duration) -> Result<()> {
        self.parts.queries.shut_down(grace).await;
        self.parts.tasks.stop(grace).await;
        let catalog = self.parts.catalog.clone();
        let closing = self.parts.runtime.cpu().spawn_blocking(move || catalog.close());
        closing.await.map_err(|source| Error::internal("closing the catalogue failed", source))??;
        Ok(())
    }
}

/// Drops results that nobody asks for, as long as the engine lives.
fn start_sweeper(parts: &Arc<Parts>) {
    let weak: Weak<Parts> = Arc::downgrade(parts);
    parts.runtime.spawn(async move {
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            let Some(parts) = weak.upgrade() else { return };
            parts.queries.sweep();
        }
    });
}
