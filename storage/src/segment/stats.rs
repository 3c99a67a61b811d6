//! What is known of a segment's columns: bounds, nulls, and a cheap estimate of how many values differ.
//!
//! Bounds order as Arrow orders: numbers by value, floats in total order, strings and binaries bytewise. A column of
//! floats with NaN has no bounds: no comparison in SQL agrees with one. Nested types have null counts only.

use crate::Result;
use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray},
    compute::{max, max_boolean, min, min_boolean},
    datatypes::*,
    error::ArrowError,
};
use basalt_meta::{ColumnId, ColumnStats, StatValue};
use parquet::file::statistics::Statistics;

/// Longer string and binary bounds are truncated.
pub(crate) const BOUND_BYTES_MAX: usize = 64;

/// Collects the statistics of one column over consecutive arrays.
#[derive(Debug, Default)]
pub(crate) struct StatsBuilder {
    bounds: Option<Bounds>,
    nulls: u64,
    /// Bounds cannot be told (NaN).
    unknown: bool,
    /// Bounds are not values that occur.
    inexact: bool,
}

#[derive(Debug, Clone)]
struct Bounds {
    min: StatValue,
    max: StatValue,
}

impl StatsBuilder {
    pub(crate) fn add_nulls(&mut self, array: &ArrayRef) {
        self.nulls += array.logical_null_count() as u64;
    }

    /// Bounds that the encoder found already: comparing all strings once more would cost as much as encoding them.
    pub(crate) fn add_text_bounds(&mut self, data_type: &DataType, found: &Statistics) {
        let (Some(min), Some(max)) = (found.min_bytes_opt(), found.max_bytes_opt()) else { return };
        let bounds = match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(|text| StatValue::Utf8(text.to_string()));
                text(min).and_then(|min| text(max).map(|max| Bounds { min, max })).ok()
            }
            _ => Some(Bounds { min: StatValue::Binary(min.to_vec()), max: StatValue::Binary(max.to_vec()) }),
        };
        self.inexact |= !found.min_is_exact() || !found.max_is_exact();
        match bounds {
            Some(bounds) => self.widen(bounds),
            None => self.unknown = true,
        }
    }

    pub(crate) fn add(&mut self, array: &ArrayRef) -> Result<()> {
        self.add_nulls(array);
        match bounds_of(array)? {
            Found::Bounds(bounds) => self.widen(bounds),
            Found::Nothing => {}
            Found::Unknown => self.unknown = true,
        }
        Ok(())
    }

    fn widen(&mut self, more: Bounds) {
        let Some(bounds) = &mut self.bounds else {
            self.bounds = Some(more);
            return;
        };
        if less(&more.min, &bounds.min) {
            bounds.min = more.min;
        }
        if less(&bounds.max, &more.max) {
            bounds.max = more.max;
        }
    }

    pub(crate) fn finish(self, column: ColumnId) -> ColumnStats {
        let known = self.bounds.filter(|_| !self.unknown);
        let Some(Bounds { min, max }) = known else {
            return ColumnStats {
                column,
                min: None,
                max: None,
                nulls: self.nulls,
                distinct: None,
                exact: !self.unknown,
            };
        };
        let (min, min_exact) = truncate_down(min);
        let (max, max_exact) = truncate_up(max);
        ColumnStats {
            column,
            min: Some(min),
            max,
            nulls: self.nulls,
            distinct: None,
            exact: min_exact && max_exact && !self.inexact,
        }
    }
}

/// Whether the bounds of such a column are those of its encoded bytes.
pub(crate) fn has_text_bounds(data_type: &DataType) -> bool {
    use DataType::*;
    matches!(data_type, Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView)
}

/// What one array says about bounds.
enum Found {
    Bounds(Bounds),
    /// No values, or none that have bounds.
    Nothing,
    Unknown,
}

impl Found {
    fn from(min: Option<StatValue>, max: Option<StatValue>) -> Self {
        match (min, max) {
            (Some(min), Some(max)) => Self::Bounds(Bounds { min, max }),
            _ => Self::Nothing,
        }
    }
}

fn bounds_of(array: &ArrayRef) -> Result<Found> {
    use DataType::*;
    let array: &dyn Array = array;
    Ok(match array.data_type() {
        Boolean => of_booleans(array.as_boolean()),
        Int8 => of::<Int8Type>(array, |v| StatValue::Int(v.into())),
        Int16 => of::<Int16Type>(array, |v| StatValue::Int(v.into())),
        Int32 => of::<Int32Type>(array, |v| StatValue::Int(v.into())),
        Int64 => of::<Int64Type>(array, StatValue::Int),
        UInt8 => of::<UInt8Type>(array, |v| StatValue::UInt(v.into())),
        UInt16 => of::<UInt16Type>(array, |v| StatValue::UInt(v.into())),
        UInt32 => of::<UInt32Type>(array, |v| StatValue::UInt(v.into())),
        UInt64 => of::<UInt64Type>(array, StatValue::UInt),
        Float16 => of_floats::<Float16Type>(array, |v| v.to_f64()),
        Float32 => of_floats::<Float32Type>(array, f64::from),
        Float64 => of_floats::<Float64Type>(array, |v| v),
        Date32 => of::<Date32Type>(array, |v| StatValue::Int(v.into())),
        Date64 => of::<Date64Type>(array, StatValue::Int),
        Time32(TimeUnit::Second) => of::<Time32SecondType>(array, |v| StatValue::Int(v.into())),
        Time32(_) => of::<Time32MillisecondType>(array, |v| StatValue::Int(v.into())),
        Time64(TimeUnit::Nanosecond) => of::<Time64NanosecondType>(array, StatValue::Int),
        Time64(_) => of::<Time64MicrosecondType>(array, StatValue::Int),
        Timestamp(TimeUnit::Second, _) => of::<TimestampSecondType>(array, StatValue::Int),
        Timestamp(TimeUnit::Millisecond, _) => of::<TimestampMillisecondType>(array, StatValue::Int),
        Timestamp(TimeUnit::Microsecond, _) => of::<TimestampMicrosecondType>(array, StatValue::Int),
        Timestamp(TimeUnit::Nanosecond, _) => of::<TimestampNanosecondType>(array, StatValue::Int),
        Duration(TimeUnit::Second) => of::<DurationSecondType>(array, StatValue::Int),
        Duration(TimeUnit::Millisecond) => of::<DurationMillisecondType>(array, StatValue::Int),
        Duration(TimeUnit::Microsecond) => of::<DurationMicrosecondType>(array, StatValue::Int),
        Duration(TimeUnit::Nanosecond) => of::<DurationNanosecondType>(array, StatValue::Int),
        Decimal32(_, _) => of::<Decimal32Type>(array, |v| StatValue::Decimal128(v.into())),
        Decimal64(_, _) => of::<Decimal64Type>(array, |v| StatValue::Decimal128(v.into())),
        Decimal128(_, _) => of::<Decimal128Type>(array, StatValue::Decimal128),
        Decimal256(_, _) => of::<Decimal256Type>(array, |v| StatValue::Decimal256(v.to_le_bytes())),
        Utf8 => of_strings(array.as_string::<i32>().iter()),
        LargeUtf8 => of_strings(array.as_string::<i64>().iter()),
        Utf8View => of_strings(array.as_string_view().iter()),
        Binary => of_binaries(array.as_binary::<i32>().iter()),
        LargeBinary => of_binaries(array.as_binary::<i64>().iter()),
        BinaryView => of_binaries(array.as_binary_view().iter()),
        FixedSizeBinary(_) => of_binaries(array.as_fixed_size_binary().iter()),
        Null
        | Interval(_)
        | List(_)
        | ListView(_)
        | FixedSizeList(_, _)
        | LargeList(_)
        | LargeListView(_)
        | Struct(_)
        | Union(_, _)
        | Map(_, _) => Found::Nothing,
        other @ (Dictionary(_, _) | RunEndEncoded(_, _)) => {
            return Err(ArrowError::NotYetImplemented(format!("bounds of {other}")).into());
        }
    })
}

fn of<T: ArrowPrimitiveType>(array: &dyn Array, value: impl Fn(T::Native) -> StatValue) -> Found
where
    T::Native: arrow::array::ArrowNativeTypeOp,
{
    let array: &PrimitiveArray<T> = array.as_primitive::<T>();
    Found::from(min(array).map(&value), max(array).map(&value))
}

fn of_floats<T: ArrowPrimitiveType>(array: &dyn Array, value: impl Fn(T::Native) -> f64) -> Found
where
    T::Native: arrow::array::ArrowNativeTypeOp,
{
    let array = array.as_primitive::<T>();
    match (min(array).map(&value), max(array).map(&value)) {
        // In total order a NaN stands at an end, so the ends show whether there is one.
        (Some(min), Some(max)) if min.is_nan() || max.is_nan() => Found::Unknown,
        (min, max) => Found::from(min.map(StatValue::Float), max.map(StatValue::Float)),
    }
}

fn of_booleans(array: &BooleanArray) -> Found {
    Found::from(min_boolean(array).map(StatValue::Bool), max_boolean(array).map(StatValue::Bool))
}

fn of_strings<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Found {
    let Some((min, max)) = ends(values.flatten()) else { return Found::Nothing };
    Found::Bounds(Bounds { min: StatValue::Utf8(min.to_string()), max: StatValue::Utf8(max.to_string()) })
}

fn of_binaries<'a>(values: impl Iterator<Item = Option<&'a [u8]>>) -> Found {
    let Some((min, max)) = ends(values.flatten()) else { return Found::Nothing };
    Found::Bounds(Bounds { min: StatValue::Binary(min.to_vec()), max: StatValue::Binary(max.to_vec()) })
}

/// Smallest and largest in one pass.
fn ends<T: Ord + Copy>(mut values: impl Iterator<Item = T>) -> Option<(T, T)> {
    let first = values.next()?;
    Some(values.fold((first, first), |(min, max), v| (min.min(v), max.max(v))))
}

/// Whether `a` stands before `b`; both are of the same column.
pub(crate) fn less(a: &StatValue, b: &StatValue) -> bool {
    use StatValue::*;
    match (a, b) {
        (Bool(a), Bool(b)) => a < b,
        (Int(a), Int(b)) => a < b,
        (UInt(a), UInt(b)) => a < b,
        (Float(a), Float(b)) => a.total_cmp(b).is_lt(),
        (Decimal128(a), Decimal128(b)) => a < b,
        (Decimal256(a), Decimal256(b)) => i256::from_le_bytes(*a) < i256::from_le_bytes(*b),
        (Utf8(a), Utf8(b)) => a < b,
        (Binary(a), Binary(b)) => a < b,
        (a, b) => unreachable!("one column has bounds of two types: {a:?} and {b:?}"),
    }
}

/// A prefix stands before what it was cut from. The flag says whether it is all of it.
fn truncate_down(bound: StatValue) -> (StatValue, bool) {
    match bound {
        StatValue::Utf8(mut text) if text.len() > BOUND_BYTES_MAX => {
            text.truncate(text.floor_char_boundary(BOUND_BYTES_MAX));
            (StatValue::Utf8(text), false)
        }
        StatValue::Binary(mut bytes) if bytes.len() > BOUND_BYTES_MAX => {
            bytes.truncate(BOUND_BYTES_MAX);
            (StatValue::Binary(bytes), false)
        }
        other => (other, true),
    }
}

/// A prefix whose last character was raised stands after what it was cut from; `None` if none can be raised.
fn truncate_up(bound: StatValue) -> (Option<StatValue>, bool) {
    match bound {
        StatValue::Utf8(text) if text.len() > BOUND_BYTES_MAX => {
            let prefix = &text[..text.floor_char_boundary(BOUND_BYTES_MAX)];
            (raise_text(prefix).map(StatValue::Utf8), false)
        }
        StatValue::Binary(bytes) if bytes.len() > BOUND_BYTES_MAX => {
            (raise_bytes(&bytes[..BOUND_BYTES_MAX]).map(StatValue::Binary), false)
        }
        other => (Some(other), true),
    }
}

/// UTF-8 sorts bytewise as its characters sort, so the next character is a larger string.
fn raise_text(prefix: &str) -> Option<String> {
    let mut text = prefix.to_string();
    while let Some(last) = text.pop() {
        // Surrogates are no characters: the one after U+D7FF is U+E000.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(last as u32 + 1) };
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}

fn raise_bytes(prefix: &[u8]) -> Option<Vec<u8>> {
    let keep = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut bytes = prefix[..=keep].to_vec();
    bytes[keep] += 1;
    Some(bytes)
}

#[cfg(test)]
mod tests;
