//! The integration tests, one binary: every module talks to real server processes over HTTP.
//!
//! `architecture` also checks that no test file is missing here.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, clippy::unwrap_used)]

mod architecture;
mod databend;
mod hostile;
mod journeys;
mod model;
mod recovery;
mod security;
mod service;
mod starrocks;
