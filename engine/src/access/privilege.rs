//! Privileges and sets of them: what each is called, and on which kinds of object it means something.

use super::object::ObjectKind;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// What may be granted. The order is the one in which lists show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Privilege {
    /// On functions, sequences, procedures, connections: use them. On a database: enter it. On everything: nothing
    /// by itself.
    Usage,
    Create,
    Select,
    Insert,
    Update,
    Delete,
    Drop,
    Alter,
    /// Settings of the server, other users' queries, upkeep of tables.
    Super,
    CreateUser,
    CreateRole,
    CreateStage,
    CreateDatabase,
    CreateConnection,
    CreateSequence,
    CreateProcedure,
    /// Give privileges away, and take them.
    Grant,
    DropRole,
    DropUser,
    CreateMaskingPolicy,
    ApplyMaskingPolicy,
    CreateRowAccessPolicy,
    ApplyRowAccessPolicy,
    /// Attach one masking or row access policy.
    Apply,
    Read,
    Write,
    /// Everything with one object; held by one role.
    Ownership,
}

use Privilege as P;

impl Privilege {
    pub const ALL: [Privilege; 27] = [
        P::Usage,
        P::Create,
        P::Select,
        P::Insert,
        P::Update,
        P::Delete,
        P::Drop,
        P::Alter,
        P::Super,
        P::CreateUser,
        P::CreateRole,
        P::CreateStage,
        P::CreateDatabase,
        P::CreateConnection,
        P::CreateSequence,
        P::CreateProcedure,
        P::Grant,
        P::DropRole,
        P::DropUser,
        P::CreateMaskingPolicy,
        P::ApplyMaskingPolicy,
        P::CreateRowAccessPolicy,
        P::ApplyRowAccessPolicy,
        P::Apply,
        P::Read,
        P::Write,
        P::Ownership,
    ];

    /// As GRANT spells it and lists show it.
    pub fn name(self) -> &'static str {
        match self {
            P::Usage => "USAGE",
            P::Create => "CREATE",
            P::Select => "SELECT",
            P::Insert => "INSERT",
            P::Update => "UPDATE",
            P::Delete => "DELETE",
            P::Drop => "DROP",
            P::Alter => "ALTER",
            P::Super => "SUPER",
            P::CreateUser => "CREATE USER",
            P::CreateRole => "CREATE ROLE",
            P::CreateStage => "CREATE STAGE",
            P::CreateDatabase => "CREATE DATABASE",
            P::CreateConnection => "CREATE CONNECTION",
            P::CreateSequence => "CREATE SEQUENCE",
            P::CreateProcedure => "CREATE PROCEDURE",
            P::Grant => "GRANT",
            P::DropRole => "DROP ROLE",
            P::DropUser => "DROP USER",
            P::CreateMaskingPolicy => "CREATE MASKING POLICY",
            P::ApplyMaskingPolicy => "APPLY MASKING POLICY",
            P::CreateRowAccessPolicy => "CREATE ROW ACCESS POLICY",
            P::ApplyRowAccessPolicy => "APPLY ROW ACCESS POLICY",
            P::Apply => "APPLY",
            P::Read => "Read",
            P::Write => "Write",
            P::Ownership => "OWNERSHIP",
        }
    }

    /// The privilege of this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name().eq_ignore_ascii_case(name))
    }
}

/// Some privileges.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Privileges(u32);

impl Privileges {
    pub const NONE: Self = Self(0);

    pub const fn of(privileges: &[Privilege]) -> Self {
        let (mut bits, mut n) = (0, 0);
        while n < privileges.len() {
            bits |= 1 << privileges[n] as u8;
            n += 1;
        }
        Self(bits)
    }

    /// What ALL means on a kind of object. Ownership is never part of it.
    pub const fn all_on(kind: ObjectKind) -> Self {
        const TABLE: &[P] = &[P::Create, P::Select, P::Insert, P::Update, P::Delete, P::Drop, P::Alter, P::Grant];
        match kind {
            ObjectKind::Global => Self((1 << Privilege::ALL.len() as u32) - 1).without(P::Ownership).without(P::Apply),
            ObjectKind::Database | ObjectKind::Table => Self::of(TABLE),
            ObjectKind::Stage => Self::of(&[P::Read, P::Write]),
            ObjectKind::Usable => Self::of(&[P::Usage]),
            ObjectKind::Policy => Self::of(&[P::Apply]),
            ObjectKind::Ungrantable => Self::NONE,
        }
    }

    /// What may be granted on a kind of object, ownership aside.
    pub const fn grantable_on(kind: ObjectKind) -> Self {
        match kind {
            ObjectKind::Database | ObjectKind::Table => Self::all_on(kind).with(P::Super).with(P::Usage),
            other => Self::all_on(other),
        }
    }

    pub const fn contains(self, privilege: Privilege) -> bool {
        self.0 & (1 << privilege as u8) != 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub const fn with(self, privilege: Privilege) -> Self {
        Self(self.0 | (1 << privilege as u8))
    }

    pub const fn without(self, privilege: Privilege) -> Self {
        Self(self.0 & !(1 << privilege as u8))
    }

    pub const fn union(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    pub const fn minus(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Privilege> {
        Privilege::ALL.into_iter().filter(move |p| self.contains(*p))
    }
}

impl fmt::Display for Privileges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, privilege) in self.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            f.write_str(privilege.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Privileges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Stored by name: a number would tie the stored grants to the order above.
impl Serialize for Privileges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Privilege::name))
    }
}

impl<'de> Deserialize<'de> for Privileges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let mut all = Self::NONE;
        for name in names {
            let unknown = || serde::de::Error::custom(format!("unknown privilege `{name}`"));
            all = all.with(Privilege::from_name(&name).ok_or_else(unknown)?);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_the_order_of_the_numbers() {
        for (n, privilege) in Privilege::ALL.into_iter().enumerate() {
            assert_eq!(privilege as usize, n);
            assert_eq!(Privilege::from_name(&privilege.name().to_lowercase()), Some(privilege));
        }
    }

    #[test]
    fn all_has_what_the_object_knows() {
        let table = Privileges::all_on(ObjectKind::Table);
        assert_eq!(table.to_string(), "CREATE,SELECT,INSERT,UPDATE,DELETE,DROP,ALTER,GRANT");
        assert_eq!(Privileges::all_on(ObjectKind::Stage).to_string(), "Read,Write");
        let global = Privileges::all_on(ObjectKind::Global);
        assert!(table.minus(global).is_empty() && global.contains(P::Super) && !global.contains(P::Ownership));
        assert!(!Privileges::grantable_on(ObjectKind::Stage).contains(P::Select));
    }

    #[test]
    fn sets_are_stored_by_name() {
        let some = Privileges::of(&[P::Select, P::CreateUser]);
        let json = serde_json::to_string(&some).unwrap();
        assert_eq!(json, r#"["SELECT","CREATE USER"]"#);
        assert_eq!(serde_json::from_str::<Privileges>(&json).unwrap(), some);
        assert!(serde_json::from_str::<Privileges>(r#"["FLY"]"#).is_err());
    }
}
