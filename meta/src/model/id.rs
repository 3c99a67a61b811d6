//! Identifiers and the two time-like numbers: [`Version`] (a commit's place in the one global sequence) and
//! [`Timestamp`] (wall clock, microseconds; for people, never for ordering).

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

number_id!(
    /// A database; never reused.
    DatabaseId, u64, "d"
);
number_id!(
    /// A table's incarnation: a table dropped and created again under its name is another one. Never reused.
    TableId, u64, "t"
);
number_id!(
    /// A column within its table; never reused there, so a segment written before `DROP COLUMN a; ADD COLUMN a`
    /// does not lend its old values to the new column.
    ColumnId, u32, "c"
);
number_id!(
    /// Number of a commit in the one global sequence. 0 is "before everything".
    Version, u64, "v"
);

/// A segment's name: 128 random-enough bits, shown as 32 hex digits. Never reused, never made from user input.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SegmentId(pub u128);

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Microseconds since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);
