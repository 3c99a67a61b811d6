//! `div` and `//`: the whole part of a quotient, as wide as the wider of both; of fractions, 64 bits.

use crate::Error;
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array},
        compute::{CastOptions, cast_with_options, kernels::numeric, try_binary},
        datatypes::{DataType, Decimal128Type, Field, FieldRef, Float64Type},
        error::ArrowError,
    },
    common::{DataFusionError, Result, ScalarValue, plan_err},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
};
use std::sync::Arc;

/// The function.
pub(crate) fn integer_division() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Division {
        aliases: vec!["intdiv".to_string()],
        signature: Signature::any(2, Volatility::Immutable),
    }))
}

/// Type of the quotient of two types.
fn quotient(left: &DataType, right: &DataType) -> DataType {
    let signed = left.is_signed_integer() || right.is_signed_integer();
    let width = |data_type: &DataType| data_type.primitive_width().unwrap_or(8);
    if !left.is_integer() || !right.is_integer() {
        return DataType::Int64;
    }
    match (width(left).max(width(right)), signed) {
        (1, true) => DataType::Int8,
        (2, true) => DataType::Int16,
        (4, true) => DataType::Int32,
        (_, true) => DataType::Int64,
        (1, false) => DataType::UInt8,
        (2, false) => DataType::UInt16,
        (4, false) => DataType::UInt32,
        (_, false) => DataType::UInt64,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Division {
    aliases: Vec<String>,
    signature: Signature,
}

impl Division {
    fn compute(left: &ArrayRef, right: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        if left.data_type().is_integer() && right.data_type().is_integer() {
            // In 128 bits every quotient fits; only the result is checked.
            let wide = DataType::Decimal128(38, 0);
            let (left, right) = (cast_with_options(left, &wide, &options)?, cast_with_options(right, &wide, &options)?);
            let (left, right) = (left.as_primitive::<Decimal128Type>(), right.as_primitive::<Decimal128Type>());
            let quotients: Decimal128Array =
                try_binary(left, right, |l, r| if r == 0 { Err(ArrowError::DivideByZero) } else { Ok(l / r) })?;
            let quotients = quotients.with_precision_and_scale(38, 0)?;
            return cast_with_options(&quotients, to, &options);
        }
        let float = |values: &ArrayRef| cast_with_options(values, &DataType::Float64, &options);
        let (left, right) = (float(left)?, float(right)?);
        let zero = (0..right.len()).any(|row| {
            left.is_valid(row) && right.is_valid(row) && right.as_primitive::<Float64Type>().value(row) == 0.0
        });
        if zero {
            return Err(ArrowError::DivideByZero);
        }
        let quotients = numeric::div(&left, &right)?;
        let whole: Float64Array = quotients.as_primitive::<Float64Type>().unary(f64::trunc);
        cast_with_options(&whole, to, &options)
    }
}

impl ScalarUDFImpl for Division {
    fn name(&self) -> &str {
        "div"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [left, right] => Ok(quotient(left, right)),
            _ => plan_err!("div takes two arguments"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        let nullable = args.arg_fields.iter().any(|f| f.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|a| a.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let whole =
            Self::compute(&arrays[0], &arrays[1], args.return_field.data_type()).map_err(|error| match error {
                ArrowError::DivideByZero => {
                    DataFusionError::External(Box::new(Error::Evaluation { message: "division by zero".into() }))
                }
                other => other.into(),
            })?;
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&whole, 0)?));
        }
        Ok(ColumnarValue::Array(whole))
    }
}
