//! BITMAP: sets of unsigned 64-bit numbers, as texts `1,2,3` and as roaring treemaps in their portable form.

use super::not_a;
use crate::{Error, Result};
use roaring::RoaringTreemap;

/// Reads `1,2,3`; an empty text is the empty set.
pub fn parse(text: &str) -> Result<RoaringTreemap> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Ok(RoaringTreemap::new());
    }
    let numbers = trimmed.split(',').map(|number| number.trim().parse::<u64>());
    numbers.collect::<Result<_, _>>().map_err(|_| not_a("BITMAP", text))
}

/// The members, ascending, separated by commas.
pub fn format(bitmap: &RoaringTreemap) -> String {
    let mut text = String::new();
    for member in bitmap {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(itoa::Buffer::new().format(member));
    }
    text
}

pub fn from_bytes(bytes: &[u8]) -> Result<RoaringTreemap> {
    RoaringTreemap::deserialize_from(bytes).map_err(|_| Error::Evaluation {
        message: format!("{} bytes are no bitmap in the portable roaring form", bytes.len()),
    })
}

pub fn to_bytes(bitmap: &RoaringTreemap) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(bitmap.serialized_size());
    // Writing into memory does not fail.
    let _ = bitmap.serialize_into(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_bytes_round_trip() {
        let bitmap = parse(" 3, 1,2,18446744073709551615,1").unwrap();
        assert_eq!(format(&from_bytes(&to_bytes(&bitmap)).unwrap()), "1,2,3,18446744073709551615");
        assert_eq!(format(&parse("").unwrap()), "");
        for text in ["a", "-1", "1,,2", "18446744073709551616", "1.5"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(from_bytes(b"x").is_err());
    }
}
