//! A started query: its state, progress, pages and end.

use super::ResultPage;
use crate::{Error, Principal, Result, Session, SessionEffect};
use arrow::datatypes::SchemaRef;
use std::{sync::Arc, time::Duration};

/// A started query. Cheap to clone; the engine's registry holds one until the query is closed or expires.
#[derive(Debug, Clone)]
pub struct QueryHandle {}

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
    Cancelled,
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
        todo!()
    }

    pub fn principal(&self) -> &Principal {
        todo!()
    }

    pub fn state(&self) -> QueryState {
        todo!()
    }

    /// The result's columns; `None` until planned, an empty schema for statements without a result set.
    pub fn schema(&self) -> Option<SchemaRef> {
        todo!()
    }

    /// Whether the statement yields rows; `None` until planned.
    pub fn has_result_set(&self) -> Option<bool> {
        todo!()
    }

    /// Page `number`, waiting at most `wait` for it. `Ok(None)`: nothing yet, ask again for the same number. The page
    /// served last can be asked for again; others are `Error::PageOutOfRange`; after the end, an empty page. A failed
    /// query returns its error here and from [`QueryHandle::error`].
    pub async fn page(&self, _number: u64, _wait: Duration) -> Result<Option<Arc<ResultPage>>> {
        todo!()
    }

    /// Number of data pages served so far.
    pub fn pages_served(&self) -> u64 {
        todo!()
    }

    pub fn stats(&self) -> QueryStats {
        todo!()
    }

    pub fn error(&self) -> Option<Error> {
        todo!()
    }

    pub fn warnings(&self) -> Vec<String> {
        todo!()
    }

    /// The session after the statement (also after a failed one: a transaction may have failed with it).
    pub fn session(&self) -> Session {
        todo!()
    }

    /// What the statement changed in its session.
    pub fn effect(&self) -> Option<SessionEffect> {
        todo!()
    }

    /// How long an untouched result is kept.
    pub fn result_timeout(&self) -> Duration {
        todo!()
    }

    /// Marks the result as still wanted (heartbeats).
    pub fn touch(&self) {
        todo!()
    }

    /// Stops the query (if it runs) and frees its pages. Idempotent; the first reason stays.
    pub fn close(&self, _reason: CloseReason) {
        todo!()
    }

    /// Why it was closed, once it is.
    pub fn closed(&self) -> Option<CloseReason> {
        todo!()
    }
}
