//! Clauses of a SELECT in forms that the query library plans: TOP, GROUP BY with positions inside grouping sets and WITH
//! ROLLUP or CUBE, ORDER BY ALL, `FROM unnest(…)`.

use super::notation;
use crate::{Error, Result, statement::select};
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, GroupByExpr, GroupByWithModifier, Ident, LimitClause, ObjectNamePart, OrderBy,
    OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, TableAlias, TableFactor, TopQuantity, Value,
};

/// Rewrites one query; those inside it are looked at by themselves.
pub(super) fn rewrite(query: &mut Query) -> Result<()> {
    let mut top = None;
    selects(&mut query.body, &mut |select| {
        if let Some(wanted) = select.top.take() {
            if wanted.with_ties || wanted.percent {
                return Err(Error::Unsupported { what: "TOP with PERCENT or WITH TIES".into() });
            }
            top = Some(match wanted.quantity {
                Some(TopQuantity::Constant(rows)) => select::number(usize::try_from(rows).unwrap_or(usize::MAX)),
                Some(TopQuantity::Expr(rows)) => rows,
                None => return Err(Error::Syntax { message: "TOP without a number".into() }),
            });
        }
        group_by(select)?;
        for from in &mut select.from {
            unnest(&mut from.relation);
            from.joins.iter_mut().for_each(|join| unnest(&mut join.relation));
        }
        Ok(())
    })?;
    if let Some(rows) = top {
        if query.limit_clause.is_some() {
            return Err(Error::Semantic { message: "TOP and LIMIT in one query".into() });
        }
        query.limit_clause = Some(LimitClause::LimitOffset { limit: Some(rows), offset: None, limit_by: Vec::new() });
    }
    order_by_all(query);
    Ok(())
}

/// Every SELECT of a set operation.
fn selects(body: &mut SetExpr, work: &mut impl FnMut(&mut Select) -> Result<()>) -> Result<()> {
    match body {
        SetExpr::Select(select) => work(select),
        SetExpr::SetOperation { left, right, .. } => {
            selects(left, work)?;
            selects(right, work)
        }
        _ => Ok(()),
    }
}

fn group_by(select: &mut Select) -> Result<()> {
    let projection = select.projection.clone();
    let GroupByExpr::Expressions(exprs, modifiers) = &mut select.group_by else {
        if let GroupByExpr::All(modifiers) = &select.group_by
            && !modifiers.is_empty()
        {
            return Err(Error::Unsupported { what: "GROUP BY ALL with ROLLUP, CUBE or TOTALS".into() });
        }
        return Ok(());
    };
    // `GROUP BY (a, b)` groups by both.
    let flat = std::mem::take(exprs).into_iter().flat_map(|expr| match expr {
        Expr::Tuple(parts) => parts,
        one => vec![one],
    });
    *exprs = flat.collect();
    for modifier in std::mem::take(modifiers) {
        let sets: Vec<Vec<Expr>> = std::mem::take(exprs).into_iter().map(|expr| vec![expr]).collect();
        *exprs = vec![match modifier {
            GroupByWithModifier::Rollup => Expr::Rollup(sets),
            GroupByWithModifier::Cube => Expr::Cube(sets),
            GroupByWithModifier::GroupingSets(sets) => sets,
            GroupByWithModifier::Totals => return Err(Error::Unsupported { what: "GROUP BY … WITH TOTALS".into() }),
        }];
    }
    for expr in exprs {
        if let Expr::Rollup(sets) | Expr::Cube(sets) | Expr::GroupingSets(sets) = expr {
            for part in sets.iter_mut().flatten() {
                *part = by_position(part, &projection)?;
            }
        }
    }
    Ok(())
}

/// A number in GROUP BY stands for the column at that position.
fn by_position(expr: &Expr, projection: &[SelectItem]) -> Result<Expr> {
    let Expr::Value(value) = expr else {
        return Ok(expr.clone());
    };
    let Value::Number(text, _) = &value.value else {
        return Ok(expr.clone());
    };
    let at = text.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
    match at.and_then(|at| projection.get(at)) {
        Some(SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) => Ok(expr.clone()),
        _ => Err(Error::Semantic { message: format!("GROUP BY position {text} is not in the SELECT list") }),
    }
}

/// `FROM unnest(a)`, also of columns of the tables before it.
fn unnest(relation: &mut TableFactor) {
    let (name, args, alias) = match relation {
        TableFactor::Table { name, args: Some(args), alias, .. } => (name, &args.args, alias),
        TableFactor::Function { name, args, alias, .. } => (name, &*args, alias),
        _ => return,
    };
    let [ObjectNamePart::Identifier(word)] = name.0.as_slice() else {
        return;
    };
    if !["unnest", "explode"].iter().any(|known| word.value.eq_ignore_ascii_case(known)) {
        return;
    }
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(array))] = args.as_slice() else {
        return;
    };
    let mut array = array.clone();
    notation::open(&mut array);
    let item = select::named(notation::call("unnest", vec![array]), "unnest");
    let alias = alias.take().unwrap_or_else(|| TableAlias {
        explicit: true,
        name: Ident::new("unnest"),
        columns: Vec::new(),
        at: None,
    });
    let subquery = Box::new(select::select(vec![item], Vec::new(), None));
    *relation = TableFactor::Derived { lateral: true, subquery, alias: Some(alias), sample: None };
}

/// `ORDER BY ALL` is by every column in turn.
fn order_by_all(query: &mut Query) {
    let Some(OrderBy { kind: OrderByKind::All(options), .. }) = &query.order_by else {
        return;
    };
    let options = *options;
    let mut body = query.body.as_ref();
    let select = loop {
        match body {
            SetExpr::Select(select) => break select,
            SetExpr::SetOperation { left, .. } => body = left,
            _ => return,
        }
    };
    let plain = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
    if !select.projection.iter().all(plain) {
        return;
    }
    let by = (1..=select.projection.len()).map(|at| OrderByExpr { expr: select::number(at), options, with_fill: None });
    query.order_by = Some(OrderBy { kind: OrderByKind::Expressions(by.collect()), interpolate: None });
}
