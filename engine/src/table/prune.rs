//! Which segments can hold a row that satisfies a filter: a vectorised look at their statistics, chunk by chunk.

use super::chunk::{ChunkCache, ChunkStats};
use basalt_meta::{Column, SegmentChunk, SegmentView, TableSnapshot};
use datafusion::{
    arrow::{
        array::{ArrayRef, BooleanArray, UInt64Array},
        datatypes::SchemaRef,
    },
    catalog::Session,
    common::{Column as NamedColumn, DFSchema, Result, ScalarValue, pruning::PruningStatistics},
    logical_expr::{Expr, physical_planning_context::PhysicalPlanningContext, utils::conjunction},
    physical_expr::create_physical_expr,
    physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder},
};
use std::{collections::HashSet, sync::Arc};

/// A segment that must be read, with its place in `TableSnapshot::iter`.
#[derive(Debug, Clone)]
pub(super) struct Kept<'a> {
    pub index: usize,
    pub view: &'a SegmentView,
}

/// The segments of `table` that `filters` (over columns of `schema`) do not rule out.
pub(super) fn prune<'a>(
    table: &'a TableSnapshot,
    schema: &SchemaRef,
    filters: &[Expr],
    session: &dyn Session,
    cache: &ChunkCache,
) -> Result<Vec<Kept<'a>>> {
    let predicate = predicate(schema, filters, session)?;
    let mut kept = Vec::new();
    let mut first = 0;
    for chunk in table.chunks() {
        let mask = match &predicate {
            Some(predicate) => {
                let statistics = Chunk { chunk, stats: cache.of(chunk), columns: &table.table().columns };
                Some(predicate.prune(&statistics)?)
            }
            None => None,
        };
        for (offset, view) in chunk.segments.iter().enumerate() {
            let may_match = mask.as_ref().is_none_or(|mask| mask[offset]);
            if may_match && view.live_rows() > 0 {
                kept.push(Kept { index: first + offset, view });
            }
        }
        first += chunk.segments.len();
    }
    Ok(kept)
}

fn predicate(schema: &SchemaRef, filters: &[Expr], session: &dyn Session) -> Result<Option<PruningPredicate>> {
    let Some(filter) = conjunction(filters.iter().cloned()) else {
        return Ok(None);
    };
    let df_schema = DFSchema::try_from(schema.as_ref().clone())?;
    // Types were coerced and constants folded when the query was optimised.
    let planning = PhysicalPlanningContext::default();
    let physical = create_physical_expr(&filter, &df_schema, session.execution_props(), &planning)?;
    let predicate = PruningPredicateBuilder::new().with_file_schema(schema.clone()).try_build(physical)?;
    Ok((!predicate.always_true()).then_some(predicate))
}

struct Chunk<'a> {
    chunk: &'a Arc<SegmentChunk>,
    stats: Arc<ChunkStats>,
    columns: &'a [Column],
}

impl Chunk<'_> {
    fn column(&self, name: &NamedColumn) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name.name)
    }
}

impl PruningStatistics for Chunk<'_> {
    fn min_values(&self, column: &NamedColumn) -> Option<ArrayRef> {
        self.stats.column(self.chunk, self.column(column)?).min.clone()
    }

    fn max_values(&self, column: &NamedColumn) -> Option<ArrayRef> {
        self.stats.column(self.chunk, self.column(column)?).max.clone()
    }

    fn num_containers(&self) -> usize {
        self.chunk.segments.len()
    }

    fn null_counts(&self, column: &NamedColumn) -> Option<ArrayRef> {
        Some(self.stats.column(self.chunk, self.column(column)?).nulls.clone())
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(UInt64Array::from_iter_values(self.chunk.segments.iter().map(|s| s.segment.rows))))
    }

    fn contained(&self, _column: &NamedColumn, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
