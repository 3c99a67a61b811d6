//! Type names: the library's, plus `ARRAY(T)`, `MAP(K, V)`, `TUPLE(a T, …)` and `NULLABLE(T)`.
//!
//! Column definitions are parsed here. Inside expressions the library parses types, and knows no parentheses around
//! types: so before it sees the tokens, such a type becomes one quoted word, which comes back to [`parse_type`].

use super::{SqlLimits, grammar::Grammar, tokens_of};
use crate::{Error, Result};
use datafusion::sql::sqlparser::{
    ast::{ArrayElemTypeDef, DataType, StructField},
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan, Word},
};

/// How deep types may nest inside an expression.
const DEPTH_MAX: usize = 64;

/// The type that a text names.
pub(crate) fn parse_type(text: &str) -> Result<DataType> {
    let limits = SqlLimits { bytes: text.len(), depth: DEPTH_MAX };
    let (tokens, _) = tokens_of(text, limits)?;
    let mut grammar = super::grammar(text, tokens, limits);
    let data_type = grammar.inner_type()?;
    if !grammar.at_end() {
        return Err(Error::Syntax { message: format!("`{text}` is no type") });
    }
    Ok(data_type)
}

/// Makes one word of every type with parentheses behind `::`, or behind AS in a CAST.
pub(super) fn fold_types(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let is_worth_it = tokens.iter().any(|t| matches!(&t.token, Token::Word(word) if is_outer(word) || is_null(word)));
    if !is_worth_it {
        return tokens;
    }
    let mut folded: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    // For each open parenthesis whether it is that of a CAST, and whether its AS has come.
    let mut open: Vec<(bool, bool)> = Vec::new();
    let mut last = [Last::Other; 2];
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at].token;
        let in_cast = open.last().copied().unwrap_or_default();
        let type_begins = last[0] == Last::DoubleColon || (last[0] == Last::As && in_cast.0);
        if type_begins && let Some(end) = type_end(&tokens, at) {
            let value: String = tokens[at..end].iter().map(|t| t.token.to_string()).collect();
            let word = Word { value, quote_style: Some('"'), keyword: Keyword::NoKeyword };
            folded.push(TokenWithSpan { token: Token::Word(word), span: tokens[at].span });
            (at, last) = (end, [Last::Other; 2]);
            continue;
        }
        match token {
            Token::Whitespace(_) => {}
            Token::LParen => {
                open.push((last[0] == Last::Cast, false));
                last = [Last::Other, last[0]];
            }
            Token::RParen => {
                open.pop();
                last = [Last::Other, last[0]];
            }
            Token::DoubleColon => last = [Last::DoubleColon, last[0]],
            Token::Word(word) if word.quote_style.is_none() => {
                if in_cast.1 && last[0] != Last::As && nullability_ends_cast(&tokens, at) {
                    // `CAST(x AS T NULL)`: what is cast says whether NULLs come.
                    at += 1;
                    continue;
                }
                let said = match word.keyword {
                    Keyword::AS => Last::As,
                    Keyword::CAST | Keyword::TRY_CAST => Last::Cast,
                    _ => Last::Other,
                };
                if said == Last::As
                    && let Some(innermost) = open.last_mut()
                {
                    innermost.1 |= innermost.0;
                }
                last = [said, last[0]];
            }
            _ => last = [Last::Other, last[0]],
        }
        folded.push(tokens[at].clone());
        at += 1;
    }
    folded
}

/// What a token means for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Cast,
    As,
    DoubleColon,
    Other,
}

fn is_outer(word: &Word) -> bool {
    let names = ["array", "map", "tuple", "nullable"];
    word.quote_style.is_none() && names.iter().any(|name| word.value.eq_ignore_ascii_case(name))
}

fn is_null(word: &Word) -> bool {
    word.quote_style.is_none() && word.keyword == Keyword::NULL
}

/// Where the type with parentheses that begins at `at` ends.
fn type_end(tokens: &[TokenWithSpan], at: usize) -> Option<usize> {
    let Token::Word(first) = &tokens[at].token else { return None };
    let opened = next_visible(tokens, at + 1)?;
    if !is_outer(first) || tokens[opened].token != Token::LParen {
        return None;
    }
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(opened) {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            Token::Word(_) | Token::Number(..) | Token::Comma | Token::Whitespace(_) => {}
            _ => return None,
        }
    }
    None
}

/// Whether `NULL )` or `NOT NULL )` begins at `at`.
fn nullability_ends_cast(tokens: &[TokenWithSpan], at: usize) -> bool {
    let keyword = |at: usize| match &tokens[at].token {
        Token::Word(word) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    };
    let null = match keyword(at) {
        Keyword::NULL => Some(at),
        Keyword::NOT => next_visible(tokens, at + 1).filter(|at| keyword(*at) == Keyword::NULL),
        _ => None,
    };
    let behind = null.and_then(|null| next_visible(tokens, null + 1));
    behind.is_some_and(|at| tokens[at].token == Token::RParen)
}

fn next_visible(tokens: &[TokenWithSpan], at: usize) -> Option<usize> {
    (at..tokens.len()).find(|at| !matches!(tokens[*at].token, Token::Whitespace(_)))
}

impl Grammar<'_> {
    /// The type at the cursor. `limits` has bounded how deep parentheses nest.
    pub fn data_type(&mut self) -> Result<DataType> {
        let parenthesis = self.parser.peek_nth_token_ref(1).token == Token::LParen;
        if parenthesis && self.accept("array") {
            return self.enclosed(|g| Ok(DataType::Array(ArrayElemTypeDef::Parenthesis(Box::new(g.inner_type()?)))));
        }
        if parenthesis && self.accept("nullable") {
            return self.enclosed(|g| Ok(DataType::Nullable(Box::new(g.inner_type()?))));
        }
        if parenthesis && self.accept("map") {
            return self.enclosed(|g| {
                let key = g.inner_type()?;
                g.parser.expect_token(&Token::Comma)?;
                Ok(DataType::Map(Box::new(key), Box::new(g.inner_type()?)))
            });
        }
        if parenthesis && self.accept("tuple") {
            return self.enclosed(|g| {
                let mut fields = vec![g.tuple_field()?];
                while g.parser.consume_token(&Token::Comma) {
                    fields.push(g.tuple_field()?);
                }
                Ok(DataType::Tuple(fields))
            });
        }
        Ok(self.parser.parse_data_type()?)
    }

    /// A type inside another one; values inside are always nullable, so `NULL` may be said.
    fn inner_type(&mut self) -> Result<DataType> {
        let data_type = self.data_type()?;
        let _ = self.accept("null");
        Ok(data_type)
    }

    fn tuple_field(&mut self) -> Result<StructField> {
        let named = !matches!(self.parser.peek_nth_token_ref(1).token, Token::Comma | Token::RParen | Token::LParen)
            && !self.second_is("null")
            && !self.second_is("unsigned");
        // `1 INT`: what has no name is called by its place.
        let numbered = matches!(self.parser.peek_token_ref().token, Token::Number(..));
        if numbered {
            self.parser.next_token();
        }
        let field_name = if named && !numbered { Some(self.ident()?) } else { None };
        Ok(StructField { field_name, field_type: self.inner_type()?, options: None })
    }

    fn enclosed<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.parser.expect_token(&Token::LParen)?;
        let value = inner(self)?;
        self.parser.expect_token(&Token::RParen)?;
        Ok(value)
    }
}
