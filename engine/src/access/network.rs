//! From where a user may come: ranges of addresses, and the policies made of them.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr, str::FromStr};

/// One address or a block of them: `10.1.2.3`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct IpRange {
    first: IpAddr,
    prefix: u8,
}

impl IpRange {
    pub fn contains(&self, address: IpAddr) -> bool {
        // A v4 client of a listener that speaks both families comes with a mapped address.
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                first.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                first.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl FromStr for IpRange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong =
            || Error::InvalidArgument { message: format!("`{text}` is not an address or a block like 10.0.0.0/8") };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let first: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let bits = if first.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.trim().parse().ok().filter(|p| *p <= bits).ok_or_else(wrong)?,
            None => bits,
        };
        Ok(Self { first, prefix })
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = if self.first.is_ipv4() { 32 } else { 128 };
        if self.prefix == bits { write!(f, "{}", self.first) } else { write!(f, "{}/{}", self.first, self.prefix) }
    }
}

impl From<IpRange> for String {
    fn from(range: IpRange) -> Self {
        range.to_string()
    }
}

impl TryFrom<String> for IpRange {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

/// A network policy as the catalogue keeps it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct NetworkPolicy {
    pub allowed: Vec<IpRange>,
    pub blocked: Vec<IpRange>,
    pub comment: String,
}

impl NetworkPolicy {
    /// Blocked addresses stay out even when they are allowed as well.
    pub fn admits(&self, address: IpAddr) -> bool {
        !self.blocked.iter().any(|range| range.contains(address))
            && self.allowed.iter().any(|range| range.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> IpRange {
        text.parse().unwrap()
    }

    #[test]
    fn ranges_hold_their_addresses() {
        for (block, inside, outside) in [
            ("192.168.1.0/24", "192.168.1.255", "192.168.2.0"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::/0", "::1", "127.0.0.1"),
            ("127.0.0.0/8", "::ffff:127.0.0.1", "128.0.0.1"),
        ] {
            assert!(range(block).contains(inside.parse().unwrap()), "{block} {inside}");
            assert!(!range(block).contains(outside.parse().unwrap()), "{block} {outside}");
            assert_eq!(range(block).to_string(), block);
        }
        for wrong in ["", "x", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/-1"] {
            assert!(wrong.parse::<IpRange>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn blocked_counts_more_than_allowed() {
        let policy = NetworkPolicy {
            allowed: vec![range("192.168.1.0/24")],
            blocked: vec![range("192.168.1.99")],
            comment: String::new(),
        };
        assert!(policy.admits("192.168.1.1".parse().unwrap()));
        assert!(!policy.admits("192.168.1.99".parse().unwrap()));
        assert!(!policy.admits("192.168.2.1".parse().unwrap()));
        assert!(!NetworkPolicy::default().admits("127.0.0.1".parse().unwrap()), "nothing is allowed by default");
    }
}
