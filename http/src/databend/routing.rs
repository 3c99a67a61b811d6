//! Which node a request is for. There is one node; but clients remember the one they spoke to, and after a restart what
//! they left in its memory is gone: they are told so instead of being given something else.

use super::error::ProtocolError;
use crate::app::App;
use axum::http::{HeaderMap, StatusCode};

/// Requests of a session that lives on one node (an open transaction, temporary tables) name it.
pub fn check_sticky(app: &App, headers: &HeaderMap) -> Result<(), ProtocolError> {
    match headers.get("x-databend-sticky-node") {
        Some(node) if node.as_bytes() != app.node_id.as_bytes() => {
            let wanted = String::from_utf8_lossy(node.as_bytes());
            let message = format!("sticky session state lost: this is node {}, wanted {wanted}", app.node_id);
            Err(ProtocolError { status: StatusCode::BAD_REQUEST, code: 5111, message })
        }
        _ => Ok(()),
    }
}

/// Requests about a query may name the node that runs it.
pub fn check_node(app: &App, headers: &HeaderMap, query_id: &str) -> Result<(), ProtocolError> {
    check_sticky(app, headers)?;
    match headers.get("x-databend-node-id") {
        Some(node) if !node.is_empty() && node.as_bytes() != app.node_id.as_bytes() => {
            let wanted = String::from_utf8_lossy(node.as_bytes());
            let message = format!(
                "routing error: query `{query_id}` is on node {wanted}; this is node {}, started at {}",
                app.node_id, app.started_at
            );
            Err(ProtocolError::new(StatusCode::NOT_FOUND, message))
        }
        _ => Ok(()),
    }
}
