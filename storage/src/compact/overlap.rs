//! Where sorted segments lie on top of each other: a range of the sort key that many segments cover has to be looked up
//! in all of them, until a merge makes one sorted run of them.

use crate::segment::stats::less;
use basalt_meta::{ColumnId, SegmentView, StatValue};
use std::cmp::Ordering;

/// The range of a segment's first sort column.
struct Span<'a> {
    view: &'a SegmentView,
    min: &'a StatValue,
    max: &'a StatValue,
}

/// Groups of segments that hang together by overlapping, where at some place `depth` or more lie on top of each other;
/// each in the order in which its ranges begin. Segments that only touch do not overlap. Segments whose range is not
/// known, and those with nulls in the column, are left out.
pub(super) fn stacks<'a>(views: &[&'a SegmentView], column: ColumnId, depth: usize) -> Vec<Vec<&'a SegmentView>> {
    let mut spans: Vec<Span<'a>> = views.iter().filter_map(|view| span(view, column)).collect();
    spans.sort_by(|a, b| order(a.min, b.min));
    let mut found = Vec::new();
    let mut stack: Vec<Span<'a>> = Vec::new();
    for span in spans {
        if !stack.iter().any(|below| less(span.min, below.max)) {
            take_deep(&mut stack, depth, &mut found);
        }
        stack.push(span);
    }
    take_deep(&mut stack, depth, &mut found);
    found
}

fn span(view: &SegmentView, column: ColumnId) -> Option<Span<'_>> {
    let stats = view.segment.stats.iter().find(|stats| stats.column == column && stats.nulls == 0)?;
    Some(Span { view, min: stats.min.as_ref()?, max: stats.max.as_ref()? })
}

fn take_deep<'a>(stack: &mut Vec<Span<'a>>, depth: usize, found: &mut Vec<Vec<&'a SegmentView>>) {
    let stack = std::mem::take(stack);
    if deepest(&stack) >= depth {
        found.push(stack.into_iter().map(|span| span.view).collect());
    }
}

/// How many of the spans, sorted by where they begin, lie on top of each other at the fullest place.
fn deepest(spans: &[Span<'_>]) -> usize {
    let mut ends: Vec<&StatValue> = spans.iter().map(|span| span.max).collect();
    ends.sort_by(|a, b| order(a, b));
    let (mut open, mut closed, mut most) = (0, 0, 0);
    for span in spans {
        while closed < ends.len() && !less(span.min, ends[closed]) {
            closed += 1;
        }
        open += 1;
        most = most.max(open - closed.min(open));
    }
    most
}

fn order(a: &StatValue, b: &StatValue) -> Ordering {
    if less(a, b) {
        Ordering::Less
    } else if less(b, a) {
        Ordering::Greater
    } else {
        Ordering::Equal
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::imagined_segment;
    use basalt_meta::ColumnStats;
    use std::sync::Arc;

    fn stacks_of(ranges: &[(i64, i64)], depth: usize) -> Vec<Vec<u128>> {
        let view = |(index, (min, max)): (usize, &(i64, i64))| {
            let mut segment = imagined_segment(index as u128, 10);
            segment.stats = vec![ColumnStats {
                column: ColumnId(1),
                min: Some(StatValue::Int(*min)),
                max: Some(StatValue::Int(*max)),
                nulls: 0,
                distinct: None,
                exact: true,
            }];
            SegmentView { segment: Arc::new(segment), deleted: None }
        };
        let views: Vec<SegmentView> = ranges.iter().enumerate().map(view).collect();
        let views: Vec<&SegmentView> = views.iter().collect();
        let ids = |stack: Vec<&SegmentView>| stack.iter().map(|view| view.segment.id.0).collect();
        stacks(&views, ColumnId(1), depth).into_iter().map(ids).collect()
    }

    #[test]
    fn only_deep_places_count() {
        assert_eq!(stacks_of(&[(0, 9), (1, 8), (2, 7)], 3), [[0, 1, 2]]);
        assert!(stacks_of(&[(0, 9), (1, 8), (2, 7)], 4).is_empty());
        assert!(stacks_of(&[(0, 9), (9, 18), (18, 20)], 2).is_empty(), "touching is not overlapping");
        assert!(stacks_of(&[(5, 5), (5, 5), (5, 5)], 2).is_empty(), "one value in many segments is sorted already");
        assert!(stacks_of(&[(0, 4), (3, 8), (7, 12), (11, 15)], 3).is_empty(), "a long chain is not deep");
        assert_eq!(stacks_of(&[(20, 30), (0, 9), (21, 31), (1, 5), (40, 50)], 2), [[1, 3], [0, 2]]);
    }
}
