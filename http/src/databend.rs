//! Databend's query interface: sessions, statements, pages of text cells.
//!
//! Only translation: a statement is one call of the engine, its handle is polled page by page. What a client must
//! bring back (database, settings, transaction) travels in the session object, so no state is kept here between
//! requests except what an unfinished answer still owes ([`Unfinished`]).

mod admin;
mod arrow_body;
mod catalog;
mod client_session;
mod error;
mod login;
mod lookup;
mod multipart;
mod pages;
mod people;
mod presigned;
mod query;
mod reply;
mod routing;
mod session;
mod streaming_load;
mod types;
mod unfinished;
mod upload;
mod wire;

use crate::{
    app::App,
    auth::Refusal,
    routes::{self, Route},
};
use axum::{
    Router,
    http::{HeaderValue, Method},
    middleware,
    response::Response,
};
use basalt_engine::Access;
pub use unfinished::Unfinished;

/// The version clients see: they switch features on by it (1.2.901 and newer have server-side parameters).
const VERSION: &str = "1.2.934";

/// What `version()` answers: clients read the three numbers between `v` and `-`.
pub fn version_text() -> String {
    format!("DatabendQuery v{VERSION}-nightly-basalt.{}(one binary)", env!("CARGO_PKG_VERSION"))
}

/// The routes with their permissions, and the header every answer carries.
pub fn router(app: &App) -> Router<App> {
    routes::router(app, table()).layer(middleware::map_response(add_version))
}

/// Every route of the dialect. Statements need a login only: what they may do is decided when they are understood.
pub(crate) fn table() -> Vec<Route> {
    use Access::{Admin, Login, Public};
    let (get, post, put) = (Method::GET, Method::POST, Method::PUT);
    vec![
        Route::new(post.clone(), "/v1/session/login", Login, refuse, login::login),
        Route::new(post.clone(), "/v1/session/logout", Login, refuse, login::logout),
        // Comes with a refresh token, which opens nothing else: the handler checks it.
        Route::new(post.clone(), "/v1/session/refresh", Public, refuse, login::refresh),
        Route::new(post.clone(), "/v1/session/heartbeat", Login, refuse, login::heartbeat),
        Route::new(post.clone(), "/v1/verify", Login, refuse, login::verify),
        Route::new(post.clone(), "/v1/query", Login, refuse, query::start),
        Route::new(get.clone(), "/v1/query/{id}", Login, refuse, query::state),
        Route::new(get.clone(), "/v1/query/{id}/page/{page}", Login, refuse, pages::page),
        Route::new(get.clone(), "/v1/query/{id}/final", Login, refuse, pages::finalise),
        Route::new(post.clone(), "/v1/query/{id}/final", Login, refuse, pages::finalise),
        Route::new(get.clone(), "/v1/query/{id}/kill", Login, refuse, pages::kill),
        Route::new(post.clone(), "/v1/query/{id}/kill", Login, refuse, pages::kill),
        Route::new(put.clone(), "/v1/upload_to_stage", Login, refuse, upload::upload),
        Route::new(put.clone(), "/v1/streaming_load", Login, refuse, streaming_load::load),
        // The signature in the URL opens these, and nothing else does: the handlers check it.
        Route::new(put, "/v1/presigned/{stage}/{*path}", Public, refuse, presigned::put),
        Route::new(get.clone(), "/v1/presigned/{stage}/{*path}", Public, refuse, presigned::get),
        Route::new(get.clone(), "/v1/catalog/databases", Login, refuse, catalog::databases),
        Route::new(get.clone(), "/v1/catalog/databases/{database}/tables", Login, refuse, catalog::tables),
        Route::new(get.clone(), "/v1/catalog/databases/{database}/tables/{table}", Login, refuse, catalog::table),
        Route::new(
            get.clone(),
            "/v1/catalog/databases/{database}/tables/{table}/fields",
            Login,
            refuse,
            catalog::fields,
        ),
        Route::new(get.clone(), "/v1/catalog/databases/{database}/streams", Login, refuse, catalog::streams),
        Route::new(post.clone(), "/v1/catalog/search/tables", Login, refuse, catalog::search_tables),
        Route::new(post.clone(), "/v1/catalog/search/databases", Login, refuse, catalog::search_databases),
        Route::new(get.clone(), "/v1/catalog/stats", Login, refuse, catalog::stats),
        Route::new(get.clone(), "/v1/users", Login, refuse, people::users),
        Route::new(post.clone(), "/v1/users", Admin, refuse, people::create_user),
        Route::new(get.clone(), "/v1/roles", Login, refuse, people::roles),
        Route::new(get, "/v1/discovery_nodes", Login, refuse, people::nodes),
    ]
}

/// The routes of the admin API, which has a listener of its own.
pub fn admin_router(app: &App) -> Router<App> {
    routes::router(app, admin::table()).layer(middleware::map_response(add_version))
}

fn refuse(refusal: &Refusal) -> Response {
    error::refused(refusal)
}

async fn add_version(mut response: Response) -> Response {
    response.headers_mut().insert("x-databend-version", HeaderValue::from_static(VERSION));
    response
}

#[cfg(test)]
mod tests;
