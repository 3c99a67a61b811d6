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

fn is_deep(text: &[u8]) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return true;
                }
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
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
    }
}
