//! Databend's query interface: sessions, statements, pages of text cells.
//!
//! Only translation: a statement is one call of the engine, its handle is polled page by page. What a client must
//! bring back (database, settings, transaction) travels in the session object, so no state is kept here between
//! requests except what an unfinished answer still owes ([`Unfinished`]).

mod client_session;
mod error;
mod login;
mod pages;
mod query;
mod reply;
mod routing;
mod session;
mod types;
mod unfinished;
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

/// The routes with their permissions, and the header every answer carries.
pub fn router(app: &App) -> Router<App> {
    routes::router(app, table()).layer(middleware::map_response(add_version))
}

/// Every route of the dialect. Statements need a login only: what they may do is decided when they are understood.
pub(crate) fn table() -> Vec<Route> {
    use Access::{Login, Public};
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
        Route::new(get, "/v1/query/{id}/kill", Login, refuse, pages::kill),
        Route::new(post, "/v1/query/{id}/kill", Login, refuse, pages::kill),
        Route::new(put.clone(), "/v1/upload_to_stage", Login, refuse, error::upload_not_built),
        Route::new(put, "/v1/streaming_load", Login, refuse, error::streaming_load_not_built),
    ]
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
