//! Who asks and what they may do. Credentials are checked here against the users the server was started with;
//! finding them in a request is each protocol's own business.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    pub name: String,
    pub role: Role,
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// SELECT and what describes tables.
    Reader,
    /// Also INSERT, UPDATE, DELETE, MERGE, loads, and CREATE/DROP of tables and views.
    Writer,
    /// Everything, settings of the server and other users' queries included.
    Admin,
}

/// The permission a route or statement needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Nothing: health checks and the like.
    Public,
    /// Any authenticated user; the statement itself is checked once it is understood.
    Login,
    Read,
    Write,
    Admin,
}

impl Principal {
    /// The one place where a permission is decided.
    pub fn require(&self, access: Access) -> Result<()> {
        let enough = match access {
            Access::Public | Access::Login | Access::Read => true,
            Access::Write => self.role >= Role::Writer,
            Access::Admin => self.role == Role::Admin,
        };
        if enough { Ok(()) } else { Err(Error::PermissionDenied { user: self.name.clone(), access }) }
    }
}

/// The users of a server: `root`, and those of the users file.
#[derive(Debug, Clone, Default)]
pub struct Users {
    users: BTreeMap<String, User>,
}

#[derive(Debug, Clone)]
struct User {
    /// PHC string (argon2id); none = any password is accepted (only `root` on loopback).
    password_hash: Option<String>,
    role: Role,
}

impl Users {
    /// `root` without a password: any password is accepted. The server allows this only on loopback addresses.
    pub fn open_root() -> Self {
        let root = User { password_hash: None, role: Role::Admin };
        Self { users: BTreeMap::from([("root".to_string(), root)]) }
    }

    /// Adds or replaces a user. `password_hash` is a PHC string as [`Users::hash_password`] makes it.
    pub fn insert(&mut self, name: impl Into<String>, password_hash: String, role: Role) {
        self.users.insert(name.into(), User { password_hash: Some(password_hash), role });
    }

    /// Whether `root` (or anyone) can enter without a password.
    pub fn has_open_user(&self) -> bool {
        self.users.values().any(|u| u.password_hash.is_none())
    }

    /// argon2id (19 MiB, 2 passes, 1 lane: the OWASP minimum) of `password` as a PHC string.
    pub fn hash_password(_password: &str) -> Result<String> {
        todo!()
    }

    /// Checks a password. Costs tens of milliseconds on first success per (user, password), then is cached for five
    /// minutes under a keyed hash; an unknown user costs the same as a wrong password. Blocking: call off the I/O
    /// threads, or through [`crate::Engine::authenticate`].
    pub fn verify(&self, _name: &str, _password: &str) -> Result<Principal> {
        todo!()
    }
}
