//! Garbage: bytes of unpublished segments, and orphans that a crash left behind.
//!
//! What is garbage is asked of the catalogue, never concluded from a clock or a listing alone. A file of the present
//! epoch is never an orphan: this process knows its own failures and removes them itself.

use crate::{Result, Storage, paths};
use basalt_meta::{Changes, Edit, Segment, TableId, Timestamp, Version};
use std::collections::BTreeMap;

/// Segments looked at between two commits.
const SEGMENTS_PER_COMMIT: usize = 1000;

/// What a round removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    pub segments: usize,
    pub bytes: u64,
}

/// Which leftovers of dead epochs were found.
#[derive(Debug, Clone, Default)]
pub struct OrphanScan {
    pub removed: Vec<String>,
    pub kept: usize,
}

impl Storage {
    /// One round: asks the catalogue for segments that were removed before the oldest pin and more than
    /// `keep_micros` ago, removes their bytes and forgets them. Interrupted at any point, the next round goes on:
    /// bytes that are gone already are no error.
    pub async fn collect_garbage(&self, keep_micros: i64) -> Result<Collected> {
        let catalog = &self.parts().catalog;
        let before = Timestamp(catalog.clock().now().0.saturating_sub(keep_micros));
        let horizon = catalog.version_at(before)?.min(catalog.min_pinned());
        let mut collected = Collected::default();
        loop {
            let garbage = catalog.garbage(horizon, SEGMENTS_PER_COMMIT)?;
            let found = garbage.len();
            if found > 0 {
                collected.segments += found;
                collected.bytes += garbage.iter().map(|(_, segment)| segment.bytes).sum::<u64>();
                self.remove_and_forget(garbage).await?;
            }
            if found < SEGMENTS_PER_COMMIT {
                break;
            }
        }
        if collected.segments > 0 {
            tracing::info!(segments = collected.segments, size_bytes = collected.bytes, "garbage collected");
        }
        Ok(collected)
    }

    async fn remove_and_forget(&self, garbage: Vec<(TableId, Segment)>) -> Result<()> {
        let mut tables: BTreeMap<TableId, Vec<Segment>> = BTreeMap::new();
        for (table, segment) in garbage {
            tables.entry(table).or_default().push(segment);
        }
        for segments in tables.values() {
            self.remove(segments).await?;
        }
        let catalog = &self.parts().catalog;
        let edits = tables.into_iter().map(|(table, segments)| Edit::ForgetSegments {
            table,
            floor: readable_from(&segments),
            segments: segments.iter().map(|segment| segment.id).collect(),
        });
        let changes = Changes { preconditions: Vec::new(), edits: edits.collect(), at: catalog.clock().now() };
        catalog.commit(changes).await?;
        Ok(())
    }

    /// Removes files of *dead epochs* to which no record refers. Files of the present epoch are never touched, nor is
    /// anything whose name this server did not make.
    pub async fn remove_orphans(&self) -> Result<OrphanScan> {
        let (catalog, store) = (&self.parts().catalog, &self.parts().store);
        let epoch = catalog.epoch();
        let mut scan = OrphanScan::default();
        for path in store.list_before("", epoch).await? {
            let is_ours = paths::parse_segment_path(&path).is_some_and(|(written, _)| written < epoch);
            if !is_ours {
                tracing::warn!(path, "unknown file among segments was left alone");
            }
            if is_ours && !catalog.refers_to(&path)? {
                scan.removed.push(path);
            } else {
                scan.kept += 1;
            }
        }
        store.delete(scan.removed.clone()).await?;
        store.remove_empty_directories("", epoch)?;
        if !scan.removed.is_empty() {
            tracing::info!(segments = scan.removed.len(), kept = scan.kept, "orphans removed");
        }
        Ok(scan)
    }
}

/// The oldest version at which a table can still be read once `segments` are gone.
fn readable_from(segments: &[Segment]) -> Version {
    segments.iter().filter_map(|segment| segment.removed_at).max().unwrap_or_default()
}

#[cfg(test)]
mod tests;
