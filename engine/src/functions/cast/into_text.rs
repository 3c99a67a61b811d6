//! Any value as text: what a client is shown of it.

use super::{CastRules, native};
use crate::functions::zone::to_wall;
use crate::types::{self, Special, bitmap, geometry, interval, timestamp_tz, variant};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, StringBuilder, StringViewArray},
        datatypes::{
            DataType, Date32Type, Float32Type, Float64Type, IntervalMonthDayNanoType, TimeUnit,
            TimestampMicrosecondType,
        },
    },
    common::Result,
};
use std::{fmt::Write, sync::Arc};

pub(super) fn cast(values: &ArrayRef, to: &DataType, rules: CastRules) -> Result<ArrayRef> {
    let texts = match texts(values, rules)? {
        Some(texts) => texts,
        None => return native(values, to, rules),
    };
    let mut builder = StringBuilder::with_capacity(texts.len(), texts.len() * 8);
    texts.iter().for_each(|text| builder.append_option(text.as_deref()));
    let texts: ArrayRef = Arc::new(builder.finish());
    native(&texts, to, rules)
}

/// The texts of values whose texts Arrow does not write as we do.
fn texts(values: &ArrayRef, rules: CastRules) -> Result<Option<Vec<Option<String>>>> {
    let rows = 0..values.len();
    let each = |text: &dyn Fn(usize) -> String| -> Vec<Option<String>> {
        rows.clone().map(|row| values.is_valid(row).then(|| text(row))).collect()
    };
    if let Some(special) = Special::of(values.data_type()) {
        let bytes = types::to_bytes(values);
        let value = |row: usize| bytes.as_ref().map_or(&[][..], |bytes| bytes.value(row));
        return Ok(Some(match special {
            Special::Variant => each(&|row| variant::to_text(values.as_binary::<i64>().value(row))),
            Special::Bitmap => {
                each(&|row| bitmap::from_bytes(value(row)).map_or(String::new(), |b| bitmap::format(&b)))
            }
            Special::Geometry | Special::Geography => each(&|row| geometry::format_ewkt(value(row))),
            Special::TimestampTz => {
                let times = timestamp_tz::values(values).unwrap_or_default();
                times.into_iter().map(|time| time.map(timestamp_tz::format)).collect()
            }
            Special::Interval => {
                each(&|row| interval::format(&values.as_primitive::<IntervalMonthDayNanoType>().value(row)))
            }
            Special::Vector(_) => return nested(values, rules).map(Some),
        }));
    }
    Ok(Some(match values.data_type() {
        DataType::Timestamp(_, None) => {
            let micros = native(values, &DataType::Timestamp(TimeUnit::Microsecond, None), rules)?;
            let wall = to_wall(&micros, rules.zone)?;
            let wall = wall.as_primitive::<TimestampMicrosecondType>();
            each(&|row| match chrono::DateTime::from_timestamp_micros(wall.value(row)) {
                Some(time) => time.format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
                None => wall.value(row).to_string(),
            })
        }
        DataType::Date32 => {
            let days = values.as_primitive::<Date32Type>();
            each(&|row| days.value_as_date(row).map_or(String::new(), |date| date.format("%Y-%m-%d").to_string()))
        }
        DataType::Float64 => each(&|row| float(values.as_primitive::<Float64Type>().value(row))),
        DataType::Float32 => {
            let floats = values.as_primitive::<Float32Type>();
            each(&|row| {
                let value = floats.value(row);
                if value.is_finite() { digits(ryu::Buffer::new().format_finite(value)) } else { float(value.into()) }
            })
        }
        nesting if nesting.is_nested() => nested(values, rules)?,
        _ => return Ok(None),
    }))
}

fn float(value: f64) -> String {
    if value.is_finite() {
        return digits(ryu::Buffer::new().format_finite(value));
    }
    let text = if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    text.to_owned()
}

/// The sign of a positive exponent is written.
fn digits(text: &str) -> String {
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text.to_owned(),
    }
}

/// `[1,NULL]`, `{"k":1}`, `(1,"x")`.
fn nested(values: &ArrayRef, rules: CastRules) -> Result<Vec<Option<String>>> {
    let mut out = Vec::with_capacity(values.len());
    match values.data_type() {
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
            for row in 0..values.len() {
                if values.is_null(row) {
                    out.push(None);
                    continue;
                }
                let items = match values.data_type() {
                    DataType::List(_) => values.as_list::<i32>().value(row),
                    DataType::LargeList(_) => values.as_list::<i64>().value(row),
                    _ => values.as_fixed_size_list().value(row),
                };
                let vector = matches!(Special::of(values.data_type()), Some(Special::Vector(_)));
                out.push(Some(format!("[{}]", inner(&items, rules, vector)?.join(","))));
            }
        }
        DataType::Map(..) => {
            let map = values.as_map();
            for row in 0..map.len() {
                if map.is_null(row) {
                    out.push(None);
                    continue;
                }
                let entries = map.value(row);
                let (keys, items) = (inner(entries.column(0), rules, false)?, inner(entries.column(1), rules, false)?);
                let pairs: Vec<String> = keys.iter().zip(&items).map(|(key, item)| format!("{key}:{item}")).collect();
                out.push(Some(format!("{{{}}}", pairs.join(","))));
            }
        }
        _ => {
            let tuple = values.as_struct();
            let columns = tuple.columns().iter().map(|c| inner(c, rules, false)).collect::<Result<Vec<_>>>()?;
            for row in 0..tuple.len() {
                let fields: Vec<&str> = columns.iter().map(|column| column[row].as_str()).collect();
                out.push(tuple.is_valid(row).then(|| format!("({})", fields.join(","))));
            }
        }
    }
    Ok(out)
}

/// The texts of values inside another one: strings and times in quotes, NULL as a bare word.
fn inner(values: &ArrayRef, rules: CastRules, whole_numbers: bool) -> Result<Vec<String>> {
    let quoted = values.data_type().is_string()
        || values.data_type().is_temporal()
        || matches!(Special::of(values.data_type()), Some(Special::TimestampTz | Special::Bitmap));
    let texts = cast(values, &DataType::Utf8View, rules)?;
    let texts: &StringViewArray = texts.as_string_view();
    let text = |text: Option<&str>| match text {
        None => "NULL".to_owned(),
        Some(text) if quoted => {
            let mut out = String::with_capacity(text.len() + 2);
            let _ = write!(out, "\"{}\"", text.replace('"', "\\\""));
            out
        }
        Some(text) if whole_numbers => text.strip_suffix(".0").unwrap_or(text).to_owned(),
        Some(text) => text.to_owned(),
    };
    Ok(texts.iter().map(text).collect())
}
