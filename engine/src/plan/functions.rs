//! Functions that users wrote in SQL: a call is replaced by the function's body with the arguments in the place of the
//! parameters, while the query is still a tree of SQL. And the numbers of sequences, whose names are written bare.

use super::StatementContext;
use crate::{
    Error, Result,
    sql::{matches_name, parse_expression, parse_query, parse_type},
    statement::select::{self, everything, exact, from_one, named},
};
use basalt_meta::{Entity, EntityKind};
use datafusion::sql::sqlparser::ast::{
    CastKind, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, ObjectNamePart,
    SelectItem, TableAlias, TableAliasColumnDef, TableFactor, Value, VisitMut, visit_expressions_mut,
};
use serde::{Deserialize, Serialize};
use std::{convert::Infallible, ops::ControlFlow};

/// The function that takes the next number of a sequence.
pub(crate) const NEXT_VALUE: &str = "nextval";

/// How deep functions may call functions, and how many calls one statement may have.
const DEPTH_MAX: usize = 16;
const CALLS_MAX: usize = 4096;

/// A function as the catalogue keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FunctionBody {
    /// Names, and types where they were given.
    pub parameters: Vec<(String, Option<String>)>,
    pub returns: Returns,
    pub body: String,
    #[serde(default)]
    pub comment: String,
}

/// What a function makes; types as SQL text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Returns {
    Unsaid,
    Value(String),
    Table(Vec<(String, String)>),
}

impl FunctionBody {
    /// The body of a function's record.
    pub fn of(entity: &Entity) -> Result<Self> {
        serde_json::from_slice(&entity.body)
            .map_err(|source| Error::internal(format!("function `{}` cannot be read", entity.name), source))
    }

    /// The body over `arguments`.
    fn call(&self, context: &StatementContext, name: &str, arguments: Vec<Expr>) -> Result<Expr> {
        let limits = context.sql_limits();
        let arguments = self.typed(name, arguments)?;
        let mut body = if begins_query(&self.body) {
            Expr::Subquery(parse_query(&self.body, limits)?)
        } else {
            Expr::Nested(Box::new(parse_expression(&self.body, limits)?))
        };
        self.substitute(&mut body, &arguments);
        match &self.returns {
            Returns::Value(data_type) => cast(body, data_type),
            Returns::Unsaid => Ok(body),
            Returns::Table(_) => {
                Err(Error::Semantic { message: format!("function `{name}` makes a table: it belongs behind FROM") })
            }
        }
    }

    /// The rows of a function that makes a table.
    fn rows(&self, context: &StatementContext, name: &str, arguments: Vec<Expr>) -> Result<Box<SubqueryOf>> {
        let Returns::Table(columns) = &self.returns else {
            return Err(Error::Semantic { message: format!("function `{name}` makes no table") });
        };
        let arguments = self.typed(name, arguments)?;
        let mut body = parse_query(&self.body, context.sql_limits())?;
        self.substitute(body.as_mut(), &arguments);
        let def = |name: &str| TableAliasColumnDef { name: exact(name), data_type: None };
        let alias = TableAlias {
            explicit: true,
            name: exact(name),
            columns: columns.iter().map(|(name, _)| def(name)).collect(),
            at: None,
        };
        let inner = TableFactor::Derived { lateral: false, subquery: body, alias: Some(alias), sample: None };
        let item = |(name, data_type): &(String, String)| -> Result<SelectItem> {
            Ok(named(cast(select::column(name), data_type)?, name))
        };
        let projection = match columns.is_empty() {
            true => vec![everything()],
            false => columns.iter().map(item).collect::<Result<_>>()?,
        };
        Ok(Box::new(select::select(projection, vec![from_one(inner)], None)))
    }

    /// The arguments, in the types of their parameters.
    fn typed(&self, name: &str, arguments: Vec<Expr>) -> Result<Vec<Expr>> {
        let (wanted, found) = (self.parameters.len(), arguments.len());
        if wanted != found {
            let message = format!("function `{name}` takes {wanted} arguments, not {found}");
            return Err(Error::Semantic { message });
        }
        let typed = self.parameters.iter().zip(arguments).map(|((_, data_type), argument)| match data_type {
            Some(data_type) => cast(argument, data_type),
            None => Ok(argument),
        });
        typed.collect()
    }

    /// Puts arguments in the place of the parameters' names.
    fn substitute<T: VisitMut>(&self, body: &mut T, arguments: &[Expr]) {
        let done = visit_expressions_mut(body, |expr| {
            if let Expr::Identifier(ident) = expr
                && let Some(at) = self.parameters.iter().position(|(name, _)| matches_name(ident, name))
            {
                *expr = Expr::Nested(Box::new(arguments[at].clone()));
            }
            ControlFlow::<Infallible>::Continue(())
        });
        let ControlFlow::Continue(()) = done;
    }
}

type SubqueryOf = datafusion::sql::sqlparser::ast::Query;

fn begins_query(body: &str) -> bool {
    let first: String = body.trim_start().chars().take_while(|c| c.is_ascii_alphabetic()).collect();
    ["select", "with"].iter().any(|word| first.eq_ignore_ascii_case(word))
}

fn cast(expr: Expr, data_type: &str) -> Result<Expr> {
    let data_type = parse_type(data_type)?;
    Ok(Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None })
}

/// The replacement of calls in one statement: counts them, so that a function that calls itself comes to an end.
#[derive(Debug, Default)]
pub(super) struct Expansion {
    /// For each expression being visited, whether it replaced a call.
    path: Vec<bool>,
    calls: usize,
}

impl Expansion {
    /// Before the parts of `expr` are visited.
    pub fn enter(&mut self, context: &StatementContext, expr: &mut Expr) -> Result<()> {
        let mut replaced = false;
        if let Expr::Function(function) = expr {
            name_sequence(function);
            if let Some((name, body)) = written(context, &function.name)? {
                self.count(&name)?;
                *expr = body.call(context, &name, arguments(&name, function)?)?;
                replaced = true;
            }
        }
        self.path.push(replaced);
        Ok(())
    }

    pub fn leave(&mut self) {
        self.path.pop();
    }

    /// A function behind FROM.
    pub fn table(&mut self, context: &StatementContext, table: &mut TableFactor) -> Result<()> {
        let TableFactor::Table { name, alias, args: Some(args), .. } = table else {
            return Ok(());
        };
        let Some((function, body)) = written(context, name)? else {
            return Ok(());
        };
        self.count(&function)?;
        let arguments = plain(&function, &args.args)?;
        let subquery = body.rows(context, &function, arguments)?;
        let alias = alias.clone().unwrap_or_else(|| TableAlias {
            explicit: true,
            name: exact(&function),
            columns: Vec::new(),
            at: None,
        });
        *table = TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None };
        Ok(())
    }

    fn count(&mut self, name: &str) -> Result<()> {
        self.calls += 1;
        let depth = self.path.iter().filter(|replaced| **replaced).count();
        if depth >= DEPTH_MAX || self.calls > CALLS_MAX {
            let message = format!("function `{name}` calls itself, or functions call each other too deep");
            return Err(Error::Semantic { message });
        }
        Ok(())
    }
}

/// The function of this name that a user wrote.
fn written(context: &StatementContext, name: &ObjectName) -> Result<Option<(String, FunctionBody)>> {
    let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
        return Ok(None);
    };
    let name = crate::sql::ident_name(ident);
    match context.snapshot.entity(EntityKind::Function, &name) {
        Some(entity) => Ok(Some((name, FunctionBody::of(&entity)?))),
        None => Ok(None),
    }
}

fn arguments(name: &str, function: &Function) -> Result<Vec<Expr>> {
    match &function.args {
        FunctionArguments::List(list) if list.clauses.is_empty() => plain(name, &list.args),
        FunctionArguments::None => Ok(Vec::new()),
        _ => Err(Error::Semantic { message: format!("function `{name}` takes plain arguments") }),
    }
}

fn plain(name: &str, arguments: &[FunctionArg]) -> Result<Vec<Expr>> {
    let argument = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr.clone()),
        _ => Err(Error::Semantic { message: format!("function `{name}` takes plain arguments") }),
    };
    arguments.iter().map(argument).collect()
}

/// `nextval(s)`: the name of a sequence is no column.
fn name_sequence(function: &mut Function) {
    if !is_next_value(&function.name) {
        return;
    }
    if let FunctionArguments::List(list) = &mut function.args
        && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = list.args.as_mut_slice()
        && let Expr::Identifier(ident) = argument
    {
        *argument = select::text(&crate::sql::ident_name(ident));
    }
}

fn is_next_value(name: &ObjectName) -> bool {
    matches!(name.0.as_slice(), [ObjectNamePart::Identifier(Ident { value, .. })] if value.eq_ignore_ascii_case(NEXT_VALUE))
}

/// The sequences an expression takes numbers from.
pub(crate) fn sequences_of(expr: &Expr) -> Vec<String> {
    let mut found = Vec::new();
    let done = datafusion::sql::sqlparser::ast::visit_expressions(expr, |expr| {
        if let Expr::Function(function) = expr
            && is_next_value(&function.name)
        {
            let mut function = function.clone();
            name_sequence(&mut function);
            if let FunctionArguments::List(list) = &function.args
                && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(name)))] = list.args.as_slice()
                && let Value::SingleQuotedString(name) = &name.value
            {
                found.push(name.clone());
            }
        }
        ControlFlow::<Infallible>::Continue(())
    });
    let ControlFlow::Continue(()) = done;
    found
}

/// Whether an expression takes numbers from a sequence: evaluating it changes something.
pub(crate) fn calls_sequence(expr: &Expr) -> bool {
    let mut found = false;
    let done = datafusion::sql::sqlparser::ast::visit_expressions(expr, |expr| {
        found |= matches!(expr, Expr::Function(function) if is_next_value(&function.name));
        ControlFlow::<Infallible>::Continue(())
    });
    let ControlFlow::Continue(()) = done;
    found
}
