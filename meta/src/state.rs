//! The in-memory state: per table an immutable, incrementally updated list of segments.

use crate::model::*;
use roaring::RoaringBitmap;
use std::sync::Arc;

/// A segment and the rows of it that are deleted, as a snapshot sees them.
#[derive(Debug, Clone)]
pub struct SegmentView {
    pub segment: Arc<Segment>,
    pub deleted: Option<Arc<RoaringBitmap>>,
}

impl SegmentView {
    /// Rows that exist.
    pub fn live_rows(&self) -> u64 {
        self.segment.rows - self.deleted.as_ref().map_or(0, |d| d.len())
    }
}

/// About a thousand segments that planning handles together. Immutable.
#[derive(Debug)]
pub struct SegmentChunk {
    /// Unique within the process; another number means other contents.
    pub id: u64,
    pub segments: Vec<SegmentView>,
}
