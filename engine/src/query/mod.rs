//! Queries: from a request to a handle that yields pages.

mod cancel;
mod counters;
mod handle;
mod pages;
mod registry;
mod request;
mod results;
mod run;
mod shared;

#[cfg(test)]
mod tests;

pub(crate) use cancel::until_cancelled;
pub(crate) use counters::Counters;
pub use handle::{CloseReason, Progress, QueryHandle, QueryState, QueryStats};
pub use pages::ResultPage;
pub(crate) use registry::{QuerySummary, Registry};
pub use request::{Parameters, QueryRequest, StageAttachment};
pub(crate) use results::Results;
pub(crate) use run::{open_context, start};
