//! `/v1/query` and its relatives, as the drivers use them.

mod cells;
mod errors;
mod query;
mod session;
mod statements;
