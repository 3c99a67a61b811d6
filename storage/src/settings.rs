//! How bytes are kept: plain data with sane defaults.

/// Settings of a [`crate::Storage`].
#[derive(Debug, Clone)]
pub struct StorageSettings {
    /// Where segments lie: a local directory path, or `s3://…`, `gs://…`, `az://…`.
    pub location: String,
    /// Options of the object store (region, endpoint, credentials), by the names `object_store` documents.
    pub store_options: Vec<(String, String)>,
    /// Threads that sort and encode at the same time.
    pub encode_threads: usize,
    /// Bytes of rows in memory (as Arrow) that all loads together may hold while waiting for encoding.
    pub write_buffer_bytes: usize,
    /// Rows of a segment, at most; a load is cut into segments of about this size.
    pub segment_rows_max: usize,
    /// Bytes of a segment's rows in memory, at most.
    pub segment_memory_bytes_max: usize,
    /// Rows of a Parquet row group.
    pub row_group_rows: usize,
    /// Rows of a Parquet data page, at most: what a point read decodes per column.
    pub page_rows: usize,
    pub compression: Compression,
    /// A load whose encoded rows are smaller than this becomes an inline segment.
    pub inline_bytes_max: usize,
    /// Cached Parquet footers and page indexes, bytes.
    pub footer_cache_bytes: usize,
    /// Cached, verified ranges of segment files and decoded inline segments, bytes.
    pub range_cache_bytes: usize,
}

/// Page compression of segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Lz4,
    Zstd1,
}

impl StorageSettings {
    /// Defaults for a server with `cores` cores and `memory_bytes` for everything.
    pub fn new(location: impl Into<String>, cores: usize, memory_bytes: usize) -> Self {
        Self {
            location: location.into(),
            store_options: Vec::new(),
            encode_threads: cores.max(1),
            write_buffer_bytes: (memory_bytes / 4).clamp(16 << 20, 1 << 30),
            segment_rows_max: 1 << 20,
            segment_memory_bytes_max: 192 << 20,
            row_group_rows: 128 << 10,
            page_rows: 8 << 10,
            compression: Compression::Lz4,
            inline_bytes_max: 1 << 20,
            footer_cache_bytes: (memory_bytes / 32).clamp(4 << 20, 512 << 20),
            range_cache_bytes: (memory_bytes / 8).clamp(8 << 20, 4 << 30),
        }
    }
}
