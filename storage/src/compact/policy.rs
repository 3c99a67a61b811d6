//! Size-tiered compaction within a partition, and the folding of inline segments: a pure function from what is
//! there to what should be merged.

use basalt_meta::{SegmentView, TableSnapshot};

/// Segments of one partition that should become one sorted run.
#[derive(Debug, Clone)]
pub struct CompactionSpec {
    pub inputs: Vec<SegmentView>,
    pub partition: Option<String>,
    /// Level of the output.
    pub level: u32,
    /// Every input is inline: publish as `Operation::Fold`.
    pub fold: bool,
}

/// Thresholds of [`propose`].
#[derive(Debug, Clone)]
pub struct CompactionPolicy {
    /// Fold a partition's inline segments when there are more than this many…
    pub fold_pieces_max: usize,
    /// …or they hold more than this many bytes…
    pub fold_bytes_max: u64,
    /// …or the caller says they are old (see `propose`'s `fold_all`).
    pub fan_in: usize,
    /// Segments with at least this many rows are big enough to be left alone (unless many rows are deleted).
    pub target_rows: u64,
    /// Rewrite a segment when at least this share of its rows is deleted.
    pub deleted_ratio: f64,
}

impl Default for CompactionPolicy {
    fn default() -> Self {
        Self { fold_pieces_max: 64, fold_bytes_max: 16 << 20, fan_in: 8, target_rows: 1 << 20, deleted_ratio: 0.3 }
    }
}

/// What to merge now in `table`, most useful first; no segment appears twice.
pub fn propose(_table: &TableSnapshot, _policy: &CompactionPolicy, _fold_all: bool) -> Vec<CompactionSpec> {
    todo!()
}
