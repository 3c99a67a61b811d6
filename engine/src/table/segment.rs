//! A table's rows for SELECT: the provider that planning asks for a scan.

use super::{inline, prune, prune::Kept, scan, statistics};
use crate::{metrics as names, parts::Parts, query::Counters};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use basalt_meta::{Location, TableSnapshot};
use datafusion::{
    catalog::{Session, TableProvider},
    common::{Result, Statistics},
    datasource::{memory::MemorySourceConfig, source::DataSourceExec},
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_plan::{ExecutionPlan, empty::EmptyExec, union::UnionExec},
};
use std::{fmt, sync::Arc};

/// One table at one version.
pub(crate) struct SegmentTable {
    parts: Arc<Parts>,
    table: TableSnapshot,
    schema: SchemaRef,
    counters: Arc<Counters>,
}

impl fmt::Debug for SegmentTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentTable").field("table", &self.table.table().name).finish_non_exhaustive()
    }
}

impl SegmentTable {
    pub fn new(parts: Arc<Parts>, table: TableSnapshot, schema: SchemaRef, counters: Arc<Counters>) -> Self {
        Self { parts, table, schema, counters }
    }

    /// Whether a condition asks for one value of the first sort column: a few pages at one place, which are not worth
    /// a second thread, nor opening a file in several pieces.
    pub fn is_lookup(&self, filters: &[Expr]) -> bool {
        scan::is_lookup(self.table.table(), filters)
    }

    /// Inline segments: few rows, already in memory.
    fn inline_scan(
        &self,
        kept: &[Kept<'_>],
        projection: Option<&Vec<usize>>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let mut batches = Vec::new();
        for segment in kept.iter().filter(|k| k.view.segment.location == Location::Inline) {
            batches.push(inline::live_rows(&self.parts.storage, self.table.table(), &self.schema, segment.view)?);
        }
        if batches.is_empty() {
            return Ok(None);
        }
        let source = MemorySourceConfig::try_new(&[batches], self.schema.clone(), projection.cloned())?;
        Ok(Some(DataSourceExec::from_data_source(source)))
    }
}

#[async_trait]
impl TableProvider for SegmentTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Filters prune segments, row groups and pages; the rest of the work is left above the scan, from where the
    /// physical optimiser pushes it into the Parquet reader.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    fn statistics(&self) -> Option<Statistics> {
        None
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let kept = prune::prune(&self.table, &self.schema, filters, state, &self.parts.chunks)?;
        let pruned = self.table.segments().saturating_sub(kept.len());
        metrics::counter!(names::SEGMENTS_PRUNED).increment(pruned as u64);
        for segment in &kept {
            self.counters.add_planned(segment.view.live_rows(), segment.view.segment.bytes);
        }
        // A filter may leave out more rows: only without one does a limit say how many are needed.
        let limit = if filters.is_empty() { limit } else { None };
        let files: Vec<Kept<'_>> =
            kept.iter().filter(|k| k.view.segment.location != Location::Inline).cloned().collect();
        let inline = self.inline_scan(&kept, projection)?;
        let columns = &self.table.table().columns;
        match (files.is_empty(), inline) {
            (true, None) => {
                let schema = datafusion::physical_plan::project_schema(&self.schema, projection)?;
                Ok(Arc::new(EmptyExec::new(schema)))
            }
            (true, Some(inline)) => Ok(inline),
            (false, inline) => {
                let storage = &self.parts.storage;
                let request = scan::FileScan {
                    storage,
                    table: self.table.table(),
                    schema: &self.schema,
                    counters: &self.counters,
                    statistics: statistics::of_segments(columns, projection, &files),
                    filters,
                };
                let files = request.plan(&files, projection, limit, state)?;
                match inline {
                    None => Ok(files),
                    Some(inline) => UnionExec::try_new(vec![files, inline]),
                }
            }
        }
    }
}
