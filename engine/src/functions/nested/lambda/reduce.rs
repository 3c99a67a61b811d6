//! `array_reduce(array, (acc, item) -> …)`: folds each array from its first item on. The rows are folded together, one
//! item of each at a time, so the lambda is evaluated as often as the longest array is long.

use super::super::{field, item_of, list, plain_list, span, wrong_count};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, UInt32Array, new_null_array},
        compute::{cast, interleave, take, take_arrays},
        datatypes::{DataType, FieldRef},
    },
    common::{Result, plan_err},
    logical_expr::{
        ColumnarValue, HigherOrderFunctionArgs, HigherOrderReturnFieldArgs, HigherOrderSignature, HigherOrderUDF,
        HigherOrderUDFImpl, LambdaParametersProgress, ValueOrLambda, Volatility,
    },
};
use std::sync::Arc;

pub(super) fn function() -> Arc<HigherOrderUDF> {
    let shape = vec![ValueOrLambda::Value(()), ValueOrLambda::Lambda(())];
    let signature = HigherOrderSignature::exact(shape, Volatility::Immutable);
    Arc::new(HigherOrderUDF::new_from_impl(Reduce { signature, aliases: vec!["list_reduce".into()] }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Reduce {
    signature: HigherOrderSignature,
    aliases: Vec<String>,
}

/// What the fold is kept in: wide enough that a lambda of `+` and the like does not need a wider type at every step.
fn kept(item: &DataType) -> DataType {
    match item {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => DataType::Int64,
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::UInt64,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) => {
            DataType::Decimal128(38, *scale)
        }
        DataType::Decimal256(_, scale) => DataType::Decimal256(76, *scale),
        other => other.clone(),
    }
}

impl HigherOrderUDFImpl for Reduce {
    fn name(&self) -> &str {
        "array_reduce"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &HigherOrderSignature {
        &self.signature
    }

    fn coerce_value_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [array] => Ok(vec![plain_list(self.name(), array)?]),
            _ => wrong_count(self.name(), "2", types.len()),
        }
    }

    fn lambda_parameters(
        &self,
        _step: usize,
        fields: &[ValueOrLambda<FieldRef, Option<FieldRef>>],
    ) -> Result<LambdaParametersProgress> {
        let [ValueOrLambda::Value(array), _] = fields else {
            return plan_err!("{} expects an array followed by a lambda", self.name());
        };
        let item = item_of(self.name(), array.data_type())?;
        let kept = field(kept(item.data_type()), true);
        Ok(LambdaParametersProgress::Complete(vec![vec![kept.clone(), kept]]))
    }

    fn return_field_from_args(&self, args: HigherOrderReturnFieldArgs) -> Result<FieldRef> {
        let [ValueOrLambda::Value(array), _] = args.arg_fields else {
            return plan_err!("{} expects an array followed by a lambda", self.name());
        };
        Ok(field(kept(item_of(self.name(), array.data_type())?.data_type()), true))
    }

    fn invoke_with_args(&self, args: HigherOrderFunctionArgs) -> Result<ColumnarValue> {
        let [ValueOrLambda::Value(column), ValueOrLambda::Lambda(lambda)] = args.args.as_slice() else {
            return plan_err!("{} expects an array followed by a lambda", self.name());
        };
        let column = column.to_array(args.number_rows)?;
        let array = list(&column);
        let kept = args.return_field.data_type();
        let items = cast(array.values(), kept)?;
        let nothing = new_null_array(kept, 1);
        let first: Vec<(usize, usize)> = (0..array.len())
            .map(|row| match (array.is_valid(row), span(array, row)) {
                (true, items) if !items.is_empty() => (0, items.start),
                _ => (1, 0),
            })
            .collect();
        if first.is_empty() {
            return Ok(ColumnarValue::Array(nothing.slice(0, 0)));
        }
        let mut folded = interleave(&[items.as_ref(), nothing.as_ref()], &first)?;
        for step in 1.. {
            let open: Vec<usize> =
                (0..array.len()).filter(|row| array.is_valid(*row) && span(array, *row).len() > step).collect();
            if open.is_empty() {
                break;
            }
            let rows: UInt32Array = open.iter().map(|row| *row as u32).collect();
            let places: UInt32Array = open.iter().map(|row| (span(array, *row).start + step) as u32).collect();
            let (so_far, next) = (take(&folded, &rows, None)?, take(&items, &places, None)?);
            let made = lambda.evaluate(&[&|| Ok(so_far.clone()), &|| Ok(next.clone())], |captured| {
                Ok(take_arrays(captured, &rows, None)?)
            })?;
            let made: ArrayRef = cast(&made.into_array(open.len())?, kept)?;
            let mut picked: Vec<(usize, usize)> = (0..array.len()).map(|row| (0, row)).collect();
            open.iter().enumerate().for_each(|(at, row)| picked[*row] = (1, at));
            folded = interleave(&[folded.as_ref(), made.as_ref()], &picked)?;
        }
        Ok(ColumnarValue::Array(folded))
    }
}
