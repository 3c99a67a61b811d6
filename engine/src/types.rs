//! The SQL types that Arrow has no type for, and how they travel in Arrow.
//!
//! A value keeps its SQL type through plans, files and answers by its Arrow type alone: metadata of fields gets lost in
//! expressions. So each of these types has an Arrow type that nothing else has.
//!
//! | SQL | Arrow |
//! |---|---|
//! | VARIANT | LargeBinary, JSONB as the crate `jsonb` writes it (BINARY is Binary or BinaryView) |
//! | BITMAP | Struct of `$bitmap`: Binary, a roaring treemap in its portable form |
//! | GEOMETRY, GEOGRAPHY | Struct of `$geometry` or `$geography`: Binary, EWKB (with the SRID where there is one) |
//! | TIMESTAMP_TZ | Struct of `$instant`: Timestamp(µs) in UTC, and `$offset`: Int32, seconds east |
//! | INTERVAL | Interval(MonthDayNano) |
//! | VECTOR(n) | FixedSizeList of Float32 |
//! | ARRAY, MAP, TUPLE | List, Map, Struct; fields without a name are called `1`, `2`… |
//!
//! The files below turn the text of each into its value and back; arrays of values are `functions/cast`'s business.

pub mod bitmap;
pub mod geometry;
pub mod interval;
pub mod timestamp_tz;
pub mod variant;
pub(crate) mod variant_convert;
pub mod vector;
mod wkb;

use arrow::{
    array::{Array, ArrayRef, AsArray, BinaryArray, StructArray},
    datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit},
};
use std::sync::Arc;

pub const BITMAP: &str = "$bitmap";
pub const GEOMETRY: &str = "$geometry";
pub const GEOGRAPHY: &str = "$geography";
pub const INSTANT: &str = "$instant";
pub const OFFSET: &str = "$offset";

/// The types of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Special {
    Variant,
    Bitmap,
    Geometry,
    Geography,
    TimestampTz,
    Interval,
    /// Length.
    Vector(usize),
}

impl Special {
    /// The special type that an Arrow type stands for.
    pub fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::LargeBinary => Some(Special::Variant),
            DataType::Interval(_) => Some(Special::Interval),
            DataType::FixedSizeList(item, length) if item.data_type() == &DataType::Float32 => {
                usize::try_from(*length).ok().map(Special::Vector)
            }
            DataType::Struct(fields) => match fields.first().map(|field| field.name().as_str()) {
                Some(BITMAP) => Some(Special::Bitmap),
                Some(GEOMETRY) => Some(Special::Geometry),
                Some(GEOGRAPHY) => Some(Special::Geography),
                Some(INSTANT) => Some(Special::TimestampTz),
                _ => None,
            },
            _ => None,
        }
    }

    pub fn arrow(self) -> DataType {
        match self {
            Special::Variant => DataType::LargeBinary,
            Special::Bitmap => bytes_named(BITMAP),
            Special::Geometry => bytes_named(GEOMETRY),
            Special::Geography => bytes_named(GEOGRAPHY),
            Special::TimestampTz => DataType::Struct(Fields::from(vec![
                Field::new(INSTANT, DataType::Timestamp(TimeUnit::Microsecond, None), false),
                Field::new(OFFSET, DataType::Int32, false),
            ])),
            Special::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Special::Vector(length) => {
                let item = Arc::new(Field::new_list_field(DataType::Float32, false));
                DataType::FixedSizeList(item, i32::try_from(length).unwrap_or(i32::MAX))
            }
        }
    }
}

/// A column of BITMAP, GEOMETRY or GEOGRAPHY from the bytes of its values.
pub fn from_bytes(special: Special, values: BinaryArray) -> ArrayRef {
    let DataType::Struct(fields) = special.arrow() else {
        return Arc::new(values);
    };
    let nulls = values.nulls().cloned();
    Arc::new(StructArray::new(fields, vec![Arc::new(values)], nulls))
}

/// The bytes of the values of a column of BITMAP, GEOMETRY or GEOGRAPHY; NULL where the value is.
pub fn to_bytes(array: &dyn Array) -> Option<BinaryArray> {
    let tuple = array.as_struct_opt()?;
    let bytes = tuple.columns().first()?.as_binary_opt::<i32>()?;
    let (offsets, values, _) = bytes.clone().into_parts();
    Some(BinaryArray::new(offsets, values, tuple.nulls().cloned()))
}

/// A text as an error shows it: short.
pub(crate) fn shown(text: &str) -> String {
    let short: String = text.chars().take(64).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

/// The error of a text that is no value of a type.
pub(crate) fn not_a(name: &str, text: &str) -> crate::Error {
    crate::Error::Evaluation { message: format!("cannot convert '{}' to {name}", shown(text)) }
}

fn bytes_named(name: &str) -> DataType {
    DataType::Struct(Fields::from(vec![Field::new(name, DataType::Binary, false)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_found_again() {
        use Special::*;
        for special in [Variant, Bitmap, Geometry, Geography, TimestampTz, Interval, Vector(3)] {
            assert_eq!(Special::of(&special.arrow()), Some(special));
        }
        assert_eq!(Special::of(&DataType::Binary), None);
    }
}
