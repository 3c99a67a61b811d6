//! The functions SQL may call: the query library's own (none of which reads files or the environment), and ours.
//!
//! The list is closed: a name that is not here is unknown. Functions whose answer depends on the session
//! (`database()`, `version()`…) are made per statement, in [`session_function`].

mod address;
mod aggregate;
mod arithmetic;
mod bitmap;
mod calendar;
mod cast;
mod constant;
mod digest;
mod division;
mod geo;
mod nested;
mod number;
mod numbers;
mod row;
mod sequence;
mod series;
mod sum;
mod text;
mod time;
mod type_name;

mod variant;
mod vector;
mod zone;

pub(crate) use aggregate::{is_aggregate, merge_of, state_of};
pub(crate) use arithmetic::{CheckArithmetic, NEGATE, Scope, checked};
pub(crate) use cast::{CastRules, cast_array, cast_expression, has_own_cast, replace_casts};
pub(crate) use constant::{constant_function, session_function};
pub(crate) use row::{Clock, clock_of};
pub(crate) use sequence::next_value;
pub(crate) use variant::{
    TableShape, call as json_call, functions as json_functions, sort_key, table_function, text_sort_key,
};
pub(crate) use zone::{TO_WALL, ZoneStep, cast_in_zone, instant, instant_of_text, zone_function};

use datafusion::{
    catalog::TableFunctionImpl,
    execution::SessionStateDefaults,
    functions::all_default_functions,
    functions_aggregate::all_default_aggregate_functions,
    functions_nested::all_default_nested_functions,
    functions_window::all_default_window_functions,
    logical_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, WindowUDF, planner::ExprPlanner},
};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

/// The closed list. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Functions {
    lists: Arc<Lists>,
}

#[derive(Debug)]
struct Lists {
    scalar: Vec<Arc<ScalarUDF>>,
    higher_order: Vec<Arc<HigherOrderUDF>>,
    aggregate: Vec<Arc<AggregateUDF>>,
    window: Vec<Arc<WindowUDF>>,
    table: BTreeMap<&'static str, Arc<dyn TableFunctionImpl>>,
    planners: Vec<Arc<dyn ExprPlanner>>,
}

/// What `system.functions` tells of one function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FunctionInfo {
    pub name: String,
    pub is_aggregate: bool,
    pub description: String,
    pub syntax: String,
    pub example: String,
}

impl Functions {
    pub fn new() -> Self {
        let mut scalar = all_default_functions();
        scalar.extend(all_default_nested_functions());
        // The library's `version` names itself; ours is made per session.
        scalar.retain(|f| f.name() != "version");
        scalar.extend(calendar::functions());
        let ours = [
            text::functions(),
            number::functions(),
            digest::functions(),
            address::functions(),
            time::functions(),
            bitmap::functions(),
            geo::functions(),
            vector::functions(),
        ];
        let ours = ours.concat();
        prefer(&mut scalar, ours);
        scalar.push(type_name::function());
        scalar.extend(variant::functions());
        variant::take_variants(&mut scalar);
        nested::add_overloaded(&mut scalar, nested::functions());
        scalar.retain(|f| f.name() != "div");
        scalar.extend(cast::functions());
        scalar.extend([arithmetic::negate(), division::integer_division()]);
        let mut aggregate = all_default_aggregate_functions();
        aggregate.retain(|f| f.name() != "sum");
        aggregate.push(sum::checked_sum());
        aggregate.extend(aggregate::functions());
        aggregate.extend(bitmap::aggregates());
        let mut planners: Vec<Arc<dyn ExprPlanner>> = vec![
            Arc::new(variant::VariantPlanner),
            Arc::new(arithmetic::DividePlanner),
            Arc::new(nested::NestedPlanner),
        ];
        planners.extend(SessionStateDefaults::default_expr_planners());
        let lists = Lists {
            scalar,
            higher_order: nested::higher_order(),
            aggregate,
            window: all_default_window_functions(),
            table: numbers::functions(),
            planners,
        };
        Self { lists: Arc::new(lists) }
    }

    pub fn scalar(&self) -> &[Arc<ScalarUDF>] {
        &self.lists.scalar
    }

    pub fn higher_order(&self) -> &[Arc<HigherOrderUDF>] {
        &self.lists.higher_order
    }

    pub fn aggregate(&self) -> &[Arc<AggregateUDF>] {
        &self.lists.aggregate
    }

    pub fn window(&self) -> &[Arc<WindowUDF>] {
        &self.lists.window
    }

    /// The table function called `name` (lower case).
    pub fn table(&self, name: &str) -> Option<&Arc<dyn TableFunctionImpl>> {
        self.lists.table.get(name)
    }

    pub fn table_names(&self) -> impl Iterator<Item = &'static str> {
        self.lists.table.keys().copied()
    }

    pub fn planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.lists.planners
    }

    /// All functions in name order.
    pub fn list(&self) -> Vec<FunctionInfo> {
        let mut list = Vec::new();
        for f in self.scalar() {
            let doc =
                f.documentation().map(|d| (d.description.clone(), d.syntax_example.clone(), d.sql_example.clone()));
            describe(&mut list, f.name(), f.aliases(), false, doc);
        }
        for f in self.aggregate() {
            let doc =
                f.documentation().map(|d| (d.description.clone(), d.syntax_example.clone(), d.sql_example.clone()));
            describe(&mut list, f.name(), f.aliases(), true, doc);
        }
        for f in self.window() {
            let doc =
                f.documentation().map(|d| (d.description.clone(), d.syntax_example.clone(), d.sql_example.clone()));
            describe(&mut list, f.name(), f.aliases(), false, doc);
        }
        for name in self.table_names().chain(crate::system::TABLE_FUNCTIONS.iter().copied()).chain(["result_scan"]) {
            describe(&mut list, name, &[], false, None);
        }
        let notations = [crate::plan::NOTATIONS, crate::plan::MORE_NOTATIONS, crate::plan::JSON_NOTATIONS];
        for name in constant::NAMES.iter().chain(crate::access::NAMES).chain(notations.into_iter().flatten()) {
            describe(&mut list, name, &[], false, None);
        }
        for (name, syntax, description) in crate::plan::MEANINGS {
            let doc = Some(((*description).to_owned(), (*syntax).to_owned(), None));
            list.retain(|known| known.name != *name);
            describe(&mut list, name, &[], false, doc);
        }
        list.retain(|f| !f.name.starts_with("__basalt"));
        list.sort();
        list.dedup_by(|a, b| a.name == b.name);
        list
    }
}

/// Puts functions in the place of those that have one of their names.
fn prefer(scalar: &mut Vec<Arc<ScalarUDF>>, ours: Vec<Arc<ScalarUDF>>) {
    let names: HashSet<String> = ours.iter().flat_map(|f| names(f).map(str::to_owned)).collect();
    scalar.retain(|f| !names.contains(f.name()));
    scalar.extend(ours);
}

fn names(function: &ScalarUDF) -> impl Iterator<Item = &str> {
    std::iter::once(function.name()).chain(function.aliases().iter().map(String::as_str))
}

fn describe(
    list: &mut Vec<FunctionInfo>,
    name: &str,
    aliases: &[String],
    is_aggregate: bool,
    doc: Option<(String, String, Option<String>)>,
) {
    let (description, syntax, example) = doc.unwrap_or_default();
    for name in std::iter::once(name).chain(aliases.iter().map(String::as_str)) {
        list.push(FunctionInfo {
            name: name.to_owned(),
            is_aggregate,
            description: description.clone(),
            syntax: syntax.clone(),
            example: example.clone().unwrap_or_default(),
        });
    }
}
