//! Which segments to merge (a pure function) and the merge itself.

mod cursor;
mod merge;
mod overlap;
mod policy;

pub(crate) use merge::merge;
pub use policy::{CompactionPolicy, CompactionSpec, propose};
