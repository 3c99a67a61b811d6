//! Size-tiered compaction within a partition, and the folding of inline segments: a pure function from what is
//! there to what should be merged.
//!
//! Segments of one tier (sizes within a factor of `fan_in`) are merged when there are `fan_in` of them, so that every
//! row is rewritten about log(rows) times. A segment that reached `target_rows` is left alone for good, unless many
//! of its rows are deleted.

use basalt_meta::{Location, SegmentView, TableSnapshot};
use std::collections::{BTreeMap, HashSet};

/// Inputs of one merge, at most: each costs memory while it is read.
const INPUTS_MAX: usize = 128;

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
pub fn propose(table: &TableSnapshot, policy: &CompactionPolicy, fold_all: bool) -> Vec<CompactionSpec> {
    propose_for(table.iter(), policy, fold_all)
}

fn propose_for<'a>(
    segments: impl Iterator<Item = &'a SegmentView>,
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
        let merged = tiers(&objects, policy);
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

/// Merges of segments of similar size.
fn tiers(objects: &[&SegmentView], policy: &CompactionPolicy) -> Vec<CompactionSpec> {
    let fan_in = policy.fan_in.max(2);
    let mut tiers: BTreeMap<u32, Vec<&SegmentView>> = BTreeMap::new();
    for view in objects {
        let rows = view.live_rows();
        if rows < policy.target_rows {
            tiers.entry(rows.max(1).ilog(fan_in as u64)).or_default().push(view);
        }
    }
    let mut specs = Vec::new();
    for tier in tiers.into_values() {
        let mut rest = &tier[..];
        while rest.len() >= fan_in {
            let count = batch_size(rest, fan_in, policy.target_rows);
            let (now, later) = rest.split_at(count);
            specs.push(spec(now));
            rest = later;
        }
    }
    specs
}

/// At least `fan_in` segments; more while together they stay below the target, for many small ones.
fn batch_size(views: &[&SegmentView], fan_in: usize, target_rows: u64) -> usize {
    let mut rows = 0;
    let within = views.iter().take_while(|view| {
        rows += view.live_rows();
        rows <= target_rows
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
