//! A small lexer over SQL bytes that allocates nothing: it counts tokens before the parser makes any, and reads the
//! literals of a bulk `INSERT … VALUES`. It agrees with the parser's own lexer on strings, identifiers and comments;
//! what it does not know (`$$…$$`, operators of two characters) comes out as single symbols.

/// What a lexeme is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Number,
    /// A single-quoted string, quotes included.
    Text,
    /// An identifier in `"` or `` ` ``, quotes included.
    Quoted,
    Symbol(u8),
}

/// A lexeme and the bytes it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lexeme {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

/// Yields lexemes; whitespace and comments are skipped.
#[derive(Debug, Clone)]
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Scanner<'a> {
    pub fn new(sql: &'a str) -> Self {
        Self { bytes: sql.as_bytes(), position: 0 }
    }

    /// Goes on at this byte.
    pub fn jump(&mut self, position: usize) {
        self.position = position;
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.position + ahead).copied()
    }

    fn skip_blank(&mut self) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => self.position += 1,
                b'-' if self.peek(1) == Some(b'-') => self.skip_line(),
                b'/' if self.peek(1) == Some(b'*') => self.skip_comment(),
                _ => return,
            }
        }
    }

    fn skip_line(&mut self) {
        let rest = &self.bytes[self.position..];
        self.position += memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
    }

    /// Skips a `/* … */` comment; they nest.
    fn skip_comment(&mut self) {
        let mut depth = 0usize;
        while self.position < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.position += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.position += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.position += 1,
            }
        }
    }

    /// Moves behind the closing quote (or to the end when there is none).
    fn skip_quoted(&mut self, quote: u8, escapes: bool) {
        self.position += 1;
        loop {
            let rest = &self.bytes[self.position..];
            let stop = if escapes { memchr::memchr2(quote, b'\\', rest) } else { memchr::memchr(quote, rest) };
            let Some(at) = stop else {
                self.position = self.bytes.len();
                return;
            };
            self.position += at + 1;
            if rest[at] == b'\\' {
                self.position = (self.position + 1).min(self.bytes.len());
            } else if self.peek(0) == Some(quote) {
                self.position += 1;
            } else {
                return;
            }
        }
    }

    fn skip_number(&mut self) {
        while self.peek(0).is_some_and(|b| b.is_ascii_digit() || b == b'.') {
            self.position += 1;
        }
        if !matches!(self.peek(0), Some(b'e' | b'E')) {
            return;
        }
        let sign = usize::from(matches!(self.peek(1), Some(b'+' | b'-')));
        if self.peek(1 + sign).is_some_and(|b| b.is_ascii_digit()) {
            self.position += 1 + sign;
            while self.peek(0).is_some_and(|b| b.is_ascii_digit()) {
                self.position += 1;
            }
        }
    }
}

impl Iterator for Scanner<'_> {
    type Item = Lexeme;

    fn next(&mut self) -> Option<Lexeme> {
        self.skip_blank();
        let start = self.position;
        let byte = self.peek(0)?;
        let kind = match byte {
            b'\'' => {
                self.skip_quoted(b'\'', true);
                Kind::Text
            }
            b'"' | b'`' => {
                self.skip_quoted(byte, false);
                Kind::Quoted
            }
            b'0'..=b'9' => {
                self.skip_number();
                Kind::Number
            }
            b'.' if self.peek(1).is_some_and(|b| b.is_ascii_digit()) => {
                self.skip_number();
                Kind::Number
            }
            _ if is_word(byte) => {
                while self.peek(0).is_some_and(|b| is_word(b) || b.is_ascii_digit() || b == b'$') {
                    self.position += 1;
                }
                Kind::Word
            }
            _ => {
                self.position += 1;
                Kind::Symbol(byte)
            }
        };
        Some(Lexeme { kind, start, end: self.position })
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

/// Line and column (both from 1, columns in characters) of a byte position.
pub(super) fn line_column(sql: &str, position: usize) -> (usize, usize) {
    let before = &sql.as_bytes()[..position.min(sql.len())];
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        Scanner::new(sql).map(|l| &sql[l.start..l.end]).collect()
    }

    #[test]
    fn splits_strings_comments_and_numbers() {
        assert_eq!(
            texts("a'b''c\\'d',`x``y`--z\n/*1/*2*/3*/1.5e-3 .5e"),
            ["a", "'b''c\\'d'", ",", "`x``y`", "1.5e-3", ".5", "e"]
        );
        assert_eq!(texts("'open"), ["'open"]);
        assert_eq!(texts("'open\\"), ["'open\\"]);
    }

    #[test]
    fn counts_lines_and_columns() {
        assert_eq!(line_column("ab\ncäd", 6), (2, 3));
        assert_eq!(line_column("", 0), (1, 1));
    }
}
