//! Names of the catalogue's metrics, unit in the name.

/// Commits accepted.
pub const COMMITS: &str = "basalt_meta_commits_total";
/// Commits refused (conflict, invalid, label used).
pub const REJECTED: &str = "basalt_meta_commits_rejected_total";
/// Commits per synced write.
pub const GROUP_COMMITS: &str = "basalt_meta_group_commits";
/// Bytes per synced write.
pub const GROUP_BYTES: &str = "basalt_meta_group_bytes";
/// Time of one synced write.
pub const WRITE_SECONDS: &str = "basalt_meta_write_seconds";

/// Tells the recorder what the names mean.
pub fn describe() {
    metrics::describe_counter!(COMMITS, "commits accepted by the catalogue");
    metrics::describe_counter!(REJECTED, "commits refused by the catalogue");
    metrics::describe_histogram!(GROUP_COMMITS, "commits per synced write");
    metrics::describe_histogram!(GROUP_BYTES, metrics::Unit::Bytes, "bytes per synced write");
    metrics::describe_histogram!(WRITE_SECONDS, metrics::Unit::Seconds, "time of one synced write");
}
