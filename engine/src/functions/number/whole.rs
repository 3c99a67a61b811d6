//! Whole numbers: magnitude, division, factorial, bits, checksum.

use crate::functions::row::{
    Kind::{Any, Bits, Bytes, Float, Int},
    function,
};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, Decimal128Array, Decimal256Array, Float64Array, UInt64Array},
        compute::cast,
        datatypes::{DataType, Decimal128Type, Decimal256Type, Float64Type, Int64Type},
    },
    common::{Result, exec_datafusion_err, exec_err, plan_err},
    logical_expr::ScalarUDF,
};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let bits = |name: &'static str, alias: &'static str, words: &str, f: fn(i64, i64) -> i64| {
        let syntax = format!("{name}(a, b)");
        function(&[name, alias], &[Bits, Bits], &syntax, words, &format!("{name}(12, 2)"))
            .int(DataType::Int64, move |row| Ok(f(row.int(0), row.int(1))))
    };
    vec![
        function(&["abs"], &[Any], "abs(x)", "The magnitude of a number.", "abs(-5)")
            .whole(magnitude_type, |rows, result| magnitude(&rows.array(0)?, result)),
        function(
            &["div", "intdiv"],
            &[Float, Float],
            "div(a, b)",
            "The quotient without its fraction; an error when b is 0. Also written a DIV b.",
            "div(7, 2)",
        )
        .int(DataType::Int64, |row| {
            let (a, b) = (row.float(0), row.float(1));
            if b == 0.0 {
                return exec_err!("division by zero: div({a}, {b})");
            }
            Ok((a / b) as i64)
        }),
        function(
            &["factorial"],
            &[Int],
            "factorial(n)",
            "The product of the numbers from 1 to n, for n from 0 to 20.",
            "factorial(5)",
        )
        .int(DataType::Int64, |row| {
            let n = row.int(0);
            if !(0..=20).contains(&n) {
                return exec_err!("factorial({n}): the number must be from 0 to 20");
            }
            Ok((1..=n).product())
        }),
        // The aggregates have the plain names: calls with two arguments come here (`plan/meaning`).
        bits("bitwise_and", "bitand", "The bits that both numbers have.", |a, b| a & b),
        bits("bitwise_or", "bitor", "The bits that one of the numbers has.", |a, b| a | b),
        bits("bitwise_xor", "bitxor", "The bits that only one of the numbers has.", |a, b| a ^ b),
        bits("bit_shift_left", "shift_left", "The bits moved to the left, b places.", |a, b| {
            u32::try_from(b).ok().and_then(|b| a.checked_shl(b)).unwrap_or(0)
        }),
        bits("bit_shift_right", "shift_right", "The bits moved to the right, b places.", |a, b| {
            u32::try_from(b).ok().and_then(|b| a.checked_shr(b)).unwrap_or(if a < 0 { -1 } else { 0 })
        }),
        function(&["bit_not"], &[Bits], "bit_not(n)", "All bits turned over.", "bit_not(12)")
            .int(DataType::Int64, |row| Ok(!row.int(0))),
        function(&["bit_count"], &[Bits], "bit_count(n)", "How many bits are set.", "bit_count(12)")
            .uint(DataType::UInt8, |row| Ok(u64::from(row.int(0).count_ones()))),
        function(&["crc32"], &[Bytes], "crc32(text)", "The CRC-32 checksum of the bytes.", "crc32('basalt')").uint(
            DataType::UInt32,
            |row| {
                let mut crc = flate2::Crc::new();
                crc.update(row.bytes(0));
                Ok(u64::from(crc.sum()))
            },
        ),
    ]
}

fn magnitude_type(
    fields: &[datafusion::arrow::datatypes::FieldRef],
    _: &[Option<&datafusion::common::ScalarValue>],
) -> Result<DataType> {
    Ok(match fields[0].data_type() {
        given if given.is_integer() => DataType::UInt64,
        given @ (DataType::Decimal128(_, _) | DataType::Decimal256(_, _)) => given.clone(),
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        given if given.is_floating() || given.is_string() || given.is_null() => DataType::Float64,
        other => return plan_err!("argument 1 of function `abs` is a number, not {}", crate::plan::sql_type(other)),
    })
}

fn magnitude(array: &ArrayRef, result: &DataType) -> Result<ArrayRef> {
    let overflow = || exec_datafusion_err!("abs: the magnitude of the smallest {result} does not fit");
    Ok(match result {
        DataType::UInt64 if array.data_type() == &DataType::UInt64 => array.clone(),
        DataType::UInt64 => {
            let wide = cast(array, &DataType::Int64)?;
            Arc::new(wide.as_primitive::<Int64Type>().iter().map(|n| n.map(i64::unsigned_abs)).collect::<UInt64Array>())
        }
        DataType::Decimal128(_, _) => {
            let wide = cast(array, result)?;
            let values = wide.as_primitive::<Decimal128Type>();
            let magnitudes = values.iter().map(|n| n.map(|n| n.checked_abs().ok_or_else(overflow)).transpose());
            Arc::new(magnitudes.collect::<Result<Decimal128Array>>()?.with_data_type(result.clone()))
        }
        DataType::Decimal256(_, _) => {
            let values = array.as_primitive::<Decimal256Type>();
            let magnitudes = values.iter().map(|n| n.map(|n| n.checked_abs().ok_or_else(overflow)).transpose());
            Arc::new(magnitudes.collect::<Result<Decimal256Array>>()?.with_data_type(result.clone()))
        }
        _ => {
            let options = datafusion::arrow::compute::CastOptions { safe: false, ..Default::default() };
            let wide = datafusion::arrow::compute::cast_with_options(array, &DataType::Float64, &options)?;
            Arc::new(wide.as_primitive::<Float64Type>().iter().map(|n| n.map(f64::abs)).collect::<Float64Array>())
        }
    })
}
