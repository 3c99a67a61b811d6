//! Which older rows have the keys of new rows: found by key statistics, then by reading key columns, and returned as
//! deletion vectors. Memory is bounded by looking up keys in groups.

use super::keys::KeyEncoder;
use crate::{Result, parts::Parts};
use arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch, new_null_array},
    compute::{kernels::cmp, or},
    ipc::reader::StreamReader,
};
use basalt_meta::{
    ColumnId, ColumnStats, Edit, InlineRows, KeyModel, Operation, Segment, SegmentId, SegmentView, StatValue, Table,
    TableSnapshot,
};
use basalt_storage::Written;
use futures::StreamExt;
use roaring::RoaringBitmap;
use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap, HashSet},
    io::Cursor,
    sync::Arc,
};

/// Keys that are looked up at once.
const GROUP_KEYS_MAX: u64 = 2 << 20;

/// Up to this many keys are compared with whole columns before any row is encoded.
const FEW_KEYS: usize = 8;

/// Deletion vectors for rows of `table` that `written` replaces by key (unique-key tables), rows of `written` that a
/// later one of it replaces included.
pub(crate) async fn replaced_rows(parts: &Arc<Parts>, table: &TableSnapshot, written: &Written) -> Result<Vec<Edit>> {
    let found = replaced(parts, table, &NewSegments::of([written]), &HashSet::new()).await?;
    let id = table.table().id;
    let edit = |(segment, rows)| Edit::SetDeletions { table: id, operation: Operation::Append, segment, rows };
    Ok(found.into_iter().map(edit).collect())
}

/// Unpublished segments of one table, in the order their rows came.
#[derive(Debug)]
pub(super) struct NewSegments<'a> {
    segments: Vec<(&'a Segment, Option<&'a InlineRows>)>,
    ids: HashSet<SegmentId>,
}

impl<'a> NewSegments<'a> {
    pub fn of(written: impl IntoIterator<Item = &'a Written>) -> Self {
        let mut segments = Vec::new();
        for written in written {
            for (segment, _) in &written.segments {
                segments.push((segment, written.inline.iter().find(|i| i.segment == segment.id)));
            }
        }
        let ids = segments.iter().map(|(s, _)| s.id).collect();
        Self { segments, ids }
    }

    pub fn contains(&self, segment: SegmentId) -> bool {
        self.ids.contains(&segment)
    }

    /// Runs of segments with about [`GROUP_KEYS_MAX`] rows.
    fn groups(&self) -> Vec<std::ops::Range<usize>> {
        let mut groups = Vec::new();
        let (mut start, mut rows) = (0, 0);
        for (i, (segment, _)) in self.segments.iter().enumerate() {
            rows += segment.rows;
            if rows >= GROUP_KEYS_MAX || i + 1 == self.segments.len() {
                groups.push(start..i + 1);
                (start, rows) = (i + 1, 0);
            }
        }
        groups
    }
}

/// For each segment that loses rows: all its deleted rows, earlier ones included. `removed` are segments of `table`
/// that will not exist any more.
pub(super) async fn replaced(
    parts: &Arc<Parts>,
    table: &TableSnapshot,
    new: &NewSegments<'_>,
    removed: &HashSet<SegmentId>,
) -> Result<BTreeMap<SegmentId, RoaringBitmap>> {
    let Some(encoder) = KeyEncoder::new(table.table())? else { return Ok(BTreeMap::new()) };
    let lookup = Lookup { parts, table, encoder };
    let mut found = BTreeMap::new();
    for group in new.groups() {
        let members = &new.segments[group.clone()];
        let keys = lookup.read_keys(members, &mut found).await?;
        let earlier = new.segments[..group.start].iter();
        for (segment, inline) in earlier.filter(|(s, _)| lookup.may_overlap(members, s)) {
            lookup.mark_new(segment, *inline, &keys, &mut found).await?;
        }
        let live = table.iter().filter(|v| !new.contains(v.segment.id) && !removed.contains(&v.segment.id));
        for view in live.filter(|v| v.live_rows() > 0 && lookup.may_overlap(members, &v.segment)) {
            lookup.mark_old(view, &keys, &mut found).await?;
        }
    }
    Ok(found)
}

/// The keys of a group of new rows.
struct Keys {
    /// Key → where its last row stands: segment (position in the group) and row.
    last: HashMap<Box<[u8]>, (u32, u32)>,
    /// Values of the first key column, when there are only few keys.
    few: Option<Vec<ArrayRef>>,
}

struct Lookup<'a> {
    parts: &'a Arc<Parts>,
    table: &'a TableSnapshot,
    encoder: KeyEncoder,
}

impl Lookup<'_> {
    /// The keys of new segments. Rows that a later row of the group replaces are added to `found`.
    async fn read_keys(
        &self,
        members: &[(&Segment, Option<&InlineRows>)],
        found: &mut BTreeMap<SegmentId, RoaringBitmap>,
    ) -> Result<Keys> {
        let rows: u64 = members.iter().map(|(s, _)| s.rows).sum();
        let mut last: HashMap<Box<[u8]>, (u32, u32)> = HashMap::with_capacity(rows as usize);
        let mut few = (rows as usize <= FEW_KEYS).then(Vec::new);
        for (at, (segment, inline)) in members.iter().enumerate() {
            let mut batches = self.key_batches_of_new(segment, *inline);
            while let Some(item) = batches.next().await {
                let (start, batch) = item?;
                let keys = self.encoder.of_key_rows(&batch)?;
                for row in 0..keys.num_rows() {
                    let here = (at as u32, (start + row as u64) as u32);
                    let Some((segment, row)) = last.insert(keys.row(row).data().into(), here) else { continue };
                    found.entry(members[segment as usize].0.id).or_default().insert(row);
                }
                if let Some(few) = &mut few {
                    few.extend((0..batch.num_rows()).map(|row| batch.column(0).slice(row, 1)));
                }
            }
        }
        Ok(Keys { last, few })
    }

    async fn mark_new(
        &self,
        segment: &Segment,
        inline: Option<&InlineRows>,
        keys: &Keys,
        found: &mut BTreeMap<SegmentId, RoaringBitmap>,
    ) -> Result<()> {
        let mut batches = self.key_batches_of_new(segment, inline);
        let mut rows = RoaringBitmap::new();
        while let Some(item) = batches.next().await {
            let (start, batch) = item?;
            self.mark(&batch, start, keys, &mut rows)?;
        }
        if !rows.is_empty() {
            *found.entry(segment.id).or_default() |= rows;
        }
        Ok(())
    }

    async fn mark_old(
        &self,
        view: &SegmentView,
        keys: &Keys,
        found: &mut BTreeMap<SegmentId, RoaringBitmap>,
    ) -> Result<()> {
        let table = Arc::clone(self.table.table());
        let mut batches = self.parts.storage.scan_rows(table, view.clone(), self.encoder.columns.clone());
        let mut rows = RoaringBitmap::new();
        while let Some(item) = batches.next().await {
            let (start, batch) = item?;
            self.mark(&batch, start, keys, &mut rows)?;
        }
        if let Some(deleted) = &view.deleted {
            rows -= deleted.as_ref();
        }
        if !rows.is_empty() {
            let entry = found.entry(view.segment.id).or_default();
            *entry |= rows;
            if let Some(deleted) = &view.deleted {
                *entry |= deleted.as_ref();
            }
        }
        Ok(())
    }

    /// Adds the positions of rows whose key is one of `keys`.
    fn mark(&self, batch: &RecordBatch, start: u64, keys: &Keys, rows: &mut RoaringBitmap) -> Result<()> {
        let candidates = keys.few.as_ref().map(|few| equals_any(batch.column(0), few)).transpose()?;
        if candidates.as_ref().is_some_and(|c| c.true_count() == 0) {
            return Ok(());
        }
        let encoded = self.encoder.of_key_rows(batch)?;
        for row in 0..encoded.num_rows() {
            if candidates.as_ref().is_some_and(|c| !c.value(row)) {
                continue;
            }
            if keys.last.contains_key(encoded.row(row).data()) {
                rows.insert((start + row as u64) as u32);
            }
        }
        Ok(())
    }

    /// Key columns of an unpublished segment, with the position of each batch's first row.
    fn key_batches_of_new(
        &self,
        segment: &Segment,
        inline: Option<&InlineRows>,
    ) -> futures::stream::BoxStream<'static, Result<(u64, RecordBatch)>> {
        let Some(inline) = inline else {
            let view = SegmentView { segment: Arc::new(segment.clone()), deleted: None };
            let rows = self.parts.storage.scan_rows(Arc::clone(self.table.table()), view, self.encoder.columns.clone());
            return rows.map(|item| Ok(item?)).boxed();
        };
        let batches = key_batches(self.table.table(), &self.encoder.columns, inline);
        let batches = batches.map_or_else(|error| vec![Err(error)], |batches| batches.into_iter().map(Ok).collect());
        futures::stream::iter(batches).boxed()
    }

    /// Whether a row of `segment` can have a key of `members`, by their statistics.
    fn may_overlap(&self, members: &[(&Segment, Option<&InlineRows>)], segment: &Segment) -> bool {
        let KeyModel::Unique { key } = &self.table.table().key_model else { return false };
        members.iter().any(|(member, _)| key.iter().all(|column| ranges_touch(member, segment, *column)))
    }
}

/// Key columns of an inline segment that is not in the catalogue yet.
fn key_batches(table: &Table, columns: &[usize], inline: &InlineRows) -> Result<Vec<(u64, RecordBatch)>> {
    let reader = StreamReader::try_new(Cursor::new(inline.ipc.clone()), None)?;
    let mut start = 0;
    let mut batches = Vec::new();
    for batch in reader {
        let batch = batch?;
        let columns = columns.iter().map(|at| {
            let column = &table.columns[*at];
            match batch.schema().index_of(&column.physical_name) {
                Ok(found) => {
                    Ok((column.physical_name.clone(), arrow::compute::cast(batch.column(found), &column.data_type)?))
                }
                Err(_) => Ok((column.physical_name.clone(), new_null_array(&column.data_type, batch.num_rows()))),
            }
        });
        let columns: Vec<(String, ArrayRef)> = columns.collect::<Result<_>>()?;
        let rows = batch.num_rows() as u64;
        batches.push((start, RecordBatch::try_from_iter(columns)?));
        start += rows;
    }
    Ok(batches)
}

/// Rows whose value is one of a few.
fn equals_any(values: &ArrayRef, few: &[ArrayRef]) -> Result<BooleanArray> {
    let mut any = BooleanArray::from(vec![false; values.len()]);
    for value in few {
        let same = cmp::not_distinct(values, &arrow::array::Scalar::new(value.clone()))?;
        any = or(&any, &same)?;
    }
    Ok(any)
}

/// False only when statistics prove that no value is in both segments.
fn ranges_touch(a: &Segment, b: &Segment, column: ColumnId) -> bool {
    let (Some(a), Some(b)) = (stats_of(a, column), stats_of(b, column)) else { return true };
    if a.nulls > 0 && b.nulls > 0 {
        return true;
    }
    let (Some(a_min), Some(a_max), Some(b_min), Some(b_max)) = (&a.min, &a.max, &b.min, &b.max) else { return true };
    let apart = |max: &StatValue, min: &StatValue| compare(max, min) == Some(Ordering::Less);
    !apart(a_max, b_min) && !apart(b_max, a_min)
}

fn stats_of(segment: &Segment, column: ColumnId) -> Option<&ColumnStats> {
    segment.stats.iter().find(|s| s.column == column)
}

/// Order of two bounds; `None` when they cannot be compared.
fn compare(a: &StatValue, b: &StatValue) -> Option<Ordering> {
    use StatValue::*;
    match (a, b) {
        (Bool(a), Bool(b)) => Some(a.cmp(b)),
        (Int(a), Int(b)) => Some(a.cmp(b)),
        (UInt(a), UInt(b)) => Some(a.cmp(b)),
        (Float(a), Float(b)) => a.partial_cmp(b),
        (Decimal128(a), Decimal128(b)) => Some(a.cmp(b)),
        (Utf8(a), Utf8(b)) => Some(a.cmp(b)),
        (Binary(a), Binary(b)) => Some(a.cmp(b)),
        _ => None,
    }
}
