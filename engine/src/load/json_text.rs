//! JSON as text: where values begin and end. Iterative, so that no depth of nesting reaches the stack; what the values
//! mean is `json.rs`'s business.

use memchr::memchr2;

/// Deepest nesting of a document.
pub(super) const DEPTH_MAX: usize = 128;

/// Why a text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonError {
    /// The text ends within a value.
    Incomplete,
    Unexpected {
        at: usize,
    },
    TooDeep,
}

impl std::fmt::Display for JsonError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            JsonError::Incomplete => f.write_str("the document ends within a value"),
            JsonError::Unexpected { at } => write!(f, "unexpected character at byte {at}"),
            JsonError::TooDeep => write!(f, "nested deeper than {DEPTH_MAX}"),
        }
    }
}

pub(super) type JsonResult<T> = Result<T, JsonError>;

/// Position of the first byte from `at` that is not white space.
#[inline]
pub(super) fn skip_blanks(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

/// End of the string whose opening quote is at `at`, the closing one included; and whether it has escapes.
#[inline]
pub(super) fn string_end(text: &[u8], at: usize) -> JsonResult<(usize, bool)> {
    let mut escaped = false;
    let mut at = at + 1;
    loop {
        let rest = text.get(at..).ok_or(JsonError::Incomplete)?;
        let found = at + memchr2(b'"', b'\\', rest).ok_or(JsonError::Incomplete)?;
        if text[found] == b'"' {
            return Ok((found + 1, escaped));
        }
        escaped = true;
        at = found + 2;
    }
}

/// End of the number, `true`, `false` or `null` at `at`.
#[inline]
pub(super) fn scalar_end(text: &[u8], at: usize) -> JsonResult<usize> {
    let length = text[at..].iter().take_while(|b| matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'+' | b'-' | b'.' | b'E'));
    let end = at + length.count();
    match &text[at..end] {
        b"true" | b"false" | b"null" => Ok(end),
        number if is_number(number) => Ok(end),
        _ if end == text.len() => Err(JsonError::Incomplete),
        _ => Err(JsonError::Unexpected { at }),
    }
}

/// The grammar of JSON numbers.
pub(super) fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(text);
    if whole == 0 || (whole > 1 && text[0] == b'0') {
        return false;
    }
    let mut text = &text[whole..];
    if let [b'.', fraction @ ..] = text {
        let count = digits(fraction);
        if count == 0 {
            return false;
        }
        text = &fraction[count..];
    }
    if let [b'e' | b'E', exponent @ ..] = text {
        let exponent = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let count = digits(exponent);
        return count > 0 && count == exponent.len();
    }
    text.is_empty()
}

/// End of the value at `at`, which is checked.
pub(super) fn value_end(text: &[u8], at: usize) -> JsonResult<usize> {
    match text.get(at) {
        None => Err(JsonError::Incomplete),
        Some(b'"') => Ok(string_end(text, at)?.0),
        Some(b'{' | b'[') => nested_end(text, at),
        Some(_) => scalar_end(text, at),
    }
}

/// End of the object or array at `at`, checked with all it contains. Which brackets are open is a stack of bits.
fn nested_end(text: &[u8], at: usize) -> JsonResult<usize> {
    let mut objects = [false; DEPTH_MAX];
    let mut depth = 0;
    let mut at = at;
    loop {
        // A value begins here.
        at = skip_blanks(text, at);
        match text.get(at).ok_or(JsonError::Incomplete)? {
            open @ (b'{' | b'[') => {
                if depth == DEPTH_MAX {
                    return Err(JsonError::TooDeep);
                }
                objects[depth] = *open == b'{';
                depth += 1;
                let close = if *open == b'{' { b'}' } else { b']' };
                at = skip_blanks(text, at + 1);
                if text.get(at) != Some(&close) {
                    if *open == b'{' {
                        at = key_end(text, at)?;
                    }
                    continue;
                }
                // Empty: falls through to its closing bracket.
            }
            _ => at = value_end_scalar(text, at)?,
        }
        // A value ended here: close brackets until another one follows.
        loop {
            at = skip_blanks(text, at);
            let object = objects[depth - 1];
            match text.get(at).ok_or(JsonError::Incomplete)? {
                b',' => {
                    at = skip_blanks(text, at + 1);
                    if object {
                        at = key_end(text, at)?;
                    }
                    break;
                }
                b'}' if object => depth -= 1,
                b']' if !object => depth -= 1,
                _ => return Err(JsonError::Unexpected { at }),
            }
            at += 1;
            if depth == 0 {
                return Ok(at);
            }
        }
    }
}

fn value_end_scalar(text: &[u8], at: usize) -> JsonResult<usize> {
    if text[at] == b'"' { Ok(string_end(text, at)?.0) } else { scalar_end(text, at) }
}

/// Position behind the key at `at` and its colon.
fn key_end(text: &[u8], at: usize) -> JsonResult<usize> {
    match text.get(at) {
        None => return Err(JsonError::Incomplete),
        Some(b'"') => {}
        Some(_) => return Err(JsonError::Unexpected { at }),
    }
    let at = skip_blanks(text, string_end(text, at)?.0);
    match text.get(at) {
        None => Err(JsonError::Incomplete),
        Some(b':') => Ok(at + 1),
        Some(_) => Err(JsonError::Unexpected { at }),
    }
}

/// End of a value by its brackets and strings only: for values that are too deep or are split off unread.
pub(super) fn rough_end(text: &[u8], at: usize) -> JsonResult<usize> {
    let mut depth = 0usize;
    let mut at = at;
    loop {
        match text.get(at).ok_or(JsonError::Incomplete)? {
            b'"' => at = string_end(text, at)?.0,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1).ok_or(JsonError::Unexpected { at })?;
                at += 1;
            }
            _ if depth == 0 => return scalar_end(text, at),
            _ => at += 1,
        }
        if depth == 0 {
            return Ok(at);
        }
    }
}

/// The string between two quotes, escapes resolved.
pub(super) fn unescape(raw: &str, out: &mut String) -> JsonResult<()> {
    let bytes = raw.as_bytes();
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &bytes[at..]) {
        let found = at + found;
        out.push_str(&raw[at..found]);
        let unexpected = JsonError::Unexpected { at: found };
        let plain = match bytes.get(found + 1).ok_or(unexpected)? {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let (c, length) = unicode(&bytes[found + 2..]).ok_or(unexpected)?;
                out.push(c);
                at = found + 2 + length;
                continue;
            }
            _ => return Err(unexpected),
        };
        out.push(plain);
        at = found + 2;
    }
    out.push_str(&raw[at..]);
    Ok(())
}

/// The character four hex digits spell (or twice four, for a surrogate pair), and how many bytes that took. A lone
/// surrogate is the replacement character.
fn unicode(text: &[u8]) -> Option<(char, usize)> {
    let high = hex4(text)?;
    if !(0xd800..0xdc00).contains(&high) {
        return Some((char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 4));
    }
    let low = text.get(4..6).filter(|b| *b == b"\\u").and_then(|_| hex4(&text[6..]));
    match low.filter(|low| (0xdc00..0xe000).contains(low)) {
        Some(low) => {
            let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            Some((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 10))
        }
        None => Some((char::REPLACEMENT_CHARACTER, 4)),
    }
}

fn hex4(text: &[u8]) -> Option<u32> {
    text.get(..4)?.iter().try_fold(0, |value, b| Some(value << 4 | char::from(*b).to_digit(16)?))
}

/// JSON without the white space between its tokens.
pub(super) fn compact(text: &str, out: &mut String) {
    let bytes = text.as_bytes();
    let mut from = 0;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = string_end(bytes, at).map_or(bytes.len(), |(end, _)| end),
            b' ' | b'\n' | b'\r' | b'\t' => {
                out.push_str(&text[from..at]);
                at = skip_blanks(bytes, at);
                from = at;
            }
            _ => at += 1,
        }
    }
    out.push_str(&text[from..]);
}

#[cfg(test)]
mod tests;
