//! Where log lines go: standard error, as text or JSON.

use crate::config::LogFormat;
use tracing_subscriber::{EnvFilter, fmt};

/// Installs the subscriber of the process.
pub fn start(format: LogFormat, filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|e| format!("setting `log_filter`: {e}"))?;
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(true);
    let started = match format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|e| format!("cannot start logging: {e}"))
}
