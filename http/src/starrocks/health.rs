//! What load balancers and client libraries ask before they load.

use crate::app::App;
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

/// `GET /api/health` of a front end.
pub async fn frontend(State(app): State<App>) -> Response {
    healthy(&app, r#"{"online_backend_num":1,"total_backend_num":1,"status":"OK"}"#)
}

/// `GET /api/health` of a back end.
pub async fn backend(State(app): State<App>) -> Response {
    healthy(&app, r#"{"status": "OK","msg": "To Be Added"}"#)
}

/// `GET /api/{db}/{table}/_stream_load_meta`: nothing to tell, loads go to the address that was asked.
pub async fn load_meta() -> Response {
    json(r#"{"status":"OK","code":"OK","msg":"","message":""}"#)
}

fn healthy(app: &App, body: &'static str) -> Response {
    if app.is_draining() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    json(body)
}

fn json(body: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "application/json; charset=UTF-8")], body).into_response()
}
