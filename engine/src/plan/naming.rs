//! Names of result columns as users expect them: the text of the expression, functions in lower case, plain columns
//! without their table. Given while the query is still a tree of SQL, so that subqueries and views get them too.

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{self, Expr, Ident, SelectItem, SetExpr, VisitMut, VisitorMut};
use std::{collections::HashSet, ops::ControlFlow, sync::Arc};

/// Longest name made of an expression's text.
const NAME_CHARS_MAX: usize = 1024;

/// The names of a query's columns, counted from the left up to the first `*` and from the right back to the last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    left: Vec<String>,
    right: Vec<String>,
}

impl Names {
    /// `schema` under these names.
    pub fn apply(&self, schema: &Schema) -> SchemaRef {
        let count = schema.fields().len();
        let right_from = count.saturating_sub(self.right.len());
        let fields = schema.fields().iter().enumerate().map(|(index, field)| {
            let name = match self.left.get(index) {
                Some(name) => name,
                None if index >= right_from => &self.right[index - right_from],
                None => field.name(),
            };
            Field::new(name, field.data_type().clone(), field.is_nullable())
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

/// Names the columns of a subquery: every unnamed expression gets its text as alias, where that is unambiguous.
pub(super) fn name_inner(query: &mut ast::Query) {
    let Some(select) = first_select(&mut query.body) else {
        return;
    };
    let mut taken: HashSet<String> = select.projection.iter().filter_map(given_name).collect();
    for item in &mut select.projection {
        let Some(name) = text_name(item) else {
            continue;
        };
        if taken.insert(name.clone()) {
            set_alias(item, name);
        }
    }
}

/// Names the columns of the outermost query: any names may be equal there, so each gets an alias of its own and the
/// wanted names are returned.
pub(super) fn name_outer(query: &mut ast::Query) -> Names {
    let Some(select) = first_select(&mut query.body) else {
        return Names::default();
    };
    let wildcards = select.projection.iter().filter(|item| is_wildcard(item)).count();
    let mut names = Names::default();
    let mut taken = HashSet::new();
    let mut seen = 0;
    for (index, item) in select.projection.iter_mut().enumerate() {
        if is_wildcard(item) {
            seen += 1;
            continue;
        }
        let text = text_name(item);
        let name = text.clone().or_else(|| given_name(item)).unwrap_or_default();
        // Beside a `*`, a plain column would appear twice under one name.
        let repeated = !taken.insert(name.clone()) || (wildcards > 0 && text.is_none());
        if repeated {
            set_alias(item, format!("{name}:{index}"));
        } else if text.is_some() {
            set_alias(item, name.clone());
        }
        match seen {
            0 => names.left.push(name),
            n if n == wildcards => names.right.push(name),
            _ => {}
        }
    }
    names
}

/// The SELECT whose columns name those of a whole UNION.
fn first_select(body: &mut SetExpr) -> Option<&mut ast::Select> {
    let mut body = body;
    loop {
        match body {
            SetExpr::Select(select) => return Some(select),
            SetExpr::SetOperation { left, .. } => body = left,
            SetExpr::Query(query) => body = &mut query.body,
            _ => return None,
        }
    }
}

fn is_wildcard(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(_, _))
}

/// The name of a column or alias.
fn given_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(folded(ident)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(folded),
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        _ => None,
    }
}

/// The name made of an expression's text; `None` where it has a name.
fn text_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(_) | Expr::CompoundIdentifier(_)) => None,
        SelectItem::UnnamedExpr(expr) => {
            let mut expr = expr.clone();
            let _ = expr.visit(&mut LowerFunctions);
            let text = expr.to_string();
            Some(match text.char_indices().nth(NAME_CHARS_MAX) {
                Some((end, _)) => text[..end].to_owned(),
                None => text,
            })
        }
        _ => None,
    }
}

fn set_alias(item: &mut SelectItem, alias: String) {
    let alias = Ident::with_quote('"', alias);
    match item {
        SelectItem::UnnamedExpr(expr) => {
            let expr = std::mem::replace(expr, Expr::Value(ast::Value::Null.into()));
            *item = SelectItem::ExprWithAlias { expr, alias };
        }
        SelectItem::ExprWithAlias { alias: old, .. } => *old = alias,
        _ => {}
    }
}

/// An identifier as the catalogue spells it: lower case unless quoted.
pub(crate) fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

struct LowerFunctions;

impl VisitorMut for LowerFunctions {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            for part in &mut function.name.0 {
                if let ast::ObjectNamePart::Identifier(ident) = part
                    && ident.quote_style.is_none()
                {
                    ident.value = ident.value.to_lowercase();
                }
            }
        }
        ControlFlow::Continue(())
    }
}
