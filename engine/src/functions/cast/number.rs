//! Numbers: fractions rounded to whole ones, whole ones as instants, sets, intervals.

use super::{CastRules, cannot, impossible, native, texts::settle};
use crate::types::{self, Special, bitmap, interval, not_a};
use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, AsArray, BinaryBuilder, Float64Array, Int64Array, IntervalMonthDayNanoBuilder, UInt64Array,
        },
        compute::{CastOptions, cast_with_options},
        datatypes::{DataType, Decimal128Type, Decimal256Type, Float64Type, Int64Type, UInt64Type},
    },
    common::Result,
};
use roaring::RoaringTreemap;
use std::sync::Arc;

/// Below this, a number of an instant counts seconds; below its thousandfold, milliseconds.
const SECONDS_BELOW: i64 = 31_536_000_000;

/// Fractions as whole numbers, rounded half away from zero.
pub(super) fn round(values: &ArrayRef, to: &DataType, rules: CastRules) -> Result<ArrayRef> {
    let rounded: ArrayRef = match values.data_type() {
        DataType::Decimal128(precision, scale) if *scale > 0 => {
            let divisor = 10i128.pow(u32::from(scale.unsigned_abs()));
            let half = divisor / 2;
            let whole = values.as_primitive::<Decimal128Type>().unary::<_, Decimal128Type>(|v| {
                let (quotient, rest) = (v / divisor, v % divisor);
                if rest.abs() >= half { quotient + v.signum() } else { quotient }
            });
            let precision = (precision - scale.unsigned_abs()).clamp(1, 37) + 1;
            Arc::new(whole.with_precision_and_scale(precision, 0)?)
        }
        DataType::Decimal256(precision, scale) if *scale > 0 => {
            // Arrow rounds when a scale shrinks.
            let whole = DataType::Decimal256((precision - scale.unsigned_abs()).clamp(1, 75) + 1, 0);
            let options = CastOptions { safe: true, ..CastOptions::default() };
            let _ = values.as_primitive::<Decimal256Type>();
            cast_with_options(values, &whole, &options)?
        }
        from if from.is_floating() => {
            let floats = native(values, &DataType::Float64, rules)?;
            let rounded: Float64Array = floats.as_primitive::<Float64Type>().unary(f64::round);
            Arc::new(rounded)
        }
        _ => Arc::clone(values),
    };
    match native(&rounded, to, rules) {
        Ok(array) => Ok(array),
        // The value as it was, not as it was rounded.
        Err(error) => {
            let safe = native(&rounded, to, rules.or_null())?;
            match (0..safe.len()).find(|row| safe.is_null(*row) && values.is_valid(*row)) {
                Some(row) => Err(cannot(&super::text_of(values, row), to)),
                None => Err(error),
            }
        }
    }
}

/// Whole numbers as microseconds since 1970: they count seconds, milliseconds or microseconds by their size.
pub(super) fn into_micros(values: &ArrayRef, rules: CastRules) -> Result<ArrayRef> {
    let counts = native(values, &DataType::Int64, rules)?;
    let micros: Int64Array = counts.as_primitive::<Int64Type>().unary(|count: i64| {
        if count.unsigned_abs() < SECONDS_BELOW as u64 {
            count * 1_000_000
        } else if count.unsigned_abs() < SECONDS_BELOW as u64 * 1000 {
            count * 1000
        } else {
            count
        }
    });
    let micros: ArrayRef = Arc::new(micros);
    native(&micros, &DataType::Timestamp(datafusion::arrow::datatypes::TimeUnit::Microsecond, None), rules)
}

/// A whole number as the set of itself, or as an interval of microseconds.
pub(super) fn into_special(values: &ArrayRef, special: Special, rules: CastRules) -> Result<ArrayRef> {
    match special {
        Special::Bitmap => {
            let numbers = native(values, &DataType::UInt64, rules)?;
            let numbers: &UInt64Array = numbers.as_primitive::<UInt64Type>();
            let mut builder = BinaryBuilder::new();
            for number in numbers {
                builder.append_option(number.map(|n| bitmap::to_bytes(&RoaringTreemap::from_iter([n]))));
            }
            Ok(types::from_bytes(special, builder.finish()))
        }
        Special::Interval => {
            let micros = native(values, &DataType::Int64, rules)?;
            let mut builder = IntervalMonthDayNanoBuilder::with_capacity(values.len());
            for micros in micros.as_primitive::<Int64Type>() {
                let read = |m: i64| interval::of_micros(m).ok_or_else(|| not_a("INTERVAL", &m.to_string()));
                builder.append_option(micros.map(|m| settle(read(m), rules)).transpose()?.flatten());
            }
            Ok(Arc::new(builder.finish()))
        }
        Special::TimestampTz => {
            let instants = into_micros(values, rules)?;
            super::into_timestamp_tz(&instants, rules)
        }
        _ => impossible(values.data_type(), &special.arrow()),
    }
}
