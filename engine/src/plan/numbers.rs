//! Types of numbers as the users' systems have them, put into a plan before the query library coerces types: a literal
//! takes the smallest type that holds it, `+ - *` of whole numbers widen so that they cannot overflow below 64 bits,
//! `div` and `%` have types of their own, constants are folded and shrunk again, and what counts is unsigned.
//!
//! A literal beside a column of whole numbers takes the column's type if it fits, so that columns are compared as they
//! stand. Literals that a function takes stay as they are, unless the function's type follows them.

mod expression;
mod plan;

pub(super) use expression::typed_expression;
pub(super) use plan::typed;

use datafusion::{arrow::datatypes::DataType, common::ScalarValue, logical_expr::Operator};

/// Width in bits and whether there is a sign, of a type of whole numbers.
fn shape(data_type: &DataType) -> Option<(u8, bool)> {
    Some(match data_type {
        DataType::Int8 => (8, true),
        DataType::Int16 => (16, true),
        DataType::Int32 => (32, true),
        DataType::Int64 => (64, true),
        DataType::UInt8 => (8, false),
        DataType::UInt16 => (16, false),
        DataType::UInt32 => (32, false),
        DataType::UInt64 => (64, false),
        _ => return None,
    })
}

fn integer(width: u8, signed: bool) -> DataType {
    match (width, signed) {
        (8, true) => DataType::Int8,
        (16, true) => DataType::Int16,
        (32, true) => DataType::Int32,
        (_, true) => DataType::Int64,
        (8, false) => DataType::UInt8,
        (16, false) => DataType::UInt16,
        (32, false) => DataType::UInt32,
        (_, false) => DataType::UInt64,
    }
}

fn wider(width: u8) -> u8 {
    (width * 2).min(64)
}

/// Type of `left op right` of whole numbers.
fn result_type(op: Operator, left: &DataType, right: &DataType) -> Option<DataType> {
    let ((left_width, left_signed), (right_width, right_signed)) = (shape(left)?, shape(right)?);
    let (width, signed) = (left_width.max(right_width), left_signed || right_signed);
    Some(match op {
        Operator::Plus | Operator::Multiply => integer(wider(width), signed),
        Operator::Minus => integer(wider(width), true),
        Operator::Modulo if left_signed => integer(wider(right_width), true),
        Operator::Modulo => integer(right_width, false),
        _ => return None,
    })
}

/// The smallest literal of a whole number.
fn smallest(value: i128) -> Option<ScalarValue> {
    Some(if value >= 0 {
        if let Ok(v) = u8::try_from(value) {
            ScalarValue::UInt8(Some(v))
        } else if let Ok(v) = u16::try_from(value) {
            ScalarValue::UInt16(Some(v))
        } else if let Ok(v) = u32::try_from(value) {
            ScalarValue::UInt32(Some(v))
        } else {
            ScalarValue::UInt64(Some(u64::try_from(value).ok()?))
        }
    } else if let Ok(v) = i8::try_from(value) {
        ScalarValue::Int8(Some(v))
    } else if let Ok(v) = i16::try_from(value) {
        ScalarValue::Int16(Some(v))
    } else if let Ok(v) = i32::try_from(value) {
        ScalarValue::Int32(Some(v))
    } else {
        ScalarValue::Int64(Some(i64::try_from(value).ok()?))
    })
}

/// The number of a literal.
fn whole(value: &ScalarValue) -> Option<i128> {
    Some(match value {
        ScalarValue::Int8(Some(v)) => (*v).into(),
        ScalarValue::Int16(Some(v)) => (*v).into(),
        ScalarValue::Int32(Some(v)) => (*v).into(),
        ScalarValue::Int64(Some(v)) => (*v).into(),
        ScalarValue::UInt8(Some(v)) => (*v).into(),
        ScalarValue::UInt16(Some(v)) => (*v).into(),
        ScalarValue::UInt32(Some(v)) => (*v).into(),
        ScalarValue::UInt64(Some(v)) => (*v).into(),
        _ => return None,
    })
}

/// The number as a literal of a type of whole numbers, if it fits.
fn literal_of(value: i128, data_type: &DataType) -> Option<ScalarValue> {
    Some(match data_type {
        DataType::Int8 => ScalarValue::Int8(Some(value.try_into().ok()?)),
        DataType::Int16 => ScalarValue::Int16(Some(value.try_into().ok()?)),
        DataType::Int32 => ScalarValue::Int32(Some(value.try_into().ok()?)),
        DataType::Int64 => ScalarValue::Int64(Some(value.try_into().ok()?)),
        DataType::UInt8 => ScalarValue::UInt8(Some(value.try_into().ok()?)),
        DataType::UInt16 => ScalarValue::UInt16(Some(value.try_into().ok()?)),
        DataType::UInt32 => ScalarValue::UInt32(Some(value.try_into().ok()?)),
        DataType::UInt64 => ScalarValue::UInt64(Some(value.try_into().ok()?)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_widens_up_to_64_bits() {
        use DataType::*;
        for (op, left, right, wanted) in [
            (Operator::Plus, Int32, UInt8, Int64),
            (Operator::Plus, UInt8, UInt8, UInt16),
            (Operator::Multiply, UInt64, UInt8, UInt64),
            (Operator::Minus, UInt64, UInt64, Int64),
            (Operator::Minus, UInt8, UInt8, Int16),
            (Operator::Modulo, Int64, UInt8, Int16),
            (Operator::Modulo, UInt64, UInt8, UInt8),
        ] {
            assert_eq!(result_type(op, &left, &right), Some(wanted), "{left} {op} {right}");
        }
    }

    #[test]
    fn literals_are_as_small_as_they_can_be() {
        for (value, wanted) in [
            (0, DataType::UInt8),
            (255, DataType::UInt8),
            (256, DataType::UInt16),
            (-1, DataType::Int8),
            (-129, DataType::Int16),
            (i128::from(i64::MAX), DataType::UInt64),
            (i128::from(i64::MIN), DataType::Int64),
        ] {
            assert_eq!(smallest(value).unwrap().data_type(), wanted, "{value}");
        }
        assert!(smallest(i128::from(u64::MAX) + 1).is_none());
    }
}
