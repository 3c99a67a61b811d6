//! Who may do what: users, roles, privileges, objects, policies, and the one place that decides.
//!
//! A statement asks with [`StatementContext::require`]: `context.require(Privilege::Read, &Object::entity(
//! EntityKind::Stage, "s"))?` fails with the privilege, the object and the user's roles in its text. What makes
//! something new asks [`StatementContext::require_create`]. To list only what the caller may see, ask
//! [`StatementContext::sees`]. Who creates something becomes its owner without being asked for: the commit of a
//! statement adds that ([`follow`]), and takes away what was granted on things it drops.
//!
//! Privileges by kind of object: a stage is read with `Read` and written with `Write` (one's own stage `@~` asks for
//! nothing); functions, sequences, procedures and connections are used with `Usage`; any of them is created with its
//! `Create…` privilege on [`Object::Global`], and changed or dropped by its owner (`Privilege::Ownership`).
//!
//! Tables that a query reads are checked where names become tables (`plan/resolve.rs`), everything else a statement
//! needs in [`check`]. Statements of families that this module does not know check themselves.

mod authority;
mod functions;
mod login;
mod network;
mod object;
mod ownership;
mod password;
mod privilege;
mod records;
mod rules;
mod statements;
#[cfg(test)]
mod tests;

pub(crate) use authority::{Authority, available, inherit, is_unlimited, role_exists, role_grants};
pub(crate) use functions::{NAMES, session_function};
pub(crate) use login::{authenticate, check_principal};
pub use network::IpRange;
pub(crate) use network::NetworkPolicy;
pub(crate) use object::{Object, ObjectKind, database_key, entity_key, table_key};
pub(crate) use ownership::{follow, forget_role, owner};
pub(crate) use password::{ATTRIBUTES, PasswordPolicy, days_since};
pub(crate) use privilege::{Privilege, Privileges};
pub(crate) use records::{
    ACCOUNT_ADMIN, Grants, Kept, OwnershipRecord, PUBLIC, RoleRecord, UserRecord, Work, all, body, find, get,
};
pub(crate) use rules::{Attachment, RuleRecord, attached, attachments_of};
pub(crate) use statements::{admit, check, missing_table};

use crate::{Error, Result, plan::StatementContext};
use basalt_meta::Snapshot;

impl StatementContext {
    /// Fails unless the session may do this.
    pub fn require(&self, privilege: Privilege, object: &Object) -> Result<()> {
        if is_unlimited(&self.session) || is_temporary(object) {
            return Ok(());
        }
        let authority = self.authority()?;
        if authority.may(privilege, object) { Ok(()) } else { Err(self.denied(authority, &[privilege], object)) }
    }

    /// Fails unless the session may make something there: the current role will own it, so secondary roles do not count.
    pub fn require_create(&self, privilege: Privilege, object: &Object) -> Result<()> {
        self.require_create_any(&[privilege], object)
    }

    /// The same with any of several privileges.
    pub fn require_create_any(&self, privileges: &[Privilege], object: &Object) -> Result<()> {
        if is_unlimited(&self.session) {
            return Ok(());
        }
        let authority = self.authority()?;
        if privileges.iter().any(|privilege| authority.may_create(*privilege, object)) {
            return Ok(());
        }
        Err(self.denied(authority, privileges, object))
    }

    /// Whether the session may do this.
    pub fn may(&self, privilege: Privilege, object: &Object) -> bool {
        is_unlimited(&self.session) || self.authority().is_ok_and(|authority| authority.may(privilege, object))
    }

    /// Whether the session may know that this is there.
    pub fn sees(&self, object: &Object) -> bool {
        is_unlimited(&self.session) || self.authority().is_ok_and(|authority| authority.sees(object))
    }

    /// The rights of the session, as of the newest commit when the statement began.
    pub fn authority(&self) -> Result<&Authority> {
        if let Some(known) = self.authority.get() {
            return Ok(known);
        }
        let made = Authority::of(&self.session, &self.rights())?;
        Ok(self.authority.get_or_init(|| made))
    }

    /// The catalogue in which rights are looked up: never an old one, also not inside a transaction.
    pub fn rights(&self) -> Snapshot {
        match &self.transaction {
            Some(_) => self.parts.catalog.snapshot(),
            None => self.snapshot.clone(),
        }
    }

    /// That something is missing, on what, and for whom.
    pub fn denied(&self, authority: &Authority, privileges: &[Privilege], object: &Object) -> Error {
        let names: Vec<String> = privileges.iter().map(|p| format!("{p:?}")).collect();
        let (names, user) = (names.join(" or "), &self.session.principal.name);
        let roles = authority.active.join(",");
        Error::PermissionDenied {
            message: format!("privilege [{names}] is required on {object} for user '{user}'@'%' with roles [{roles}]"),
        }
    }
}

/// Whether a table is a temporary one: only its own session can name it.
fn is_temporary(object: &Object) -> bool {
    matches!(object, Object::Table { database_name, .. } if crate::session::temporary::is_hidden(database_name))
}
