//! Notations of nested values that the parser library does not read: maps `{k: v}`, a tuple's fields `t.1` and `t:1`,
//! and aggregates with parameters, `f(parameters)(arguments)`.

use datafusion::sql::sqlparser::{
    ast::{
        AccessExpr, Expr, Function, FunctionArgumentList, FunctionArguments, Map, MapEntry, ObjectName, ObjectNamePart,
        Subscript, Value,
    },
    dialect::{Dialect, Precedence},
    parser::{Parser, ParserError},
    tokenizer::Token,
};

/// Fields of fields of fields… of one value.
const ACCESSES_MAX: usize = 32;

type Parsed = Result<Expr, ParserError>;

/// `{…}` at the cursor, unless it is one of ODBC's escapes.
pub(super) fn prefix(parser: &mut Parser, dialect: &dyn Dialect) -> Option<Parsed> {
    if parser.peek_token_ref().token != Token::LBrace {
        return None;
    }
    if let Token::Word(word) = &parser.peek_nth_token_ref(1).token
        && word.quote_style.is_none()
        && ["fn", "d", "t", "ts"].iter().any(|known| word.value.eq_ignore_ascii_case(known))
        && parser.peek_nth_token_ref(2).token != Token::Colon
    {
        return None;
    }
    Some(map(parser, dialect))
}

fn map(parser: &mut Parser, dialect: &dyn Dialect) -> Parsed {
    parser.expect_token(&Token::LBrace)?;
    let mut entries = Vec::new();
    if !parser.consume_token(&Token::RBrace) {
        loop {
            // A key ends at the colon, which would else be an access to a field.
            let tokens = (&parser.peek_token_ref().token, &parser.peek_nth_token_ref(1).token);
            let key = Box::new(match tokens {
                (Token::Word(_), Token::Colon) => Expr::Identifier(parser.parse_identifier()?),
                _ => parser.parse_subexpr(dialect.prec_value(Precedence::Colon))?,
            });
            parser.expect_token(&Token::Colon)?;
            let value = Box::new(parser.parse_expr()?);
            entries.push(MapEntry { key, value });
            if !parser.consume_token(&Token::Comma) {
                break;
            }
        }
        parser.expect_token(&Token::RBrace)?;
    }
    Ok(Expr::Map(Map { entries }))
}

/// How tightly the next token binds, if it begins one of these notations.
pub(super) fn precedence(parser: &Parser, dialect: &dyn Dialect) -> Option<u8> {
    let next = parser.peek_token_ref();
    let before = parser.get_current_token();
    match &next.token {
        Token::Number(text, _) if text.starts_with('.') && before.span.end == next.span.start => {
            Some(dialect.prec_value(Precedence::Period))
        }
        Token::Colon => match (&parser.peek_nth_token_ref(1).token, &before.token) {
            (Token::Number(_, _), Token::Word(_) | Token::RParen | Token::RBracket) => {
                Some(dialect.prec_value(Precedence::Colon))
            }
            _ => None,
        },
        Token::LParen if before.token == Token::RParen && before.span.end == next.span.start => {
            Some(dialect.prec_value(Precedence::Period))
        }
        _ => None,
    }
}

/// What follows `expr`, if it is one of these notations.
pub(super) fn infix(parser: &mut Parser, expr: &Expr) -> Option<Parsed> {
    match &parser.peek_token_ref().token {
        Token::Number(text, _) if text.starts_with('.') => {
            let position = text[1..].to_owned();
            parser.advance_token();
            Some(field(expr, position))
        }
        Token::Colon if matches!(parser.peek_nth_token_ref(1).token, Token::Number(_, _)) => {
            parser.advance_token();
            let Token::Number(position, _) = parser.next_token().token else {
                return None;
            };
            Some(field(expr, position))
        }
        Token::LParen => match expr {
            Expr::Function(first) if takes_arguments(first) => Some(parametric(parser, first)),
            _ => None,
        },
        _ => None,
    }
}

fn field(of: &Expr, position: String) -> Parsed {
    let index = Expr::Value(Value::Number(position, false).with_empty_span());
    let access = AccessExpr::Subscript(Subscript::Index { index });
    match of {
        Expr::CompoundFieldAccess { access_chain, .. } if access_chain.len() >= ACCESSES_MAX => {
            Err(ParserError::ParserError(format!("more than {ACCESSES_MAX} fields within each other")))
        }
        Expr::CompoundFieldAccess { root, access_chain } => {
            let mut access_chain = access_chain.clone();
            access_chain.push(access);
            Ok(Expr::CompoundFieldAccess { root: root.clone(), access_chain })
        }
        other => Ok(Expr::CompoundFieldAccess { root: Box::new(other.clone()), access_chain: vec![access] }),
    }
}

/// Whether a call could be the first half of one with parameters.
fn takes_arguments(first: &Function) -> bool {
    let plain =
        matches!(&first.args, FunctionArguments::List(FunctionArgumentList { clauses, .. }) if clauses.is_empty());
    plain
        && first.parameters == FunctionArguments::None
        && first.over.is_none()
        && first.filter.is_none()
        && matches!(first.name.0.as_slice(), [ObjectNamePart::Identifier(_)])
}

fn parametric(parser: &mut Parser, first: &Function) -> Parsed {
    let called = parser.parse_function(ObjectName(first.name.0.clone()))?;
    match called {
        Expr::Function(mut function) => {
            function.parameters = first.args.clone();
            Ok(Expr::Function(function))
        }
        other => Ok(other),
    }
}
