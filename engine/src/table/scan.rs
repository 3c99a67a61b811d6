//! The scan of Parquet segments: files in balanced groups, deletion vectors as row selections, order where it holds.

use super::{adapter::RenamingAdapters, chunk::scalar, prune::Kept, reader::SegmentReaders, statistics};
use crate::{query::Counters, runtime::SEGMENT_SCHEME};
use arrow::datatypes::SchemaRef;
use basalt_meta::{Column, Location, SegmentView, Table};
use basalt_storage::Storage;
use datafusion::{
    arrow::compute::SortOptions,
    catalog::Session,
    common::{Result, ScalarValue, Statistics, internal_err},
    datasource::{
        listing::PartitionedFile,
        object_store::ObjectStoreUrl,
        physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource, parquet::ParquetRowSelection},
        source::DataSourceExec,
        table_schema::TableSchema,
    },
    logical_expr::{BinaryExpr, Expr, Operator},
    object_store::{ObjectMeta, path::Path},
    parquet::arrow::arrow_reader::{RowSelection, RowSelector},
    physical_expr::{LexOrdering, Partitioning, PhysicalSortExpr, expressions::Column as ColumnExpr},
    physical_plan::ExecutionPlan,
};
use std::{
    collections::HashSet,
    sync::{Arc, LazyLock},
};

/// Segments that get statistics of their own, for pruning at run time. Beyond it they would cost more than they save.
const FILE_STATISTICS_MAX: usize = 64;

/// With more columns than this besides those of the conditions, decoding late pays.
const LATE_COLUMNS_MIN: usize = 8;

/// Where plans say segments lie; the registry resolves it to the storage's own store.
static STORE: LazyLock<ObjectStoreUrl> = LazyLock::new(|| {
    ObjectStoreUrl::parse(format!("{SEGMENT_SCHEME}://segments")).expect("the internal scheme is a valid URL")
});

/// What a scan of files needs to know.
pub(super) struct FileScan<'a> {
    pub storage: &'a Storage,
    pub table: &'a Arc<Table>,
    pub schema: &'a SchemaRef,
    pub counters: &'a Arc<Counters>,
    pub statistics: Statistics,
    /// Conditions of the query on this table.
    pub filters: &'a [Expr],
}

impl FileScan<'_> {
    pub fn plan(
        self,
        segments: &[Kept<'_>],
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
        state: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let readers =
            SegmentReaders { storage: self.storage.clone(), table: self.table.id, counters: self.counters.clone() };
        let source = ParquetSource::new(TableSchema::from(self.schema.clone()))
            .with_table_parquet_options(state.table_options().parquet.clone())
            .with_parquet_file_reader_factory(Arc::new(readers))
            .with_pushdown_filters(self.decodes_late(projection))
            .with_reorder_filters(state.config_options().execution.parquet.reorder_filters);
        let lookup = is_lookup(self.table, self.filters);
        let threads = if lookup { 1 } else { state.config().target_partitions() };
        let (groups, ordering) = self.groups(segments, projection, threads)?;
        // A declared partitioning keeps files whole.
        let partitioning = lookup.then(|| Partitioning::UnknownPartitioning(groups.len()));
        let config = FileScanConfigBuilder::new(STORE.clone(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(self.statistics.clone())
            .with_output_ordering(ordering)
            .with_output_partitioning(partitioning)
            .with_expr_adapter(Some(Arc::new(RenamingAdapters::new(self.table))))
            .with_limit(limit)
            .with_projection_indices(projection.cloned())?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    /// Whether conditions are evaluated while decoding, so that other columns are decoded for the matching rows only.
    ///
    /// Pages are pruned by their bounds in any case. Beyond that, skipping scattered rows costs more than decoding a
    /// few columns whole (TPC-H SF 1: 4.0 s without, 4.6 s with), and pays when many columns are asked for
    /// (`SELECT *` over 105 columns with one condition: 95 ms instead of 234 ms).
    fn decodes_late(&self, projection: Option<&Vec<usize>>) -> bool {
        let read = projection.map_or(self.table.columns.len(), Vec::len);
        let conditions: HashSet<&str> =
            self.filters.iter().flat_map(|f| f.column_refs()).map(|c| c.name.as_str()).collect();
        !conditions.is_empty() && read > conditions.len() + LATE_COLUMNS_MIN
    }

    /// Files in groups that run side by side; sorted and free of overlap within a group where the segments allow it.
    fn groups(
        &self,
        segments: &[Kept<'_>],
        projection: Option<&Vec<usize>>,
        threads: usize,
    ) -> Result<(Vec<FileGroup>, Vec<LexOrdering>)> {
        if let Some((chains, ordering)) = self.sorted_chains(segments, threads) {
            let groups = chains
                .into_iter()
                .map(|chain| Ok(FileGroup::new(self.files(&chain, projection)?)))
                .collect::<Result<Vec<_>>>()?;
            return Ok((groups, vec![ordering]));
        }
        Ok((FileGroup::new(self.files(segments, projection)?).split_files(threads), Vec::new()))
    }

    fn files(&self, segments: &[Kept<'_>], projection: Option<&Vec<usize>>) -> Result<Vec<PartitionedFile>> {
        let with_statistics = segments.len() <= FILE_STATISTICS_MAX;
        segments
            .iter()
            .map(|kept| {
                let file = file(kept.view)?;
                if !with_statistics {
                    return Ok(file);
                }
                let statistics = statistics::of_segments(&self.table.columns, projection, std::slice::from_ref(kept));
                Ok(file.with_statistics(Arc::new(statistics)))
            })
            .collect()
    }

    /// Segments in at most `threads` chains, each in the order of the sort key, if all of them are sorted by it.
    fn sorted_chains<'s>(&self, segments: &[Kept<'s>], threads: usize) -> Option<(Vec<Vec<Kept<'s>>>, LexOrdering)> {
        let key = &self.table.sort_key;
        if key.is_empty() || !segments.iter().all(|s| s.view.segment.sorted_by == *key) {
            return None;
        }
        let columns: Vec<&Column> = key.iter().map(|id| self.table.column_by_id(*id)).collect::<Option<_>>()?;
        let first = columns.first()?;
        let mut bounded = segments
            .iter()
            .map(|kept| bounds(kept.view, first).map(|(min, max)| (min, max, kept.clone())))
            .collect::<Option<Vec<_>>>()?;
        bounded.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(std::cmp::Ordering::Equal));
        let mut chains: Vec<(ScalarValue, u64, Vec<Kept<'s>>)> = Vec::new();
        for (min, max, kept) in bounded {
            let bytes = kept.view.segment.bytes;
            // The shortest chain that ends before this segment begins, unless another can still be started.
            let open = chains
                .iter()
                .enumerate()
                .filter(|(_, (end, _, _))| *end < min)
                .min_by_key(|(_, (_, bytes, _))| *bytes)
                .map(|(index, _)| index);
            match open {
                _ if chains.len() < threads => chains.push((max, bytes, vec![kept])),
                Some(index) => {
                    let chain = &mut chains[index];
                    chain.0 = max;
                    chain.1 += bytes;
                    chain.2.push(kept);
                }
                None => return None,
            }
        }
        let ordering = columns.iter().map(|column| {
            let index = self.schema.index_of(&column.name).ok()?;
            let options = SortOptions { descending: false, nulls_first: false };
            Some(PhysicalSortExpr::new(Arc::new(ColumnExpr::new(&column.name, index)), options))
        });
        let ordering = LexOrdering::new(ordering.collect::<Option<Vec<_>>>()?)?;
        Some((chains.into_iter().map(|(_, _, chain)| chain).collect(), ordering))
    }
}

/// Whether a condition asks for one value of the first sort column.
pub(super) fn is_lookup(table: &Table, conditions: &[Expr]) -> bool {
    let first = table.sort_key.first().and_then(|id| table.column_by_id(*id));
    first.is_some_and(|column| conditions.iter().any(|condition| is_equality(condition, &column.name)))
}

/// Whether a condition is `column = value`.
fn is_equality(condition: &Expr, column: &str) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else { return false };
    let is = |expr: &Expr| matches!(expr, Expr::Column(found) if found.name == column);
    let value = |expr: &Expr| matches!(expr, Expr::Literal(..));
    (is(left) && value(right)) || (value(left) && is(right))
}

/// Bounds of the first sort column; `None` when they are unknown or a NULL could stand anywhere.
fn bounds(view: &SegmentView, column: &Column) -> Option<(ScalarValue, ScalarValue)> {
    let stats = view.segment.stats.iter().find(|s| s.column == column.id)?;
    if stats.nulls > 0 {
        return None;
    }
    let min = scalar(stats.min.as_ref()?, &column.data_type)?;
    let max = scalar(stats.max.as_ref()?, &column.data_type)?;
    Some((min, max))
}

fn file(view: &SegmentView) -> Result<PartitionedFile> {
    let segment = &view.segment;
    let Location::Object(path) = &segment.location else {
        return internal_err!("an inline segment has no file: {}", segment.id);
    };
    let meta = ObjectMeta {
        location: Path::from(path.as_str()),
        last_modified: Default::default(),
        size: segment.bytes,
        e_tag: None,
        version: None,
    };
    let mut file = PartitionedFile::from(meta).with_extension(segment.clone());
    if let Some(deleted) = view.deleted.as_ref().filter(|d| !d.is_empty()) {
        file = file.with_extension(ParquetRowSelection::new(live_rows(deleted, segment.rows as usize)));
    }
    Ok(file)
}

/// The rows a deletion vector leaves, as runs.
fn live_rows(deleted: &roaring::RoaringBitmap, rows: usize) -> RowSelection {
    let mut selectors: Vec<RowSelector> = Vec::new();
    let mut next = 0;
    for row in deleted.iter().map(|row| row as usize).take_while(|row| *row < rows) {
        if row > next {
            selectors.push(RowSelector::select(row - next));
        }
        match selectors.last_mut() {
            Some(last) if last.skip => last.row_count += 1,
            _ => selectors.push(RowSelector::skip(1)),
        }
        next = row + 1;
    }
    if next < rows {
        selectors.push(RowSelector::select(rows - next));
    }
    selectors.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_live_rows() {
        let runs = |deleted: &[u32], rows| {
            let selection: Vec<RowSelector> = live_rows(&deleted.iter().copied().collect(), rows).into();
            selection.iter().map(|s| (s.row_count, s.skip)).collect::<Vec<_>>()
        };
        assert_eq!(runs(&[0, 1, 5], 10), [(2, true), (3, false), (1, true), (4, false)]);
        assert_eq!(runs(&[9], 10), [(9, false), (1, true)]);
        assert_eq!(runs(&[0, 1, 2], 3), [(3, true)]);
        assert_eq!(runs(&[], 3), [(3, false)]);
    }
}
