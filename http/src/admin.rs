//! The native endpoints: health, metrics, and a word for people who open `/`.

use crate::{app::App, front, metrics as names, routes::Route};
use axum::{
    extract::State,
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use basalt_engine::Access;

/// Routes served on every face.
pub fn routes() -> Vec<Route> {
    let open = |path, access| Route::new(Method::GET, path, access, refuse, health);
    vec![
        open("/v1/health", Access::Public),
        open("/health", Access::Public),
        Route::new(Method::GET, "/metrics", Access::Public, refuse, metrics),
        Route::new(Method::GET, "/", Access::Public, refuse, usage),
    ]
}

fn refuse(refusal: &crate::auth::Refusal) -> Response {
    front::refuse(StatusCode::UNAUTHORIZED, &refusal.message())
}

async fn health(State(app): State<App>) -> Response {
    if app.is_draining() {
        return front::refuse(StatusCode::SERVICE_UNAVAILABLE, "the server is shutting down");
    }
    ([(header::CONTENT_TYPE, "application/json")], r#"{"status":"ok"}"#).into_response()
}

async fn metrics(State(app): State<App>) -> Response {
    let Some(handle) = &app.metrics else {
        return front::refuse(StatusCode::NOT_FOUND, "metrics are not recorded by this process");
    };
    record_process(&app);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render()).into_response()
}

async fn usage() -> Response {
    let text = concat!(
        "Basalt ",
        env!("CARGO_PKG_VERSION"),
        ": SQL and bulk loads over HTTP.\n\n",
        "run a statement:\n",
        "  curl -u root: -H 'Content-Type: application/json' -d '{\"sql\": \"SELECT 1\"}' http://HOST:PORT/v1/query\n",
        "load a CSV file into a table:\n",
        "  curl --location-trusted -u root: -H 'Expect: 100-continue' -H 'column_separator: ,' -T FILE -XPUT \\\n",
        "    http://HOST:PORT/api/DATABASE/TABLE/_stream_load\n",
        "health: /v1/health    metrics: /metrics\n",
    );
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// Figures of the process that change by themselves: read when someone looks.
fn record_process(app: &App) {
    metrics::gauge!(names::UPTIME_SECONDS).set(app.started.elapsed().as_secs_f64());
    if let Some(bytes) = resident_bytes() {
        metrics::gauge!(names::MEMORY_RESIDENT_BYTES).set(bytes as f64);
    }
    for (name, directory) in [(names::OPEN_FILES, "/proc/self/fd"), (names::THREADS, "/proc/self/task")] {
        if let Ok(entries) = std::fs::read_dir(directory) {
            metrics::gauge!(name).set(entries.count() as f64);
        }
    }
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}
