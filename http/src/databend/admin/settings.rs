//! Settings of sessions, for everyone who sets nothing else.

use crate::{
    app::App,
    auth::Caller,
    body,
    databend::{
        error::ProtocolError,
        lookup::{self, failed, json},
    },
};
use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    response::Response,
};
use serde_json::{Value, json as value};

/// `GET /v1/settings`
pub async fn list(State(app): State<App>, Extension(caller): Extension<Caller>) -> Result<Response, ProtocolError> {
    let sql = "SELECT * FROM system.settings ORDER BY name";
    let found = lookup::rows(&app, &caller.principal, sql, &[]).await.map_err(failed)?;
    let list: Vec<Value> = found
        .iter()
        .map(|row| {
            let range = row.get("range").filter(|range| !range.is_empty() && *range != "None");
            // The lookup's own session is in UTC; nobody else is.
            let session = row.text("level") == "SESSION";
            let text = |name| if session { row.text("default") } else { row.text(name) };
            value!({
                "name": row.text("name"),
                "desc": row.text("description"),
                "level": if session { "DEFAULT" } else { row.text("level") },
                "user_value": text("value"),
                "default_value": row.text("default"),
                "range": range,
            })
        })
        .collect();
    Ok(json(&list.into()))
}

/// `POST /v1/settings/{key}`: the body is the value as a JSON text.
pub async fn set(
    state: State<App>,
    caller: Extension<Caller>,
    Path(key): Path<String>,
    body: Body,
) -> Result<Response, ProtocolError> {
    let bytes = body::collect(body, &state.limits).await?;
    let text: String = serde_json::from_slice(&bytes)
        .map_err(|e| ProtocolError::bad_request(format!("parse error: expected the value as a JSON text: {e}")))?;
    let statement = ["SET GLOBAL", &name(&key)?, "=", &lookup::literal(&text)].join(" ");
    lookup::rows(&state, &caller.principal, &statement, &[]).await.map_err(failed)?;
    list(state, caller).await
}

/// `DELETE /v1/settings/{key}`
pub async fn unset(
    state: State<App>,
    caller: Extension<Caller>,
    Path(key): Path<String>,
) -> Result<Response, ProtocolError> {
    let statement = ["UNSET GLOBAL", &name(&key)?].join(" ");
    lookup::rows(&state, &caller.principal, &statement, &[]).await.map_err(failed)?;
    list(state, caller).await
}

/// [`set`] below a tenant.
pub async fn set_of_tenant(
    state: State<App>,
    caller: Extension<Caller>,
    Path((_, key)): Path<(String, String)>,
    body: Body,
) -> Result<Response, ProtocolError> {
    set(state, caller, Path(key), body).await
}

/// [`unset`] below a tenant.
pub async fn unset_of_tenant(
    state: State<App>,
    caller: Extension<Caller>,
    Path((_, key)): Path<(String, String)>,
) -> Result<Response, ProtocolError> {
    unset(state, caller, Path(key)).await
}

fn name(key: &str) -> Result<String, ProtocolError> {
    if !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(key.to_string());
    }
    Err(ProtocolError::bad_request(format!("`{key}` is no name of a setting")))
}
