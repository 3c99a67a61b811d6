//! VARIANT: JSON text to JSONB and back. How deep values nest is bounded before the parser, which recurses, sees them.

use crate::{Error, Result};
use jsonb::RawJsonb;

/// How deep arrays and objects may nest.
const DEPTH_MAX: usize = 256;

/// JSONB of a JSON text.
pub fn from_text(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() + 8);
    append_text(text, &mut bytes)?;
    Ok(bytes)
}

/// Appends the JSONB of a JSON text.
pub fn append_text(text: &str, out: &mut Vec<u8>) -> Result<()> {
    if is_deep(text.as_bytes()) {
        let message = format!("JSON nests deeper than {DEPTH_MAX}: '{}'", super::shown(text));
        return Err(Error::Evaluation { message });
    }
    jsonb::parse_owned_jsonb_with_buf(text.as_bytes(), out)
        .map_err(|error| Error::Evaluation { message: format!("'{}' is not JSON: {error}", super::shown(text)) })
}

/// Compact JSON text of JSONB.
pub fn to_text(bytes: &[u8]) -> String {
    RawJsonb::new(bytes).to_string()
}

/// Strings may stand in either quotes.
fn is_deep(text: &[u8]) -> bool {
    let (mut depth, mut quote, mut escaped) = (0usize, None, false);
    for &byte in text {
        match (quote, byte) {
            _ if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'[' | b'{') => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return true;
                }
            }
            (None, b']' | b'}') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_round_trips_compactly() {
        for (text, compact) in [
            ("{\"a\": [1, 2.5, null, true], \"b\": \"x\\ny\"}", "{\"a\":[1,2.5,null,true],\"b\":\"x\\ny\"}"),
            (" 1 ", "1"),
            ("\"t\"", "\"t\""),
            ("null", "null"),
        ] {
            assert_eq!(to_text(&from_text(text).unwrap()), compact);
        }
        assert!(from_text("{\"a\":").is_err());
        assert!(from_text(&"[".repeat(100_000)).is_err());
        assert!(from_text(&format!("['\"', {}", "[".repeat(100_000))).is_err());
    }
}
