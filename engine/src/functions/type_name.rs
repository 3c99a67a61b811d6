//! `typeof(x)`: the SQL name of an expression's type, with `NULL` behind it where a NULL may come.

use datafusion::{
    arrow::datatypes::DataType,
    common::{Result, ScalarValue, exec_err},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use std::sync::Arc;

pub(super) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(TypeOf { signature: Signature::any(1, Volatility::Immutable) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TypeOf {
    signature: Signature,
}

impl ScalarUDFImpl for TypeOf {
    fn name(&self) -> &str {
        "typeof"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [field] = args.arg_fields.as_slice() else {
            return exec_err!("typeof takes one argument");
        };
        let mut name = crate::plan::sql_type(field.data_type());
        if field.is_nullable() && *field.data_type() != DataType::Null {
            name.push_str(" NULL");
        }
        Ok(ColumnarValue::Scalar(ScalarValue::Utf8View(Some(name))))
    }
}
