//! What every handler can reach: the engine, the tokens, the limits. Cheap to clone.

use crate::{auth::Attempts, databend::Unfinished, limits::Limits, secret, tokens::Tokens};
use basalt_engine::{Clock, Engine, SystemClock};
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Instant;

/// State shared by all listeners of one process.
#[derive(Clone)]
pub struct App {
    pub engine: Engine,
    shared: Arc<Shared>,
}

/// The parts that are not the engine.
pub struct Shared {
    /// New at every start: tells clients that in-memory state is gone.
    pub node_id: String,
    pub limits: Limits,
    pub tokens: Tokens,
    /// Signs what leaves this server and comes back.
    pub secret: Arc<[u8; 32]>,
    pub attempts: Attempts,
    /// Answers of the query endpoints that are not complete yet.
    pub unfinished: Unfinished,
    pub metrics: Option<PrometheusHandle>,
    /// The settings this server runs with, without secrets.
    pub config: Vec<(&'static str, String)>,
    pub started: Instant,
    /// The same on the wall, as RFC 3339 in UTC.
    pub started_at: String,
    pub draining: AtomicBool,
    /// Host names this server may be called by when anyone can enter (against DNS rebinding); `None` = not checked.
    pub hosts: Option<Vec<String>>,
}

impl App {
    pub fn new(engine: Engine, limits: Limits, tokens: Tokens, hosts: Option<Vec<String>>) -> Self {
        let shared = Shared {
            node_id: uuid::Uuid::new_v4().simple().to_string(),
            limits,
            tokens,
            secret: Arc::new(secret::random()),
            attempts: Attempts::default(),
            unfinished: Unfinished::default(),
            metrics: None,
            config: Vec::new(),
            started: Instant::now(),
            started_at: rfc3339(SystemClock.now().0),
            draining: AtomicBool::new(false),
            hosts,
        };
        Self { engine, shared: Arc::new(shared) }
    }

    /// Adds the recorder whose figures `/metrics` shows. To be called before the app is shared.
    pub fn with_metrics(mut self, handle: PrometheusHandle) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.metrics = Some(handle);
        }
        self
    }

    /// Uses a secret that outlives the process. To be called before the app is shared.
    pub fn with_secret(mut self, secret: [u8; 32]) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.secret = Arc::new(secret);
        }
        self
    }

    /// Adds the settings that administrators may see. To be called before the app is shared.
    pub fn with_config(mut self, config: Vec<(&'static str, String)>) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.config = config;
        }
        self
    }

    /// Seconds since 1970.
    pub fn now_secs(&self) -> u64 {
        u64::try_from(SystemClock.now().0 / 1_000_000).unwrap_or_default()
    }

    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// Microseconds since 1970 as text.
fn rfc3339(micros: i64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}
