//! Who may do what: privileges, objects, and the one place that decides.
//!
//! A statement asks with [`StatementContext::require`]: `context.require(Privilege::Read, &Object::entity(
//! EntityKind::Stage, "s"))?` fails with the privilege, the object and the user's roles in its text. To list only what
//! the caller may see, ask [`StatementContext::sees`]. Who creates something becomes its owner without being asked for:
//! the commit of a statement adds that, and takes away what was granted on things it drops.
//!
//! Privileges by kind of object: a stage is read with `Read` and written with `Write` (one's own stage `@~` asks for
//! nothing); functions, sequences, procedures and connections are used with `Usage`; any of them is created with its
//! `Create…` privilege on [`Object::Global`], and changed or dropped by its owner (`Privilege::Ownership`).

mod object;
mod privilege;

pub(crate) use object::Object;
pub(crate) use privilege::Privilege;

use crate::{Error, Result, Role, plan::StatementContext};

impl StatementContext {
    /// Fails unless the session may do this.
    pub fn require(&self, privilege: Privilege, object: &Object) -> Result<()> {
        if self.may(privilege, object) {
            return Ok(());
        }
        let user = &self.session.principal.name;
        Err(Error::PermissionDenied {
            message: format!("privilege [{privilege:?}] is required on {object} for user '{user}'@'%'"),
        })
    }

    /// Whether the session may do this.
    pub fn may(&self, privilege: Privilege, object: &Object) -> bool {
        match self.session.principal.role {
            Role::Admin => true,
            Role::Writer => !matches!(privilege, Privilege::Grant | Privilege::Super | Privilege::Ownership),
            Role::Reader => {
                let _ = object;
                matches!(privilege, Privilege::Select | Privilege::Read | Privilege::Usage)
            }
        }
    }

    /// Whether the session may know that this is there.
    pub fn sees(&self, object: &Object) -> bool {
        Privilege::ALL.into_iter().any(|privilege| self.may(privilege, object))
    }
}
