//! The table of routes: every route says its method, path, permission, handler and how a refusal is spelled. There is
//! no other way to add one, so none can forget its permission.

use crate::{
    app::App,
    auth::{self, Refusal},
    metrics as names,
};
use axum::{
    Router,
    extract::{Request, State},
    handler::Handler,
    http::Method,
    middleware::{self, Next},
    response::Response,
    routing::{MethodFilter, MethodRouter, on},
};
use basalt_engine::Access;
use metrics::{Counter, Histogram};
use std::{sync::Arc, time::Instant};

/// How a dialect tells a client that it may not pass.
pub type Refuse = fn(&Refusal) -> Response;

/// One row of the table.
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub access: Access,
    refuse: Refuse,
    handler: MethodRouter<App>,
}

impl Route {
    pub fn new<H, T>(method: Method, path: &'static str, access: Access, refuse: Refuse, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("routes use the standard methods");
        Self { method, path, access, refuse, handler: on(filter, handler) }
    }
}

/// Builds the router of a table.
pub fn router(app: &App, table: Vec<Route>) -> Router<App> {
    table.into_iter().fold(Router::new(), |router, route| {
        let gate = Arc::new(Gate::new(app.clone(), &route));
        router.route(route.path, route.handler.route_layer(middleware::from_fn_with_state(gate, pass)))
    })
}

/// What stands before one route's handler.
struct Gate {
    app: App,
    access: Access,
    refuse: Refuse,
    answered: [Counter; 5],
    seconds: Histogram,
}

impl Gate {
    fn new(app: App, route: &Route) -> Self {
        let counter = |class: &'static str| metrics::counter!(names::REQUESTS_TOTAL, "method" => route.method.to_string(), "route" => route.path, "status" => class);
        Self {
            app,
            access: route.access,
            refuse: route.refuse,
            answered: ["1xx", "2xx", "3xx", "4xx", "5xx"].map(counter),
            seconds: metrics::histogram!(names::REQUEST_SECONDS, "method" => route.method.to_string(), "route" => route.path),
        }
    }
}

async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let response = admitted(&gate, request, next).await;
    let class = usize::from(response.status().as_u16() / 100).clamp(1, 5) - 1;
    gate.answered[class].increment(1);
    gate.seconds.record(started.elapsed().as_secs_f64());
    response
}

async fn admitted(gate: &Gate, request: Request, next: Next) -> Response {
    if gate.access == Access::Public {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    match auth::admit(&gate.app, &parts, gate.access).await {
        Ok(caller) => {
            if let Some(caller) = caller {
                parts.extensions.insert(caller);
            }
            next.run(Request::from_parts(parts, body)).await
        }
        Err(refusal) => (gate.refuse)(&refusal),
    }
}

#[cfg(test)]
mod tests;
