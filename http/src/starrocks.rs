//! StarRocks' stream load: one PUT brings the rows of one table, its options are headers, its answer is always JSON
//! with status 200.
//!
//! Only translation: headers become a load request, the engine's report becomes the answer. A header that asks for
//! something not built makes the load fail with a text that says so; none is ignored except those that change nothing
//! here by their own definition (listed in `headers.rs`).

mod columns;
mod error_log;
mod headers;
mod health;
mod separator;
mod stream_load;
mod wire;

use crate::{
    app::App,
    auth::Refusal,
    listen::Face,
    routes::{self, Route},
};
use axum::{
    Router,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use basalt_engine::Access;

/// The routes with their permissions. A plain listener answers health checks as the front end does, the `starrocks-be`
/// face as a back end.
pub fn router(app: &App, face: Face) -> Router<App> {
    routes::router(app, table(face))
}

/// Every route of the dialect on one face.
pub(crate) fn table(face: Face) -> Vec<Route> {
    let load = "/api/{db}/{table}/_stream_load";
    let mut table = vec![
        Route::new(Method::PUT, load, Access::Login, stream_load::refuse, stream_load::put),
        Route::new(Method::GET, "/api/_load_error_log", Access::Login, refuse, error_log::get),
    ];
    match face {
        Face::StarrocksBe => {
            table.push(Route::new(Method::GET, "/api/health", Access::Public, refuse, health::backend))
        }
        _ => {
            let meta = "/api/{db}/{table}/_stream_load_meta";
            table.push(Route::new(Method::GET, "/api/health", Access::Public, refuse, health::frontend));
            table.push(Route::new(Method::GET, meta, Access::Login, refuse, health::load_meta));
        }
    }
    table
}

/// Refusals everywhere but at the stream load itself.
fn refuse(refusal: &Refusal) -> Response {
    let text = match refusal {
        Refusal::MissingCredentials => "Need auth information.".to_string(),
        other => other.message(),
    };
    let status = match refusal {
        Refusal::TooManyAttempts { .. } => StatusCode::TOO_MANY_REQUESTS,
        Refusal::Denied(_) => StatusCode::FORBIDDEN,
        Refusal::Failed(error) => crate::status::of(error.kind()),
        _ => StatusCode::UNAUTHORIZED,
    };
    let body = serde_json::json!({"status": "FAILED", "code": "1", "msg": text, "message": text}).to_string();
    let mut response = (status, [(header::CONTENT_TYPE, "application/json; charset=UTF-8")], body).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"\""));
    }
    response
}

#[cfg(test)]
mod tests;
