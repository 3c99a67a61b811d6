//! The last changes to a query before it is planned: values for placeholders, names for columns, notations translated
//! (`dialect`), and tables at older versions under names of their own.

use super::{
    StatementContext, dialect,
    functions::Expansion,
    naming::{self, Names},
    row_functions, shape,
};
use crate::{Error, Parameters, Result, copy, sql::location_of_table};
use datafusion::sql::sqlparser::ast::{
    self, Expr, Ident, ObjectName, ObjectNamePart, TableFactor, TableVersion, Value, VisitMut, VisitorMut,
};
use std::ops::ControlFlow;

/// A query ready to be planned.
pub(super) struct Prepared {
    pub query: ast::Query,
    pub names: Names,
    pub versions: Vec<VersionedTable>,
    /// Places of files, and the names that stand for them.
    pub staged: Vec<(String, TableFactor)>,
}

/// A table that the query reads at an older version: `relation` stands in its place.
pub(super) struct VersionedTable {
    pub relation: String,
    pub name: ObjectName,
    pub version: TableVersion,
}

/// What may stand in for parts of a query.
#[derive(Clone, Copy)]
pub(super) struct StandIns<'a> {
    pub context: &'a StatementContext,
    /// The request's values for placeholders; a view sees none.
    pub parameters: Option<&'a Parameters>,
}

pub(super) fn prepare(query: &ast::Query, stand_ins: StandIns<'_>) -> Result<Prepared> {
    let mut query = query.clone();
    let names = naming::name_outer(&mut query);
    let mentions = copy::Mentions::of(&query);
    let mut visitor = Preparation {
        binding: Binding { stand_ins, next: 0, expansion: Expansion::default() },
        versions: Vec::new(),
        staged: Vec::new(),
        mentions,
        outermost: true,
    };
    match query.visit(&mut visitor) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(Prepared { query, names, versions: visitor.versions, staged: visitor.staged }),
    }
}

/// Puts values in the place of placeholders, in any part of a statement, and translates its notations.
pub(super) fn bind<T: VisitMut>(node: &mut T, stand_ins: StandIns<'_>) -> Result<()> {
    let mut visitor = Binding { stand_ins, next: 0, expansion: Expansion::default() };
    match node.visit(&mut visitor) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Preparation<'a> {
    binding: Binding<'a>,
    versions: Vec<VersionedTable>,
    staged: Vec<(String, TableFactor)>,
    mentions: copy::Mentions,
    outermost: bool,
}

impl Preparation<'_> {
    fn is_staged(&self, name: &ObjectName) -> bool {
        let plain = name.0.first().and_then(ObjectNamePart::as_ident).map(|ident| ident.value.as_str());
        self.staged.iter().any(|(relation, _)| Some(relation.as_str()) == plain)
    }

    /// Puts a name in the place of files.
    fn stage(&mut self, factor: &mut TableFactor) {
        if location_of_table(factor).is_none() && copy::staged_function(factor).is_none() {
            return;
        }
        let relation = copy::relation_name(self.staged.len());
        self.staged.push((relation.clone(), factor.clone()));
        let TableFactor::Table { name, args, .. } = factor else { return };
        *name = ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote('"', relation))]);
        *args = None;
    }
}

impl VisitorMut for Preparation<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<Error> {
        if !std::mem::take(&mut self.outermost) {
            naming::name_inner(query);
        }
        match shape::rewrite(query) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        self.binding.pre_visit_expr(expr)
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        self.binding.post_visit_expr(expr)
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Error> {
        let Binding { stand_ins, expansion, .. } = &mut self.binding;
        match expansion.table(stand_ins.context, table) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<Error> {
        let is_staged = |t: &ast::TableWithJoins| {
            let staged = |f: &TableFactor| matches!(f, TableFactor::Table { name, .. } if self.is_staged(name));
            staged(&t.relation) || t.joins.iter().any(|j| staged(&j.relation))
        };
        if select.from.iter().any(is_staged) {
            copy::hide_from_wildcards(select, self.mentions);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Error> {
        self.stage(table);
        row_functions::mark_lateral(table);
        let TableFactor::Table { name, alias, version, .. } = table else {
            return ControlFlow::Continue(());
        };
        let Some(version) = version.take() else {
            return ControlFlow::Continue(());
        };
        let relation = format!("__basalt_at_{}", self.versions.len());
        let stand_in = ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote('"', &relation))]);
        let original = std::mem::replace(name, stand_in);
        if alias.is_none()
            && let Some(ObjectNamePart::Identifier(last)) = original.0.last()
        {
            *alias = Some(ast::TableAlias { explicit: true, name: last.clone(), columns: Vec::new(), at: None });
        }
        self.versions.push(VersionedTable { relation, name: original, version });
        ControlFlow::Continue(())
    }
}

struct Binding<'a> {
    stand_ins: StandIns<'a>,
    next: usize,
    expansion: Expansion,
}

impl VisitorMut for Binding<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        match value_of(expr, self.stand_ins, &mut self.next) {
            Some(Ok(value)) => *expr = value,
            Some(Err(error)) => return ControlFlow::Break(error),
            None => {}
        }
        if let Some(value) = super::variables::asked(self.stand_ins.context, expr) {
            match value {
                Ok(value) => *expr = value,
                Err(error) => return ControlFlow::Break(error),
            }
        }
        match self.expansion.enter(self.stand_ins.context, expr) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        self.expansion.leave();
        dialect::translate(expr);
        ControlFlow::Continue(())
    }
}

/// The value of a placeholder; `None` when `expr` is none. Names are those of the script that runs, then of the
/// request; `$name` is a session variable.
fn value_of(expr: &Expr, stand_ins: StandIns<'_>, next: &mut usize) -> Option<Result<Expr>> {
    let Expr::Value(value) = expr else {
        return None;
    };
    let Value::Placeholder(name) = &value.value else {
        return None;
    };
    if let Some(value) = super::variables::placeholder(stand_ins.context, name) {
        return Some(value);
    }
    let found = match stand_ins.parameters {
        Some(Parameters::Positional(values)) => {
            let index = match name.strip_prefix('$').and_then(|n| n.parse::<usize>().ok()) {
                Some(number) => number.wrapping_sub(1),
                None => {
                    *next += 1;
                    *next - 1
                }
            };
            values.get(index)
        }
        Some(Parameters::Named(values)) => values.get(name.trim_start_matches([':', '$', '@'])),
        None => None,
    };
    Some(match found {
        Some(value) => literal(name, value),
        None => Err(Error::InvalidArgument { message: format!("no value was given for placeholder `{name}`") }),
    })
}

fn literal(name: &str, value: &serde_json::Value) -> Result<Expr> {
    use serde_json::Value as Json;
    let value = match value {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Boolean(*b),
        Json::String(text) => Value::SingleQuotedString(text.clone()),
        Json::Number(number) => {
            let text = number.to_string();
            let Some(positive) = text.strip_prefix('-') else {
                return Ok(Expr::Value(Value::Number(text, false).into()));
            };
            let number = Expr::Value(Value::Number(positive.to_owned(), false).into());
            return Ok(Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr: Box::new(number) });
        }
        Json::Array(_) | Json::Object(_) => {
            let message = format!("placeholder `{name}` must be null, a boolean, a number or a string");
            return Err(Error::InvalidArgument { message });
        }
    };
    Ok(Expr::Value(value.into()))
}
