//! Maps: made from keys and values, asked for them, and made anew with entries added, dropped or chosen. A key stands
//! once in a map; adding it again replaces its value, in its old place.

use super::{
    Call, Nested, any_null, any_nullable, common, field, item_of, like_first, list, list_of,
    pick::{Keys, Picks},
    plain_list, span, wrong_count,
};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, MapArray, UInt64Array, new_null_array},
        compute::interleave,
        datatypes::{DataType, Field, FieldRef},
    },
    common::{DataFusionError, Result, plan_err},
    logical_expr::ScalarUDF,
};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let counted: super::Answer = |_, fields| Ok(field(DataType::UInt64, any_nullable(fields)));
    let tested: super::Answer = |_, fields| Ok(field(DataType::Boolean, any_nullable(fields)));
    let functions = [
        Nested::new("map", two_lists, zipped, from_lists),
        Nested::new("make_map", pairs, paired, from_pairs),
        Nested::new("map_keys", one_map, keys_type, keys),
        Nested::new("map_values", one_map, values_type, values),
        Nested::new("map_size", one_map, counted, size),
        Nested::new("map_contains_key", map_and_key, tested, contains_key),
        Nested::new("map_cat", two_maps, like_first, cat).also(&["map_concat"]),
        Nested::new("map_delete", map_and_keys, like_first, delete),
        Nested::new("map_pick", map_and_keys, like_first, pick),
        Nested::new("map_insert", map_key_value, like_first, insert),
    ];
    functions.into_iter().map(Nested::into_udf).collect()
}

/// The map type of these keys and values.
pub(super) fn map_of(key: DataType, value: DataType) -> DataType {
    let fields = vec![Field::new("key", key, false), Field::new("value", value, true)];
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(fields.into()), false)), false)
}

/// Types of a map's keys and values; NULL counts as a map of nothing.
fn parts(name: &str, map: &DataType) -> Result<(DataType, DataType)> {
    match map {
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => {
                Ok((fields[0].data_type().clone(), fields[1].data_type().clone()))
            }
            other => plan_err!("{name}: a map of {other}"),
        },
        DataType::Null => Ok((DataType::Null, DataType::Null)),
        other => plan_err!("{name} wants a map, not {}", crate::plan::sql_type(other).to_lowercase()),
    }
}

fn plain(name: &str, map: &DataType) -> Result<DataType> {
    let (key, value) = parts(name, map)?;
    Ok(map_of(key, value))
}

fn one_map(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [map] => Ok(vec![plain(name, map)?]),
        _ => wrong_count(name, "1", types.len()),
    }
}

/// `(map, key)`.
pub(super) fn map_and_key(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let [map, key] = types else {
        return wrong_count(name, "2", types.len());
    };
    let (keys, value) = parts(name, map)?;
    let key = common(name, &keys, key)?;
    Ok(vec![map_of(key.clone(), value), key])
}

/// `(map, key…)` or `(map, array of keys)`.
fn map_and_keys(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let [map, rest @ ..] = types else {
        return wrong_count(name, "at least 2", types.len());
    };
    let (mut key, value) = parts(name, map)?;
    if let [list] = rest
        && matches!(list, DataType::List(_) | DataType::LargeList(_))
    {
        let item = item_of(name, list)?;
        key = common(name, &key, item.data_type())?;
        return Ok(vec![map_of(key.clone(), value), list_of(key, item.is_nullable())]);
    }
    for other in rest {
        key = common(name, &key, other)?;
    }
    let mut coerced = vec![map_of(key.clone(), value)];
    coerced.resize(types.len(), key);
    Ok(coerced)
}

/// `(map, key, value[, replace])`.
fn map_key_value(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let (map, key, value) = match types {
        [map, key, value] | [map, key, value, _] => (map, key, value),
        _ => return wrong_count(name, "3 or 4", types.len()),
    };
    let (keys, values) = parts(name, map)?;
    let (key, value) = (common(name, &keys, key)?, common(name, &values, value)?);
    let mut coerced = vec![map_of(key.clone(), value.clone()), key, value];
    coerced.resize(types.len(), DataType::Boolean);
    Ok(coerced)
}

fn two_maps(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    if types.is_empty() {
        return wrong_count(name, "at least 1", 0);
    }
    let (mut key, mut value) = (DataType::Null, DataType::Null);
    for map in types {
        let (k, v) = parts(name, map)?;
        (key, value) = (common(name, &key, &k)?, common(name, &value, &v)?);
    }
    Ok(vec![map_of(key, value); types.len()])
}

fn two_lists(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [keys, values] => Ok(vec![plain_list(name, keys)?, plain_list(name, values)?]),
        _ => wrong_count(name, "2", types.len()),
    }
}

fn zipped(name: &str, fields: &[FieldRef]) -> Result<FieldRef> {
    let (key, value) = (item_of(name, fields[0].data_type())?, item_of(name, fields[1].data_type())?);
    Ok(field(map_of(key.data_type().clone(), value.data_type().clone()), any_nullable(fields)))
}

/// `(key, value, key, value…)`: all keys of one type, all values of one.
fn pairs(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    if !types.len().is_multiple_of(2) {
        return plan_err!("{name} wants a value for every key");
    }
    let mut both = [DataType::Null, DataType::Null];
    for (at, data_type) in types.iter().enumerate() {
        both[at % 2] = common(name, &both[at % 2], data_type)?;
    }
    Ok((0..types.len()).map(|at| both[at % 2].clone()).collect())
}

fn paired(_name: &str, fields: &[FieldRef]) -> Result<FieldRef> {
    let part = |at: usize| fields.get(at).map_or(DataType::Null, |f| f.data_type().clone());
    Ok(field(map_of(part(0), part(1)), false))
}

fn keys_type(name: &str, fields: &[FieldRef]) -> Result<FieldRef> {
    Ok(field(list_of(parts(name, fields[0].data_type())?.0, false), fields[0].is_nullable()))
}

fn values_type(name: &str, fields: &[FieldRef]) -> Result<FieldRef> {
    Ok(field(list_of(parts(name, fields[0].data_type())?.1, true), fields[0].is_nullable()))
}

/// What `map[key]` yields.
pub(super) fn value(name: &str, fields: &[FieldRef]) -> Result<FieldRef> {
    Ok(field(parts(name, fields[0].data_type())?.1, true))
}

fn map(array: &ArrayRef) -> &MapArray {
    array.as_map()
}

fn entries(map: &MapArray, row: usize) -> std::ops::Range<usize> {
    let offsets = map.value_offsets();
    offsets[row] as usize..offsets[row + 1] as usize
}

fn twice(name: &str) -> DataFusionError {
    DataFusionError::Execution(format!("{name}: a key stands twice"))
}

fn null_key(name: &str) -> DataFusionError {
    DataFusionError::Execution(format!("{name}: a key is NULL"))
}

fn is_null(array: &ArrayRef, at: usize) -> bool {
    array.data_type().is_null() || array.is_null(at)
}

/// Takes an entry into the row being made; a key that is there already gets the new value.
fn put(picks: &mut Picks, keys: &Keys, entry: (usize, usize)) {
    let found = picks.row().iter().position(|old| keys.get(old.0, old.1) == keys.get(entry.0, entry.1));
    match found {
        Some(at) => picks.row_mut()[at] = entry,
        None => picks.take(entry.0, entry.1),
    }
}

fn from_lists(call: &Call) -> Result<ArrayRef> {
    let (names, values) = (list(&call.args[0]), list(&call.args[1]));
    let keys = Keys::new(&[names.values()])?;
    // Keys and values may start at different places, so each has its own picks.
    let (mut of_keys, mut of_values) = (Picks::default(), Picks::default());
    for row in 0..call.rows {
        if any_null(call.args, row) {
            of_keys.null_row();
            of_values.null_row();
            continue;
        }
        let (k, v) = (span(names, row), span(values, row));
        if k.len() != v.len() {
            let message = format!("map: {} keys and {} values", k.len(), v.len());
            return Err(DataFusionError::Execution(message));
        }
        for (k, v) in k.zip(v) {
            if is_null(names.values(), k) {
                return Err(null_key(call.name));
            }
            if of_keys.row().iter().any(|old| keys.get(0, old.1) == keys.get(0, k)) {
                return Err(twice(call.name));
            }
            of_keys.take(0, k);
            of_values.take(0, v);
        }
        of_keys.end_row();
        of_values.end_row();
    }
    let DataType::Map(_, _) = call.answer else {
        return plan_err!("map answers with a map");
    };
    let values = of_values.into_list(&[values.values().as_ref()], &list_of(values.value_type(), true))?;
    let values = values.as_list::<i32>().values().clone();
    of_keys.into_map_with(&[names.values().as_ref()], values, call.answer)
}

fn from_pairs(call: &Call) -> Result<ArrayRef> {
    let names: Vec<&ArrayRef> = call.args.iter().step_by(2).collect();
    let values: Vec<&dyn Array> = call.args.iter().skip(1).step_by(2).map(|a| a.as_ref()).collect();
    let mut picks = Picks::default();
    if names.is_empty() {
        (0..call.rows).for_each(|_| picks.end_row());
        let nothing = datafusion::arrow::array::new_empty_array(&DataType::Null);
        return picks.into_map(&[nothing.as_ref()], &[nothing.as_ref()], call.answer);
    }
    let keys = Keys::new(&names)?;
    for row in 0..call.rows {
        for (source, name) in names.iter().enumerate() {
            if is_null(name, row) {
                return Err(null_key("map"));
            }
            if picks.row().iter().any(|old| keys.get(old.0, old.1) == keys.get(source, row)) {
                return Err(twice("map"));
            }
            picks.take(source, row);
        }
        picks.end_row();
    }
    let names: Vec<&dyn Array> = names.iter().map(|a| a.as_ref()).collect();
    picks.into_map(&names, &values, call.answer)
}

fn keys(call: &Call) -> Result<ArrayRef> {
    let map = map(&call.args[0]);
    part(map, map.keys(), call.answer)
}

fn values(call: &Call) -> Result<ArrayRef> {
    let map = map(&call.args[0]);
    part(map, map.values(), call.answer)
}

fn part(map: &MapArray, part: &ArrayRef, answer: &DataType) -> Result<ArrayRef> {
    let DataType::List(item) = answer else {
        return plan_err!("a map's keys and values are arrays");
    };
    Ok(Arc::new(ListArray::try_new(item.clone(), map.offsets().clone(), part.clone(), map.nulls().cloned())?))
}

fn size(call: &Call) -> Result<ArrayRef> {
    let map = map(&call.args[0]);
    let sizes = (0..call.rows).map(|row| map.is_valid(row).then(|| entries(map, row).len() as u64));
    Ok(Arc::new(sizes.collect::<UInt64Array>()))
}

fn contains_key(call: &Call) -> Result<ArrayRef> {
    let map = map(&call.args[0]);
    let keys = Keys::new(&[map.keys(), &call.args[1]])?;
    let there = |row: usize| entries(map, row).any(|at| keys.get(0, at) == keys.get(1, row));
    let answers = (0..call.rows).map(|row| (!any_null(call.args, row)).then(|| there(row)));
    Ok(Arc::new(answers.collect::<BooleanArray>()))
}

/// The value under a key; NULL where there is none.
pub(super) fn get(call: &Call) -> Result<ArrayRef> {
    let map = map(&call.args[0]);
    let keys = Keys::new(&[map.keys(), &call.args[1]])?;
    let nothing = new_null_array(map.values().data_type(), 1);
    let picked: Vec<(usize, usize)> = (0..call.rows)
        .map(|row| {
            if any_null(call.args, row) {
                return (1, 0);
            }
            let at = entries(map, row).find(|at| keys.get(0, *at) == keys.get(1, row));
            at.map_or((1, 0), |at| (0, at))
        })
        .collect();
    Ok(interleave(&[map.values().as_ref(), nothing.as_ref()], &picked)?)
}

fn cat(call: &Call) -> Result<ArrayRef> {
    let maps: Vec<&MapArray> = call.args.iter().map(map).collect();
    let names: Vec<&ArrayRef> = maps.iter().map(|m| m.keys()).collect();
    let keys = Keys::new(&names)?;
    let mut picks = Picks::default();
    for row in 0..call.rows {
        if any_null(call.args, row) {
            picks.null_row();
            continue;
        }
        for (source, map) in maps.iter().enumerate() {
            entries(map, row).for_each(|at| put(&mut picks, &keys, (source, at)));
        }
        picks.end_row();
    }
    let names: Vec<&dyn Array> = maps.iter().map(|m| m.keys().as_ref()).collect();
    let values: Vec<&dyn Array> = maps.iter().map(|m| m.values().as_ref()).collect();
    picks.into_map(&names, &values, call.answer)
}

fn delete(call: &Call) -> Result<ArrayRef> {
    choose(call, false)
}

fn pick(call: &Call) -> Result<ArrayRef> {
    choose(call, true)
}

/// The entries whose keys are named (`wanted`), or are not.
fn choose(call: &Call, wanted: bool) -> Result<ArrayRef> {
    let map = map(&call.args[0]);
    let in_list = call.args.get(1).is_some_and(|a| matches!(a.data_type(), DataType::List(_)) && call.args.len() == 2);
    let named: Vec<&ArrayRef> =
        if in_list { vec![list(&call.args[1]).values()] } else { call.args[1..].iter().collect() };
    let mut columns = vec![map.keys()];
    columns.extend(named.iter().copied());
    let keys = Keys::new(&columns)?;
    let is_named = |row: usize, at: usize| {
        if in_list {
            return span(list(&call.args[1]), row).any(|name| keys.get(1, name) == keys.get(0, at));
        }
        (1..columns.len()).any(|column| keys.get(column, row) == keys.get(0, at))
    };
    let mut picks = Picks::default();
    for row in 0..call.rows {
        if map.is_null(row) {
            picks.null_row();
            continue;
        }
        entries(map, row).filter(|at| is_named(row, *at) == wanted).for_each(|at| picks.take(0, at));
        picks.end_row();
    }
    picks.into_map(&[map.keys().as_ref()], &[map.values().as_ref()], call.answer)
}

fn insert(call: &Call) -> Result<ArrayRef> {
    let map = map(&call.args[0]);
    let keys = Keys::new(&[map.keys(), &call.args[1]])?;
    let replace = call.args.get(3).map(|flag| flag.as_boolean());
    let mut picks = Picks::default();
    for row in 0..call.rows {
        if map.is_null(row) || call.args[1].is_null(row) {
            picks.null_row();
            continue;
        }
        picks.take_all(0, entries(map, row));
        let there = entries(map, row).any(|at| keys.get(0, at) == keys.get(1, row));
        if there && !replace.is_some_and(|flag| flag.is_valid(row) && flag.value(row)) {
            return Err(twice(call.name));
        }
        put(&mut picks, &keys, (1, row));
        picks.end_row();
    }
    let (names, values) =
        ([map.keys().as_ref(), call.args[1].as_ref()], [map.values().as_ref(), call.args[2].as_ref()]);
    picks.into_map(&names, &values, call.answer)
}
