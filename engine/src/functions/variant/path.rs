//! Parts of a VARIANT: by key or position, by a path of keys, by a JSON path.

use super::{
    Json, Takes, boolean,
    call::{Call, damaged, plain_text, shown},
    json, text, variant, variants,
};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray},
        compute,
        datatypes::{DataType, Int64Type},
    },
    common::{Result, exec_err},
    logical_expr::ScalarUDF,
};
use jsonb::{
    OwnedJsonb, RawJsonb,
    jsonpath::{JsonPath, parse_json_path},
    keypath::{KeyPaths, parse_key_paths},
};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    const PATH: &[Takes] = &[Takes::Json, Takes::Text];
    let all: Vec<Json> = vec![
        json("get", &[Takes::Json, Takes::Any], variant, get),
        json("__basalt_json_get_text", &[Takes::Json, Takes::Any], text, get_text),
        json("get_ignore_case", PATH, variant, get_ignore_case),
        json("get_path", PATH, variant, first),
        json("get_by_keypath", PATH, variant, by_keys),
        json("get_by_keypath_string", PATH, text, by_keys_text),
        json("delete_by_keypath", PATH, variant, delete_by_keys).also(&["json_delete_by_keypath"]),
        json("json_extract_path_text", PATH, text, extract_text),
        json("json_path_query_first", PATH, variant, first).also(&["jsonb_path_query_first"]),
        json("json_path_query_array", PATH, variant, array).also(&["jsonb_path_query_array"]),
        json("json_path_exists", PATH, boolean, exists).also(&["jsonb_path_exists"]),
        json("json_path_match", PATH, boolean, matches).also(&["jsonb_path_match"]),
        json("__basalt_json_query", PATH, variants, query),
    ];
    all.into_iter().map(Json::udf).collect()
}

/// What `get` is asked for, row by row.
enum Wanted {
    Names(ArrayRef),
    Positions(ArrayRef),
    Nothing,
}

fn wanted(call: &Call) -> Result<Wanted> {
    let Some(column) = call.other(1) else { return Ok(Wanted::Nothing) };
    Ok(match column.data_type() {
        DataType::Utf8View => Wanted::Names(column.clone()),
        whole if whole.is_integer() => Wanted::Positions(compute::cast(column, &DataType::Int64)?),
        DataType::Null => Wanted::Nothing,
        other => return exec_err!("{}: a key is a text or a number, not {}", call.name, crate::plan::sql_type(other)),
    })
}

fn part(value: RawJsonb<'_>, wanted: &Wanted, row: usize) -> Result<Option<OwnedJsonb>> {
    match wanted {
        Wanted::Names(names) if names.is_valid(row) => {
            value.get_by_name(names.as_string_view().value(row), false).map_err(damaged)
        }
        Wanted::Positions(positions) if positions.is_valid(row) => {
            at(value, positions.as_primitive::<Int64Type>().value(row))
        }
        _ => Ok(None),
    }
}

/// Item of an array; positions below zero count from its end.
fn at(value: RawJsonb<'_>, position: i64) -> Result<Option<OwnedJsonb>> {
    let position = match usize::try_from(position) {
        Ok(position) => position,
        Err(_) => {
            let length = value.array_length().map_err(damaged)?.unwrap_or_default();
            match usize::try_from(position.unsigned_abs()).ok().and_then(|back| length.checked_sub(back)) {
                Some(position) => position,
                None => return Ok(None),
            }
        }
    };
    value.get_by_index(position).map_err(damaged)
}

fn get(call: &Call) -> Result<ArrayRef> {
    let wanted = wanted(call)?;
    call.variants(|row| call.json(0, row).map_or(Ok(None), |v| part(v, &wanted, row)))
}

fn get_text(call: &Call) -> Result<ArrayRef> {
    let wanted = wanted(call)?;
    call.strings(|row| {
        let found = call.json(0, row).map_or(Ok(None), |v| part(v, &wanted, row))?;
        found.map_or(Ok(None), |v| plain_text(v.as_raw()))
    })
}

fn get_ignore_case(call: &Call) -> Result<ArrayRef> {
    call.variants(|row| match (call.json(0, row), call.text(1, row)) {
        (Some(value), Some(name)) => value.get_by_name(name, true).map_err(damaged),
        _ => Ok(None),
    })
}

/// Value and path of a row, where both are there.
fn with_path<T>(
    call: &Call,
    row: usize,
    read: impl Fn(RawJsonb<'_>, &JsonPath<'_>) -> std::result::Result<T, jsonb::Error>,
) -> Result<Option<T>> {
    let (Some(value), Some(text)) = (call.json(0, row), call.text(1, row)) else {
        return Ok(None);
    };
    let path = parse_json_path(text.as_bytes());
    let path = path.map_err(|_| call.failed(format!("'{}' is no JSON path", shown(text))))?;
    read(value, &path).map(Some).map_err(|error| call.failed(error))
}

fn first(call: &Call) -> Result<ArrayRef> {
    call.variants(|row| Ok(with_path(call, row, |v, path| v.select_first_by_path(path))?.flatten()))
}

fn extract_text(call: &Call) -> Result<ArrayRef> {
    call.strings(|row| {
        let found = with_path(call, row, |v, path| v.select_first_by_path(path))?.flatten();
        found.map_or(Ok(None), |v| plain_text(v.as_raw()))
    })
}

fn array(call: &Call) -> Result<ArrayRef> {
    call.variants(|row| with_path(call, row, |v, path| v.select_array_by_path(path)))
}

fn query(call: &Call) -> Result<ArrayRef> {
    call.variant_lists(|row| with_path(call, row, |v, path| v.select_by_path(path)))
}

fn exists(call: &Call) -> Result<ArrayRef> {
    call.booleans(|row| with_path(call, row, |v, path| v.path_exists(path)))
}

fn matches(call: &Call) -> Result<ArrayRef> {
    call.booleans(|row| Ok(with_path(call, row, |v, path| v.path_match(path))?.flatten()))
}

/// Value and path of keys (`{a,0,"b"}`) of a row, where both are there.
fn with_keys<T>(
    call: &Call,
    row: usize,
    read: impl Fn(RawJsonb<'_>, &KeyPaths<'_>) -> std::result::Result<T, jsonb::Error>,
) -> Result<Option<T>> {
    let (Some(value), Some(text)) = (call.json(0, row), call.text(1, row)) else {
        return Ok(None);
    };
    let keys = parse_key_paths(text.as_bytes());
    let keys = keys.map_err(|_| call.failed(format!("'{}' is no path of keys like {{a,0}}", shown(text))))?;
    read(value, &keys).map(Some).map_err(|error| call.failed(error))
}

fn by_keys(call: &Call) -> Result<ArrayRef> {
    call.variants(|row| Ok(with_keys(call, row, |v, keys| v.get_by_keypath(keys.paths.iter()))?.flatten()))
}

fn by_keys_text(call: &Call) -> Result<ArrayRef> {
    call.strings(|row| {
        let found = with_keys(call, row, |v, keys| v.get_by_keypath(keys.paths.iter()))?.flatten();
        found.map_or(Ok(None), |v| plain_text(v.as_raw()))
    })
}

fn delete_by_keys(call: &Call) -> Result<ArrayRef> {
    call.variants(|row| with_keys(call, row, |v, keys| v.delete_by_keypath(keys.paths.iter())))
}
