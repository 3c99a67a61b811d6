//! CREATE, ALTER and DROP of users and roles, and SET of roles.

use super::{AccessStatement, Authentication, Creation, SecondaryRoles, UserOptions, UserRef};
use crate::{
    Error, Result,
    sql::{Statement, grammar::Grammar},
};
use datafusion::sql::sqlparser::tokenizer::Token;

impl Grammar<'_> {
    /// Behind `CREATE [OR REPLACE]`: a statement of this family, or `None` when another kind of thing is created.
    pub(in crate::sql) fn create_access(&mut self, or_replace: bool) -> Result<Option<Statement>> {
        let statement = if self.accept("user") {
            let creation = self.creation(or_replace)?;
            self.create_user(creation)?
        } else if self.accept("role") {
            let creation = self.creation(or_replace)?;
            let name = self.exact_name()?;
            AccessStatement::CreateRole { name, creation, comment: self.comment_clause()? }
        } else {
            return self.create_policy(or_replace);
        };
        Ok(Some(wrapped(statement)))
    }

    /// Behind ALTER.
    pub(in crate::sql) fn alter_access(&mut self) -> Result<Option<Statement>> {
        let statement = if self.accept("user") {
            self.alter_user()?
        } else if self.accept("role") {
            let if_exists = self.if_exists();
            let name = self.exact_name()?;
            self.expect("set")?;
            let Some(comment) = self.comment_clause()? else {
                return self.expected("COMMENT");
            };
            AccessStatement::AlterRole { name, if_exists, comment }
        } else {
            return self.alter_policy();
        };
        Ok(Some(wrapped(statement)))
    }

    /// Behind DROP.
    pub(in crate::sql) fn drop_access(&mut self) -> Result<Option<Statement>> {
        let statement = if self.accept("user") {
            AccessStatement::DropUser { if_exists: self.if_exists(), name: self.user_name()? }
        } else if self.accept("role") {
            AccessStatement::DropRole { if_exists: self.if_exists(), name: self.exact_name()? }
        } else if let Some(kind) = self.policy_kind() {
            AccessStatement::DropPolicy { kind, if_exists: self.if_exists(), name: self.exact_name()? }
        } else {
            return Ok(None);
        };
        Ok(Some(wrapped(statement)))
    }

    /// Behind DESC.
    pub(in crate::sql) fn describe_access(&mut self) -> Result<Option<Statement>> {
        let names_user = self.is("user")
            && matches!(self.parser.peek_nth_token_ref(1).token, Token::Word(_) | Token::SingleQuotedString(_));
        let statement = if names_user && self.accept("user") {
            AccessStatement::DescribeUser { name: self.user_name()? }
        } else if let Some(kind) = self.policy_kind() {
            AccessStatement::DescribePolicy { kind, name: self.exact_name()? }
        } else {
            return Ok(None);
        };
        Ok(Some(wrapped(statement)))
    }

    /// Behind SET.
    pub(in crate::sql) fn set_access(&mut self) -> Result<Option<Statement>> {
        let is_setting = self.parser.peek_nth_token_ref(1).token == Token::Eq;
        let statement = if is_setting {
            return Ok(None);
        } else if self.accept("role") {
            if self.accept("default") {
                return Err(Error::Unsupported { what: "SET ROLE DEFAULT (name the role)".into() });
            }
            AccessStatement::SetRole { name: self.exact_name()? }
        } else if self.accept_all(&["default", "role"]) {
            let name = self.exact_name()?;
            let mut users = Vec::new();
            if self.accept("to") {
                users.push(self.user_name()?);
                while self.parser.consume_token(&Token::Comma) {
                    users.push(self.user_name()?);
                }
            }
            AccessStatement::SetDefaultRole { name, users }
        } else if self.accept_all(&["secondary", "roles"]) {
            AccessStatement::SetSecondaryRoles(self.secondary_roles()?)
        } else {
            return Ok(None);
        };
        Ok(Some(wrapped(statement)))
    }

    fn secondary_roles(&mut self) -> Result<SecondaryRoles> {
        if self.accept("all") {
            return Ok(SecondaryRoles::All);
        }
        if self.accept("none") {
            return Ok(SecondaryRoles::Some(Vec::new()));
        }
        let mut roles = vec![self.exact_name()?];
        while self.parser.consume_token(&Token::Comma) {
            roles.push(self.exact_name()?);
        }
        Ok(SecondaryRoles::Some(roles))
    }

    /// `[IF NOT EXISTS]` behind the kind of thing; not together with OR REPLACE.
    pub(super) fn creation(&mut self, or_replace: bool) -> Result<Creation> {
        let if_not_exists = self.if_not_exists();
        match (or_replace, if_not_exists) {
            (true, true) => Err(Error::Syntax { message: "OR REPLACE and IF NOT EXISTS exclude each other".into() }),
            (true, false) => Ok(Creation::OrReplace),
            (false, true) => Ok(Creation::IfNotExists),
            (false, false) => Ok(Creation::New),
        }
    }

    fn create_user(&mut self, creation: Creation) -> Result<AccessStatement> {
        let name = self.user_name()?;
        let authentication = match self.identified()? {
            Some(authentication) => authentication,
            None => return self.expected("IDENTIFIED"),
        };
        let options = self.user_options()?;
        Ok(AccessStatement::CreateUser { name, creation, authentication, options })
    }

    fn alter_user(&mut self) -> Result<AccessStatement> {
        let if_exists = self.if_exists();
        if if_exists {
            return Err(Error::Unsupported { what: "ALTER USER IF EXISTS".into() });
        }
        let user = match self.is("user") && self.parser.peek_nth_token_ref(1).token == Token::LParen {
            true => {
                self.parser.next_token();
                self.parser.next_token();
                self.parser.expect_token(&Token::RParen)?;
                UserRef::Current
            }
            false => UserRef::Named(self.user_name()?),
        };
        let authentication = self.identified()?;
        let options = self.user_options()?;
        if authentication.is_none() && options == UserOptions::default() {
            return self.expected("IDENTIFIED or WITH");
        }
        Ok(AccessStatement::AlterUser { user, authentication, options })
    }

    /// `IDENTIFIED [WITH kind] [BY 'password']`, `NOT IDENTIFIED`.
    fn identified(&mut self) -> Result<Option<Authentication>> {
        if self.accept_all(&["not", "identified"]) {
            return Ok(Some(Authentication::NoPassword));
        }
        if !self.accept("identified") {
            return Ok(None);
        }
        let mut kind = "double_sha1_password";
        if self.accept("with") {
            kind = if self.accept("double_sha1_password") {
                "double_sha1_password"
            } else if self.accept("sha256_password") {
                "sha256_password"
            } else if self.accept("no_password") {
                return Ok(Some(Authentication::NoPassword));
            } else if self.is("jwt") || self.is("key_pair") {
                let what = "IDENTIFIED WITH jwt or key_pair (there is no store of keys; use a password)";
                return Err(Error::Unsupported { what: what.into() });
            } else {
                return self.expected("sha256_password, double_sha1_password or no_password");
            };
        }
        self.expect("by")?;
        Ok(Some(Authentication::Password { kind, password: self.text()? }))
    }

    fn user_options(&mut self) -> Result<UserOptions> {
        let mut options = UserOptions::default();
        while self.accept("with") {
            loop {
                self.user_option(&mut options)?;
                if !self.parser.consume_token(&Token::Comma) {
                    break;
                }
            }
        }
        Ok(options)
    }

    fn user_option(&mut self, options: &mut UserOptions) -> Result<()> {
        if self.accept("default_role") || self.accept_all(&["default", "role"]) {
            let _ = self.parser.consume_token(&Token::Eq);
            options.default_role = Some(self.exact_name()?);
        } else if self.accept("disabled") {
            options.disabled = Some(self.truth()?);
        } else if self.accept("must_change_password") {
            options.must_change_password = Some(self.truth()?);
        } else if self.accept_all(&["set", "network", "policy"]) {
            self.parser.expect_token(&Token::Eq)?;
            options.network_policy = Some(Some(self.exact_name()?));
        } else if self.accept_all(&["unset", "network", "policy"]) {
            options.network_policy = Some(None);
        } else if self.accept_all(&["set", "password", "policy"]) {
            self.parser.expect_token(&Token::Eq)?;
            options.password_policy = Some(Some(self.exact_name()?));
        } else if self.accept_all(&["unset", "password", "policy"]) {
            options.password_policy = Some(None);
        } else if self.is("tenantsetting") || self.second_is("workload") {
            return Err(Error::Unsupported { what: "tenants and workload groups of users".into() });
        } else {
            return self.expected(
                "DEFAULT_ROLE, DISABLED, MUST_CHANGE_PASSWORD, or SET or UNSET of NETWORK POLICY or PASSWORD POLICY",
            );
        }
        Ok(())
    }

    /// `= true`
    fn truth(&mut self) -> Result<bool> {
        self.parser.expect_token(&Token::Eq)?;
        if self.accept("true") {
            Ok(true)
        } else if self.accept("false") {
            Ok(false)
        } else {
            self.expected("true or false")
        }
    }

    /// A name kept as it was written: an identifier or a string.
    pub(in crate::sql) fn exact_name(&mut self) -> Result<String> {
        if let Token::SingleQuotedString(_) = self.parser.peek_token_ref().token {
            return self.text();
        }
        Ok(self.ident()?.value)
    }

    /// `name[@'%']`: users are the same wherever they come from; a network policy says where that may be.
    pub(super) fn user_name(&mut self) -> Result<String> {
        let name = self.exact_name()?;
        if self.parser.consume_token(&Token::AtSign) {
            let host = self.exact_name()?;
            if host != "%" {
                let message = format!("the host of a user is '%', not '{host}' (a network policy limits addresses)");
                return Err(Error::Syntax { message });
            }
        }
        Ok(name)
    }

    /// `COMMENT [=] 'text'`
    pub(super) fn comment_clause(&mut self) -> Result<Option<String>> {
        if !self.accept("comment") {
            return Ok(None);
        }
        let _ = self.parser.consume_token(&Token::Eq);
        Ok(Some(self.text()?))
    }
}

pub(super) fn wrapped(statement: AccessStatement) -> Statement {
    Statement::Access(Box::new(statement))
}
