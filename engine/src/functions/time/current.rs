//! The statement's own time: `now()`. The day it is in the session's zone is `current_date`, made by planning.

use crate::functions::row::MICROS;
use datafusion::{
    arrow::datatypes::{DataType, Field, FieldRef},
    common::{Result, ScalarValue, exec_err},
    logical_expr::{
        ColumnarValue, DocSection, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
        Signature, TypeSignature, Volatility,
        simplify::{ExprSimplifyResult, SimplifyContext},
    },
};
use std::sync::{Arc, LazyLock};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let signature = TypeSignature::OneOf(vec![TypeSignature::Nullary, TypeSignature::Exact(vec![DataType::Int64])]);
    let now =
        Now { signature: Signature::new(signature, Volatility::Stable), aliases: vec!["current_timestamp".into()] };
    vec![Arc::new(ScalarUDF::from(now))]
}

static DOC: LazyLock<Documentation> = LazyLock::new(|| {
    let section = DocSection { include: false, label: "Functions", description: None };
    let words = "The time of the statement, with at most so many digits of its second's fraction.";
    Documentation::builder(section, words, "now([digits])").with_sql_example("now()").build()
});

#[derive(Debug, PartialEq, Eq, Hash)]
struct Now {
    signature: Signature,
    aliases: Vec<String>,
}

impl ScalarUDFImpl for Now {
    fn name(&self) -> &str {
        "now"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOC)
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(MICROS)
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), MICROS, false)))
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let Some(now) = info.query_execution_start_time() else {
            return Ok(ExprSimplifyResult::Original(args));
        };
        let digits = match args.as_slice() {
            [] => 6,
            [Expr::Literal(ScalarValue::Int64(Some(digits @ 0..=9)), _)] => (*digits).min(6) as u32,
            _ => return exec_err!("now takes a number of digits from 0 to 9"),
        };
        let step = 10i64.pow(6 - digits);
        let micros = now.timestamp_micros().div_euclid(step) * step;
        let literal = ScalarValue::TimestampMicrosecond(Some(micros), None);
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(literal, None)))
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("now() has no time outside of a statement")
    }
}
