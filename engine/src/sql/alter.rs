//! ALTER of tables and views.

use super::{
    grammar::Grammar,
    statement::{AlterAction, AlterTable, ColumnDefinition, ColumnPosition, Statement},
};
use crate::{Error, Result};
use datafusion::sql::sqlparser::{
    ast::{Ident, ObjectName},
    tokenizer::Token,
};

impl Grammar<'_> {
    pub(super) fn alter(&mut self) -> Result<Statement> {
        self.parser.next_token();
        if let Some(statement) = self.alter_stage()? {
            return Ok(statement);
        }
        if self.accept("table") {
            let if_exists = self.if_exists();
            let name = self.name()?;
            let action = self.alter_action()?;
            return Ok(Statement::AlterTable(Box::new(AlterTable { name, if_exists, action })));
        }
        if self.accept("view") {
            return Ok(Statement::CreateView(Box::new(self.view_body(true, false, true)?)));
        }
        if self.accept("function") {
            return self.alter_function();
        }
        if let Some(statement) = self.alter_access()? {
            return Ok(statement);
        }
        match &self.parser.peek_token_ref().token {
            Token::Word(word) => Err(Error::Unsupported { what: format!("ALTER {}", word.value.to_uppercase()) }),
            _ => self.expected("TABLE or VIEW"),
        }
    }

    fn alter_action(&mut self) -> Result<AlterAction> {
        if self.accept_all(&["rename", "to"]) {
            return Ok(AlterAction::RenameTo(self.name()?));
        }
        if self.accept("rename") {
            let _ = self.accept("column");
            let old = self.ident()?;
            self.expect("to")?;
            return Ok(AlterAction::RenameColumn { old, new: self.ident()? });
        }
        if self.accept_all(&["add", "row", "access", "policy"]) {
            let policy = self.exact_name()?;
            self.expect("on")?;
            return Ok(AlterAction::AddRowAccessPolicy { policy, columns: self.idents_in_parentheses()? });
        }
        if self.accept_all(&["drop", "all", "row", "access", "policies"]) {
            return Ok(AlterAction::DropRowAccessPolicy { policy: None });
        }
        if self.accept_all(&["drop", "row", "access", "policy"]) {
            return Ok(AlterAction::DropRowAccessPolicy { policy: Some(self.exact_name()?) });
        }
        if self.accept("add") {
            return self.add_column();
        }
        if self.accept("drop") {
            return self.drop_action();
        }
        if self.accept("modify") || self.is("alter") {
            let _ = self.accept("alter");
            return self.modify();
        }
        if self.accept_all(&["cluster", "by"]) {
            let _ = self.accept("linear");
            let (columns, text) = self.sort_key()?;
            return Ok(AlterAction::ClusterBy(columns, text));
        }
        if self.accept_all(&["order", "by"]) {
            let (columns, text) = self.sort_key()?;
            return Ok(AlterAction::ClusterBy(columns, text));
        }
        if self.accept("comment") {
            let _ = self.parser.consume_token(&Token::Eq);
            return Ok(AlterAction::Comment(self.text()?));
        }
        if self.accept_all(&["swap", "with"]) {
            return Ok(AlterAction::SwapWith(self.name()?));
        }
        if self.accept("recluster") {
            let _ = self.accept("final");
            if self.is("where") {
                return Err(Error::Unsupported { what: "RECLUSTER of some rows".into() });
            }
            return Ok(AlterAction::Recluster);
        }
        if self.accept_all(&["set", "options"]) {
            self.parser.expect_token(&Token::LParen)?;
            let mut options = vec![self.setting()?];
            while self.parser.consume_token(&Token::Comma) {
                options.push(self.setting()?);
            }
            self.parser.expect_token(&Token::RParen)?;
            return Ok(AlterAction::SetOptions(options));
        }
        if self.accept_all(&["unset", "options"]) {
            let names = match self.parser.peek_token_ref().token {
                Token::LParen => self.idents_in_parentheses()?,
                _ => vec![self.ident()?],
            };
            return Ok(AlterAction::UnsetOptions(names.iter().map(super::ident_name).collect()));
        }
        if self.accept_all(&["flashback", "to"]) {
            // The same clause as behind a table's name in a query, without its word AT.
            let at = ObjectName::from(vec![Ident::new("AT")]);
            return Ok(AlterAction::FlashbackTo(self.parser.parse_function(at)?));
        }
        self.expected("RENAME, ADD, DROP, MODIFY, CLUSTER BY, COMMENT, SET OPTIONS or FLASHBACK TO")
    }

    fn add_column(&mut self) -> Result<AlterAction> {
        if self.is("constraint") || self.is("check") {
            let name = if self.accept("constraint") { Some(self.ident()?) } else { None };
            if self.is("check") {
                return Ok(AlterAction::AddCheck { name, condition: self.check()? });
            }
        }
        if self.is("foreign") || self.is("index") || self.is("primary") || self.is("unique") {
            return Err(Error::Unsupported { what: "adding keys, constraints or indexes to a table".into() });
        }
        let _ = self.accept("column");
        let if_not_exists = self.if_not_exists();
        let column = self.column(None)?;
        let position = if self.accept("first") {
            ColumnPosition::First
        } else if self.accept("after") {
            ColumnPosition::After(self.ident()?)
        } else {
            ColumnPosition::Last
        };
        Ok(AlterAction::AddColumn { column, if_not_exists, position })
    }

    fn drop_action(&mut self) -> Result<AlterAction> {
        if self.accept_all(&["cluster", "key"]) {
            return Ok(AlterAction::DropClusterKey);
        }
        if self.accept("constraint") {
            return Ok(AlterAction::DropConstraint { name: self.ident()? });
        }
        if self.is("index") || self.is("primary") || self.is("partition") {
            return Err(Error::Unsupported { what: "dropping keys, constraints, indexes or partitions".into() });
        }
        let _ = self.accept("column");
        Ok(AlterAction::DropColumn { if_exists: self.if_exists(), name: self.ident()? })
    }

    /// `MODIFY [COLUMN] a TYPE …[, [COLUMN] b …]`, `ALTER [COLUMN] a SET DEFAULT …` and their kin.
    fn modify(&mut self) -> Result<AlterAction> {
        let _ = self.accept("column");
        if self.second_is("unset")
            || self.second_is("set")
            || self.second_is("drop")
            || self.second_is("comment")
            || self.second_is("type")
        {
            return self.modify_one();
        }
        let mut columns = vec![self.column(None)?];
        while self.parser.consume_token(&Token::Comma) {
            let _ = self.accept("modify");
            let _ = self.accept("column");
            columns.push(self.column(None)?);
        }
        Ok(AlterAction::ModifyColumns(columns))
    }

    fn modify_one(&mut self) -> Result<AlterAction> {
        let name = self.ident()?;
        if self.accept_all(&["set", "masking", "policy"]) {
            let policy = self.exact_name()?;
            let using = if self.accept("using") { self.idents_in_parentheses()? } else { Vec::new() };
            return Ok(AlterAction::SetMaskingPolicy { column: name, policy, using });
        }
        if self.accept_all(&["unset", "masking", "policy"]) {
            return Ok(AlterAction::UnsetMaskingPolicy { column: name });
        }
        if self.accept_all(&["set", "default"]) {
            let (_, default) = self.with_text(|g| Ok(g.parser.parse_expr()?))?;
            return Ok(AlterAction::SetDefault { name, default });
        }
        if self.accept_all(&["drop", "default"]) {
            return Ok(AlterAction::DropDefault { name });
        }
        if self.accept_all(&["set", "not", "null"]) {
            return Ok(AlterAction::SetNotNull { name });
        }
        if self.accept_all(&["drop", "stored"]) || self.accept_all(&["drop", "virtual"]) {
            return Ok(AlterAction::DropComputed { name });
        }
        if self.accept_all(&["drop", "not", "null"]) {
            return Ok(AlterAction::DropNotNull { name });
        }
        if self.accept("comment") {
            return Ok(AlterAction::ColumnComment { name, comment: self.text()? });
        }
        if self.accept_all(&["set", "data", "type"]) || self.accept("type") {
            let data_type = self.data_type()?;
            let column = ColumnDefinition {
                name,
                data_type,
                nullable: None,
                default: None,
                comment: None,
                computed: None,
                identity: None,
            };
            return Ok(AlterAction::ModifyColumns(vec![column]));
        }
        self.expected("SET DEFAULT, DROP DEFAULT, SET NOT NULL, DROP NOT NULL, SET DATA TYPE or COMMENT")
    }
}
