//! Names of the HTTP layer's metrics, described once. What is measured stays where it happens.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

pub const REQUESTS_TOTAL: &str = "basalt_http_requests_total";
pub const REQUEST_SECONDS: &str = "basalt_http_request_seconds";
pub const CONNECTIONS: &str = "basalt_http_connections";
pub const CONNECTIONS_REFUSED_TOTAL: &str = "basalt_http_connections_refused_total";
pub const LOAD_BODY_BYTES_TOTAL: &str = "basalt_http_load_body_bytes_total";
pub const MEMORY_RESIDENT_BYTES: &str = "basalt_process_resident_memory_bytes";
pub const OPEN_FILES: &str = "basalt_process_open_files";
pub const THREADS: &str = "basalt_process_threads";
pub const UPTIME_SECONDS: &str = "basalt_process_uptime_seconds";

/// Tells the recorder what each name means.
pub fn describe() {
    describe_counter!(REQUESTS_TOTAL, "requests answered, by route and class of status");
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "time from a request's head to its answer's head");
    describe_gauge!(CONNECTIONS, "open client connections");
    describe_counter!(CONNECTIONS_REFUSED_TOTAL, "connections turned away because a cap was reached");
    describe_counter!(LOAD_BODY_BYTES_TOTAL, Unit::Bytes, "bytes of load bodies received, before decompression");
    describe_gauge!(MEMORY_RESIDENT_BYTES, Unit::Bytes, "resident memory of the process");
    describe_gauge!(OPEN_FILES, "open file descriptors");
    describe_gauge!(THREADS, "threads of the process");
    describe_gauge!(UPTIME_SECONDS, Unit::Seconds, "time since the process started");
}
