//! How it is asked: the HTTP server, the dialects it speaks, and the binary's settings.
//!
//! A dialect is a folder (routes, wire shapes, errors); it translates a request into one call of the engine and the
//! result back. Dialects never know each other. What they share is here: finding out who asks ([`auth`]), the table
//! of routes ([`routes`]), bodies in ([`body`]) and rows out ([`encode`]).

pub mod admin;
pub mod app;
pub mod auth;
pub mod body;
pub mod config;
pub mod connection;
pub mod databend;
pub mod encode;
pub mod front;
pub mod limits;
pub mod listen;
pub mod logging;
pub mod machine;
pub mod metrics;
pub mod origin;
pub mod routes;
pub mod secret;
pub mod serve;
pub mod server;
pub mod starrocks;
pub mod status;
#[cfg(test)]
mod testing;
pub mod tokens;
pub mod users;
