//! Pages of a result: the first with the statement's own answer, the others on request, the end by final or kill.

use super::{
    arrow_body::{self, Agreed},
    client_session::{self, ClientSession},
    error::ProtocolError,
    reply::{Next, Reply},
    routing,
    session::{self, Opened},
    unfinished::Owed,
};
use crate::{app::App, auth::Caller};
use axum::{
    Extension,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use basalt_engine::{CloseReason, Error, QueryHandle, ResultPage};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};

/// How a client wants its pages, as it said when it started the query.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    pub wait: Duration,
    /// Arrow instead of JSON.
    pub arrow: Option<Agreed>,
}

/// What a client that did not say otherwise is made to wait for a page.
const DEFAULT_WAIT: Duration = Duration::from_secs(10);

/// The answer to the request that started the query: page 0, if it comes in time.
pub(super) async fn first(
    app: &App,
    query: QueryHandle,
    opened: Opened,
    client: &ClientSession,
    manner: Manner,
) -> Result<Response, ProtocolError> {
    let (page, error) = fetch(&query, 0, manner.wait).await?;
    let next = next(0, page.as_deref(), error.as_ref());
    let state = query.session();
    let mut session = Vec::with_capacity(256);
    session::write(&mut session, &state, &opened.echo, &app.node_id, query.id());
    let mut warnings = opened.warnings;
    warnings.extend(query.warnings());
    if next != Next::Final || manner.arrow.is_some() {
        let principal = state.principal.clone();
        let owed = Owed { principal, echo: opened.echo, last_session: Mutex::new((0, session.clone())), manner };
        app.unfinished.insert(app, query.id(), owed);
    }
    let told = Told { session: Some(session), error, warnings, page, next, arrow: manner.arrow };
    let mut response = render(app, query, told).await?;
    client.add_headers(response.headers_mut());
    Ok(response)
}

/// `GET /v1/query/{id}/page/{page}`
pub async fn page(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((id, number)): Path<(String, u64)>,
    headers: HeaderMap,
) -> Result<Response, ProtocolError> {
    let client = client_session::find(&headers, &caller);
    let query = find(&app, &caller, &client, &headers, &id)?;
    if query.closed() == Some(CloseReason::Cancelled) {
        return Err(Error::QueryClosed { id, reason: "cancelled by its client".into() }.into());
    }
    let owed = app.unfinished.get(&id);
    let manner = owed.as_ref().map_or(Manner { wait: DEFAULT_WAIT, arrow: None }, |o| o.manner);
    if manner.arrow.is_none() && arrow_body::is_wanted(&headers) {
        return Err(ProtocolError::bad_request(format!("query `{id}` was started with JSON pages, not Arrow")));
    }
    let (page, error) = fetch(&query, number, manner.wait).await?;
    let session = owed.and_then(|owed| changed_session(&app, &query, &owed, number));
    let next = next(number, page.as_deref(), error.as_ref());
    let warnings = query.warnings();
    let told = Told { session, error, warnings, page, next, arrow: manner.arrow };
    let mut response = render(&app, query, told).await?;
    client.add_headers(response.headers_mut());
    Ok(response)
}

/// `GET|POST /v1/query/{id}/final`
pub async fn finalise(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ProtocolError> {
    let client = client_session::find(&headers, &caller);
    let query = find(&app, &caller, &client, &headers, &id)?;
    let timed_out = query.closed() == Some(CloseReason::TimedOut);
    query.close(CloseReason::Finalized);
    app.unfinished.remove(&id);
    let error = query.error().filter(|_| !timed_out);
    let warnings = query.warnings();
    let told = Told { session: None, error, warnings, page: None, next: Next::Nowhere, arrow: None };
    let mut response = render(&app, query, told).await?;
    client.add_headers(response.headers_mut());
    Ok(response)
}

/// `GET|POST /v1/query/{id}/kill`
pub async fn kill(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, ProtocolError> {
    let client = client_session::find(&headers, &caller);
    let query = find(&app, &caller, &client, &headers, &id)?;
    query.close(CloseReason::Cancelled);
    Ok(StatusCode::OK)
}

/// The query, if it belongs to this user and client session. Other users' queries are an admin's to see and to kill by
/// SQL only: their rows are not his.
pub(super) fn find(
    app: &App,
    caller: &Caller,
    client: &ClientSession,
    headers: &HeaderMap,
    id: &str,
) -> Result<QueryHandle, ProtocolError> {
    routing::check_node(app, headers, id)?;
    let query = app.engine.find_query(&caller.principal, id).map_err(|error| unknown_here(app, error))?;
    if query.principal().name != caller.principal.name {
        return Err(Error::ForeignQuery { id: id.to_string() }.into());
    }
    let owner = query.session().id;
    if !owner.is_empty() && !client.id.is_empty() && owner != client.id {
        return Err(ProtocolError::new(StatusCode::UNAUTHORIZED, format!("query `{id}` belongs to another session")));
    }
    Ok(query)
}

/// Says which node does not know the query: behind a proxy it may be another's.
fn unknown_here(app: &App, error: Error) -> ProtocolError {
    let unknown = matches!(error, Error::UnknownQuery { .. });
    let mut error = ProtocolError::from(error);
    if unknown {
        error.message = format!("{} on node {}, started at {}", error.message, app.node_id, app.started_at);
    }
    error
}

type Fetched = (Option<Arc<ResultPage>>, Option<Error>);

/// A page or the statement's error; errors of the call itself (wrong page, closed) are answered by status.
async fn fetch(query: &QueryHandle, number: u64, wait: Duration) -> Result<Fetched, ProtocolError> {
    let mut left = ClientLeft(Some(query));
    let page = query.page(number, wait).await;
    left.0 = None;
    match page {
        Ok(page) => Ok((page, None)),
        Err(error @ (Error::PageOutOfRange { .. } | Error::QueryClosed { .. } | Error::UnknownQuery { .. })) => {
            Err(error.into())
        }
        Err(error) => {
            if let Error::Internal { source, .. } = &error {
                tracing::error!(query_id = query.id(), %error, source = ?source, "query failed inside");
            }
            Ok((None, Some(error)))
        }
    }
}

/// Dropped while it still holds a query: the connection ended while its client was waiting, so nobody wants the rest.
struct ClientLeft<'a>(Option<&'a QueryHandle>);

impl Drop for ClientLeft<'_> {
    fn drop(&mut self) {
        if let Some(query) = self.0 {
            tracing::info!(query_id = query.id(), "client left, cancelling");
            query.close(CloseReason::Cancelled);
        }
    }
}

fn next(number: u64, page: Option<&ResultPage>, error: Option<&Error>) -> Next {
    match (page, error) {
        (_, Some(_)) => Next::Final,
        (None, None) => Next::Page(number),
        (Some(page), None) if page.more => Next::Page(number + 1),
        (Some(_), None) => Next::Final,
    }
}

/// The session object, if it differs from what was sent before; the answer that carried it carries it again when it is
/// asked for again.
fn changed_session(app: &App, query: &QueryHandle, owed: &Owed, number: u64) -> Option<Vec<u8>> {
    let mut session = Vec::with_capacity(256);
    session::write(&mut session, &query.session(), &owed.echo, &app.node_id, query.id());
    let mut last = owed.last_session.lock();
    if last.1 == session && last.0 != number {
        return None;
    }
    *last = (number, session.clone());
    Some(session)
}

/// What one answer says.
struct Told {
    session: Option<Vec<u8>>,
    error: Option<Error>,
    warnings: Vec<String>,
    page: Option<Arc<ResultPage>>,
    next: Next,
    arrow: Option<Agreed>,
}

async fn render(app: &App, query: QueryHandle, told: Told) -> Result<Response, ProtocolError> {
    let large = Reply::is_large(told.page.as_ref());
    let app = app.clone();
    let write = move || {
        let reply = Reply {
            state: &query.session(),
            query: &query,
            session: told.session.as_deref(),
            error: told.error.as_ref(),
            warnings: told.warnings,
            page: told.page.as_deref(),
            next: told.next,
            arrow: told.arrow,
        };
        reply.response(&app)
    };
    if !large {
        return Ok(write());
    }
    tokio::task::spawn_blocking(write).await.map_err(|error| {
        tracing::error!(%error, "encoding a page failed");
        ProtocolError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error: encoding the page failed")
    })
}
