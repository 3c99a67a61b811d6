//! What a VARIANT holds: `json_typeof`, `is_…`, and `as_…`, which answers NULL for every other kind of value.

use super::{
    Json, Takes, boolean,
    call::{Call, damaged, evaluation, shown},
    float, integer, json, text, variant,
};
use datafusion::{
    arrow::{
        array::{
            ArrayRef, BinaryArray, Date32Array, Float64Array, IntervalMonthDayNanoArray, TimestampMicrosecondArray,
        },
        compute,
        datatypes::{DataType, FieldRef, IntervalMonthDayNano, IntervalUnit, TimeUnit},
    },
    common::{Result, ScalarValue},
    logical_expr::ScalarUDF,
};
use jsonb::{Number, RawJsonb};
use std::sync::Arc;

const NANOS_PER_MICRO: i64 = 1_000;
/// What the crate answers.
type Read<T> = std::result::Result<T, jsonb::Error>;
/// The type of `as_decimal`.
const DECIMAL: DataType = DataType::Decimal128(38, 0);

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    const JSON: &[Takes] = &[Takes::Any];
    let all: Vec<Json> = vec![
        json("json_typeof", &[Takes::Json], text, kind).also(&["jsonb_typeof"]),
        json("is_null_value", JSON, boolean, |c| is(c, |v| v.is_null())),
        json("is_boolean", JSON, boolean, |c| is(c, |v| v.is_boolean())),
        json("is_integer", JSON, boolean, |c| is(c, |v| v.as_number().map(|n| n.is_some_and(|n| is_whole(&n))))),
        json("is_float", JSON, boolean, |c| is(c, |v| v.is_f64())),
        json("is_decimal", JSON, boolean, |c| is(c, |v| v.as_number().map(|n| n.is_some_and(|n| is_exact(&n))))),
        json("is_string", JSON, boolean, |c| is(c, |v| v.is_string())),
        json("is_array", JSON, boolean, |c| is(c, |v| v.is_array())),
        json("is_object", JSON, boolean, |c| is(c, |v| v.is_object())),
        json("is_binary", JSON, boolean, |c| is(c, |v| v.is_binary())),
        json("is_date", JSON, boolean, |c| is(c, |v| v.is_date())),
        json("is_timestamp", JSON, boolean, |c| is(c, |v| v.is_timestamp())),
        json("is_timestamp_tz", JSON, boolean, |c| is(c, |v| v.is_timestamp_tz())),
        json("is_interval", JSON, boolean, |c| is(c, |v| v.is_interval())),
        json("as_boolean", JSON, boolean, |c| c.booleans(|row| read(c, row, |v| v.as_bool()))),
        json("as_integer", JSON, integer, |c| c.integers(|row| read(c, row, |v| v.as_i64()))),
        json("as_float", JSON, float, |c| Ok(Arc::new(Float64Array::from(column(c, |v| v.as_f64())?)))),
        json("__basalt_json_number", &[Takes::Json], float, number),
        json("as_decimal", JSON, |_| DECIMAL, decimal),
        json("as_string", JSON, text, |c| {
            c.strings(|row| read(c, row, |v| v.as_str().map(|text| text.map(|t| t.into_owned()))))
        }),
        json("as_array", JSON, variant, |c| keep(c, |v| v.is_array())),
        json("as_object", JSON, variant, |c| keep(c, |v| v.is_object())),
        json("as_binary", JSON, binary, |c| {
            let values = column(c, |v| v.as_binary())?;
            Ok(Arc::new(BinaryArray::from_iter(values)))
        }),
        json("as_date", JSON, date, |c| {
            Ok(Arc::new(Date32Array::from(column(c, |v| v.as_date().map(|d| d.map(|d| d.value)))?)))
        }),
        json("as_timestamp", JSON, timestamp, |c| {
            let values = column(c, |v| v.as_timestamp().map(|t| t.map(|t| t.value)))?;
            Ok(Arc::new(TimestampMicrosecondArray::from(values)))
        }),
        json("as_interval", JSON, interval, |c| {
            let values = column(c, |v| v.as_interval())?.into_iter().map(|i| {
                i.map(|i| IntervalMonthDayNano::new(i.months, i.days, i.micros.saturating_mul(NANOS_PER_MICRO)))
            });
            Ok(Arc::new(IntervalMonthDayNanoArray::from_iter(values)))
        }),
    ];
    all.into_iter().map(Json::udf).collect()
}

fn binary(_: &[FieldRef]) -> DataType {
    DataType::Binary
}

fn date(_: &[FieldRef]) -> DataType {
    DataType::Date32
}

fn timestamp(_: &[FieldRef]) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

fn interval(_: &[FieldRef]) -> DataType {
    DataType::Interval(IntervalUnit::MonthDayNano)
}

fn is_whole(number: &Number) -> bool {
    matches!(number, Number::Int64(_) | Number::UInt64(_))
}

fn is_exact(number: &Number) -> bool {
    !matches!(number, Number::Float64(_))
}

fn kind(call: &Call) -> Result<ArrayRef> {
    call.strings(|row| call.json(0, row).map(|v| v.type_of().map_err(damaged)).transpose())
}

/// The VARIANT of a row; values of other types are of no kind.
fn held<'a>(call: &'a Call<'_>, row: usize) -> Option<RawJsonb<'a>> {
    use datafusion::arrow::array::{Array, AsArray};
    let variants = call.other(0)?.as_binary_opt::<i64>()?;
    variants.is_valid(row).then(|| RawJsonb::new(variants.value(row)))
}

fn is(call: &Call, test: impl Fn(RawJsonb<'_>) -> Read<bool>) -> Result<ArrayRef> {
    use datafusion::arrow::array::{Array, AsArray};
    // A text is looked at as the JSON it holds.
    let parsed = match call.other(0) {
        Some(column) if column.as_string_view_opt().is_some() => Some(super::variant_of(column)?),
        _ => None,
    };
    call.booleans(|row| {
        let value = match &parsed {
            Some(parsed) => parsed.is_valid(row).then(|| RawJsonb::new(parsed.value(row))),
            None => held(call, row),
        };
        value.map(|v| test(v).map_err(damaged)).transpose()
    })
}

fn read<'a, T>(call: &'a Call<'_>, row: usize, read: impl Fn(RawJsonb<'a>) -> Read<Option<T>>) -> Result<Option<T>> {
    held(call, row).map_or(Ok(None), |v| read(v).map_err(damaged))
}

fn column<'a, T>(call: &'a Call<'_>, take: impl Fn(RawJsonb<'a>) -> Read<Option<T>>) -> Result<Vec<Option<T>>> {
    (0..call.rows).map(|row| read(call, row, &take)).collect()
}

fn keep(call: &Call, test: impl Fn(RawJsonb<'_>) -> Read<bool>) -> Result<ArrayRef> {
    call.variants(|row| {
        let Some(value) = held(call, row) else { return Ok(None) };
        Ok(test(value).map_err(damaged)?.then(|| value.to_owned()))
    })
}

/// What arithmetic takes a VARIANT for: its number, or the number that its text is.
fn number(call: &Call) -> Result<ArrayRef> {
    let values = (0..call.rows).map(|row| {
        let Some(value) = call.json(0, row) else { return Ok(None) };
        if value.is_null().map_err(damaged)? {
            return Ok(None);
        }
        let wrong = || evaluation(format!("`{}` is no number", shown(&value.to_string())));
        value.to_f64().map(Some).map_err(|_| wrong())
    });
    Ok(Arc::new(Float64Array::from(values.collect::<Result<Vec<_>>>()?)))
}

/// Numbers as DECIMAL(38, 0).
fn decimal(call: &Call) -> Result<ArrayRef> {
    let values = column(call, |v| v.as_number())?;
    let texts = values.iter().map(|number| ScalarValue::Utf8(number.as_ref().map(ToString::to_string)));
    Ok(compute::cast(&ScalarValue::iter_to_array(texts)?, &DECIMAL)?)
}
