//! Runs one statement: parse, plan, rows into the page buffer; on the CPU threads from beginning to end.

use super::{
    Counters, QueryHandle, QueryRequest,
    pages::PageLimits,
    registry::{Added, Key, Slot},
    results::Recording,
    shared::Shared,
};
use crate::{
    Error, Result, Session, TransactionState, metrics as names,
    parts::Parts,
    plan::{StatementContext, explain},
    session::Settings,
    sql,
    statement::{self, Outcome},
};
use datafusion::execution::SendableRecordBatchStream;
use futures::{FutureExt, StreamExt, poll};
use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// Bytes of rows that may wait for the client, in pages.
const BUFFER_PAGES: usize = 4;
/// SQL text kept for `system.queries`.
const SQL_KEPT_BYTES: usize = 8 << 10;

/// Starts a statement and waits (about a second at most) until it is understood. Errors before that are returned; later
/// ones come with the pages.
pub(crate) async fn start(parts: &Arc<Parts>, request: QueryRequest) -> Result<QueryHandle> {
    let user = request.session.principal.name.clone();
    let id = request.id.clone().unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let key = Key { user, id };
    if let Some(known) = parts.queries.known(&key)? {
        known.shared.wait_planned().await;
        return Ok(known);
    }
    let slot = parts.queries.admit().await?;
    let shared = Arc::new(new_shared(parts, key, &request)?);
    let handle = match parts.queries.add(shared.clone())? {
        Added::New(handle) => handle,
        Added::Known(known) => {
            known.shared.wait_planned().await;
            return Ok(known);
        }
    };
    metrics::counter!(names::QUERIES_STARTED).increment(1);
    let in_transaction = matches!(request.session.transaction, TransactionState::Active(_));
    let unplanned = Unplanned { parts: parts.clone(), shared: Some(shared.clone()) };
    parts.runtime.spawn(execute(parts.clone(), shared.clone(), request, slot));
    shared.wait_planned().await;
    unplanned.done();
    match shared.error() {
        // In a transaction the caller must learn what became of it, from the handle.
        Some(error) if shared.schema().is_none() && !in_transaction => {
            parts.queries.remove(&shared.key);
            Err(error)
        }
        _ => Ok(handle),
    }
}

fn new_shared(parts: &Parts, key: Key, request: &QueryRequest) -> Result<Shared> {
    let limits = PageLimits {
        page_rows: request.page_rows.max(1),
        page_bytes: request.page_bytes.max(1),
        buffer_rows: request.buffer_rows.max(1),
        buffer_bytes: request.page_bytes.max(1).saturating_mul(BUFFER_PAGES),
    };
    let counters = Arc::new(Counters::new(parts.catalog.clock().now()));
    let timeout = request.result_timeout.unwrap_or(parts.settings.result_timeout);
    let text = without_password(&request.sql[..request.sql.floor_char_boundary(SQL_KEPT_BYTES)]);
    Ok(Shared::new(key, text, request.session.clone(), counters, timeout, limits))
}

/// The text as others may read it: what follows IDENTIFIED may be a password.
fn without_password(sql: &str) -> String {
    const WORD: &[u8] = b"identified";
    let bytes = sql.as_bytes();
    match bytes.windows(WORD.len()).position(|window| window.eq_ignore_ascii_case(WORD)) {
        Some(at) => [&sql[..at + WORD.len()], " …"].concat(),
        None => sql.to_owned(),
    }
}

/// A caller that goes away before its statement is understood takes the statement with it.
struct Unplanned {
    parts: Arc<Parts>,
    shared: Option<Arc<Shared>>,
}

impl Unplanned {
    fn done(mut self) {
        self.shared = None;
    }
}

impl Drop for Unplanned {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.close(super::CloseReason::Cancelled);
            self.parts.queries.remove(&shared.key);
        }
    }
}

/// The executor's task: whatever happens in it happens to this query alone.
async fn execute(parts: Arc<Parts>, shared: Arc<Shared>, request: QueryRequest, slot: Slot) {
    let begun = Instant::now();
    let work = AssertUnwindSafe(execute_in_time(&parts, &shared, request)).catch_unwind();
    let result = match work.await {
        Ok(result) => result,
        Err(panic) => {
            let message = panic_text(panic.as_ref());
            tracing::error!(query_id = %shared.key.id, panic = %message, "a query panicked");
            Err(Error::Internal { message: format!("the query failed unexpectedly: {message}"), source: None })
        }
    };
    if let Err(error) = &result {
        metrics::counter!(names::QUERIES_FAILED).increment(1);
        if let Error::Internal { .. } = error {
            tracing::error!(query_id = %shared.key.id, %error, "query failed");
        }
    }
    if result.is_err() {
        fail_transaction(&parts, &shared).await;
    }
    metrics::histogram!(names::QUERY_SECONDS).record(begun.elapsed().as_secs_f64());
    drop(slot);
    shared.finish(result);
}

/// A statement that failed while its rows came, or that was stopped from outside, fails its transaction like any other.
async fn fail_transaction(parts: &Arc<Parts>, shared: &Shared) {
    if let Some((principal, id)) = shared.fail_transaction() {
        statement::roll_back(parts, &principal, id).await;
    }
}

async fn execute_in_time(parts: &Arc<Parts>, shared: &Arc<Shared>, request: QueryRequest) -> Result<()> {
    let settings = Settings::resolve(&request.session.settings, &parts.catalog.snapshot().settings());
    let (limit, setting) = time_limit(parts, &settings);
    let work = run(parts, shared, request, settings);
    let mut work = std::pin::pin!(work);
    // Most statements end before they would ever wait: no timer for them.
    if let Poll::Ready(result) = poll!(work.as_mut()) {
        return result;
    }
    tokio::select! {
        biased;
        result = work => result,
        () = shared.cancel.cancelled() => Err(Error::Cancelled { reason: "the statement was stopped".into() }),
        () = tokio::time::sleep(limit) => {
            shared.cancel.cancel();
            Err(Error::DeadlineExceeded { what: "query", limit_secs: limit.as_secs(), setting })
        }
    }
}

/// The shorter of the server's limit and the session's, and what it is called.
fn time_limit(parts: &Parts, settings: &Settings) -> (Duration, &'static str) {
    let server = parts.settings.query_time_max;
    match settings.execute_time_max {
        Some(session) if session < server => (session, "max_execute_time_in_seconds"),
        _ => (server, "query_time_max"),
    }
}

async fn run(parts: &Arc<Parts>, shared: &Arc<Shared>, request: QueryRequest, settings: Settings) -> Result<()> {
    let QueryRequest { sql, session, parameters, stage_attachment, presigner, label, .. } = request;
    let mut context = context(parts, session, settings, shared.counters.clone());
    context.query_id = shared.key.id.clone();
    context.cancel = shared.cancel.clone();
    context.parameters = parameters;
    context.attachment = stage_attachment;
    context.presigner = presigner;
    context.label = label;
    let statement = sql::parse(&sql, context.sql_limits())?;
    let (outcome, effect) = match statement::execute(&mut context, statement).await {
        Ok(done) => done,
        Err(error) => {
            shared.set_session(context.session.clone(), None);
            return Err(error);
        }
    };
    match outcome {
        Outcome::Done => {
            shared.planned(None, context.session.clone(), effect);
            Ok(())
        }
        Outcome::Rows { schema, stream } => {
            let recording = Recording::new(&parts.results, &shared.key.user, &shared.key.id, schema.clone());
            shared.planned(Some(schema), context.session.clone(), effect);
            drain(shared, stream, recording).await
        }
    }
}

/// Moves rows into the page buffer. Clients hear of the statement with its first rows, or as soon as it has to wait.
async fn drain(shared: &Shared, mut stream: SendableRecordBatchStream, mut recording: Recording<'_>) -> Result<()> {
    loop {
        let next = match poll!(stream.next()) {
            Poll::Ready(next) => next,
            Poll::Pending => {
                shared.announce();
                stream.next().await
            }
        };
        match next {
            None => {
                recording.done();
                return Ok(());
            }
            Some(batch) => {
                let batch = batch.map_err(explain)?;
                recording.add(&batch);
                shared.push(batch).await?;
            }
        }
    }
}

/// The context of a statement of `session`, inside its transaction if it has one.
fn context(parts: &Arc<Parts>, session: Session, settings: Settings, counters: Arc<Counters>) -> StatementContext {
    let mut session = session;
    if session.temporary_tables && !parts.temporary.touch(&session.principal, &session.id) {
        counters.warn("temporary tables of this session are gone (restart, logout or a long silence)".to_string());
        session.temporary_tables = false;
    }
    let transaction = parts.transactions.of(&session);
    let snapshot = match &transaction {
        Some(transaction) => transaction.snapshot().clone(),
        None => parts.catalog.snapshot(),
    };
    StatementContext {
        parts: parts.clone(),
        session,
        settings,
        snapshot,
        transaction,
        query_id: String::new(),
        cancel: CancellationToken::new(),
        counters,
        parameters: None,
        attachment: None,
        presigner: None,
        label: None,
        variables: Default::default(),
        script_depth: 0,
        authority: Default::default(),
    }
}

/// A context for work that is not a query of its own (a load's expressions and checks).
pub(crate) fn open_context(parts: &Arc<Parts>, session: Session) -> Result<StatementContext> {
    let counters = Arc::new(Counters::new(parts.catalog.clock().now()));
    let settings = Settings::resolve(&session.settings, &parts.catalog.snapshot().settings());
    Ok(context(parts, session, settings, counters))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "panic".to_owned(),
    }
}
