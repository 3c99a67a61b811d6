//! One name, two functions: `length` counts a text's characters or an array's items, `contains` looks into either.
//! Which is meant is known from the first argument's type, so the choice is made when types are.

use datafusion::{
    arrow::datatypes::{DataType, Field, FieldRef},
    common::Result,
    functions_nested::all_default_nested_functions,
    logical_expr::{
        ColumnarValue, Documentation, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
        ScalarUDFImpl, Signature,
        expr::ScalarFunction,
        simplify::{ExprSimplifyResult, SimplifyContext},
        type_coercion::functions::fields_with_udf,
    },
};
use std::{
    collections::HashSet,
    sync::{Arc, LazyLock},
};

/// Adds `nested` to `scalar`. Where a name is taken already, both stay callable by it.
pub(in crate::functions) fn add(scalar: &mut Vec<Arc<ScalarUDF>>, nested: Vec<Arc<ScalarUDF>>) {
    for ours in nested {
        let names: Vec<String> =
            std::iter::once(ours.name().to_owned()).chain(ours.aliases().iter().cloned()).collect();
        for name in names {
            // Later functions win, so the last one is the one that is meant so far.
            let theirs = scalar.iter().rev().find(|f| f.name() == name || f.aliases().contains(&name)).cloned();
            match theirs {
                Some(theirs) if !is_replaced(theirs.as_ref()) => {
                    scalar.push(Arc::new(ScalarUDF::from(Overloaded::new(name, ours.clone(), theirs))));
                }
                _ => scalar.push(Arc::new(ScalarUDF::from(Renamed { name, inner: ours.clone() }))),
            }
        }
    }
}

/// Functions of the library over arrays and maps: ours stand in for them.
fn is_replaced(function: &ScalarUDF) -> bool {
    static NAMES: LazyLock<HashSet<String>> =
        LazyLock::new(|| all_default_nested_functions().iter().map(|f| f.name().to_owned()).collect());
    NAMES.contains(function.name())
}

/// Whether the function over nested values is meant.
fn is_nested(first: Option<&DataType>) -> bool {
    match first {
        Some(DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) | DataType::Map(_, _)) => true,
        Some(other) => super::tuple::is_tuple(other),
        None => false,
    }
}

/// A function under another of its names.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Renamed {
    name: String,
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Renamed {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.inner.invoke_with_args(args)
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Overloaded {
    name: String,
    signature: Signature,
    nested: Arc<ScalarUDF>,
    other: Arc<ScalarUDF>,
}

impl Overloaded {
    fn new(name: String, nested: Arc<ScalarUDF>, other: Arc<ScalarUDF>) -> Self {
        let volatility = other.signature().volatility;
        Self { name, signature: Signature::user_defined(volatility), nested, other }
    }

    fn meant(&self, first: Option<&DataType>) -> &Arc<ScalarUDF> {
        if is_nested(first) { &self.nested } else { &self.other }
    }
}

impl ScalarUDFImpl for Overloaded {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let fields: Vec<FieldRef> = types.iter().map(|t| Arc::new(Field::new("", t.clone(), true))).collect();
        let coerced = fields_with_udf(&fields, self.meant(types.first()).as_ref())?;
        Ok(coerced.iter().map(|f| f.data_type().clone()).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.meant(types.first()).return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.meant(args.arg_fields.first().map(|f| f.data_type())).return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.meant(args.arg_fields.first().map(|f| f.data_type())).invoke_with_args(args)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let first = args.first().map(|arg| arg.get_type(info.schema())).transpose()?;
        let meant = self.meant(first.as_ref()).clone();
        Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(ScalarFunction::new_udf(meant, args))))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.other.documentation()
    }
}
