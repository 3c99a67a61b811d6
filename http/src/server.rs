//! The accept loop: connections are counted, capped, watched, served as HTTP/1 or HTTP/2, and drained at the end.

use crate::{
    admin,
    app::App,
    auth::Peer,
    connection::{Activity, Watched},
    databend, front,
    listen::{Face, Listen},
    metrics as names, routes, starrocks,
};
use axum::{Router, body::Body, http::StatusCode, response::Response};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Reads and writes are made in pieces of at most this; a head must fit into it as a whole.
const CONNECTION_BUFFER_BYTES: usize = 256 << 10;

/// The router of a face: its dialects, the native endpoints, and JSON for what is not there.
pub fn face_router(app: &App, face: Face) -> Router {
    let native = routes::router(app, admin::routes());
    let router = match face {
        Face::Plain => native.merge(databend::router(app)).merge(starrocks::router(app, face)),
        Face::Databend => native.merge(databend::router(app)),
        Face::DatabendAdmin => native.merge(databend::admin_router(app)),
        Face::StarrocksBe => native.merge(starrocks::router(app, face)),
    };
    router
        .fallback(|| async { front::refuse(StatusCode::NOT_FOUND, "not found") })
        .method_not_allowed_fallback(|| async { front::refuse(StatusCode::METHOD_NOT_ALLOWED, "method not allowed") })
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(app.clone())
}

/// The listeners of one process.
pub struct Server {
    app: App,
    listeners: Vec<(Face, TcpListener)>,
    open: Arc<Open>,
    connections: TaskTracker,
    /// Ends connections that are still busy when the grace is over.
    abort: CancellationToken,
}

/// Open connections, in total and by address.
#[derive(Debug, Default)]
struct Open {
    by_ip: Mutex<(usize, HashMap<IpAddr, usize>)>,
}

impl Server {
    /// Binds every address; fails if one cannot be had.
    pub async fn bind(app: App, listen: &[Listen]) -> io::Result<Self> {
        let mut listeners = Vec::with_capacity(listen.len());
        for one in listen {
            let listener = TcpListener::bind(&one.address)
                .await
                .map_err(|e| io::Error::new(e.kind(), format!("cannot listen on {}: {e}", one.address)))?;
            listeners.push((one.face, listener));
        }
        let (open, connections, abort) = (Arc::default(), TaskTracker::new(), CancellationToken::new());
        Ok(Self { app, listeners, open, connections, abort })
    }

    /// The bound addresses, in the order they were asked for.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(|(_, l)| l.local_addr()).collect()
    }

    /// Serves until `stop`, then lets running requests finish for at most `grace`.
    pub async fn serve(self, stop: CancellationToken, grace: Duration) {
        let Self { app, listeners, open, connections, abort } = self;
        let loops = listeners.into_iter().map(|(face, listener)| {
            let door = Door {
                router: face_router(&app, face),
                app: app.clone(),
                open: Arc::clone(&open),
                connections: connections.clone(),
                stop: stop.clone(),
                abort: abort.clone(),
            };
            door.accept(listener)
        });
        futures::future::join_all(loops).await;
        connections.close();
        if tokio::time::timeout(grace, connections.wait()).await.is_err() {
            tracing::warn!(connections = connections.len(), "closing connections that are still busy");
            abort.cancel();
            connections.wait().await;
        }
    }
}

/// One listener's loop and what its connections need.
#[derive(Clone)]
struct Door {
    app: App,
    router: Router,
    open: Arc<Open>,
    connections: TaskTracker,
    stop: CancellationToken,
    abort: CancellationToken,
}

impl Door {
    async fn accept(self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    // Out of file descriptors, most likely: give connections time to end.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        let limits = &self.app.limits;
        let Some(place) = Place::take(&self.open, peer.ip(), limits.connections_max, limits.connections_per_ip_max)
        else {
            metrics::counter!(names::CONNECTIONS_REFUSED_TOTAL).increment(1);
            let _ = stream.try_write(
                b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            );
            return;
        };
        let door = self.clone();
        self.connections.spawn(async move {
            door.serve(stream, peer).await;
            drop(place);
        });
    }

    async fn serve(self, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "client left at once");
            return;
        }
        let limits = &self.app.limits;
        let activity = Arc::new(Activity::default());
        let io = TokioIo::new(Watched::new(stream, Arc::clone(&activity), limits.write_stall));
        let service = service_fn(|request: Request<Incoming>| {
            let (app, router, in_flight) = (self.app.clone(), self.router.clone(), activity.request());
            async move {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(Peer(peer));
                let response: Response = front::answer(&app, router, request).await;
                drop(in_flight);
                Ok::<_, Infallible>(response)
            }
        });
        let builder = protocol(limits.headers_max, limits.header_bytes_max);
        let mut connection = std::pin::pin!(builder.serve_connection(io, service));
        let mut stopping = false;
        let mut check = std::pin::pin!(tokio::time::sleep(limits.header_timeout));
        loop {
            tokio::select! {
                end = connection.as_mut() => {
                    if let Err(error) = end {
                        tracing::debug!(error, "connection ended early");
                    }
                    return;
                }
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = self.abort.cancelled() => return,
                () = check.as_mut() => match activity.verdict(limits) {
                    Ok(again) => {
                        let wait = again.max(Duration::from_millis(20));
                        check.as_mut().reset(tokio::time::Instant::now() + wait);
                    }
                    Err(reason) => {
                        tracing::debug!(%peer, reason, "closing connection");
                        return;
                    }
                },
            }
        }
    }
}

fn protocol(headers_max: usize, header_bytes_max: usize) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .keep_alive(true)
        .max_headers(headers_max)
        .max_buf_size(CONNECTION_BUFFER_BYTES.max(header_bytes_max));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(128)
        .max_header_list_size(u32::try_from(header_bytes_max).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(1024)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .keep_alive_interval(Duration::from_secs(30));
    builder
}

/// A connection's place under the caps; given back when dropped.
struct Place {
    open: Arc<Open>,
    ip: IpAddr,
}

impl Place {
    fn take(open: &Arc<Open>, ip: IpAddr, total_max: usize, per_ip_max: usize) -> Option<Self> {
        let mut counts = open.by_ip.lock();
        let here = counts.1.get(&ip).copied().unwrap_or(0);
        if counts.0 >= total_max || here >= per_ip_max {
            return None;
        }
        counts.0 += 1;
        counts.1.insert(ip, here + 1);
        metrics::gauge!(names::CONNECTIONS).set(counts.0 as f64);
        Some(Self { open: Arc::clone(open), ip })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.open.by_ip.lock();
        counts.0 = counts.0.saturating_sub(1);
        metrics::gauge!(names::CONNECTIONS).set(counts.0 as f64);
        let left = counts.1.get(&self.ip).map_or(0, |n| n.saturating_sub(1));
        if left == 0 {
            counts.1.remove(&self.ip);
        } else {
            counts.1.insert(self.ip, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_capped_in_total_and_by_address() {
        let open = Arc::default();
        let (a, b): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let first = Place::take(&open, a, 3, 2).unwrap();
        let _second = Place::take(&open, a, 3, 2).unwrap();
        assert!(Place::take(&open, a, 3, 2).is_none());
        let _third = Place::take(&open, b, 3, 2).unwrap();
        assert!(Place::take(&open, b, 3, 2).is_none());
        drop(first);
        assert!(Place::take(&open, b, 3, 2).is_some());
    }
}
