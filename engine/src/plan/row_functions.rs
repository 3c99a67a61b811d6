//! Functions in FROM that yield rows: FLATTEN, `json_each`, `json_array_elements`, `json_path_query`, `unnest`. Each may
//! refer to the tables before it, with or without LATERAL.
//!
//! The library plans such a function as a subquery over one empty row, and knows no way to run it for each row of
//! another plan. So where it stands in a join, the row function becomes one more column of the join's left side, an
//! array per row, and that column is opened.

use crate::functions::{TableShape, table_function};
use datafusion::{
    arrow::datatypes::DataType,
    common::{
        Column, DFSchema, DataFusionError, NullHandling, Result, ScalarValue, TableReference, UnnestOptions,
        not_impl_err, plan_err,
        tree_node::{Transformed, TreeNode},
    },
    functions::core::expr_fn::get_field,
    logical_expr::{
        Expr, ExprSchemable, Join, JoinType, LogicalPlan, LogicalPlanBuilder,
        planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning},
        utils::conjunction,
    },
    sql::sqlparser::ast::{
        self, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, TableAlias, TableFactor,
    },
};
use std::sync::Arc;

/// The column of arrays that is opened.
const ROWS: &str = "$rows";
/// Functions that may stand in FROM.
const NAMES: [&str; 9] = [
    "flatten",
    "json_each",
    "jsonb_each",
    "json_array_elements",
    "jsonb_array_elements",
    "json_path_query",
    "jsonb_path_query",
    "unnest",
    "jq",
];

/// The planner of these functions, in the form the library asks for it.
pub(super) fn planners() -> Vec<Arc<dyn RelationPlanner>> {
    vec![Arc::new(RowFunctions)]
}

fn function_name(name: &ObjectName) -> Option<String> {
    let [ObjectNamePart::Identifier(name)] = name.0.as_slice() else {
        return None;
    };
    let name = name.value.to_lowercase();
    NAMES.contains(&name.as_str()).then_some(name)
}

/// Says of a function in FROM that it may refer to what stands before it.
pub(super) fn mark_lateral(factor: &mut TableFactor) {
    let TableFactor::Table { name, args, alias, .. } = factor else {
        return;
    };
    let Some(args) = args.take_if(|_| function_name(name).is_some()) else {
        return;
    };
    *factor = TableFactor::Function {
        lateral: true,
        name: name.clone(),
        args: args.args,
        with_ordinality: false,
        alias: alias.take(),
    };
}

#[derive(Debug)]
struct RowFunctions;

impl RelationPlanner for RowFunctions {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let (name, args, alias) = match relation {
            TableFactor::Function { name, args, alias, with_ordinality: false, lateral } => {
                match function_name(&name) {
                    Some(name) => (name, named(args)?, alias),
                    None => {
                        let relation = TableFactor::Function { name, args, alias, with_ordinality: false, lateral };
                        return Ok(RelationPlanning::Original(Box::new(relation)));
                    }
                }
            }
            TableFactor::UNNEST { alias, array_exprs, with_offset: false, with_ordinality: false, .. }
                if holds_json(&array_exprs, context) =>
            {
                ("unnest".to_owned(), array_exprs.into_iter().map(|expr| (None, expr)).collect(), alias)
            }
            other => return Ok(RelationPlanning::Original(Box::new(other))),
        };
        let nothing = DFSchema::empty();
        let args = args.into_iter().map(|(name, expr)| Ok((name, context.sql_to_expr(expr, &nothing)?)));
        let args = args.collect::<Result<Vec<_>>>()?;
        let is_json = |expr: &Expr| expr.get_type(&nothing).is_ok_and(|t| t == DataType::LargeBinary);
        let Some(shape) = table_function(&name, args, is_json)? else {
            let what = format!("{name} in FROM");
            return Err(DataFusionError::External(Box::new(crate::Error::Unsupported { what })));
        };
        let plan = opened(shape)?;
        let alias = alias.unwrap_or_else(|| TableAlias {
            explicit: true,
            name: Ident::with_quote('"', name),
            columns: Vec::new(),
            at: None,
        });
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, Some(alias)))))
    }
}

/// Whether what is to be opened is one VARIANT. Arrays are left to the library.
fn holds_json(exprs: &[ast::Expr], context: &mut dyn RelationPlannerContext) -> bool {
    let [expr] = exprs else {
        return false;
    };
    let nothing = DFSchema::empty();
    let kind = context.sql_to_expr(expr.clone(), &nothing).and_then(|expr| expr.get_type(&nothing));
    kind.is_ok_and(|kind| kind == DataType::LargeBinary)
}

fn named(args: Vec<FunctionArg>) -> Result<Vec<(Option<String>, ast::Expr)>> {
    args.into_iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok((None, expr)),
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. } => Ok((Some(name.value), expr)),
            FunctionArg::ExprNamed { name: ast::Expr::Identifier(name), arg: FunctionArgExpr::Expr(expr), .. } => {
                Ok((Some(name.value), expr))
            }
            other => plan_err!("`{other}` is no argument of a function in FROM"),
        })
        .collect()
}

fn rows_column() -> Expr {
    Expr::Column(Column::new_unqualified(ROWS))
}

fn options(null_handling: NullHandling) -> UnnestOptions {
    UnnestOptions { null_handling, ..UnnestOptions::default() }
}

/// The rows of a function over one empty row.
fn opened(shape: TableShape) -> Result<LogicalPlan> {
    let TableShape { rows, columns } = shape;
    let columns: Vec<Expr> = match columns.as_slice() {
        [name] => vec![rows_column().alias(*name)],
        names => names.iter().map(|name| get_field(rows_column(), *name).alias(*name)).collect(),
    };
    LogicalPlanBuilder::empty(true)
        .project([rows.alias(ROWS)])?
        .unnest_column_with_options(Column::new_unqualified(ROWS), options(NullHandling::Drop))?
        .project(columns)?
        .build()
}

/// The plan with every row function that refers to the left side of its join run for each row of it.
pub(super) fn expand(plan: LogicalPlan) -> Result<LogicalPlan> {
    let expanded = plan.transform_up_with_subqueries(|plan| match plan {
        LogicalPlan::Join(join) => match RowFunction::of(&join.right) {
            Some(function) => function.over(join).map(Transformed::yes),
            None => Ok(Transformed::no(LogicalPlan::Join(join))),
        },
        other => Ok(Transformed::no(other)),
    });
    expanded.map(|expanded| expanded.data)
}

/// The right side of a join, taken apart.
struct RowFunction {
    /// Answers with an array of rows.
    rows: Expr,
    /// What is made of each row.
    columns: Vec<Expr>,
}

impl RowFunction {
    fn of(right: &LogicalPlan) -> Option<Self> {
        let (mut node, mut correlated, mut columns) = (right, false, None);
        loop {
            node = match node {
                LogicalPlan::SubqueryAlias(alias) => alias.input.as_ref(),
                LogicalPlan::Subquery(subquery) => {
                    correlated = true;
                    subquery.subquery.as_ref()
                }
                LogicalPlan::Projection(projection) => {
                    columns = Some(projection.expr.clone());
                    projection.input.as_ref()
                }
                LogicalPlan::Unnest(unnest) if correlated && unnest.exec_columns.iter().all(|c| c.name == ROWS) => {
                    let LogicalPlan::Projection(made) = unnest.input.as_ref() else { return None };
                    let [rows] = made.expr.as_slice() else { return None };
                    let over_nothing = matches!(made.input.as_ref(), LogicalPlan::EmptyRelation(_));
                    return over_nothing.then(|| Self { rows: rows.clone(), columns: columns.unwrap_or_default() });
                }
                _ => return None,
            };
        }
    }

    /// The join's rows: each of the left side beside each that the function yields for it.
    fn over(self, join: Join) -> Result<LogicalPlan> {
        let null_handling = match join.join_type {
            JoinType::Inner => NullHandling::Drop,
            JoinType::Left => NullHandling::PreserveAndExpandEmpty,
            other => return not_impl_err!("{other} JOIN with a function over the tables before it"),
        };
        let on = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
        let condition = conjunction(on.chain(join.filter.clone()));
        let condition = condition.filter(|c| !matches!(c, Expr::Literal(ScalarValue::Boolean(Some(true)), _)));
        if condition.is_some() && join.join_type == JoinType::Left {
            return not_impl_err!("a condition of LEFT JOIN with a function over the tables before it");
        }
        let left = Arc::unwrap_or_clone(join.left);
        let kept: Vec<Expr> = left.schema().iter().map(|(q, f)| Expr::Column(Column::from((q, f)))).collect();
        let rows = inner(self.rows, left.schema())?;
        let mut with_rows = kept.clone();
        with_rows.push(rows.unalias().alias(ROWS));
        let mut columns = kept;
        for ((qualifier, field), made) in join.right.schema().iter().zip(self.columns) {
            let qualifier: Option<TableReference> = qualifier.cloned();
            columns.push(made.unalias().alias_qualified(qualifier, field.name()));
        }
        let plan = LogicalPlanBuilder::from(left)
            .project(with_rows)?
            .unnest_column_with_options(Column::new_unqualified(ROWS), options(null_handling))?
            .project(columns)?;
        match condition {
            Some(condition) => plan.filter(condition)?.build(),
            None => plan.build(),
        }
    }
}

/// `expr` over the left side itself: what was a reference to it from within becomes a column.
fn inner(expr: Expr, left: &DFSchema) -> Result<Expr> {
    let inner = expr.transform(|expr| {
        Ok(match expr {
            Expr::OuterReferenceColumn(_, column) if left.has_column(&column) => Transformed::yes(Expr::Column(column)),
            other => Transformed::no(other),
        })
    });
    inner.map(|inner| inner.data)
}
