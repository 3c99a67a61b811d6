//! Arrays sorted, and arrays as sets.

use super::{
    Call, Nested, any_null, any_nullable, equal_lists, field, like_first, list, one_list,
    pick::{Keys, Picks},
    plain_list, span, wrong_count,
};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, BooleanArray, UInt64Array},
        datatypes::{DataType, FieldRef},
        row::OwnedRow,
    },
    common::{Result, plan_err},
    logical_expr::ScalarUDF,
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let counted: super::Answer = |_, fields| Ok(field(DataType::UInt64, any_nullable(fields)));
    let tested: super::Answer = |_, fields| Ok(field(DataType::Boolean, any_nullable(fields)));
    let sorted = |name, run| Nested::new(name, one_list, like_first, run);
    let functions = [
        Nested::new("array_sort", list_and_words, like_list, sort_by_words).also(&["list_sort"]),
        sorted("array_sort_asc_null_first", |call| sort(call, &[Order { descending: false, nulls_last: false }])),
        sorted("array_sort_asc_null_last", |call| sort(call, &[Order { descending: false, nulls_last: true }])),
        sorted("array_sort_desc_null_first", |call| sort(call, &[Order { descending: true, nulls_last: false }])),
        sorted("array_sort_desc_null_last", |call| sort(call, &[Order { descending: true, nulls_last: true }])),
        Nested::new("array_distinct", one_list, like_first, distinct).also(&["list_distinct"]),
        Nested::new("array_unique", one_list, counted, unique).also(&["list_unique"]),
        Nested::new("array_intersection", equal_lists, like_first, intersection)
            .also(&["array_intersect", "list_intersect"]),
        Nested::new("array_except", equal_lists, like_first, except).also(&["list_except"]),
        Nested::new("array_overlap", equal_lists, tested, overlap).also(&["arrays_overlap", "array_has_any"]),
    ];
    functions.into_iter().map(Nested::into_udf).collect()
}

#[derive(Debug, Clone, Copy)]
struct Order {
    descending: bool,
    nulls_last: bool,
}

fn like_list(_name: &str, fields: &[FieldRef]) -> Result<FieldRef> {
    Ok(field(fields[0].data_type().clone(), any_nullable(fields)))
}

/// `(array[, 'asc' or 'desc'[, 'nulls first' or 'nulls last']])`.
fn list_and_words(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [list, rest @ ..] if rest.len() <= 2 => {
            let mut coerced = vec![plain_list(name, list)?];
            coerced.resize(types.len(), DataType::Utf8View);
            Ok(coerced)
        }
        _ => wrong_count(name, "1 to 3", types.len()),
    }
}

fn sort_by_words(call: &Call) -> Result<ArrayRef> {
    let word = |argument: usize, row: usize| call.args.get(argument).map(|a| a.as_string_view().value(row));
    let mut orders = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        if any_null(call.args, row) {
            orders.push(Order { descending: false, nulls_last: false });
            continue;
        }
        let descending = match word(1, row) {
            None => false,
            Some(word) if word.eq_ignore_ascii_case("asc") => false,
            Some(word) if word.eq_ignore_ascii_case("desc") => true,
            Some(word) => return plan_err!("array_sort: the order is 'ASC' or 'DESC', not '{word}'"),
        };
        let nulls_last = match word(2, row) {
            None => false,
            Some(word) if word.eq_ignore_ascii_case("nulls first") => false,
            Some(word) if word.eq_ignore_ascii_case("nulls last") => true,
            Some(word) => return plan_err!("array_sort: NULLs go 'NULLS FIRST' or 'NULLS LAST', not '{word}'"),
        };
        orders.push(Order { descending, nulls_last });
    }
    sort(call, &orders)
}

/// Sorts each row's array, by its own order or by the only one.
fn sort(call: &Call, orders: &[Order]) -> Result<ArrayRef> {
    let array = list(&call.args[0]);
    let values = array.values();
    let keys = Keys::new(&[values])?;
    let nulls = values.logical_nulls();
    let is_null = |at: usize| nulls.as_ref().is_some_and(|n| n.is_null(at));
    let mut picks = Picks::default();
    for row in 0..call.rows {
        if any_null(call.args, row) {
            picks.null_row();
            continue;
        }
        let order = orders.get(row).unwrap_or(&orders[0]);
        picks.take_all(0, span(array, row));
        picks.row_mut().sort_by(|(_, left), (_, right)| {
            let (left, right) = (*left, *right);
            match (is_null(left), is_null(right)) {
                (false, false) if order.descending => keys.get(0, right).cmp(&keys.get(0, left)),
                (false, false) => keys.get(0, left).cmp(&keys.get(0, right)),
                (left, right) if order.nulls_last => left.cmp(&right),
                (left, right) => right.cmp(&left),
            }
        });
        picks.end_row();
    }
    picks.into_list(&[values.as_ref()], call.answer)
}

/// The first of each value, without NULLs.
fn distinct(call: &Call) -> Result<ArrayRef> {
    let array = list(&call.args[0]);
    let values = array.values();
    let keys = Keys::new(&[values])?;
    let nulls = values.logical_nulls();
    let mut picks = Picks::default();
    for row in 0..call.rows {
        if array.is_null(row) {
            picks.null_row();
            continue;
        }
        let mut seen = HashSet::new();
        for at in span(array, row).filter(|at| nulls.as_ref().is_none_or(|n| n.is_valid(*at))) {
            if seen.insert(keys.get(0, at)) {
                picks.take(0, at);
            }
        }
        picks.end_row();
    }
    picks.into_list(&[values.as_ref()], call.answer)
}

/// How many different values an array has, NULLs not counted.
fn unique(call: &Call) -> Result<ArrayRef> {
    let array = list(&call.args[0]);
    let values = array.values();
    let keys = Keys::new(&[values])?;
    let nulls = values.logical_nulls();
    let count = |row: usize| {
        let known = span(array, row).filter(|at| nulls.as_ref().is_none_or(|n| n.is_valid(*at)));
        known.map(|at| keys.get(0, at)).collect::<HashSet<_>>().len() as u64
    };
    let counts = (0..call.rows).map(|row| array.is_valid(row).then(|| count(row)));
    Ok(Arc::new(counts.collect::<UInt64Array>()))
}

/// What is in both arrays, as often as in the one that has it less often.
fn intersection(call: &Call) -> Result<ArrayRef> {
    both(call, |others, key| match others.get_mut(key) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    })
}

/// What is in the first array, each item of the second taken away once.
fn except(call: &Call) -> Result<ArrayRef> {
    both(call, |others, key| match others.get_mut(key) {
        Some(left) if *left > 0 => {
            *left -= 1;
            false
        }
        _ => true,
    })
}

fn both(call: &Call, keep: impl Fn(&mut HashMap<OwnedRow, usize>, &OwnedRow) -> bool) -> Result<ArrayRef> {
    let [left, right] = call.args else {
        return wrong_count(call.name, "2", call.args.len());
    };
    let (left, right) = (list(left), list(right));
    let keys = Keys::new(&[left.values(), right.values()])?;
    let mut picks = Picks::default();
    for row in 0..call.rows {
        if any_null(call.args, row) {
            picks.null_row();
            continue;
        }
        let mut others: HashMap<OwnedRow, usize> = HashMap::new();
        span(right, row).for_each(|at| *others.entry(keys.owned(1, at)).or_default() += 1);
        for at in span(left, row) {
            if keep(&mut others, &keys.owned(0, at)) {
                picks.take(0, at);
            }
        }
        picks.end_row();
    }
    picks.into_list(&[left.values().as_ref()], call.answer)
}

fn overlap(call: &Call) -> Result<ArrayRef> {
    let [left, right] = call.args else {
        return wrong_count(call.name, "2", call.args.len());
    };
    let (left, right) = (list(left), list(right));
    let keys = Keys::new(&[left.values(), right.values()])?;
    let meet = |row: usize| {
        let others: HashSet<_> = span(right, row).map(|at| keys.get(1, at)).collect();
        span(left, row).any(|at| others.contains(&keys.get(0, at)))
    };
    let answers = (0..call.rows).map(|row| (!any_null(call.args, row)).then(|| meet(row)));
    Ok(Arc::new(answers.collect::<BooleanArray>()))
}
