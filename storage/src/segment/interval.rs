//! Intervals in files. Parquet has no type for months, days and nanoseconds kept apart, so an interval stands there as
//! sixteen bytes: months, days, nanoseconds, little-endian. In memory and in inline segments it is Arrow's own type.

use crate::Result;
use arrow::{
    array::{
        Array, ArrayRef, AsArray, FixedSizeBinaryArray, FixedSizeListArray, GenericListArray,
        IntervalMonthDayNanoArray, MapArray, OffsetSizeTrait, StructArray,
    },
    buffer::{Buffer, ScalarBuffer},
    datatypes::{DataType, Field, FieldRef, Fields, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit},
};
use std::sync::Arc;

const BYTES: i32 = 16;

/// Whether values of this type look different in files.
pub fn is_changed_in_files(data_type: &DataType) -> bool {
    match data_type {
        DataType::Interval(IntervalUnit::MonthDayNano) => true,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => is_changed_in_files(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|f| is_changed_in_files(f.data_type())),
        _ => false,
    }
}

/// The type that a column's values have in files.
pub fn file_type(data_type: &DataType) -> DataType {
    let inner = |field: &FieldRef| Arc::new(file_field(field));
    match data_type {
        DataType::Interval(IntervalUnit::MonthDayNano) => DataType::FixedSizeBinary(BYTES),
        DataType::List(item) => DataType::List(inner(item)),
        DataType::LargeList(item) => DataType::LargeList(inner(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(inner(item), *length),
        DataType::Map(entries, sorted) => DataType::Map(inner(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect::<Fields>()),
        other => other.clone(),
    }
}

pub(crate) fn file_field(field: &Field) -> Field {
    field.clone().with_data_type(file_type(field.data_type()))
}

/// Values as files have them.
pub(crate) fn into_file(array: &ArrayRef) -> Result<ArrayRef> {
    if !is_changed_in_files(array.data_type()) {
        return Ok(Arc::clone(array));
    }
    convert(array, &file_type(array.data_type()))
}

/// Values as a file has them (see [`file_type`]), in the type they mean.
pub fn from_file(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if array.data_type() == data_type {
        return Ok(Arc::clone(array));
    }
    convert(array, data_type)
}

/// Changes the intervals within, either way; everything else stays as it is.
fn convert(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    Ok(match (array.data_type(), to) {
        (DataType::Interval(_), DataType::FixedSizeBinary(_)) => {
            let values = array.as_primitive::<IntervalMonthDayNanoType>();
            let mut bytes = Vec::with_capacity(values.len() * BYTES as usize);
            for value in values.values() {
                bytes.extend_from_slice(&value.months.to_le_bytes());
                bytes.extend_from_slice(&value.days.to_le_bytes());
                bytes.extend_from_slice(&value.nanoseconds.to_le_bytes());
            }
            Arc::new(FixedSizeBinaryArray::try_new(BYTES, Buffer::from(bytes), values.nulls().cloned())?)
        }
        (DataType::FixedSizeBinary(BYTES), DataType::Interval(IntervalUnit::MonthDayNano)) => {
            let bytes = array.as_fixed_size_binary();
            let values: Vec<IntervalMonthDayNano> = (0..bytes.len()).map(|row| interval(bytes.value(row))).collect();
            Arc::new(IntervalMonthDayNanoArray::try_new(ScalarBuffer::from(values), bytes.nulls().cloned())?)
        }
        (DataType::List(_), DataType::List(item)) => list::<i32>(array, item)?,
        (DataType::LargeList(_), DataType::LargeList(item)) => list::<i64>(array, item)?,
        (DataType::FixedSizeList(_, length), DataType::FixedSizeList(item, _)) => {
            let values = array.as_fixed_size_list();
            let items = convert(values.values(), item.data_type())?;
            Arc::new(FixedSizeListArray::try_new(Arc::clone(item), *length, items, values.nulls().cloned())?)
        }
        (DataType::Map(_, _), DataType::Map(entries, sorted)) => {
            let map = array.as_map();
            let inner: ArrayRef = Arc::new(map.entries().clone());
            let inner = convert(&inner, entries.data_type())?.as_struct().clone();
            Arc::new(MapArray::try_new(
                Arc::clone(entries),
                map.offsets().clone(),
                inner,
                map.nulls().cloned(),
                *sorted,
            )?)
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let tuple = array.as_struct();
            let columns = tuple.columns().iter().zip(fields).map(|(column, field)| convert(column, field.data_type()));
            let columns = columns.collect::<Result<Vec<_>>>()?;
            Arc::new(StructArray::try_new(fields.clone(), columns, tuple.nulls().cloned())?)
        }
        _ => Arc::clone(array),
    })
}

fn list<O: OffsetSizeTrait>(array: &ArrayRef, item: &FieldRef) -> Result<ArrayRef> {
    let values = array.as_list::<O>();
    let items = convert(values.values(), item.data_type())?;
    let list =
        GenericListArray::<O>::try_new(Arc::clone(item), values.offsets().clone(), items, values.nulls().cloned())?;
    Ok(Arc::new(list))
}

fn interval(bytes: &[u8]) -> IntervalMonthDayNano {
    let four = |at: usize| i32::from_le_bytes(bytes[at..at + 4].try_into().expect("four of sixteen bytes"));
    let nanoseconds = i64::from_le_bytes(bytes[8..16].try_into().expect("the last eight of sixteen bytes"));
    IntervalMonthDayNano::new(four(0), four(4), nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{IntervalMonthDayNanoBuilder, ListBuilder};

    #[test]
    fn intervals_survive_the_way_through_files() {
        let mut lists = ListBuilder::new(IntervalMonthDayNanoBuilder::new());
        lists.append_value([Some(IntervalMonthDayNano::new(-1, 2, i64::MIN)), None]);
        lists.append_null();
        lists.append_value([Some(IntervalMonthDayNano::new(i32::MAX, 0, 1))]);
        let array: ArrayRef = Arc::new(lists.finish());
        for array in [array.clone(), array.slice(1, 2)] {
            let stored = into_file(&array).unwrap();
            assert_eq!(stored.data_type(), &file_type(array.data_type()));
            assert_eq!(&from_file(&stored, array.data_type()).unwrap(), &array);
        }
    }
}
