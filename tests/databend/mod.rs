//! `/v1/query` and its relatives, as the drivers use them.

mod catalog;
mod cells;
mod errors;
mod nodes;
mod query;
mod session;
mod statements;
