//! JSON made of values: `json_object`, `json_array`, and objects out of arrays of keys and values.

use super::{
    Json, Takes,
    call::{Call, damaged},
    json, variant,
};
use crate::types::variant_convert::from_array;
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, LargeBinaryBuilder, MapArray, StringViewBuilder, StructArray},
        buffer::{NullBuffer, OffsetBuffer},
        compute,
        datatypes::{DataType, Field, FieldRef, Fields},
    },
    common::{Result, internal_err},
    logical_expr::ScalarUDF,
};
use jsonb::{OwnedJsonb, RawJsonb};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    const PAIRS: &[Takes] = &[Takes::Text, Takes::Value];
    let all: Vec<Json> = vec![
        json("json_object", PAIRS, variant, |c| object(c, Nulls::LeaveOut)).repeating(2).also(&[
            "object_construct",
            "json_build_object",
            "try_json_object",
        ]),
        json("json_object_keep_null", PAIRS, variant, |c| object(c, Nulls::Keep))
            .repeating(2)
            .also(&["object_construct_keep_null", "try_json_object_keep_null"]),
        json("json_array", &[Takes::Value], variant, array).repeating(1).also(&["json_build_array"]),
        json("__basalt_json_array_of", &[Takes::Value], variant, array_of),
        json("__basalt_json_object_of", &[Takes::Any], variant, object_of),
        json("__basalt_json_entries", &[Takes::Json], entries_type, entries),
    ];
    all.into_iter().map(Json::udf).collect()
}

/// What becomes of fields whose value is NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nulls {
    LeaveOut,
    Keep,
}

/// Fields from keys and values in turn. A key of NULL leaves the field out; a key given twice is an error.
fn object(call: &Call, nulls: Nulls) -> Result<ArrayRef> {
    let null = jsonb::Value::Null.to_vec();
    call.variants(|row| {
        let mut taken = HashSet::new();
        let mut fields = Vec::with_capacity(call.count() / 2);
        for at in (0..call.count()).step_by(2) {
            let Some(key) = call.text(at, row) else { continue };
            let value = match (call.json(at + 1, row), nulls) {
                (Some(value), _) => value,
                (None, Nulls::Keep) => RawJsonb::new(&null),
                (None, Nulls::LeaveOut) => continue,
            };
            if !taken.insert(key) {
                return Err(call.failed(format!("key '{key}' is given twice")));
            }
            fields.push((key, value));
        }
        OwnedJsonb::build_object(fields).map(Some).map_err(damaged)
    })
}

fn array(call: &Call) -> Result<ArrayRef> {
    let null = jsonb::Value::Null.to_vec();
    call.variants(|row| {
        let items = (0..call.count()).map(|at| call.json(at, row).unwrap_or_else(|| RawJsonb::new(&null)));
        OwnedJsonb::build_array(items).map(Some).map_err(damaged)
    })
}

/// The array that an aggregate has gathered: none is an empty one.
fn array_of(call: &Call) -> Result<ArrayRef> {
    let empty = jsonb::Value::Array(Vec::new()).to_vec();
    call.variants(|row| Ok(Some(call.json(0, row).unwrap_or_else(|| RawJsonb::new(&empty)).to_owned())))
}

/// The object of the pairs that an aggregate has gathered.
fn object_of(call: &Call) -> Result<ArrayRef> {
    let Some(lists) = call.other(0).and_then(|column| column.as_list_opt::<i32>()) else {
        return call
            .variants(|_| OwnedJsonb::build_object(Vec::<(&str, RawJsonb<'_>)>::new()).map(Some).map_err(damaged));
    };
    call.variants(|row| {
        let mut fields = BTreeMap::new();
        if lists.is_valid(row) {
            let pairs = lists.value(row);
            let Some(pairs) = pairs.as_struct_opt() else {
                return internal_err!("{} gathers pairs", call.name);
            };
            let keys = compute::cast(pairs.column(0), &DataType::Utf8View)?;
            let values = from_array(pairs.column(1)).map_err(super::call::ours)?;
            for (at, key) in keys.as_string_view().iter().enumerate() {
                let (Some(key), true) = (key, values.is_valid(at)) else { continue };
                if fields.insert(key.to_owned(), values.value(at).to_vec()).is_some() {
                    return Err(call.failed(format!("json_object_agg is given key '{key}' twice")));
                }
            }
        }
        let fields = fields.iter().map(|(key, value)| (key, RawJsonb::new(value)));
        OwnedJsonb::build_object(fields).map(Some).map_err(damaged)
    })
}

/// MAP(VARCHAR, VARIANT).
fn entries_type(_: &[FieldRef]) -> DataType {
    let entries = Fields::from(vec![
        Field::new("key", DataType::Utf8View, false),
        Field::new("value", DataType::LargeBinary, true),
    ]);
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
}

/// An object as a map of its fields; NULL for what is no object.
fn entries(call: &Call) -> Result<ArrayRef> {
    let DataType::Map(entries, sorted) = call.answer else {
        return internal_err!("{} answers with a map", call.name);
    };
    let DataType::Struct(fields) = entries.data_type() else {
        return internal_err!("a map has entries");
    };
    let (mut keys, mut values) = (StringViewBuilder::new(), LargeBinaryBuilder::new());
    let (mut lengths, mut valid) = (Vec::with_capacity(call.rows), Vec::with_capacity(call.rows));
    for row in 0..call.rows {
        let object = call.json(0, row).map(|v| v.object_each().map_err(damaged)).transpose()?.flatten();
        valid.push(object.is_some());
        let object = object.unwrap_or_default();
        lengths.push(object.len());
        for (key, value) in object {
            keys.append_value(key);
            values.append_value(value.to_vec());
        }
    }
    let columns: Vec<ArrayRef> = vec![Arc::new(keys.finish()), Arc::new(values.finish())];
    let pairs = StructArray::try_new(fields.clone(), columns, None)?;
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(MapArray::try_new(entries.clone(), offsets, pairs, nulls, *sorted)?))
}
