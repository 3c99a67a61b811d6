//! What passwords must be like: the attributes of password policies, their bounds, and the check.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An attribute of a policy: name, least and greatest value, default, and what it means.
pub(crate) struct Attribute {
    pub name: &'static str,
    pub min: u64,
    pub max: u64,
    pub default: u64,
    pub meaning: &'static str,
}

const fn attribute(name: &'static str, min: u64, max: u64, default: u64, meaning: &'static str) -> Attribute {
    Attribute { name, min, max, default, meaning }
}

/// In the order in which they are shown.
pub(crate) const ATTRIBUTES: [Attribute; 11] = [
    attribute("PASSWORD_MIN_LENGTH", 8, 256, 8, "Fewest characters of a password"),
    attribute("PASSWORD_MAX_LENGTH", 8, 256, 256, "Most characters of a password"),
    attribute("PASSWORD_MIN_UPPER_CASE_CHARS", 0, 256, 1, "Fewest capital letters"),
    attribute("PASSWORD_MIN_LOWER_CASE_CHARS", 0, 256, 1, "Fewest small letters"),
    attribute("PASSWORD_MIN_NUMERIC_CHARS", 0, 256, 1, "Fewest digits"),
    attribute("PASSWORD_MIN_SPECIAL_CHARS", 0, 256, 0, "Fewest characters that are neither letters nor digits"),
    attribute("PASSWORD_MIN_AGE_DAYS", 0, 999, 0, "Days for which a new password must stay"),
    attribute("PASSWORD_MAX_AGE_DAYS", 0, 999, 90, "Days after which a password must be changed; 0 = never"),
    attribute("PASSWORD_MAX_RETRIES", 1, 10, 5, "Wrong passwords in a row after which the user is locked out"),
    attribute("PASSWORD_LOCKOUT_TIME_MINS", 1, 999, 15, "Minutes for which a locked user stays out"),
    attribute("PASSWORD_HISTORY", 0, 24, 0, "Earlier passwords that must not come again"),
];

/// A password policy as the catalogue keeps it: attributes that differ from their defaults, by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PasswordPolicy {
    pub attributes: BTreeMap<String, u64>,
    pub comment: String,
}

impl PasswordPolicy {
    pub fn value(&self, name: &str) -> u64 {
        let default = ATTRIBUTES.iter().find(|a| a.name == name).map_or(0, |a| a.default);
        self.attributes.get(name).copied().unwrap_or(default)
    }

    pub fn set(&mut self, name: &str, value: u64) -> Result<()> {
        let attribute = known(name)?;
        let Attribute { min, max, .. } = attribute;
        if !(*min..=*max).contains(&value) {
            let message = format!("{name} is between {min} and {max}, not {value}");
            return Err(Error::InvalidArgument { message });
        }
        self.attributes.insert(name.to_owned(), value);
        Ok(())
    }

    pub fn unset(&mut self, name: &str) -> Result<()> {
        known(name)?;
        self.attributes.remove(name);
        Ok(())
    }

    /// Attributes that cannot be met together.
    pub fn check_consistency(&self) -> Result<()> {
        let (min, max) = (self.value("PASSWORD_MIN_LENGTH"), self.value("PASSWORD_MAX_LENGTH"));
        if min > max {
            let message = format!("PASSWORD_MIN_LENGTH {min} is more than PASSWORD_MAX_LENGTH {max}");
            return Err(Error::InvalidArgument { message });
        }
        let characters: u64 = CLASSES.iter().map(|(name, _, _)| self.value(name)).sum();
        if characters > max {
            let message = format!("{characters} characters of all classes do not fit PASSWORD_MAX_LENGTH {max}");
            return Err(Error::InvalidArgument { message });
        }
        Ok(())
    }

    /// Whether a password is as long and as mixed as it must be.
    pub fn check(&self, password: &str) -> Result<()> {
        let length = password.chars().count() as u64;
        let (min, max) = (self.value("PASSWORD_MIN_LENGTH"), self.value("PASSWORD_MAX_LENGTH"));
        if !(min..=max).contains(&length) {
            let message = format!("the password must have {min} to {max} characters, not {length}");
            return Err(Error::InvalidPassword { message });
        }
        for (name, what, belongs) in CLASSES {
            let (wanted, found) = (self.value(name), password.chars().filter(|c| belongs(*c)).count() as u64);
            if found < wanted {
                let message = format!("the password must have at least {wanted} {what}, not {found}");
                return Err(Error::InvalidPassword { message });
            }
        }
        Ok(())
    }
}

type Class = (&'static str, &'static str, fn(char) -> bool);

const CLASSES: &[Class] = &[
    ("PASSWORD_MIN_UPPER_CASE_CHARS", "capital letters", char::is_uppercase),
    ("PASSWORD_MIN_LOWER_CASE_CHARS", "small letters", char::is_lowercase),
    ("PASSWORD_MIN_NUMERIC_CHARS", "digits", |c| c.is_ascii_digit()),
    ("PASSWORD_MIN_SPECIAL_CHARS", "special characters", |c| !c.is_alphanumeric()),
];

fn known(name: &str) -> Result<&'static Attribute> {
    ATTRIBUTES.iter().find(|a| a.name == name).ok_or_else(|| {
        let names: Vec<&str> = ATTRIBUTES.iter().map(|a| a.name).collect();
        Error::Syntax { message: format!("`{name}` is not an attribute of password policies ({})", names.join(", ")) }
    })
}

/// Whole days between two times in microseconds.
pub(crate) fn days_since(then: i64, now: i64) -> u64 {
    const DAY_MICROS: i64 = 24 * 3600 * 1_000_000;
    u64::try_from(now.saturating_sub(then) / DAY_MICROS).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_ask_for_eight_mixed_characters() {
        let policy = PasswordPolicy::default();
        for right in ["Abcdefg1", "123456abcD", "aA1aaaaa!"] {
            policy.check(right).unwrap();
        }
        for wrong in ["", "Abcdef1", "abcdefg1", "ABCDEFG1", "Abcdefgh", &"aA1".repeat(100)] {
            assert!(matches!(policy.check(wrong), Err(Error::InvalidPassword { .. })), "{wrong}");
        }
    }

    #[test]
    fn attributes_have_bounds_and_must_fit() {
        let mut policy = PasswordPolicy::default();
        for (name, wrong) in [("PASSWORD_MIN_LENGTH", 7), ("PASSWORD_MAX_LENGTH", 257), ("PASSWORD_MAX_RETRIES", 0)] {
            assert!(matches!(policy.set(name, wrong), Err(Error::InvalidArgument { .. })), "{name}");
        }
        assert!(matches!(policy.set("PASSWORD_COLOUR", 1), Err(Error::Syntax { .. })));
        policy.set("PASSWORD_MAX_LENGTH", 10).unwrap();
        policy.set("PASSWORD_MIN_SPECIAL_CHARS", 8).unwrap();
        assert!(policy.check_consistency().is_err());
        policy.unset("PASSWORD_MIN_SPECIAL_CHARS").unwrap();
        policy.check_consistency().unwrap();
        policy.set("PASSWORD_MIN_LENGTH", 11).unwrap();
        assert!(policy.check_consistency().is_err());
    }

    #[test]
    fn days_are_whole() {
        let day = 24 * 3600 * 1_000_000;
        assert_eq!((days_since(0, day - 1), days_since(0, day), days_since(day, 0)), (0, 1, 0));
    }
}
