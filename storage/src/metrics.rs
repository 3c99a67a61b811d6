//! Names of this crate's metrics.

/// Encoded bytes written as segments.
pub(crate) const WRITTEN_BYTES: &str = "basalt_segment_written_bytes";
/// Rows written as segments, inline ones too.
pub(crate) const WRITTEN_ROWS: &str = "basalt_segment_written_rows";
/// Segments written as Parquet objects.
pub(crate) const WRITTEN_SEGMENTS: &str = "basalt_segments_written_total";
/// Time to sort and encode one segment.
pub(crate) const ENCODE_SECONDS: &str = "basalt_segment_encode_seconds";
/// Time to sync one segment's file.
pub(crate) const SYNC_SECONDS: &str = "basalt_segment_sync_seconds";
/// Bytes read from the store and verified.
pub(crate) const READ_BYTES: &str = "basalt_segment_read_bytes";
/// Bytes answered from the cache of verified ranges.
pub(crate) const CACHED_BYTES: &str = "basalt_segment_cached_bytes";
/// Blocks whose checksum was wrong.
pub(crate) const DAMAGED_BLOCKS: &str = "basalt_segment_damaged_blocks_total";
/// Segments whose bytes were removed.
pub(crate) const REMOVED_SEGMENTS: &str = "basalt_segments_removed_total";
