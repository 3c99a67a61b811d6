//! What a query says of columns and values that are only known when the data is looked at: `COLUMNS(…)` in a SELECT list,
//! and the values of `PIVOT … IN (ANY)` and `PIVOT … IN (SELECT …)`. Queries that say nothing of the kind are not touched.

use super::{StatementContext, dialect::plain_name, naming::folded};
use crate::{Error, Result, statement::select};
use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::DataType,
    util::display::array_value_to_string,
};
use datafusion::sql::sqlparser::ast::{
    CastKind, Distinct, ExcludeSelectItem, Expr, ExprWithAlias, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, Ident, LambdaFunction, OrderBy, OrderByKind, PivotValueSource, Query, Select, SelectItem,
    SetExpr, TableFactor, TypedString, Value, Visit, VisitMut, Visitor, VisitorMut, With,
};
use futures::{TryStreamExt, future::BoxFuture};
use std::{borrow::Cow, ops::ControlFlow};

/// Columns that a PIVOT may make.
const VALUES_MAX: usize = 1000;

/// `query` with columns and values put in.
pub(super) async fn expand<'q>(context: &StatementContext, query: &'q Query) -> Result<Cow<'q, Query>> {
    if Visit::visit(query, &mut Finder).is_continue() {
        return Ok(Cow::Borrowed(query));
    }
    let mut query = query.clone();
    in_query(context, &mut query, None).await?;
    Ok(Cow::Owned(query))
}

struct Finder;

impl Visitor for Finder {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match columns_call(expr) {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Pivot { value_source: PivotValueSource::Any(_) | PivotValueSource::Subquery(_), .. } => {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

fn columns_call(expr: &Expr) -> Option<&Function> {
    match expr {
        Expr::Function(function) if plain_name(function).as_deref() == Some("columns") => Some(function),
        _ => None,
    }
}

/// Everything inside one query; `outer` are the names its surroundings give to queries.
fn in_query<'a>(context: &'a StatementContext, query: &'a mut Query, outer: Option<With>) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let mut known = outer;
        if let Some(with) = &mut query.with {
            for cte in &mut with.cte_tables {
                in_query(context, &mut cte.query, known.clone()).await?;
                let known = known.get_or_insert_with(|| With { cte_tables: Vec::new(), ..with_of(with.recursive) });
                known.cte_tables.push(cte.clone());
            }
        }
        in_body(context, &mut query.body, known).await
    })
}

fn with_of(recursive: bool) -> With {
    use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
    With { with_token: AttachedToken::empty(), recursive, cte_tables: Vec::new() }
}

fn in_body<'a>(context: &'a StatementContext, body: &'a mut SetExpr, known: Option<With>) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        match body {
            SetExpr::Select(select) => {
                for from in &mut select.from {
                    in_relation(context, &mut from.relation, known.clone()).await?;
                    for join in &mut from.joins {
                        in_relation(context, &mut join.relation, known.clone()).await?;
                    }
                }
                columns(context, select, known).await
            }
            SetExpr::Query(query) => in_query(context, query, known).await,
            SetExpr::SetOperation { left, right, .. } => {
                in_body(context, left, known.clone()).await?;
                in_body(context, right, known).await
            }
            _ => Ok(()),
        }
    })
}

fn in_relation<'a>(
    context: &'a StatementContext,
    relation: &'a mut TableFactor,
    known: Option<With>,
) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        match relation {
            TableFactor::Derived { subquery, .. } => in_query(context, subquery, known).await,
            TableFactor::NestedJoin { table_with_joins, .. } => {
                in_relation(context, &mut table_with_joins.relation, known.clone()).await?;
                for join in &mut table_with_joins.joins {
                    in_relation(context, &mut join.relation, known.clone()).await?;
                }
                Ok(())
            }
            TableFactor::Unpivot { table, .. } => in_relation(context, table, known).await,
            TableFactor::Pivot { table, value_column, value_source, .. } => {
                in_relation(context, table, known.clone()).await?;
                let values = match value_source {
                    PivotValueSource::List(_) => return Ok(()),
                    PivotValueSource::Subquery(subquery) => with(subquery.as_ref().clone(), known),
                    PivotValueSource::Any(order_by) => {
                        let column = value_column.first().cloned().unwrap_or_else(select::null);
                        let list = vec![SelectItem::UnnamedExpr(column)];
                        let mut query = select::select(list, vec![select::from_one(table.as_ref().clone())], None);
                        if let SetExpr::Select(select) = query.body.as_mut() {
                            select.distinct = Some(Distinct::Distinct);
                        }
                        if !order_by.is_empty() {
                            let kind = OrderByKind::Expressions(std::mem::take(order_by));
                            query.order_by = Some(OrderBy { kind, interpolate: None });
                        }
                        with(query, known)
                    }
                };
                let values = values_of(context, &values).await?;
                *value_source = PivotValueSource::List(values);
                Ok(())
            }
            _ => Ok(()),
        }
    })
}

/// `query` under the names of its surroundings.
fn with(mut query: Query, known: Option<With>) -> Query {
    if let Some(mut known) = known {
        if let Some(own) = query.with.take() {
            known.recursive |= own.recursive;
            known.cte_tables.extend(own.cte_tables);
        }
        query.with = Some(known);
    }
    query
}

async fn rows(context: &StatementContext, query: &Query) -> Result<Vec<RecordBatch>> {
    let planned = Box::pin(context.plan_query(query)).await?;
    let stream = context.run(planned.physical)?;
    stream.try_collect().await.map_err(super::explain)
}

/// The values of a query of one column, as literals.
async fn values_of(context: &StatementContext, query: &Query) -> Result<Vec<ExprWithAlias>> {
    let mut values = Vec::new();
    for batch in rows(context, query).await? {
        let [column] = batch.columns() else {
            let message = format!("the query of PIVOT … IN yields {} columns instead of one", batch.num_columns());
            return Err(Error::Semantic { message });
        };
        for row in (0..column.len()).filter(|row| column.is_valid(*row)) {
            values.push(ExprWithAlias { expr: literal(column, row)?, alias: None });
            if values.len() > VALUES_MAX {
                return Err(Error::Semantic { message: format!("PIVOT would make more than {VALUES_MAX} columns") });
            }
        }
    }
    if values.is_empty() {
        return Err(Error::Semantic { message: "PIVOT … IN found no values".into() });
    }
    Ok(values)
}

fn literal(column: &dyn Array, row: usize) -> Result<Expr> {
    let text = array_value_to_string(column, row).map_err(|e| Error::internal("a value has no text", e))?;
    let typed = |data_type| {
        Expr::TypedString(TypedString {
            data_type,
            value: Value::SingleQuotedString(text.clone()).with_empty_span(),
            uses_odbc_syntax: false,
        })
    };
    use datafusion::sql::sqlparser::ast::{DataType as Sql, TimezoneInfo};
    Ok(match column.data_type() {
        DataType::Boolean => select::boolean(column.as_boolean().value(row)),
        DataType::Date32 => typed(Sql::Date),
        DataType::Timestamp(_, _) => typed(Sql::Timestamp(None, TimezoneInfo::None)),
        number if number.is_numeric() => {
            let value = Expr::Value(Value::Number(text.trim_start_matches('-').to_owned(), false).with_empty_span());
            if text.starts_with('-') {
                let op = datafusion::sql::sqlparser::ast::UnaryOperator::Minus;
                Expr::UnaryOp { op, expr: Box::new(value) }
            } else {
                value
            }
        }
        _ => Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(select::text(&text)),
            data_type: Sql::Varchar(None),
            array: false,
            format: None,
        },
    })
}

/// `COLUMNS('pattern')`, `COLUMNS(name -> condition)`, `COLUMNS(* EXCLUDE (a))` in the SELECT list.
async fn columns(context: &StatementContext, select: &mut Select, known: Option<With>) -> Result<()> {
    let asks = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(expr) if columns_call(expr).is_some());
    if !select.projection.iter().any(asks) {
        return Ok(());
    }
    let all = select::select(vec![select::everything()], select.from.clone(), None);
    let (plan, _) = context.logical_plan(&with(all, known), Vec::new()).await?;
    let names: Vec<String> = plan.schema().fields().iter().map(|f| f.name().clone()).collect();
    let mut projection = Vec::new();
    for item in std::mem::take(&mut select.projection) {
        let call = match &item {
            SelectItem::UnnamedExpr(expr) => columns_call(expr),
            _ => None,
        };
        match call {
            Some(call) => {
                for name in chosen(context, call, &names).await? {
                    projection.push(SelectItem::UnnamedExpr(Expr::Identifier(Ident::with_quote('"', name))));
                }
            }
            None => projection.push(item),
        }
    }
    if projection.is_empty() {
        return Err(Error::Semantic { message: "COLUMNS(…) chooses no column".into() });
    }
    select.projection = projection;
    Ok(())
}

async fn chosen(context: &StatementContext, call: &Function, names: &[String]) -> Result<Vec<String>> {
    let wrong =
        || Error::Semantic { message: format!("`{call}`: COLUMNS takes a pattern, a lambda or * EXCLUDE (…)") };
    let FunctionArguments::List(list) = &call.args else {
        return Err(wrong());
    };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] => Ok(names.to_vec()),
        [FunctionArg::Unnamed(FunctionArgExpr::WildcardWithOptions(options))] => {
            let excluded: Vec<String> = match &options.opt_exclude {
                None => Vec::new(),
                Some(ExcludeSelectItem::Single(name)) => vec![name.to_string()],
                Some(ExcludeSelectItem::Multiple(names)) => names.iter().map(ToString::to_string).collect(),
            };
            let is_excluded =
                |name: &&String| !excluded.iter().any(|e| e.trim_matches(['"', '`']).eq_ignore_ascii_case(name));
            Ok(names.iter().filter(is_excluded).cloned().collect())
        }
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Lambda(lambda)))] => by_lambda(context, lambda, names).await,
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))] => {
            let pattern = value.value.clone().into_string().ok_or_else(wrong)?;
            let regex = regex::Regex::new(&pattern).map_err(|error| {
                let error = error.to_string();
                let last = error.lines().last().unwrap_or_default();
                Error::Semantic { message: format!("COLUMNS('{pattern}'): {last}") }
            })?;
            Ok(names.iter().filter(|name| regex.is_match(name)).cloned().collect())
        }
        _ => Err(wrong()),
    }
}

async fn by_lambda(context: &StatementContext, lambda: &LambdaFunction, names: &[String]) -> Result<Vec<String>> {
    use datafusion::sql::sqlparser::ast::OneOrManyWithParens;
    let parameter = match &lambda.params {
        OneOrManyWithParens::One(one) => folded(&one.name),
        OneOrManyWithParens::Many(many) if many.len() == 1 => folded(&many[0].name),
        OneOrManyWithParens::Many(_) => {
            return Err(Error::Semantic { message: "the lambda of COLUMNS has one parameter".into() });
        }
    };
    let items = names.iter().map(|name| {
        let mut condition = lambda.body.as_ref().clone();
        let _ = VisitMut::visit(&mut condition, &mut Put { parameter: &parameter, name });
        SelectItem::UnnamedExpr(condition)
    });
    let query = select::select(items.collect(), Vec::new(), None);
    let answers = rows(context, &query).await?;
    let holds = |at: usize| {
        let answer = answers.first().map(|batch| batch.column(at));
        answer.and_then(|a| a.as_boolean_opt()).is_some_and(|a| a.is_valid(0) && a.value(0))
    };
    Ok(names.iter().enumerate().filter(|(at, _)| holds(*at)).map(|(_, name)| name.clone()).collect())
}

/// Puts a column's name in the place of the lambda's parameter.
struct Put<'a> {
    parameter: &'a str,
    name: &'a str,
}

impl VisitorMut for Put<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if matches!(expr, Expr::Identifier(ident) if folded(ident) == self.parameter) {
            *expr = select::text(self.name);
        }
        ControlFlow::Continue(())
    }
}
