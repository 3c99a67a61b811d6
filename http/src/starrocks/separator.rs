//! Separators as headers spell them: literally, `\t` and its kin, or as hexadecimal bytes.

/// Longest separator or delimiter.
const BYTES_MAX: usize = 50;

/// Parses the value of `name`.
pub fn parse(name: &str, text: &str) -> Result<Vec<u8>, String> {
    let bytes = unescape(name, text)?;
    if bytes.is_empty() {
        return Err(format!("{name} must not be empty"));
    }
    if bytes.len() > BYTES_MAX {
        return Err(format!("{name} has {} bytes, at most {BYTES_MAX} are allowed", bytes.len()));
    }
    Ok(bytes)
}

fn unescape(name: &str, text: &str) -> Result<Vec<u8>, String> {
    for prefix in ["\\\\x", "\\x", "0x", "\\\\X", "\\X", "0X"] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return hex(digits).ok_or_else(|| format!("invalid {name} `{text}`: hexadecimal digits in pairs expected"));
        }
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(b't') => bytes.push(b'\t'),
            Some(b'n') => bytes.push(b'\n'),
            Some(b'r') => bytes.push(b'\r'),
            Some(b'\\') | None => bytes.push(b'\\'),
            Some(other) => bytes.extend([b'\\', other]),
        }
    }
    Ok(bytes)
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    digits.chunks_exact(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings() {
        for (text, bytes) in [
            (",", &b","[..]),
            ("||", b"||"),
            ("\\t", b"\t"),
            ("\\r\\n", b"\r\n"),
            ("\\x01", b"\x01"),
            ("\\\\x01", b"\x01"),
            ("0x0102", b"\x01\x02"),
            ("\\|", b"\\|"),
        ] {
            assert_eq!(parse("column_separator", text).unwrap(), bytes, "{text}");
        }
        assert!(parse("column_separator", "\\x1").unwrap_err().contains("pairs"));
        assert!(parse("row_delimiter", "").unwrap_err().contains("row_delimiter"));
        assert!(parse("column_separator", &"x".repeat(51)).is_err());
    }
}
