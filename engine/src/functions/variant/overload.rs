//! Functions over texts that may be given a VARIANT: it is taken for the text it holds.

use super::call::plain_text;
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, StringViewBuilder},
        datatypes::{DataType, Field, FieldRef},
    },
    common::{Result, ScalarValue},
    functions::{regex, string, unicode},
    logical_expr::{
        ColumnarValue, Documentation, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
        ScalarUDFImpl, Signature, Volatility,
        expr::ScalarFunction,
        simplify::{ExprSimplifyResult, SimplifyContext},
        type_coercion::functions::fields_with_udf,
    },
};
use jsonb::RawJsonb;
use std::sync::Arc;

/// Lets the library's functions over texts, of those in `functions`, take a VARIANT.
pub(in crate::functions) fn take_variants(functions: &mut [Arc<ScalarUDF>]) {
    let texts = [string::functions(), unicode::functions(), regex::functions()];
    let texts: Vec<Arc<ScalarUDF>> = texts.into_iter().flatten().collect();
    for function in functions {
        if texts.contains(function) {
            *function = Arc::new(ScalarUDF::from(Overloaded::new(function.clone())));
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Overloaded {
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl Overloaded {
    fn new(inner: Arc<ScalarUDF>) -> Self {
        let volatility: Volatility = inner.signature().volatility;
        Self { inner, signature: Signature::user_defined(volatility) }
    }
}

/// The field with a text where there was a VARIANT.
fn as_text(field: &FieldRef) -> FieldRef {
    if *field.data_type() == DataType::LargeBinary {
        return Arc::new(Field::new(field.name(), DataType::Utf8View, true));
    }
    field.clone()
}

fn text_of(value: &ColumnarValue) -> Result<ColumnarValue> {
    if value.data_type() != DataType::LargeBinary {
        return Ok(value.clone());
    }
    let array = value.to_array(1)?;
    let mut out = StringViewBuilder::with_capacity(array.len());
    for variant in array.as_binary::<i64>() {
        out.append_option(variant.map(|v| plain_text(RawJsonb::new(v))).transpose()?.flatten());
    }
    let texts: ArrayRef = Arc::new(out.finish());
    Ok(match value {
        ColumnarValue::Array(_) => ColumnarValue::Array(texts),
        ColumnarValue::Scalar(_) => ColumnarValue::Scalar(ScalarValue::try_from_array(&texts, 0)?),
    })
}

impl ScalarUDFImpl for Overloaded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let fields: Vec<FieldRef> = types.iter().map(|t| Arc::new(Field::new("", t.clone(), true))).collect();
        let fields: Vec<FieldRef> = fields.iter().map(as_text).collect();
        let coerced = fields_with_udf(&fields, self.inner.as_ref())?;
        let kept = types.iter().zip(coerced).map(|(given, coerced)| match given {
            DataType::LargeBinary => DataType::LargeBinary,
            _ => coerced.data_type().clone(),
        });
        Ok(kept.collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let types: Vec<DataType> =
            types.iter().map(|t| if *t == DataType::LargeBinary { DataType::Utf8View } else { t.clone() }).collect();
        self.inner.return_type(&types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let fields: Vec<FieldRef> = args.arg_fields.iter().map(as_text).collect();
        let scalar_arguments = args.scalar_arguments;
        self.inner.return_field_from_args(ReturnFieldArgs { arg_fields: &fields, scalar_arguments })
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        args.args = args.args.iter().map(text_of).collect::<Result<Vec<_>>>()?;
        args.arg_fields = args.arg_fields.iter().map(as_text).collect();
        self.inner.invoke_with_args(args)
    }

    /// Where no VARIANT is given, the library's own function remains, with all that the library knows of it.
    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        for arg in &args {
            if arg.get_type(info.schema())? == DataType::LargeBinary {
                return Ok(ExprSimplifyResult::Original(args));
            }
        }
        let inner = ScalarFunction::new_udf(self.inner.clone(), args);
        Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(inner)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}
