//! What is in an array: making one, its length, one of its items, a part of it, its text. Positions count from 1, and
//! negative ones from the end.

use super::{
    Call, Nested, any_null, any_nullable, common, field, item_of, list, list_and_item, list_of, map, one_list,
    pick::{Keys, Picks},
    plain_list, span, wrong_count,
};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, BooleanArray, StringViewBuilder, UInt64Array},
        compute::{cast, interleave},
        datatypes::{DataType, FieldRef, Int64Type},
    },
    common::Result,
    logical_expr::ScalarUDF,
};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let counted: super::Answer = |_, fields| Ok(field(DataType::UInt64, any_nullable(fields)));
    let found: super::Answer = |_, fields| Ok(field(DataType::Boolean, fields[0].is_nullable()));
    let position: super::Answer = |_, fields| Ok(field(DataType::UInt64, fields[0].is_nullable()));
    let text: super::Answer = |_, fields| Ok(field(DataType::Utf8View, any_nullable(fields)));
    let functions = [
        Nested::new("array", items, made, make).also(&["make_array", "array_construct", "make_list"]),
        Nested::new("array_length", one_list, counted, length).also(&["length", "array_size", "cardinality"]),
        Nested::new("array_get", list_and_position, item, get).also(&["get", "array_element", "list_element"]),
        Nested::new("array_contains", list_and_item, found, contains).also(&["contains", "array_has", "list_has"]),
        Nested::new("array_indexof", list_and_item, position, indexof).also(&["array_position", "list_position"]),
        Nested::new("array_slice", list_and_range, super::like_first, slice).also(&["slice", "list_slice"]),
        Nested::new("array_to_string", list_and_text, text, to_string).also(&["array_join", "list_to_string"]),
    ];
    functions.into_iter().map(Nested::into_udf).collect()
}

/// Items of one type: the one they all fit into.
fn items(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let mut all = DataType::Null;
    for data_type in types {
        all = common(name, &all, data_type)?;
    }
    Ok(vec![all; types.len()])
}

fn made(_name: &str, fields: &[FieldRef]) -> Result<FieldRef> {
    let item = fields.first().map_or(DataType::Null, |f| f.data_type().clone());
    let nullable = fields.is_empty() || item.is_null() || any_nullable(fields);
    Ok(field(list_of(item, nullable), false))
}

fn make(call: &Call) -> Result<ArrayRef> {
    let mut picks = Picks::default();
    for row in 0..call.rows {
        for source in 0..call.args.len() {
            picks.take(source, row);
        }
        picks.end_row();
    }
    if call.args.is_empty() {
        let nothing = datafusion::arrow::array::new_empty_array(&DataType::Null);
        return picks.into_list(&[nothing.as_ref()], call.answer);
    }
    let sources: Vec<&dyn Array> = call.args.iter().map(|a| a.as_ref()).collect();
    picks.into_list(&sources, call.answer)
}

fn length(call: &Call) -> Result<ArrayRef> {
    let array = list(&call.args[0]);
    let lengths = (0..call.rows).map(|row| array.is_valid(row).then(|| span(array, row).len() as u64));
    Ok(Arc::new(lengths.collect::<UInt64Array>()))
}

/// `(array, position)`, or `(map, key)`.
fn list_and_position(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [found @ DataType::Map(_, _), _] => map::map_and_key(name, &[found.clone(), types[1].clone()]),
        [list, _] => Ok(vec![plain_list(name, list)?, DataType::Int64]),
        _ => wrong_count(name, "2", types.len()),
    }
}

fn item(name: &str, fields: &[FieldRef]) -> Result<FieldRef> {
    if matches!(fields[0].data_type(), DataType::Map(_, _)) {
        return map::value(name, fields);
    }
    Ok(field(item_of(name, fields[0].data_type())?.data_type().clone(), true))
}

fn get(call: &Call) -> Result<ArrayRef> {
    if matches!(call.args[0].data_type(), DataType::Map(_, _)) {
        return map::get(call);
    }
    let (array, positions) = (list(&call.args[0]), call.args[1].as_primitive::<Int64Type>());
    let nothing = datafusion::arrow::array::new_null_array(array.values().data_type(), 1);
    let picked: Vec<(usize, usize)> = (0..call.rows)
        .map(|row| {
            if any_null(call.args, row) {
                return (1, 0);
            }
            let items = span(array, row);
            match place(positions.value(row), items.len()) {
                Some(at) => (0, items.start + at),
                None => (1, 0),
            }
        })
        .collect();
    Ok(interleave(&[array.values().as_ref(), nothing.as_ref()], &picked)?)
}

/// Index of a position that counts from 1, or from the end when negative.
fn place(position: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let at = if position < 0 { length + position } else { position - 1 };
    (0..length).contains(&at).then_some(at as usize)
}

fn contains(call: &Call) -> Result<ArrayRef> {
    let found = search(call)?;
    Ok(Arc::new(found.into_iter().map(|at| at.map(|at| at > 0)).collect::<BooleanArray>()))
}

fn indexof(call: &Call) -> Result<ArrayRef> {
    Ok(Arc::new(search(call)?.into_iter().collect::<UInt64Array>()))
}

/// Position of the item in each row's array: 0 where it is not there, `None` where there is no array.
fn search(call: &Call) -> Result<Vec<Option<u64>>> {
    let array = list(&call.args[0]);
    let keys = Keys::new(&[array.values(), &call.args[1]])?;
    let find = |row: usize| {
        if array.is_null(row) {
            return None;
        }
        let wanted = keys.get(1, row);
        let at = span(array, row).position(|at| keys.get(0, at) == wanted);
        Some(at.map_or(0, |at| at as u64 + 1))
    };
    Ok((0..call.rows).map(find).collect())
}

/// `(array, from[, to])`.
fn list_and_range(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [list, rest @ ..] if (1..=2).contains(&rest.len()) => {
            let mut coerced = vec![plain_list(name, list)?];
            coerced.resize(types.len(), DataType::Int64);
            Ok(coerced)
        }
        _ => wrong_count(name, "2 or 3", types.len()),
    }
}

fn slice(call: &Call) -> Result<ArrayRef> {
    let array = list(&call.args[0]);
    let from = call.args[1].as_primitive::<Int64Type>();
    let to = call.args.get(2).map(|to| to.as_primitive::<Int64Type>());
    let mut picks = Picks::default();
    for row in 0..call.rows {
        if any_null(call.args, row) {
            picks.null_row();
            continue;
        }
        let items = span(array, row);
        let length = items.len() as i64;
        let bound = |position: i64| if position < 0 { length + position + 1 } else { position };
        let first = bound(from.value(row)).max(1);
        let last = to.map_or(length, |to| bound(to.value(row))).min(length);
        if first <= last {
            picks.take_all(0, items.start + first as usize - 1..items.start + last as usize);
        }
        picks.end_row();
    }
    picks.into_list(&[array.values().as_ref()], call.answer)
}

/// `(array, separator)`.
fn list_and_text(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [list] => Ok(vec![plain_list(name, list)?]),
        [list, _] => Ok(vec![plain_list(name, list)?, DataType::Utf8View]),
        _ => wrong_count(name, "2", types.len()),
    }
}

fn to_string(call: &Call) -> Result<ArrayRef> {
    let array = list(&call.args[0]);
    let texts = cast(array.values(), &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    let separators = call.args.get(1).map(|s| s.as_string_view());
    let mut answer = StringViewBuilder::new();
    for row in 0..call.rows {
        if any_null(call.args, row) {
            answer.append_null();
            continue;
        }
        let separator = separators.map_or(",", |s| s.value(row));
        let known: Vec<&str> = span(array, row).filter(|at| texts.is_valid(*at)).map(|at| texts.value(at)).collect();
        answer.append_value(known.join(separator));
    }
    Ok(Arc::new(answer.finish()))
}
