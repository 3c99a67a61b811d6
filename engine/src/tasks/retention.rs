//! Removal of what nobody can see any more: bytes of replaced segments, leftovers of dead processes, labels and
//! dropped tables whose time is over.

use crate::{Result, parts::Parts};
use basalt_meta::{Changes, Edit, TableId, Timestamp};
use std::sync::Arc;

/// Labels are kept for a week…
const LABEL_KEEP_MICROS: i64 = 7 * 24 * 3600 * 1_000_000;
/// …and at least this many in any case.
const LABELS_KEPT_MIN: usize = 1_000_000;
/// Labels forgotten in one commit.
const LABELS_PER_COMMIT: usize = 10_000;

/// Removes the bytes of segments replaced longer ago than retention.
pub(super) async fn garbage_round(parts: Arc<Parts>) -> Result<()> {
    let keep_micros = i64::try_from(parts.settings.retention.as_micros()).unwrap_or(i64::MAX);
    let collected = parts.storage.collect_garbage(keep_micros).await?;
    if collected.segments > 0 {
        tracing::info!(segments = collected.segments, size_bytes = collected.bytes, "garbage removed");
    }
    crate::stage::collect_removed(&parts).await
}

/// Removes files of earlier processes that no record refers to.
pub(super) async fn orphan_round(parts: Arc<Parts>) -> Result<()> {
    crate::stage::remove_orphans(&parts).await?;
    let scan = parts.storage.remove_orphans().await?;
    if !scan.removed.is_empty() {
        tracing::info!(files = scan.removed.len(), "orphans removed");
    }
    Ok(())
}

/// Forgets labels and dropped tables whose time is over, and what this process remembers for nothing.
pub(super) async fn retention_round(parts: Arc<Parts>) -> Result<()> {
    parts.table_locks.sweep();
    forget_labels(&parts).await?;
    purge_tables(&parts).await
}

async fn forget_labels(parts: &Parts) -> Result<()> {
    let expiry = Timestamp(parts.catalog.clock().now().0.saturating_sub(LABEL_KEEP_MICROS));
    loop {
        let mut expired = parts.catalog.labels_before(expiry, LABELS_PER_COMMIT)?;
        if expired.is_empty() {
            return Ok(());
        }
        let enough = LABELS_KEPT_MIN + expired.len();
        let all = parts.catalog.labels_before(Timestamp(i64::MAX), enough)?.len();
        expired.truncate(all.saturating_sub(LABELS_KEPT_MIN));
        if expired.is_empty() {
            return Ok(());
        }
        commit(parts, Edit::ForgetLabels { labels: expired }).await?;
    }
}

async fn purge_tables(parts: &Parts) -> Result<()> {
    let keep_micros = i64::try_from(parts.settings.retention.as_micros()).unwrap_or(i64::MAX);
    let expiry = parts.catalog.clock().now().0.saturating_sub(keep_micros);
    let snapshot = parts.catalog.snapshot();
    let databases = snapshot.databases().into_iter().chain(snapshot.dropped_databases());
    let tables: Vec<TableId> = databases
        .flat_map(|d| snapshot.dropped_tables(d.id))
        .filter(|t| t.dropped.is_some_and(|d| d.at.0 < expiry))
        .map(|t| t.id)
        .collect();
    if tables.is_empty() {
        return Ok(());
    }
    tracing::info!(tables = tables.len(), "dropped tables purged");
    commit(parts, Edit::PurgeTables { tables }).await
}

async fn commit(parts: &Parts, edit: Edit) -> Result<()> {
    let changes = Changes { edits: vec![edit], at: parts.catalog.clock().now(), ..Changes::default() };
    parts.catalog.commit(changes).await?;
    Ok(())
}
