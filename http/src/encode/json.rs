//! JSON string literals. Runs without anything to escape are found eight bytes at a time and copied whole.

/// Appends `text` as a JSON string, quotes included.
pub fn string(out: &mut Vec<u8>, text: &str) {
    string_from_utf8(out, text.as_bytes());
}

/// Same for bytes known to be UTF-8.
pub fn string_from_utf8(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text;
    loop {
        let clean = clean_prefix(rest);
        out.extend_from_slice(&rest[..clean]);
        let Some(&byte) = rest.get(clean) else { break };
        escape(out, byte);
        rest = &rest[clean + 1..];
    }
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Length of the longest prefix that needs no escaping.
fn clean_prefix(bytes: &[u8]) -> usize {
    let words = bytes.chunks_exact(8);
    let tail = bytes.len() - words.remainder().len();
    let mut at = 0;
    for word in words {
        let word = u64::from_le_bytes(word.try_into().expect("chunks of eight"));
        if suspicious(word) {
            break;
        }
        at += 8;
    }
    debug_assert!(at <= tail);
    at + bytes[at..].iter().position(|&b| needs_escape(b)).unwrap_or(bytes.len() - at)
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Whether any byte of the word needs escaping (never misses one; a rare false alarm costs only a closer look).
fn suspicious(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero_in = |w: u64| w.wrapping_sub(ONES) & !w & HIGH;
    let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
    (control | zero_in(word ^ (ONES * 0x22)) | zero_in(word ^ (ONES * 0x5c))) != 0
}
