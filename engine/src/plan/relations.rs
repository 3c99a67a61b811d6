//! Relations the query library does not plan: PIVOT, UNPIVOT, SAMPLE.

use super::naming::folded;
use crate::Error;
use datafusion::{
    common::{Column, DataFusionError, Result},
    functions::math::expr_fn::random,
    logical_expr::{
        Expr, LogicalPlan, LogicalPlanBuilder, lit,
        planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning},
    },
    sql::sqlparser::ast::{
        self, ExprWithAlias, NullInclusion, PivotValueSource, TableFactor, TableSample, TableSampleKind,
        TableSampleUnit, Value,
    },
};
use std::{collections::HashSet, sync::Arc};

/// Column by which a sample is chosen.
const CHANCE: &str = "__basalt_chance";

/// Plans these relations.
#[derive(Debug)]
pub(super) struct Relations;

impl Relations {
    pub fn planners() -> Vec<Arc<dyn RelationPlanner>> {
        vec![Arc::new(Self)]
    }
}

fn refused(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

fn semantic(message: impl Into<String>) -> DataFusionError {
    refused(Error::Semantic { message: message.into() })
}

impl RelationPlanner for Relations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        match relation {
            TableFactor::Pivot { table, aggregate_functions, value_column, value_source, default_on_null, alias } => {
                let PivotValueSource::List(values) = value_source else {
                    return Err(refused(Error::Unsupported { what: "PIVOT over ANY or a query at this place".into() }));
                };
                if default_on_null.is_some() {
                    return Err(refused(Error::Unsupported { what: "PIVOT … DEFAULT ON NULL".into() }));
                }
                let input = context.plan(*table)?;
                let plan = pivot(input, &aggregate_functions, &value_column, &values, context)?;
                Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
            }
            TableFactor::Unpivot { table, value, null_inclusion, name, columns, alias } => {
                let input = context.plan(*table)?;
                let keep_nulls = null_inclusion == Some(NullInclusion::IncludeNulls);
                let plan = unpivot(input, &value, folded(&name), &columns, keep_nulls, context)?;
                Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
            }
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample: Some(TableSampleKind::BeforeTableAlias(sample) | TableSampleKind::AfterTableAlias(sample)),
                index_hints,
            } => {
                let table = TableFactor::Table {
                    name,
                    alias,
                    args,
                    with_hints,
                    version,
                    with_ordinality,
                    partitions,
                    json_path,
                    sample: None,
                    index_hints,
                };
                let plan = sampled(context.plan(table)?, &sample)?;
                Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, None))))
            }
            other => Ok(RelationPlanning::Original(Box::new(other))),
        }
    }
}

/// The name of the column for a value: its text, in lower case as names without quotes are.
fn column_name(value: &ast::Expr) -> String {
    let text = match value {
        ast::Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => text.clone(),
            other => other.to_string(),
        },
        ast::Expr::Cast { expr, .. } => return column_name(expr),
        ast::Expr::TypedString(typed) => typed.value.value.clone().into_string().unwrap_or_default(),
        other => other.to_string(),
    };
    text.to_lowercase()
}

/// One column per value, of the aggregate over the rows that have it; grouped by all columns not used.
fn pivot(
    input: LogicalPlan,
    aggregates: &[ExprWithAlias],
    columns: &[ast::Expr],
    values: &[ExprWithAlias],
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let [column] = columns else {
        return Err(refused(Error::Unsupported { what: "PIVOT over several columns".into() }));
    };
    let schema = input.schema().clone();
    let mut used: HashSet<Column> = HashSet::new();
    used.extend(context.sql_to_expr(column.clone(), &schema)?.column_refs().into_iter().cloned());
    let mut made = Vec::new();
    for value in values {
        for aggregate in aggregates {
            let ast::Expr::Function(mut function) = aggregate.expr.clone() else {
                return Err(semantic(format!("PIVOT wants an aggregate, not `{}`", aggregate.expr)));
            };
            let plain = context.sql_to_expr(aggregate.expr.clone(), &schema)?;
            used.extend(plain.column_refs().into_iter().cloned());
            let has = crate::statement::select::equals(column.clone(), value.expr.clone());
            let before = function.filter.take().map(|filter| *filter);
            function.filter = Some(Box::new(crate::statement::select::and(before, has)));
            let planned = context.sql_to_expr(ast::Expr::Function(function), &schema)?.unalias();
            if !matches!(planned, Expr::AggregateFunction(_)) {
                return Err(semantic(format!("PIVOT wants an aggregate, not `{}`", aggregate.expr)));
            }
            let mut name = value.alias.as_ref().map_or_else(|| column_name(&value.expr), folded);
            if let Some(alias) = &aggregate.alias {
                name = format!("{name}_{}", folded(alias));
            } else if aggregates.len() > 1 {
                name = format!("{name}_{}", aggregate.expr.to_string().to_lowercase());
            }
            made.push(planned.alias(name));
        }
    }
    if made.is_empty() {
        return Err(semantic("PIVOT wants an aggregate and values"));
    }
    let groups = schema.columns().into_iter().filter(|c| !used.contains(c)).map(Expr::Column);
    LogicalPlanBuilder::from(input).aggregate(groups.collect::<Vec<_>>(), made)?.build()
}

/// One row per column of `columns`, with its name and value.
fn unpivot(
    input: LogicalPlan,
    value: &ast::Expr,
    name: String,
    columns: &[ExprWithAlias],
    keep_nulls: bool,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let ast::Expr::Identifier(value) = value else {
        return Err(refused(Error::Unsupported { what: "UNPIVOT of several values".into() }));
    };
    let value = folded(value);
    let schema = input.schema().clone();
    let mut parts = Vec::new();
    for column in columns {
        let planned = context.sql_to_expr(column.expr.clone(), &schema)?;
        let Expr::Column(found) = planned else {
            return Err(semantic(format!("UNPIVOT wants columns, not `{}`", column.expr)));
        };
        let label = column.alias.as_ref().map_or_else(|| found.name.clone(), |alias| alias.value.clone());
        parts.push((found, label));
    }
    let rest: Vec<Expr> =
        schema.columns().into_iter().filter(|c| !parts.iter().any(|(p, _)| p == c)).map(Expr::Column).collect();
    let mut all: Option<LogicalPlanBuilder> = None;
    for (column, label) in parts {
        let mut exprs = rest.clone();
        exprs.push(lit(label).alias(&name));
        exprs.push(Expr::Column(column).alias(&value));
        let part = LogicalPlanBuilder::from(input.clone()).project(exprs)?.build()?;
        all = Some(match all {
            Some(before) => before.union(part)?,
            None => LogicalPlanBuilder::from(part),
        });
    }
    let all = all.ok_or_else(|| semantic("UNPIVOT wants columns"))?;
    if keep_nulls {
        return all.build();
    }
    all.filter(Expr::Column(Column::from_name(value)).is_not_null())?.build()
}

/// `SAMPLE ROW (n ROWS)`: so many rows; `SAMPLE [ROW | BLOCK] (p)`: each row with that percentage.
fn sampled(input: LogicalPlan, sample: &TableSample) -> Result<LogicalPlan> {
    if sample.seed.is_some() || sample.bucket.is_some() || sample.offset.is_some() {
        return Err(refused(Error::Unsupported { what: "SAMPLE with SEED, BUCKET or OFFSET".into() }));
    }
    let Some(quantity) = &sample.quantity else {
        return Err(semantic("SAMPLE wants a number"));
    };
    let number = match &quantity.value {
        ast::Expr::Value(value) => match &value.value {
            Value::Number(text, _) => text.parse::<f64>().ok(),
            _ => None,
        },
        _ => None,
    };
    let number = number.ok_or_else(|| semantic(format!("SAMPLE wants a number, not `{}`", quantity.value)))?;
    let builder = LogicalPlanBuilder::from(input);
    if quantity.unit == Some(TableSampleUnit::Rows) {
        let mut columns: Vec<Expr> = builder.schema().columns().into_iter().map(Expr::Column).collect();
        let kept = columns.clone();
        columns.push(random().alias(CHANCE));
        let by_chance = vec![Expr::Column(Column::from_name(CHANCE)).sort(true, false)];
        let chosen = builder.project(columns)?.sort(by_chance)?.limit(0, Some(number as usize))?;
        return chosen.project(kept)?.build();
    }
    if !(0.0..=100.0).contains(&number) {
        return Err(semantic(format!("SAMPLE takes a percentage between 0 and 100, not {number}")));
    }
    builder.filter(random().lt(lit(number / 100.0)))?.build()
}
