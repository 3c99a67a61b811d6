//! VARIANT as another type: strings without their quotes, JSON null as NULL, everything else by its text.

use super::{CastRules, cast_array, external, impossible, nested_text};
use crate::types::{Special, variant};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, StringViewBuilder},
        datatypes::DataType,
    },
    common::Result,
};
use jsonb::RawJsonb;
use std::sync::Arc;

pub(super) fn cast(values: &ArrayRef, to: &DataType, rules: CastRules) -> Result<ArrayRef> {
    let keeps_quotes = to.is_nested() && Special::of(to).is_none();
    let mut builder = StringViewBuilder::with_capacity(values.len());
    for value in values.as_binary::<i64>() {
        let Some(bytes) = value else {
            builder.append_null();
            continue;
        };
        let raw = RawJsonb::new(bytes);
        let damaged = |error: jsonb::Error| {
            external(crate::Error::Evaluation { message: format!("a VARIANT is damaged: {error}") })
        };
        if raw.is_null().map_err(damaged)? {
            builder.append_null();
        } else if keeps_quotes {
            builder.append_value(variant::to_text(bytes));
        } else {
            match raw.as_str().map_err(damaged)? {
                Some(text) => builder.append_value(text),
                None => builder.append_value(unquoted(variant::to_text(bytes))),
            }
        }
    }
    let texts: ArrayRef = Arc::new(builder.finish());
    if keeps_quotes {
        return nested_text::read(&texts, to, rules);
    }
    match Special::of(to) {
        Some(Special::Variant) => impossible(values.data_type(), to),
        _ if to.is_integer() => whole_numbers(&texts, to, rules),
        _ => cast_array(&texts, to, rules),
    }
}

/// Dates and times in JSONB are shown in quotes.
fn unquoted(text: String) -> String {
    match text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        Some(inner) => inner.to_owned(),
        None => text,
    }
}

/// JSON numbers may have a fraction, booleans count as one and zero.
fn whole_numbers(texts: &ArrayRef, to: &DataType, rules: CastRules) -> Result<ArrayRef> {
    let mut builder = StringViewBuilder::with_capacity(texts.len());
    for text in texts.as_string_view() {
        let Some(text) = text else {
            builder.append_null();
            continue;
        };
        match text {
            "true" => builder.append_value("1"),
            "false" => builder.append_value("0"),
            _ if text.bytes().any(|b| matches!(b, b'.' | b'e' | b'E')) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() && number.abs() < 1e19 => {
                    builder.append_value(format!("{:.0}", number.round()));
                }
                _ => builder.append_value(text),
            },
            _ => builder.append_value(text),
        }
    }
    let texts: ArrayRef = Arc::new(builder.finish());
    super::native(&texts, to, rules)
}
