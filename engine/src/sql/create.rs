//! CREATE, DROP, UNDROP and RENAME of databases, tables and views.

use super::{
    grammar::Grammar,
    statement::{ColumnDefinition, CreateTable, CreateView, Statement},
};
use crate::{Error, Result};
use datafusion::sql::sqlparser::{ast::Ident, tokenizer::Token};

/// Expressions after DEFAULT end before `NOT NULL`: this is the library's precedence of IS.
const ABOVE_IS: u8 = 17;

impl Grammar<'_> {
    pub(super) fn create(&mut self) -> Result<Statement> {
        self.parser.next_token();
        let or_replace = self.accept_all(&["or", "replace"]);
        // Our tables always keep their history; that a transient one need not is no difference one can see.
        let _ = self.accept("transient");
        if self.accept("database") || self.accept("schema") {
            return self.create_database(or_replace);
        }
        if self.accept("table") {
            return Ok(Statement::CreateTable(Box::new(self.create_table(or_replace)?)));
        }
        if self.accept("view") {
            return Ok(Statement::CreateView(Box::new(self.create_view(or_replace)?)));
        }
        match &self.parser.peek_token_ref().token {
            Token::Word(word) => Err(Error::Unsupported { what: format!("CREATE {}", word.value.to_uppercase()) }),
            _ => self.expected("DATABASE, TABLE or VIEW"),
        }
    }

    fn create_database(&mut self, or_replace: bool) -> Result<Statement> {
        let if_not_exists = self.if_not_exists();
        let name = self.ident()?;
        let mut comment = None;
        loop {
            if self.accept("comment") {
                let _ = self.parser.consume_token(&Token::Eq);
                comment = Some(self.text()?);
            } else if self.accept("engine") {
                let _ = self.parser.consume_token(&Token::Eq);
                let engine = self.ident()?;
                if !engine.value.eq_ignore_ascii_case("default") {
                    return Err(Error::UnknownEngine { name: engine.value });
                }
            } else {
                break;
            }
        }
        Ok(Statement::CreateDatabase { name, if_not_exists, or_replace, comment })
    }

    fn create_table(&mut self, or_replace: bool) -> Result<CreateTable> {
        let if_not_exists = self.if_not_exists();
        let mut table = CreateTable {
            name: self.name()?,
            if_not_exists,
            or_replace,
            columns: Vec::new(),
            like: None,
            unique_key: Vec::new(),
            sort_key: Vec::new(),
            partition_by: None,
            options: Vec::new(),
            comment: None,
            query: None,
        };
        if self.accept("like") {
            table.like = Some(self.name()?);
        } else if self.parser.consume_token(&Token::LParen) {
            self.table_elements(&mut table)?;
        }
        while self.table_clause(&mut table)? {}
        if self.accept("as") || self.is("select") || self.is("with") {
            table.query = Some(self.query()?);
        }
        if table.columns.is_empty() && table.like.is_none() && table.query.is_none() {
            return self.expected("columns in parentheses, LIKE or AS");
        }
        Ok(table)
    }

    fn table_elements(&mut self, table: &mut CreateTable) -> Result<()> {
        loop {
            if !self.table_constraint(table)? {
                let column = self.column(Some(&mut table.unique_key))?;
                table.columns.push(column);
            }
            if self.parser.consume_token(&Token::Comma) {
                if self.parser.consume_token(&Token::RParen) {
                    return Ok(());
                }
                continue;
            }
            self.parser.expect_token(&Token::RParen)?;
            return Ok(());
        }
    }

    /// `PRIMARY KEY (…)`, `UNIQUE KEY (…)`; other constraints are refused. False: it is a column.
    fn table_constraint(&mut self, table: &mut CreateTable) -> Result<bool> {
        if self.is("constraint") {
            self.parser.next_token();
            self.ident()?;
        }
        if self.unique_key(table)? {
            return Ok(true);
        }
        let parenthesis_follows = self.parser.peek_nth_token_ref(1).token == Token::LParen;
        for word in ["foreign", "check", "index", "inverted", "ngram"] {
            if self.is(word) && (parenthesis_follows || self.second_is("key") || self.second_is("index")) {
                return Err(Error::Unsupported { what: format!("{} constraints", word.to_uppercase()) });
            }
        }
        Ok(false)
    }

    fn unique_key(&mut self, table: &mut CreateTable) -> Result<bool> {
        let begins = self.accept_all(&["primary", "key"])
            || self.accept_all(&["unique", "key"])
            || (self.is("unique") && self.parser.peek_nth_token_ref(1).token == Token::LParen && self.accept("unique"));
        if !begins {
            return Ok(false);
        }
        if !table.unique_key.is_empty() {
            return Err(Error::Syntax { message: format!("a table has one key{}", super::place(self.location())) });
        }
        table.unique_key = self.idents_in_parentheses()?;
        Ok(true)
    }

    /// One column with its options. `key` takes the name of a column declared PRIMARY KEY or UNIQUE by itself.
    pub(super) fn column(&mut self, mut key: Option<&mut Vec<Ident>>) -> Result<ColumnDefinition> {
        let name = self.ident()?;
        let data_type = self.data_type()?;
        let mut column = ColumnDefinition { name, data_type, nullable: None, default: None, comment: None };
        loop {
            if self.accept_all(&["not", "null"]) {
                column.nullable = Some(false);
            } else if self.accept("null") {
                column.nullable = Some(true);
            } else if self.accept("default") {
                let (_, text) = self.with_text(|g| Ok(g.parser.parse_subexpr(ABOVE_IS)?))?;
                column.default = Some(text);
            } else if self.accept("comment") {
                column.comment = Some(self.text()?);
            } else if self.is("primary") || self.is("unique") {
                let Some(key) = key.as_deref_mut() else {
                    return Err(Error::Unsupported { what: "keys outside CREATE TABLE".into() });
                };
                if !self.accept_all(&["primary", "key"]) {
                    self.expect("unique")?;
                    let _ = self.accept("key");
                }
                if !key.is_empty() {
                    return Err(Error::Syntax {
                        message: format!("a table has one key{}", super::place(self.location())),
                    });
                }
                key.push(column.name.clone());
            } else if self.is("autoincrement") || self.is("auto_increment") || self.is("identity") {
                return Err(Error::Unsupported { what: "auto-increment columns".into() });
            } else if self.is("generated") || self.is("virtual") || self.is("stored") || self.is("as") {
                return Err(Error::Unsupported { what: "computed columns".into() });
            } else {
                return Ok(column);
            }
        }
    }

    /// One clause after the columns; false when none is left.
    fn table_clause(&mut self, table: &mut CreateTable) -> Result<bool> {
        let _ = self.parser.consume_token(&Token::Comma);
        if self.accept("engine") {
            let _ = self.parser.consume_token(&Token::Eq);
            let engine = self.ident()?;
            if !engine.value.eq_ignore_ascii_case("fuse") {
                return Err(Error::UnknownEngine { name: engine.value });
            }
        } else if self.accept_all(&["cluster", "by"]) {
            let _ = self.accept("linear");
            table.sort_key = self.sort_columns()?;
        } else if self.accept_all(&["order", "by"]) {
            table.sort_key = self.sort_columns()?;
        } else if self.accept_all(&["partition", "by"]) {
            let (_, text) = self.with_text(|g| Ok(g.parser.parse_expr()?))?;
            table.partition_by = Some(text);
        } else if self.accept("comment") {
            let _ = self.parser.consume_token(&Token::Eq);
            table.comment = Some(self.text()?);
        } else if self.unique_key(table)? {
        } else if matches!(self.parser.peek_token_ref().token, Token::Word(_))
            && self.parser.peek_nth_token_ref(1).token == Token::Eq
        {
            let option = self.setting()?;
            table.options.push(option);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// `(a, b)`; other expressions are refused by name.
    pub(super) fn sort_columns(&mut self) -> Result<Vec<Ident>> {
        self.parser.expect_token(&Token::LParen)?;
        let mut columns = Vec::new();
        loop {
            let column = self.ident()?;
            if self.parser.peek_token_ref().token == Token::LParen {
                return Err(Error::Unsupported { what: "expressions in a sort key (columns only)".into() });
            }
            if self.is("desc") {
                return Err(Error::Unsupported { what: "descending sort keys".into() });
            }
            let _ = self.accept("asc");
            columns.push(column);
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.parser.expect_token(&Token::RParen)?;
        Ok(columns)
    }

    fn create_view(&mut self, or_replace: bool) -> Result<CreateView> {
        let if_not_exists = self.if_not_exists();
        self.view_body(or_replace, if_not_exists, false)
    }

    pub(super) fn view_body(
        &mut self,
        or_replace: bool,
        if_not_exists: bool,
        replace_only: bool,
    ) -> Result<CreateView> {
        let name = self.name()?;
        let columns = match self.parser.peek_token_ref().token {
            Token::LParen => self.idents_in_parentheses()?,
            _ => Vec::new(),
        };
        let mut comment = None;
        if self.accept("comment") {
            let _ = self.parser.consume_token(&Token::Eq);
            comment = Some(self.text()?);
        }
        self.expect("as")?;
        let (query, text) = self.with_text(Self::query)?;
        Ok(CreateView { name, if_not_exists, or_replace, replace_only, columns, query, text, comment })
    }

    pub(super) fn drop(&mut self) -> Result<Statement> {
        self.parser.next_token();
        let statement = if self.accept("database") || self.accept("schema") {
            Statement::DropDatabase { if_exists: self.if_exists(), name: self.ident()? }
        } else if self.accept("table") {
            Statement::DropTable { if_exists: self.if_exists(), name: self.name()? }
        } else if self.accept("view") {
            Statement::DropView { if_exists: self.if_exists(), name: self.name()? }
        } else {
            return match &self.parser.peek_token_ref().token {
                Token::Word(word) => Err(Error::Unsupported { what: format!("DROP {}", word.value.to_uppercase()) }),
                _ => self.expected("DATABASE, TABLE or VIEW"),
            };
        };
        if self.is("all") || self.is("purge") {
            return Err(Error::Unsupported {
                what: "DROP … ALL (what is dropped can be recovered until retention ends)".into(),
            });
        }
        let _ = self.accept("cascade") || self.accept("restrict");
        Ok(statement)
    }

    pub(super) fn undrop(&mut self) -> Result<Statement> {
        self.parser.next_token();
        if self.accept("database") || self.accept("schema") {
            return Ok(Statement::UndropDatabase { name: self.ident()? });
        }
        self.expect("table")?;
        Ok(Statement::UndropTable { name: self.name()? })
    }

    pub(super) fn rename(&mut self) -> Result<Statement> {
        self.parser.next_token();
        self.expect("table")?;
        let if_exists = self.if_exists();
        let mut pairs = Vec::new();
        loop {
            let old = self.name()?;
            self.expect("to")?;
            pairs.push((old, self.name()?));
            if !self.parser.consume_token(&Token::Comma) {
                return Ok(Statement::RenameTables { pairs, if_exists });
            }
        }
    }
}
