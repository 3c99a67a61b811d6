//! The server itself: its settings without their secrets, what runs, how busy it is.

use crate::{
    app::App,
    auth::Caller,
    databend::{
        VERSION,
        error::ProtocolError,
        lookup::{self, failed, json},
    },
};
use axum::{
    Extension,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::Response,
};
use basalt_engine::Error;
use serde_json::{Value, json as value};

/// `GET /v1/config`
pub async fn config(State(app): State<App>) -> Response {
    json(&Value::Object(app.config.iter().map(|(key, text)| (key.to_string(), Value::from(text.as_str()))).collect()))
}

/// `GET /v1/system`
pub async fn system(State(app): State<App>) -> Response {
    let settings = app.engine.settings();
    json(&value!({
        "version": VERSION,
        "basalt_version": env!("CARGO_PKG_VERSION"),
        "node_id": app.node_id,
        "started_at": app.started_at,
        "uptime_secs": app.started.elapsed().as_secs(),
        "cpu_threads": settings.cpu_threads,
        "memory_limit_bytes": settings.memory_limit_bytes,
    }))
}

/// `GET /v1/status`
pub async fn status(State(app): State<App>, Extension(caller): Extension<Caller>) -> Result<Response, ProtocolError> {
    let sql = "SELECT state, session_id, started_at, elapsed_ms FROM system.queries";
    let found = lookup::rows(&app, &caller.principal, sql, &[]).await.map_err(failed)?;
    let running = |state: &str| matches!(state, "Starting" | "Running");
    // This look into the queries is one itself.
    let count = found.iter().filter(|row| running(row.text("state"))).count().saturating_sub(1);
    let millis = |text: &str| text.parse::<f64>().unwrap_or_default();
    let longest = found.iter().filter(|row| running(row.text("state"))).map(|row| millis(row.text("elapsed_ms")));
    let sessions: std::collections::BTreeSet<&str> =
        found.iter().map(|row| row.text("session_id")).filter(|id| !id.is_empty()).collect();
    let started = |row: &lookup::Row<'_>| row.seconds("started_at").unwrap_or_default();
    let ended = |row: &lookup::Row<'_>| started(row) + (millis(row.text("elapsed_ms")) / 1000.0) as u64;
    let now = app.now_secs();
    Ok(json(&value!({
        "inflight": count,
        "running_queries_count": count,
        "queuing_queries_count": app.engine.queries_waiting(),
        "active_sessions_count": sessions.len(),
        "max_running_query_executed_secs": longest.fold(0.0, f64::max) as u64 / 1000,
        "last_query_started_at": found.iter().map(|row| started(&row)).max(),
        "last_query_finished_at": found.iter().filter(|row| !running(row.text("state"))).map(|row| ended(&row)).max(),
        "instance_started_at": now.saturating_sub(app.started.elapsed().as_secs()),
        "instance_timestamp": now,
    })))
}

/// `GET /v1/processlist`
pub async fn processes(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ProtocolError> {
    let found = lookup::rows(&app, &caller.principal, "SELECT * FROM system.processes", &[]).await.map_err(failed)?;
    let list: Vec<Value> = found
        .iter()
        .map(|row| {
            value!({
                "id": row.text("id"),
                "typ": row.text("type"),
                "state": row.text("command"),
                "database": row.text("database"),
                "user": row.text("user"),
                "client_address": row.text("host"),
                "session_extra_info": row.get("extra_info"),
                "memory_usage": row.number("memory_usage"),
                "mysql_connection_id": null,
                "created_time": row.time("created_time"),
                "status_info": row.get("status"),
                "current_query_id": row.get("current_query_id"),
            })
        })
        .collect();
    Ok(json(&list.into()))
}

/// `GET /v1/cluster/list`: this node.
pub async fn cluster(State(app): State<App>, headers: HeaderMap) -> Response {
    let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or_default();
    json(&value!([{
        "id": app.node_id,
        "cpu_nums": app.engine.settings().cpu_threads,
        "version": 0,
        "http_address": host,
        "flight_address": "",
        "discovery_address": host,
        "binary_version": VERSION,
        "start_time_ms": (app.now_secs().saturating_sub(app.started.elapsed().as_secs())) * 1000,
    }]))
}

/// `GET /v1/user_functions`
pub async fn functions(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ProtocolError> {
    let found = lookup::rows(&app, &caller.principal, "SELECT * FROM system.user_functions ORDER BY name", &[])
        .await
        .map_err(failed)?;
    Ok(json(&found.objects()))
}

/// `GET /v1/queries/{id}/graph_dump`: the statement and what it has done so far.
pub async fn query_dump(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, ProtocolError> {
    let sql = "SELECT * FROM system.queries WHERE query_id = ?";
    let found = lookup::rows(&app, &caller.principal, sql, &[&id]).await.map_err(failed)?;
    match found.objects() {
        Value::Array(mut rows) if !rows.is_empty() => Ok(json(&rows.swap_remove(0))),
        _ => Err(failed(Error::UnknownQuery { id })),
    }
}
