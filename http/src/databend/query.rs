//! `POST /v1/query` and `GET /v1/query/{id}`: a statement starts, and what has become of it.

use super::{
    arrow_body,
    client_session::{self, ClientSession},
    error::{self, ProtocolError},
    pages, presigned, reply, routing,
    session::{self, Opened},
    wire::{AttachmentBody, QueryBody},
};
use crate::{app::App, auth::Caller, body};
use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use basalt_engine::{Error, Parameters, QueryRequest, Session, StageAttachment};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// Longest time an answer is held back for more rows, whatever the client asks for.
const WAIT_MAX: Duration = Duration::from_secs(120);
const ID_BYTES_MAX: usize = 256;
const LABEL_BYTES_MAX: usize = 255;

/// `POST /v1/query`
pub async fn start(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ProtocolError> {
    let id = query_id(&headers)?;
    routing::check_sticky(&app, &headers)?;
    let bytes = body::collect(body, &app.limits).await?;
    let body: QueryBody<'_> =
        serde_json::from_slice(&bytes).map_err(|e| ProtocolError::bad_request(format!("parse error: {e}")))?;
    let arrow = arrow_body::agree(&headers, body.arrow_result_version_max, body.arrow_features.as_ref())?;
    let client = client_session::find(&headers, &caller);
    let opened = session::open(&app, caller.principal.clone(), client.id.clone(), body.session)?;
    let wait = Duration::from_secs(body.pagination.wait_time_secs).min(WAIT_MAX);
    let defaults = QueryRequest::new(body.sql, opened.session.clone());
    let request = QueryRequest {
        id,
        parameters: parameters(body.params)?,
        page_rows: body.pagination.max_rows_per_page.unwrap_or(defaults.page_rows).max(1),
        buffer_rows: body.pagination.max_rows_in_buffer.unwrap_or(defaults.buffer_rows).max(1),
        result_timeout: result_timeout(&app, &opened.session),
        label: label(&headers)?,
        stage_attachment: body.stage_attachment.map(attachment),
        presigner: Some(presigned::presigner(&app, &caller, &headers)),
        ..defaults
    };
    match app.engine.query(request).await {
        Ok(query) => pages::first(&app, query, opened, &client, pages::Manner { wait, arrow }).await,
        Err(error @ Error::QueryIdTaken { .. }) => Err(error.into()),
        Err(error) => failed(&client, opened, &error),
    }
}

/// `GET /v1/query/{id}`
pub async fn state(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ProtocolError> {
    let client = client_session::find(&headers, &caller);
    let query = pages::find(&app, &caller, &client, &headers, &id)?;
    let mut response = reply::state_only(&query);
    client.add_headers(response.headers_mut());
    Ok(response)
}

fn failed(client: &ClientSession, opened: Opened, error: &Error) -> Result<Response, ProtocolError> {
    if error::is_retryable(error) {
        return Err(error::unavailable(error));
    }
    if let Error::Internal { source, .. } = error {
        tracing::error!(%error, source = ?source, "statement failed inside");
    }
    let state = session::after_failed_start(opened.session);
    let mut response = reply::failed_start(&state, &opened.echo, &opened.warnings, error).into_response();
    client.add_headers(response.headers_mut());
    Ok(response)
}

/// The client's id for the query. It becomes part of paths and headers, so it is kept to characters safe there.
pub(super) fn query_id(headers: &HeaderMap) -> Result<Option<String>, ProtocolError> {
    let Some(value) = headers.get("x-databend-query-id") else { return Ok(None) };
    let ok = |id: &&str| {
        !id.is_empty()
            && id.len() <= ID_BYTES_MAX
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:~@+".contains(&b))
    };
    let Some(id) = value.to_str().ok().filter(ok) else {
        return Err(ProtocolError::bad_request(
            "X-DATABEND-QUERY-ID must be 1 to 256 letters, digits or any of - _ . : ~ @ +",
        ));
    };
    Ok(Some(id.to_string()))
}

/// Names what the statement changes: repeated, it changes nothing.
pub(super) fn label(headers: &HeaderMap) -> Result<Option<String>, ProtocolError> {
    let Some(value) = headers.get("x-databend-deduplicate-label") else { return Ok(None) };
    let label = value.to_str().ok().filter(|label| !label.is_empty() && label.len() <= LABEL_BYTES_MAX);
    match label {
        Some(label) => Ok(Some(label.to_string())),
        None => Err(ProtocolError::bad_request("X-DATABEND-DEDUPLICATE-LABEL must be 1 to 255 visible characters")),
    }
}

fn attachment(body: AttachmentBody) -> StageAttachment {
    let texts = |options: Option<BTreeMap<String, Value>>| -> BTreeMap<String, String> {
        let text = |value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        options.unwrap_or_default().into_iter().map(|(name, value)| (name, text(value))).collect()
    };
    StageAttachment {
        location: body.location,
        file_format_options: texts(body.file_format_options),
        copy_options: texts(body.copy_options),
    }
}

fn parameters(value: Option<Value>) -> Result<Option<Parameters>, ProtocolError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => Ok(Some(Parameters::Positional(items))),
        Some(Value::Object(names)) => Ok(Some(Parameters::Named(names))),
        Some(_) => Err(ProtocolError::bad_request("parse error: params must be an array or an object")),
    }
}

fn result_timeout(app: &App, session: &Session) -> Option<Duration> {
    let secs = app.engine.setting(session, "http_handler_result_timeout_secs").ok()?.parse().ok()?;
    Some(Duration::from_secs(secs))
}
