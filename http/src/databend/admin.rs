//! The admin API: what runs, what there is, how the server is set; for administrators, on a listener of its own
//! (`--listen databend-admin@ADDR`). There is one tenant: paths may name any or none.

mod procedures;
mod server;
mod settings;
mod tables;

use super::refuse;
use crate::routes::Route;
use axum::{
    handler::Handler,
    http::{Method, header},
    response::{IntoResponse, Response},
};
use basalt_engine::Access;

/// Every route. Health is the server's own, as on every face.
pub(crate) fn table() -> Vec<Route> {
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    let mut table = vec![
        route(&get, "/v1/config", server::config),
        route(&get, "/v1/system", server::system),
        route(&get, "/v1/status", server::status),
        route(&get, "/v1/processlist", server::processes),
        route(&get, "/v1/cluster/list", server::cluster),
        route(&get, "/v1/queries/{id}/graph_dump", server::query_dump),
        route(&get, "/debug/home", home),
    ];
    table.extend(with_tenant(&get, ["/v1/procedures", "/v1/tenants/{tenant}/procedures"], procedures::list));
    table.push(route(&get, "/v1/procedures/{name}", procedures::one));
    table.push(route(&get, "/v1/tenants/{tenant}/procedures/{name}", procedures::one_of_tenant));
    table.extend(with_tenant(&get, ["/v1/tables", "/v1/tenants/{tenant}/tables"], tables::list));
    table.extend(with_tenant(&get, ["/v1/tables/stats", "/v1/tenants/{tenant}/tables/stats"], tables::stats));
    table.push(route(&get, "/v1/databases/{database}/tables/{table}/stats", tables::columns));
    table.push(route(&get, "/v1/databases/{database}/tables/{table}/clustering_information", tables::clustering));
    table.extend(with_tenant(&get, ["/v1/stream_status", "/v1/tenants/{tenant}/stream_status"], tables::no_stream));
    table.extend(with_tenant(&get, ["/v1/stream_backlog", "/v1/tenants/{tenant}/stream_backlog"], tables::no_stream));
    table.extend(with_tenant(&get, ["/v1/user_functions", "/v1/tenants/{tenant}/user_functions"], server::functions));
    table.extend(with_tenant(&get, ["/v1/settings", "/v1/tenants/{tenant}/settings"], settings::list));
    table.push(route(&post, "/v1/settings/{key}", settings::set));
    table.push(route(&delete, "/v1/settings/{key}", settings::unset));
    table.push(route(&post, "/v1/tenants/{tenant}/settings/{key}", settings::set_of_tenant));
    table.push(route(&delete, "/v1/tenants/{tenant}/settings/{key}", settings::unset_of_tenant));
    table
}

fn route<H, T>(method: &Method, path: &'static str, handler: H) -> Route
where
    H: Handler<T, crate::app::App>,
    T: 'static,
{
    Route::new(method.clone(), path, Access::Admin, refuse, handler)
}

/// The same handler with and without a tenant in the path, which it does not read.
fn with_tenant<H, T>(method: &Method, paths: [&'static str; 2], handler: H) -> [Route; 2]
where
    H: Handler<T, crate::app::App>,
    T: 'static,
{
    paths.map(|path| route(method, path, handler.clone()))
}

async fn home() -> Response {
    let page = "<!DOCTYPE html><title>Basalt</title><h1>Basalt</h1><ul>\
                <li><a href=\"/v1/status\">status</a><li><a href=\"/v1/processlist\">running statements</a>\
                <li><a href=\"/v1/tables\">tables</a><li><a href=\"/v1/settings\">settings of sessions</a>\
                <li><a href=\"/v1/config\">settings of the server</a><li><a href=\"/metrics\">metrics</a></ul>";
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

#[cfg(test)]
mod tests;
