//! Bounds on what a client may send and how slowly. Plain data; each has a setting of the same name.

use basalt_engine::IpRange;
use std::time::Duration;

/// Limits of connections, heads and bodies.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Proxies whose word about a client's address is believed; nobody's by default.
    pub trusted_proxies: Vec<IpRange>,
    pub connections_max: usize,
    pub connections_per_ip_max: usize,
    /// A request's head must be complete this long after its first byte (and after connecting).
    pub header_timeout: Duration,
    /// A connection without a request is closed after this.
    pub idle_timeout: Duration,
    pub headers_max: usize,
    pub header_bytes_max: usize,
    pub uri_bytes_max: usize,
    /// A client that takes no byte of an answer for this long is disconnected.
    pub write_stall: Duration,
    /// Body of a request that is held in memory (queries).
    pub query_body_bytes_max: usize,
    /// Body of a load, and what it may decompress to.
    pub load_body_bytes_max: u64,
    /// Longest wait for the next piece of a body.
    pub body_chunk_timeout: Duration,
    /// Slowest body that is tolerated, averaged over 30 s of waiting.
    pub body_bytes_per_sec_min: u64,
    /// Decompressed size : compressed size, after the first 16 MiB.
    pub decompression_ratio_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            connections_max: 4096,
            connections_per_ip_max: 256,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            headers_max: 100,
            header_bytes_max: 32 << 10,
            uri_bytes_max: 8 << 10,
            write_stall: Duration::from_secs(60),
            query_body_bytes_max: 80 << 20,
            load_body_bytes_max: 100 << 30,
            body_chunk_timeout: Duration::from_secs(60),
            body_bytes_per_sec_min: 1 << 10,
            decompression_ratio_max: 200,
        }
    }
}
