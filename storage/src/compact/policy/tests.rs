use super::*;
use crate::testing::imagined_segment;
use basalt_meta::{ColumnStats, StatValue};
use roaring::RoaringBitmap;
use std::sync::Arc;

/// `o1000` an object of 1000 rows, `-300` after it: rows deleted; `i` an inline piece; `@p` its partition.
fn views(text: &str) -> Vec<SegmentView> {
    let parse = |(index, word): (usize, &str)| {
        let (word, partition) = word.split_once('@').map_or((word, None), |(w, p)| (w, Some(p.to_string())));
        let (kind, numbers) = word.split_at(1);
        let (rows, deleted) = numbers.split_once('-').unwrap_or((numbers, "0"));
        let mut segment = imagined_segment(index as u128, rows.parse().unwrap());
        segment.partition = partition;
        if kind == "i" {
            segment.location = Location::Inline;
        }
        let deleted = RoaringBitmap::from_iter(0..deleted.parse::<u32>().unwrap());
        SegmentView { segment: Arc::new(segment), deleted: (!deleted.is_empty()).then(|| Arc::new(deleted)) }
    };
    text.split_whitespace().enumerate().map(parse).collect()
}

/// Segments of `target_rows` rows of twenty bytes.
fn policy(target_rows: u64) -> CompactionPolicy {
    CompactionPolicy {
        fold_pieces_max: 3,
        fold_bytes_max: 1000,
        fan_in: 4,
        target_rows,
        target_memory_bytes: target_rows * 20,
        row_group_rows: target_rows,
        merge_memory_bytes: u64::MAX,
        deleted_ratio: 0.3,
    }
}

/// What is proposed: indexes of the inputs, `f` before a fold.
fn proposed(text: &str, fold_all: bool) -> Vec<String> {
    let policy = policy(10_000);
    let views = views(text);
    let specs = propose_for(views.iter(), &[], &policy, fold_all);
    let mut seen = HashSet::new();
    for view in specs.iter().flat_map(|spec| &spec.inputs) {
        assert!(seen.insert(view.segment.id), "a segment appears twice for: {text}");
    }
    let describe = |spec: &CompactionSpec| {
        assert!(spec.inputs.iter().all(|view| view.segment.partition == spec.partition), "{text}");
        assert!(spec.inputs.iter().all(|view| view.segment.level < spec.level), "{text}");
        let inputs: Vec<String> = spec.inputs.iter().map(|view| view.segment.id.0.to_string()).collect();
        format!("{}{}", if spec.fold { "f" } else { "" }, inputs.join(","))
    };
    specs.iter().map(describe).collect()
}

#[test]
fn what_is_proposed() {
    let cases: &[(&str, &str, bool, &[&str])] = &[
        ("nothing", "", false, &[]),
        ("few pieces wait", "i1 i1 i1", false, &[]),
        ("few pieces are folded when old", "i1 i1 i1", true, &["f0,1,2"]),
        ("one old piece too", "i1 o9999", true, &["f0"]),
        ("many pieces are folded", "i1 i1 i1 i1", false, &["f0,1,2,3"]),
        ("large pieces are folded", "i60 i60", false, &["f0,1"]),
        ("partitions are apart", "i1@a i1@b i1@a i1@b i1@a i1@a", false, &["f0,2,4,5"]),
        ("three of a size wait", "o100 o100 o100", false, &[]),
        ("four of a size are merged", "o100 o100 o100 o100", false, &["0,1,2,3"]),
        ("sizes far apart are not", "o10 o100 o1000 o9000", false, &[]),
        ("not across partitions", "o100@a o100@a o100@b o100@b", false, &[]),
        ("full ones are left alone", "o10000 o20000 o5000 o5000 o6000 o5001", false, &[]),
        ("many small ones at once", "o2 o2 o2 o2 o2 o2 o2 o2 o2", false, &["0,1,2,3,4,5,6,7,8"]),
        ("at most about a target", "o4000 o4000 o4000 o4000 o4000", false, &["0,1,2,3"]),
        ("many deletions", "o20000-6000", false, &["0"]),
        ("few deletions", "o20000-5999", false, &[]),
        ("all deleted", "o5-5", false, &["0"]),
        ("deletions beside a merge", "o100-90 o50 o60 o40 o30", false, &["1,2,3,4", "0"]),
        (
            "folds first, then small merges, then rewrites",
            "o20000-9000 o2 o2 o2 o2 i60 i60",
            false,
            &["f5,6", "1,2,3,4", "0"],
        ),
    ];
    for (name, segments, fold_all, expected) in cases {
        assert_eq!(proposed(segments, *fold_all), *expected, "{name}");
    }
}

#[test]
fn what_was_merged_is_not_merged_again() {
    // Loads of equal size, merged until nothing is proposed: every row is rewritten a few times, not once per load.
    let policy = policy(4096);
    let mut segments: Vec<SegmentView> = Vec::new();
    let (mut rewritten, mut next_id) = (0, 0);
    let mut add = |segments: &mut Vec<SegmentView>, rows: u64| {
        next_id += 1;
        segments.push(SegmentView { segment: Arc::new(imagined_segment(next_id, rows)), deleted: None });
    };
    for _ in 0..1024 {
        add(&mut segments, 16);
        loop {
            let specs = propose_for(segments.iter(), &[], &policy, false);
            let Some(spec) = specs.first() else { break };
            let rows = live_rows(&spec.inputs);
            rewritten += rows;
            segments.retain(|view| spec.inputs.iter().all(|input| input.segment.id != view.segment.id));
            add(&mut segments, rows);
        }
    }
    let rows: u64 = segments.iter().map(|view| view.live_rows()).sum();
    assert_eq!(rows, 16 * 1024);
    assert!(segments.len() <= 16, "{} segments are left", segments.len());
    assert!(rewritten <= rows * 5, "{rewritten} rows rewritten for {rows}");
}

/// Rewriting stops: what a merge wrote is either full or fewer than what it read, also where rows are so wide that no
/// segment ever reaches the target of rows.
#[test]
fn merging_ends_for_wide_rows() {
    let policy = CompactionPolicy { target_memory_bytes: 1000 * 20, ..policy(10_000) };
    let mut segments = views("o900 o900 o900 o900 o900 o900 o900 o900 o30 o30 o30 o30");
    for round in 0.. {
        assert!(round < 3, "the same rows are rewritten again and again");
        let specs = propose_for(segments.iter(), &[], &policy, false);
        let Some(spec) = specs.first() else { break };
        let rows = live_rows(&spec.inputs);
        segments.retain(|view| spec.inputs.iter().all(|input| input.segment.id != view.segment.id));
        // A writer seals at a thousand rows.
        for piece in (0..rows).step_by(1000) {
            let mut segment = imagined_segment(100 + u128::from(round * 10 + piece), (rows - piece).min(1000));
            segment.level = spec.level;
            segments.push(SegmentView { segment: Arc::new(segment), deleted: None });
        }
    }
    assert_eq!(segments.len(), 9);
}

#[test]
fn sorted_segments_on_top_of_each_other_are_merged_within_memory() {
    let spanning = |id: u128, level: u32, from: i64, to: i64| {
        let mut segment = imagined_segment(id, 10_000);
        segment.level = level;
        let (min, max) = (Some(StatValue::Int(from)), Some(StatValue::Int(to)));
        segment.stats = vec![ColumnStats { column: ColumnId(1), min, max, nulls: 0, distinct: None, exact: true }];
        SegmentView { segment: Arc::new(segment), deleted: None }
    };
    let mut segments: Vec<SegmentView> = (0..6).map(|id| spanning(id, 0, 0, 100 + id as i64)).collect();
    segments.extend((6..9).map(|id| spanning(id, 1, 0, 100)));
    let ids = |policy: &CompactionPolicy| -> Vec<Vec<u128>> {
        let specs = propose_for(segments.iter(), &[ColumnId(1)], policy, false);
        specs.iter().map(|spec| spec.inputs.iter().map(|view| view.segment.id.0).collect()).collect()
    };
    assert_eq!(ids(&policy(10_000)), [[0, 1, 2, 3, 4, 5]], "three of the next level can wait");
    // Three inputs fit: a row group is the whole file of 100,000 bytes, a batch most of 200,000.
    let tight = CompactionPolicy { merge_memory_bytes: 650_000, ..policy(10_000) };
    assert_eq!(ids(&tight), [[0, 1, 2], [3, 4, 5]]);
}
