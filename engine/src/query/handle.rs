//! A started query: its state, progress, pages and end.

use super::{ResultPage, registry::Register, shared::Shared};
use crate::{Error, Principal, Result, Session, SessionEffect};
use arrow::datatypes::SchemaRef;
use std::{
    sync::{Arc, Weak},
    time::Duration,
};

/// A started query. Cheap to clone; the engine's registry holds one until the query is closed or expires.
#[derive(Debug, Clone)]
pub struct QueryHandle {
    pub(super) shared: Arc<Shared>,
    pub(super) register: Weak<Register>,
}

/// Where a query stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryState {
    Starting,
    Running,
    Succeeded,
    Failed,
}

/// Why a query was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The client has what it wanted.
    Finalized,
    /// By its own client.
    Cancelled,
    /// By a KILL statement: its client learns of it with the next page.
    Killed,
    TimedOut,
    /// Its session ended.
    SessionEnded,
    ShuttingDown,
}

/// A count of rows and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    pub rows: u64,
    pub bytes: u64,
}

/// What a query has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct QueryStats {
    pub scanned: Progress,
    pub written: Progress,
    pub result: Progress,
    /// What the plan will scan in total, where known.
    pub total_scan: Progress,
    pub spilled_files: u64,
    pub spilled_bytes: u64,
    pub running: Duration,
}

impl QueryHandle {
    pub fn id(&self) -> &str {
        &self.shared.key.id
    }

    pub fn principal(&self) -> &Principal {
        &self.shared.principal
    }

    pub fn state(&self) -> QueryState {
        self.shared.state()
    }

    /// The result's columns; `None` until planned, an empty schema for statements without a result set.
    pub fn schema(&self) -> Option<SchemaRef> {
        self.shared.schema()
    }

    /// Whether the statement yields rows; `None` until planned.
    pub fn has_result_set(&self) -> Option<bool> {
        self.shared.has_result_set()
    }

    /// Page `number`, waiting at most `wait` for it. `Ok(None)`: nothing yet, ask again for the same number. The page
    /// served last can be asked for again; others are `Error::PageOutOfRange`; after the end, an empty page. A failed
    /// query returns its error here and from [`QueryHandle::error`].
    pub async fn page(&self, number: u64, wait: Duration) -> Result<Option<Arc<ResultPage>>> {
        let page = self.shared.page(number, wait).await;
        if self.shared.is_drained()
            && let Some(register) = self.register.upgrade()
        {
            register.drained(&self.shared);
        }
        page
    }

    /// Whether it ended and every row was served.
    pub fn is_drained(&self) -> bool {
        self.shared.is_drained()
    }

    /// Number of data pages served so far.
    pub fn pages_served(&self) -> u64 {
        self.shared.served()
    }

    pub fn stats(&self) -> QueryStats {
        self.shared.counters.stats()
    }

    pub fn error(&self) -> Option<Error> {
        self.shared.error()
    }

    pub fn warnings(&self) -> Vec<String> {
        self.shared.warnings()
    }

    /// The session after the statement (also after a failed one: a transaction may have failed with it).
    pub fn session(&self) -> Session {
        self.shared.session()
    }

    /// What the statement changed in its session.
    pub fn effect(&self) -> Option<SessionEffect> {
        self.shared.effect()
    }

    /// How long an untouched result is kept.
    pub fn result_timeout(&self) -> Duration {
        self.shared.result_timeout
    }

    /// Marks the result as still wanted (heartbeats).
    pub fn touch(&self) {
        self.shared.touch()
    }

    /// Stops the query (if it runs) and frees its pages. Idempotent; the first reason stays.
    pub fn close(&self, reason: CloseReason) {
        if self.shared.close(reason)
            && let Some(register) = self.register.upgrade()
        {
            register.closed(&self.shared, reason);
        }
    }

    /// Why it was closed, once it is.
    pub fn closed(&self) -> Option<CloseReason> {
        self.shared.closed()
    }
}
