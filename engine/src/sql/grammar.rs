//! The start of the grammar: which statement a text is. Families with much grammar have their own files; all of them
//! are methods of [`Grammar`], a thin layer over the library's token cursor.

use super::statement::{ExplainMode, OptimizeAction, Statement};
use crate::{Error, Result};
use datafusion::sql::sqlparser::{
    ast::{Expr, Ident, ObjectName},
    parser::Parser,
    tokenizer::{Location, Token},
};

/// A cursor over one statement's tokens.
pub(super) struct Grammar<'a> {
    pub parser: Parser<'a>,
    sql: &'a str,
    /// How deep blocks of a script are nested at the cursor.
    pub script_depth: usize,
}

/// Statements we know of and do not have.
const REFUSED: &[&str] = &[
    "load",
    "unload",
    "prepare",
    "deallocate",
    "attach",
    "detach",
    "install",
    "pragma",
    "deny",
    "declare",
    "fetch",
    "close",
    "open",
    "cache",
    "uncache",
    "lock",
    "unlock",
    "flush",
    "discard",
    "savepoint",
    "release",
    "comment",
    "assert",
    "listen",
    "unlisten",
    "notify",
    "put",
    "get",
    "refresh",
    "reset",
    "msck",
    "reindex",
    "checkpoint",
    "do",
    "handler",
    "import",
    "export",
    "vacuumlo",
    "raiserror",
    "print",
    "return",
    "if",
    "while",
    "loop",
    "for",
    "repeat",
    "let",
];

impl<'a> Grammar<'a> {
    pub fn new(parser: Parser<'a>, sql: &'a str) -> Self {
        Self { parser, sql, script_depth: 0 }
    }

    /// One statement and nothing behind it but `;`.
    pub fn only_statement(mut self) -> Result<Statement> {
        while self.parser.consume_token(&Token::SemiColon) {}
        if self.at_end() {
            return Err(Error::Syntax { message: "there is no statement in the SQL text".into() });
        }
        let statement = self.statement()?;
        self.expect_end()?;
        Ok(statement)
    }

    /// One expression and nothing behind it.
    pub fn only_expression(mut self) -> Result<Expr> {
        let expr = self.parser.parse_expr()?;
        if !self.at_end() {
            return self.expected("the end of the expression");
        }
        Ok(expr)
    }

    /// The whole text.
    pub fn sql(&self) -> &str {
        self.sql
    }

    pub fn at_end(&self) -> bool {
        matches!(self.parser.peek_token_ref().token, Token::EOF)
    }

    fn expect_end(&mut self) -> Result<()> {
        let mut ended = self.at_end();
        while self.parser.consume_token(&Token::SemiColon) {
            ended = true;
        }
        if ended && self.at_end() {
            return Ok(());
        }
        if ended {
            let message = "one request holds one statement; another begins";
            return Err(Error::Syntax { message: format!("{message}{}", super::place(self.location())) });
        }
        self.expected("the end of the statement")
    }

    pub fn statement(&mut self) -> Result<Statement> {
        let Token::Word(word) = &self.parser.peek_token_ref().token else {
            return match self.parser.peek_token_ref().token {
                Token::LParen => self.query().map(Statement::Query),
                _ => self.expected("a statement"),
            };
        };
        if word.quote_style.is_some() {
            return self.expected("a statement");
        }
        let first = word.value.to_ascii_lowercase();
        match first.as_str() {
            "select" | "with" | "from" | "values" | "table" => self.query().map(Statement::Query),
            "explain" => self.explain(),
            "settings" => self.with_settings(),
            "create" => self.create(),
            "alter" => self.alter(),
            "drop" => self.drop(),
            "undrop" => self.undrop(),
            "rename" => self.rename(),
            "truncate" => self.truncate(),
            "optimize" => self.optimize(),
            "analyze" => self.analyze(),
            "vacuum" => self.vacuum(),
            "insert" => self.insert(),
            "replace" => self.replace(),
            "call" => self.call(),
            "execute" => self.execute_immediate(),
            "update" => self.update(),
            "delete" => self.delete(),
            "merge" => self.merge(),
            "begin" | "start" => self.begin(),
            "commit" => self.end_transaction(Statement::Commit),
            "rollback" | "abort" => self.end_transaction(Statement::Rollback),
            "set" => self.set(),
            "unset" => self.unset(),
            "use" => self.use_database(),
            "kill" => self.kill(),
            "show" => self.show(),
            "grant" => self.grant(),
            "revoke" => self.revoke(),
            "desc" | "describe" => self.describe(),
            "copy" => self.copy(),
            "list" | "ls" => self.list_stage(),
            "remove" | "rm" => self.remove_stage(),
            "presign" => self.presign(),
            other if REFUSED.contains(&other) => {
                Err(Error::Unsupported { what: format!("{} statements", other.to_uppercase()) })
            }
            _ => self.expected("a statement (SELECT, INSERT, CREATE, …)"),
        }
    }

    /// The query at the cursor.
    pub fn query(&mut self) -> Result<Box<datafusion::sql::sqlparser::ast::Query>> {
        Ok(self.parser.parse_query()?)
    }

    fn explain(&mut self) -> Result<Statement> {
        self.parser.next_token();
        let mode = if self.accept("analyze") {
            let _ = self.accept("verbose");
            ExplainMode::Analyze
        } else if self.accept("syntax") {
            ExplainMode::Syntax
        } else if let Some(word) = [
            "ast",
            "raw",
            "optimized",
            "memo",
            "pipeline",
            "fragments",
            "graph",
            "join",
            "perf",
            "estimated",
            "decorrelated",
        ]
        .iter()
        .find(|word| self.is(word))
        {
            let what = format!("EXPLAIN {} (PLAN, VERBOSE, SYNTAX and ANALYZE are there)", word.to_uppercase());
            return Err(Error::Unsupported { what });
        } else if self.accept("verbose") {
            ExplainMode::Verbose
        } else {
            let _ = self.accept("plan");
            ExplainMode::Plan
        };
        if self.is("explain") {
            return self.expected("a statement to explain");
        }
        Ok(Statement::Explain { mode, statement: Box::new(self.statement()?) })
    }

    fn with_settings(&mut self) -> Result<Statement> {
        self.parser.next_token();
        self.parser.expect_token(&Token::LParen)?;
        let mut settings = Vec::new();
        loop {
            settings.push(self.setting()?);
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.parser.expect_token(&Token::RParen)?;
        if self.is("settings") {
            return self.expected("a statement");
        }
        Ok(Statement::WithSettings { settings, statement: Box::new(self.statement()?) })
    }

    fn truncate(&mut self) -> Result<Statement> {
        self.parser.next_token();
        let _ = self.accept("table");
        Ok(Statement::TruncateTable { name: self.name()? })
    }

    fn optimize(&mut self) -> Result<Statement> {
        self.parser.next_token();
        self.expect("table")?;
        let name = self.name()?;
        let action = if self.accept("compact") {
            let _ = self.accept("segment");
            OptimizeAction::Compact
        } else if self.accept("purge") {
            OptimizeAction::Purge
        } else if self.accept("all") {
            OptimizeAction::All
        } else {
            return self.expected("COMPACT, PURGE or ALL");
        };
        Ok(Statement::OptimizeTable { name, action })
    }

    fn analyze(&mut self) -> Result<Statement> {
        self.parser.next_token();
        self.expect("table")?;
        Ok(Statement::AnalyzeTable { name: self.name()? })
    }

    fn vacuum(&mut self) -> Result<Statement> {
        self.parser.next_token();
        if self.accept("drop") {
            self.expect("table")?;
            if self.accept("from") {
                self.parser.parse_identifier()?;
            }
            return Ok(Statement::Vacuum { name: None });
        }
        if self.at_end() || self.parser.peek_token_ref().token == Token::SemiColon {
            return Ok(Statement::Vacuum { name: None });
        }
        self.expect("table")?;
        Ok(Statement::Vacuum { name: Some(self.name()?) })
    }

    fn begin(&mut self) -> Result<Statement> {
        if self.accept("start") {
            self.expect("transaction")?;
            return Ok(Statement::Begin);
        }
        self.parser.next_token();
        let _ = self.accept("transaction") || self.accept("work");
        Ok(Statement::Begin)
    }

    fn end_transaction(&mut self, statement: Statement) -> Result<Statement> {
        self.parser.next_token();
        let _ = self.accept("transaction") || self.accept("work");
        if self.is("to") {
            return Err(Error::Unsupported { what: "savepoints".into() });
        }
        Ok(statement)
    }

    fn kill(&mut self) -> Result<Statement> {
        self.parser.next_token();
        if !self.accept("query") && !self.accept("connection") {
            return self.expected("QUERY");
        }
        Ok(Statement::KillQuery { id: self.parser.parse_literal_string()? })
    }

    // The cursor.

    /// Whether the next token is this unquoted word.
    pub fn is(&self, word: &str) -> bool {
        is_word(&self.parser.peek_token_ref().token, word)
    }

    /// Whether the token after the next is this unquoted word.
    pub fn second_is(&self, word: &str) -> bool {
        is_word(&self.parser.peek_nth_token_ref(1).token, word)
    }

    /// Takes the word if it is next.
    pub fn accept(&mut self, word: &str) -> bool {
        let found = self.is(word);
        if found {
            self.parser.next_token();
        }
        found
    }

    /// Takes all these words if they are next.
    pub fn accept_all(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(n, word)| is_word(&self.parser.peek_nth_token_ref(n).token, word));
        if found {
            words.iter().for_each(|_| self.parser.advance_token());
        }
        found
    }

    pub fn expect(&mut self, word: &str) -> Result<()> {
        if self.accept(word) { Ok(()) } else { self.expected(&word.to_uppercase()) }
    }

    /// A syntax error at the next token.
    pub fn expected<T>(&self, what: &str) -> Result<T> {
        Ok(self.parser.expected_ref(what, self.parser.peek_token_ref())?)
    }

    pub fn location(&self) -> Location {
        self.parser.peek_token_ref().span.start
    }

    pub fn name(&mut self) -> Result<ObjectName> {
        Ok(self.parser.parse_object_name(false)?)
    }

    pub fn ident(&mut self) -> Result<Ident> {
        Ok(self.parser.parse_identifier()?)
    }

    pub fn if_exists(&mut self) -> bool {
        self.accept_all(&["if", "exists"])
    }

    pub fn if_not_exists(&mut self) -> bool {
        self.accept_all(&["if", "not", "exists"])
    }

    pub fn text(&mut self) -> Result<String> {
        Ok(self.parser.parse_literal_string()?)
    }

    /// `(a, b)`.
    pub fn idents_in_parentheses(&mut self) -> Result<Vec<Ident>> {
        self.parser.expect_token(&Token::LParen)?;
        let idents = self.parser.parse_comma_separated(Parser::parse_identifier)?;
        self.parser.expect_token(&Token::RParen)?;
        Ok(idents)
    }

    /// Optional `[AS] alias`; `stop` are the words that may follow instead.
    pub fn alias(&mut self, stop: &[&str]) -> Result<Option<Ident>> {
        if self.accept("as") {
            return Ok(Some(self.ident()?));
        }
        let Token::Word(word) = &self.parser.peek_token_ref().token else {
            return Ok(None);
        };
        if word.quote_style.is_none() && stop.iter().any(|s| word.value.eq_ignore_ascii_case(s)) {
            return Ok(None);
        }
        Ok(Some(self.ident()?))
    }

    /// Runs `parse` and returns the text it consumed besides what it made.
    pub fn with_text<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<(T, String)> {
        let start = self.offset(self.location());
        let parsed = parse(self)?;
        let end = self.offset(self.parser.get_current_token().span.end);
        Ok((parsed, self.sql[start..end].trim().to_string()))
    }

    /// Byte position of a place in the text.
    fn offset(&self, at: Location) -> usize {
        let mut line_start = 0;
        for _ in 1..at.line {
            let rest = &self.sql.as_bytes()[line_start..];
            line_start += memchr::memchr(b'\n', rest).map_or(rest.len(), |n| n + 1);
        }
        let columns = usize::try_from(at.column.saturating_sub(1)).unwrap_or(usize::MAX);
        self.sql[line_start..].char_indices().nth(columns).map_or(self.sql.len(), |(n, _)| line_start + n)
    }
}

fn is_word(token: &Token, text: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(text))
}
