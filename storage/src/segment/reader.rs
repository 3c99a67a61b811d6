//! Reading a segment's Parquet bytes: `parquet::arrow::async_reader::AsyncFileReader` over cached footers and
//! cached, checksum-verified ranges.

/// Reads one segment. Implements parquet's `AsyncFileReader`.
#[derive(Debug)]
pub struct SegmentReader {}

/// Where rows stand within a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowPositions {
    pub first: u64,
    pub rows: u64,
}
