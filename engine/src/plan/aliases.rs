//! Names given in a SELECT list, used in its WHERE and further on in the list. Columns go first: a name is looked for
//! among the aliases only when planning found no column of that name.

use super::naming::folded;
use crate::statement::select;
use datafusion::sql::sqlparser::ast::{Expr, Query, Select, SelectItem, SetExpr, VisitMut, VisitorMut};
use std::ops::ControlFlow;

/// Puts the expression called `name` where the name is used. Returns whether anything changed.
pub(super) fn substitute(query: &mut Query, name: &str) -> bool {
    let mut everywhere = Everywhere { name, changed: false };
    let _ = VisitMut::visit(query, &mut everywhere);
    everywhere.changed
}

struct Everywhere<'a> {
    name: &'a str,
    changed: bool,
}

impl VisitorMut for Everywhere<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.body(&mut query.body);
        ControlFlow::Continue(())
    }
}

impl Everywhere<'_> {
    fn body(&mut self, body: &mut SetExpr) {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left);
                self.body(right);
            }
            _ => {}
        }
    }

    fn select(&mut self, select: &mut Select) {
        let is_named =
            |item: &SelectItem| matches!(item, SelectItem::ExprWithAlias { alias, .. } if folded(alias) == self.name);
        let Some(at) = select.projection.iter().position(is_named) else {
            return;
        };
        let SelectItem::ExprWithAlias { expr, .. } = &select.projection[at] else {
            return;
        };
        let expr = select::nested(expr.clone());
        let mut replace = Replace { name: self.name, expr: &expr, depth: 0, changed: false };
        for item in &mut select.projection[at + 1..] {
            let _ = VisitMut::visit(item, &mut replace);
        }
        let _ = VisitMut::visit(&mut select.selection, &mut replace);
        self.changed |= replace.changed;
    }
}

/// Replaces the name outside of subqueries.
struct Replace<'a> {
    name: &'a str,
    expr: &'a Expr,
    depth: usize,
    changed: bool,
}

impl VisitorMut for Replace<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Expr::Identifier(ident) = expr
            && folded(ident) == self.name
        {
            *expr = self.expr.clone();
            self.changed = true;
        }
        ControlFlow::Continue(())
    }
}
