//! Table functions: `numbers(n)` here, `generate_series` and `range` in `series`.

use super::series::Series;
use async_trait::async_trait;
use datafusion::{
    arrow::{
        array::{RecordBatch, UInt64Array},
        datatypes::{DataType, Field, Schema, SchemaRef},
    },
    catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider},
    common::{Result, ScalarValue, plan_err},
    logical_expr::{Expr, TableType},
    physical_plan::{
        ExecutionPlan,
        memory::{LazyBatchGenerator, LazyMemoryExec},
    },
};
use parking_lot::RwLock;
use std::{any::Any, collections::BTreeMap, fmt, sync::Arc};

pub(super) fn functions() -> BTreeMap<&'static str, Arc<dyn TableFunctionImpl>> {
    let mut functions: BTreeMap<&'static str, Arc<dyn TableFunctionImpl>> = BTreeMap::new();
    functions.insert("numbers", Arc::new(Numbers));
    functions.insert("numbers_mt", Arc::new(Numbers));
    functions.insert("numbers_local", Arc::new(Numbers));
    functions.insert("generate_series", Arc::new(Series::WithLast));
    functions.insert("range", Arc::new(Series::WithoutEnd));
    functions
}

/// `numbers(n)`: the numbers from 0 to n − 1 as column `number`.
#[derive(Debug)]
struct Numbers;

impl TableFunctionImpl for Numbers {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let [Expr::Literal(value, _)] = args.exprs() else {
            return plan_err!("numbers takes one number");
        };
        let ScalarValue::UInt64(Some(end)) = value.cast_to(&DataType::UInt64)? else {
            return plan_err!("numbers takes one number, not `{value}`");
        };
        let schema = Arc::new(Schema::new(vec![Field::new("number", DataType::UInt64, false)]));
        Ok(Arc::new(NumbersTable { schema, end }))
    }
}

#[derive(Debug)]
struct NumbersTable {
    schema: SchemaRef,
    end: u64,
}

#[async_trait]
impl TableProvider for NumbersTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let end = limit.map_or(self.end, |limit| self.end.min(limit as u64));
        let batch_rows = state.config().batch_size() as u64;
        let ranges = split(end, state.config().target_partitions() as u64, batch_rows);
        let generators = ranges
            .into_iter()
            .map(|(next, end)| {
                let counter = Counter { schema: self.schema.clone(), start: next, next, end, batch_rows };
                Arc::new(RwLock::new(counter)) as Arc<RwLock<dyn LazyBatchGenerator>>
            })
            .collect();
        let plan = LazyMemoryExec::try_new(self.schema.clone(), generators)?.with_projection(projection.cloned());
        Ok(Arc::new(plan))
    }
}

/// Ranges of about equal size; one when there is little to do.
fn split(end: u64, parts: u64, batch_rows: u64) -> Vec<(u64, u64)> {
    let parts = if end <= batch_rows * 4 { 1 } else { parts.max(1) };
    let step = end.div_ceil(parts);
    (0..parts).map(|part| ((part * step).min(end), ((part + 1) * step).min(end))).collect()
}

#[derive(Debug)]
struct Counter {
    schema: SchemaRef,
    start: u64,
    next: u64,
    end: u64,
    batch_rows: u64,
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "numbers: start={}, end={}", self.start, self.end)
    }
}

impl LazyBatchGenerator for Counter {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn generate_next_batch(&mut self) -> Result<Option<RecordBatch>> {
        if self.next >= self.end {
            return Ok(None);
        }
        let stop = self.end.min(self.next.saturating_add(self.batch_rows));
        let numbers = UInt64Array::from_iter_values(self.next..stop);
        self.next = stop;
        Ok(Some(RecordBatch::try_new(self.schema.clone(), vec![Arc::new(numbers)])?))
    }

    fn reset_state(&self) -> Arc<RwLock<dyn LazyBatchGenerator>> {
        Arc::new(RwLock::new(Counter {
            schema: self.schema.clone(),
            start: self.start,
            next: self.start,
            end: self.end,
            batch_rows: self.batch_rows,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn ranges_cover_everything_once() {
        for end in [0, 1, 8191, 8192, 100_001, 10_000_000] {
            let ranges = split(end, 4, 8192);
            assert_eq!(ranges.iter().map(|(a, b)| b - a).sum::<u64>(), end);
            assert!(ranges.windows(2).all(|w| w[0].1 == w[1].0));
        }
    }
}
