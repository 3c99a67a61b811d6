//! Single expressions outside of queries: defaults, partition expressions, load mappings, constants.

use super::{StatementContext, explain, numbers, prepare, resolve::Resolver, session::PlanningSession, zoned};
use crate::{
    Error, Result,
    functions::{Scope, cast_expression, checked},
};
use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use chrono_tz::Tz;
use datafusion::{
    catalog::Session,
    common::{
        DFSchema, Result as PlanResult, ScalarValue,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    logical_expr::{
        ColumnarValue, Expr, physical_planning_context::PhysicalPlanningContext, simplify::SimplifyContext,
    },
    optimizer::simplify_expressions::ExprSimplifier,
    physical_expr::{PhysicalExpr, create_physical_expr},
    sql::sqlparser::ast,
};
use std::{collections::HashMap, sync::Arc};

/// A physical expression over columns of `schema`; texts are times in `zone`.
pub(super) fn physical(
    context: &StatementContext,
    expr: &ast::Expr,
    schema: &SchemaRef,
    zone: Tz,
) -> Result<Arc<dyn PhysicalExpr>> {
    let session = context.planning_session().in_zone(zone);
    let schema = DFSchema::try_from(schema.as_ref().clone()).map_err(explain)?;
    let expr = logical(context, &session, expr, &schema)?;
    lower(&session, expr, &schema).map_err(explain)
}

/// The value of an expression without columns.
pub(super) fn constant(context: &StatementContext, expr: &ast::Expr) -> Result<ScalarValue> {
    let schema: SchemaRef = Arc::new(arrow::datatypes::Schema::empty());
    let physical = physical(context, expr, &schema, context.settings.timezone)?;
    let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(schema, Vec::new(), &options).map_err(|error| explain(error.into()))?;
    match physical.evaluate(&row).map_err(explain)? {
        ColumnarValue::Scalar(value) => Ok(value),
        ColumnarValue::Array(array) => ScalarValue::try_from_array(&array, 0).map_err(explain),
    }
}

fn logical(context: &StatementContext, session: &PlanningSession, expr: &ast::Expr, schema: &DFSchema) -> Result<Expr> {
    let mut expr = expr.clone();
    prepare::bind(&mut expr, prepare::StandIns { context, parameters: context.parameters.as_ref() })?;
    let relations = HashMap::new();
    let resolver = Resolver::new(context, session, &context.session.database, &relations);
    let expr = resolver.expression(expr, schema).map_err(explain)?;
    if !is_scalar(&expr).map_err(explain)? {
        let message = format!("only plain expressions are allowed here, no subqueries, aggregates or windows: {expr}");
        return Err(Error::Semantic { message });
    }
    Ok(expr)
}

fn is_scalar(expr: &Expr) -> PlanResult<bool> {
    let mut scalar = true;
    expr.apply(|e| {
        scalar &= !matches!(
            e,
            Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
                | Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::SetComparison(_)
                | Expr::Unnest(_)
        );
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(scalar)
}

/// Coerces types, folds constants, checks arithmetic, lowers.
pub(super) fn lower(session: &PlanningSession, expr: Expr, schema: &DFSchema) -> PlanResult<Arc<dyn PhysicalExpr>> {
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(session.state().config_options().clone())
        .with_query_execution_start_time(session.execution_props().query_execution_start_time)
        .build();
    let simplifier = ExprSimplifier::new(context);
    let expr = numbers::typed_expression(expr, schema)?.data;
    let expr = simplifier.coerce(expr, schema)?;
    let expr = cast_expression(expr, schema, session.zone())?.data;
    let expr = zoned::expression_in_zone(expr, schema, session)?;
    let expr = checked(expr, schema, Scope::All)?.data;
    let expr = simplifier.simplify(expr)?;
    create_physical_expr(&expr, schema, session.execution_props(), &PhysicalPlanningContext::default())
}
