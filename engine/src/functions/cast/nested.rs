//! ARRAY, MAP, TUPLE and VECTOR as one another: item by item, field by field.

use super::{CastRules, cannot, cast_array, impossible, text_of, texts::vectors};
use crate::types::Special;
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, FixedSizeListArray, LargeListArray, ListArray, MapArray, StructArray},
        buffer::{NullBuffer, OffsetBuffer},
        compute::cast as arrow_cast,
        datatypes::{DataType, FieldRef, Float32Type},
    },
    common::Result,
};
use std::sync::Arc;

pub(super) fn cast(values: &ArrayRef, to: &DataType, rules: CastRules) -> Result<ArrayRef> {
    use DataType as D;
    if let Some(Special::Vector(length)) = Special::of(to) {
        return into_vector(values, length, to, rules);
    }
    match (values.data_type(), to) {
        (D::List(_) | D::LargeList(_) | D::FixedSizeList(..), D::List(item) | D::LargeList(item)) => {
            let list = as_list(values)?;
            let items = cast_items(list.values(), item, rules)?;
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            if matches!(to, D::LargeList(_)) {
                let offsets = OffsetBuffer::new(offsets.iter().map(|o| i64::from(*o)).collect());
                return Ok(Arc::new(LargeListArray::try_new(Arc::clone(item), offsets, items, nulls)?));
            }
            Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, items, nulls)?))
        }
        (D::FixedSizeList(_, from), D::FixedSizeList(item, size)) if from == size => {
            let list = values.as_fixed_size_list();
            let items = cast_items(list.values(), item, rules)?;
            Ok(Arc::new(FixedSizeListArray::try_new(Arc::clone(item), *size, items, list.nulls().cloned())?))
        }
        (D::Map(..), D::Map(entries, sorted)) => {
            let map = values.as_map();
            let D::Struct(fields) = entries.data_type() else { return impossible(values.data_type(), to) };
            let [key, item] = fields.as_ref() else { return impossible(values.data_type(), to) };
            let columns = vec![cast_items(map.keys(), key, rules)?, cast_items(map.values(), item, rules)?];
            let inner = StructArray::try_new(fields.clone(), columns, None)?;
            let map =
                MapArray::try_new(Arc::clone(entries), map.offsets().clone(), inner, map.nulls().cloned(), *sorted)?;
            Ok(Arc::new(map))
        }
        (D::Struct(from), D::Struct(fields)) if from.len() == fields.len() && Special::of(to).is_none() => {
            let tuple = values.as_struct();
            let columns = tuple.columns().iter().zip(fields).map(|(column, field)| cast_items(column, field, rules));
            let columns = columns.collect::<Result<Vec<_>>>()?;
            Ok(Arc::new(StructArray::try_new(fields.clone(), columns, tuple.nulls().cloned())?))
        }
        (from, to) => impossible(from, to),
    }
}

fn cast_items(items: &ArrayRef, field: &FieldRef, rules: CastRules) -> Result<ArrayRef> {
    let items = cast_array(items, field.data_type(), rules)?;
    Ok(items)
}

/// Any kind of list as the usual one.
fn as_list(values: &ArrayRef) -> Result<ListArray> {
    let item = match values.data_type() {
        DataType::List(_) => return Ok(values.as_list::<i32>().clone()),
        DataType::LargeList(item) | DataType::FixedSizeList(item, _) => Arc::clone(item),
        other => return impossible(other, &DataType::Null),
    };
    Ok(arrow_cast(values, &DataType::List(item))?.as_list::<i32>().clone())
}

/// Lists of as many numbers as the vector has.
fn into_vector(values: &ArrayRef, length: usize, to: &DataType, rules: CastRules) -> Result<ArrayRef> {
    if !matches!(values.data_type(), DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)) {
        return impossible(values.data_type(), to);
    }
    let list = as_list(values)?;
    let numbers = cast_array(list.values(), &DataType::Float32, rules)?;
    let numbers = numbers.as_primitive::<Float32Type>();
    let mut rows = Vec::with_capacity(list.len());
    for row in 0..list.len() {
        if list.is_null(row) {
            rows.push(None);
            continue;
        }
        let (from, until) = (list.value_offsets()[row] as usize, list.value_offsets()[row + 1] as usize);
        let known = (from..until).all(|at| numbers.is_valid(at) && numbers.value(at).is_finite());
        if until - from == length && known {
            rows.push(Some(numbers.values()[from..until].to_vec()));
        } else if rules.or_null {
            rows.push(None);
        } else {
            return Err(cannot(&text_of(values, row), to));
        }
    }
    let _: Option<&NullBuffer> = list.nulls();
    vectors(rows, length, to)
}
