//! One query as its executor and its clients share it: state, rows on their way, and the waiting for each other.

use super::{
    CloseReason, Counters, QueryState, ResultPage,
    pages::{Fill, PageBuffer, PageLimits},
    registry::Key,
};
use crate::{Error, Principal, Result, Session, SessionEffect, TransactionId, TransactionState};
use arrow::{
    datatypes::{Schema, SchemaRef},
    record_batch::{RecordBatch, RecordBatchOptions},
};
use basalt_meta::Timestamp;
use parking_lot::Mutex;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How long the start of a statement waits for it to be understood.
const PLANNING_WAIT: Duration = Duration::from_secs(1);

/// What both sides of a query see.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) key: Key,
    pub(super) principal: Principal,
    pub(super) sql: String,
    pub(super) session_id: String,
    pub(super) database: String,
    pub(super) started_at: Timestamp,
    pub(super) result_timeout: Duration,
    pub(super) cancel: CancellationToken,
    pub(super) counters: Arc<Counters>,
    inner: Mutex<Inner>,
    /// Something changed that clients wait for.
    progressed: Notify,
    /// The buffer has room again.
    room: Notify,
}

#[derive(Debug)]
struct Inner {
    state: QueryState,
    schema: Option<SchemaRef>,
    has_result_set: Option<bool>,
    session: Session,
    effect: Option<SessionEffect>,
    error: Option<Error>,
    closed: Option<CloseReason>,
    buffer: PageBuffer,
    touched: Instant,
    /// Clients that wait for a page now: polling time does not count as idle.
    pollers: usize,
}

impl Shared {
    pub fn new(
        key: Key,
        sql: String,
        session: Session,
        counters: Arc<Counters>,
        result_timeout: Duration,
        limits: PageLimits,
    ) -> Self {
        Self {
            key,
            principal: session.principal.clone(),
            sql,
            session_id: session.id.clone(),
            database: session.database.clone(),
            started_at: counters.started_at(),
            result_timeout,
            cancel: CancellationToken::new(),
            counters,
            inner: Mutex::new(Inner {
                state: QueryState::Starting,
                schema: None,
                has_result_set: None,
                session,
                effect: None,
                error: None,
                closed: None,
                buffer: PageBuffer::new(limits),
                touched: Instant::now(),
                pollers: 0,
            }),
            progressed: Notify::new(),
            room: Notify::new(),
        }
    }

    /// The executor's side: the statement is understood. Clients are told with the first rows, or when those take long.
    pub fn planned(&self, schema: Option<SchemaRef>, session: Session, effect: Option<SessionEffect>) {
        let mut inner = self.inner.lock();
        inner.state = QueryState::Running;
        inner.has_result_set = Some(schema.is_some());
        inner.schema = Some(schema.unwrap_or_else(|| Arc::new(Schema::empty())));
        inner.session = session;
        inner.effect = effect;
    }

    /// Takes rows under the result's own schema; waits while the client is behind.
    pub async fn push(&self, batch: RecordBatch) -> Result<()> {
        loop {
            let room = self.room.notified();
            {
                let mut inner = self.inner.lock();
                if inner.closed.is_some() {
                    return Err(Error::Cancelled { reason: "the result was closed".into() });
                }
                if !inner.buffer.is_full() {
                    let batch = renamed(batch, inner.schema.as_ref())?;
                    let bytes = inner.buffer.push(batch.clone());
                    self.counters.add_result(&batch, bytes);
                    if !inner.buffer.has_page() {
                        return Ok(());
                    }
                    drop(inner);
                    self.progressed.notify_waiters();
                    return Ok(());
                }
            }
            tokio::select! {
                () = room => {}
                () = self.cancel.cancelled() => {}
            }
        }
    }

    /// Wakes clients that wait for the statement to be understood.
    pub fn announce(&self) {
        self.progressed.notify_waiters();
    }

    /// The executor's last word.
    pub fn finish(&self, result: Result<()>) {
        self.counters.end();
        {
            let mut inner = self.inner.lock();
            match result {
                Ok(()) if inner.closed.is_some() => {}
                Ok(()) => {
                    inner.state = QueryState::Succeeded;
                    inner.buffer.end();
                }
                Err(error) => {
                    inner.state = QueryState::Failed;
                    inner.buffer.clear();
                    inner.error.get_or_insert(error);
                }
            }
            inner.touched = Instant::now();
        }
        self.progressed.notify_waiters();
    }

    /// The session as a failed statement leaves it.
    pub fn set_session(&self, session: Session, effect: Option<SessionEffect>) {
        let mut inner = self.inner.lock();
        inner.session = session;
        if effect.is_some() {
            inner.effect = effect;
        }
    }

    /// Waits until the statement is understood or has failed. Writing statements are only done then, so the wait is
    /// bounded: what comes later is told with the pages.
    pub async fn wait_planned(&self) {
        if self.inner.lock().state != QueryState::Starting {
            return;
        }
        let _polling = Polling::begin(self);
        let _ = tokio::time::timeout(PLANNING_WAIT, self.planned_or_failed()).await;
    }

    async fn planned_or_failed(&self) {
        loop {
            let progressed = self.progressed.notified();
            if self.inner.lock().state != QueryState::Starting {
                return;
            }
            progressed.await;
        }
    }

    pub async fn page(&self, number: u64, wait: Duration) -> Result<Option<Arc<ResultPage>>> {
        // What is there already needs no timer.
        if let Some(page) = self.try_page(number, Fill::Full)? {
            return Ok(Some(page));
        }
        let _polling = Polling::begin(self);
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            let mut progressed = std::pin::pin!(self.progressed.notified());
            progressed.as_mut().enable();
            if let Some(page) = self.try_page(number, Fill::Full)? {
                return Ok(Some(page));
            }
            if tokio::time::timeout_at(deadline, progressed).await.is_err() {
                return self.try_page(number, Fill::Any);
            }
        }
    }

    fn try_page(&self, number: u64, fill: Fill) -> Result<Option<Arc<ResultPage>>> {
        let page = {
            let mut inner = self.inner.lock();
            inner.touched = Instant::now();
            if let Some(error) = &inner.error {
                return Err(error.clone());
            }
            if let Some(reason) = inner.closed {
                return Err(closed_error(&self.key.id, reason));
            }
            inner.buffer.take(number, fill)?
        };
        if page.is_some() {
            self.room.notify_waiters();
        }
        Ok(page)
    }

    /// Notes that the statement's transaction failed with it, and says which one is to be rolled back. A client that
    /// stops reading rows early has not failed.
    pub fn fail_transaction(&self) -> Option<(Principal, TransactionId)> {
        let mut inner = self.inner.lock();
        inner.fail_transaction();
        match inner.session.transaction {
            TransactionState::Failed(id) => Some((self.principal.clone(), id)),
            _ => None,
        }
    }

    /// Stops the executor and frees the rows. True the first time.
    pub fn close(&self, reason: CloseReason) -> bool {
        {
            let mut inner = self.inner.lock();
            if inner.closed.is_some() {
                return false;
            }
            inner.closed = Some(reason);
            inner.buffer.clear();
            if matches!(inner.state, QueryState::Starting | QueryState::Running) {
                inner.state = QueryState::Failed;
                inner.fail_transaction();
                inner.error = Some(match reason {
                    CloseReason::Finalized | CloseReason::TimedOut => closed_error(&self.key.id, reason),
                    _ => Error::Cancelled { reason: text(reason).into() },
                });
            }
        }
        self.cancel.cancel();
        self.progressed.notify_waiters();
        self.room.notify_waiters();
        true
    }

    pub fn closed(&self) -> Option<CloseReason> {
        self.inner.lock().closed
    }

    pub fn touch(&self) {
        self.inner.lock().touched = Instant::now();
    }

    /// How long nobody has asked for anything.
    pub fn idle(&self) -> Duration {
        let inner = self.inner.lock();
        if inner.pollers > 0 { Duration::ZERO } else { inner.touched.elapsed() }
    }

    /// Ended, and every row was served.
    pub fn is_drained(&self) -> bool {
        let inner = self.inner.lock();
        match inner.state {
            QueryState::Starting | QueryState::Running => false,
            QueryState::Failed => true,
            QueryState::Succeeded => inner.buffer.is_drained(),
        }
    }

    pub fn state(&self) -> QueryState {
        self.inner.lock().state
    }

    pub fn schema(&self) -> Option<SchemaRef> {
        self.inner.lock().schema.clone()
    }

    pub fn has_result_set(&self) -> Option<bool> {
        self.inner.lock().has_result_set
    }

    pub fn served(&self) -> u64 {
        self.inner.lock().buffer.served()
    }

    pub fn error(&self) -> Option<Error> {
        self.inner.lock().error.clone()
    }

    pub fn warnings(&self) -> Vec<String> {
        self.counters.warnings()
    }

    pub fn session(&self) -> Session {
        self.inner.lock().session.clone()
    }

    pub fn effect(&self) -> Option<SessionEffect> {
        self.inner.lock().effect.clone()
    }
}

impl Inner {
    fn fail_transaction(&mut self) {
        let left_early = self.closed == Some(CloseReason::Finalized) && self.has_result_set == Some(true);
        if let TransactionState::Active(id) = self.session.transaction
            && !left_early
        {
            self.session.transaction = TransactionState::Failed(id);
        }
    }
}

struct Polling<'a>(&'a Shared);

impl<'a> Polling<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.inner.lock().pollers += 1;
        Self(shared)
    }
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.inner.lock();
        inner.pollers -= 1;
        inner.touched = Instant::now();
    }
}

fn text(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Finalized => "finalized by the client",
        CloseReason::Cancelled => "cancelled by its client",
        CloseReason::Killed => "killed",
        CloseReason::TimedOut => "timed out: nobody asked for its result",
        CloseReason::SessionEnded => "its session ended",
        CloseReason::ShuttingDown => "the server is shutting down",
    }
}

fn closed_error(id: &str, reason: CloseReason) -> Error {
    Error::QueryClosed { id: id.to_owned(), reason: text(reason).to_owned() }
}

/// The batch with the names that the client sees.
fn renamed(batch: RecordBatch, schema: Option<&SchemaRef>) -> Result<RecordBatch> {
    let Some(schema) = schema else {
        return Ok(batch);
    };
    if Arc::ptr_eq(schema, batch.schema_ref()) {
        return Ok(batch);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let (_, columns, _) = batch.into_parts();
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
        .map_err(|error| Error::internal("a plan's rows do not have its schema", error))
}
