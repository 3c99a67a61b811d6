//! Casts in plans: after types are coerced, each CAST that Arrow would do differently becomes a function that knows the
//! session's zone. All others stay what the optimiser understands.

use super::{CastRules, cast_array, is_ours};
use crate::plan::sql_type;
use chrono_tz::Tz;
use datafusion::{
    arrow::{
        compute::can_cast_types,
        datatypes::{DataType, Field, FieldRef},
    },
    common::{
        DFSchema, Result, ScalarValue,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    logical_expr::{
        ColumnarValue, Expr, ExprSchemable, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
        Signature, Volatility, expr::ScalarFunction, expr_rewriter::NamePreserver, utils::merge_schema,
    },
};
use std::sync::Arc;

/// The function that converts its argument to `to`.
fn cast_function(to: DataType, rules: CastRules) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Conversion { to, rules, signature: Signature::any(1, Volatility::Immutable) }))
}

/// `to_variant(x)`: texts become JSON strings, not documents.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let own = |name| ScalarUDF::from(ToVariant { name, signature: Signature::any(1, Volatility::Immutable) });
    vec![Arc::new(own("to_variant")), Arc::new(own("try_to_variant"))]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ToVariant {
    name: &'static str,
    signature: Signature,
}

impl ScalarUDFImpl for ToVariant {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::LargeBinary)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name, DataType::LargeBinary, args.arg_fields[0].is_nullable())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rules = CastRules { text_is_json: false, ..CastRules::new(Tz::UTC) };
        convert(&args.args[0], &DataType::LargeBinary, rules)
    }
}

fn convert(value: &ColumnarValue, to: &DataType, rules: CastRules) -> Result<ColumnarValue> {
    match value {
        ColumnarValue::Array(array) => Ok(ColumnarValue::Array(cast_array(array, to, rules)?)),
        ColumnarValue::Scalar(value) => {
            let cast = cast_array(&value.to_array()?, to, rules)?;
            Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&cast, 0)?))
        }
    }
}

/// Whether values on their way into a column are converted here.
pub(crate) fn has_own_cast(from: &DataType, to: &DataType) -> bool {
    is_ours(from, to)
}

/// `plan` (analysed: types are coerced) with our conversions in the place of casts.
pub(crate) fn replace_casts(plan: LogicalPlan, zone: Tz) -> Result<LogicalPlan> {
    if !has_casts(&plan)? {
        return Ok(plan);
    }
    let replaced = plan.transform_up_with_subqueries(|plan| {
        let schema = match &plan {
            LogicalPlan::TableScan(scan) => {
                DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?
            }
            LogicalPlan::Values(values) => values.schema.as_ref().clone(),
            other => merge_schema(&other.inputs()),
        };
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let replaced = cast_expression(expr, &schema, zone)?;
            Ok(if replaced.transformed { Transformed::yes(name.restore(replaced.data)) } else { replaced })
        })
    });
    Ok(replaced?.data)
}

fn has_casts(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                found |= matches!(e, Expr::Cast(_) | Expr::TryCast(_));
                Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// The same for one expression.
pub(crate) fn cast_expression(expr: Expr, schema: &DFSchema, zone: Tz) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| {
        let (inner, to, or_null) = match &expr {
            Expr::Cast(cast) => (&cast.expr, cast.field.data_type(), false),
            Expr::TryCast(cast) => (&cast.expr, cast.field.data_type(), true),
            _ => return Ok(Transformed::no(expr)),
        };
        let from = inner.get_type(schema)?;
        if from == *to || (!is_ours(&from, to) && can_cast_types(&from, to)) {
            return Ok(Transformed::no(expr));
        }
        let rules = CastRules { or_null, ..CastRules::new(zone) };
        let function = cast_function(to.clone(), rules);
        let inner = match expr {
            Expr::Cast(cast) => *cast.expr,
            Expr::TryCast(cast) => *cast.expr,
            other => other,
        };
        Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![inner]))))
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Conversion {
    to: DataType,
    rules: CastRules,
    signature: Signature,
}

impl ScalarUDFImpl for Conversion {
    fn name(&self) -> &str {
        if self.rules.or_null { "try_cast" } else { "cast" }
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let name = args.first().map(|arg| arg.schema_name().to_string()).unwrap_or_default();
        Ok(format!("{}({name} AS {})", self.name(), sql_type(&self.to)))
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        self.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let argument = &args.arg_fields[0];
        // JSON null becomes NULL.
        let from_variant = matches!(argument.data_type(), DataType::LargeBinary);
        let nullable = argument.is_nullable() || self.rules.or_null || from_variant;
        Ok(Arc::new(Field::new(self.name(), self.to.clone(), nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        convert(&args.args[0], &self.to, self.rules)
    }
}
