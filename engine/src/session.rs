//! A session: who asks, in which database, with which settings, inside which transaction. Plain data that travels
//! with every request, because clients of some protocols carry it themselves.
//!
//! The table of settings is in `settings`.

mod settings;
pub(crate) mod temporary;

pub(crate) use settings::{Definition, Settings, Values, definition, definitions, known_value, value_in_force};

use crate::Principal;
use std::collections::BTreeMap;

/// The context a statement runs in.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// The client session this belongs to; empty when the client has none.
    pub id: String,
    pub principal: Principal,
    pub database: String,
    /// Values changed in this session only, by name.
    pub settings: BTreeMap<String, String>,
    pub transaction: TransactionState,
    /// Set by SET VARIABLE, by lower-case name.
    pub variables: BTreeMap<String, Variable>,
    /// Whether the client session has temporary tables: the client must then keep coming back.
    pub temporary_tables: bool,
    /// The role to act in; `None` = the user's default. One that the user does not have counts as none.
    pub role: Option<String>,
    /// Further roles whose rights count; `None` = all the user has.
    pub secondary_roles: Option<Vec<String>>,
    /// Queries of this session before this one, the last one last.
    pub last_query_ids: Vec<String>,
}

/// The value of a session variable: text that its type reads back, none for NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    pub data_type: String,
    pub text: Option<String>,
}

/// Identifies an open transaction in the engine's registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub u64);

/// Where the session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionState {
    /// Every statement is its own transaction.
    AutoCommit,
    Active(TransactionId),
    /// A statement failed: only COMMIT (which then rolls back) and ROLLBACK are accepted.
    Failed(TransactionId),
}

/// What a statement changed in its session, in the order it happened.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionEffect {
    UseDatabase(String),
    UseCatalog(String),
    /// SET/UNSET of one or more settings. `value` is the value now in force; for UNSET the default.
    ChangeSettings(Vec<SettingChange>),
}

/// One changed setting.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingChange {
    pub name: String,
    pub value: String,
    pub global: bool,
}

impl Session {
    /// A fresh session in database `default`.
    pub fn new(principal: Principal) -> Self {
        Self {
            id: String::new(),
            principal,
            database: "default".into(),
            settings: BTreeMap::new(),
            transaction: TransactionState::AutoCommit,
            variables: BTreeMap::new(),
            temporary_tables: false,
            role: None,
            secondary_roles: None,
            last_query_ids: Vec::new(),
        }
    }
}
