//! One commit for all rows of a statement, load or transaction. Until it returns nothing is visible; after it nothing
//! is left to do. A failure before the commit removes the bytes; a failure whose outcome is not known leaves them.

use super::{
    Staged, discard,
    replaced::{NewSegments, replaced},
};
use crate::{Error, Result, parts::Parts};
use basalt_meta::{
    Changes, Edit, Error as MetaError, LabelRecord, Operation, Precondition, SegmentId, Snapshot, TableId, Version,
};
use roaring::RoaringBitmap;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

/// How often rows of unique-key tables are looked up again because another commit came between.
const ATTEMPTS_MAX: usize = 10;

/// What became of a publication that carries a label.
#[derive(Debug)]
pub(crate) enum Published {
    At(Version),
    /// Another load finished with this label first; nothing was published.
    LabelUsed(Box<LabelRecord>),
}

/// Publishes staged rows of any number of tables, plus `extra` edits, in one commit. Rows of unique-key tables get the
/// deletion vectors of the older rows of their keys, recomputed on the newest snapshot when another commit came
/// between. `Error::Conflict` when rows this statement deletes were changed by another commit.
pub(crate) async fn publish(
    parts: &Arc<Parts>,
    staged: Vec<Staged>,
    extra: Vec<Edit>,
    preconditions: Vec<Precondition>,
) -> Result<Version> {
    match publish_labelled(parts, staged, extra, preconditions).await? {
        Published::At(version) => Ok(version),
        Published::LabelUsed(record) => {
            Err(Error::Conflict { message: format!("label `{}` was used by another load", record.label.name) })
        }
    }
}

/// [`publish`] for loads: `extra` finishes a label, and another load may have been first.
pub(crate) async fn publish_labelled(
    parts: &Arc<Parts>,
    staged: Vec<Staged>,
    extra: Vec<Edit>,
    preconditions: Vec<Precondition>,
) -> Result<Published> {
    let publication = Publication { parts: Arc::clone(parts), staged, extra, preconditions };
    if publication.is_empty() {
        return Ok(Published::At(parts.catalog.snapshot().version()));
    }
    // A task of its own: a caller that goes away must leave neither a half-done publication nor unremoved bytes.
    parts.tasks.run("publish", publication.run()).await?
}

struct Publication {
    parts: Arc<Parts>,
    staged: Vec<Staged>,
    extra: Vec<Edit>,
    preconditions: Vec<Precondition>,
}

impl Publication {
    fn is_empty(&self) -> bool {
        let nothing = |s: &Staged| s.written.segments.is_empty() && s.edits.is_empty();
        self.extra.is_empty() && self.staged.iter().all(nothing)
    }

    async fn run(self) -> Result<Published> {
        match self.commit().await {
            Ok(version) => {
                self.count_inline();
                Ok(Published::At(version))
            }
            Err(Failure::Rejected(error)) => {
                discard(&self.parts, self.staged.into_iter().map(|s| s.written)).await;
                match error {
                    MetaError::LabelUsed { record } => Ok(Published::LabelUsed(record)),
                    error => Err(error.into()),
                }
            }
            Err(Failure::Before(error)) => {
                discard(&self.parts, self.staged.into_iter().map(|s| s.written)).await;
                Err(error)
            }
            Err(Failure::Unknown(error)) => Err(Error::internal("the outcome of a commit is not known", error)),
        }
    }

    async fn commit(&self) -> Result<Version, Failure> {
        let unique: BTreeSet<TableId> = self.unique_tables();
        if unique.is_empty() {
            return self.apply(self.changes(&BTreeMap::new(), Vec::new())).await;
        }
        let _guards = self.parts.table_locks.lock(&unique).await.map_err(Failure::Before)?;
        let mut attempt = 1;
        loop {
            let snapshot = self.parts.catalog.snapshot();
            let (deletions, unchanged) = self.replaced(&unique, &snapshot).await.map_err(Failure::Before)?;
            match self.apply(self.changes(&deletions, unchanged)).await {
                Err(Failure::Rejected(MetaError::Conflict { .. }))
                    if attempt < ATTEMPTS_MAX && self.moved(&unique, &snapshot) =>
                {
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Unique-key tables that get rows.
    fn unique_tables(&self) -> BTreeSet<TableId> {
        let adds = self.staged.iter().filter(|s| s.is_unique() && !s.written.segments.is_empty());
        adds.map(Staged::table_id).collect()
    }

    /// Whether another commit changed rows of these tables since `snapshot`.
    fn moved(&self, tables: &BTreeSet<TableId>, snapshot: &Snapshot) -> bool {
        let now = self.parts.catalog.snapshot();
        tables.iter().any(|id| {
            let changed = |s: &Snapshot| s.table_by_id(*id).map(|t| t.changed_at());
            changed(&now) != changed(snapshot) || self.segments_differ(*id, snapshot, &now)
        })
    }

    /// Merging moves rows without changing them, and the vectors computed for the old segments no longer fit.
    fn segments_differ(&self, table: TableId, before: &Snapshot, now: &Snapshot) -> bool {
        let ids = |s: &Snapshot| -> HashSet<SegmentId> {
            s.table_by_id(table).iter().flat_map(|t| t.iter().map(|v| v.segment.id).collect::<Vec<_>>()).collect()
        };
        ids(before) != ids(now)
    }

    /// Deletion vectors of replaced rows, and what must not have happened since `snapshot`.
    async fn replaced(
        &self,
        tables: &BTreeSet<TableId>,
        snapshot: &Snapshot,
    ) -> Result<(BTreeMap<SegmentId, Deletions>, Vec<Precondition>)> {
        let mut deletions = BTreeMap::new();
        let mut unchanged = Vec::new();
        for id in tables {
            // A table that is gone fails the commit's own precondition, with a better message than ours.
            let Some(table) = snapshot.table_by_id(*id) else { continue };
            let staged: Vec<&Staged> = self.staged.iter().filter(|s| s.table_id() == *id).collect();
            let new = NewSegments::of(staged.iter().map(|s| &s.written));
            let found = replaced(&self.parts, &table, &new, &removed_segments(&staged)).await?;
            let operation = staged.last().map_or(Operation::Append, |s| s.operation);
            let old: Vec<SegmentId> = found.keys().filter(|s| !new.contains(**s)).copied().collect();
            unchanged.push(Precondition::TableUnchanged { table: *id, since: table.changed_at() });
            unchanged.push(Precondition::SegmentsUnchanged { table: *id, segments: old, since: snapshot.version() });
            deletions.extend(found.into_iter().map(|(s, rows)| (s, Deletions { table: *id, operation, rows })));
        }
        Ok((deletions, unchanged))
    }

    /// The commit: the statement's edits in their order, then the vectors of replaced rows. A vector contains those
    /// the statement itself set on the same segment.
    fn changes(&self, replaced: &BTreeMap<SegmentId, Deletions>, unchanged: Vec<Precondition>) -> Changes {
        let mut changes = Changes { at: self.parts.catalog.clock().now(), ..Changes::default() };
        changes.preconditions.extend(self.preconditions.iter().cloned());
        changes.preconditions.extend(self.staged.iter().flat_map(|s| s.preconditions.iter().cloned()));
        changes.preconditions.extend(unchanged);
        let mut replaced = replaced.clone();
        for staged in &self.staged {
            for edit in &staged.edits {
                if let Edit::SetDeletions { segment, rows, .. } = edit
                    && let Some(more) = replaced.get_mut(segment)
                {
                    more.rows |= rows;
                }
                changes.edits.push(edit.clone());
            }
            changes.edits.extend(staged.written.edit(staged.table_id(), staged.operation));
        }
        changes.edits.extend(replaced.into_iter().map(|(segment, d)| d.into_edit(segment)));
        changes.edits.extend(self.extra.iter().cloned());
        changes
    }

    async fn apply(&self, changes: Changes) -> Result<Version, Failure> {
        match self.parts.catalog.commit(changes).await {
            Ok(committed) => Ok(committed.version),
            Err(error @ (MetaError::Rocks(_) | MetaError::Io(_) | MetaError::Closed)) => Err(Failure::Unknown(error)),
            Err(error) => Err(Failure::Rejected(error)),
        }
    }

    fn count_inline(&self) {
        for staged in self.staged.iter().filter(|s| !s.written.inline.is_empty()) {
            let bytes = staged.written.inline.iter().map(|i| i.ipc.len() as u64).sum();
            self.parts.tasks.inline().added(staged.table_id(), staged.written.inline.len() as u64, bytes);
        }
    }
}

/// Rows of one segment that are replaced, earlier deletions included.
#[derive(Debug, Clone)]
struct Deletions {
    table: TableId,
    operation: Operation,
    rows: RoaringBitmap,
}

impl Deletions {
    fn into_edit(self, segment: SegmentId) -> Edit {
        Edit::SetDeletions { table: self.table, operation: self.operation, segment, rows: self.rows }
    }
}

/// Why nothing was published, as far as that is known.
enum Failure {
    /// The commit was never asked for.
    Before(Error),
    /// The catalogue refused it.
    Rejected(MetaError),
    /// It may have been applied.
    Unknown(MetaError),
}

/// Segments that the statements themselves remove.
fn removed_segments(staged: &[&Staged]) -> HashSet<SegmentId> {
    let removed = staged.iter().flat_map(|s| &s.edits).filter_map(|edit| match edit {
        Edit::RemoveSegments { segments, .. } => Some(segments.iter().copied()),
        _ => None,
    });
    removed.flatten().collect()
}
