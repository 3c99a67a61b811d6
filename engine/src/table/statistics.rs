//! What a plan may believe of the rows it will read. Exact only where it is: deletions leave bounds as bounds and null
//! counts as guesses, truncated bounds are never exact; the number of live rows always is.

use super::{chunk::scalar, prune::Kept};
use basalt_meta::{Column, ColumnId, ColumnStats, Segment, SegmentView};
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics, stats::Precision};

/// Statistics of several segments together, one entry per column; only the `wanted` columns (all when `None`) are known.
pub(super) fn of_segments(columns: &[Column], wanted: Option<&Vec<usize>>, segments: &[Kept<'_>]) -> Statistics {
    let rows: u64 = segments.iter().map(|s| s.view.live_rows()).sum();
    let bytes: u64 = segments.iter().map(|s| s.view.segment.memory_bytes).sum();
    let column_statistics = columns
        .iter()
        .enumerate()
        .map(|(index, column)| match wanted {
            Some(wanted) if !wanted.contains(&index) => ColumnStatistics::new_unknown(),
            _ => merge(column, index, segments.iter().map(|s| s.view), rows),
        })
        .collect();
    Statistics {
        num_rows: Precision::Exact(rows as usize),
        total_byte_size: Precision::Inexact(bytes as usize),
        column_statistics,
    }
}

fn merge<'a>(
    column: &Column,
    index: usize,
    segments: impl Iterator<Item = &'a SegmentView>,
    rows: u64,
) -> ColumnStatistics {
    let mut merged = Merged::default();
    for view in segments {
        let stats = stats_of(&view.segment, column.id, index);
        merged.add(column, view, stats);
        if merged.hopeless() {
            break;
        }
    }
    merged.finish(rows)
}

/// A column's statistics in a segment: mostly they stand where the column stands in the table.
pub(super) fn stats_of(segment: &Segment, column: ColumnId, index: usize) -> Option<&ColumnStats> {
    match segment.stats.get(index) {
        Some(stats) if stats.column == column => Some(stats),
        _ => segment.stats.iter().find(|s| s.column == column),
    }
}

#[derive(Debug)]
struct Merged {
    /// `None` = no value seen yet.
    min: Option<ScalarValue>,
    max: Option<ScalarValue>,
    /// Some segment has values but no bounds.
    unbounded: bool,
    exact_bounds: bool,
    nulls: Option<u64>,
    exact_nulls: bool,
    distinct: u64,
}

impl Default for Merged {
    fn default() -> Self {
        Self {
            min: None,
            max: None,
            unbounded: false,
            exact_bounds: true,
            nulls: Some(0),
            exact_nulls: true,
            distinct: 0,
        }
    }
}

impl Merged {
    fn add(&mut self, column: &Column, view: &SegmentView, stats: Option<&ColumnStats>) {
        let Some(stats) = stats else {
            // Written before the column was added (all NULL), or a type without statistics.
            self.unbounded = true;
            self.nulls = None;
            return;
        };
        let deleted = view.deleted.as_ref().is_some_and(|d| !d.is_empty());
        self.exact_nulls &= !deleted || stats.nulls == 0;
        self.nulls = self.nulls.map(|n| n + stats.nulls);
        self.distinct = self.distinct.max(stats.distinct.unwrap_or(0));
        if stats.nulls == view.segment.rows {
            return;
        }
        self.exact_bounds &= stats.exact && !deleted;
        let value = |bound: &Option<_>| bound.as_ref().and_then(|b| scalar(b, &column.data_type));
        match (value(&stats.min), value(&stats.max)) {
            (Some(min), Some(max)) => {
                replace_if(&mut self.min, min, |new, old| new < old);
                replace_if(&mut self.max, max, |new, old| new > old);
            }
            _ => self.unbounded = true,
        }
    }

    fn hopeless(&self) -> bool {
        self.unbounded && self.nulls.is_none()
    }

    fn finish(self, rows: u64) -> ColumnStatistics {
        let mut statistics = ColumnStatistics::new_unknown();
        if let Some(nulls) = self.nulls {
            let nulls = nulls as usize;
            statistics.null_count = if self.exact_nulls { Precision::Exact(nulls) } else { Precision::Inexact(nulls) };
        }
        if self.distinct > 0 {
            statistics.distinct_count = Precision::Inexact(self.distinct.min(rows) as usize);
        }
        if self.unbounded {
            return statistics;
        }
        let precision =
            |value: ScalarValue| if self.exact_bounds { Precision::Exact(value) } else { Precision::Inexact(value) };
        if let Some(min) = self.min {
            statistics.min_value = precision(min);
        }
        if let Some(max) = self.max {
            statistics.max_value = precision(max);
        }
        statistics
    }
}

fn replace_if(slot: &mut Option<ScalarValue>, new: ScalarValue, better: impl Fn(&ScalarValue, &ScalarValue) -> bool) {
    if slot.as_ref().is_none_or(|old| better(&new, old)) {
        *slot = Some(new);
    }
}
