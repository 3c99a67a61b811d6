//! JSON from text and back: `parse_json`, `check_json`, `to_variant`, `json_to_string`, `json_pretty`.

use super::{
    Json, Takes,
    call::{Call, json_value, plain_text},
    json, text, variant,
};
use datafusion::{
    arrow::array::{ArrayRef, AsArray},
    common::{DataFusionError, Result},
    logical_expr::ScalarUDF,
};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let all: Vec<Json> = vec![
        json("parse_json", &[Takes::Json], variant, as_it_is),
        json("try_parse_json", &[Takes::Any], variant, parse_or_null),
        json("check_json", &[Takes::Any], text, check),
        json("to_variant", &[Takes::Value], variant, as_it_is).also(&["try_to_variant"]),
        json("json_to_string", &[Takes::Json], text, to_string),
        json("__basalt_json_text", &[Takes::Json], text, to_text),
        json("json_pretty", &[Takes::Json], text, pretty),
        json("jq", &[Takes::Any, Takes::Any], variant, no_jq),
    ];
    all.into_iter().map(Json::udf).collect()
}

fn as_it_is(call: &Call) -> Result<ArrayRef> {
    call.variants(|row| Ok(call.json(0, row).map(|v| v.to_owned())))
}

/// The text of each row, where the column is one of texts.
fn texts(column: &ArrayRef) -> Option<Vec<Option<&str>>> {
    column.as_string_view_opt().map(|texts| texts.iter().collect())
}

fn parse_or_null(call: &Call) -> Result<ArrayRef> {
    let Some(column) = call.other(0) else { return call.variants(|_| Ok(None)) };
    match texts(column) {
        Some(texts) => call.variants(|row| Ok(texts[row].and_then(|text| json_value(text).ok()))),
        None => Ok(Arc::new(super::variant_of(column)?)),
    }
}

/// Nothing where the text is JSON, else what is wrong with it.
fn check(call: &Call) -> Result<ArrayRef> {
    let Some(column) = call.other(0) else { return call.strings(|_| Ok(None::<String>)) };
    match texts(column) {
        Some(texts) => call.strings(|row| {
            let wrong = texts[row].and_then(|text| jsonb::parse_owned_jsonb(text.as_bytes()).err());
            Ok(wrong.map(|error| error.to_string()))
        }),
        None => call.strings(|_| Ok(None::<String>)),
    }
}

fn to_string(call: &Call) -> Result<ArrayRef> {
    call.strings(|row| Ok(call.json(0, row).map(|v| v.to_string())))
}

/// What LIKE and the text functions see: strings without their quotes.
fn to_text(call: &Call) -> Result<ArrayRef> {
    call.strings(|row| call.json(0, row).map_or(Ok(None), plain_text))
}

fn pretty(call: &Call) -> Result<ArrayRef> {
    call.strings(|row| Ok(call.json(0, row).map(|v| v.to_pretty_string())))
}

fn no_jq(_call: &Call) -> Result<ArrayRef> {
    let what = "jq (json_path_query takes JSON paths)".to_owned();
    Err(DataFusionError::External(Box::new(crate::Error::Unsupported { what })))
}
