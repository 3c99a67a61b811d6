//! The list of a table's live segments: chunks of about a thousand, copied only where a commit touches them, with
//! running sums.
//!
//! New segments gather in a small last chunk; when that is full it is poured into the one before it. So a commit
//! that adds one segment copies at most [`TAIL`] entries, however many the table has.

use crate::{Segment, SegmentChunk, SegmentId, SegmentView, Version};
use roaring::RoaringBitmap;
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Most segments of a chunk.
const CHUNK: usize = 1024;
/// Most segments of the last chunk while single segments arrive.
const TAIL: usize = 32;
/// Neighbours that fit together within this are joined after a removal.
const JOIN: usize = 512;

static NEXT_CHUNK: AtomicU64 = AtomicU64::new(1);

/// Sums over segments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) segments: u64,
    /// Rows in the files, deleted ones included.
    pub(crate) rows: u64,
    /// Rows that exist.
    pub(crate) live_rows: u64,
    pub(crate) bytes: u64,
    /// Sum modulo 2^128 of a hash of each segment's id: a lost or doubled segment shows at once.
    pub(crate) hash: u128,
}

impl Totals {
    fn of(view: &SegmentView) -> Self {
        Self {
            segments: 1,
            rows: view.segment.rows,
            live_rows: view.live_rows(),
            bytes: view.segment.bytes,
            hash: mix(view.segment.id.0),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            segments: self.segments + other.segments,
            rows: self.rows + other.rows,
            live_rows: self.live_rows + other.live_rows,
            bytes: self.bytes + other.bytes,
            hash: self.hash.wrapping_add(other.hash),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            segments: self.segments - other.segments,
            rows: self.rows - other.rows,
            live_rows: self.live_rows - other.live_rows,
            bytes: self.bytes - other.bytes,
            hash: self.hash.wrapping_sub(other.hash),
        }
    }
}

/// What the commit path must know of a segment beside its view.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) id: SegmentId,
    /// The commit that set the deletion vector; 0 when there is none.
    pub(crate) deleted_at: Version,
}

/// A segment of the list.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) view: SegmentView,
    pub(crate) deleted_at: Version,
}

impl Entry {
    pub(crate) fn new(segment: Arc<Segment>) -> Self {
        Self { view: SegmentView { segment, deleted: None }, deleted_at: Version(0) }
    }
}

impl SegmentChunk {
    fn new(entries: Vec<Entry>) -> Arc<Self> {
        let totals = entries.iter().fold(Totals::default(), |sum, entry| sum.plus(Totals::of(&entry.view)));
        let marks = entries.iter().map(|e| Mark { id: e.view.segment.id, deleted_at: e.deleted_at }).collect();
        let segments = entries.into_iter().map(|entry| entry.view).collect();
        Arc::new(Self { id: NEXT_CHUNK.fetch_add(1, Ordering::Relaxed), segments, marks, totals })
    }

    fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.segments.iter().zip(&self.marks).map(|(v, m)| Entry { view: v.clone(), deleted_at: m.deleted_at })
    }

    fn len(&self) -> usize {
        self.segments.len()
    }
}

/// The live segments of a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct SegmentList {
    chunks: Vec<Arc<SegmentChunk>>,
    totals: Totals,
}

impl SegmentList {
    pub(crate) fn chunks(&self) -> &[Arc<SegmentChunk>] {
        &self.chunks
    }

    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.chunks.iter().flat_map(|chunk| chunk.entries())
    }

    /// A segment and the commit that set its deletion vector. Looks at the newest segments first.
    pub(crate) fn find(&self, id: SegmentId) -> Option<(&SegmentView, Version)> {
        let (chunk, index) = self.position(id)?;
        let chunk = &self.chunks[chunk];
        Some((&chunk.segments[index], chunk.marks[index].deleted_at))
    }

    /// Adds segments at the end.
    pub(crate) fn append(&mut self, new: Vec<Entry>) {
        let Some(last) = self.chunks.last() else { return self.append_split(new) };
        self.totals = new.iter().fold(self.totals, |sum, entry| sum.plus(Totals::of(&entry.view)));
        if last.len() + new.len() <= TAIL {
            let chunk = SegmentChunk::new(last.entries().chain(new).collect());
            *self.chunks.last_mut().expect("just looked at") = chunk;
            return;
        }
        if last.len() > TAIL && new.len() <= TAIL {
            return self.chunks.push(SegmentChunk::new(new));
        }
        self.pour(new);
    }

    /// Removes segments and returns them in list order, or names one that is not in the list (and changes nothing).
    pub(crate) fn remove(&mut self, ids: &[SegmentId]) -> Result<Vec<Entry>, SegmentId> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: HashSet<SegmentId> = ids.iter().copied().collect();
        let mut left = wanted.len();
        let mut chunks = self.chunks.clone();
        let mut removed = Vec::with_capacity(ids.len());
        for chunk in chunks.iter_mut().rev() {
            if left == 0 {
                break;
            }
            let hits = chunk.marks.iter().filter(|mark| wanted.contains(&mark.id)).count();
            if hits == 0 {
                continue;
            }
            left -= hits;
            let (out, kept): (Vec<Entry>, Vec<Entry>) =
                chunk.entries().partition(|entry| wanted.contains(&entry.view.segment.id));
            removed.extend(out.into_iter().rev());
            *chunk = SegmentChunk::new(kept);
        }
        if left > 0 {
            return Err(*ids.iter().find(|id| self.position(**id).is_none()).expect("one was not found"));
        }
        removed.reverse();
        self.totals = removed.iter().fold(self.totals, |sum, entry| sum.minus(Totals::of(&entry.view)));
        self.chunks = join_small(chunks);
        Ok(removed)
    }

    /// Replaces a segment's deletion vector. The segment must be in the list.
    pub(crate) fn set_deletions(&mut self, id: SegmentId, rows: Arc<RoaringBitmap>, at: Version) {
        let (chunk, index) = self.position(id).expect("the caller found the segment");
        let mut entries: Vec<Entry> = self.chunks[chunk].entries().collect();
        let entry = &mut entries[index];
        self.totals = self.totals.minus(Totals::of(&entry.view));
        entry.view.deleted = Some(rows);
        entry.deleted_at = at;
        self.totals = self.totals.plus(Totals::of(&entry.view));
        self.chunks[chunk] = SegmentChunk::new(entries);
    }

    /// Stops the process's commit when the running sums are not those of the chunks.
    pub(crate) fn assert_consistent(&self) {
        let sum = self.chunks.iter().fold(Totals::default(), |sum, chunk| sum.plus(chunk.totals));
        assert_eq!(sum, self.totals, "running sums of a table disagree with its segments");
    }

    fn position(&self, id: SegmentId) -> Option<(usize, usize)> {
        self.chunks.iter().enumerate().rev().find_map(|(chunk, c)| {
            let index = c.marks.iter().position(|mark| mark.id == id)?;
            Some((chunk, index))
        })
    }

    fn append_split(&mut self, new: Vec<Entry>) {
        self.totals = new.iter().fold(self.totals, |sum, entry| sum.plus(Totals::of(&entry.view)));
        self.pour(new);
    }

    /// Fills the last chunks up and adds further ones. Sums are the caller's.
    fn pour(&mut self, new: Vec<Entry>) {
        let mut entries = Vec::new();
        if self.chunks.last().is_some_and(|last| last.len() <= TAIL) {
            entries.extend(self.chunks.pop().expect("just looked at").entries());
        }
        if self.chunks.last().is_some_and(|last| last.len() < CHUNK) {
            let before = self.chunks.pop().expect("just looked at");
            entries.splice(0..0, before.entries());
        }
        entries.extend(new);
        let mut entries = entries.into_iter().peekable();
        while entries.peek().is_some() {
            self.chunks.push(SegmentChunk::new(entries.by_ref().take(CHUNK).collect()));
        }
    }
}

impl FromIterator<Entry> for SegmentList {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut list = Self::default();
        list.append_split(entries.into_iter().collect());
        list
    }
}

/// Drops empty chunks and joins small neighbours. A small last chunk stays apart: single segments gather there.
fn join_small(chunks: Vec<Arc<SegmentChunk>>) -> Vec<Arc<SegmentChunk>> {
    let last = chunks.len() - 1;
    let mut joined: Vec<Arc<SegmentChunk>> = Vec::with_capacity(chunks.len());
    for (index, chunk) in chunks.into_iter().enumerate() {
        let is_tail = index == last && chunk.len() <= TAIL;
        match joined.last_mut() {
            _ if chunk.len() == 0 => {}
            Some(before) if !is_tail && before.len() + chunk.len() <= JOIN => {
                *before = SegmentChunk::new(before.entries().chain(chunk.entries()).collect());
            }
            _ => joined.push(chunk),
        }
    }
    joined
}

/// Spreads an id over 128 bits, so that sums of ids made one after the other do not collide.
fn mix(id: u128) -> u128 {
    let low = mix64(id as u64 ^ mix64((id >> 64) as u64));
    let high = mix64(low ^ (id >> 64) as u64 ^ 0x9E37_79B9_7F4A_7C15);
    (u128::from(high) << 64) | u128::from(low)
}

fn mix64(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests;
