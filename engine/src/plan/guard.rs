//! What policies do to the rows of a table before anything else sees them: a row access policy keeps rows away, masking
//! policies change values. The guarded table is a query over the table itself, put in the place of its name, so that
//! views, subqueries, time travel and changes of rows all go through it.
//!
//! Rules run with their author's rights: tables they look things up in are not checked against the caller.

use super::{
    ROW_COLUMN, ResolvedTable, SEGMENT_COLUMN, StatementContext, explain,
    prepare::{self, Prepared, StandIns},
    resolve::Resolver,
    session::PlanningSession,
};
use crate::{
    Error, Result,
    access::{Attachment, Kept, RuleRecord, attached},
    sql::SqlLimits,
    statement::select::{column, column_of, exact, from_one, named, object_name, relation, select},
};
use arrow::datatypes::SchemaRef;
use basalt_meta::{ColumnId, EntityKind, Table};
use datafusion::{
    catalog::{Session, TableProvider},
    common::{DataFusionError, Result as PlanResult},
    logical_expr::{Expr as PlanExpr, LogicalPlan, LogicalPlanBuilder, TableType, cast},
    physical_plan::ExecutionPlan,
    sql::sqlparser::ast::{Expr, Ident, Query, VisitMut, VisitorMut, visit_expressions_mut},
};
use std::{borrow::Cow, collections::HashMap, convert::Infallible, ops::ControlFlow, sync::Arc};

/// Under which name rules see their table.
const GUARDED: &str = "__basalt_guarded";
/// What stands before the name of a masked column's true values, where rows are changed.
const TRUE: &str = "__basalt_true_";

/// The column of a change's target that has the true values of a masked column.
pub(crate) fn true_name(column: &str) -> String {
    format!("{TRUE}{column}")
}

/// `provider`, which gives rows of `table`, behind the policies of the table.
pub(super) fn guard(
    context: &StatementContext,
    session: &PlanningSession,
    table: &ResolvedTable,
    provider: Arc<dyn TableProvider>,
    depth: usize,
) -> Result<Arc<dyn TableProvider>> {
    let rights = context.rights();
    let id = table.table.table().id;
    let masks = attached(&rights, EntityKind::MaskingPolicy, id)?;
    let filters = attached(&rights, EntityKind::RowAccessPolicy, id)?;
    if masks.is_empty() && filters.is_empty() {
        return Ok(provider);
    }
    let schema = provider.schema();
    let query = query(context, table.table.table(), &schema, &masks, &filters)?;
    let Prepared { query, versions, .. } = prepare::prepare(&query, StandIns { context, parameters: None })?;
    if !versions.is_empty() {
        return Err(Error::Unsupported { what: "time travel inside a policy".into() });
    }
    let relations = HashMap::from([(GUARDED.to_owned(), provider)]);
    let inner = Resolver::within(context, session, &table.database.name, &relations, depth + 1);
    let plan = inner.plan(query).map_err(explain)?;
    let plan = typed(plan, &schema).map_err(explain)?;
    Ok(Arc::new(Guarded { schema: Arc::new(plan.schema().as_arrow().clone()), plan }))
}

/// The names of a table's masked columns.
pub(super) fn masked(context: &StatementContext, table: &Table) -> Result<Vec<String>> {
    let masks = attached(&context.rights(), EntityKind::MaskingPolicy, table.id)?;
    let name = |(_, a): &(Kept<RuleRecord>, Attachment)| {
        let id = ColumnId(*a.columns.first()?);
        table.column_by_id(id).map(|c| c.name.clone())
    };
    Ok(masks.iter().filter_map(name).collect())
}

/// `SELECT every column, masked where it is FROM the table WHERE the filters hold`.
fn query(
    context: &StatementContext,
    table: &Table,
    schema: &SchemaRef,
    masks: &[(Kept<RuleRecord>, Attachment)],
    filters: &[(Kept<RuleRecord>, Attachment)],
) -> Result<Query> {
    let of_change = schema.index_of(SEGMENT_COLUMN).is_ok() && schema.index_of(ROW_COLUMN).is_ok();
    let mut projection = Vec::new();
    for field in schema.fields() {
        let id = table.column(field.name()).map(|c| c.id.0);
        let mask = masks.iter().find(|(_, a)| id.is_some() && a.columns.first().copied() == id);
        match mask {
            None => projection.push(named(column(field.name()), field.name())),
            Some((rule, attachment)) => {
                projection.push(named(applied(context, table, rule, attachment)?, field.name()));
                if of_change {
                    projection.push(named(column(field.name()), &true_name(field.name())));
                }
            }
        }
    }
    let mut selection = None;
    for (rule, attachment) in filters {
        let condition = applied(context, table, rule, attachment)?;
        selection = Some(crate::statement::select::and(selection, condition));
    }
    Ok(select(projection, vec![from_one(relation(object_name(&[GUARDED]), None))], selection))
}

/// A rule's expression with columns in the place of its arguments.
fn applied(context: &StatementContext, table: &Table, rule: &Kept<RuleRecord>, use_: &Attachment) -> Result<Expr> {
    let lost = || Error::Semantic {
        message: format!(
            "{} `{}` needs a column that table `{}` does not have here",
            rule.entity.kind, rule.entity.name, table.name
        ),
    };
    let mut columns = HashMap::new();
    for ((argument, _), id) in rule.body.arguments.iter().zip(&use_.columns) {
        let found = table.column_by_id(ColumnId(*id)).ok_or_else(lost)?;
        columns.insert(argument.clone(), found.name.clone());
    }
    if columns.len() != rule.body.arguments.len() {
        return Err(lost());
    }
    with_arguments(&rule.body.body, context.sql_limits(), |name| {
        columns.get(name).map(|column| column_of(&exact(GUARDED), column))
    })
}

/// A rule's text as an expression, its arguments replaced.
pub(crate) fn with_arguments(text: &str, limits: SqlLimits, value: impl Fn(&str) -> Option<Expr>) -> Result<Expr> {
    let mut expr = crate::sql::parse_expression(text, limits)?;
    let replaced = visit_expressions_mut(&mut expr, |expr| {
        if let Expr::Identifier(ident) = expr
            && let Some(value) = value(&ident.value.to_lowercase())
        {
            *expr = value;
        }
        ControlFlow::<Infallible>::Continue(())
    });
    let ControlFlow::Continue(()) = replaced;
    Ok(crate::statement::select::nested(expr))
}

/// Values as the types the columns have.
fn typed(plan: LogicalPlan, schema: &SchemaRef) -> PlanResult<LogicalPlan> {
    let columns = plan.schema().columns();
    let exprs = columns.into_iter().map(|found| {
        let wanted = found.name.strip_prefix(TRUE).unwrap_or(&found.name);
        let name = found.name.clone();
        match schema.field_with_name(wanted) {
            Ok(field) => cast(PlanExpr::Column(found), field.data_type().clone()).alias(name),
            Err(_) => PlanExpr::Column(found).alias(name),
        }
    });
    LogicalPlanBuilder::from(plan.clone()).project(exprs)?.build()
}

/// A table behind its policies: planning puts its plan in the place of its name.
#[derive(Debug)]
struct Guarded {
    schema: SchemaRef,
    plan: LogicalPlan,
}

#[async_trait::async_trait]
impl TableProvider for Guarded {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn get_logical_plan(&'_ self) -> Option<Cow<'_, LogicalPlan>> {
        Some(Cow::Borrowed(&self.plan))
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[PlanExpr],
        _limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Err(DataFusionError::Internal("a guarded table is planned in place, not scanned".into()))
    }
}

/// Lets a condition over a change's target see true values: the rows that a statement changes are found by what is
/// stored. Only plain references outside subqueries are meant; everything else sees masked values.
pub(crate) fn over_true_values(condition: &mut Expr, target: &Ident, masked: &[String]) {
    if masked.is_empty() {
        return;
    }
    let mut visitor = TrueValues { target, masked, queries: 0 };
    let ControlFlow::Continue(()) = condition.visit(&mut visitor);
}

struct TrueValues<'a> {
    target: &'a Ident,
    masked: &'a [String],
    queries: usize,
}

impl TrueValues<'_> {
    fn true_column(&self, ident: &Ident) -> Option<Expr> {
        let found = self.masked.iter().find(|name| crate::sql::matches_name(ident, name))?;
        Some(column_of(self.target, &true_name(found)))
    }
}

impl VisitorMut for TrueValues<'_> {
    type Break = Infallible;

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Infallible> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Infallible> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if self.queries > 0 {
            return ControlFlow::Continue(());
        }
        let found = match expr {
            Expr::Identifier(ident) => self.true_column(ident),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, ident] if crate::sql::matches_name(table, &crate::sql::ident_name(self.target)) => {
                    self.true_column(ident)
                }
                _ => None,
            },
            _ => None,
        };
        if let Some(found) = found {
            *expr = found;
        }
        ControlFlow::Continue(())
    }
}
