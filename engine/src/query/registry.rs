//! Running and recently finished queries: by id, with room for a bounded number, and gone after a while.

use super::{CloseReason, QueryHandle, QueryState, QueryStats, shared::Shared};
use crate::{EngineSettings, Error, Principal, Result, metrics as names};
use basalt_meta::Timestamp;
use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Tombstones of finalised queries stay this long.
const FINALIZED_KEPT: Duration = Duration::from_secs(30);
/// Tombstones, at most: late calls for older ones find nothing.
const TOMBSTONES_MAX: usize = 20_000;
/// Results whose rows were all served but which nobody closed, at most.
const DRAINED_MAX: usize = 4_096;
/// Ended queries that `system.queries` shows.
const RECENT_MAX: usize = 1_000;

/// Name of a query, and whose it is: ids are unique among all users.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub user: String,
    pub id: String,
}

/// All queries of an engine.
#[derive(Debug)]
pub(crate) struct Registry {
    register: Arc<Register>,
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue_max: usize,
    queue_wait: Duration,
    shutting_down: AtomicBool,
}

/// The list itself; handles refer to it weakly.
#[derive(Debug, Default)]
pub(crate) struct Register {
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    /// By id.
    queries: HashMap<String, Arc<Shared>>,
    /// Closed ones, with the time at which they are forgotten.
    tombstones: VecDeque<(Instant, String)>,
    drained: VecDeque<String>,
    recent: VecDeque<QuerySummary>,
}

/// What `system.queries` and `system.processes` show of one query.
#[derive(Debug, Clone)]
pub(crate) struct QuerySummary {
    pub id: String,
    pub user: String,
    pub session_id: String,
    pub database: String,
    pub sql: String,
    pub state: QueryState,
    pub error: Option<String>,
    pub started_at: Timestamp,
    pub stats: QueryStats,
}

/// A place among the queries that run at the same time.
#[derive(Debug)]
pub(super) struct Slot {
    _permit: OwnedSemaphorePermit,
}

impl Drop for Slot {
    fn drop(&mut self) {
        metrics::gauge!(names::QUERIES_RUNNING).decrement(1.0);
    }
}

impl Registry {
    pub fn new(settings: &EngineSettings) -> Self {
        Self {
            register: Arc::default(),
            slots: Arc::new(Semaphore::new(settings.query_concurrency_max)),
            waiting: AtomicUsize::new(0),
            queue_max: settings.query_queue_max,
            queue_wait: settings.query_queue_wait,
            shutting_down: AtomicBool::new(false),
        }
    }

    /// Queries that wait for a place.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits for a place, within bounds.
    pub(super) async fn admit(&self) -> Result<Slot> {
        if self.shutting_down.load(Ordering::Relaxed) {
            return Err(Error::ShuttingDown);
        }
        let permit = match self.slots.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.wait_for_slot().await?,
        };
        metrics::gauge!(names::QUERIES_RUNNING).increment(1.0);
        Ok(Slot { _permit: permit })
    }

    async fn wait_for_slot(&self) -> Result<OwnedSemaphorePermit> {
        let busy = || Error::Busy { what: "queries" };
        let _waiting = Waiting::begin(&self.waiting, self.queue_max).ok_or_else(busy)?;
        match tokio::time::timeout(self.queue_wait, self.slots.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(Error::ShuttingDown),
            Err(_) => Err(busy()),
        }
    }

    /// Adds a query, or finds the one of the same user that has its id already.
    pub(super) fn add(&self, shared: Arc<Shared>) -> Result<Added> {
        let mut list = self.register.list.lock();
        if let Some(known) = list.queries.get(&shared.key.id) {
            return Ok(Added::Known(self.handle(owned(known.clone(), &shared.key)?)));
        }
        list.queries.insert(shared.key.id.clone(), shared.clone());
        Ok(Added::New(self.handle(shared)))
    }

    /// The query with this id; an error when it is another user's.
    pub(super) fn known(&self, key: &Key) -> Result<Option<QueryHandle>> {
        let found = self.register.list.lock().queries.get(&key.id).cloned();
        found.map(|shared| Ok(self.handle(owned(shared, key)?))).transpose()
    }

    /// Takes a query off that never began.
    pub(super) fn remove(&self, key: &Key) {
        let mut list = self.register.list.lock();
        if list.queries.get(&key.id).is_some_and(|q| q.key == *key)
            && let Some(shared) = list.queries.remove(&key.id)
        {
            list.remember(&shared);
        }
    }

    fn handle(&self, shared: Arc<Shared>) -> QueryHandle {
        QueryHandle { shared, register: Arc::downgrade(&self.register) }
    }

    /// The query with this id, whoever started it.
    pub fn find(&self, id: &str) -> Option<QueryHandle> {
        let found = self.register.list.lock().queries.get(id).cloned();
        found.map(|shared| self.handle(shared))
    }

    /// The query with this id, if `principal` may see it.
    pub fn find_for(&self, principal: &Principal, id: &str) -> Result<QueryHandle> {
        let found = self.find(id).ok_or_else(|| Error::UnknownQuery { id: id.to_owned() })?;
        if found.shared.key.user != principal.name {
            principal.require(crate::Access::Admin).map_err(|_| Error::ForeignQuery { id: id.to_owned() })?;
        }
        Ok(found)
    }

    /// Closes all queries of a client session.
    pub fn end_session(&self, principal: &Principal, session_id: &str) {
        let of_session: Vec<Arc<Shared>> = {
            let list = self.register.list.lock();
            let mine = |q: &&Arc<Shared>| q.session_id == session_id && q.principal == *principal;
            list.queries.values().filter(mine).cloned().collect()
        };
        for shared in of_session {
            self.handle(shared).close(CloseReason::SessionEnded);
        }
    }

    /// Running and recently ended queries, newest first.
    pub fn summaries(&self) -> Vec<QuerySummary> {
        let list = self.register.list.lock();
        let mut summaries: Vec<QuerySummary> = list.queries.values().map(|shared| summary(shared)).collect();
        let listed: std::collections::HashSet<(String, String)> =
            summaries.iter().map(|s| (s.user.clone(), s.id.clone())).collect();
        let ended = list.recent.iter().filter(|s| !listed.contains(&(s.user.clone(), s.id.clone())));
        summaries.extend(ended.cloned());
        summaries.sort_by_key(|s| std::cmp::Reverse(s.started_at));
        summaries
    }

    /// Drops results that nobody asked for in time, and old tombstones.
    pub fn sweep(&self) {
        let (expired, now) = {
            let mut list = self.register.list.lock();
            let now = Instant::now();
            while let Some((at, _)) = list.tombstones.front()
                && (*at <= now || list.tombstones.len() > TOMBSTONES_MAX)
            {
                let Some((_, id)) = list.tombstones.pop_front() else { break };
                if list.queries.get(&id).is_some_and(|q| q.closed().is_some()) {
                    list.queries.remove(&id);
                }
            }
            let open = list.queries.values().filter(|q| q.closed().is_none());
            (open.filter(|q| q.idle() > q.result_timeout).cloned().collect::<Vec<_>>(), now)
        };
        let _ = now;
        for shared in expired {
            tracing::info!(query_id = %shared.key.id, "result was not asked for and is dropped");
            self.handle(shared).close(CloseReason::TimedOut);
        }
    }

    /// Refuses new queries and closes all others once they ended, or after `grace`.
    pub async fn shut_down(&self, grace: Duration) {
        self.shutting_down.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + grace;
        loop {
            let running: Vec<Arc<Shared>> = {
                let list = self.register.list.lock();
                let runs = |q: &&Arc<Shared>| matches!(q.state(), QueryState::Starting | QueryState::Running);
                list.queries.values().filter(runs).cloned().collect()
            };
            if running.is_empty() {
                return;
            }
            if Instant::now() >= deadline {
                for shared in running {
                    self.handle(shared).close(CloseReason::ShuttingDown);
                }
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The query that has the id of `key`, when the user of `key` owns it.
fn owned(known: Arc<Shared>, key: &Key) -> Result<Arc<Shared>> {
    if known.key.user == key.user { Ok(known) } else { Err(Error::QueryIdTaken { id: key.id.clone() }) }
}

/// Whether a query's id was new.
pub(super) enum Added {
    New(QueryHandle),
    Known(QueryHandle),
}

impl Register {
    /// A query was closed: it stays as a tombstone for a while.
    pub(super) fn closed(&self, shared: &Arc<Shared>, reason: CloseReason) {
        let kept = match reason {
            CloseReason::Finalized => FINALIZED_KEPT.min(shared.result_timeout),
            _ => shared.result_timeout,
        };
        let mut list = self.list.lock();
        list.remember(shared);
        list.tombstones.push_back((Instant::now() + kept, shared.key.id.clone()));
    }

    /// All rows of a query were served: kept for a second look, but not without bound.
    pub(super) fn drained(&self, shared: &Arc<Shared>) {
        let oldest = {
            let mut list = self.list.lock();
            if shared.closed().is_some() || list.drained.back() == Some(&shared.key.id) {
                return;
            }
            list.drained.push_back(shared.key.id.clone());
            if list.drained.len() <= DRAINED_MAX {
                return;
            }
            let id = list.drained.pop_front();
            id.and_then(|id| list.queries.get(&id).cloned())
        };
        if let Some(oldest) = oldest
            && oldest.close(CloseReason::Finalized)
        {
            self.closed(&oldest, CloseReason::Finalized);
        }
    }
}

impl List {
    fn remember(&mut self, shared: &Shared) {
        if self.recent.len() >= RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(summary(shared));
    }
}

fn summary(shared: &Shared) -> QuerySummary {
    QuerySummary {
        id: shared.key.id.clone(),
        user: shared.key.user.clone(),
        session_id: shared.session_id.clone(),
        database: shared.database.clone(),
        sql: shared.sql.clone(),
        state: shared.state(),
        error: shared.error().map(|e| e.to_string()),
        started_at: shared.started_at,
        stats: shared.counters.stats(),
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize, max: usize) -> Option<Self> {
        let before = count.fetch_add(1, Ordering::AcqRel);
        let waiting = Self(count);
        metrics::gauge!(names::QUERIES_WAITING).increment(1.0);
        (before < max).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
        metrics::gauge!(names::QUERIES_WAITING).decrement(1.0);
    }
}
