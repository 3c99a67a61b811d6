//! Aggregates the query library lacks, and names users know its own by. What is only another notation (`sum_if`,
//! `count_distinct`, `f(parameters)(arguments)`) is translated before planning, in `plan/aggregates.rs`.

mod collected;
mod funnel;
mod histogram;
mod mode;
mod moments;
mod moving;
mod quantile;
mod retention;
mod state;

pub(crate) use state::{merge_of, state_of};

use datafusion::{
    functions_aggregate::{all_default_aggregate_functions, any_value, median::median_udaf},
    logical_expr::AggregateUDF,
};
use std::{
    collections::HashSet,
    sync::{Arc, LazyLock},
};

/// Ours, beside the library's.
pub(super) fn functions() -> Vec<Arc<AggregateUDF>> {
    let mut functions = quantile::functions();
    functions.extend(moments::functions());
    functions.extend(moving::functions());
    functions.push(mode::function());
    functions.push(histogram::function());
    functions.push(retention::function());
    functions.push(funnel::function());
    functions.push(Arc::new(any_value::any_value_udaf().as_ref().clone().with_aliases(["any", "anyvalue"])));
    functions
}

/// One of our aggregates, or `median`, for use over the items of an array.
pub(super) fn named(name: &str) -> Arc<AggregateUDF> {
    static FUNCTIONS: LazyLock<Vec<Arc<AggregateUDF>>> = LazyLock::new(functions);
    let is_named = |f: &&Arc<AggregateUDF>| f.name() == name || f.aliases().iter().any(|alias| alias == name);
    FUNCTIONS.iter().find(is_named).cloned().unwrap_or_else(median_udaf)
}

/// Whether `name` (lower case) is an aggregate.
pub(crate) fn is_aggregate(name: &str) -> bool {
    static NAMES: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let all = all_default_aggregate_functions().into_iter().chain(functions());
        all.flat_map(|f| std::iter::once(f.name().to_owned()).chain(f.aliases().iter().cloned()).collect::<Vec<_>>())
            .collect()
    });
    NAMES.contains(name)
}
