//! `basalt-loadgen`: a light HTTP load generator for statements (`POST /v1/query` on keep-alive connections) that
//! measures latency and rate, and the price of one durable write on a file system. One thread, so that it takes little
//! of the processor from the server it measures. Prints one line of JSON.
#![allow(clippy::disallowed_macros)] // a command line tool reports on its standard output

mod connection;
mod durable;
mod latency;
mod statements;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Anything that ends a measurement early.
pub(crate) type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

#[derive(Debug, Parser)]
#[command(name = "basalt-loadgen", about = "Measures statements over HTTP, and durable writes of a file system")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Sends statements over kept-open connections, one after the other on each.
    Query(statements::Plan),
    /// Appends 4 KiB and syncs, one after the other: the floor under a durable commit.
    Fsync(durable::Plan),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().what {
        What::Query(plan) => statements::run(plan),
        What::Fsync(plan) => durable::run(&plan),
    };
    match outcome {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("basalt-loadgen: {error}");
            ExitCode::FAILURE
        }
    }
}
