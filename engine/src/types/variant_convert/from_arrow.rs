//! Any column as VARIANT. Whole numbers are written one way only (unsigned where they can be), so that equal numbers
//! are equal bytes wherever they come from.

use super::damaged;
use crate::{Error, Result, types::Special};
use arrow::{
    array::{Array, AsArray, LargeBinaryArray, LargeBinaryBuilder, StructArray},
    compute,
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, IntervalMonthDayNanoType,
        TimeUnit, TimestampMicrosecondType, UInt64Type,
    },
    util::display::array_value_to_string,
};
use jsonb::{Number, Object, RawJsonb, Value};
use std::borrow::Cow;

const NANOS_PER_MICRO: i64 = 1_000;
/// Digits that fit a decimal of 64 bits.
const SHORT_DECIMAL_DIGITS: u8 = 18;

/// A column of VARIANT with each row's value; NULL stays NULL.
pub(crate) fn from_array(array: &dyn Array) -> Result<LargeBinaryArray> {
    if let Some(variants) = array.as_binary_opt::<i64>() {
        return Ok(variants.clone());
    }
    let plain = plain(array)?;
    let array = plain.as_deref().unwrap_or(array);
    let mut out = LargeBinaryBuilder::with_capacity(array.len(), array.len() * 16);
    let mut bytes = Vec::new();
    for row in 0..array.len() {
        if array.is_null(row) || array.data_type() == &DataType::Null {
            out.append_null();
            continue;
        }
        bytes.clear();
        value(array, row)?.write_to_vec(&mut bytes);
        out.append_value(&bytes);
    }
    Ok(out.finish())
}

/// The column in a layout that `value` reads, where it has another.
fn plain(array: &dyn Array) -> Result<Option<arrow::array::ArrayRef>> {
    let target = match array.data_type() {
        DataType::Dictionary(_, value) => value.as_ref().clone(),
        DataType::Int8 | DataType::Int16 | DataType::Int32 => DataType::Int64,
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => DataType::UInt64,
        DataType::Float16 => DataType::Float32,
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Date64 => DataType::Date32,
        DataType::Timestamp(unit, zone) if *unit != TimeUnit::Microsecond || zone.is_some() => {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::LargeList(item) | DataType::FixedSizeList(item, _) => DataType::List(item.clone()),
        _ => return Ok(None),
    };
    compute::cast(array, &target).map(Some).map_err(|error| Error::Evaluation { message: error.to_string() })
}

/// The JSON of one row.
fn value<'a>(array: &'a dyn Array, row: usize) -> Result<Value<'a>> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    match Special::of(array.data_type()) {
        Some(Special::Variant) => {
            return RawJsonb::new(array.as_binary::<i64>().value(row)).to_value().map_err(|error| damaged(&error));
        }
        Some(Special::TimestampTz) => return Ok(timestamp_tz(array.as_struct(), row)),
        Some(Special::Bitmap) => return bitmap(array.as_struct().column(0).as_binary::<i32>().value(row)),
        Some(Special::Interval) => return interval(array, row),
        Some(Special::Geometry | Special::Geography) => return Err(no_json(array.data_type())),
        Some(Special::Vector(_)) | None => {}
    }
    Ok(match array.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Int64 => integer(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt64 => Value::Number(Number::UInt64(array.as_primitive::<UInt64Type>().value(row))),
        DataType::Float32 => float(f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => decimal(array.as_primitive::<Decimal128Type>().value(row), *scale),
        DataType::Decimal256(_, _) => wide_decimal(array, row)?,
        DataType::Utf8View => Value::String(Cow::Borrowed(array.as_string_view().value(row))),
        DataType::Binary => Value::Binary(array.as_binary::<i32>().value(row)),
        DataType::Date32 => Value::Date(jsonb::Date { value: array.as_primitive::<Date32Type>().value(row) }),
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            let value = array.as_primitive::<TimestampMicrosecondType>().value(row);
            Value::Timestamp(jsonb::Timestamp { value })
        }
        DataType::Time32(_) | DataType::Time64(_) => Value::String(Cow::Owned(shown(array, row)?)),
        DataType::List(_) => items(array.as_list::<i32>().value(row).as_ref())?,
        DataType::Map(_, _) => entries(&array.as_map().value(row))?,
        DataType::Struct(_) => object(array.as_struct(), row)?,
        DataType::FixedSizeList(_, _) => items(array.as_fixed_size_list().value(row).as_ref())?,
        _ => {
            let Some(plain) = plain(&array.slice(row, 1))? else {
                return Err(no_json(array.data_type()));
            };
            owned(value(plain.as_ref(), 0)?)
        }
    })
}

/// The same value with nothing borrowed.
fn owned(value: Value<'_>) -> Value<'static> {
    match value {
        Value::Null => Value::Null,
        Value::Bool(b) => Value::Bool(b),
        Value::String(text) => Value::String(Cow::Owned(text.into_owned())),
        Value::Number(number) => Value::Number(number),
        // Bytes cannot be owned: they become what they look like as text.
        Value::Binary(bytes) => Value::String(Cow::Owned(hex::encode_upper(bytes))),
        Value::Date(date) => Value::Date(date),
        Value::Timestamp(time) => Value::Timestamp(time),
        Value::TimestampTz(time) => Value::TimestampTz(time),
        Value::Interval(interval) => Value::Interval(interval),
        Value::Array(items) => Value::Array(items.into_iter().map(owned).collect()),
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(key, value)| (key, owned(value))).collect()),
    }
}

fn items(items: &dyn Array) -> Result<Value<'static>> {
    (0..items.len()).map(|at| Ok(owned(value(items, at)?))).collect::<Result<Vec<_>>>().map(Value::Array)
}

/// A map's entries: keys that are no text become what they look like.
fn entries(entries: &StructArray) -> Result<Value<'static>> {
    let (keys, values) = (entries.column(0), entries.column(1));
    let mut object = Object::new();
    for at in 0..entries.len() {
        object.insert(shown(keys, at)?, owned(value(values, at)?));
    }
    Ok(Value::Object(object))
}

fn object(tuple: &StructArray, row: usize) -> Result<Value<'_>> {
    let mut object = Object::new();
    for (field, column) in tuple.fields().iter().zip(tuple.columns()) {
        object.insert(field.name().clone(), value(column, row)?);
    }
    Ok(Value::Object(object))
}

fn integer(value: i64) -> Value<'static> {
    Value::Number(u64::try_from(value).map_or(Number::Int64(value), Number::UInt64))
}

fn float(value: f64) -> Value<'static> {
    Value::Number(Number::Float64(value))
}

fn decimal(value: i128, scale: i8) -> Value<'static> {
    let Ok(scale) = u8::try_from(scale) else {
        return float(value as f64 * 10f64.powi(i32::from(scale).abs()));
    };
    let short = i64::try_from(value).ok().filter(|v| v.unsigned_abs() < 10u64.pow(u32::from(SHORT_DECIMAL_DIGITS)));
    Value::Number(match short {
        Some(value) if scale == 0 => return integer(value),
        Some(value) if scale <= SHORT_DECIMAL_DIGITS => Number::Decimal64(jsonb::Decimal64 { scale, value }),
        _ => Number::Decimal128(jsonb::Decimal128 { scale, value }),
    })
}

/// A decimal of more than 38 digits, by way of its text.
fn wide_decimal(array: &dyn Array, row: usize) -> Result<Value<'static>> {
    let text = shown(array, row)?;
    jsonb::parse_value(text.as_bytes()).map(owned).map_err(|error| damaged(&error))
}

fn timestamp_tz(array: &StructArray, row: usize) -> Value<'static> {
    let value = array.column(0).as_primitive::<TimestampMicrosecondType>().value(row);
    let offset = array.column(1).as_primitive::<Int32Type>().value(row);
    Value::TimestampTz(jsonb::TimestampTz { offset, value })
}

fn interval(array: &dyn Array, row: usize) -> Result<Value<'static>> {
    let Some(array) = array.as_primitive_opt::<IntervalMonthDayNanoType>() else {
        return Err(no_json(array.data_type()));
    };
    let value = array.value(row);
    let micros = value.nanoseconds / NANOS_PER_MICRO;
    Ok(Value::Interval(jsonb::Interval { months: value.months, days: value.days, micros }))
}

/// The numbers of a bitmap.
fn bitmap(bytes: &[u8]) -> Result<Value<'static>> {
    let bits = roaring::RoaringTreemap::deserialize_from(bytes)
        .map_err(|error| Error::Evaluation { message: format!("a BITMAP value is damaged: {error}") })?;
    Ok(Value::Array(bits.iter().map(|n| Value::Number(Number::UInt64(n))).collect()))
}

fn shown(array: &dyn Array, row: usize) -> Result<String> {
    array_value_to_string(array, row).map_err(|error| Error::Evaluation { message: error.to_string() })
}

fn no_json(data_type: &DataType) -> Error {
    Error::Unsupported { what: format!("VARIANT of type {}", crate::plan::sql_type(data_type)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Decimal128Array, Int64Array, ListArray, StringViewArray};
    use std::sync::Arc;

    fn texts(array: &dyn Array) -> Vec<String> {
        from_array(array).unwrap().iter().map(|v| v.map_or("-".into(), |v| RawJsonb::new(v).to_string())).collect()
    }

    #[test]
    fn values_keep_their_meaning() {
        assert_eq!(texts(&Int64Array::from(vec![Some(1), None, Some(-7)])), ["1", "-", "-7"]);
        assert_eq!(texts(&StringViewArray::from(vec!["a\"b", ""])), ["\"a\\\"b\"", "\"\""]);
        let decimals = Decimal128Array::from(vec![150, -5]).with_precision_and_scale(10, 2).unwrap();
        assert_eq!(texts(&decimals), ["1.5", "-0.05"]);
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), None]);
        assert_eq!(texts(&lists), ["[1,null]", "-"]);
        let fields: Vec<(&str, ArrayRef)> = vec![("a", Arc::new(Int64Array::from(vec![1])))];
        assert_eq!(texts(&StructArray::try_from(fields).unwrap()), ["{\"a\":1}"]);
    }

    #[test]
    fn whole_numbers_are_equal_bytes() {
        let parsed = jsonb::parse_owned_jsonb(b"7").unwrap();
        assert_eq!(from_array(&Int64Array::from(vec![7])).unwrap().value(0), parsed.as_ref());
    }
}
