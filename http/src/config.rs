//! Settings of the server: built-in defaults < TOML file < environment (`BASALT_…`) < flags. A key nobody knows stops
//! the start, named with its source; a value that does not fit says what would.

mod value;

use crate::{limits::Limits, listen::Listen};
use basalt_engine::{CRASH_POINT_VARIABLE, EngineSettings, IpRange, StorageCompression, Users};
use std::{path::PathBuf, time::Duration};
use value::{FromSetting, Value};
pub use value::{LogFormat, Secret};

/// What was wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("unknown setting `{key}` ({origin}); known settings: {known}")]
    Unknown { key: String, origin: String, known: String },
    #[error("wrong value for setting `{key}` ({origin}): {message}")]
    Value { key: String, origin: String, message: String },
    #[error("cannot read {what} {path}: {source}")]
    Read { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{path}: {message}")]
    Syntax { path: PathBuf, message: String },
    #[error("`{text}` is not key=value (--set)")]
    NotKeyValue { text: String },
    #[error("{0}")]
    Refused(String),
}

macro_rules! settings {
    ($($(#[$doc:meta])* $key:ident : $type:ty = $default:expr;)*) => {
        /// Everything that can be set, by the names users write.
        #[derive(Debug, Clone)]
        pub struct Config { $($(#[$doc])* pub $key: $type,)* }

        impl Default for Config {
            fn default() -> Self { Self { $($key: $default,)* } }
        }

        impl Config {
            /// Every setting with its value as text, those of secrets hidden.
            pub fn shown(&self) -> Vec<(&'static str, String)> {
                let shown = |key: &'static str, text: String| (key, if HIDDEN.contains(&key) { "…".into() } else { text });
                vec![$(shown(stringify!($key), format!("{:?}", self.$key)),)*]
            }

            /// Every setting's name.
            pub const KEYS: &[&str] = &[$(stringify!($key),)*];

            fn set(&mut self, key: &str, value: &Value, origin: &str) -> Result<(), ConfigError> {
                let wrong = |message| ConfigError::Value { key: key.into(), origin: origin.into(), message };
                match key {
                    $(stringify!($key) => self.$key = FromSetting::from_setting(value).map_err(wrong)?,)*
                    _ => {
                        let known = Self::KEYS.join(", ");
                        return Err(ConfigError::Unknown { key: key.into(), origin: origin.into(), known });
                    }
                }
                Ok(())
            }
        }
    };
}

settings! {
    data_dir: PathBuf = "./basalt-data".into();
    /// `[FACE@]ADDR`, several by comma or as a list.
    listen: Vec<Listen> = vec![Listen::parse("127.0.0.1:8000").expect("the default address is well-formed")];
    /// More names a server without passwords may be called by (Host header).
    host_names: Vec<String> = Vec::new();
    root_password: Option<Secret> = None;
    root_password_file: Option<PathBuf> = None;
    users_file: Option<PathBuf> = None;
    log_format: LogFormat = LogFormat::Text;
    log_filter: String = "info".into();
    io_threads: Option<usize> = None;
    cpu_threads: Option<usize> = None;
    memory_limit_bytes: Option<usize> = None;
    spill_limit_bytes: Option<u64> = None;
    query_concurrency_max: Option<usize> = None;
    query_queue_max: Option<usize> = None;
    query_queue_wait_secs: Option<u64> = None;
    query_time_max_secs: Option<u64> = None;
    load_concurrency_max: Option<usize> = None;
    load_time_max_secs: Option<u64> = None;
    sql_bytes_max: Option<usize> = None;
    sql_depth_max: Option<usize> = None;
    columns_max: Option<usize> = None;
    record_bytes_max: Option<usize> = None;
    result_timeout_secs: Option<u64> = None;
    retention_secs: Option<u64> = None;
    fold_after_secs: Option<u64> = None;
    transaction_idle_max_secs: Option<u64> = None;
    /// Whether statements may reach stores other than the server's own (stages with a URL).
    allow_external_stages: bool = false;
    /// Directory or URL (`s3://…`, `gs://…`, `az://…`) of segments.
    storage_location: Option<String> = None;
    /// `name=value` options of the object store, by comma or as a list.
    storage_options: Vec<String> = Vec::new();
    storage_compression: Option<String> = None;
    segment_rows_max: Option<usize> = None;
    row_group_rows: Option<usize> = None;
    page_rows: Option<usize> = None;
    write_buffer_bytes: Option<usize> = None;
    inline_bytes_max: Option<usize> = None;
    footer_cache_bytes: Option<usize> = None;
    range_cache_bytes: Option<usize> = None;
    /// Addresses or blocks of proxies whose `X-Forwarded-For` is believed.
    trusted_proxies: Vec<IpRange> = Vec::new();
    connections_max: usize = Limits::default().connections_max;
    connections_per_ip_max: usize = Limits::default().connections_per_ip_max;
    header_timeout_secs: u64 = Limits::default().header_timeout.as_secs();
    idle_timeout_secs: u64 = Limits::default().idle_timeout.as_secs();
    headers_max: usize = Limits::default().headers_max;
    header_bytes_max: usize = Limits::default().header_bytes_max;
    uri_bytes_max: usize = Limits::default().uri_bytes_max;
    write_stall_secs: u64 = Limits::default().write_stall.as_secs();
    query_body_bytes_max: usize = Limits::default().query_body_bytes_max;
    load_body_bytes_max: u64 = Limits::default().load_body_bytes_max;
    body_chunk_timeout_secs: u64 = Limits::default().body_chunk_timeout.as_secs();
    body_bytes_per_sec_min: u64 = Limits::default().body_bytes_per_sec_min;
    decompression_ratio_max: u64 = Limits::default().decompression_ratio_max;
    shutdown_grace_secs: u64 = 25;
    session_token_ttl_secs: u64 = 4 * 3600;
    refresh_token_ttl_secs: u64 = 8 * 3600;
}

/// May hold credentials.
const HIDDEN: [&str; 3] = ["root_password", "root_password_file", "storage_options"];

/// Zero would stop the server from working at all.
const POSITIVE: [&str; 12] = [
    "connections_max",
    "connections_per_ip_max",
    "header_timeout_secs",
    "idle_timeout_secs",
    "headers_max",
    "header_bytes_max",
    "uri_bytes_max",
    "write_stall_secs",
    "query_body_bytes_max",
    "load_body_bytes_max",
    "body_chunk_timeout_secs",
    "decompression_ratio_max",
];

impl Config {
    /// Reads all layers. `flags` are `key=value` texts in order; later ones win.
    pub fn load(
        file: Option<PathBuf>,
        environment: impl Iterator<Item = (String, String)>,
        flags: &[(String, Value)],
    ) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        if let Some(path) = file {
            config.read_file(path)?;
        }
        for (name, value) in environment {
            let Some(key) = name.strip_prefix("BASALT_").filter(|_| name != CRASH_POINT_VARIABLE) else { continue };
            config.apply(&key.to_lowercase(), &Value::text(value), &format!("environment variable {name}"))?;
        }
        for (key, value) in flags {
            config.apply(key, value, "command line")?;
        }
        Ok(config)
    }

    fn read_file(&mut self, path: PathBuf) -> Result<(), ConfigError> {
        let text = read(&path, "the configuration file")?;
        let table: toml::Table =
            text.parse().map_err(|e| ConfigError::Syntax { path: path.clone(), message: format!("{e}") })?;
        let origin = path.display().to_string();
        table.into_iter().try_for_each(|(key, value)| self.apply(&key, &Value::Toml(value), &origin))
    }

    fn apply(&mut self, key: &str, value: &Value, origin: &str) -> Result<(), ConfigError> {
        if POSITIVE.contains(&key) && u64::from_setting(value) == Ok(0) {
            let message = "must be at least 1".into();
            return Err(ConfigError::Value { key: key.into(), origin: origin.into(), message });
        }
        self.set(key, value, origin)
    }

    pub fn limits(&self) -> Limits {
        Limits {
            trusted_proxies: self.trusted_proxies.clone(),
            connections_max: self.connections_max,
            connections_per_ip_max: self.connections_per_ip_max,
            header_timeout: Duration::from_secs(self.header_timeout_secs),
            idle_timeout: Duration::from_secs(self.idle_timeout_secs),
            headers_max: self.headers_max,
            header_bytes_max: self.header_bytes_max,
            uri_bytes_max: self.uri_bytes_max,
            write_stall: Duration::from_secs(self.write_stall_secs),
            query_body_bytes_max: self.query_body_bytes_max,
            load_body_bytes_max: self.load_body_bytes_max,
            body_chunk_timeout: Duration::from_secs(self.body_chunk_timeout_secs),
            body_bytes_per_sec_min: self.body_bytes_per_sec_min,
            decompression_ratio_max: self.decompression_ratio_max,
        }
    }

    /// What the engine runs with, on a machine with `cores` and `ram_bytes`.
    pub fn engine(&self, cores: usize, ram_bytes: u64) -> Result<EngineSettings, ConfigError> {
        let sixty_percent = usize::try_from(ram_bytes / 10 * 6).unwrap_or(usize::MAX);
        let memory = self.memory_limit_bytes.unwrap_or(sixty_percent);
        let cores = self.cpu_threads.unwrap_or(cores).max(1);
        let mut settings = EngineSettings::new(self.data_dir.clone(), cores, memory);
        settings.users = self.users()?;
        put(&mut settings.spill_limit_bytes, self.spill_limit_bytes);
        put(&mut settings.query_concurrency_max, self.query_concurrency_max);
        put(&mut settings.query_queue_max, self.query_queue_max);
        put(&mut settings.query_queue_wait, secs(self.query_queue_wait_secs));
        put(&mut settings.query_time_max, secs(self.query_time_max_secs));
        put(&mut settings.load_concurrency_max, self.load_concurrency_max);
        put(&mut settings.load_time_max, secs(self.load_time_max_secs));
        put(&mut settings.sql_bytes_max, self.sql_bytes_max);
        put(&mut settings.sql_depth_max, self.sql_depth_max);
        put(&mut settings.columns_max, self.columns_max);
        put(&mut settings.record_bytes_max, self.record_bytes_max);
        put(&mut settings.result_timeout, secs(self.result_timeout_secs));
        put(&mut settings.retention, secs(self.retention_secs));
        put(&mut settings.fold_after, secs(self.fold_after_secs));
        put(&mut settings.transaction_idle_max, secs(self.transaction_idle_max_secs));
        settings.allow_external_locations = self.allow_external_stages;
        settings.version_text = crate::databend::version_text();
        self.storage(&mut settings)?;
        Ok(settings)
    }

    fn storage(&self, settings: &mut EngineSettings) -> Result<(), ConfigError> {
        let storage = &mut settings.storage;
        put(&mut storage.location, self.storage_location.clone());
        put(&mut storage.segment_rows_max, self.segment_rows_max);
        put(&mut storage.row_group_rows, self.row_group_rows);
        put(&mut storage.page_rows, self.page_rows);
        put(&mut storage.write_buffer_bytes, self.write_buffer_bytes);
        put(&mut storage.inline_bytes_max, self.inline_bytes_max);
        put(&mut storage.footer_cache_bytes, self.footer_cache_bytes);
        put(&mut storage.range_cache_bytes, self.range_cache_bytes);
        let wrong = |key: &str, message| ConfigError::Value { key: key.into(), origin: "settings".into(), message };
        for option in &self.storage_options {
            let (name, value) = option
                .split_once('=')
                .ok_or_else(|| wrong("storage_options", format!("`{option}` is not name=value")))?;
            storage.store_options.push((name.trim().into(), value.trim().into()));
        }
        match self.storage_compression.as_deref() {
            None => {}
            Some("none") => storage.compression = StorageCompression::None,
            Some("lz4") => storage.compression = StorageCompression::Lz4,
            Some("zstd") => storage.compression = StorageCompression::Zstd1,
            Some(other) => {
                return Err(wrong("storage_compression", format!("`{other}` is not one of none, lz4, zstd")));
            }
        }
        Ok(())
    }

    /// `root` and the users of the users file.
    fn users(&self) -> Result<Users, ConfigError> {
        let password = match (&self.root_password, &self.root_password_file) {
            (Some(_), Some(_)) => {
                return Err(ConfigError::Refused("give root_password or root_password_file, not both".into()));
            }
            (Some(password), None) => Some(password.expose().to_string()),
            (None, Some(path)) => Some(read(path, "the password file")?.trim_end_matches(['\n', '\r']).to_string()),
            (None, None) => None,
        };
        crate::users::load(password.filter(|p| !p.is_empty()), self.users_file.as_deref())
    }
}

fn put<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

fn secs(value: Option<u64>) -> Option<Duration> {
    value.map(Duration::from_secs)
}

pub(crate) fn read(path: &std::path::Path, what: &'static str) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read { what, path: path.into(), source })
}

/// `key=value` of `--set`.
pub fn flag(text: &str) -> Result<(String, Value), ConfigError> {
    let (key, value) = text.split_once('=').ok_or_else(|| ConfigError::NotKeyValue { text: text.into() })?;
    Ok((key.trim().to_string(), Value::text(value.to_string())))
}

#[cfg(test)]
mod tests;
