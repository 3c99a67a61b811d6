//! `histogram(x[, buckets])`: about equally full buckets of the sorted values, as JSON text. A value is never split over
//! two buckets; the buckets hold as few rows as their number allows.

use super::collected::{Collected, Group, any_types};
use datafusion::{
    arrow::{
        array::Array,
        compute::{SortOptions, partition, sort_to_indices, take},
        datatypes::DataType,
        util::display::array_value_to_string,
    },
    common::{DataFusionError, Result, ScalarValue, plan_err},
    logical_expr::AggregateUDF,
};
use serde::Serialize;
use std::{ops::Range, sync::Arc};

const BUCKETS: u64 = 128;

pub(super) fn function() -> Arc<AggregateUDF> {
    Collected {
        name: "histogram",
        aliases: Vec::new(),
        values: 1,
        coerce: |name, types| match types {
            [value] => Ok(vec![value.clone()]),
            [value, _] => Ok(vec![value.clone(), DataType::UInt64]),
            _ => plan_err!("Function '{name}' expects 1 or 2 arguments but received {}", types.len()),
        },
        answer: |_| Ok(DataType::Utf8View),
        finish: buckets,
        signature: any_types(),
    }
    .into_udf()
}

#[derive(Serialize)]
struct Bucket {
    lower: String,
    upper: String,
    ndv: usize,
    count: usize,
    pre_sum: usize,
}

fn buckets(group: &Group) -> Result<ScalarValue> {
    let values = &group.values[0];
    if values.is_empty() {
        return Ok(ScalarValue::Utf8View(None));
    }
    let most = match group.parameters {
        [] => BUCKETS,
        [ScalarValue::UInt64(Some(n)), ..] if *n > 0 => *n,
        [other, ..] => {
            return Err(DataFusionError::Execution(format!(
                "histogram: the number of buckets is positive, not {other}"
            )));
        }
    };
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let values = take(values, &sort_to_indices(values, Some(SortOptions::default()), None)?, None)?;
    let runs = partition(std::slice::from_ref(&values))?.ranges();
    // The smallest size of a bucket that needs no more buckets than allowed.
    let (mut low, mut high) = (1, values.len());
    while low < high {
        let size = low.midpoint(high);
        if fill(&runs, size).len() <= most {
            high = size;
        } else {
            low = size + 1;
        }
    }
    let text = |at: usize| Ok::<_, DataFusionError>(array_value_to_string(&values, at)?);
    let made = fill(&runs, low).into_iter().map(|of| {
        let (start, end) = (runs[of.start].start, runs[of.end - 1].end);
        Ok(Bucket { lower: text(start)?, upper: text(end - 1)?, ndv: of.len(), count: end - start, pre_sum: start })
    });
    let made = made.collect::<Result<Vec<_>>>()?;
    let json = serde_json::to_string(&made).map_err(|error| DataFusionError::External(Box::new(error)))?;
    Ok(ScalarValue::Utf8View(Some(json)))
}

/// Runs of equal values put into buckets of at most `size` rows (a longer run has one of its own).
fn fill(runs: &[Range<usize>], size: usize) -> Vec<Range<usize>> {
    let mut buckets = Vec::new();
    let mut first = 0;
    for (at, run) in runs.iter().enumerate() {
        if at > first && run.end - runs[first].start > size {
            buckets.push(first..at);
            first = at;
        }
    }
    buckets.push(first..runs.len());
    buckets
}
