//! What stands beside a statement: hints in its comments, `IGNORE_RESULT` behind it; and the word `ASOF`, which is moved
//! to where the parser library reads it.

use super::statement::Statement;
use crate::{Error, Result};
use datafusion::sql::sqlparser::{
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan, Whitespace, Word},
};

/// Function that marks the condition of a join as that of an ASOF join.
pub(crate) const ASOF_MARK: &str = "__basalt_asof";

/// What the text says beside the statement itself.
#[derive(Debug, Default)]
pub(super) struct Aside {
    settings: Vec<(String, String)>,
    ignore_result: bool,
}

impl Aside {
    /// Takes it out of the tokens.
    pub fn take(tokens: &mut Vec<TokenWithSpan>) -> Result<Self> {
        let mut aside = Self { settings: hints(tokens)?, ignore_result: false };
        let last =
            tokens.iter().rposition(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF | Token::SemiColon));
        let selects = tokens.iter().find(|t| !matches!(t.token, Token::Whitespace(_) | Token::LParen));
        let selects = selects.is_some_and(|t| ["select", "with", "from", "explain"].iter().any(|w| is(&t.token, w)));
        if let Some(last) = last
            && selects
            && is(&tokens[last].token, "ignore_result")
        {
            tokens.remove(last);
            aside.ignore_result = true;
        }
        mark_asof(tokens);
        Ok(aside)
    }

    /// `statement` with it.
    pub fn apply(self, mut statement: Statement) -> Statement {
        if self.ignore_result {
            statement = Statement::IgnoreResult(Box::new(statement));
        }
        if self.settings.is_empty() {
            return statement;
        }
        Statement::WithSettings { settings: self.settings, statement: Box::new(statement) }
    }
}

fn is(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

/// The settings of `/*+ SET_VAR(name = value) … */` behind the first word. Other hints mean nothing here.
fn hints(tokens: &[TokenWithSpan]) -> Result<Vec<(String, String)>> {
    let mut settings = Vec::new();
    let first = tokens.iter().position(|t| matches!(t.token, Token::Word(_))).unwrap_or(tokens.len());
    for token in tokens.iter().skip(first + 1) {
        let Token::Whitespace(space) = &token.token else {
            break;
        };
        let Whitespace::MultiLineComment(text) = space else {
            continue;
        };
        let Some(text) = text.strip_prefix('+') else {
            continue;
        };
        set_vars(text, &mut settings)?;
    }
    Ok(settings)
}

fn set_vars(text: &str, settings: &mut Vec<(String, String)>) -> Result<()> {
    let mut rest = text;
    let lower = text.to_ascii_lowercase();
    while let Some(at) = lower[text.len() - rest.len()..].find("set_var") {
        rest = &rest[at + "set_var".len()..];
        let wrong = || Error::Syntax { message: format!("a hint SET_VAR(name = value) is wrong: `{}`", text.trim()) };
        let inner = rest.trim_start().strip_prefix('(').ok_or_else(wrong)?;
        let end = closing(inner).ok_or_else(wrong)?;
        let (name, value) = inner[..end].split_once('=').ok_or_else(wrong)?;
        let value = value.trim();
        let quoted = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\''));
        settings.push((name.trim().to_lowercase(), quoted.unwrap_or(value).to_owned()));
        rest = &inner[end..];
    }
    Ok(())
}

/// Where the parenthesis closes, texts skipped.
fn closing(text: &str) -> Option<usize> {
    let mut quoted = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'\'' => quoted = !quoted,
            b')' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// `ASOF [LEFT | RIGHT | INNER] JOIN t ON c` becomes `[LEFT | RIGHT | INNER] JOIN t ON __basalt_asof() AND c`. The form with
/// `MATCH_CONDITION (m)` becomes the same with `m AND c`.
fn mark_asof(tokens: &mut Vec<TokenWithSpan>) {
    let mut at = 0;
    while at < tokens.len() {
        if !is(&tokens[at].token, "asof") || !joins(tokens, at) {
            at += 1;
            continue;
        }
        let span = tokens[at].span;
        tokens.remove(at);
        let Some((place, on)) = condition(tokens, at) else {
            at += 1;
            continue;
        };
        let made = |token: Token| TokenWithSpan { token, span };
        let word = |text: &str, keyword: Keyword| {
            made(Token::Word(Word { value: text.to_owned(), quote_style: None, keyword }))
        };
        let mark = [word(ASOF_MARK, Keyword::NoKeyword), made(Token::LParen), made(Token::RParen)];
        let mut insert = Vec::new();
        if !on {
            insert.push(word("ON", Keyword::ON));
        }
        insert.extend(mark);
        insert.push(word("AND", Keyword::AND));
        if !on {
            // `MATCH_CONDITION (m) [ON c]`: the word goes, its parentheses stay, ON becomes AND.
            tokens.remove(place);
            if let Some(second) = second_on(tokens, place) {
                tokens[second] = word("AND", Keyword::AND);
            }
            tokens.splice(place..place, insert);
        } else {
            tokens.splice(place + 1..place + 1, insert);
        }
        at = place + 1;
    }
}

/// Whether a JOIN follows the word at `at`.
fn joins(tokens: &[TokenWithSpan], at: usize) -> bool {
    let words = tokens[at + 1..].iter().filter(|t| !matches!(t.token, Token::Whitespace(_)));
    for token in words.take(3) {
        if is(&token.token, "join") {
            return true;
        }
        if !["left", "right", "inner", "outer"].iter().any(|w| is(&token.token, w)) {
            return false;
        }
    }
    false
}

/// The next ON (true) or MATCH_CONDITION (false) at this level of parentheses.
fn condition(tokens: &[TokenWithSpan], from: usize) -> Option<(usize, bool)> {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.checked_sub(1)?,
            found if depth == 0 && is(found, "on") => return Some((at, true)),
            found if depth == 0 && is(found, "match_condition") => return Some((at, false)),
            _ => {}
        }
    }
    None
}

/// The ON directly behind the parentheses that begin at `from`.
fn second_on(tokens: &[TokenWithSpan], from: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.checked_sub(1)?,
            Token::Whitespace(_) => {}
            found if depth == 0 => return is(found, "on").then_some(at),
            _ => {}
        }
    }
    None
}
