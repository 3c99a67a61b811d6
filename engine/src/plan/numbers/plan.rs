//! The types of numbers in a whole plan, from the leaves up: what changes below changes the types above, also within
//! subqueries, whose outer columns carry their types with them.

use super::{expression::typed_expression, smallest, whole};
use datafusion::{
    arrow::datatypes::{DataType, Field},
    common::{
        Column, DFSchema, Result, ScalarValue,
        tree_node::{Transformed, TreeNode},
    },
    logical_expr::{
        Aggregate, Expr, ExprSchemable, LogicalPlan, Projection, Subquery, Values, cast,
        expr::{Exists, InSubquery, SetComparison},
        expr_rewriter::NamePreserver,
        utils::merge_schema,
    },
};
use std::sync::Arc;

/// `plan` (names resolved, types not coerced yet) with the types that numbers have here.
pub(crate) fn typed(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = node(plan, &mut Vec::new())?.data;
    Ok(plan.resolve_lambda_variables()?.data)
}

fn node(plan: LogicalPlan, outer: &mut Vec<DFSchema>) -> Result<Transformed<LogicalPlan>> {
    let below = match plan {
        // The rows that go round have the types of the first ones.
        LogicalPlan::RecursiveQuery(mut query) => {
            let wanted = Arc::clone(query.static_term.schema());
            for term in [&mut query.static_term, &mut query.recursive_term] {
                let typed = node(term.as_ref().clone(), outer)?.data;
                *term = Arc::new(with_types(typed, &wanted)?);
            }
            return Ok(Transformed::yes(LogicalPlan::RecursiveQuery(query)));
        }
        LogicalPlan::Values(values) => return typed_values(values),
        // Their numbers are the library's own.
        LogicalPlan::Limit(_) => {
            return plan.map_children(|child| node(child, outer))?.map_data(LogicalPlan::recompute_schema);
        }
        plan => plan.map_children(|child| node(child, outer))?,
    };
    let schema = match &below.data {
        LogicalPlan::TableScan(_) => return Ok(below),
        other => merge_schema(&other.inputs()),
    };
    let names = NamePreserver::new(&below.data);
    let changed_below = below.transformed;
    let here = below.data.map_expressions(|expr| {
        if let Expr::GroupingSet(_) = &expr {
            return expr.map_children(|inner| named(inner, &schema, outer));
        }
        let name = names.save(&expr);
        let typed = expression(expr, &schema, outer)?;
        Ok(if typed.transformed { Transformed::yes(name.restore(typed.data)) } else { typed })
    })?;
    let changed = changed_below || here.transformed;
    let plan = if changed { here.data.recompute_schema()? } else { here.data };
    let counted = counts_unsigned(plan)?;
    Ok(Transformed::new_transformed(counted.data, changed || counted.transformed))
}

/// An expression that keeps its name whatever becomes of it.
fn named(expr: Expr, schema: &DFSchema, outer: &mut Vec<DFSchema>) -> Result<Transformed<Expr>> {
    let name = expr.schema_name().to_string();
    let typed = expression(expr, schema, outer)?;
    if !typed.transformed || typed.data.schema_name().to_string() == name {
        return Ok(typed);
    }
    Ok(Transformed::yes(typed.data.alias(name)))
}

fn expression(expr: Expr, schema: &DFSchema, outer: &mut Vec<DFSchema>) -> Result<Transformed<Expr>> {
    let with_subqueries = expr.transform_up(|expr| {
        let mut inner = |subquery: Subquery| -> Result<Subquery> {
            outer.push(schema.clone());
            let typed = node(subquery.subquery.as_ref().clone(), outer);
            let columns: Result<Vec<Expr>> =
                subquery.outer_ref_columns.into_iter().map(|column| Ok(outer_column(column, outer).data)).collect();
            outer.pop();
            Ok(Subquery { subquery: Arc::new(typed?.data), outer_ref_columns: columns?, spans: subquery.spans })
        };
        Ok(match expr {
            Expr::ScalarSubquery(subquery) => Transformed::yes(Expr::ScalarSubquery(inner(subquery)?)),
            Expr::Exists(Exists { subquery, negated }) => {
                Transformed::yes(Expr::Exists(Exists { subquery: inner(subquery)?, negated }))
            }
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                Transformed::yes(Expr::InSubquery(InSubquery { expr, subquery: inner(subquery)?, negated }))
            }
            Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) => {
                let subquery = inner(subquery)?;
                Transformed::yes(Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }))
            }
            column @ Expr::OuterReferenceColumn(..) => outer_column(column, outer),
            other => Transformed::no(other),
        })
    })?;
    with_subqueries.transform_data(|expr| typed_expression(expr, schema))
}

/// A column of a query around this one, with the type it has now.
fn outer_column(expr: Expr, outer: &[DFSchema]) -> Transformed<Expr> {
    let Expr::OuterReferenceColumn(field, column) = &expr else { return Transformed::no(expr) };
    let found = outer.iter().rev().find_map(|schema| schema.qualified_field_from_column(column).ok());
    match found {
        Some((_, now)) if now.data_type() != field.data_type() => {
            Transformed::yes(Expr::OuterReferenceColumn(Arc::clone(now), column.clone()))
        }
        _ => Transformed::no(expr),
    }
}

/// Rows of literals: each column as small as all of its numbers allow.
fn typed_values(mut values: Values) -> Result<Transformed<LogicalPlan>> {
    let schema = DFSchema::empty();
    for row in &mut values.values {
        for value in row {
            *value = typed_expression(std::mem::take(value), &schema)?.data;
        }
    }
    let mut fields = Vec::with_capacity(values.schema.fields().len());
    for (index, (qualifier, field)) in values.schema.iter().enumerate() {
        let mut field = field.as_ref().clone();
        if field.data_type().is_integer() {
            let data_type = common_type(values.values.iter().map(|row| &row[index]), &schema)?;
            for row in &mut values.values {
                let value = std::mem::take(&mut row[index]);
                row[index] = if value.get_type(&schema)? == data_type { value } else { cast(value, data_type.clone()) };
            }
            field = Field::new(field.name(), data_type, field.is_nullable());
        } else if field.data_type().is_nested() {
            // Numbers within: as they come, if all rows agree.
            let types = values.values.iter().map(|row| row[index].get_type(&schema));
            let types = types.collect::<Result<Vec<_>>>()?;
            match types.first() {
                Some(first) if types.iter().all(|t| t == first) => {
                    field = Field::new(field.name(), first.clone(), field.is_nullable());
                }
                _ => {
                    for row in &mut values.values {
                        row[index] = cast(std::mem::take(&mut row[index]), field.data_type().clone());
                    }
                }
            }
        }
        fields.push((qualifier.cloned(), Arc::new(field)));
    }
    values.schema = Arc::new(DFSchema::new_with_metadata(fields, values.schema.metadata().clone())?);
    Ok(Transformed::yes(LogicalPlan::Values(values)))
}

/// The smallest type of whole numbers for all these.
fn common_type<'a>(values: impl Iterator<Item = &'a Expr>, schema: &DFSchema) -> Result<DataType> {
    let (mut low, mut high) = (0i128, 0i128);
    for value in values {
        match value {
            Expr::Literal(number, _) if number.is_null() => {}
            Expr::Literal(number, _) if whole(number).is_some() => {
                let number = whole(number).unwrap_or_default();
                (low, high) = (low.min(number), high.max(number));
            }
            other => match super::shape(&other.get_type(schema)?) {
                Some((width, true)) => {
                    (low, high) = (low.min(-(1i128 << (width - 1))), high.max((1i128 << (width - 1)) - 1))
                }
                Some((width, false)) => high = high.max((1i128 << width) - 1),
                None => return Ok(DataType::Int64),
            },
        }
    }
    if low == 0 {
        return Ok(smallest(high).map_or(DataType::Int64, |value| value.data_type()));
    }
    // What is signed must also hold the largest.
    let mirrored = low.min(-high - 1).max(i128::from(i64::MIN));
    Ok(smallest(mirrored).map_or(DataType::Int64, |value: ScalarValue| value.data_type()))
}

/// Counts are unsigned: those of the library are cast, in a projection above.
fn counts_unsigned(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let (count_exprs, before) = match &plan {
        LogicalPlan::Aggregate(Aggregate { aggr_expr, schema, .. }) => {
            (aggr_expr.as_slice(), schema.fields().len() - aggr_expr.len())
        }
        LogicalPlan::Window(window) => {
            (window.window_expr.as_slice(), window.schema.fields().len() - window.window_expr.len())
        }
        _ => return Ok(Transformed::no(plan)),
    };
    if !count_exprs.iter().any(is_count) {
        return Ok(Transformed::no(plan));
    }
    let counts: Vec<bool> = std::iter::repeat_n(false, before).chain(count_exprs.iter().map(is_count)).collect();
    let columns = plan.schema().iter().zip(&counts).map(|((qualifier, field), count)| {
        let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        match *count && *field.data_type() == DataType::Int64 {
            true => cast(column, DataType::UInt64).alias_qualified(qualifier.cloned(), field.name()),
            false => column,
        }
    });
    let projection = Projection::try_new(columns.collect(), Arc::new(plan.clone()))?;
    Ok(Transformed::yes(LogicalPlan::Projection(projection)))
}

fn is_count(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_count(&alias.expr),
        Expr::AggregateFunction(function) => matches!(function.func.name(), "count"),
        Expr::WindowFunction(function) => function.fun.name() == "count",
        _ => false,
    }
}

/// The plan's columns in the types of `wanted`.
fn with_types(plan: LogicalPlan, wanted: &DFSchema) -> Result<LogicalPlan> {
    let same = plan.schema().fields().iter().zip(wanted.fields()).all(|(a, b)| a.data_type() == b.data_type());
    if same {
        return Ok(plan);
    }
    let columns = plan.schema().iter().zip(wanted.fields()).map(|((qualifier, field), wanted)| {
        let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        match field.data_type() == wanted.data_type() {
            true => column,
            false => cast(column, wanted.data_type().clone()).alias_qualified(qualifier.cloned(), field.name()),
        }
    });
    let columns = columns.collect();
    Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan))?))
}
