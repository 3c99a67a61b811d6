//! Numbers with fewer places: `round` (half away from zero), `truncate`, `ceil`, `floor`, each to a number of places.
//!
//! Decimals stay decimals, with only the places that are left; everything else is answered as floating point.

use crate::functions::row::{
    Kind::{Any, Int},
    Rows, function,
};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, ArrowNativeTypeOp, AsArray, Float64Array, PrimitiveArray},
        compute::{CastOptions, cast_with_options},
        datatypes::{
            ArrowNativeType, DataType, Decimal128Type, Decimal256Type, DecimalType, FieldRef, Float64Type, Int64Type,
        },
    },
    common::{Result, ScalarValue, plan_err},
    logical_expr::ScalarUDF,
};
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Nearest,
    ToZero,
    Up,
    Down,
}

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let rounding = |names: &[&'static str], mode: Mode, words: &str, example: &str| {
        let syntax = format!("{}(x[, places])", names[0]);
        let name = names[0];
        function(names, &[Any, Int], &syntax, words, example).optional(1).whole(
            move |fields, values| result_type(name, fields, values),
            move |rows, result| compute(rows, result, mode),
        )
    };
    vec![
        rounding(
            &["round"],
            Mode::Nearest,
            "The nearest number with so many decimal places; halves away from zero.",
            "round(0.125, 2)",
        ),
        // `trunc` of a time is another function: `plan/meaning` tells them apart.
        rounding(
            &["truncate", "trunc_number"],
            Mode::ToZero,
            "The number without the further decimal places.",
            "truncate(1.234, 2)",
        ),
        rounding(&["ceil", "ceiling"], Mode::Up, "The next greater number with so many decimal places.", "ceil(-1.23)"),
        rounding(&["floor"], Mode::Down, "The next smaller number with so many decimal places.", "floor(1.23)"),
    ]
}

/// Places asked for, when they are a literal; 0 when left out.
fn places(values: &[Option<&ScalarValue>]) -> Option<i64> {
    match values.get(1) {
        None => Some(0),
        Some(Some(ScalarValue::Int64(Some(places)))) => Some(*places),
        _ => None,
    }
}

fn result_type(name: &str, fields: &[FieldRef], values: &[Option<&ScalarValue>]) -> Result<DataType> {
    let kept = |precision: u8, scale: i8, most: u8| {
        let new_scale = match places(values) {
            Some(places) => places.clamp(0, i64::from(scale.max(0))) as i8,
            None => scale.max(0),
        };
        let whole = i16::from(precision) - i16::from(scale);
        let new_precision = (whole + 1 + i16::from(new_scale)).clamp(1, i16::from(most)) as u8;
        (new_precision, new_scale)
    };
    Ok(match fields[0].data_type() {
        DataType::Decimal256(p, s) => {
            let (p, s) = kept(*p, *s, 76);
            DataType::Decimal256(p, s)
        }
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => {
            let (p, s) = kept(*p, *s, 38);
            DataType::Decimal128(p, s)
        }
        given if given.is_numeric() || given.is_string() || given.is_null() => DataType::Float64,
        other => return plan_err!("argument 1 of function `{name}` is a number, not {}", crate::plan::sql_type(other)),
    })
}

fn compute(rows: &Rows, result: &DataType, mode: Mode) -> Result<ArrayRef> {
    let options = CastOptions { safe: false, ..Default::default() };
    let numbers = rows.array(0)?;
    let places = if rows.arguments() > 1 { Some(rows.array(1)?) } else { None };
    let places = |row: usize| match &places {
        None => Some(0),
        Some(array) => array.is_valid(row).then(|| array.as_primitive::<Int64Type>().value(row)),
    };
    match result {
        DataType::Decimal128(_, scale) => {
            let wide = match numbers.data_type() {
                DataType::Decimal128(_, _) => numbers,
                DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => {
                    cast_with_options(&numbers, &DataType::Decimal128(*p, *s), &options)?
                }
                other => return plan_err!("{other} is not rounded as a decimal"),
            };
            let values = wide.as_primitive::<Decimal128Type>();
            let rounded = decimals(values, values.scale(), *scale, mode, places)?;
            Ok(Arc::new(rounded.with_data_type(result.clone())))
        }
        DataType::Decimal256(_, scale) => {
            let values = numbers.as_primitive::<Decimal256Type>();
            let rounded = decimals(values, values.scale(), *scale, mode, places)?;
            Ok(Arc::new(rounded.with_data_type(result.clone())))
        }
        _ => {
            let wide = cast_with_options(&numbers, &DataType::Float64, &options)?;
            let values = wide.as_primitive::<Float64Type>();
            let rounded = values.iter().enumerate().map(|(row, x)| Some(float(x?, places(row)?, mode)));
            Ok(Arc::new(rounded.collect::<Float64Array>()))
        }
    }
}

fn float(x: f64, places: i64, mode: Mode) -> f64 {
    let step = |x: f64| match mode {
        Mode::Nearest => x.round(),
        Mode::ToZero => x.trunc(),
        Mode::Up => x.ceil(),
        Mode::Down => x.floor(),
    };
    if places == 0 || !x.is_finite() {
        return step(x);
    }
    let factor = 10f64.powi(places.unsigned_abs().min(400) as i32);
    let rounded = if places > 0 { step(x * factor) / factor } else { step(x / factor) * factor };
    match rounded.is_finite() {
        true => rounded,
        // So many places that the number has no others.
        false if places > 0 => x,
        false => 0.0,
    }
}

/// Values with `scale` decimal places, rounded and with `kept` of them.
fn decimals<T: DecimalType>(
    values: &PrimitiveArray<T>,
    scale: i8,
    kept: i8,
    mode: Mode,
    places: impl Fn(usize) -> Option<i64>,
) -> Result<PrimitiveArray<T>>
where
    T::Native: ArrowNativeTypeOp,
{
    let ten = T::Native::usize_as(10);
    let rounded = |value: T::Native, places: i64| -> Result<T::Native> {
        let most = i64::from(T::MAX_PRECISION);
        let drop = (i64::from(scale) - places).clamp(0, most) as u32;
        let unit = ten.pow_checked(drop)?;
        let (mut quotient, rest) = (value.div_checked(unit)?, value.mod_checked(unit)?);
        let negative = rest.is_lt(T::Native::ZERO);
        let up = match mode {
            Mode::ToZero => false,
            Mode::Up => !negative && !rest.is_zero(),
            Mode::Down => negative,
            Mode::Nearest => {
                let rest = if negative { rest.neg_checked()? } else { rest };
                rest.is_ge(unit.sub_checked(rest)?)
            }
        };
        if up && !rest.is_zero() {
            quotient = match negative {
                true => quotient.sub_checked(T::Native::ONE)?,
                false => quotient.add_checked(T::Native::ONE)?,
            };
        }
        // From `scale - drop` places to `kept`.
        let shift = i64::from(kept) - (i64::from(scale) - i64::from(drop));
        let factor = ten.pow_checked(shift.unsigned_abs() as u32)?;
        Ok(if shift >= 0 { quotient.mul_checked(factor)? } else { quotient.div_checked(factor)? })
    };
    let mut result = Vec::with_capacity(values.len());
    for (row, value) in values.iter().enumerate() {
        result.push(match (value, places(row)) {
            (Some(value), Some(places)) => Some(rounded(value, places)?),
            _ => None,
        });
    }
    Ok(result.into_iter().collect::<PrimitiveArray<T>>())
}
