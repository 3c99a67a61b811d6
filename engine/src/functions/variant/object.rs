//! Objects changed and taken apart, and nulls taken out.

use super::{
    Json, Takes,
    call::{Call, damaged},
    json, variant,
};
use datafusion::{arrow::array::ArrayRef, common::Result, logical_expr::ScalarUDF};
use std::{collections::BTreeSet, sync::Arc};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    const KEYS: &[Takes] = &[Takes::Json, Takes::Text];
    let all: Vec<Json> = vec![
        json("json_object_keys", &[Takes::Json], variant, keys).also(&["object_keys", "jsonb_object_keys"]),
        json("json_object_insert", &[Takes::Json, Takes::Text, Takes::Value, Takes::Boolean], variant, insert)
            .at_least(3)
            .also(&["object_insert"]),
        json("json_object_delete", KEYS, variant, delete).repeating(1).also(&["object_delete"]),
        json("json_object_pick", KEYS, variant, pick).repeating(1).also(&["object_pick"]),
        json("json_strip_nulls", &[Takes::Json], variant, strip_nulls).also(&["jsonb_strip_nulls"]),
        json("strip_null_value", &[Takes::Json], variant, strip_null_value),
    ];
    all.into_iter().map(Json::udf).collect()
}

fn keys(call: &Call) -> Result<ArrayRef> {
    call.variants(|row| call.json(0, row).map_or(Ok(None), |v| v.object_keys().map_err(damaged)))
}

/// With `true` as fourth argument a key that is there already gets the new value; without it that is an error.
fn insert(call: &Call) -> Result<ArrayRef> {
    let null = jsonb::Value::Null.to_vec();
    call.variants(|row| {
        let (Some(object), Some(key)) = (call.json(0, row), call.text(1, row)) else {
            return Ok(None);
        };
        let replace = call.count() > 3 && call.boolean(3, row) == Some(true);
        let value = call.json(2, row).unwrap_or_else(|| jsonb::RawJsonb::new(&null));
        object
            .object_insert(key, &value, replace)
            .map(Some)
            .map_err(|error| call.failed(format!("key '{key}': {error}")))
    })
}

/// The keys of a row: one per argument.
fn named<'a>(call: &'a Call<'_>, row: usize) -> BTreeSet<&'a str> {
    (1..call.count()).filter_map(|at| call.text(at, row)).collect()
}

fn delete(call: &Call) -> Result<ArrayRef> {
    call.variants(|row| {
        let Some(object) = call.json(0, row) else { return Ok(None) };
        object.object_delete(&named(call, row)).map(Some).map_err(|error| call.failed(error))
    })
}

fn pick(call: &Call) -> Result<ArrayRef> {
    call.variants(|row| {
        let Some(object) = call.json(0, row) else { return Ok(None) };
        object.object_pick(&named(call, row)).map(Some).map_err(|error| call.failed(error))
    })
}

/// Without the fields that are null, at every depth.
fn strip_nulls(call: &Call) -> Result<ArrayRef> {
    call.variants(|row| call.json(0, row).map(|v| v.strip_nulls().map_err(damaged)).transpose())
}

/// NULL for JSON null, everything else as it is.
fn strip_null_value(call: &Call) -> Result<ArrayRef> {
    call.variants(|row| {
        let Some(value) = call.json(0, row) else { return Ok(None) };
        Ok((!value.is_null().map_err(damaged)?).then(|| value.to_owned()))
    })
}
