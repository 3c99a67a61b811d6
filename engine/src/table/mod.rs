//! Tables as plans see them: segments pruned by their statistics, read through `storage`, with deletions applied.

mod adapter;
mod chunk;
mod inline;
mod positions;
mod prune;
mod reader;
mod scan;
mod segment;
mod statistics;

pub(crate) use chunk::{ChunkCache, scalar as bound_value};
pub(crate) use positions::PositionsTable;
pub(crate) use segment::SegmentTable;

#[cfg(test)]
mod tests;
