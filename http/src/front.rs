//! What every request passes before routing: limits of its head, the guard of an open server, one spelling of paths,
//! a request id, and a net under panics.

use crate::{app::App, limits::Limits, origin};
use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, Uri, header, uri::PathAndQuery},
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use std::{
    borrow::Cow,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicU64, Ordering},
};
use tower::ServiceExt;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A request's number within this process, for logs and answers.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Answers one request. Never fails: what goes wrong becomes an answer.
pub async fn answer(app: &App, router: Router, mut request: Request) -> Response {
    let id = format!("{}-{}", &app.node_id[..8], NEXT.fetch_add(1, Ordering::Relaxed));
    let mut response = match check_head(app, &request) {
        Err((status, message)) => refuse(status, &message),
        Ok(()) => {
            normalise(request.uri_mut());
            request.extensions_mut().insert(RequestId(id.clone()));
            run(router, request, &id).await
        }
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID.clone(), value);
    }
    response
}

async fn run(router: Router, request: Request, request_id: &str) -> Response {
    match AssertUnwindSafe(router.oneshot(request)).catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
            tracing::error!(request_id, panic = text.unwrap_or("?"), "handler panicked");
            let message = format!("internal error; the server's log has more under request id {request_id}");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, &message)
        }
    }
}

fn check_head(app: &App, request: &Request) -> Result<(), (StatusCode, String)> {
    let Limits { uri_bytes_max, header_bytes_max, headers_max, .. } = app.limits;
    let uri = request.uri();
    let uri_bytes = uri.path_and_query().map_or(0, |p| p.as_str().len());
    if uri_bytes > uri_bytes_max {
        return Err((StatusCode::URI_TOO_LONG, format!("URI has {uri_bytes} bytes, limit {uri_bytes_max}")));
    }
    let headers = request.headers();
    let header_bytes: usize = headers.iter().map(|(k, v)| k.as_str().len() + v.len() + 4).sum();
    if headers.len() > headers_max || header_bytes > header_bytes_max {
        let message = format!(
            "request has {} headers of {header_bytes} bytes, limits are {headers_max} and {header_bytes_max} (setting `header_bytes_max`)",
            headers.len()
        );
        return Err((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message));
    }
    let Some(hosts) = &app.hosts else { return Ok(()) };
    origin::check(uri, headers, hosts).map_err(|message| (StatusCode::FORBIDDEN, message))
}

/// An error that belongs to no dialect.
pub fn refuse(status: StatusCode, message: &str) -> Response {
    let body = serde_json::json!({"error": {"code": status.as_u16(), "message": message}}).to_string();
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], Body::from(body)).into_response();
    if status.is_server_error() || !matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Merges repeated slashes and drops a trailing one: clients glue paths carelessly and rely on it.
fn normalise(uri: &mut Uri) {
    let Cow::Owned(path) = normal_path(uri.path()) else { return };
    let path_and_query = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let Ok(path_and_query) = PathAndQuery::try_from(path_and_query) else { return };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query);
    if let Ok(new) = Uri::from_parts(parts) {
        *uri = new;
    }
}

fn normal_path(path: &str) -> Cow<'_, str> {
    if path == "/" || !(path.contains("//") || path.ends_with('/')) {
        return Cow::Borrowed(path);
    }
    let mut normal = String::with_capacity(path.len());
    for part in path.split('/').filter(|p| !p.is_empty()) {
        normal.push('/');
        normal.push_str(part);
    }
    if normal.is_empty() {
        normal.push('/');
    }
    Cow::Owned(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_spelling() {
        for (given, normal) in
            [("/", "/"), ("//", "/"), ("/v1/query/", "/v1/query"), ("//v1///query//x", "/v1/query/x"), ("/a", "/a")]
        {
            assert_eq!(normal_path(given), normal, "{given}");
        }
        let mut uri = Uri::from_static("//v1/query/?a=1");
        normalise(&mut uri);
        assert_eq!(uri, "/v1/query?a=1");
    }
}
