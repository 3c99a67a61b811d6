//! VARIANT compared by value. Each value has a key: bytes that are equal where the values are, and in order where the
//! values are. `v < w`, ORDER BY, GROUP BY, DISTINCT and joins then work on plain bytes.
//!
//! Kinds in order: booleans (false before true), numbers, strings, objects, arrays, null. Dates, times and bytes come
//! before all of them.

use super::{
    Json, Takes,
    call::{Call, damaged},
    json,
};
use datafusion::{
    arrow::{
        array::{ArrayRef, BinaryBuilder},
        datatypes::{DataType, FieldRef},
    },
    common::Result,
    logical_expr::{BinaryExpr, Expr, Operator, ScalarUDF},
};
use jsonb::{ExtensionValue, Number, RawJsonb, Value};
use std::sync::Arc;

const END: u8 = 0;
const EXTENDED: u8 = 1;
const FALSE: u8 = 2;
const TRUE: u8 = 3;
const NUMBER: u8 = 4;
const STRING: u8 = 5;
const OBJECT: u8 = 6;
const ARRAY: u8 = 7;
const NULL: u8 = 8;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let all: Vec<Json> = vec![
        json("__basalt_json_key", &[Takes::Value], binary, key),
        json("__basalt_json_text_key", &[Takes::Value], super::text, text_key),
        json("json_equals", &[Takes::Json, Takes::Json], super::boolean, equal).also(&["json_eq"]),
    ];
    all.into_iter().map(Json::udf).collect()
}

fn binary(_: &[FieldRef]) -> DataType {
    DataType::Binary
}

/// What to sort or group by in the place of a VARIANT.
pub(crate) fn sort_key(variant: Expr) -> Expr {
    super::call("__basalt_json_key", vec![variant])
}

/// The same as text, for windows: their frames know no bytes.
pub(crate) fn text_sort_key(variant: Expr) -> Expr {
    super::call("__basalt_json_text_key", vec![variant])
}

/// `left op right` by value, whatever the other side's type.
pub(crate) fn compared(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr { left: Box::new(sort_key(left)), op, right: Box::new(sort_key(right)) })
}

fn key(call: &Call) -> Result<ArrayRef> {
    let mut out = BinaryBuilder::with_capacity(call.rows, call.rows * 20);
    let mut bytes = Vec::new();
    for row in 0..call.rows {
        match call.json(0, row) {
            Some(value) => {
                bytes.clear();
                append(value, &mut bytes)?;
                out.append_value(&bytes);
            }
            None => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// Each byte of the key as the character of that number: text in the same order.
fn text_key(call: &Call) -> Result<ArrayRef> {
    call.strings(|row| {
        let Some(value) = call.json(0, row) else { return Ok(None) };
        let mut bytes = Vec::new();
        append(value, &mut bytes)?;
        Ok(Some(bytes.into_iter().map(char::from).collect::<String>()))
    })
}

fn equal(call: &Call) -> Result<ArrayRef> {
    call.booleans(|row| {
        let (Some(left), Some(right)) = (call.json(0, row), call.json(1, row)) else { return Ok(None) };
        let (mut l, mut r) = (Vec::new(), Vec::new());
        append(left, &mut l)?;
        append(right, &mut r)?;
        Ok(Some(l == r))
    })
}

fn append(value: RawJsonb<'_>, out: &mut Vec<u8>) -> Result<()> {
    append_value(&value.to_value().map_err(damaged)?, out);
    Ok(())
}

fn append_value(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(NULL),
        Value::Bool(b) => out.push(if *b { TRUE } else { FALSE }),
        Value::Number(number) => {
            out.push(NUMBER);
            append_number(number, out);
        }
        Value::String(text) => {
            out.push(STRING);
            append_bytes(text.as_bytes(), out);
        }
        Value::Array(items) => {
            out.push(ARRAY);
            items.iter().for_each(|item| append_value(item, out));
            out.push(END);
        }
        Value::Object(fields) => {
            out.push(OBJECT);
            for (key, field) in fields {
                out.push(STRING);
                append_bytes(key.as_bytes(), out);
                append_value(field, out);
            }
            out.push(END);
        }
        Value::Binary(bytes) => append_extended(&ExtensionValue::Binary(bytes), out),
        Value::Date(date) => append_extended(&ExtensionValue::Date(date.clone()), out),
        Value::Timestamp(time) => append_extended(&ExtensionValue::Timestamp(time.clone()), out),
        Value::TimestampTz(time) => append_extended(&ExtensionValue::TimestampTz(time.clone()), out),
        Value::Interval(interval) => append_extended(&ExtensionValue::Interval(interval.clone()), out),
    }
}

fn append_extended(value: &ExtensionValue<'_>, out: &mut Vec<u8>) {
    out.push(EXTENDED);
    match value {
        ExtensionValue::Binary(bytes) => {
            out.push(0);
            append_bytes(bytes, out);
        }
        ExtensionValue::Date(date) => append_signed(1, i64::from(date.value), out),
        ExtensionValue::Timestamp(time) => append_signed(2, time.value, out),
        ExtensionValue::TimestampTz(time) => append_signed(3, time.value, out),
        ExtensionValue::Interval(interval) => {
            append_signed(4, i64::from(interval.months), out);
            append_signed(4, i64::from(interval.days), out);
            append_signed(4, interval.micros, out);
        }
    }
}

fn append_signed(kind: u8, value: i64, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(&(value as u64 ^ (1 << 63)).to_be_bytes());
}

/// The nearest float first, then how far a whole number lies from it: large whole numbers differ only there.
fn append_number(number: &Number, out: &mut Vec<u8>) {
    let near = number.as_f64();
    let near = if near == 0.0 { 0.0 } else { near };
    let bits = near.to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | (1 << 63) };
    out.extend_from_slice(&ordered.to_be_bytes());
    let whole = match number {
        Number::Int64(n) => Some(i128::from(*n)),
        Number::UInt64(n) => Some(i128::from(*n)),
        _ => None,
    };
    let beyond = whole.map_or(0, |n| n - near as i128);
    out.extend_from_slice(&(i64::try_from(beyond).unwrap_or_default() as u64 ^ (1 << 63)).to_be_bytes());
}

/// Bytes that end before anything longer: zeros within are marked.
fn append_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(u8::MAX);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(json: &str) -> Vec<u8> {
        let mut out = Vec::new();
        append(jsonb::parse_owned_jsonb(json.as_bytes()).unwrap().as_raw(), &mut out).unwrap();
        out
    }

    #[test]
    fn keys_are_in_the_order_of_values() {
        let ordered = [
            "false",
            "true",
            "-1e300",
            "-2",
            "-1.5",
            "0",
            "0.5",
            "1",
            "9007199254740992",
            "9007199254740993",
            "18446744073709551615",
            "\"\"",
            "\"a\"",
            "\"a\\u0000\"",
            "\"aa\"",
            "\"b\"",
            "{}",
            "{\"a\":1}",
            "{\"a\":1,\"b\":0}",
            "{\"a\":2}",
            "[]",
            "[1]",
            "[1,1]",
            "[2]",
            "null",
        ];
        for pair in ordered.windows(2) {
            assert!(key_of(pair[0]) < key_of(pair[1]), "{} < {}", pair[0], pair[1]);
        }
        assert_eq!(key_of("1"), key_of("1.0"));
        assert_eq!(key_of("0.5"), key_of("5e-1"));
    }
}
