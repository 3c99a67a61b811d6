//! INSERT, UPDATE, DELETE and MERGE.

use super::{
    grammar::Grammar,
    statement::{Delete, Insert, InsertSource, Merge, MergeAction, MergeClause, Statement, Update},
    values::LiteralRows,
};
use crate::{Error, Result};
use datafusion::sql::sqlparser::{
    ast::{Assignment, Ident, ObjectName},
    parser::Parser,
    tokenizer::Token,
};

impl Grammar<'_> {
    pub(super) fn insert(&mut self) -> Result<Statement> {
        let overwrites = self.second_is("overwrite");
        let word = self.parser.peek_nth_token_ref(if overwrites { 2 } else { 1 }).to_string();
        if ["all", "first"].iter().any(|many| word.eq_ignore_ascii_case(many)) {
            return self.insert_many();
        }
        let (table, columns, overwrite) = self.insert_head()?;
        if let Some(files) = self.insert_files()? {
            let source = InsertSource::Files(Box::new(files));
            return Ok(Statement::Insert(Box::new(Insert { table, columns, overwrite, source })));
        }
        let source = InsertSource::Query(self.query()?);
        Ok(Statement::Insert(Box::new(Insert { table, columns, overwrite, source })))
    }

    /// The head of an INSERT whose rows were read from the text already.
    pub(super) fn literal_insert(mut self, rows: LiteralRows) -> Result<Statement> {
        let (table, columns, overwrite) = self.insert_head()?;
        if !self.at_end() {
            return self.expected("VALUES");
        }
        let source = InsertSource::Literals(rows);
        Ok(Statement::Insert(Box::new(Insert { table, columns, overwrite, source })))
    }

    fn insert_head(&mut self) -> Result<(ObjectName, Vec<Ident>, bool)> {
        self.parser.next_token();
        let overwrite = self.accept("overwrite");
        if !self.accept("into") && !overwrite {
            return self.expected("INTO or OVERWRITE");
        }
        let _ = self.accept("table");
        let table = self.name()?;
        let columns = match self.parser.peek_token_ref().token {
            Token::LParen if !self.second_is("select") && !self.second_is("with") => self.idents_in_parentheses()?,
            _ => Vec::new(),
        };
        Ok((table, columns, overwrite))
    }

    pub(super) fn update(&mut self) -> Result<Statement> {
        self.parser.next_token();
        let table = self.name()?;
        let alias = self.alias(&["set"])?;
        self.expect("set")?;
        let assignments = self.assignments()?;
        let from = match self.accept("from") {
            true => self.parser.parse_comma_separated(Parser::parse_table_and_joins)?,
            false => Vec::new(),
        };
        let selection = if self.accept("where") { Some(self.parser.parse_expr()?) } else { None };
        self.refuse_tail()?;
        Ok(Statement::Update(Box::new(Update { table, alias, assignments, from, selection })))
    }

    fn assignments(&mut self) -> Result<Vec<Assignment>> {
        Ok(self.parser.parse_comma_separated(Parser::parse_assignment)?)
    }

    pub(super) fn delete(&mut self) -> Result<Statement> {
        self.parser.next_token();
        self.expect("from")?;
        let table = self.name()?;
        let alias = self.alias(&["using", "where", "order", "limit", "returning"])?;
        let using = match self.accept("using") {
            true => self.parser.parse_comma_separated(Parser::parse_table_and_joins)?,
            false => Vec::new(),
        };
        let selection = if self.accept("where") { Some(self.parser.parse_expr()?) } else { None };
        self.refuse_tail()?;
        Ok(Statement::Delete(Box::new(Delete { table, alias, using, selection })))
    }

    fn refuse_tail(&mut self) -> Result<()> {
        for word in ["order", "limit", "returning"] {
            if self.is(word) {
                return Err(Error::Unsupported { what: format!("{} in UPDATE and DELETE", word.to_uppercase()) });
            }
        }
        Ok(())
    }

    pub(super) fn merge(&mut self) -> Result<Statement> {
        self.parser.next_token();
        self.expect("into")?;
        let table = self.name()?;
        let alias = self.alias(&["using"])?;
        self.expect("using")?;
        let source = self.parser.parse_table_factor()?;
        self.expect("on")?;
        let on = self.parser.parse_expr()?;
        let mut clauses = Vec::new();
        while self.accept("when") {
            clauses.push(self.merge_clause()?);
        }
        if clauses.is_empty() {
            return self.expected("WHEN");
        }
        Ok(Statement::Merge(Box::new(Merge { table, alias, source, on, clauses })))
    }

    fn merge_clause(&mut self) -> Result<MergeClause> {
        let matched = !self.accept("not");
        self.expect("matched")?;
        if self.is("by") {
            return Err(Error::Unsupported { what: "WHEN NOT MATCHED BY …".into() });
        }
        let condition = if self.accept("and") { Some(self.parser.parse_expr()?) } else { None };
        self.expect("then")?;
        let action = if matched { self.matched_action()? } else { self.unmatched_action()? };
        Ok(MergeClause { matched, condition, action })
    }

    fn matched_action(&mut self) -> Result<MergeAction> {
        if self.accept("delete") {
            return Ok(MergeAction::Delete);
        }
        if !self.accept("update") {
            return self.expected("UPDATE or DELETE");
        }
        if self.parser.consume_token(&Token::Mul) {
            return Ok(MergeAction::UpdateAll);
        }
        self.expect("set")?;
        Ok(MergeAction::Update(self.assignments()?))
    }

    fn unmatched_action(&mut self) -> Result<MergeAction> {
        self.expect("insert")?;
        if self.parser.consume_token(&Token::Mul) {
            return Ok(MergeAction::InsertAll);
        }
        let columns = match self.parser.peek_token_ref().token {
            Token::LParen => self.idents_in_parentheses()?,
            _ => Vec::new(),
        };
        self.expect("values")?;
        self.parser.expect_token(&Token::LParen)?;
        let values = self.parser.parse_comma_separated(Parser::parse_expr)?;
        self.parser.expect_token(&Token::RParen)?;
        Ok(MergeAction::Insert { columns, values })
    }
}
