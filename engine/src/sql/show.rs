//! SHOW, DESCRIBE, SET, UNSET and USE.

use super::{
    grammar::Grammar,
    ident_name,
    statement::{Show, ShowFilter, ShowWhat, Statement},
};
use crate::{Error, Result};
use datafusion::sql::sqlparser::{ast::Ident, tokenizer::Token};

impl Grammar<'_> {
    pub(super) fn show(&mut self) -> Result<Statement> {
        self.parser.next_token();
        if self.accept("create") {
            return self.show_create();
        }
        if let Some(statement) = self.show_access()? {
            return Ok(statement);
        }
        let full = self.accept("full");
        let mut database = None;
        let what = if self.accept_all(&["drop", "tables"]) {
            database = self.in_database()?;
            ShowWhat::DroppedTables
        } else if self.accept_all(&["drop", "databases"]) {
            ShowWhat::Objects("databases_dropped")
        } else if self.accept("databases") || self.accept("schemas") {
            ShowWhat::Databases
        } else if self.accept_all(&["table", "status"]) {
            database = self.in_database()?;
            ShowWhat::TableStatus
        } else if self.accept("tables") {
            let history = self.accept("history");
            database = self.in_database()?;
            ShowWhat::Tables { history }
        } else if self.accept("views") {
            database = self.in_database()?;
            ShowWhat::Views
        } else if self.accept("columns") || self.accept("fields") {
            if !self.accept("from") {
                self.expect("in")?;
            }
            let table = self.name()?;
            database = self.in_database()?;
            ShowWhat::Columns { table }
        } else {
            self.show_plain()?
        };
        let filter = self.show_filter()?;
        let limit = if self.accept("limit") { Some(self.parser.parse_expr()?) } else { None };
        Ok(Statement::Show(Box::new(Show { what, full, database, filter, limit })))
    }

    fn show_plain(&mut self) -> Result<ShowWhat> {
        if self.accept_all(&["user", "functions"]) {
            return Ok(ShowWhat::Objects("user_functions"));
        }
        if self.accept_all(&["table", "functions"]) {
            return Ok(ShowWhat::Objects("table_functions"));
        }
        if self.accept("variables") {
            return Ok(ShowWhat::Objects("session_variables"));
        }
        for (word, what) in [
            ("settings", ShowWhat::Settings),
            ("processlist", ShowWhat::Processes),
            ("functions", ShowWhat::Functions),
            ("procedures", ShowWhat::Objects("procedures")),
            ("sequences", ShowWhat::Objects("sequences")),
            ("engines", ShowWhat::Engines),
            ("catalogs", ShowWhat::Objects("catalogs")),
            ("indexes", ShowWhat::Objects("indexes")),
            ("locks", ShowWhat::Objects("locks")),
            ("metrics", ShowWhat::Metrics),
            ("users", ShowWhat::Users),
            ("stages", ShowWhat::Stages),
            ("connections", ShowWhat::Connections),
        ] {
            if self.accept(word) {
                return Ok(what);
            }
        }
        if self.accept_all(&["file", "formats"]) {
            return Ok(ShowWhat::FileFormats);
        }
        match &self.parser.peek_token_ref().token {
            Token::Word(word) => Err(Error::Unsupported { what: format!("SHOW {}", word.value.to_uppercase()) }),
            _ => self.expected("what to show (DATABASES, TABLES, COLUMNS, …)"),
        }
    }

    fn show_create(&mut self) -> Result<Statement> {
        if self.accept("database") || self.accept("schema") {
            return Ok(Statement::ShowCreateDatabase { name: self.ident()? });
        }
        if self.accept("table") || self.accept("view") {
            return Ok(Statement::ShowCreateTable { name: self.name()? });
        }
        self.expected("DATABASE, TABLE or VIEW")
    }

    fn in_database(&mut self) -> Result<Option<Ident>> {
        if self.accept("from") || self.accept("in") { Ok(Some(self.ident()?)) } else { Ok(None) }
    }

    pub(super) fn show_filter(&mut self) -> Result<Option<ShowFilter>> {
        if self.accept("like") {
            return Ok(Some(ShowFilter::Like(self.text()?)));
        }
        if self.accept("where") {
            return Ok(Some(ShowFilter::Where(Box::new(self.parser.parse_expr()?))));
        }
        Ok(None)
    }

    pub(super) fn describe(&mut self) -> Result<Statement> {
        self.parser.next_token();
        if let Some(object) = self.describe_object()? {
            return Ok(object);
        }
        if let Some(statement) = self.describe_access()? {
            return Ok(statement);
        }
        if let Some(statement) = self.describe_stage()? {
            return Ok(statement);
        }
        let _ = self.accept("table") || self.accept("view");
        Ok(Statement::Describe { name: self.name()? })
    }

    pub(super) fn use_database(&mut self) -> Result<Statement> {
        self.parser.next_token();
        if self.is("catalog") && matches!(self.parser.peek_nth_token_ref(1).token, Token::Word(_)) {
            self.parser.next_token();
            return Ok(Statement::UseCatalog { name: self.ident()? });
        }
        for word in ["role", "secondary", "warehouse"] {
            if self.is(word) && matches!(self.parser.peek_nth_token_ref(1).token, Token::Word(_)) {
                return Err(Error::Unsupported { what: format!("USE {}", word.to_uppercase()) });
            }
        }
        let _ = matches!(self.parser.peek_nth_token_ref(1).token, Token::Word(_)) && self.accept("database");
        Ok(Statement::Use { database: self.ident()? })
    }

    pub(super) fn set(&mut self) -> Result<Statement> {
        self.parser.next_token();
        if let Some(statement) = self.set_access()? {
            return Ok(statement);
        }
        if self.is("variable") && self.parser.peek_nth_token_ref(1).token != Token::Eq {
            self.parser.next_token();
            return self.set_variables();
        }
        for word in ["transaction", "names", "password"] {
            if self.is(word) && self.parser.peek_nth_token_ref(1).token != Token::Eq {
                return Err(Error::Unsupported { what: format!("SET {}", word.to_uppercase()) });
            }
        }
        let global = self.scope();
        let mut settings = Vec::new();
        if self.accept_all(&["time", "zone"]) {
            settings.push(("timezone".to_string(), self.setting_value()?));
            return Ok(Statement::Set { settings, global });
        }
        loop {
            settings.push(self.setting()?);
            if !self.parser.consume_token(&Token::Comma) {
                return Ok(Statement::Set { settings, global });
            }
        }
    }

    pub(super) fn unset(&mut self) -> Result<Statement> {
        self.parser.next_token();
        if self.is("variable") && self.parser.peek_nth_token_ref(1).token != Token::EOF {
            self.parser.next_token();
            return self.unset_variables();
        }
        let global = self.scope();
        let names = match self.parser.peek_token_ref().token {
            Token::LParen => self.idents_in_parentheses()?.iter().map(ident_name).collect(),
            _ => vec![self.setting_name()?],
        };
        Ok(Statement::Unset { names, global })
    }

    fn scope(&mut self) -> bool {
        let global = self.accept("global");
        let _ = !global && (self.accept("session") || self.accept("local"));
        global
    }

    fn setting_name(&mut self) -> Result<String> {
        let mut name = ident_name(&self.ident()?);
        while self.parser.consume_token(&Token::Period) {
            name.push('.');
            name.push_str(&ident_name(&self.ident()?));
        }
        Ok(name)
    }

    /// `name = value`.
    pub(super) fn setting(&mut self) -> Result<(String, String)> {
        let name = self.setting_name()?;
        if !self.parser.consume_token(&Token::Eq) {
            self.expect("to")?;
        }
        Ok((name, self.setting_value()?))
    }

    fn setting_value(&mut self) -> Result<String> {
        let sign = if self.parser.consume_token(&Token::Minus) { "-" } else { "" };
        let token = self.parser.next_token();
        match token.token {
            Token::Number(number, _) => Ok(format!("{sign}{number}")),
            Token::SingleQuotedString(text) if sign.is_empty() => Ok(text),
            Token::Word(word) if sign.is_empty() => Ok(word.value),
            _ => Ok(self.parser.expected("a number, a string or a word", token)?),
        }
    }
}
