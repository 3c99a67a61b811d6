//! `nextval`: the next numbers of a sequence, one for each row. They are taken from the catalogue in one durable step
//! before any of them is used, so no number comes twice, whatever happens afterwards.

use crate::{Error, parts::Parts, statement::take_numbers};
use datafusion::{
    arrow::{
        array::{ArrayRef, UInt64Array},
        datatypes::{DataType, Field, FieldRef},
    },
    common::{DataFusionError, Result, ScalarValue, plan_err},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
};
use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, Weak},
};

/// The function, over the sequences of one engine.
pub(crate) fn next_value(parts: &Arc<Parts>) -> Arc<ScalarUDF> {
    let signature = Signature::any(1, Volatility::Volatile);
    Arc::new(ScalarUDF::from(NextValue { parts: Arc::downgrade(parts), signature }))
}

struct NextValue {
    parts: Weak<Parts>,
    signature: Signature,
}

impl fmt::Debug for NextValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NextValue")
    }
}

impl PartialEq for NextValue {
    fn eq(&self, other: &Self) -> bool {
        self.parts.ptr_eq(&other.parts)
    }
}

impl Eq for NextValue {}

impl Hash for NextValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        crate::plan::NEXT_VALUE.hash(state);
    }
}

impl ScalarUDFImpl for NextValue {
    fn name(&self) -> &str {
        crate::plan::NEXT_VALUE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::UInt64)
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), DataType::UInt64, false)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [ColumnarValue::Scalar(name)] = args.args.as_slice() else {
            return plan_err!("nextval takes the name of one sequence");
        };
        let Some(Some(name)) = name.try_as_str() else {
            return plan_err!("nextval takes the name of one sequence, not `{name}`");
        };
        let external = |error: Error| DataFusionError::External(Box::new(error));
        let parts = self.parts.upgrade().ok_or_else(|| external(Error::ShuttingDown))?;
        let numbers = take_numbers(&parts, name, args.number_rows as u64).map_err(external)?;
        if let [number] = numbers.as_slice() {
            return Ok(ColumnarValue::Scalar(ScalarValue::UInt64(Some(*number))));
        }
        Ok(ColumnarValue::Array(Arc::new(UInt64Array::from(numbers)) as ArrayRef))
    }
}
