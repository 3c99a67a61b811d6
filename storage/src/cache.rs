//! What is kept in memory of segments, each cache within a byte budget: parsed footers with block checksums, and
//! verified byte ranges beside decoded inline rows. Segments never change, so nothing here is ever stale; ids are
//! never reused, so nothing must be removed for correctness.

use crate::StorageSettings;
use arrow::record_batch::RecordBatch;
use basalt_meta::{SegmentDetail, SegmentId};
use bytes::Bytes;
use parquet::file::metadata::ParquetMetaData;
use quick_cache::{Weighter, sync::Cache};
use std::{ops::Range, sync::Arc};

/// Weight of an entry beyond its payload: key, slot, allocation headers.
const ENTRY_BYTES: u64 = 128;

/// A segment's footer, page indexes included, and the checksums of its blocks.
#[derive(Debug)]
pub(crate) struct Footer {
    pub metadata: Arc<ParquetMetaData>,
    pub detail: Arc<SegmentDetail>,
    weight: u64,
}

impl Footer {
    pub(crate) fn new(metadata: ParquetMetaData, detail: Arc<SegmentDetail>) -> Self {
        let weight = (metadata.memory_size() + detail.block_crcs.len() * 4) as u64 + ENTRY_BYTES;
        Self { metadata: Arc::new(metadata), detail, weight }
    }
}

#[derive(Debug)]
pub(crate) struct Caches {
    footers: Cache<SegmentId, Arc<Footer>, Weigh>,
    content: Cache<ContentKey, Content, Weigh>,
    /// A larger range would push out too much.
    range_bytes_max: u64,
}

impl Caches {
    pub(crate) fn new(settings: &StorageSettings) -> Self {
        let (footers, content) = (settings.footer_cache_bytes as u64, settings.range_cache_bytes as u64);
        Self {
            footers: Cache::with_weighter((footers / (16 << 10)).max(64) as usize, footers, Weigh),
            content: Cache::with_weighter((content / (64 << 10)).max(64) as usize, content, Weigh),
            range_bytes_max: content / 32,
        }
    }

    pub(crate) fn footer(&self, segment: SegmentId) -> Option<Arc<Footer>> {
        self.footers.get(&segment)
    }

    pub(crate) fn put_footer(&self, segment: SegmentId, footer: Arc<Footer>) {
        self.footers.insert(segment, footer);
    }

    pub(crate) fn range(&self, segment: SegmentId, range: &Range<u64>) -> Option<Bytes> {
        match self.content.get(&ContentKey { segment, start: range.start, end: range.end })? {
            Content::Range(bytes) => Some(bytes),
            Content::Rows(_) => None,
        }
    }

    pub(crate) fn keeps_range(&self, bytes: u64) -> bool {
        bytes <= self.range_bytes_max
    }

    /// `bytes` must own its buffer alone: a slice of something larger would keep all of it.
    pub(crate) fn put_range(&self, segment: SegmentId, range: &Range<u64>, bytes: Bytes) {
        self.content.insert(ContentKey { segment, start: range.start, end: range.end }, Content::Range(bytes));
    }

    pub(crate) fn rows(&self, segment: SegmentId) -> Option<RecordBatch> {
        match self.content.get(&ContentKey::rows(segment))? {
            Content::Rows(rows) => Some(rows.batch.clone()),
            Content::Range(_) => None,
        }
    }

    pub(crate) fn put_rows(&self, segment: SegmentId, batch: RecordBatch) {
        let weight = batch.get_array_memory_size() as u64 + ENTRY_BYTES;
        if weight <= self.range_bytes_max {
            self.content.insert(ContentKey::rows(segment), Content::Rows(Arc::new(InlineRows { batch, weight })));
        }
    }

    /// Gives back the memory of segments that are gone.
    pub(crate) fn forget(&self, segment: SegmentId) {
        self.footers.remove(&segment);
        self.content.remove(&ContentKey::rows(segment));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct ContentKey {
    segment: SegmentId,
    start: u64,
    end: u64,
}

impl ContentKey {
    /// No byte range is empty, so this is free for the decoded rows.
    fn rows(segment: SegmentId) -> Self {
        Self { segment, start: 0, end: 0 }
    }
}

#[derive(Debug, Clone)]
enum Content {
    Range(Bytes),
    Rows(Arc<InlineRows>),
}

#[derive(Debug)]
struct InlineRows {
    batch: RecordBatch,
    weight: u64,
}

#[derive(Debug, Clone)]
struct Weigh;

impl Weighter<ContentKey, Content> for Weigh {
    fn weight(&self, _: &ContentKey, content: &Content) -> u64 {
        match content {
            Content::Range(bytes) => bytes.len() as u64 + ENTRY_BYTES,
            Content::Rows(rows) => rows.weight,
        }
    }
}

impl Weighter<SegmentId, Arc<Footer>> for Weigh {
    fn weight(&self, _: &SegmentId, footer: &Arc<Footer>) -> u64 {
        footer.weight
    }
}
