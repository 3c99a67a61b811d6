//! What the black-box tests share: a real server process on a fresh directory, clients that speak its protocols, and
//! the ledger that outlives a killed server.
//!
//! Nothing here reaches into the server: everything goes over HTTP or signals, as a user's program would.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, clippy::unwrap_used)]

mod client;
mod ledger;
mod rig;
mod server;
mod stream_load;

pub use client::{Answer, SqlClient, SqlError, cells};
pub use ledger::{Ledger, Outcome};
pub use rig::{seed, wait_for};
pub use server::{ServerBuilder, TestServer, binary};
pub use stream_load::{LoadAnswer, StreamLoad};
