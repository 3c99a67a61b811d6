//! `PUT /v1/streaming_load`: the data of an INSERT comes as the body, its statement and session as headers.

use super::{
    client_session,
    error::{self, ProtocolError},
    multipart::Parts,
    query, routing,
    session::{self, Opened},
    wire::SessionBody,
};
use crate::{app::App, auth::Caller};
use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use basalt_engine::{Error, Session, StreamingLoad, StreamingLoaded};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

/// What stands for the body in the statement.
const PLACEHOLDER: &str = "_databend_load";
const CONTEXT: &str = "x-databend-query-context";

/// `PUT /v1/streaming_load`
pub async fn load(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ProtocolError> {
    routing::check_sticky(&app, &headers)?;
    let sql = headers
        .get("x-databend-sql")
        .ok_or_else(|| ProtocolError::bad_request("no statement: send the header X-DATABEND-SQL"))?;
    let sql = std::str::from_utf8(sql.as_bytes())
        .map_err(|_| ProtocolError::bad_request("header X-DATABEND-SQL is not UTF-8"))?;
    let id = query::query_id(&headers)?.unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let client = client_session::find(&headers, &caller);
    let carried = context(&headers)?;
    let carries_session = carried.is_some();
    let opened = session::open(&app, caller.principal, client.id.clone(), carried)?;
    let request = StreamingLoad {
        session: opened.session.clone(),
        sql: sql.to_string(),
        placeholder: PLACEHOLDER,
        label: query::label(&headers)?,
        query_id: id.clone(),
    };
    let mut parts = Parts::of(&headers, body, &app.limits)?;
    let part = parts.next().await?.ok_or_else(|| ProtocolError::bad_request("no data: the body has no part"))?;
    let loaded = app.engine.streaming_load(request, part.body).await;
    let (mut response, after) = match loaded {
        Ok(loaded) => (done(&id, &loaded), loaded.session),
        Err(error) => {
            let refused = parts.broken().unwrap_or_else(|| refused(&error));
            (refused.into_response(), session::after_failed_start(opened.session.clone()))
        }
    };
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-databend-query-id", id);
    }
    if carries_session {
        add_context(headers, &app, &opened, &after, &id);
    }
    client.add_headers(headers);
    Ok(response)
}

fn done(id: &str, loaded: &StreamingLoaded) -> Response {
    let body = json!({"id": id, "stats": {"rows": loaded.rows, "bytes": loaded.bytes}});
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// Errors of the statement or its data are the request's fault; the others say to come back, or nothing new.
fn refused(error: &Error) -> ProtocolError {
    if error::is_retryable(error) {
        return error::unavailable(error);
    }
    if let Error::Internal { source, .. } = error {
        tracing::error!(%error, source = ?source, "streaming load failed inside");
        return ProtocolError {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: error::code(error),
            message: error.to_string(),
        };
    }
    ProtocolError { status: StatusCode::BAD_REQUEST, code: error::code(error), message: error.to_string() }
}

/// The session that came with the request: as JSON, or as the header of an answer spelled it.
fn context(headers: &HeaderMap) -> Result<Option<SessionBody>, ProtocolError> {
    let Some(value) = headers.get(CONTEXT) else { return Ok(None) };
    let bytes = value.as_bytes().trim_ascii();
    if bytes.is_empty() {
        return Ok(None);
    }
    let wrong = |error: &dyn std::fmt::Display| ProtocolError::bad_request(format!("parse error: {CONTEXT}: {error}"));
    let decoded;
    let json = if bytes.starts_with(b"{") {
        bytes
    } else {
        let text = bytes.strip_suffix(b"==").or_else(|| bytes.strip_suffix(b"=")).unwrap_or(bytes);
        decoded = URL_SAFE_NO_PAD.decode(text).map_err(|error| wrong(&error))?;
        &decoded
    };
    serde_json::from_slice(json).map(Some).map_err(|error| wrong(&error))
}

fn add_context(headers: &mut HeaderMap, app: &App, opened: &Opened, after: &Session, id: &str) {
    let mut text = Vec::with_capacity(256);
    session::write(&mut text, after, &opened.echo, &app.node_id, id);
    if let Ok(value) = HeaderValue::from_str(&URL_SAFE_NO_PAD.encode(text)) {
        headers.insert(CONTEXT, value);
    }
}
