//! What statements about users, roles, grants and policies say. How they are spelled is in `users.rs`, `grants.rs` and
//! `policies.rs`.
//!
//! Names of users, roles and policies are exact: they are compared as they were written, quoted or not.

mod grants;
mod policies;
mod users;

use super::statement::ShowFilter;
use datafusion::sql::sqlparser::ast::{DataType, Expr, Ident, ObjectName};

/// One statement about who may do what.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, in a box")]
pub(crate) enum AccessStatement {
    CreateUser { name: String, creation: Creation, authentication: Authentication, options: UserOptions },
    AlterUser { user: UserRef, authentication: Option<Authentication>, options: UserOptions },
    DropUser { name: String, if_exists: bool },
    DescribeUser { name: String },

    CreateRole { name: String, creation: Creation, comment: Option<String> },
    AlterRole { name: String, if_exists: bool, comment: String },
    DropRole { name: String, if_exists: bool },

    Grant { what: Granted, to: Grantee },
    Revoke { what: Granted, from: Grantee },

    SetRole { name: String },
    SetDefaultRole { name: String, users: Vec<String> },
    SetSecondaryRoles(SecondaryRoles),

    CreatePolicy { name: String, creation: Creation, policy: NewPolicy },
    AlterNetworkPolicy { name: String, if_exists: bool, changes: NetworkRules },
    AlterPasswordPolicy { name: String, if_exists: bool, changes: PasswordChanges },
    DropPolicy { kind: PolicyKind, name: String, if_exists: bool },
    DescribePolicy { kind: PolicyKind, name: String },

    Show(ShowAccess),
}

/// What happens when something of the name exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Creation {
    New,
    IfNotExists,
    OrReplace,
}

/// A user by name, or who asks: `USER()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UserRef {
    Current,
    Named(String),
}

/// How a user proves who it is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Authentication {
    /// The kind is only shown again: all passwords are kept in one way.
    Password {
        kind: &'static str,
        password: String,
    },
    NoPassword,
}

/// Passwords stay out of logs.
impl std::fmt::Debug for Authentication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Authentication::Password { kind, .. } => f.debug_tuple("Password").field(kind).finish(),
            Authentication::NoPassword => f.write_str("NoPassword"),
        }
    }
}

/// What follows WITH. `Some(None)` takes a policy away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UserOptions {
    pub default_role: Option<String>,
    pub disabled: Option<bool>,
    pub must_change_password: Option<bool>,
    pub network_policy: Option<Option<String>>,
    pub password_policy: Option<Option<String>>,
}

/// What GRANT gives or REVOKE takes.
#[derive(Debug, Clone)]
pub(crate) enum Granted {
    Role(String),
    Privileges { privileges: PrivilegeList, on: GrantObject },
    Ownership(GrantObject),
}

/// ALL, or privileges by name.
#[derive(Debug, Clone)]
pub(crate) enum PrivilegeList {
    All,
    Some(Vec<crate::access::Privilege>),
}

/// What privileges are granted on.
#[derive(Debug, Clone)]
pub(crate) enum GrantObject {
    Everything,
    /// `*`: the session's database.
    CurrentDatabase,
    Database(Ident),
    Table(ObjectName),
    Entity {
        kind: basalt_meta::EntityKind,
        name: Ident,
    },
}

/// Who gets or loses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Grantee {
    User(String),
    Role(String),
}

/// `SET SECONDARY ROLES`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecondaryRoles {
    All,
    Some(Vec<String>),
}

/// The kinds of policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PolicyKind {
    Network,
    Password,
    Masking,
    RowAccess,
}

/// What CREATE … POLICY says.
#[derive(Debug, Clone)]
pub(crate) enum NewPolicy {
    Network(NetworkRules),
    Password(PasswordChanges),
    Masking(Rule),
    RowAccess(Rule),
}

/// Lists of addresses as written; `None` = not said.
#[derive(Debug, Clone, Default)]
pub(crate) struct NetworkRules {
    pub allowed: Option<Vec<String>>,
    pub blocked: Option<Vec<String>>,
    pub comment: Option<String>,
}

/// Attributes by their names in capitals.
#[derive(Debug, Clone, Default)]
pub(crate) struct PasswordChanges {
    pub set: Vec<(String, u64)>,
    pub unset: Vec<String>,
    pub comment: Option<String>,
}

/// An expression over arguments.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub arguments: Vec<(String, DataType)>,
    pub returns: DataType,
    /// As the author wrote it.
    pub body: String,
    pub comment: Option<String>,
}

/// SHOW of what this family keeps.
#[derive(Debug, Clone)]
pub(crate) struct ShowAccess {
    pub what: ShownAccess,
    pub filter: Option<ShowFilter>,
    pub limit: Option<Expr>,
}

/// What SHOW lists.
#[derive(Debug, Clone)]
pub(crate) enum ShownAccess {
    /// Without a grantee: of who asks.
    GrantsFor(Option<Grantee>),
    GrantsOn(GrantObject),
    GrantsOf(String),
    Roles,
    Policies(PolicyKind),
}
