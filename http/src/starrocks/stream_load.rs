//! `PUT /api/{db}/{table}/_stream_load`

use super::{headers::StreamLoadHeaders, wire::StreamLoadResult};
use crate::{
    app::App,
    auth::{Caller, Refusal},
    body,
};
use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use basalt_engine::Error;

/// Loads the body into the table. Everything in the headers is checked before the body is asked for.
pub async fn put(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((database, table)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> StreamLoadResult {
    let label = headers.get("label").and_then(|l| l.to_str().ok()).unwrap_or("").to_string();
    if app.is_draining() {
        let message = "Service is shutting down, please retry later!".into();
        return StreamLoadResult::failed(&label, &database, &table, message);
    }
    let options = match StreamLoadHeaders::parse(&headers, &app.limits) {
        Ok(options) => options,
        Err(message) => return StreamLoadResult::failed(&label, &database, &table, message),
    };
    let stream = body::stream(body, options.compression, &app.limits);
    let request = options.into_request(caller.principal, &database, &table);
    match app.engine.load(request, stream).await {
        Ok(report) => {
            let mut result = StreamLoadResult::from_report(&report, &database, &table);
            result.error_url = error_url(&headers, report.rejected_log.as_deref());
            result
        }
        Err(error) => {
            if let Error::Internal { source, .. } = &error {
                tracing::error!(%error, source = ?source, label, "load failed inside");
            }
            StreamLoadResult::failed(&label, &database, &table, error.to_string())
        }
    }
}

/// Who may not load hears it in the usual shape, too.
pub fn refuse(refusal: &Refusal) -> Response {
    let message = match refusal {
        Refusal::MissingCredentials | Refusal::MalformedCredentials => "no valid Basic authorization".to_string(),
        other => other.message(),
    };
    StreamLoadResult::failed("", "", "", message).into_response()
}

/// Where the bad rows can be read, on the address by which the client knows us.
fn error_url(headers: &HeaderMap, log: Option<&str>) -> Option<String> {
    let log = log?;
    let host = headers.get(header::HOST)?.to_str().ok()?;
    Some(format!("http://{host}/api/_load_error_log?file={log}"))
}
