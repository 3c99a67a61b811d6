//! Queries: from a request to a handle that yields pages.

mod handle;
mod pages;
mod registry;
mod request;
mod run;

pub use handle::{CloseReason, Progress, QueryHandle, QueryState, QueryStats};
pub use pages::ResultPage;
pub use request::{Parameters, QueryRequest};
