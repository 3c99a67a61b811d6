//! Bulk `INSERT … VALUES`: rows of plain literals are kept as positions in the text, twelve bytes a value, instead of
//! parse trees of several hundred. What is not a plain literal goes to the parser.

use super::scan::{Kind, Lexeme, Scanner};
use std::{borrow::Cow, fmt, sync::Arc};

/// Rows of literals.
#[derive(Clone)]
pub(crate) struct LiteralRows {
    text: Arc<str>,
    width: usize,
    cells: Vec<Cell>,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    start: u32,
    end: u32,
    kind: CellKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CellKind {
    Null,
    Default,
    True,
    False,
    Number,
    /// A string without quote or backslash inside: its bytes stand as they are.
    PlainText,
    Text,
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal<'a> {
    Null,
    Default,
    Bool(bool),
    /// As written, sign included.
    Number(&'a str),
    Text(Cow<'a, str>),
}

impl LiteralRows {
    /// Values in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    pub fn rows(&self) -> usize {
        self.cells.len() / self.width
    }

    pub fn get(&self, row: usize, column: usize) -> Literal<'_> {
        let cell = self.cells[row * self.width + column];
        let text = &self.text[cell.start as usize..cell.end as usize];
        match cell.kind {
            CellKind::Null => Literal::Null,
            CellKind::Default => Literal::Default,
            CellKind::True => Literal::Bool(true),
            CellKind::False => Literal::Bool(false),
            CellKind::Number => Literal::Number(text),
            CellKind::PlainText => Literal::Text(Cow::Borrowed(text)),
            CellKind::Text => Literal::Text(Cow::Owned(unescape(text))),
        }
    }
}

impl fmt::Debug for LiteralRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiteralRows").field("rows", &self.rows()).field("width", &self.width).finish()
    }
}

/// The meaning of what stands between the quotes; the same rules as the parser's.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                chars.next();
                out.push('\'');
            }
            '\\' => match chars.next() {
                Some('0') => out.push('\0'),
                Some('a') => out.push('\u{7}'),
                Some('b') => out.push('\u{8}'),
                Some('f') => out.push('\u{c}'),
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                Some('Z') => out.push('\u{1a}'),
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}

/// Splits `INSERT … VALUES (literal, …), …` into the text before VALUES and the rows. `None`: not such a statement, or
/// something in it is not a plain literal, or it has an error the parser should report.
pub(super) fn split_insert(sql: &str) -> Option<(&str, LiteralRows)> {
    let mut scanner = Scanner::new(sql);
    let first = scanner.next()?;
    if first.kind != Kind::Word || !sql[first.start..first.end].eq_ignore_ascii_case("insert") {
        return None;
    }
    let head_end = find_values(sql, &mut scanner)?;
    let rows = read_rows(sql, scanner)?;
    Some((&sql[..head_end], rows))
}

/// Moves behind the word VALUES that stands outside parentheses; returns where it begins. Only a name and a column
/// list may stand before it.
fn find_values(sql: &str, scanner: &mut Scanner<'_>) -> Option<usize> {
    let mut depth = 0usize;
    for lexeme in scanner.by_ref().take(2 * 4096 + 64) {
        match lexeme.kind {
            Kind::Symbol(b'(') => depth += 1,
            Kind::Symbol(b')') => depth = depth.checked_sub(1)?,
            Kind::Word if depth == 0 => {
                let word = &sql[lexeme.start..lexeme.end];
                if word.eq_ignore_ascii_case("values") {
                    return Some(lexeme.start);
                }
                if word.eq_ignore_ascii_case("select") || word.eq_ignore_ascii_case("with") {
                    return None;
                }
            }
            _ => {}
        }
    }
    None
}

fn read_rows(sql: &str, mut scanner: Scanner<'_>) -> Option<LiteralRows> {
    let mut cells = Vec::new();
    let mut width = 0;
    loop {
        if scanner.next()?.kind != Kind::Symbol(b'(') {
            return None;
        }
        let before = cells.len();
        read_row(sql, &mut scanner, &mut cells)?;
        let found = cells.len() - before;
        if width == 0 {
            width = found;
        }
        if found != width {
            return None;
        }
        match scanner.next().map(|l| l.kind) {
            Some(Kind::Symbol(b',')) => {}
            Some(Kind::Symbol(b';')) if scanner.next().is_none() => break,
            None => break,
            Some(_) => return None,
        }
    }
    if u32::try_from(sql.len()).is_err() {
        return None;
    }
    Some(LiteralRows { text: sql.into(), width, cells })
}

/// Reads `literal, literal …)`.
fn read_row(sql: &str, scanner: &mut Scanner<'_>, cells: &mut Vec<Cell>) -> Option<()> {
    loop {
        let lexeme = scanner.next()?;
        cells.push(read_cell(sql, lexeme, scanner)?);
        match scanner.next()?.kind {
            Kind::Symbol(b',') => {}
            Kind::Symbol(b')') => return Some(()),
            _ => return None,
        }
    }
}

fn read_cell(sql: &str, lexeme: Lexeme, scanner: &mut Scanner<'_>) -> Option<Cell> {
    let text = &sql[lexeme.start..lexeme.end];
    let (kind, start, end) = match lexeme.kind {
        Kind::Number if memchr::memchr_iter(b'.', text.as_bytes()).nth(1).is_some() => return None,
        Kind::Number => (CellKind::Number, lexeme.start, lexeme.end),
        Kind::Symbol(b'-') => {
            let number = scanner.next()?;
            // `- 1` with a blank between is left to the parser.
            if number.kind != Kind::Number || number.start != lexeme.end {
                return None;
            }
            (CellKind::Number, lexeme.start, number.end)
        }
        Kind::Text => {
            let inner = text.strip_prefix('\'')?;
            let inner = if inner.is_empty() { return None } else { inner.strip_suffix('\'')? };
            let plain = memchr::memchr2(b'\'', b'\\', inner.as_bytes()).is_none();
            if !plain && !is_closed(inner) {
                return None;
            }
            let kind = if plain { CellKind::PlainText } else { CellKind::Text };
            (kind, lexeme.start + 1, lexeme.end - 1)
        }
        Kind::Word if text.eq_ignore_ascii_case("null") => (CellKind::Null, 0, 0),
        Kind::Word if text.eq_ignore_ascii_case("default") => (CellKind::Default, 0, 0),
        Kind::Word if text.eq_ignore_ascii_case("true") => (CellKind::True, 0, 0),
        Kind::Word if text.eq_ignore_ascii_case("false") => (CellKind::False, 0, 0),
        _ => return None,
    };
    Some(Cell { start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()?, kind })
}

/// Whether the quotes and backslashes between the outer quotes pair up, so that the last quote really closes.
fn is_closed(inner: &str) -> bool {
    let mut bytes = inner.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if bytes.next().is_none() => return false,
            b'\'' if bytes.next() != Some(b'\'') => return false,
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rows_of_literals() {
        let (head, rows) =
            split_insert("insert into t (a, b) VALUES (1, 'x''y\\n'), (-2.5e3, NULL) ,(default,true);").unwrap();
        assert_eq!(head, "insert into t (a, b) ");
        assert_eq!((rows.rows(), rows.width()), (3, 2));
        assert_eq!(rows.get(0, 0), Literal::Number("1"));
        assert_eq!(rows.get(0, 1), Literal::Text("x'y\n".into()));
        assert_eq!(rows.get(1, 0), Literal::Number("-2.5e3"));
        assert_eq!(rows.get(1, 1), Literal::Null);
        assert_eq!(rows.get(2, 0), Literal::Default);
        assert_eq!(rows.get(2, 1), Literal::Bool(true));
    }

    #[test]
    fn leaves_everything_else_to_the_parser() {
        for sql in [
            "insert into t values (1+1)",
            "insert into t values (1),(1,2)",
            "insert into t values (1) x",
            "insert into t values (1); select 1",
            "insert into t values ('a",
            "insert into t values ('a\\')",
            "insert into t select 1",
            "insert into t values (?)",
            "insert into t values (x'00')",
            "insert into t values ()",
            "insert into t values (1.2.3)",
            "select 1",
        ] {
            assert!(split_insert(sql).is_none(), "{sql}");
        }
    }

    #[test]
    fn empty_string_is_a_value() {
        let (_, rows) = split_insert("insert into t values ('','''')").unwrap();
        assert_eq!(rows.get(0, 0), Literal::Text("".into()));
        assert_eq!(rows.get(0, 1), Literal::Text("'".into()));
    }
}
