//! Floating-point text: the shortest digits that read back to the same value; whole numbers keep `.0`; an exponent
//! (with its sign) below 1e-5 and from 1e16.

/// Appends a 64-bit float.
pub fn f64(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        return shortest(out, ryu::Buffer::new().format_finite(value));
    }
    special(out, value.is_nan(), value.is_sign_negative());
}

/// Appends a 32-bit float.
pub fn f32(out: &mut Vec<u8>, value: f32) {
    if value.is_finite() {
        return shortest(out, ryu::Buffer::new().format_finite(value));
    }
    special(out, value.is_nan(), value.is_sign_negative());
}

fn special(out: &mut Vec<u8>, nan: bool, negative: bool) {
    let text: &[u8] = match (nan, negative) {
        (true, _) => b"NaN",
        (false, false) => b"Infinity",
        (false, true) => b"-Infinity",
    };
    out.extend_from_slice(text);
}

/// ryu's thresholds are the wanted ones already; only the sign of a positive exponent is missing. A 32-bit value
/// switches to the exponent earlier in ryu (1e13), so it is written out up to 1e16 here.
fn shortest(out: &mut Vec<u8>, text: &str) {
    let Some((digits, exponent)) = text.split_once('e') else {
        return out.extend_from_slice(text.as_bytes());
    };
    let power: i32 = exponent.parse().unwrap_or_default();
    if (0..16).contains(&power) {
        return plain(out, digits, power as usize);
    }
    if power == -5 {
        return small(out, digits);
    }
    out.extend_from_slice(digits.as_bytes());
    out.extend_from_slice(if power < 0 { b"e" } else { b"e+" });
    out.extend_from_slice(exponent.as_bytes());
}

/// `d.ddd` × 10^power without an exponent, for 0 <= power < 16.
fn plain(out: &mut Vec<u8>, digits: &str, power: usize) {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |d| ("-", d));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    out.extend_from_slice(sign.as_bytes());
    out.extend_from_slice(whole.as_bytes());
    let moved = fraction.len().min(power);
    out.extend_from_slice(&fraction.as_bytes()[..moved]);
    out.resize(out.len() + power - moved, b'0');
    out.push(b'.');
    let rest = &fraction.as_bytes()[moved..];
    out.extend_from_slice(if rest.is_empty() { b"0" } else { rest });
}

/// `d.ddd` × 10^-5 without an exponent.
fn small(out: &mut Vec<u8>, digits: &str) {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |d| ("-", d));
    out.extend_from_slice(sign.as_bytes());
    out.extend_from_slice(b"0.0000");
    out.extend(digits.bytes().filter(|b| *b != b'.'));
}
