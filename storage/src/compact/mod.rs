//! Which segments to merge (a pure function) and the merge itself.

mod merge;
mod policy;

pub use policy::{CompactionPolicy, CompactionSpec, propose};
