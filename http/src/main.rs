//! The binary: command line in, one server out.

use basalt_http::{
    config::{self, Config, ConfigError},
    serve,
};
use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// SQL, bulk loads and objects over HTTP, from one process.
#[derive(Parser)]
#[command(name = "basalt", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT.
    Serve {
        /// Where everything is kept [default: ./basalt-data].
        #[arg(long)]
        data_dir: Option<PathBuf>,
        /// `[FACE@]ADDR` to listen on, repeatable [default: 127.0.0.1:8000].
        #[arg(long)]
        listen: Vec<String>,
        /// TOML file of settings.
        #[arg(long)]
        config: Option<PathBuf>,
        /// One setting, repeatable: key=value.
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
    /// Print the version.
    Version,
}

#[allow(clippy::disallowed_macros)] // `version` prints what was asked for
fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Version => {
            println!("basalt {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Command::Serve { data_dir, listen, config, set } => match settings(data_dir, listen, config, set) {
            Ok(config) => serve::run(config),
            Err(error) => {
                eprintln!("basalt: {error}");
                ExitCode::from(2)
            }
        },
    }
}

fn settings(
    data_dir: Option<PathBuf>,
    listen: Vec<String>,
    file: Option<PathBuf>,
    set: Vec<String>,
) -> Result<Config, ConfigError> {
    let mut flags = set.iter().map(|text| config::flag(text)).collect::<Result<Vec<_>, _>>()?;
    if let Some(dir) = data_dir {
        flags.push(config::flag(&format!("data_dir={}", dir.display()))?);
    }
    if !listen.is_empty() {
        flags.push(config::flag(&format!("listen={}", listen.join(",")))?);
    }
    Config::load(file, std::env::vars(), &flags)
}
