//! The last changes to a query before it is planned: values for placeholders, names for columns, notations translated
//! (`dialect`), and tables at older versions under names of their own.

use super::{
    dialect,
    naming::{self, Names},
    shape,
};
use crate::{Error, Parameters, Result};
use datafusion::sql::sqlparser::ast::{
    self, Expr, Ident, ObjectName, ObjectNamePart, TableFactor, TableVersion, Value, VisitMut, VisitorMut,
};
use std::ops::ControlFlow;

/// A query ready to be planned.
pub(super) struct Prepared {
    pub query: ast::Query,
    pub names: Names,
    pub versions: Vec<VersionedTable>,
}

/// A table that the query reads at an older version: `relation` stands in its place.
pub(super) struct VersionedTable {
    pub relation: String,
    pub name: ObjectName,
    pub version: TableVersion,
}

pub(super) fn prepare(query: &ast::Query, parameters: Option<&Parameters>) -> Result<Prepared> {
    let mut query = query.clone();
    let names = naming::name_outer(&mut query);
    let mut visitor = Preparation { parameters, next_parameter: 0, versions: Vec::new(), outermost: true };
    match query.visit(&mut visitor) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(Prepared { query, names, versions: visitor.versions }),
    }
}

/// Puts values in the place of placeholders, in any part of a statement, and translates its notations.
pub(super) fn bind<T: VisitMut>(node: &mut T, parameters: Option<&Parameters>) -> Result<()> {
    let mut visitor = Binding { parameters, next: 0 };
    match node.visit(&mut visitor) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Preparation<'a> {
    parameters: Option<&'a Parameters>,
    next_parameter: usize,
    versions: Vec<VersionedTable>,
    outermost: bool,
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
        if let Some(bound) = value_of(expr, self.parameters, &mut self.next_parameter) {
            match bound {
                Ok(value) => *expr = value,
                Err(error) => return ControlFlow::Break(error),
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        dialect::translate(expr);
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Error> {
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
    parameters: Option<&'a Parameters>,
    next: usize,
}

impl VisitorMut for Binding<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        match value_of(expr, self.parameters, &mut self.next) {
            Some(Ok(value)) => *expr = value,
            Some(Err(error)) => return ControlFlow::Break(error),
            None => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        dialect::translate(expr);
        ControlFlow::Continue(())
    }
}

/// The value of a placeholder; `None` when `expr` is none.
fn value_of(expr: &Expr, parameters: Option<&Parameters>, next: &mut usize) -> Option<Result<Expr>> {
    let Expr::Value(value) = expr else {
        return None;
    };
    let Value::Placeholder(name) = &value.value else {
        return None;
    };
    let found = match parameters {
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
