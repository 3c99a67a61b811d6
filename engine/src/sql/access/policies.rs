//! CREATE and ALTER of policies.

use super::{AccessStatement, NetworkRules, NewPolicy, PasswordChanges, PolicyKind, Rule, users::wrapped};
use crate::{
    Error, Result,
    sql::{Statement, grammar::Grammar},
};
use datafusion::sql::sqlparser::tokenizer::Token;

impl Grammar<'_> {
    /// `NETWORK POLICY` and the other kinds, if that is next.
    pub(super) fn policy_kind(&mut self) -> Option<PolicyKind> {
        self.kind_of_policy("policy")
    }

    pub(super) fn policies_kind(&mut self) -> Option<PolicyKind> {
        self.kind_of_policy("policies")
    }

    fn kind_of_policy(&mut self, last: &str) -> Option<PolicyKind> {
        if self.accept_all(&["network", last]) {
            Some(PolicyKind::Network)
        } else if self.accept_all(&["password", last]) {
            Some(PolicyKind::Password)
        } else if self.accept_all(&["masking", last]) {
            Some(PolicyKind::Masking)
        } else if self.accept_all(&["row", "access", last]) {
            Some(PolicyKind::RowAccess)
        } else {
            None
        }
    }

    pub(super) fn create_policy(&mut self, or_replace: bool) -> Result<Option<Statement>> {
        let Some(kind) = self.policy_kind() else {
            return Ok(None);
        };
        let creation = self.creation(or_replace)?;
        let name = self.exact_name()?;
        let policy = match kind {
            PolicyKind::Network => {
                let rules = self.network_rules()?;
                if rules.allowed.is_none() {
                    return self.expected("ALLOWED_IP_LIST");
                }
                NewPolicy::Network(rules)
            }
            PolicyKind::Password => NewPolicy::Password(self.password_attributes()?),
            PolicyKind::Masking => NewPolicy::Masking(self.rule()?),
            PolicyKind::RowAccess => NewPolicy::RowAccess(self.rule()?),
        };
        Ok(Some(wrapped(AccessStatement::CreatePolicy { name, creation, policy })))
    }

    pub(super) fn alter_policy(&mut self) -> Result<Option<Statement>> {
        let statement = match self.policy_kind() {
            None => return Ok(None),
            Some(PolicyKind::Network) => {
                let if_exists = self.if_exists();
                let name = self.exact_name()?;
                self.expect("set")?;
                AccessStatement::AlterNetworkPolicy { name, if_exists, changes: self.network_rules()? }
            }
            Some(PolicyKind::Password) => {
                let if_exists = self.if_exists();
                let name = self.exact_name()?;
                let changes = if self.accept("set") {
                    self.password_attributes()?
                } else {
                    self.expect("unset")?;
                    self.unset_attributes()?
                };
                AccessStatement::AlterPasswordPolicy { name, if_exists, changes }
            }
            Some(_) => {
                let what = "ALTER of a masking or row access policy (drop it and create it anew)";
                return Err(Error::Unsupported { what: what.into() });
            }
        };
        Ok(Some(wrapped(statement)))
    }

    fn network_rules(&mut self) -> Result<NetworkRules> {
        let mut rules = NetworkRules::default();
        loop {
            if self.accept("allowed_ip_list") {
                rules.allowed = Some(self.addresses()?);
            } else if self.accept("blocked_ip_list") {
                rules.blocked = Some(self.addresses()?);
            } else if let Some(comment) = self.comment_clause()? {
                rules.comment = Some(comment);
            } else {
                return Ok(rules);
            }
        }
    }

    /// `= ('a', 'b')`
    fn addresses(&mut self) -> Result<Vec<String>> {
        self.parser.expect_token(&Token::Eq)?;
        self.parser.expect_token(&Token::LParen)?;
        let mut addresses = Vec::new();
        while !self.parser.consume_token(&Token::RParen) {
            addresses.push(self.text()?);
            if !self.parser.consume_token(&Token::Comma) {
                self.parser.expect_token(&Token::RParen)?;
                break;
            }
        }
        Ok(addresses)
    }

    fn password_attributes(&mut self) -> Result<PasswordChanges> {
        let mut changes = PasswordChanges::default();
        loop {
            if let Some(comment) = self.comment_clause()? {
                changes.comment = Some(comment);
            } else if let Some(name) = self.attribute_name() {
                self.parser.expect_token(&Token::Eq)?;
                let value = self.parser.parse_literal_uint()?;
                changes.set.push((name, value));
            } else {
                return Ok(changes);
            }
        }
    }

    fn unset_attributes(&mut self) -> Result<PasswordChanges> {
        let mut changes = PasswordChanges::default();
        loop {
            if self.accept("comment") {
                changes.comment = Some(String::new());
            } else if let Some(name) = self.attribute_name() {
                changes.unset.push(name);
            } else {
                return Ok(changes);
            }
        }
    }

    /// A word that begins with `PASSWORD_`, in capitals.
    fn attribute_name(&mut self) -> Option<String> {
        let Token::Word(word) = &self.parser.peek_token_ref().token else {
            return None;
        };
        let name = word.value.to_ascii_uppercase();
        if word.quote_style.is_some() || !name.starts_with("PASSWORD_") {
            return None;
        }
        self.parser.next_token();
        Some(name)
    }

    /// `AS (name TYPE, …) RETURNS TYPE -> expression [COMMENT = 'text']`
    fn rule(&mut self) -> Result<Rule> {
        self.expect("as")?;
        self.parser.expect_token(&Token::LParen)?;
        let mut arguments = Vec::new();
        loop {
            let name = self.ident()?.value.to_lowercase();
            let data_type = self.data_type()?;
            let _ = self.accept("null") || self.accept_all(&["not", "null"]);
            arguments.push((name, data_type));
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.parser.expect_token(&Token::RParen)?;
        self.expect("returns")?;
        let returns = self.data_type()?;
        let _ = self.accept("null");
        self.parser.expect_token(&Token::Arrow)?;
        let (_, body) = self.with_text(|g| Ok(g.parser.parse_expr()?))?;
        Ok(Rule { arguments, returns, body, comment: self.comment_clause()? })
    }
}
