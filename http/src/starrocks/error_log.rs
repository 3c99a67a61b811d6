//! `GET /api/_load_error_log?file=…`: the bad rows of a load, one line each. Rows are data, so a login is needed (the
//! original leaves this open), and only whoever loaded, or an admin, finds them.

use crate::{app::App, auth::Caller};
use axum::{
    Extension,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub struct LogQuery {
    file: Option<String>,
}

pub async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<LogQuery>,
) -> Response {
    let Some(file) = query.file else { return text(StatusCode::OK, "parameter file not specified in url.".into()) };
    match app.engine.rejected_rows(&caller.principal, &file) {
        Some(rows) => text(StatusCode::OK, rows),
        None => text(StatusCode::NOT_FOUND, format!("no error log `{file}` (logs are kept for a while only)")),
    }
}

fn text(status: StatusCode, body: String) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, headers, body).into_response()
}
