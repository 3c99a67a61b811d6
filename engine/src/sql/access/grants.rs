//! GRANT, REVOKE, and SHOW of grants and roles.

use super::{
    AccessStatement, GrantObject, Granted, Grantee, PolicyKind, PrivilegeList, ShowAccess, ShownAccess, users::wrapped,
};
use crate::{
    Error, Result,
    access::Privilege,
    sql::{Statement, grammar::Grammar},
};
use basalt_meta::EntityKind;
use datafusion::sql::sqlparser::{
    ast::{Ident, ObjectName},
    tokenizer::Token,
};

impl Grammar<'_> {
    pub(in crate::sql) fn grant(&mut self) -> Result<Statement> {
        self.parser.next_token();
        let what = self.granted()?;
        self.expect("to")?;
        let to = self.grantee()?;
        if matches!((&what, &to), (Granted::Ownership(_), Grantee::User(_))) {
            return Err(Error::Syntax { message: "OWNERSHIP is granted to a role: TO ROLE name".into() });
        }
        Ok(wrapped(AccessStatement::Grant { what, to }))
    }

    pub(in crate::sql) fn revoke(&mut self) -> Result<Statement> {
        self.parser.next_token();
        let what = self.granted()?;
        if let Granted::Ownership(_) = what {
            let message = "OWNERSHIP is not revoked, it is granted to another role";
            return Err(Error::Syntax { message: message.into() });
        }
        self.expect("from")?;
        Ok(wrapped(AccessStatement::Revoke { what, from: self.grantee()? }))
    }

    fn granted(&mut self) -> Result<Granted> {
        if self.accept("role") {
            return Ok(Granted::Role(self.exact_name()?));
        }
        if self.accept("ownership") {
            self.expect("on")?;
            return Ok(Granted::Ownership(self.grant_object()?));
        }
        let privileges = self.privileges()?;
        self.expect("on")?;
        Ok(Granted::Privileges { privileges, on: self.grant_object()? })
    }

    fn privileges(&mut self) -> Result<PrivilegeList> {
        if self.accept("all") {
            let _ = self.accept("privileges");
            return Ok(PrivilegeList::All);
        }
        let mut privileges = Vec::new();
        loop {
            privileges.push(self.privilege()?);
            if !self.parser.consume_token(&Token::Comma) {
                return Ok(PrivilegeList::Some(privileges));
            }
        }
    }

    /// The words up to the next comma or ON.
    fn privilege(&mut self) -> Result<Privilege> {
        let mut name = String::new();
        while !self.is("on")
            && let Token::Word(word) = &self.parser.peek_token_ref().token
            && word.quote_style.is_none()
        {
            if !name.is_empty() {
                name.push(' ');
            }
            name.push_str(&word.value.to_ascii_uppercase());
            self.parser.next_token();
        }
        let privilege = match name.as_str() {
            "CREATE DATAMASK" => Some(Privilege::CreateMaskingPolicy),
            "ACCESS SEQUENCE" | "ACCESS CONNECTION" | "ACCESS PROCEDURE" => Some(Privilege::Usage),
            "OWNERSHIP" => None,
            name => Privilege::from_name(name),
        };
        privilege.ok_or_else(|| {
            let place = crate::sql::limits::place(self.location());
            Error::Syntax { message: format!("`{name}` is not a privilege that can be granted{place}") }
        })
    }

    fn grant_object(&mut self) -> Result<GrantObject> {
        if self.parser.consume_token(&Token::Mul) {
            if !self.parser.consume_token(&Token::Period) {
                return Ok(GrantObject::CurrentDatabase);
            }
            self.parser.expect_token(&Token::Mul)?;
            return Ok(GrantObject::Everything);
        }
        // A kind is followed by a name; a database may have the name of a kind.
        if self.parser.peek_nth_token_ref(1).token != Token::Period
            && let Some(object) = self.object_of_kind()?
        {
            return Ok(object);
        }
        let first = self.ident()?;
        if !self.parser.consume_token(&Token::Period) {
            return Ok(GrantObject::Table(ObjectName::from(vec![first])));
        }
        if self.parser.consume_token(&Token::Mul) {
            return Ok(GrantObject::Database(first));
        }
        let second = self.ident()?;
        if !self.parser.consume_token(&Token::Period) {
            return Ok(GrantObject::Table(ObjectName::from(vec![first, second])));
        }
        if self.parser.consume_token(&Token::Mul) {
            return Ok(GrantObject::Database(second));
        }
        let third = self.ident()?;
        Ok(GrantObject::Table(ObjectName::from(vec![first, second, third])))
    }

    fn object_of_kind(&mut self) -> Result<Option<GrantObject>> {
        if self.accept("database") {
            return Ok(Some(GrantObject::Database(self.ident()?)));
        }
        if self.accept("table") || self.accept("view") {
            return Ok(Some(GrantObject::Table(self.name()?)));
        }
        if self.is("warehouse") || self.is("task") || self.is("share") {
            return Err(Error::Unsupported { what: "grants on warehouses, tasks and shares".into() });
        }
        for (word, kind) in [
            ("stage", EntityKind::Stage),
            ("udf", EntityKind::Function),
            ("function", EntityKind::Function),
            ("sequence", EntityKind::Sequence),
            ("connection", EntityKind::Connection),
            ("procedure", EntityKind::Procedure),
        ] {
            if self.accept(word) {
                let mut name = self.entity_name()?;
                if kind == EntityKind::Procedure && self.parser.peek_token_ref().token == Token::LParen {
                    let ((), types) = self.with_text(Self::parenthesised)?;
                    name.value.push_str(&types);
                }
                return Ok(Some(GrantObject::Entity { kind, name }));
            }
        }
        match self.policy_kind() {
            Some(PolicyKind::Masking) => {
                let name = Ident::with_quote('"', self.exact_name()?);
                Ok(Some(GrantObject::Entity { kind: EntityKind::MaskingPolicy, name }))
            }
            Some(PolicyKind::RowAccess) => {
                let name = Ident::with_quote('"', self.exact_name()?);
                Ok(Some(GrantObject::Entity { kind: EntityKind::RowAccessPolicy, name }))
            }
            Some(_) => Err(Error::Unsupported { what: "grants on network and password policies".into() }),
            None => Ok(None),
        }
    }

    fn entity_name(&mut self) -> Result<Ident> {
        if let Token::SingleQuotedString(_) = self.parser.peek_token_ref().token {
            return Ok(Ident::with_quote('"', self.text()?));
        }
        self.ident()
    }

    fn parenthesised(&mut self) -> Result<()> {
        self.parser.expect_token(&Token::LParen)?;
        while !self.parser.consume_token(&Token::RParen) {
            if self.at_end() {
                return self.expected(")");
            }
            self.parser.next_token();
        }
        Ok(())
    }

    fn grantee(&mut self) -> Result<Grantee> {
        if self.is("role") && self.parser.peek_nth_token_ref(1).token != Token::EOF {
            self.parser.next_token();
            return Ok(Grantee::Role(self.exact_name()?));
        }
        if self.is("user") && self.parser.peek_nth_token_ref(1).token != Token::EOF {
            self.parser.next_token();
        }
        Ok(Grantee::User(self.user_name()?))
    }

    /// Behind SHOW.
    pub(in crate::sql) fn show_access(&mut self) -> Result<Option<Statement>> {
        let what = if self.accept("grants") {
            self.shown_grants()?
        } else if self.accept("roles") {
            ShownAccess::Roles
        } else if let Some(kind) = self.policies_kind() {
            ShownAccess::Policies(kind)
        } else {
            return Ok(None);
        };
        let filter = self.show_filter()?;
        let limit = if self.accept("limit") { Some(self.parser.parse_expr()?) } else { None };
        Ok(Some(wrapped(AccessStatement::Show(ShowAccess { what, filter, limit }))))
    }

    fn shown_grants(&mut self) -> Result<ShownAccess> {
        if self.accept("for") {
            return Ok(ShownAccess::GrantsFor(Some(self.grantee()?)));
        }
        if self.accept("on") {
            return Ok(ShownAccess::GrantsOn(self.grant_object()?));
        }
        if self.accept("of") {
            self.expect("role")?;
            return Ok(ShownAccess::GrantsOf(self.exact_name()?));
        }
        Ok(ShownAccess::GrantsFor(None))
    }
}
