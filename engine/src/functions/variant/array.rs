//! JSON arrays: their length, their items, and arrays made of other arrays.

use super::{
    Json, Takes, boolean,
    call::{Call, damaged},
    json, number, variant, variants,
};
use datafusion::{
    arrow::array::{ArrayRef, UInt32Array},
    common::{Result, exec_err},
    logical_expr::ScalarUDF,
};
use jsonb::{OwnedJsonb, RawJsonb};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    const TWO: &[Takes] = &[Takes::Json, Takes::Json];
    const ITEM: &[Takes] = &[Takes::Json, Takes::Value];
    let all: Vec<Json> = vec![
        json("json_array_length", &[Takes::Json], number, length).also(&["jsonb_array_length", "json_array_size"]),
        json("json_array_distinct", &[Takes::Json], variant, distinct),
        json("json_array_except", TWO, variant, |c| two(c, |a, b| a.array_except(&b))),
        json("json_array_intersection", TWO, variant, |c| two(c, |a, b| a.array_intersection(&b))),
        json("json_array_overlap", TWO, boolean, overlap),
        json("json_array_insert", &[Takes::Json, Takes::Integer, Takes::Value], variant, insert),
        json("json_array_append", ITEM, variant, append),
        json("json_array_prepend", ITEM, variant, prepend),
        json("json_array_contains", ITEM, boolean, contains),
        json("json_array_flatten", &[Takes::Json], variant, flatten),
        json("json_array_slice", &[Takes::Json, Takes::Integer, Takes::Integer], variant, slice),
        json("__basalt_json_items", &[Takes::Json], variants, items),
    ];
    all.into_iter().map(Json::udf).collect()
}

fn length(call: &Call) -> Result<ArrayRef> {
    let lengths = (0..call.rows).map(|row| {
        let length = call.json(0, row).map(|v| v.array_length().map_err(damaged)).transpose()?.flatten();
        Ok(length.and_then(|n| u32::try_from(n).ok()))
    });
    Ok(Arc::new(UInt32Array::from(lengths.collect::<Result<Vec<_>>>()?)))
}

fn distinct(call: &Call) -> Result<ArrayRef> {
    call.variants(|row| call.json(0, row).map(|v| v.array_distinct().map_err(|e| call.failed(e))).transpose())
}

fn two(
    call: &Call,
    make: impl Fn(RawJsonb<'_>, RawJsonb<'_>) -> std::result::Result<OwnedJsonb, jsonb::Error>,
) -> Result<ArrayRef> {
    call.variants(|row| match (call.json(0, row), call.json(1, row)) {
        (Some(left), Some(right)) => make(left, right).map(Some).map_err(|error| call.failed(error)),
        _ => Ok(None),
    })
}

fn overlap(call: &Call) -> Result<ArrayRef> {
    call.booleans(|row| match (call.json(0, row), call.json(1, row)) {
        (Some(left), Some(right)) => left.array_overlap(&right).map(Some).map_err(|error| call.failed(error)),
        _ => Ok(None),
    })
}

fn inserted(call: &Call, row: usize, position: Option<i64>, value: usize) -> Result<Option<OwnedJsonb>> {
    let (Some(array), Some(position)) = (call.json(0, row), position) else { return Ok(None) };
    let null = jsonb::Value::Null.to_vec();
    let value = call.json(value, row).unwrap_or_else(|| RawJsonb::new(&null));
    let position = i32::try_from(position).unwrap_or(if position < 0 { i32::MIN + 1 } else { i32::MAX });
    array.array_insert(position, &value).map(Some).map_err(|error| call.failed(error))
}

fn insert(call: &Call) -> Result<ArrayRef> {
    call.variants(|row| inserted(call, row, call.integer(1, row), 2))
}

fn append(call: &Call) -> Result<ArrayRef> {
    call.variants(|row| inserted(call, row, Some(i64::from(i32::MAX)), 1))
}

fn prepend(call: &Call) -> Result<ArrayRef> {
    call.variants(|row| inserted(call, row, Some(0), 1))
}

fn contains(call: &Call) -> Result<ArrayRef> {
    call.booleans(|row| {
        let (Some(array), Some(value)) = (call.json(0, row), call.json(1, row)) else { return Ok(None) };
        let items = array.array_values().map_err(damaged)?;
        Ok(items.map(|items| items.iter().any(|item| item.as_raw() == value)))
    })
}

/// Arrays within the array are opened, one level deep.
fn flatten(call: &Call) -> Result<ArrayRef> {
    call.variants(|row| {
        let Some(items) = call.json(0, row).map(|v| v.array_values().map_err(damaged)).transpose()?.flatten() else {
            return Ok(None);
        };
        let mut flat = Vec::with_capacity(items.len());
        for item in items {
            match item.as_raw().array_values().map_err(damaged)? {
                Some(inner) => flat.extend(inner),
                None => flat.push(item),
            }
        }
        OwnedJsonb::build_array(flat.iter().map(OwnedJsonb::as_raw)).map(Some).map_err(damaged)
    })
}

/// Items from one position to before another, counted from 0; below zero from the end.
fn slice(call: &Call) -> Result<ArrayRef> {
    call.variants(|row| {
        let (Some(array), Some(from), Some(to)) = (call.json(0, row), call.integer(1, row), call.integer(2, row))
        else {
            return Ok(None);
        };
        let Some(items) = array.array_values().map_err(damaged)? else { return Ok(None) };
        let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let place = |at: i64| (if at < 0 { length.saturating_add(at) } else { at }).clamp(0, length) as usize;
        let (from, to) = (place(from), place(to));
        let kept = items.get(from..to.max(from)).unwrap_or_default();
        OwnedJsonb::build_array(kept.iter().map(OwnedJsonb::as_raw)).map(Some).map_err(damaged)
    })
}

fn items(call: &Call) -> Result<ArrayRef> {
    call.variant_lists(|row| {
        let Some(value) = call.json(0, row) else { return Ok(None) };
        match value.array_values().map_err(damaged)? {
            Some(items) => Ok(Some(items)),
            None if value.is_null().map_err(damaged)? => Ok(None),
            None => exec_err!("`{}` is no JSON array", super::call::shown(&value.to_string())),
        }
    })
}
