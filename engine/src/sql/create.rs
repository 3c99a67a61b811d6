//! CREATE, DROP, UNDROP and RENAME of databases, tables and views.

use super::{
    grammar::Grammar,
    statement::{ColumnDefinition, CreateTable, CreateView, Statement},
};
use crate::{Error, Result};
use basalt_meta::TableEngine;
use datafusion::sql::sqlparser::{
    ast::{Expr, Ident, visit_expressions},
    tokenizer::Token,
};
use std::{convert::Infallible, ops::ControlFlow};

/// Expressions after DEFAULT end before `NOT NULL`: this is the library's precedence of IS.
const ABOVE_IS: u8 = 17;

impl Grammar<'_> {
    pub(super) fn create(&mut self) -> Result<Statement> {
        self.parser.next_token();
        let or_replace = self.accept_all(&["or", "replace"]);
        let temporary = self.accept("temporary") || self.accept("temp");
        let transient = self.accept("transient");
        if !temporary
            && !transient
            && let Some(statement) = self.create_stage(or_replace)?
        {
            return Ok(statement);
        }
        if !temporary && (self.accept("database") || self.accept("schema")) {
            return self.create_database(or_replace);
        }
        if self.accept("table") {
            let table = CreateTable { temporary, transient, ..self.create_table(or_replace)? };
            return Ok(Statement::CreateTable(Box::new(table)));
        }
        if temporary || transient {
            return self.expected("TABLE");
        }
        if self.accept("view") {
            return Ok(Statement::CreateView(Box::new(self.create_view(or_replace)?)));
        }
        if let Some(object) = self.create_object(or_replace)? {
            return Ok(object);
        }
        if let Some(statement) = self.create_access(or_replace)? {
            return Ok(statement);
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
            transient: false,
            temporary: false,
            engine: TableEngine::Fuse,
            checks: Vec::new(),
            cluster_by: Vec::new(),
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
        if table.columns.is_empty() && table.like.is_none() && self.accept("like") {
            table.like = Some(self.name()?);
            while self.table_clause(&mut table)? {}
        }
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
        let mut name = None;
        let named = self.is("constraint") && matches!(self.parser.peek_nth_token_ref(2).token, Token::Word(_));
        if named {
            self.parser.next_token();
            name = Some(self.ident()?);
        }
        if self.unique_key(table)? {
            return Ok(true);
        }
        if self.is("check") && self.parser.peek_nth_token_ref(1).token == Token::LParen {
            let condition = self.check()?;
            table.checks.push((name, condition));
            return Ok(true);
        }
        let parenthesis_follows = self.parser.peek_nth_token_ref(1).token == Token::LParen;
        for word in ["foreign", "index", "inverted", "ngram", "vector", "aggregating"] {
            if self.is(word) && (parenthesis_follows || self.second_is("key") || self.second_is("index")) {
                return Err(Error::Unsupported { what: format!("{} constraints", word.to_uppercase()) });
            }
        }
        Ok(false)
    }

    /// `CHECK (condition)`: the condition's text.
    pub(super) fn check(&mut self) -> Result<String> {
        self.expect("check")?;
        self.parser.expect_token(&Token::LParen)?;
        let (_, text) = self.with_text(|g| Ok(g.parser.parse_expr()?))?;
        self.parser.expect_token(&Token::RParen)?;
        Ok(text)
    }

    /// Behind AS: `(formula) [STORED | VIRTUAL]`.
    fn computed(&mut self) -> Result<(String, bool)> {
        self.parser.expect_token(&Token::LParen)?;
        let (_, text) = self.with_text(|g| Ok(g.parser.parse_expr()?))?;
        self.parser.expect_token(&Token::RParen)?;
        let stored = self.accept("stored");
        if !stored {
            self.expect("virtual")?;
        }
        Ok((text, stored))
    }

    /// Behind AUTOINCREMENT: `(start, step)` or `START n INCREMENT m`, then `ORDER` or `NOORDER`.
    fn identity(&mut self) -> Result<(i64, i64)> {
        let (mut start, mut step) = (0, 1);
        if self.parser.consume_token(&Token::LParen) {
            start = self.whole_number()?;
            self.parser.expect_token(&Token::Comma)?;
            step = self.whole_number()?;
            self.parser.expect_token(&Token::RParen)?;
        } else if self.accept("start") {
            let _ = self.accept("with");
            start = self.whole_number()?;
            if self.accept("increment") {
                let _ = self.accept("by");
                step = self.whole_number()?;
            }
        }
        let _ = self.accept("order") || self.accept("noorder");
        Ok((start, step))
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
        let mut column = ColumnDefinition {
            name,
            data_type,
            nullable: None,
            default: None,
            comment: None,
            computed: None,
            identity: None,
        };
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
            } else if self.accept("autoincrement") || self.accept("auto_increment") || self.accept("identity") {
                column.identity = Some(self.identity()?);
            } else if self.accept_all(&["generated", "always", "as"]) || self.accept("as") {
                column.computed = Some(self.computed()?);
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
            table.engine = match engine.value.to_ascii_lowercase().as_str() {
                "fuse" => TableEngine::Fuse,
                "memory" => TableEngine::Memory,
                "null" => TableEngine::Null,
                _ => return Err(Error::UnknownEngine { name: engine.value }),
            };
        } else if self.accept_all(&["cluster", "by"]) {
            let _ = self.accept("linear");
            (table.sort_key, table.cluster_by) = self.sort_key()?;
        } else if self.accept_all(&["order", "by"]) {
            (table.sort_key, table.cluster_by) = self.sort_key()?;
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

    /// `(a, to_date(b))`: the columns by which rows are ordered, in the order they are first used, and the texts of all
    /// expressions when there is more than columns.
    pub(super) fn sort_key(&mut self) -> Result<(Vec<Ident>, Vec<String>)> {
        self.parser.expect_token(&Token::LParen)?;
        let (mut columns, mut texts): (Vec<Ident>, Vec<String>) = (Vec::new(), Vec::new());
        let mut plain = true;
        loop {
            let (expression, text) = self.with_text(|g| Ok(g.parser.parse_expr()?))?;
            if self.is("desc") {
                return Err(Error::Unsupported { what: "descending sort keys".into() });
            }
            let _ = self.accept("asc");
            texts.push(text);
            if let Expr::Identifier(ident) = &expression {
                columns.push(ident.clone());
            } else {
                plain = false;
                add_columns(&expression, &mut columns);
            }
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.parser.expect_token(&Token::RParen)?;
        Ok((columns, if plain { Vec::new() } else { texts }))
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
        if let Some(object) = self.drop_object()? {
            return Ok(object);
        }
        if let Some(statement) = self.drop_stage()? {
            return Ok(statement);
        }
        let statement = if self.accept("database") || self.accept("schema") {
            Statement::DropDatabase { if_exists: self.if_exists(), name: self.ident()? }
        } else if self.accept("table") {
            Statement::DropTable { if_exists: self.if_exists(), name: self.name()? }
        } else if self.accept("view") {
            Statement::DropView { if_exists: self.if_exists(), name: self.name()? }
        } else if let Some(statement) = self.drop_access()? {
            statement
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

/// Adds the columns that an expression uses and that are not there yet.
fn add_columns(expression: &Expr, columns: &mut Vec<Ident>) {
    let done = visit_expressions(expression, |expr| {
        if let Expr::Identifier(ident) = expr
            && !columns.iter().any(|known| known.value.eq_ignore_ascii_case(&ident.value))
        {
            columns.push(ident.clone());
        }
        ControlFlow::<Infallible>::Continue(())
    });
    let ControlFlow::Continue(()) = done;
}
