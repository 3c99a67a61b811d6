//! `generate_series(first, last[, step])` and `range(first, end[, step])` as tables of one column called like the
//! function: integers, dates (steps of days) and instants (steps of microseconds, or an interval). A series includes its
//! last value, a range does not.

use crate::Error;
use async_trait::async_trait;
use datafusion::{
    arrow::{
        array::{ArrayRef, Int64Array, RecordBatch},
        compute::cast,
        datatypes::{DataType, Field, IntervalMonthDayNano, Schema, SchemaRef, TimeUnit},
    },
    catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider},
    common::{DataFusionError, Result, ScalarValue, plan_err},
    logical_expr::{Expr, TableType},
    physical_plan::{
        ExecutionPlan,
        memory::{LazyBatchGenerator, LazyMemoryExec},
    },
};
use parking_lot::RwLock;
use std::{any::Any, fmt, sync::Arc};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Series {
    WithLast,
    WithoutEnd,
}

impl Series {
    fn name(self) -> &'static str {
        match self {
            Series::WithLast => "generate_series",
            Series::WithoutEnd => "range",
        }
    }
}

fn number(name: &str, value: &ScalarValue) -> Result<i64> {
    match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(Some(number))) => Ok(number),
        _ => plan_err!("{name}: `{value}` is no whole number"),
    }
}

fn micros(name: &str, interval: IntervalMonthDayNano) -> Result<i64> {
    if interval.months != 0 {
        let what = format!("{name} with steps of months or years");
        return Err(DataFusionError::External(Box::new(Error::Unsupported { what })));
    }
    Ok(i64::from(interval.days) * 86_400_000_000 + interval.nanoseconds / 1000)
}

impl TableFunctionImpl for Series {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let name = self.name();
        let mut values = Vec::with_capacity(3);
        for arg in args.exprs() {
            match arg {
                Expr::Literal(value, _) => values.push(value.clone()),
                other => return plan_err!("{name} takes constants, not `{other}`"),
            }
        }
        let (first, last, step) = match values.as_slice() {
            [last] => (&ScalarValue::Int64(Some(0)), last, None),
            [first, last] => (first, last, None),
            [first, last, step] => (first, last, Some(step)),
            other => return plan_err!("Function '{name}' expects 1 to 3 arguments but received {}", other.len()),
        };
        if first.is_null() || last.is_null() || step.is_some_and(ScalarValue::is_null) {
            return plan_err!("{name} takes no NULL");
        }
        let kind = match first.data_type() {
            number if number.is_integer() => DataType::Int64,
            DataType::Date32 | DataType::Date64 => DataType::Date32,
            DataType::Timestamp(_, _) => DataType::Timestamp(TimeUnit::Microsecond, None),
            other => {
                let kind = crate::plan::sql_type(&other).to_lowercase();
                return plan_err!("{name} counts integers, dates or timestamps, not {kind}");
            }
        };
        let plain = |value: &ScalarValue| match &kind {
            DataType::Date32 => number(name, &value.cast_to(&kind)?.cast_to(&DataType::Int32)?),
            _ => number(name, &value.cast_to(&kind)?),
        };
        let (first, last) = (plain(first)?, plain(last)?);
        let step = match step {
            None => 1,
            Some(ScalarValue::IntervalMonthDayNano(Some(interval))) => {
                let micros = micros(name, *interval)?;
                if kind == DataType::Date32 { micros / 86_400_000_000 } else { micros }
            }
            Some(step) => number(name, step)?,
        };
        if step == 0 {
            return plan_err!("{name}: the step is 0");
        }
        let last = match (self, step > 0) {
            (Series::WithLast, _) => Some(last),
            (Series::WithoutEnd, true) => last.checked_sub(1),
            (Series::WithoutEnd, false) => last.checked_add(1),
        };
        let schema = Arc::new(Schema::new(vec![Field::new(name, kind, false)]));
        Ok(Arc::new(SeriesTable { schema, first, last, step }))
    }
}

#[derive(Debug)]
struct SeriesTable {
    schema: SchemaRef,
    first: i64,
    /// `None` when nothing comes before it.
    last: Option<i64>,
    step: i64,
}

#[async_trait]
impl TableProvider for SeriesTable {
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
        let counter = Counter {
            schema: self.schema.clone(),
            first: self.first,
            next: self.last.map(|_| self.first),
            last: self.last.unwrap_or_default(),
            step: self.step,
            left: limit.unwrap_or(usize::MAX),
            limit: limit.unwrap_or(usize::MAX),
            batch_rows: state.config().batch_size(),
        };
        let generator: Arc<RwLock<dyn LazyBatchGenerator>> = Arc::new(RwLock::new(counter));
        let plan = LazyMemoryExec::try_new(self.schema.clone(), vec![generator])?;
        Ok(Arc::new(plan.with_projection(projection.cloned())))
    }
}

#[derive(Debug, Clone)]
struct Counter {
    schema: SchemaRef,
    first: i64,
    next: Option<i64>,
    last: i64,
    step: i64,
    left: usize,
    limit: usize,
    batch_rows: usize,
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "series: first={}, last={}, step={}", self.first, self.last, self.step)
    }
}

impl LazyBatchGenerator for Counter {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn generate_next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let mut values = Vec::new();
        while values.len() < self.batch_rows.min(self.left) {
            let Some(next) = self.next else {
                break;
            };
            if (self.step > 0 && next > self.last) || (self.step < 0 && next < self.last) {
                self.next = None;
                break;
            }
            values.push(next);
            self.next = next.checked_add(self.step);
        }
        self.left -= values.len();
        if values.is_empty() {
            return Ok(None);
        }
        let numbers: ArrayRef = Arc::new(Int64Array::from(values));
        let kind = self.schema.field(0).data_type();
        let column = match kind {
            DataType::Date32 => cast(&cast(&numbers, &DataType::Int32)?, kind)?,
            other => cast(&numbers, other)?,
        };
        Ok(Some(RecordBatch::try_new(self.schema.clone(), vec![column])?))
    }

    fn reset_state(&self) -> Arc<RwLock<dyn LazyBatchGenerator>> {
        let fresh = Self { next: Some(self.first), left: self.limit, ..self.clone() };
        Arc::new(RwLock::new(fresh))
    }
}
