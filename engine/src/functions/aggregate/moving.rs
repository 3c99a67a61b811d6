//! `group_array_moving_sum` and `group_array_moving_avg`: for every value the sum (or average) of the last so many, as an
//! array. Without a number of values it is all of them. The average divides by that number, also at the start.

use super::collected::{Collected, Group, any_types};
use datafusion::{
    arrow::{
        array::{Array, AsArray, Decimal128Array, Float64Array, Int64Array, UInt64Array},
        datatypes::{DataType, Decimal128Type, Field, Float64Type, Int64Type, UInt64Type},
    },
    common::{DataFusionError, Result, ScalarValue, plan_err, utils::SingleRowListArrayBuilder},
    logical_expr::AggregateUDF,
};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<AggregateUDF>> {
    let moving = |name, coerce, finish| Collected {
        name,
        aliases: Vec::new(),
        values: 1,
        coerce,
        answer: |types| Ok(DataType::List(Arc::new(Field::new_list_field(types[0].clone(), true)))),
        finish,
        signature: any_types(),
    };
    vec![
        moving("group_array_moving_sum", summable, sums).into_udf(),
        moving("group_array_moving_avg", as_float, averages).into_udf(),
    ]
}

fn coerced(name: &str, types: &[DataType], value: DataType) -> Result<Vec<DataType>> {
    match types.len() {
        1 => Ok(vec![value]),
        2 => Ok(vec![value, DataType::UInt64]),
        other => plan_err!("Function '{name}' expects 1 or 2 arguments but received {other}"),
    }
}

fn summable(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let value = match types.first() {
        Some(signed) if signed.is_signed_integer() => DataType::Int64,
        Some(unsigned) if unsigned.is_unsigned_integer() => DataType::UInt64,
        Some(float) if float.is_floating() => DataType::Float64,
        Some(DataType::Decimal128(_, scale)) => DataType::Decimal128(38, *scale),
        Some(DataType::Null) => DataType::Int64,
        Some(other) => return plan_err!("{name} wants numbers, not {}", crate::plan::sql_type(other).to_lowercase()),
        None => DataType::Null,
    };
    coerced(name, types, value)
}

fn as_float(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types.first() {
        Some(number) if !(number.is_numeric() || number.is_null()) => {
            plan_err!("{name} wants numbers, not {}", crate::plan::sql_type(number).to_lowercase())
        }
        _ => coerced(name, types, DataType::Float64),
    }
}

fn window(group: &Group) -> Result<usize> {
    match group.parameters {
        [] => Ok(group.values[0].len().max(1)),
        [ScalarValue::UInt64(Some(n)), ..] if *n > 0 => Ok(usize::try_from(*n).unwrap_or(usize::MAX)),
        [other, ..] => Err(DataFusionError::Execution(format!("the number of values is positive, not {other}"))),
    }
}

/// Running sums over the last `window` values.
fn running<T: Copy>(
    values: &[T],
    window: usize,
    zero: T,
    add: fn(T, T) -> Option<T>,
    less: fn(T, T) -> T,
) -> Result<Vec<T>> {
    let mut sum = zero;
    let sums = values.iter().enumerate().map(|(at, value)| {
        sum = add(sum, *value).ok_or_else(|| DataFusionError::Execution("the moving sum is too large".into()))?;
        if at >= window {
            sum = less(sum, values[at - window]);
        }
        Ok(sum)
    });
    sums.collect()
}

fn sums(group: &Group) -> Result<ScalarValue> {
    let (column, window) = (&group.values[0], window(group)?);
    let sums: datafusion::arrow::array::ArrayRef = match column.data_type() {
        DataType::Int64 => {
            let values = column.as_primitive::<Int64Type>().values();
            Arc::new(Int64Array::from(running(values, window, 0, i64::checked_add, |l, r| l - r)?))
        }
        DataType::UInt64 => {
            let values = column.as_primitive::<UInt64Type>().values();
            Arc::new(UInt64Array::from(running(values, window, 0, u64::checked_add, |l, r| l - r)?))
        }
        DataType::Decimal128(precision, scale) => {
            let values = column.as_primitive::<Decimal128Type>().values();
            let sums = running(values, window, 0, i128::checked_add, |l, r| l - r)?;
            Arc::new(Decimal128Array::from(sums).with_precision_and_scale(*precision, *scale)?)
        }
        _ => Arc::new(float_sums(group, window)?),
    };
    Ok(SingleRowListArrayBuilder::new(sums).build_list_scalar())
}

fn float_sums(group: &Group, window: usize) -> Result<Float64Array> {
    let values = group.values[0].as_primitive::<Float64Type>().values();
    Ok(Float64Array::from(running(values, window, 0.0, |l, r| Some(l + r), |l, r| l - r)?))
}

fn averages(group: &Group) -> Result<ScalarValue> {
    let window = window(group)?;
    let averages =
        Float64Array::from_iter_values(float_sums(group, window)?.values().iter().map(|s| s / window as f64));
    Ok(SingleRowListArrayBuilder::new(Arc::new(averages)).build_list_scalar())
}
