//! Texts and bytes as the types that Arrow does not have.

use super::{CastRules, external, impossible};
use crate::{
    Result as OwnResult,
    types::{self, Special, bitmap, geometry, interval, timestamp_tz, variant, vector},
};
use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, FixedSizeListArray, Float32Array,
            IntervalMonthDayNanoBuilder, LargeBinaryBuilder,
        },
        buffer::NullBuffer,
        compute::cast,
        datatypes::DataType,
    },
    common::Result,
};
use std::sync::Arc;

/// The value, NULL, or the error, as the rules say.
pub(super) fn settle<T>(result: OwnResult<T>, rules: CastRules) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(_) if rules.or_null => Ok(None),
        Err(error) => Err(external(error)),
    }
}

/// Texts as a special type.
pub(super) fn read(values: &ArrayRef, to: &DataType, rules: CastRules) -> Result<ArrayRef> {
    let texts = cast(values, &DataType::Utf8View)?;
    let texts = texts.as_string_view();
    let Some(special) = Special::of(to) else { return impossible(values.data_type(), to) };
    match special {
        Special::Variant => {
            let mut builder = LargeBinaryBuilder::new();
            for text in texts {
                let jsonb = text.map(|text| settle(variant::from_text(text), rules)).transpose()?.flatten();
                builder.append_option(jsonb);
            }
            Ok(Arc::new(builder.finish()))
        }
        Special::Bitmap | Special::Geometry | Special::Geography => {
            let mut builder = BinaryBuilder::new();
            for text in texts {
                let read = |text: &str| match special {
                    Special::Bitmap => bitmap::parse(text).map(|bitmap| bitmap::to_bytes(&bitmap)),
                    shape => geometry::parse(text, shape),
                };
                builder.append_option(text.map(|text| settle(read(text), rules)).transpose()?.flatten());
            }
            Ok(types::from_bytes(special, builder.finish()))
        }
        Special::TimestampTz => {
            let read = |text: Option<&str>| match text {
                Some(text) => settle(timestamp_tz::parse(text, rules.zone), rules),
                None => Ok(None),
            };
            Ok(timestamp_tz::array(texts.iter().map(read).collect::<Result<Vec<_>>>()?))
        }
        Special::Interval => {
            let mut builder = IntervalMonthDayNanoBuilder::with_capacity(texts.len());
            for text in texts {
                builder.append_option(text.map(|text| settle(interval::parse(text), rules)).transpose()?.flatten());
            }
            Ok(Arc::new(builder.finish()))
        }
        Special::Vector(length) => {
            let mut rows = Vec::with_capacity(texts.len());
            for text in texts {
                let read = |text| settle(vector::parse(text, Some(length)), rules);
                rows.push(text.map(read).transpose()?.flatten());
            }
            vectors(rows, length, to)
        }
    }
}

/// A column of vectors; all have `length` numbers.
pub(super) fn vectors(rows: Vec<Option<Vec<f32>>>, length: usize, to: &DataType) -> Result<ArrayRef> {
    let DataType::FixedSizeList(item, size) = to else { return impossible(&DataType::Float32, to) };
    let mut numbers = Vec::with_capacity(rows.len() * length);
    for row in &rows {
        match row {
            Some(row) => numbers.extend_from_slice(row),
            None => numbers.resize(numbers.len() + length, 0.0),
        }
    }
    let valid: Vec<bool> = rows.iter().map(Option::is_some).collect();
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
    let numbers = Arc::new(Float32Array::from(numbers));
    Ok(Arc::new(FixedSizeListArray::try_new(Arc::clone(item), *size, numbers, nulls)?))
}

/// Bytes as a shape or a bitmap, looked through first.
pub(super) fn from_binary(values: &ArrayRef, special: Special, rules: CastRules) -> Result<ArrayRef> {
    if !matches!(special, Special::Bitmap | Special::Geometry | Special::Geography) {
        return impossible(values.data_type(), &special.arrow());
    }
    let bytes = cast(values, &DataType::Binary)?;
    let mut builder = BinaryBuilder::new();
    for value in bytes.as_binary::<i32>() {
        let checked = |bytes: &[u8]| match special {
            Special::Bitmap => bitmap::from_bytes(bytes).map(|bitmap| bitmap::to_bytes(&bitmap)),
            shape => geometry::from_wkb(bytes, shape),
        };
        builder.append_option(value.map(|value| settle(checked(value), rules)).transpose()?.flatten());
    }
    Ok(types::from_bytes(special, builder.finish()))
}

/// The bytes of a shape or a bitmap.
pub(super) fn into_binary(values: &ArrayRef, special: Special, to: &DataType, rules: CastRules) -> Result<ArrayRef> {
    match types::to_bytes(values) {
        Some(bytes) if matches!(special, Special::Bitmap | Special::Geometry | Special::Geography) => {
            let bytes: ArrayRef = Arc::new(BinaryArray::from(bytes));
            super::native(&bytes, to, rules)
        }
        _ => impossible(values.data_type(), to),
    }
}
