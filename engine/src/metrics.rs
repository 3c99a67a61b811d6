//! Names of the engine's metrics, each with its unit, described once.

/// Statements started, by nothing else.
pub(crate) const QUERIES_STARTED: &str = "basalt_queries_started_total";
/// Statements that ended in an error.
pub(crate) const QUERIES_FAILED: &str = "basalt_queries_failed_total";
/// Statements that run now.
pub(crate) const QUERIES_RUNNING: &str = "basalt_queries_running";
/// Statements that wait for a slot.
pub(crate) const QUERIES_WAITING: &str = "basalt_queries_waiting";
/// From start to the last row.
pub(crate) const QUERY_SECONDS: &str = "basalt_query_duration_seconds";
/// Bytes of segments that plans asked for.
pub(crate) const SCANNED_BYTES: &str = "basalt_scanned_bytes_total";
/// Segments that planning left out by their statistics.
pub(crate) const SEGMENTS_PRUNED: &str = "basalt_segments_pruned_total";

/// Tells the recorder what each metric means.
pub(crate) fn describe() {
    metrics::describe_counter!(QUERIES_STARTED, "Statements started");
    metrics::describe_counter!(QUERIES_FAILED, "Statements that ended in an error");
    metrics::describe_gauge!(QUERIES_RUNNING, "Statements that run now");
    metrics::describe_gauge!(QUERIES_WAITING, "Statements that wait for a slot");
    metrics::describe_histogram!(QUERY_SECONDS, "Time from a statement's start to its last row");
    metrics::describe_counter!(SCANNED_BYTES, "Bytes of segments read by plans");
    metrics::describe_counter!(SEGMENTS_PRUNED, "Segments left out by their statistics");
}
