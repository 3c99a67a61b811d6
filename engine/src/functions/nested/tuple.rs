//! Tuples, and the JSON arrays that `unnest` opens. Fields without a name are called `1`, `2`…

use super::{Call, Nested, field};
use crate::types::Special;
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, LargeBinaryBuilder, ListBuilder, StructArray},
        datatypes::{DataType, Field, FieldRef, Fields},
    },
    common::{DataFusionError, Result, internal_err, plan_err},
    logical_expr::ScalarUDF,
};
use std::sync::{Arc, LazyLock};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![tuple_function()]
}

/// `tuple(a, b, …)`.
pub(crate) fn tuple_function() -> Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| Nested::new("tuple", any, made, make).also(&["row"]).into_udf());
    FUNCTION.clone()
}

/// The tuple type of fields of these types.
pub(super) fn tuple_of(fields: &[FieldRef]) -> DataType {
    let named = fields.iter().enumerate().map(|(at, field)| {
        Field::new((at + 1).to_string(), field.data_type().clone(), field.is_nullable() || field.data_type().is_null())
    });
    DataType::Struct(named.collect::<Fields>())
}

fn any(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    if types.is_empty() {
        return plan_err!("Function '{name}' expects at least 1 arguments but received 0");
    }
    Ok(types.to_vec())
}

fn made(_name: &str, fields: &[FieldRef]) -> Result<FieldRef> {
    Ok(field(tuple_of(fields), false))
}

fn make(call: &Call) -> Result<ArrayRef> {
    let DataType::Struct(fields) = call.answer else {
        return internal_err!("tuple answers with a tuple");
    };
    Ok(Arc::new(StructArray::try_new(fields.clone(), call.args.to_vec(), None)?))
}

/// Whether values of this type are tuples (and not one of the types that only look like one).
pub(super) fn is_tuple(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Struct(_)) && Special::of(data_type).is_none()
}

/// Name of the tuple's field at `position`, which counts from 1.
pub(super) fn field_at(tuple: &DataType, position: i64) -> Result<String> {
    let DataType::Struct(fields) = tuple else {
        return internal_err!("{tuple} is no tuple");
    };
    let at = usize::try_from(position).ok().and_then(|p| p.checked_sub(1));
    match at.and_then(|at| fields.get(at)) {
        Some(field) => Ok(field.name().clone()),
        None => plan_err!("a tuple of {} fields has none at position {position}", fields.len()),
    }
}

/// Each row's JSON array as an array of its items; nothing for other JSON.
pub(super) fn json_items(column: &ArrayRef, answer: &DataType) -> Result<ArrayRef> {
    let DataType::List(item) = answer else {
        return internal_err!("unnest of JSON answers with an array");
    };
    let column = column.as_binary::<i64>();
    let mut lists = ListBuilder::new(LargeBinaryBuilder::new()).with_field(item.clone());
    for row in 0..column.len() {
        if column.is_null(row) {
            lists.append_null();
            continue;
        }
        let json = jsonb::RawJsonb::new(column.value(row));
        let items = json.array_values().map_err(|error| DataFusionError::Execution(error.to_string()))?;
        items.unwrap_or_default().iter().for_each(|item| lists.values().append_value(item.as_ref()));
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}
