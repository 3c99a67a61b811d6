//! Paths into JSON and tuples (`v:a.b[0]`, `t:1`) and JSON's operators (`->`, `@>`, `?`…), where the library's
//! parser would take them for something else or bind them too loosely.

use datafusion::sql::sqlparser::{
    ast::{BinaryOperator, Expr, Ident, JsonPath, JsonPathElem},
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::Token,
};

/// Binding of `:` before a path: like that of `.`, tighter than `::`.
const PATH: u8 = 51;
/// Binding of `->` and its like: that of `*`.
const ACCESS: u8 = 40;
/// Binding of `@>`, `?` and their like: between `+` and `=`.
const TEST: u8 = 25;

/// Functions that take a lambda behind their first argument; elsewhere `x -> y` is access by key.
const TAKE_LAMBDAS: [&str; 27] = [
    "any_match",
    "array_all_match",
    "array_any_match",
    "array_apply",
    "array_exists",
    "array_filter",
    "array_map",
    "array_reduce",
    "array_transform",
    "json_array_apply",
    "json_array_filter",
    "json_array_map",
    "json_array_reduce",
    "json_array_transform",
    "json_map_filter",
    "json_map_transform_keys",
    "json_map_transform_values",
    "list_any_match",
    "list_apply",
    "list_filter",
    "list_map",
    "list_reduce",
    "list_transform",
    "map_apply",
    "map_filter",
    "map_transform_keys",
    "map_transform_values",
];

/// Whether what ends with this token may be a value with fields.
fn may_have_fields(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.quote_style.is_some() || !begins_expression(word.keyword),
        Token::RParen | Token::RBracket | Token::Number(_, false) => true,
        _ => false,
    }
}

/// Keywords behind which an expression begins.
fn begins_expression(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::SELECT
            | Keyword::AND
            | Keyword::OR
            | Keyword::NOT
            | Keyword::CASE
            | Keyword::WHEN
            | Keyword::THEN
            | Keyword::ELSE
            | Keyword::BETWEEN
            | Keyword::IN
            | Keyword::IS
            | Keyword::LIKE
            | Keyword::LIMIT
            | Keyword::OFFSET
            | Keyword::BY
            | Keyword::WHERE
            | Keyword::HAVING
            | Keyword::ON
            | Keyword::AS
            | Keyword::DISTINCT
            | Keyword::VALUES
            | Keyword::INTERVAL
    )
}

/// Whether the `:` at the cursor begins a path into what stands before it.
fn is_path(parser: &Parser) -> bool {
    let before = match &parser.get_current_token().token {
        Token::Number(_, _) => parser.peek_nth_token_ref(1).token != Token::Colon && is_position(parser),
        other => may_have_fields(other),
    };
    let after = &parser.peek_nth_token_ref(1).token;
    before && matches!(after, Token::Word(_) | Token::Number(_, false) | Token::SingleQuotedString(_) | Token::LBracket)
}

/// Whether the number before the cursor is itself a step of a path: `t:1:2`.
fn is_position(parser: &Parser) -> bool {
    parser.get_previous_token().token == Token::Colon
}

/// How tightly the operator at the cursor binds, where that is not the library's to say.
pub(super) fn precedence(parser: &Parser) -> Option<u8> {
    match &parser.peek_token_ref().token {
        Token::Colon if is_path(parser) => Some(PATH),
        Token::Arrow | Token::LongArrow | Token::HashArrow | Token::HashLongArrow => Some(ACCESS),
        Token::HashMinus | Token::AtArrow | Token::ArrowAt | Token::AtQuestion | Token::AtAt => Some(TEST),
        // A placeholder cannot stand behind a value: there it is the operator.
        Token::Placeholder(mark) if mark == "?" => Some(TEST),
        _ => None,
    }
}

/// The expression that the operator at the cursor makes of `left`.
pub(super) fn infix(parser: &mut Parser, left: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
    match &parser.peek_token_ref().token {
        Token::Colon if is_path(parser) => Some(path(parser).map(|path| {
            let value = Box::new(left.clone());
            Expr::JsonAccess { value, path }
        })),
        Token::Placeholder(mark) if mark == "?" => Some(question(parser, left, precedence)),
        Token::LBracket => Some(subscripts(parser, left)),
        _ => None,
    }
}

fn path(parser: &mut Parser) -> Result<JsonPath, ParserError> {
    let mut path = Vec::new();
    loop {
        let next = &parser.peek_nth_token_ref(1).token;
        let step = match &parser.peek_token_ref().token {
            Token::Colon if !matches!(next, Token::LBracket) => {
                matches!(next, Token::Word(_) | Token::Number(_, false) | Token::SingleQuotedString(_))
            }
            Token::Colon => true,
            Token::Period => matches!(next, Token::Word(_) | Token::SingleQuotedString(_)),
            Token::LBracket => false,
            _ => break,
        };
        if step {
            parser.next_token();
        }
        if parser.consume_token(&Token::LBracket) {
            let key = parser.parse_expr()?;
            parser.expect_token(&Token::RBracket)?;
            path.push(if path.is_empty() { JsonPathElem::ColonBracket { key } } else { JsonPathElem::Bracket { key } });
            continue;
        }
        if !step {
            break;
        }
        let token = parser.next_token();
        match token.token {
            Token::Word(word) => path.push(JsonPathElem::Dot { key: word.value, quoted: word.quote_style.is_some() }),
            Token::SingleQuotedString(key) => path.push(JsonPathElem::Dot { key, quoted: true }),
            Token::Number(number, _) => {
                // `t:1.2` comes as one number.
                let steps = number.split('.').filter(|step| !step.is_empty());
                path.extend(steps.map(|step| JsonPathElem::Dot { key: step.to_owned(), quoted: false }));
            }
            _ => return parser.expected("a key or position", token),
        }
    }
    Ok(JsonPath { path })
}

/// `left[0][1]`.
fn subscripts(parser: &mut Parser, left: &Expr) -> Result<Expr, ParserError> {
    let mut access_chain = Vec::new();
    parser.parse_multi_dim_subscript(&mut access_chain)?;
    Ok(Expr::CompoundFieldAccess { root: Box::new(left.clone()), access_chain })
}

/// `v ? 'a'`, `v ?| ['a']`, `v ?& ['a']`.
fn question(parser: &mut Parser, left: &Expr, precedence: u8) -> Result<Expr, ParserError> {
    parser.next_token();
    let op = if parser.consume_token(&Token::Pipe) {
        BinaryOperator::QuestionPipe
    } else if parser.consume_token(&Token::Ampersand) {
        BinaryOperator::QuestionAnd
    } else {
        BinaryOperator::Question
    };
    let right = parser.parse_subexpr(precedence)?;
    Ok(Expr::BinaryOp { left: Box::new(left.clone()), op, right: Box::new(right) })
}

/// Number of names, with a point between each two, before subscripts and `:` at the cursor: in `t.v[0]:x` two. The
/// library would read `t.v[0]` as a type and `:x` as its literal.
fn names_before_path(parser: &Parser) -> Option<usize> {
    let (mut at, mut names, mut depth) = (1, 1, 0usize);
    while parser.peek_nth_token_ref(at).token == Token::Period {
        if !matches!(parser.peek_nth_token_ref(at + 1).token, Token::Word(_)) {
            return None;
        }
        (at, names) = (at + 2, names + 1);
    }
    if parser.peek_nth_token_ref(at).token != Token::LBracket {
        return None;
    }
    loop {
        match parser.peek_nth_token_ref(at).token {
            Token::LBracket => depth += 1,
            Token::RBracket => depth = depth.checked_sub(1)?,
            Token::EOF | Token::SemiColon => return None,
            Token::Colon if depth == 0 => return Some(names),
            _ if depth == 0 => return None,
            _ => {}
        }
        at += 1;
    }
}

/// The column of so many names at the cursor.
fn named(parser: &mut Parser, names: usize) -> Result<Expr, ParserError> {
    let mut idents = vec![parser.parse_identifier()?];
    while idents.len() < names {
        parser.expect_token(&Token::Period)?;
        idents.push(parser.parse_identifier()?);
    }
    Ok(match <[Ident; 1]>::try_from(idents) {
        Ok([ident]) => Expr::Identifier(ident),
        Err(idents) => Expr::CompoundIdentifier(idents),
    })
}

/// The column before `->` at the cursor, unless it is the parameter of a lambda.
pub(super) fn prefix(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let token = parser.peek_token_ref();
    let Token::Word(word) = &token.token else {
        return None;
    };
    if let Some(names) = names_before_path(parser) {
        return Some(named(parser, names));
    }
    if parser.peek_nth_token_ref(1).token != Token::Arrow || is_lambda(parser) {
        return None;
    }
    let ident = Ident { value: word.value.clone(), quote_style: word.quote_style, span: token.span };
    parser.next_token();
    Some(Ok(Expr::Identifier(ident)))
}

/// Whether the cursor is where a lambda may begin: at an argument, not the first, of a function that takes one, at that
/// of COLUMNS, or at the body of a function.
fn is_lambda(parser: &Parser) -> bool {
    let mut depth = 0usize;
    let mut begins = false;
    let mut at = parser.index();
    while at > 0 {
        at -= 1;
        let token = &parser.token_at(at).token;
        match token {
            Token::Whitespace(_) => continue,
            Token::Comma if !begins => {}
            // `CREATE FUNCTION f AS x -> …`
            Token::Word(word) if !begins => return word.keyword == Keyword::AS,
            Token::LParen if !begins => return called(parser, at).is_some_and(|name| name == "columns"),
            _ if !begins => return false,
            Token::RParen | Token::RBracket | Token::RBrace => depth += 1,
            Token::LBracket | Token::LBrace if depth > 0 => depth -= 1,
            Token::LParen if depth > 0 => depth -= 1,
            Token::LParen => return called(parser, at).is_some_and(|name| TAKE_LAMBDAS.contains(&name.as_str())),
            Token::LBracket | Token::LBrace => return false,
            _ => {}
        }
        begins = true;
    }
    false
}

/// Name, in lower case, of the function whose arguments the parenthesis at `at` opens.
fn called(parser: &Parser, at: usize) -> Option<String> {
    let before = (0..at).rev().map(|at| &parser.token_at(at).token).find(|t| !matches!(t, Token::Whitespace(_)));
    match before {
        Some(Token::Word(word)) => Some(word.value.to_lowercase()),
        _ => None,
    }
}

/// A text as an expression.
#[cfg(test)]
pub(super) fn parsed(sql: &str) -> String {
    let limits = super::SqlLimits { bytes: 1 << 20, depth: 64 };
    super::parse_expression(sql, limits).map_or_else(|error| format!("error: {error}"), |expr| expr.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_bind_tighter_than_all_operators() {
        assert_eq!(parsed("1 + v:a.b[0]"), "1 + v:a.b[0]");
        assert_eq!(parsed("v:a::INT"), "v:a::INT");
        assert_eq!(parsed("v[2]:x"), "v[2]:x");
        assert_eq!(parsed("t.v[0][1]:x"), "t.v[0][1]:x");
        assert_eq!(parsed("t:1:name"), "t:1.name");
    }

    #[test]
    fn an_arrow_is_access_outside_of_lambdas() {
        let is_access = |sql: &str| {
            let limits = super::super::SqlLimits { bytes: 1 << 20, depth: 64 };
            matches!(super::super::parse_expression(sql, limits).unwrap(), Expr::BinaryOp { .. })
        };
        assert!(is_access("v -> 'a' = 'x'"));
        assert!(is_access("v ->> 0"));
        assert!(is_access("v ? 'a'"));
        assert!(parsed("array_filter(a, x -> x > 1)").contains("x -> x > 1"));
        assert!(parsed("upper(v -> 'a')").contains("v -> 'a'"));
    }
}
