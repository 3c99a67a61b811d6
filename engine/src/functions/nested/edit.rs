//! Arrays made from other arrays by adding, dropping and joining items.

use super::{
    Call, Nested, any_nullable, equal_lists, field, item_of, like_first, list, list_and_item, list_of, one_list,
    pick::{Keys, Picks},
    plain_list, span, tuple, wrong_count,
};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, ListArray, StructArray},
        buffer::{NullBuffer, OffsetBuffer},
        datatypes::{DataType, FieldRef},
    },
    common::{DataFusionError, Result, internal_err},
    logical_expr::ScalarUDF,
};
use std::{ops::Range, sync::Arc};

/// Name of the function that opens arrays of arrays completely, for `unnest`.
pub(crate) const OPENED: &str = "__basalt_opened";

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let keep = |name, run| Nested::new(name, one_list, like_first, run);
    let functions = [
        Nested::new("array_append", list_and_item, longer, append).also(&["list_append", "array_push_back"]),
        Nested::new("array_prepend", item_and_list, longer, prepend).also(&["list_prepend", "array_push_front"]),
        Nested::new("array_concat", equal_lists, like_first, concat).also(&["array_cat", "list_concat"]),
        Nested::new("array_remove", list_and_item, like_list, remove).also(&["list_remove"]),
        Nested::new("array_flatten", lists, flattened, flatten).also(&["list_flatten"]),
        Nested::new("arrays_zip", plain_lists, zipped, zip).also(&["array_zip", "list_zip"]),
        Nested::new(OPENED, opened_from, opened, open),
        keep("array_remove_first", remove_first).also(&["array_pop_front"]),
        keep("array_remove_last", remove_last).also(&["array_pop_back"]),
        keep("array_compact", compact),
        keep("array_reverse", reverse).also(&["list_reverse"]),
    ];
    functions.into_iter().map(Nested::into_udf).collect()
}

/// An array with one more item: NULL where the array is NULL.
fn longer(name: &str, fields: &[FieldRef]) -> Result<FieldRef> {
    let (list, other) = match fields {
        [list, other] if matches!(list.data_type(), DataType::List(_)) && name != "array_prepend" => (list, other),
        [other, list] => (list, other),
        _ => return wrong_count(name, "2", fields.len()),
    };
    let item = item_of(name, list.data_type())?;
    let nullable = item.is_nullable() || other.is_nullable() || item.data_type().is_null();
    Ok(field(list_of(item.data_type().clone(), nullable), list.is_nullable()))
}

fn like_list(_name: &str, fields: &[FieldRef]) -> Result<FieldRef> {
    Ok(field(fields[0].data_type().clone(), fields[0].is_nullable()))
}

fn item_and_list(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [item, list] => Ok(list_and_item(name, &[list.clone(), item.clone()])?.into_iter().rev().collect()),
        _ => wrong_count(name, "2", types.len()),
    }
}

/// A row of every array, made by `fill` out of where its items lie.
fn each(call: &Call, fill: impl Fn(&mut Picks, usize, Range<usize>)) -> Result<ArrayRef> {
    let array = list(&call.args[0]);
    let mut picks = Picks::default();
    for row in 0..call.rows {
        if array.is_null(row) {
            picks.null_row();
            continue;
        }
        fill(&mut picks, row, span(array, row));
        picks.end_row();
    }
    picks.into_list(&[array.values().as_ref()], call.answer)
}

fn append(call: &Call) -> Result<ArrayRef> {
    join(call, 0, 1)
}

fn prepend(call: &Call) -> Result<ArrayRef> {
    join(call, 1, 0)
}

/// The items of argument `lists` with the value of argument `values` in front or behind, whichever comes first.
fn join(call: &Call, lists: usize, values: usize) -> Result<ArrayRef> {
    let array = list(&call.args[lists]);
    let mut picks = Picks::default();
    for row in 0..call.rows {
        if array.is_null(row) {
            picks.null_row();
            continue;
        }
        if values < lists {
            picks.take(1, row);
        }
        picks.take_all(0, span(array, row));
        if values > lists {
            picks.take(1, row);
        }
        picks.end_row();
    }
    picks.into_list(&[array.values().as_ref(), call.args[values].as_ref()], call.answer)
}

fn concat(call: &Call) -> Result<ArrayRef> {
    let arrays: Vec<&ListArray> = call.args.iter().map(list).collect();
    let mut picks = Picks::default();
    for row in 0..call.rows {
        if super::any_null(call.args, row) {
            picks.null_row();
            continue;
        }
        for (source, array) in arrays.iter().enumerate() {
            picks.take_all(source, span(array, row));
        }
        picks.end_row();
    }
    let sources: Vec<&dyn Array> = arrays.iter().map(|a| a.values().as_ref()).collect();
    picks.into_list(&sources, call.answer)
}

fn remove(call: &Call) -> Result<ArrayRef> {
    let keys = Keys::new(&[list(&call.args[0]).values(), &call.args[1]])?;
    each(call, |picks, row, items| {
        let unwanted = keys.get(1, row);
        items.filter(|at| keys.get(0, *at) != unwanted).for_each(|at| picks.take(0, at));
    })
}

fn remove_first(call: &Call) -> Result<ArrayRef> {
    each(call, |picks, _, items| picks.take_all(0, (items.start + 1).min(items.end)..items.end))
}

fn remove_last(call: &Call) -> Result<ArrayRef> {
    each(call, |picks, _, items| picks.take_all(0, items.start..items.end.saturating_sub(1).max(items.start)))
}

fn compact(call: &Call) -> Result<ArrayRef> {
    let values = list(&call.args[0]).values().clone();
    let nulls = values.logical_nulls();
    each(call, |picks, _, items| {
        items.filter(|at| nulls.as_ref().is_none_or(|n| n.is_valid(*at))).for_each(|at| picks.take(0, at));
    })
}

fn reverse(call: &Call) -> Result<ArrayRef> {
    each(call, |picks, _, items| items.rev().for_each(|at| picks.take(0, at)))
}

/// `(array of arrays)`.
fn lists(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let [list] = types else {
        return wrong_count(name, "1", types.len());
    };
    let outer = item_of(name, list)?;
    let inner = plain_list(name, outer.data_type())?;
    Ok(vec![list_of(inner, outer.is_nullable())])
}

fn flattened(name: &str, fields: &[FieldRef]) -> Result<FieldRef> {
    let inner = item_of(name, fields[0].data_type())?;
    Ok(field(inner.data_type().clone(), fields[0].is_nullable()))
}

/// The inner arrays one after the other; NULL arrays add nothing.
fn flatten(call: &Call) -> Result<ArrayRef> {
    let outer = list(&call.args[0]);
    let inner = outer.values().as_list::<i32>();
    let mut picks = Picks::default();
    for row in 0..call.rows {
        if outer.is_null(row) {
            picks.null_row();
            continue;
        }
        span(outer, row).filter(|at| inner.is_valid(*at)).for_each(|at| picks.take_all(0, span(inner, at)));
        picks.end_row();
    }
    picks.into_list(&[inner.values().as_ref()], call.answer)
}

fn plain_lists(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    if types.is_empty() {
        return wrong_count(name, "at least 1", 0);
    }
    types.iter().map(|list| plain_list(name, list)).collect()
}

fn zipped(name: &str, fields: &[FieldRef]) -> Result<FieldRef> {
    let items = fields.iter().map(|f| item_of(name, f.data_type())).collect::<Result<Vec<_>>>()?;
    Ok(field(list_of(tuple::tuple_of(&items), false), any_nullable(fields)))
}

/// Tuples of the items at the same position; all arrays of a row must be equally long.
fn zip(call: &Call) -> Result<ArrayRef> {
    let arrays: Vec<&ListArray> = call.args.iter().map(list).collect();
    let mut taken: Vec<Vec<(usize, usize)>> = vec![Vec::new(); arrays.len()];
    let mut lengths = Vec::with_capacity(call.rows);
    let mut valid = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        valid.push(!super::any_null(call.args, row));
        if valid[row] {
            let length = span(arrays[0], row).len();
            for (array, taken) in arrays.iter().zip(&mut taken) {
                let items = span(array, row);
                if items.len() != length {
                    let message = format!("arrays_zip: arrays of {length} and of {} items", items.len());
                    return Err(DataFusionError::Execution(message));
                }
                taken.extend(items.map(|at| (0, at)));
            }
            lengths.push(length);
        } else {
            lengths.push(0);
        }
    }
    let DataType::List(item) = call.answer else {
        return internal_err!("arrays_zip answers with an array");
    };
    let DataType::Struct(fields) = item.data_type() else {
        return internal_err!("arrays_zip answers with tuples");
    };
    let columns = arrays.iter().zip(&taken).map(|(array, taken)| {
        if taken.is_empty() {
            return Ok(datafusion::arrow::array::new_empty_array(array.values().data_type()));
        }
        Ok(datafusion::arrow::compute::interleave(&[array.values().as_ref()], taken)?)
    });
    let tuples = StructArray::try_new(fields.clone(), columns.collect::<Result<Vec<_>>>()?, None)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(item.clone(), offsets, Arc::new(tuples), Some(NullBuffer::from(valid)))?))
}

fn opened_from(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let [list] = types else {
        return wrong_count(name, "1", types.len());
    };
    match list {
        DataType::LargeBinary => Ok(types.to_vec()),
        DataType::Map(_, _) => Ok(types.to_vec()),
        _ => Ok(vec![plain_all(name, list)?]),
    }
}

/// The array type with plain arrays at every level.
fn plain_all(name: &str, list: &DataType) -> Result<DataType> {
    let item = item_of("unnest", list).or_else(|_| item_of(name, list))?;
    let inner = match item.data_type() {
        DataType::List(_) | DataType::LargeList(_) => plain_all(name, item.data_type())?,
        other => other.clone(),
    };
    Ok(list_of(inner, item.is_nullable()))
}

fn opened(_name: &str, fields: &[FieldRef]) -> Result<FieldRef> {
    let mut inner = fields[0].data_type();
    let item = match inner {
        DataType::LargeBinary => list_of(DataType::LargeBinary, true),
        DataType::Map(entries, _) => list_of(entries.data_type().clone(), false),
        _ => {
            while let DataType::List(item) = inner
                && matches!(item.data_type(), DataType::List(_))
            {
                inner = item.data_type();
            }
            inner.clone()
        }
    };
    Ok(field(item, true))
}

/// Arrays of arrays opened down to what is no array; the items of a JSON array; the entries of a map.
fn open(call: &Call) -> Result<ArrayRef> {
    let mut array = call.args[0].clone();
    match array.data_type() {
        DataType::LargeBinary => return super::tuple::json_items(&array, call.answer),
        DataType::Map(_, _) => {
            let map = array.as_map();
            let DataType::List(item) = call.answer else {
                return internal_err!("unnest of a map answers with an array");
            };
            let entries = Arc::new(map.entries().clone());
            let opened = ListArray::try_new(item.clone(), map.offsets().clone(), entries, map.nulls().cloned())?;
            return Ok(Arc::new(opened));
        }
        _ => {}
    }
    while let DataType::List(item) = array.data_type()
        && matches!(item.data_type(), DataType::List(_))
    {
        let answer = item.data_type().clone();
        array = flatten(&Call { name: call.name, args: &[array.clone()], answer: &answer, rows: call.rows })?;
    }
    Ok(array)
}
