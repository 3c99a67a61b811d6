//! Scripts at work: variables in nested scopes, loops, cursors, and the statements in between, each run as if the client
//! had sent it. Steps are counted, so that no loop runs for ever, and every step looks whether the query was stopped.

use super::{
    super::{Outcome, columns, select},
    rows::{self, HeldRows},
};
use crate::{
    Error, Result, SessionEffect,
    plan::StatementContext,
    sql::{RowSource, Script, Statement, Step, ident_name, is_script, parse, parse_script},
};
use arrow::datatypes::DataType;
use datafusion::{
    common::ScalarValue,
    sql::sqlparser::ast::{Expr, Ident, Query, Value, VisitMut, VisitorMut},
};
use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
    sync::Arc,
};

/// How deep scripts may call each other.
const CALLS_MAX: usize = 16;

/// What a name of a script stands for.
#[derive(Debug, Clone)]
enum Slot {
    /// A value, always in the type it was declared with.
    Value {
        value: ScalarValue,
        data_type: Option<DataType>,
    },
    /// Declared, and not given a value yet.
    Unset {
        data_type: Option<DataType>,
    },
    Rows(Arc<HeldRows>),
    Cursor(Cursor),
    /// One row of a loop over rows.
    Row(BTreeMap<String, ScalarValue>),
}

#[derive(Debug, Clone)]
struct Cursor {
    source: RowSource,
    /// Its rows and the next of them, while it is open.
    open: Option<(Arc<HeldRows>, usize)>,
}

/// How a step ends.
#[derive(Debug)]
enum Flow {
    Next,
    Break(Option<String>),
    Continue(Option<String>),
    Return(Outcome),
}

/// EXECUTE IMMEDIATE: a script, or any one statement.
pub(super) async fn execute_immediate(
    context: &mut StatementContext,
    text: &Expr,
) -> Result<(Outcome, Option<SessionEffect>)> {
    let text = match rows::value_of(context, text).await? {
        value if value.is_null() => return Err(failed("EXECUTE IMMEDIATE needs a text, not NULL")),
        value => match value.try_as_str() {
            Some(Some(text)) => text.to_owned(),
            _ => return Err(failed("EXECUTE IMMEDIATE needs a text")),
        },
    };
    if is_script(&text) {
        let script = parse_script(&text, context.sql_limits())?;
        return Ok((run(context, &script, Vec::new()).await?, None));
    }
    let statement = parse(&text, context.sql_limits())?;
    let outer = enter(context)?;
    let done = Box::pin(super::super::execute(context, statement)).await;
    leave(context, outer);
    done
}

/// Runs a script with its arguments as variables of the outermost scope.
pub(super) async fn run(
    context: &mut StatementContext,
    script: &Script,
    arguments: Vec<(String, ScalarValue)>,
) -> Result<Outcome> {
    let outer = enter(context)?;
    let scope = arguments.into_iter().map(|(name, value)| {
        let data_type = Some(value.data_type());
        (name, Slot::Value { value, data_type })
    });
    let steps_left = context.settings.script_steps_max;
    let mut machine = Machine { scopes: vec![scope.collect()], steps_left, steps_max: steps_left, context };
    let flow = machine.block(&script.steps).await;
    let done = match flow {
        Ok(Flow::Return(outcome)) => Ok(outcome),
        Ok(Flow::Next) => returned(&ScalarValue::Null),
        Ok(Flow::Break(_) | Flow::Continue(_)) => {
            Err(Error::ScriptSemantic { message: "BREAK and CONTINUE belong inside a loop".into() })
        }
        Err(error) => Err(error),
    };
    leave(context, outer);
    done
}

/// The variables of whoever calls a script are not those of the script.
fn enter(context: &mut StatementContext) -> Result<Arc<BTreeMap<String, ScalarValue>>> {
    if context.script_depth >= CALLS_MAX {
        return Err(failed(&format!("scripts call each other more than {CALLS_MAX} deep")));
    }
    context.script_depth += 1;
    // A label names the whole script, not each of its statements.
    context.label = None;
    context.settings.deduplicate_label = None;
    Ok(std::mem::take(&mut context.variables))
}

fn leave(context: &mut StatementContext, outer: Arc<BTreeMap<String, ScalarValue>>) {
    context.script_depth -= 1;
    context.variables = outer;
}

fn failed(message: &str) -> Error {
    Error::ScriptFailed { message: message.into() }
}

fn unknown(name: &str) -> Error {
    Error::ScriptSemantic { message: format!("the script has no variable `{name}`") }
}

/// A value as the one row of a result: clients get it as text.
fn returned(value: &ScalarValue) -> Result<Outcome> {
    let text = match value {
        value if value.is_null() => None,
        value => match value.cast_to(&DataType::Utf8).map_err(crate::plan::explain)? {
            ScalarValue::Utf8(Some(text)) if value.data_type().is_string() || value.data_type().is_temporal() => {
                Some(["'", &text, "'"].concat())
            }
            ScalarValue::Utf8(text) => text,
            _ => None,
        },
    };
    Outcome::texts(&["Result"], vec![vec![text]])
}

struct Machine<'a> {
    context: &'a mut StatementContext,
    /// The innermost last.
    scopes: Vec<HashMap<String, Slot>>,
    steps_left: u64,
    steps_max: u64,
}

impl Machine<'_> {
    /// Steps in a scope of their own.
    async fn block(&mut self, steps: &[Step]) -> Result<Flow> {
        self.block_with(steps, HashMap::new()).await
    }

    async fn block_with(&mut self, steps: &[Step], scope: HashMap<String, Slot>) -> Result<Flow> {
        self.scopes.push(scope);
        let mut flow = Ok(Flow::Next);
        for step in steps {
            flow = Box::pin(self.step(step)).await;
            if !matches!(flow, Ok(Flow::Next)) {
                break;
            }
        }
        self.scopes.pop();
        flow
    }

    /// Counts a step; a query that was stopped, or has made too many, ends here.
    fn count(&mut self) -> Result<()> {
        if self.context.cancel.is_cancelled() {
            return Err(Error::Cancelled { reason: "the statement was stopped".into() });
        }
        self.steps_left = self.steps_left.checked_sub(1).ok_or_else(|| {
            failed(&format!("the script exceeded the limit of {} steps (setting `script_max_steps`)", self.steps_max))
        })?;
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Result<Flow> {
        self.count()?;
        match step {
            Step::Let { name, data_type, value } => {
                let data_type = data_type.as_ref().map(columns::column_type).transpose()?;
                let slot = match value {
                    Some(value) => Slot::Value { value: self.value(value, data_type.as_ref()).await?, data_type },
                    None => Slot::Unset { data_type },
                };
                self.declare(name, slot);
            }
            Step::LetRows { name, source } => {
                let rows = self.rows(source).await?;
                self.declare(name, Slot::Rows(rows));
            }
            Step::LetCursor { name, source } => {
                self.declare(name, Slot::Cursor(Cursor { source: source.clone(), open: None }));
            }
            Step::Assign { name, value } => self.assign(name, value).await?,
            Step::If { branches, otherwise } => {
                for (condition, body) in branches {
                    if self.holds(condition).await? {
                        return self.block(body).await;
                    }
                }
                return self.block(otherwise).await;
            }
            Step::ForRange { variable, reverse, bounds, body, label } => {
                return self.for_range(variable, *reverse, bounds, body, label.as_deref()).await;
            }
            Step::ForRows { variable, source, body, label } => {
                return self.for_rows(variable, source, body, label.as_deref()).await;
            }
            Step::While { condition, body, label } => {
                while self.holds(condition).await? {
                    self.count()?;
                    if let Some(flow) = left(self.block(body).await?, label.as_deref()) {
                        return Ok(flow);
                    }
                }
            }
            Step::Repeat { body, until, label } => loop {
                self.count()?;
                if let Some(flow) = left(self.block(body).await?, label.as_deref()) {
                    return Ok(flow);
                }
                if self.holds(until).await? {
                    break;
                }
            },
            Step::Loop { body, label } => loop {
                self.count()?;
                if let Some(flow) = left(self.block(body).await?, label.as_deref()) {
                    return Ok(flow);
                }
            },
            Step::Break(label) => return Ok(Flow::Break(label.clone())),
            Step::Continue(label) => return Ok(Flow::Continue(label.clone())),
            Step::Return(None) => return Ok(Flow::Return(returned(&ScalarValue::Null)?)),
            Step::Return(Some(value)) => {
                let value = self.value(value, None).await?;
                return Ok(Flow::Return(returned(&value)?));
            }
            Step::ReturnRows(source) => {
                let rows = self.rows(source).await?;
                return Ok(Flow::Return(rows.outcome()));
            }
            Step::Open(name) => self.open(name).await?,
            Step::Fetch { cursor, into } => self.fetch(cursor, into)?,
            Step::Close(name) => self.cursor(name)?.open = None,
            Step::Block(script) => return self.block(&script.steps).await,
            Step::Sql(statement) => {
                let outcome = self.execute(statement).await?;
                // The rows are nobody's, but reading them is the statement.
                HeldRows::of(self.context, outcome).await?;
            }
        }
        Ok(Flow::Next)
    }

    fn declare(&mut self, name: &str, slot: Slot) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned(), slot);
        }
    }

    fn find(&mut self, name: &str) -> Result<&mut Slot> {
        self.scopes.iter_mut().rev().find_map(|scope| scope.get_mut(name)).ok_or_else(|| unknown(name))
    }

    async fn assign(&mut self, name: &str, value: &Expr) -> Result<()> {
        let data_type = match self.find(name)? {
            Slot::Value { data_type, .. } | Slot::Unset { data_type } => data_type.clone(),
            Slot::Rows(_) | Slot::Cursor(_) | Slot::Row(_) => {
                return Err(Error::ScriptSemantic { message: format!("`{name}` holds rows and takes no value") });
            }
        };
        let value = self.value(value, data_type.as_ref()).await?;
        *self.find(name)? = Slot::Value { value, data_type };
        Ok(())
    }

    /// The variables as statements see them: a row's columns are `row.column`.
    fn show_variables(&mut self) {
        let mut variables = BTreeMap::new();
        for (name, slot) in self.scopes.iter().flatten() {
            variables.retain(|known: &String, _| !known.starts_with(&[name.as_str(), "."].concat()));
            match slot {
                Slot::Value { value, .. } => drop(variables.insert(name.clone(), value.clone())),
                Slot::Row(row) => {
                    variables.remove(name);
                    let columns = row.iter().map(|(column, value)| ([name, ".", column].concat(), value.clone()));
                    variables.extend(columns);
                }
                Slot::Unset { .. } | Slot::Rows(_) | Slot::Cursor(_) => drop(variables.remove(name)),
            }
        }
        self.context.variables = Arc::new(variables);
        if self.context.transaction.is_none() {
            self.context.snapshot = self.context.parts.catalog.snapshot();
        }
    }

    /// The value of an expression of the script: its names are variables.
    async fn value(&mut self, expr: &Expr, data_type: Option<&DataType>) -> Result<ScalarValue> {
        let mut expr = expr.clone();
        let mut names = Names { machine: self, depth: 0 };
        if let ControlFlow::Break(error) = VisitMut::visit(&mut expr, &mut names) {
            return Err(error);
        }
        self.show_variables();
        let value = rows::value_of(self.context, &expr).await?;
        match data_type {
            Some(data_type) => value.cast_to(data_type).map_err(crate::plan::explain),
            None => Ok(value),
        }
    }

    async fn holds(&mut self, condition: &Expr) -> Result<bool> {
        match self.value(condition, None).await? {
            ScalarValue::Boolean(value) => Ok(value.unwrap_or(false)),
            value if value.is_null() => Ok(false),
            value => match value.cast_to(&DataType::Boolean) {
                Ok(ScalarValue::Boolean(value)) => Ok(value.unwrap_or(false)),
                _ => Err(failed(&format!("a condition must be true or false, not {value}"))),
            },
        }
    }

    async fn execute(&mut self, statement: &Statement) -> Result<Outcome> {
        self.show_variables();
        let (outcome, _) = Box::pin(super::super::execute(self.context, statement.clone())).await?;
        Ok(outcome)
    }

    async fn rows(&mut self, source: &RowSource) -> Result<Arc<HeldRows>> {
        match source {
            RowSource::Statement(statement) => {
                let outcome = self.execute(statement).await?;
                Ok(Arc::new(HeldRows::of(self.context, outcome).await?))
            }
            RowSource::Variable(name) => match self.find(name)?.clone() {
                Slot::Rows(rows) => Ok(rows),
                Slot::Cursor(Cursor { open: Some((rows, _)), .. }) => Ok(rows),
                Slot::Cursor(Cursor { source, .. }) => Box::pin(self.rows(&source)).await,
                Slot::Value { .. } | Slot::Unset { .. } | Slot::Row(_) => {
                    Err(Error::ScriptSemantic { message: format!("`{name}` is no result set and no cursor") })
                }
            },
        }
    }

    async fn for_range(
        &mut self,
        variable: &str,
        reverse: bool,
        [from, to]: &[Expr; 2],
        body: &[Step],
        label: Option<&str>,
    ) -> Result<Flow> {
        let (from, to) = (self.whole(from).await?, self.whole(to).await?);
        if from > to {
            let message = format!("FOR counts from the smaller to the larger number, not from {from} to {to}");
            return Err(failed(&message));
        }
        let mut next = if reverse { to } else { from };
        loop {
            self.count()?;
            let value = Slot::Value { value: ScalarValue::Int64(Some(next)), data_type: None };
            let flow = self.block_with(body, HashMap::from([(variable.to_owned(), value)])).await?;
            if let Some(flow) = left(flow, label) {
                return Ok(flow);
            }
            if next == if reverse { from } else { to } {
                return Ok(Flow::Next);
            }
            next += if reverse { -1 } else { 1 };
        }
    }

    async fn whole(&mut self, expr: &Expr) -> Result<i64> {
        match self.value(expr, None).await?.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(Some(number))) => Ok(number),
            _ => Err(failed(&format!("FOR counts whole numbers, which `{expr}` is none of"))),
        }
    }

    async fn for_rows(
        &mut self,
        variable: &str,
        source: &RowSource,
        body: &[Step],
        label: Option<&str>,
    ) -> Result<Flow> {
        let rows = self.rows(source).await?;
        for number in 0..rows.len() {
            self.count()?;
            let values = rows.row(number)?.unwrap_or_default();
            let names = rows.schema.fields().iter().map(|field| field.name().to_lowercase());
            let row = Slot::Row(names.zip(values).collect());
            let flow = self.block_with(body, HashMap::from([(variable.to_owned(), row)])).await?;
            if let Some(flow) = left(flow, label) {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn cursor(&mut self, name: &str) -> Result<&mut Cursor> {
        match self.find(name)? {
            Slot::Cursor(cursor) => Ok(cursor),
            _ => Err(Error::ScriptSemantic { message: format!("`{name}` is no cursor") }),
        }
    }

    async fn open(&mut self, name: &str) -> Result<()> {
        if self.cursor(name)?.open.is_some() {
            return Err(failed(&format!("cursor `{name}` is open already")));
        }
        let source = self.cursor(name)?.source.clone();
        let rows = self.rows(&source).await?;
        self.cursor(name)?.open = Some((rows, 0));
        Ok(())
    }

    /// The next row of a cursor into variables; NULL when there is none left.
    fn fetch(&mut self, name: &str, into: &[String]) -> Result<()> {
        let Some((rows, next)) = &mut self.cursor(name)?.open else {
            return Err(failed(&format!("cursor `{name}` is not open")));
        };
        let row = rows.row(*next)?;
        *next += 1;
        let width = rows.schema.fields().len();
        if width != into.len() {
            let message = format!("cursor `{name}` has {width} columns, FETCH names {}", into.len());
            return Err(failed(&message));
        }
        for (at, target) in into.iter().enumerate() {
            let value = row.as_ref().map_or(ScalarValue::Null, |row| row[at].clone());
            let slot = self.find(target)?;
            let data_type = match slot {
                Slot::Value { data_type, .. } | Slot::Unset { data_type } => data_type.clone(),
                _ => return Err(Error::ScriptSemantic { message: format!("`{target}` takes no value") }),
            };
            let value = match &data_type {
                Some(data_type) => value.cast_to(data_type).map_err(crate::plan::explain)?,
                None => value,
            };
            *slot = Slot::Value { value, data_type };
        }
        Ok(())
    }
}

/// What leaves a loop after one round of it; `None`: the next round.
fn left(flow: Flow, label: Option<&str>) -> Option<Flow> {
    let ours = |named: &Option<String>| named.is_none() || named.as_deref() == label;
    match flow {
        Flow::Next => None,
        Flow::Continue(named) if ours(&named) => None,
        Flow::Break(named) if ours(&named) => Some(Flow::Next),
        other => Some(other),
    }
}

/// Makes names of variables placeholders, outside of subqueries: there, names are columns.
struct Names<'m, 'a> {
    machine: &'m mut Machine<'a>,
    depth: usize,
}

impl Names<'_, '_> {
    /// What stands for a name; `None` when it is no variable.
    fn placeholder(&mut self, ident: &Ident, column: Option<&Ident>) -> Option<Result<Expr>> {
        let name = ident_name(ident);
        let slot = self.machine.find(&name).ok()?;
        let found = match (slot, column) {
            (Slot::Value { .. }, None) => name,
            (Slot::Row(row), Some(column)) => {
                let column = column.value.to_lowercase();
                if !row.contains_key(&column) {
                    let message = format!("the rows of `{name}` have no column `{column}`");
                    return Some(Err(Error::ScriptSemantic { message }));
                }
                [&name, ".", column.as_str()].concat()
            }
            (Slot::Unset { .. }, None) => {
                return Some(Err(failed(&format!("variable `{name}` is used before it has a value"))));
            }
            _ => return Some(Err(Error::ScriptSemantic { message: format!("`{name}` is no value here") })),
        };
        Some(Ok(Expr::Value(Value::Placeholder([":", &found].concat()).with_empty_span())))
    }
}

impl VisitorMut for Names<'_, '_> {
    type Break = Error;

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        let found = match expr {
            Expr::Identifier(ident) => {
                let ident = ident.clone();
                match self.placeholder(&ident, None) {
                    // A name without a variable means nothing else here.
                    None if !select::is_default(expr) => Some(Err(unknown(&ident.value))),
                    other => other,
                }
            }
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [row, column] => {
                    let (row, column) = (row.clone(), column.clone());
                    Some(self.placeholder(&row, Some(&column)).unwrap_or_else(|| Err(unknown(&row.value))))
                }
                _ => None,
            },
            _ => None,
        };
        match found {
            Some(Ok(placeholder)) => *expr = placeholder,
            Some(Err(error)) => return ControlFlow::Break(error),
            None => {}
        }
        ControlFlow::Continue(())
    }
}
