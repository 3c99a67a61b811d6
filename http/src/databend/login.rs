//! Sessions as clients open, keep and end them.

use super::{
    VERSION, arrow_body, client_session,
    error::{self, ProtocolError},
    routing,
    wire::{HeartbeatBody, LoginBody, LoginQuery, RefreshBody},
};
use crate::{
    app::App,
    auth::{self, Caller},
    body,
    tokens::{TokenError, TokenKind},
};
use axum::{
    Extension,
    body::Body,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use basalt_engine::{Error, Principal, Role, Session};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const SESSION_PREFIX: &str = "bend-v1-s-";
const REFRESH_PREFIX: &str = "bend-v1-r-";

/// `POST /v1/session/login`
pub async fn login(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(options): Query<LoginQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ProtocolError> {
    let body: LoginBody = read(&app, body).await?;
    let client = client_session::find(&headers, &caller);
    let id = if client.id.is_empty() { uuid::Uuid::now_v7().to_string() } else { client.id.clone() };
    check(&app, &caller.principal, &id, body)?;
    let mut answer = json!({
        "version": VERSION,
        "session_id": id,
        "server_max_arrow_result_version": arrow_body::VERSION_MAX,
        "server_arrow_features": {"decimal64": true},
    });
    if !options.disable_session_token {
        answer["tokens"] = issue(&app, &caller.principal, &id)?;
    }
    let mut response = json_response(&answer);
    client.add_headers(response.headers_mut());
    if !response.headers().contains_key("x-databend-session-id")
        && let Ok(value) = HeaderValue::from_str(&id)
    {
        response.headers_mut().insert("x-databend-session-id", value);
    }
    Ok(response)
}

/// Only here are unknown databases, roles and settings an error.
fn check(app: &App, principal: &Principal, id: &str, body: LoginBody) -> Result<(), ProtocolError> {
    let mut session = Session::new(principal.clone());
    session.id = id.to_string();
    if let Some(database) = body.database.filter(|d| !d.is_empty()) {
        session.database = database;
    }
    session.settings = body.settings.unwrap_or_default();
    app.engine.check_session(&session).map_err(bad_session)?;
    let roles = app.engine.roles(principal).map_err(bad_session)?;
    match body.role.filter(|r| !r.is_empty()) {
        Some(role) if !roles.contains(&role) => Err(ProtocolError {
            status: StatusCode::BAD_REQUEST,
            code: 2206,
            message: format!("role `{role}` is unknown or not granted to user `{}`", principal.name),
        }),
        _ => Ok(()),
    }
}

fn bad_session(error: Error) -> ProtocolError {
    ProtocolError { status: StatusCode::BAD_REQUEST, code: error::code(&error), message: error.to_string() }
}

/// `POST /v1/session/refresh`: the bearer is a refresh token, the body names the token to replace.
pub async fn refresh(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ProtocolError> {
    let unauthorized =
        |code, message: &str| ProtocolError { status: StatusCode::UNAUTHORIZED, code, message: message.into() };
    let token = auth::bearer(&headers).ok_or_else(|| unauthorized(5100, "no refresh token"))?;
    let (principal, session_id) = app.tokens.check(TokenKind::Refresh, token).map_err(|error| match error {
        TokenError::Expired => unauthorized(5102, "refresh token expired"),
        TokenError::Unknown | TokenError::Jwt => unauthorized(5104, "refresh token not known"),
    })?;
    let gone = |error: Error| unauthorized(error::code(&error), &error.to_string());
    app.engine.check_principal(&principal, None).map_err(gone)?;
    let body: RefreshBody = read(&app, body).await?;
    let tokens = issue(&app, &principal, &session_id)?;
    if let Some(old) = body.session_token {
        app.tokens.revoke(&old);
    }
    app.tokens.revoke(token);
    let mut answer = json!({"tokens": tokens});
    if reads_flat_tokens(&headers)
        && let (Value::Object(answer), Value::Object(flat)) = (&mut answer, tokens)
    {
        answer.extend(flat);
    }
    Ok(json_response(&answer))
}

/// These clients read the tokens from the top level; others expect only `tokens` there.
fn reads_flat_tokens(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or("");
    agent.starts_with("databend-") || agent.starts_with("bendsql")
}

fn issue(app: &App, principal: &Principal, session_id: &str) -> Result<Value, ProtocolError> {
    let session = app.tokens.issue(TokenKind::Session, SESSION_PREFIX, principal, session_id);
    let refresh = app.tokens.issue(TokenKind::Refresh, REFRESH_PREFIX, principal, session_id);
    let (Some(session), Some(refresh)) = (session, refresh) else {
        return Err(ProtocolError::new(StatusCode::TOO_MANY_REQUESTS, "too many sessions"));
    };
    let ttl = app.tokens.session_ttl().as_secs();
    Ok(json!({"session_token_ttl_in_secs": ttl, "session_token": session, "refresh_token": refresh}))
}

/// `POST /v1/session/logout`
pub async fn logout(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, ProtocolError> {
    let client = client_session::find(&headers, &caller);
    let mut session = Session::new(caller.principal);
    session.id = caller.session_id.unwrap_or(client.id);
    if !session.id.is_empty() {
        app.tokens.revoke_session(&session.id);
        app.engine.end_session(&session).await?;
    }
    Ok(json_response(&json!({"error": null})))
}

/// `POST /v1/session/heartbeat`: keeps results alive, and says which queries need no more of it.
pub async fn heartbeat(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ProtocolError> {
    routing::check_sticky(&app, &headers)?;
    let body: HeartbeatBody = read(&app, body).await?;
    let ids = body.node_to_queries.into_values().flatten();
    let remove: Vec<String> = ids.filter(|id| !keep_alive(&app, &caller.principal, id)).collect();
    let mut response = json_response(&json!({"queries_to_remove": remove}));
    let client = client_session::find(&headers, &caller);
    app.engine.touch_session(&caller.principal, &client.id);
    client.add_headers(response.headers_mut());
    Ok(response)
}

fn keep_alive(app: &App, principal: &Principal, id: &str) -> bool {
    let Ok(query) = app.engine.find_query(principal, id) else { return false };
    if query.closed().is_some() || query.error().is_some() {
        return false;
    }
    // Read to its end it needs no more of it, but its client may still come back for the last page.
    query.touch();
    !query.is_drained()
}

/// `POST /v1/verify`
pub async fn verify(State(app): State<App>, Extension(caller): Extension<Caller>) -> Result<Response, ProtocolError> {
    let roles = app.engine.roles(&caller.principal)?;
    let configured = !matches!(caller.principal.role, Role::Granted(_));
    Ok(json_response(&json!({
        "tenant": "default",
        "user": caller.principal.name,
        "auth_type": "double_sha1_password",
        "is_configured": configured,
        "default_role": roles[0],
        "default_warehouse": null,
        "roles": roles,
    })))
}

/// A JSON body; an empty one is an empty object.
async fn read<T: DeserializeOwned + Default>(app: &App, body: Body) -> Result<T, ProtocolError> {
    let bytes = body::collect(body, &app.limits).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    serde_json::from_slice(&bytes).map_err(|e| ProtocolError::bad_request(format!("parse error: {e}")))
}

fn json_response(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
