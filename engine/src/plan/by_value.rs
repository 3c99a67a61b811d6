//! VARIANT in places that know nothing of it: sorted and ranked by value, matched as text. Done before the library makes types equal, which would take JSONB for plain bytes.

use crate::functions::{json_call, sort_key, text_sort_key};
use datafusion::{
    arrow::datatypes::DataType,
    common::{
        DFSchema, Result,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    functions_aggregate::first_last::first_value_udaf,
    logical_expr::{
        BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator,
        expr::{AggregateFunction, Between, InList, Like, Sort},
        expr_rewriter::NamePreserver,
        utils::merge_schema,
    },
};
use std::{collections::HashSet, sync::LazyLock};

/// The plan with VARIANT taken by value everywhere.
pub(super) fn by_value(plan: LogicalPlan) -> Result<LogicalPlan> {
    if !has_variant(&plan)? {
        return Ok(plan);
    }
    plan.transform_up_with_subqueries(|plan| {
        let schema = match &plan {
            LogicalPlan::TableScan(_) | LogicalPlan::Values(_) => return Ok(Transformed::no(plan)),
            other => merge_schema(&other.inputs()),
        };
        let names = NamePreserver::new(&plan);
        let sorts = matches!(plan, LogicalPlan::Sort(_));
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|expr| rewritten(expr, &schema))?;
            if sorts && is_variant(&rewritten.data, &schema) {
                return Ok(Transformed::yes(sort_key(rewritten.data)));
            }
            Ok(if rewritten.transformed { Transformed::yes(name.restore(rewritten.data)) } else { rewritten })
        })
    })
    .map(|plan| plan.data)
}

/// Whether any column or expression of a plan could be a VARIANT.
fn has_variant(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= node.schema().fields().iter().any(|field| *field.data_type() == DataType::LargeBinary);
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                found |= match expr {
                    Expr::ScalarFunction(f) => is_json_function(f.func.name()),
                    Expr::Cast(cast) => *cast.field.data_type() == DataType::LargeBinary,
                    _ => false,
                };
                Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

fn is_json_function(name: &str) -> bool {
    static NAMES: LazyLock<HashSet<String>> =
        LazyLock::new(|| crate::functions::json_functions().iter().map(|f| f.name().to_owned()).collect());
    NAMES.contains(name)
}

fn is_variant(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|kind| kind == DataType::LargeBinary)
}

fn text(expr: Expr) -> Expr {
    json_call("__basalt_json_text", vec![expr])
}

fn rewritten(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::InList(InList { expr, list, negated }) => {
            if !is_variant(&expr, schema) && !list.iter().any(|item| is_variant(item, schema)) {
                return Ok(Transformed::no(Expr::InList(InList { expr, list, negated })));
            }
            let list = list.into_iter().map(sort_key).collect();
            Transformed::yes(Expr::InList(InList { expr: Box::new(sort_key(*expr)), list, negated }))
        }
        Expr::Between(Between { expr, negated, low, high }) => {
            if ![&expr, &low, &high].iter().any(|e| is_variant(e, schema)) {
                return Ok(Transformed::no(Expr::Between(Between { expr, negated, low, high })));
            }
            let [expr, low, high] = [expr, low, high].map(|e| Box::new(sort_key(*e)));
            Transformed::yes(Expr::Between(Between { expr, negated, low, high }))
        }
        Expr::Like(like) if is_variant(&like.expr, schema) => {
            let expr = Box::new(text(*like.expr));
            Transformed::yes(Expr::Like(Like { expr, ..like }))
        }
        Expr::AggregateFunction(aggregate) => aggregated(aggregate, schema),
        Expr::WindowFunction(mut window) => {
            let before = window.clone();
            for sort in &mut window.params.order_by {
                if is_variant(&sort.expr, schema) {
                    sort.expr = text_sort_key(std::mem::take(&mut sort.expr));
                }
            }
            for part in &mut window.params.partition_by {
                if is_variant(part, schema) {
                    *part = text_sort_key(std::mem::take(part));
                }
            }
            let changed = window != before;
            Transformed::new(Expr::WindowFunction(window), changed, TreeNodeRecursion::Continue)
        }
        other => Transformed::no(other),
    })
}

fn by_key(order: &mut [Sort], schema: &DFSchema) {
    for sort in order {
        if is_variant(&sort.expr, schema) {
            sort.expr = sort_key(std::mem::take(&mut sort.expr));
        }
    }
}

/// The least and greatest are so by value.
fn aggregated(mut aggregate: AggregateFunction, schema: &DFSchema) -> Transformed<Expr> {
    let before = aggregate.clone();
    by_key(&mut aggregate.params.order_by, schema);
    let first = aggregate.params.args.first().is_some_and(|arg| is_variant(arg, schema));
    match aggregate.func.name() {
        name @ ("min" | "max") if first => {
            let value = aggregate.params.args[0].clone();
            let known = Expr::IsNotNull(Box::new(value.clone()));
            aggregate.params.filter = Some(Box::new(match aggregate.params.filter.take() {
                Some(filter) => and(*filter, known),
                None => known,
            }));
            aggregate.params.distinct = false;
            aggregate.params.order_by = vec![Sort::new(sort_key(value), name == "min", false)];
            aggregate.func = first_value_udaf();
        }
        _ => {}
    }
    let changed = aggregate != before;
    Transformed::new(Expr::AggregateFunction(aggregate), changed, TreeNodeRecursion::Continue)
}

fn and(left: Expr, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op: Operator::And, right: Box::new(right) })
}
