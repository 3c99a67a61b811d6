use super::*;
use crate::Location;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::BTreeMap;

fn segment(id: u128) -> Segment {
    Segment {
        id: SegmentId(id),
        location: Location::Inline,
        partition: None,
        level: 0,
        rows: 10 + (id % 7) as u64,
        bytes: 100,
        memory_bytes: 200,
        checksum: id,
        schema_version: 1,
        sorted_by: vec![],
        stats: vec![],
        added_at: Version(1),
        removed_at: None,
    }
}

fn entry(id: u128) -> Entry {
    Entry::new(Arc::new(segment(id)))
}

fn ids(list: &SegmentList) -> Vec<u128> {
    list.entries().map(|entry| entry.view.segment.id.0).collect()
}

#[test]
fn single_appends_keep_order_and_copy_little() {
    let mut list = SegmentList::default();
    let mut rebuilt = 0;
    for id in 0..5000 {
        let before: HashSet<u64> = list.chunks().iter().map(|chunk| chunk.id).collect();
        list.append(vec![entry(id)]);
        rebuilt += list.chunks().iter().filter(|chunk| !before.contains(&chunk.id)).map(|c| c.len()).sum::<usize>();
        list.assert_consistent();
    }
    assert_eq!(ids(&list), (0..5000).collect::<Vec<_>>());
    assert!(list.chunks().iter().all(|chunk| chunk.len() <= CHUNK));
    assert!(list.chunks().len() <= 5000 / CHUNK + 2, "{} chunks", list.chunks().len());
    assert!(rebuilt < 5000 * 2 * TAIL, "copied {rebuilt} entries for 5000 appends");
}

#[test]
fn untouched_chunks_stay_the_same() {
    let mut list: SegmentList = (0..4000).map(entry).collect();
    let before: Vec<u64> = list.chunks().iter().map(|chunk| chunk.id).collect();
    list.remove(&[SegmentId(1500)]).unwrap();
    list.set_deletions(SegmentId(3), Arc::new(RoaringBitmap::from_iter([1, 2])), Version(9));
    let after: Vec<u64> = list.chunks().iter().map(|chunk| chunk.id).collect();
    assert_eq!((before[2], before[3]), (after[2], after[3]));
    assert!(before[0] != after[0] && before[1] != after[1]);
    assert_eq!(list.find(SegmentId(3)).unwrap().1, Version(9));
    assert!(list.find(SegmentId(1500)).is_none());
    list.assert_consistent();
}

#[test]
fn removing_what_is_not_there_changes_nothing() {
    let mut list: SegmentList = (0..10).map(entry).collect();
    let before = list.totals();
    assert_eq!(list.remove(&[SegmentId(3), SegmentId(77)]).unwrap_err(), SegmentId(77));
    assert_eq!((list.totals(), ids(&list)), (before, (0..10).collect()));
}

#[test]
fn random_changes_agree_with_a_map() {
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut list = SegmentList::default();
    let mut model: BTreeMap<u128, RoaringBitmap> = BTreeMap::new();
    let mut next = 0u128;
    for step in 0..400 {
        match random.random_range(0..10) {
            0..6 => {
                let count =
                    if random.random_bool(0.1) { random.random_range(0..2500) } else { random.random_range(1..5) };
                list.append((next..next + count).map(entry).collect());
                (next..next + count).for_each(|id| drop(model.insert(id, RoaringBitmap::new())));
                next += count;
            }
            6..8 => {
                let share = random.random_range(0.0..1.0);
                let out: Vec<SegmentId> =
                    model.keys().filter(|_| random.random_bool(share)).map(|id| SegmentId(*id)).collect();
                let removed = list.remove(&out).unwrap();
                assert_eq!(removed.len(), out.len());
                out.iter().for_each(|id| drop(model.remove(&id.0)));
            }
            _ => {
                let Some(id) = model.keys().nth(random.random_range(0..model.len().max(1))).copied() else { continue };
                let rows = model.get_mut(&id).unwrap();
                rows.insert(random.random_range(0..10));
                list.set_deletions(SegmentId(id), Arc::new(rows.clone()), Version(step));
            }
        }
        list.assert_consistent();
        let live: u64 = model.iter().map(|(id, rows)| segment(*id).rows - rows.len()).sum();
        assert_eq!((list.totals().segments, list.totals().live_rows), (model.len() as u64, live));
    }
    let found: BTreeMap<u128, RoaringBitmap> = list
        .entries()
        .map(|e| (e.view.segment.id.0, e.view.deleted.map(|rows| RoaringBitmap::clone(&rows)).unwrap_or_default()))
        .collect();
    assert_eq!(found, model);
}
