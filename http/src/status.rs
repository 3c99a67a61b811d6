//! What an engine error means as an HTTP status. The one place where the two meet; bodies are each dialect's own.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use basalt_engine::ErrorKind;

/// The status of an error that is reported by status.
pub fn of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::InvalidInput => StatusCode::BAD_REQUEST,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::PermissionDenied => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::AlreadyExists | ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::ResourceExhausted | ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::DeadlineExceeded => StatusCode::REQUEST_TIMEOUT,
        ErrorKind::Cancelled => StatusCode::BAD_REQUEST,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::Corrupt | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Says after how many seconds a retry may succeed, jittered so that clients do not come back all at once.
pub fn add_retry_after(response: &mut Response) {
    let secs: u16 = rand::random_range(1..=5);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
}
