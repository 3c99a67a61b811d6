//! What a VARIANT contains, two of them joined, and keys taken out.

use super::{
    Json, Takes, boolean,
    call::{Call, damaged},
    json, variant,
};
use datafusion::{
    arrow::{
        array::{ArrayRef, AsArray},
        compute,
        datatypes::{DataType, Int64Type},
    },
    common::{Result, exec_err},
    logical_expr::ScalarUDF,
};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    const TWO: &[Takes] = &[Takes::Json, Takes::Json];
    let all: Vec<Json> = vec![
        json("json_contains_in_left", TWO, boolean, contains).also(&["json_contains", "jsonb_contains"]),
        json("json_contains_in_right", TWO, boolean, contained).also(&["jsonb_contains_in_right"]),
        json("json_exists_key", &[Takes::Json, Takes::Text], boolean, exists_key).also(&["jsonb_exists"]),
        json("json_exists_any_keys", &[Takes::Json, Takes::Texts], boolean, exists_any).also(&["jsonb_exists_any"]),
        json("json_exists_all_keys", &[Takes::Json, Takes::Texts], boolean, exists_all).also(&["jsonb_exists_all"]),
        json("json_concat", TWO, variant, concat).also(&["jsonb_concat"]),
        json("json_delete_key", &[Takes::Json, Takes::Any], variant, delete).also(&["jsonb_delete"]),
    ];
    all.into_iter().map(Json::udf).collect()
}

fn contains(call: &Call) -> Result<ArrayRef> {
    call.booleans(|row| match (call.json(0, row), call.json(1, row)) {
        (Some(left), Some(right)) => left.contains(&right).map(Some).map_err(damaged),
        _ => Ok(None),
    })
}

fn contained(call: &Call) -> Result<ArrayRef> {
    call.booleans(|row| match (call.json(0, row), call.json(1, row)) {
        (Some(left), Some(right)) => right.contains(&left).map(Some).map_err(damaged),
        _ => Ok(None),
    })
}

fn exists_key(call: &Call) -> Result<ArrayRef> {
    call.booleans(|row| match (call.json(0, row), call.text(1, row)) {
        (Some(value), Some(key)) => value.exists_all_keys([key].into_iter()).map(Some).map_err(damaged),
        _ => Ok(None),
    })
}

fn exists_any(call: &Call) -> Result<ArrayRef> {
    call.booleans(|row| match (call.json(0, row), call.texts(1, row)) {
        (Some(value), Some(keys)) => value.exists_any_keys(keys.iter().map(String::as_str)).map(Some).map_err(damaged),
        _ => Ok(None),
    })
}

fn exists_all(call: &Call) -> Result<ArrayRef> {
    call.booleans(|row| match (call.json(0, row), call.texts(1, row)) {
        (Some(value), Some(keys)) => value.exists_all_keys(keys.iter().map(String::as_str)).map(Some).map_err(damaged),
        _ => Ok(None),
    })
}

/// Fields of both objects (the right one's win), items of both arrays, or an array of both values.
fn concat(call: &Call) -> Result<ArrayRef> {
    call.variants(|row| match (call.json(0, row), call.json(1, row)) {
        (Some(left), Some(right)) => left.concat(&right).map(Some).map_err(damaged),
        _ => Ok(None),
    })
}

/// `v - 'key'` and `v - position`.
fn delete(call: &Call) -> Result<ArrayRef> {
    let Some(column) = call.other(1) else { return call.variants(|_| Ok(None)) };
    if let Some(names) = column.as_string_view_opt() {
        let names: Vec<_> = names.iter().collect();
        return call.variants(|row| match (call.json(0, row), names[row]) {
            (Some(value), Some(name)) => value.delete_by_name(name).map(Some).map_err(|error| call.failed(error)),
            _ => Ok(None),
        });
    }
    if column.data_type().is_null() {
        return call.variants(|_| Ok(None));
    }
    if !column.data_type().is_integer() {
        return exec_err!("{}: a key is a text or a number", call.name);
    }
    let positions = compute::cast(column, &DataType::Int64)?;
    let positions: Vec<_> = positions.as_primitive::<Int64Type>().iter().collect();
    call.variants(|row| match (call.json(0, row), positions[row].and_then(|p| i32::try_from(p).ok())) {
        (Some(value), Some(at)) => value.delete_by_index(at).map(Some).map_err(|error| call.failed(error)),
        (value, _) => Ok(value.filter(|_| positions[row].is_some()).map(|v| v.to_owned())),
    })
}
