//! Settings of the engine: plain data, units in names.

use crate::Users;
use basalt_storage::StorageSettings;
use std::{path::PathBuf, time::Duration};

/// How an [`crate::Engine`] runs.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Catalogue, local segments and spill files live below it.
    pub data_dir: PathBuf,
    pub storage: StorageSettings,
    pub users: Users,
    /// Threads that decode, sort and run plans.
    pub cpu_threads: usize,
    /// Memory that all queries together may reserve; beyond it they spill, then fail.
    pub memory_limit_bytes: usize,
    /// Space for spill files.
    pub spill_limit_bytes: u64,
    pub query_concurrency_max: usize,
    /// Queries that may wait for a slot, and how long.
    pub query_queue_max: usize,
    pub query_queue_wait: Duration,
    pub query_time_max: Duration,
    pub load_concurrency_max: usize,
    pub load_time_max: Duration,
    pub sql_bytes_max: usize,
    pub sql_depth_max: usize,
    pub columns_max: usize,
    /// One record of a load (a CSV row, a JSON document), bytes.
    pub record_bytes_max: usize,
    /// A result not touched for this long is dropped.
    pub result_timeout: Duration,
    /// How long replaced rows and dropped tables stay readable.
    pub retention: Duration,
    /// How long an inline segment may wait before it is folded into Parquet.
    pub fold_after: Duration,
    /// Idle transactions are rolled back after this.
    pub transaction_idle_max: Duration,
    /// Whether statements may reach stores other than the server's own (stages with a URL).
    pub allow_external_locations: bool,
    /// What the SQL function `version()` answers.
    pub version_text: String,
}

impl EngineSettings {
    /// Defaults for a server on this machine: `memory_limit_bytes` is 60 % of RAM when `None`.
    pub fn new(data_dir: PathBuf, cores: usize, memory_limit_bytes: usize) -> Self {
        let segments = data_dir.join("segments");
        Self {
            storage: StorageSettings::new(segments.to_string_lossy(), cores, memory_limit_bytes),
            data_dir,
            users: Users::open_root(),
            cpu_threads: cores,
            memory_limit_bytes,
            spill_limit_bytes: 100 << 30,
            query_concurrency_max: 64,
            query_queue_max: 256,
            query_queue_wait: Duration::from_secs(10),
            query_time_max: Duration::from_secs(3600),
            load_concurrency_max: 32,
            load_time_max: Duration::from_secs(4 * 3600),
            sql_bytes_max: 64 << 20,
            sql_depth_max: 256,
            columns_max: 4096,
            record_bytes_max: 16 << 20,
            result_timeout: Duration::from_secs(60),
            retention: Duration::from_secs(24 * 3600),
            fold_after: Duration::from_secs(30),
            transaction_idle_max: Duration::from_secs(4 * 3600),
            allow_external_locations: false,
            version_text: concat!("basalt ", env!("CARGO_PKG_VERSION")).into(),
        }
    }
}
