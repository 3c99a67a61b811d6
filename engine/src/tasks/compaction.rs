//! Folding and compaction: storage proposes and merges, the catalogue swaps inputs for outputs. No row changes, so a
//! merge that loses against a writer is dropped and tried again later.

use super::supervisor::all_tables;
use crate::{Result, parts::Parts, write::discard};
use basalt_meta::{
    Changes, Edit, Error as MetaError, Operation, Precondition, Snapshot, TableId, TableSnapshot, Version,
};
use basalt_storage::{CompactionSpec, propose};
use std::{sync::Arc, time::Instant};

/// Rounds of [`optimize`] on one table: each merges at least two segments, so this is never reached in earnest.
const OPTIMIZE_ROUNDS_MAX: usize = 10_000;

/// Tables with at least this many segments are merged even while loads run.
const SEGMENTS_URGENT: usize = 1000;

/// What became of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Merged {
    Published(Version),
    /// An input was changed or removed meanwhile.
    Lost,
}

/// Folds the small loads of all tables that are due.
pub(super) async fn fold_round(parts: Arc<Parts>) -> Result<()> {
    for table in parts.tasks.inline().due(parts.settings.fold_after) {
        fold_table(&parts, table).await?;
    }
    Ok(())
}

/// Merges what is worth merging, one table after the other. While loads run their encoding needs the processors, so
/// only tables with many segments are merged then.
pub(super) async fn compaction_round(parts: Arc<Parts>) -> Result<()> {
    let tables: Vec<TableId> = all_tables(&parts).iter().map(|t| t.table().id).collect();
    for id in tables {
        let snapshot = parts.catalog.snapshot();
        let Some(table) = snapshot.table_by_id(id) else { continue };
        if parts.loads.running() > 0 && table.segments() < SEGMENTS_URGENT {
            continue;
        }
        let proposed = propose(&table, &parts.storage.compaction_policy(), false);
        for spec in proposed.into_iter().filter(|s| !s.fold) {
            merge(&parts, &snapshot, &table, spec).await?;
        }
    }
    Ok(())
}

/// Merges a table's segments until there is nothing left to merge, small loads included.
pub(crate) async fn optimize(parts: &Arc<Parts>, id: TableId) -> Result<()> {
    for _ in 0..OPTIMIZE_ROUNDS_MAX {
        let snapshot = parts.catalog.snapshot();
        let Some(table) = snapshot.table_by_id(id) else { return Ok(()) };
        let Some(spec) = propose(&table, &parts.storage.compaction_policy(), true).into_iter().next() else { break };
        merge(parts, &snapshot, &table, spec).await?;
    }
    refresh(parts, id);
    Ok(())
}

/// Folds the small loads of one table into Parquet segments.
async fn fold_table(parts: &Arc<Parts>, id: TableId) -> Result<()> {
    let snapshot = parts.catalog.snapshot();
    let Some(table) = snapshot.table_by_id(id) else {
        parts.tasks.inline().forget(id);
        return Ok(());
    };
    for spec in propose(&table, &parts.storage.compaction_policy(), true).into_iter().filter(|s| s.fold) {
        merge(parts, &snapshot, &table, spec).await?;
    }
    refresh(parts, id);
    Ok(())
}

fn refresh(parts: &Parts, id: TableId) {
    match parts.catalog.snapshot().table_by_id(id) {
        Some(table) => parts.tasks.inline().refresh(&table),
        None => parts.tasks.inline().forget(id),
    }
}

/// One merge, published if none of its inputs was touched. `snapshot` pins the inputs' bytes.
async fn merge(parts: &Arc<Parts>, snapshot: &Snapshot, table: &TableSnapshot, spec: CompactionSpec) -> Result<Merged> {
    let started = Instant::now();
    let record = table.table();
    let operation = if spec.fold { Operation::Fold } else { Operation::Compact };
    let inputs: Vec<_> = spec.inputs.iter().map(|v| v.segment.id).collect();
    let written = parts.storage.merge(Arc::clone(record), spec).await?;
    let mut edits = vec![Edit::RemoveSegments { table: record.id, operation, segments: inputs.clone() }];
    edits.extend(written.edit(record.id, operation));
    let preconditions = vec![
        Precondition::TableAppendable { table: record.id, schema_version: record.schema_version },
        Precondition::SegmentsUnchanged { table: record.id, segments: inputs.clone(), since: snapshot.version() },
    ];
    let changes = Changes { preconditions, edits, at: parts.catalog.clock().now() };
    let rows = written.rows;
    let merged = match parts.catalog.commit(changes).await {
        Ok(committed) => Merged::Published(committed.version),
        Err(MetaError::Conflict { .. } | MetaError::NoTable { .. }) => {
            discard(parts, [written]).await;
            Merged::Lost
        }
        // The outcome is unknown: the bytes stay, and are orphans of this epoch if the commit did not happen.
        Err(error) => return Err(error.into()),
    };
    tracing::debug!(
        table = %record.id,
        inputs = inputs.len(),
        rows,
        operation = ?operation,
        published = matches!(merged, Merged::Published(_)),
        elapsed_ms = started.elapsed().as_millis() as u64,
        "segments merged"
    );
    Ok(merged)
}
