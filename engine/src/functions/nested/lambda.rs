//! Functions that take a lambda: the library's over arrays under users' names, and ours: `array_reduce`, `map_filter`,
//! `map_transform_keys`, `map_transform_values`.

mod map;
mod reduce;

use datafusion::{functions_nested::all_default_higher_order_functions, logical_expr::HigherOrderUDF};
use std::sync::Arc;

pub(in crate::functions) fn functions() -> Vec<Arc<HigherOrderUDF>> {
    let mut functions = all_default_higher_order_functions();
    for function in &mut functions {
        let more: &[&str] = match function.name() {
            "array_transform" => &["array_apply"],
            "array_any_match" => &["array_exists"],
            _ => continue,
        };
        let named = function.as_ref().clone().with_aliases(more.iter().copied());
        *function = Arc::new(named);
    }
    functions.push(reduce::function());
    functions.extend(map::functions());
    functions
}
