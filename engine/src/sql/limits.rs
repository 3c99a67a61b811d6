//! Bounds that hold before anything recursive sees the text. The parser library reads chains of operators in a loop
//! into trees as deep as the chain is long, and whoever clones or drops such a tree recurses: a few kilobytes of
//! `1+1+1…` would end the process. So the depth of the tree is bounded here, from the tokens.
//!
//! AND/OR chains and UNION ALL arms count only logarithmically, because `balance` rebuilds them as balanced trees.

use super::scan::{Scanner, line_column};
use crate::{Error, Result};
use datafusion::sql::sqlparser::{
    keywords::Keyword,
    tokenizer::{Location, Token, TokenWithSpan},
};

/// Bounds on SQL text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SqlLimits {
    pub bytes: usize,
    /// Nesting of parentheses, and depth of the tree that operators make.
    pub depth: usize,
}

/// Tokens of a statement whose rows are not plain literals.
pub(super) const TOKENS_MAX: usize = 4_000_000;
/// Conditions joined by AND or OR at one level.
const TERMS_MAX: usize = 20_000;
/// Arms of set operations in the whole statement.
const ARMS_MAX: usize = 1_024;
const JOINS_MAX: usize = 256;
const TYPE_DEPTH_MAX: usize = 32;

/// What a statement's tokens say about the tree they will make.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shape {
    pub depth: usize,
    /// Most conditions joined by AND or OR at one level.
    pub terms: usize,
    pub arms: usize,
}

/// Checks the length of the text and (without making them) the number of tokens.
pub(super) fn check_size(sql: &str, limits: SqlLimits) -> Result<()> {
    check_bytes(sql, limits)?;
    // Every token but the smallest needs a byte and a separator, so short texts need no count.
    if sql.len() > TOKENS_MAX && Scanner::new(sql).nth(TOKENS_MAX).is_some() {
        let message = format!("SQL text is too long: more than {TOKENS_MAX} words and symbols");
        return Err(Error::Syntax { message });
    }
    Ok(())
}

/// Checks the length of the text.
pub(super) fn check_bytes(sql: &str, limits: SqlLimits) -> Result<()> {
    if sql.len() > limits.bytes {
        let message = format!("SQL text is too long: {} bytes, at most {} are accepted", sql.len(), limits.bytes);
        return Err(Error::Syntax { message });
    }
    if let Some(at) = memchr::memchr(0, sql.as_bytes()) {
        let (line, column) = line_column(sql, at);
        return Err(Error::Syntax {
            message: format!("SQL text contains a NUL character at line {line}, column {column}"),
        });
    }
    Ok(())
}

/// Bounds the tree these tokens make.
pub(super) fn measure(tokens: &[TokenWithSpan], limits: SqlLimits) -> Result<Shape> {
    let mut walk = Walk { limits, frames: vec![Frame::default()], shape: Shape::default(), joins: 0, types: 0 };
    let mut after_operand = false;
    for (index, token) in tokens.iter().enumerate() {
        if matches!(token.token, Token::Whitespace(_)) {
            continue;
        }
        after_operand = walk.step(tokens, index, after_operand)?;
    }
    while walk.frames.len() > 1 {
        walk.close(Location { line: 0, column: 0 })?;
    }
    walk.end_group(Location { line: 0, column: 0 })?;
    walk.shape.depth = walk.shape.depth.max(walk.top().depth());
    Ok(walk.shape)
}

/// One level of parentheses, brackets or CASE.
#[derive(Default)]
struct Frame {
    case: bool,
    /// Operators since the last separator, and the deepest operand among them.
    operators: usize,
    child: usize,
    /// The deepest group so far.
    done: usize,
    /// Groups joined by AND/OR, set operations that can be balanced, and those that cannot.
    terms: usize,
    arms: usize,
    chained_arms: usize,
    /// BETWEENs whose AND has not come yet.
    between: usize,
}

impl Frame {
    fn group(&self) -> usize {
        self.operators + self.child
    }

    fn depth(&self) -> usize {
        let balanced = 2 * usize::BITS.saturating_sub(self.terms.leading_zeros()) as usize;
        let arms = if self.chained_arms > 0 { self.arms + self.chained_arms } else { (self.arms + 1).ilog2() as usize };
        self.done.max(self.group()) + balanced + arms
    }
}

struct Walk {
    limits: SqlLimits,
    frames: Vec<Frame>,
    shape: Shape,
    joins: usize,
    types: usize,
}

impl Walk {
    fn top(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("the outermost frame is never closed")
    }

    /// Takes one token; returns whether an operand may have ended with it.
    fn step(&mut self, tokens: &[TokenWithSpan], index: usize, after_operand: bool) -> Result<bool> {
        let token = &tokens[index];
        let at = token.span.start;
        match &token.token {
            Token::LParen | Token::LBrace => self.open(false, at).map(|()| false),
            Token::LBracket => {
                if after_operand {
                    self.operator(at)?;
                }
                self.open(false, at).map(|()| false)
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                while self.frames.len() > 1 && self.top().case {
                    self.close(at)?;
                }
                if self.frames.len() > 1 {
                    self.close(at)?;
                }
                Ok(true)
            }
            Token::Comma | Token::SemiColon => self.end_group(at).map(|()| false),
            Token::Word(word) => self.word(tokens, index, word.keyword, after_operand),
            Token::Lt if opens_type(tokens, index) => {
                self.types += 1;
                if self.types > TYPE_DEPTH_MAX {
                    return Err(too_deep("types are nested", TYPE_DEPTH_MAX, at));
                }
                Ok(false)
            }
            Token::Gt | Token::ShiftRight if self.types > 0 => {
                self.types = self.types.saturating_sub(if token.token == Token::Gt { 1 } else { 2 });
                Ok(true)
            }
            Token::Number(..) | Token::Placeholder(_) | Token::Period | Token::EOF => Ok(true),
            Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::DollarQuotedString(_)
            | Token::UnicodeStringLiteral(_) => Ok(true),
            _ => self.operator(at).map(|()| false),
        }
    }

    fn word(&mut self, tokens: &[TokenWithSpan], index: usize, keyword: Keyword, after_operand: bool) -> Result<bool> {
        let at = tokens[index].span.start;
        match keyword {
            Keyword::CASE if !after_operand => self.open(true, at).map(|()| false),
            Keyword::END if after_operand && self.top().case => self.close(at).map(|()| true),
            Keyword::AND if after_operand && self.top().between > 0 => {
                self.top().between -= 1;
                Ok(false)
            }
            Keyword::AND | Keyword::OR if after_operand => {
                self.end_group(at)?;
                // No condition goes on inside a type: a `<` taken for one was a comparison.
                self.types = 0;
                self.top().terms += 1;
                let terms = self.top().terms;
                self.shape.terms = self.shape.terms.max(terms);
                if terms >= TERMS_MAX {
                    return Err(too_many("conditions joined by AND or OR", TERMS_MAX, at));
                }
                Ok(false)
            }
            Keyword::BETWEEN => {
                self.operator(at)?;
                self.top().between += 1;
                Ok(false)
            }
            Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::MINUS if after_operand => {
                self.arm(tokens, index, keyword)
            }
            Keyword::JOIN => {
                self.joins += 1;
                if self.joins > JOINS_MAX {
                    return Err(too_many("joins", JOINS_MAX, at));
                }
                self.end_group(at).map(|()| false)
            }
            _ if after_operand && separates(keyword) => self.end_group(at).map(|()| false),
            // A separator's name in the place of an operand is a name.
            _ if separates(keyword) => Ok(true),
            _ if operates(keyword) => self.operator(at).map(|()| false),
            Keyword::SELECT | Keyword::DISTINCT | Keyword::ALL => Ok(false),
            _ => Ok(true),
        }
    }

    fn arm(&mut self, tokens: &[TokenWithSpan], index: usize, keyword: Keyword) -> Result<bool> {
        let at = tokens[index].span.start;
        self.end_group(at)?;
        self.shape.arms += 1;
        if self.shape.arms >= ARMS_MAX {
            return Err(too_many("set operations (UNION, EXCEPT, INTERSECT)", ARMS_MAX, at));
        }
        let mut next = tokens[index + 1..].iter().filter_map(|t| match &t.token {
            Token::Whitespace(_) => None,
            Token::Word(word) => Some(word.keyword),
            _ => Some(Keyword::NoKeyword),
        });
        let balanced =
            keyword == Keyword::UNION && next.next() == Some(Keyword::ALL) && next.next() != Some(Keyword::BY);
        if balanced {
            self.top().arms += 1;
        } else {
            self.top().chained_arms += 1;
        }
        Ok(false)
    }

    fn open(&mut self, case: bool, at: Location) -> Result<()> {
        if self.frames.len() > self.limits.depth {
            return Err(too_deep("parentheses, brackets or CASE are nested", self.limits.depth, at));
        }
        self.frames.push(Frame { case, ..Frame::default() });
        Ok(())
    }

    fn close(&mut self, at: Location) -> Result<()> {
        self.end_group(at)?;
        let frame = self.frames.pop().expect("callers close only what they opened");
        let depth = frame.depth() + 1;
        let top = self.top();
        top.child = top.child.max(depth);
        self.check_group(at)
    }

    fn operator(&mut self, at: Location) -> Result<()> {
        self.top().operators += 1;
        self.check_group(at)
    }

    fn end_group(&mut self, at: Location) -> Result<()> {
        let top = self.top();
        top.done = top.done.max(top.group());
        top.operators = 0;
        top.child = 0;
        let depth = top.depth();
        self.check_depth(depth, at)
    }

    fn check_group(&mut self, at: Location) -> Result<()> {
        let depth = self.top().group();
        self.check_depth(depth, at)
    }

    fn check_depth(&mut self, depth: usize, at: Location) -> Result<()> {
        self.shape.depth = self.shape.depth.max(depth);
        if depth > self.limits.depth {
            return Err(too_deep("operators and parentheses make an expression nested", self.limits.depth, at));
        }
        Ok(())
    }
}

/// Keywords that end an expression when they follow an operand.
fn separates(keyword: Keyword) -> bool {
    use Keyword as K;
    matches!(
        keyword,
        K::FROM
            | K::WHERE
            | K::GROUP
            | K::HAVING
            | K::ORDER
            | K::LIMIT
            | K::OFFSET
            | K::FETCH
            | K::ON
            | K::USING
            | K::WHEN
            | K::THEN
            | K::ELSE
            | K::SET
            | K::VALUES
            | K::QUALIFY
            | K::WINDOW
            | K::LEFT
            | K::RIGHT
            | K::FULL
            | K::INNER
            | K::CROSS
            | K::AS
    )
}

/// Keywords that make one more level of an expression.
fn operates(keyword: Keyword) -> bool {
    use Keyword as K;
    matches!(
        keyword,
        K::NOT
            | K::IS
            | K::IN
            | K::LIKE
            | K::ILIKE
            | K::RLIKE
            | K::REGEXP
            | K::SIMILAR
            | K::XOR
            | K::DIV
            | K::COLLATE
            | K::OVERLAPS
            | K::MEMBER
            | K::OPERATOR
            | K::MATCH
            | K::NOTNULL
            | K::PRIOR
            | K::AND
            | K::OR
            | K::EXPLAIN
            | K::ANALYZE
            | K::VERBOSE
    )
}

/// Whether the `<` at `index` belongs to a type, as in `ARRAY<INT>`.
fn opens_type(tokens: &[TokenWithSpan], index: usize) -> bool {
    let before = tokens[..index].iter().rev().find(|t| !matches!(t.token, Token::Whitespace(_)));
    let Some(Token::Word(word)) = before.map(|t| &t.token) else {
        return false;
    };
    matches!(word.keyword, Keyword::ARRAY | Keyword::MAP | Keyword::STRUCT)
}

fn too_deep(what: &str, limit: usize, at: Location) -> Error {
    Error::Syntax { message: format!("{what} deeper than {limit} levels{}", place(at)) }
}

fn too_many(what: &str, limit: usize, at: Location) -> Error {
    Error::Syntax { message: format!("more than {limit} {what}{}", place(at)) }
}

/// ` at line 1, column 2`, or nothing where the place is not known.
pub(super) fn place(at: Location) -> String {
    if at.line == 0 { String::new() } else { format!(" at line {}, column {}", at.line, at.column) }
}
