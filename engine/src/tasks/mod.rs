//! What runs in the background: folding of small loads, merging of segments, removal of what nobody can see any more,
//! and forgetting what retention no longer keeps. Every task is started, named, counted and drained by the
//! [`Supervisor`]; every round can also be run once, on demand.

mod compaction;
mod inline;
mod retention;
mod supervisor;

pub(crate) use compaction::optimize;
pub(crate) use inline::InlineGauges;
pub(crate) use supervisor::Supervisor;
