//! Size-tiered compaction within a partition, and the folding of inline segments: a pure function from what is
//! there to what should be merged.
//!
//! Segments of one tier (sizes within a factor of `fan_in`) are merged when there are `fan_in` of them, so that every
//! row is rewritten about log(rows) times. A segment is full when it holds half of what a writer puts into one, in
//! rows or in memory: wide rows fill a segment long before it has many of them. Full segments are left alone, unless
//! many of their rows are deleted or, in a table with a sort key, many of them overlap (`overlap.rs`).

use super::overlap;
use crate::StorageSettings;
use basalt_meta::{ColumnId, Location, SegmentView, TableSnapshot};
use std::collections::{BTreeMap, HashSet};

/// Inputs of one merge, at most.
const INPUTS_MAX: usize = 128;

/// Rows that were merged so often are not merged again, whatever their segments look like: a last guard against
/// rewriting for ever.
const LEVEL_MAX: u32 = 10;

/// Rows of an input that are decoded at a time.
const BATCH_ROWS: u64 = 8192;

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
    /// Rows of a full segment…
    pub target_rows: u64,
    /// …or their size in memory.
    pub target_memory_bytes: u64,
    /// Rows of a row group: what of an input is in memory while it is read.
    pub row_group_rows: u64,
    /// Memory for the inputs of one merge.
    pub merge_memory_bytes: u64,
    /// Rewrite a segment when at least this share of its rows is deleted.
    pub deleted_ratio: f64,
}

impl CompactionPolicy {
    /// Thresholds that fit what writers make under these settings.
    pub fn new(settings: &StorageSettings) -> Self {
        // A writer that is short of memory seals earlier.
        let sealed_bytes = settings.segment_memory_bytes_max.min(settings.write_buffer_bytes / 4);
        Self {
            fold_pieces_max: 64,
            fold_bytes_max: 16 << 20,
            fan_in: 8,
            target_rows: settings.segment_rows_max as u64,
            target_memory_bytes: sealed_bytes as u64,
            row_group_rows: settings.row_group_rows as u64,
            merge_memory_bytes: settings.write_buffer_bytes as u64 / 2,
            deleted_ratio: 0.3,
        }
    }

    /// Size of a segment in rows; where its rows are wide, in so many rows of a usual width.
    fn size(&self, view: &SegmentView) -> u64 {
        let rows = view.live_rows();
        let memory = u128::from(view.segment.memory_bytes) * u128::from(rows) / u128::from(view.segment.rows.max(1));
        let filled = memory * u128::from(self.target_rows) / u128::from(self.target_memory_bytes.max(1));
        rows.max(u64::try_from(filled).unwrap_or(u64::MAX))
    }

    fn is_full(&self, view: &SegmentView) -> bool {
        self.size(view) >= self.target_rows / 2
    }

    /// Memory that reading a segment takes: a row group's bytes, and a batch of decoded rows.
    fn reading_bytes(&self, view: &SegmentView) -> u64 {
        let segment = &view.segment;
        let share = |of: u64, rows: u64| of / segment.rows.max(1).div_ceil(rows.max(1));
        share(segment.bytes, self.row_group_rows) + share(segment.memory_bytes, BATCH_ROWS)
    }

    /// How many of `views`, from the first on, one merge can read.
    fn readable(&self, views: &[&SegmentView]) -> usize {
        let mut bytes = 0;
        let within = views.iter().take_while(|view| {
            bytes += self.reading_bytes(view);
            bytes <= self.merge_memory_bytes
        });
        within.count().min(INPUTS_MAX)
    }
}

/// What to merge now in `table`, most useful first; no segment appears twice.
pub fn propose(table: &TableSnapshot, policy: &CompactionPolicy, fold_all: bool) -> Vec<CompactionSpec> {
    propose_for(table.iter(), &table.table().sort_key, policy, fold_all)
}

fn propose_for<'a>(
    segments: impl Iterator<Item = &'a SegmentView>,
    sort_key: &[ColumnId],
    policy: &CompactionPolicy,
    fold_all: bool,
) -> Vec<CompactionSpec> {
    let mut partitions: BTreeMap<Option<String>, Vec<&SegmentView>> = BTreeMap::new();
    for view in segments {
        partitions.entry(view.segment.partition.clone()).or_default().push(view);
    }
    let (mut folds, mut merges, mut rewrites) = (Vec::new(), Vec::new(), Vec::new());
    for views in partitions.into_values() {
        let (inline, objects): (Vec<_>, Vec<_>) =
            views.into_iter().partition(|view| view.segment.location == Location::Inline);
        folds.extend(fold(&inline, policy, fold_all));
        let (full, open): (Vec<_>, Vec<_>) = objects.iter().copied().partition(|view| policy.is_full(view));
        let mut merged = tiers(&open, policy);
        merged.extend(sorts(&full, sort_key, policy));
        let taken: HashSet<_> = merged.iter().flat_map(|spec| &spec.inputs).map(|view| view.segment.id).collect();
        let rest = objects.into_iter().filter(|view| !taken.contains(&view.segment.id));
        rewrites.extend(rest.filter(|view| has_many_deletions(view, policy)).map(|view| spec(&[view])));
        merges.extend(merged);
    }
    folds.sort_by_key(|spec| std::cmp::Reverse(spec.inputs.len()));
    // Most segments saved per row rewritten.
    merges.sort_by_key(|spec| live_rows(&spec.inputs) / spec.inputs.len().max(1) as u64);
    rewrites.sort_by_key(|spec| std::cmp::Reverse(deleted_rows(&spec.inputs)));
    folds.into_iter().chain(merges).chain(rewrites).collect()
}

fn fold(inline: &[&SegmentView], policy: &CompactionPolicy, fold_all: bool) -> Option<CompactionSpec> {
    let bytes: u64 = inline.iter().map(|view| view.segment.bytes).sum();
    let due = fold_all || inline.len() > policy.fold_pieces_max || bytes > policy.fold_bytes_max;
    (due && !inline.is_empty()).then(|| spec(inline))
}

/// Merges of full segments that overlap in the order of the sort key: each makes one sorted run of several.
fn sorts(full: &[&SegmentView], sort_key: &[ColumnId], policy: &CompactionPolicy) -> Vec<CompactionSpec> {
    let Some(first) = sort_key.first() else { return Vec::new() };
    let mut levels: BTreeMap<u32, Vec<&SegmentView>> = BTreeMap::new();
    for view in full.iter().filter(|view| view.segment.level < LEVEL_MAX) {
        levels.entry(view.segment.level).or_default().push(view);
    }
    let mut specs = Vec::new();
    for level in levels.into_values() {
        for stack in overlap::stacks(&level, *first, policy.fan_in.max(2)) {
            let mut rest = &stack[..];
            while rest.len() >= 2 {
                let count = policy.readable(rest);
                if count < 2 {
                    break;
                }
                let (now, later) = rest.split_at(count);
                specs.push(spec(now));
                rest = later;
            }
        }
    }
    specs
}

/// Merges of segments of similar size.
fn tiers(objects: &[&SegmentView], policy: &CompactionPolicy) -> Vec<CompactionSpec> {
    let fan_in = policy.fan_in.max(2);
    let mut tiers: BTreeMap<u32, Vec<&SegmentView>> = BTreeMap::new();
    for view in objects {
        if view.segment.level < LEVEL_MAX {
            tiers.entry(policy.size(view).max(1).ilog(fan_in as u64)).or_default().push(view);
        }
    }
    let mut specs = Vec::new();
    for tier in tiers.into_values() {
        let mut rest = &tier[..];
        while rest.len() >= fan_in {
            let count = batch_size(rest, fan_in, policy);
            let (now, later) = rest.split_at(count);
            specs.push(spec(now));
            rest = later;
        }
    }
    specs
}

/// At least `fan_in` segments; more while together they stay below the target, for many small ones.
fn batch_size(views: &[&SegmentView], fan_in: usize, policy: &CompactionPolicy) -> usize {
    let mut size = 0;
    let within = views.iter().take_while(|view| {
        size += policy.size(view);
        size <= policy.target_rows
    });
    within.count().min(INPUTS_MAX).clamp(fan_in, views.len())
}

fn has_many_deletions(view: &SegmentView, policy: &CompactionPolicy) -> bool {
    let deleted = view.segment.rows - view.live_rows();
    deleted > 0 && deleted as f64 >= policy.deleted_ratio * view.segment.rows as f64
}

fn spec(views: &[&SegmentView]) -> CompactionSpec {
    let inputs: Vec<SegmentView> = views.iter().map(|&view| view.clone()).collect();
    CompactionSpec {
        partition: inputs.first().and_then(|view| view.segment.partition.clone()),
        level: inputs.iter().map(|view| view.segment.level).max().unwrap_or(0) + 1,
        fold: inputs.iter().all(|view| view.segment.location == Location::Inline),
        inputs,
    }
}

fn live_rows(inputs: &[SegmentView]) -> u64 {
    inputs.iter().map(SegmentView::live_rows).sum()
}

fn deleted_rows(inputs: &[SegmentView]) -> u64 {
    inputs.iter().map(|view| view.segment.rows - view.live_rows()).sum()
}

#[cfg(test)]
mod tests;
