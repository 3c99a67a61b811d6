//! Trees of SQL for the queries that statements run over themselves: built, never printed and parsed again.

use datafusion::sql::sqlparser::{
    ast::{
        BinaryOperator, CaseWhen, Expr, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, ObjectName,
        ObjectNamePart, Query, Select, SelectFlavor, SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins,
        Value, helpers::attached_token::AttachedToken,
    },
    tokenizer::Token,
};

/// An identifier that means exactly this name.
pub(crate) fn exact(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

/// `table.column`.
pub(crate) fn column_of(table: &Ident, column: &str) -> Expr {
    Expr::CompoundIdentifier(vec![table.clone(), exact(column)])
}

pub(crate) fn column(name: &str) -> Expr {
    Expr::Identifier(exact(name))
}

pub(crate) fn null() -> Expr {
    Expr::Value(Value::Null.with_empty_span())
}

pub(crate) fn text(value: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.to_string()).with_empty_span())
}

pub(crate) fn boolean(value: bool) -> Expr {
    Expr::Value(Value::Boolean(value).with_empty_span())
}

pub(crate) fn number(value: usize) -> Expr {
    Expr::Value(Value::Number(value.to_string(), false).with_empty_span())
}

pub(crate) fn and(left: Option<Expr>, right: Expr) -> Expr {
    match left {
        Some(left) => binary(nested(left), BinaryOperator::And, nested(right)),
        None => right,
    }
}

pub(crate) fn equals(left: Expr, right: Expr) -> Expr {
    binary(left, BinaryOperator::Eq, right)
}

pub(crate) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

pub(crate) fn nested(expr: Expr) -> Expr {
    Expr::Nested(Box::new(expr))
}

/// `CASE WHEN condition THEN result … END`; NULL where no condition holds.
pub(crate) fn case(branches: Vec<(Expr, Expr)>) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: branches.into_iter().map(|(condition, result)| CaseWhen { condition, result }).collect(),
        else_result: None,
    }
}

/// `expr AS name`.
pub(crate) fn named(expr: Expr, name: &str) -> SelectItem {
    SelectItem::ExprWithAlias { expr, alias: exact(name) }
}

/// `name AS alias` in a FROM.
pub(crate) fn relation(name: ObjectName, alias: Option<Ident>) -> TableFactor {
    TableFactor::Table {
        name,
        alias: alias.map(|name| TableAlias { explicit: true, name, columns: Vec::new(), at: None }),
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

/// `a.b` as exact names.
pub(crate) fn object_name(parts: &[&str]) -> ObjectName {
    ObjectName(parts.iter().map(|part| ObjectNamePart::Identifier(exact(part))).collect())
}

pub(crate) fn from_one(relation: TableFactor) -> TableWithJoins {
    TableWithJoins { relation, joins: Vec::new() }
}

/// How [`join`] treats rows of the left side without a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unmatched {
    Keep,
    Drop,
}

pub(crate) fn join(left: TableFactor, right: TableFactor, on: Expr, unmatched: Unmatched) -> TableWithJoins {
    let constraint = JoinConstraint::On(on);
    let join_operator = match unmatched {
        Unmatched::Keep => JoinOperator::LeftOuter(constraint),
        Unmatched::Drop => JoinOperator::Inner(constraint),
    };
    TableWithJoins { relation: left, joins: vec![Join { relation: right, global: false, join_operator }] }
}

/// `SELECT projection FROM from WHERE selection`.
pub(crate) fn select(projection: Vec<SelectItem>, from: Vec<TableWithJoins>, selection: Option<Expr>) -> Query {
    let select = Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection,
        exclude: None,
        into: None,
        from,
        lateral_views: Vec::new(),
        prewhere: None,
        selection,
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    };
    query(SetExpr::Select(Box::new(select)))
}

pub(crate) fn query(body: SetExpr) -> Query {
    Query {
        with: None,
        body: Box::new(body),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// `*`.
pub(crate) fn everything() -> SelectItem {
    SelectItem::Wildcard(datafusion::sql::sqlparser::ast::WildcardAdditionalOptions {
        wildcard_token: AttachedToken(datafusion::sql::sqlparser::tokenizer::TokenWithSpan::wrap(Token::Mul)),
        opt_ilike: None,
        opt_exclude: None,
        opt_except: None,
        opt_replace: None,
        opt_rename: None,
        opt_alias: None,
    })
}

/// Whether an expression is the word DEFAULT.
pub(crate) fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}

/// A call of a function by its plain name.
pub(crate) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    use datafusion::sql::sqlparser::ast::{
        Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
    };
    let args = arguments.into_iter().map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))).collect();
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
