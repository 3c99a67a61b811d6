//! Places of files in SQL text. `@stage/some-file.csv` is no token the parser library knows (a path may hold anything
//! but blanks and quotes), so before it sees the text such a place becomes a quoted name that begins with `@`, and the
//! positional columns of files, `$1`, become quoted names too. Text without `@` is not touched.

use super::scan::{Kind, Scanner};
use std::borrow::Cow;

/// Words behind which a place may stand.
const BEFORE: &[&str] =
    &["from", "into", "join", "list", "ls", "remove", "rm", "presign", "upload", "download", "put", "get"];

/// The text with places and positional columns as quoted names.
pub(super) fn quote_locations(sql: &str) -> Cow<'_, str> {
    if memchr::memchr(b'@', sql.as_bytes()).is_none() {
        return Cow::Borrowed(sql);
    }
    let mut out = String::with_capacity(sql.len() + 16);
    let (mut copied, mut found) = (0, false);
    let mut before = Before::Nothing;
    let mut scanner = Scanner::new(sql);
    while let Some(lexeme) = scanner.next() {
        match lexeme.kind {
            Kind::Symbol(b'@') if before == Before::Introduction => {
                if let Some((name, end)) = read_location(sql, lexeme.start) {
                    out.push_str(&sql[copied..lexeme.start]);
                    push_quoted(&mut out, &name);
                    copied = end;
                    scanner.jump(end);
                    (found, before) = (true, Before::Location);
                    continue;
                }
            }
            // Options behind a place may stand without commas between them.
            Kind::Symbol(b'(') if before == Before::Location => {
                let end = options_end(sql, lexeme.end);
                out.push_str(&sql[copied..lexeme.end]);
                out.push_str(&separated(&sql[lexeme.end..end]));
                copied = end;
                scanner.jump(end);
            }
            _ => {}
        }
        before = Before::of(&sql[lexeme.start..lexeme.end], lexeme.kind);
    }
    if !found {
        return Cow::Borrowed(sql);
    }
    out.push_str(&sql[copied..]);
    Cow::Owned(quote_positions(&out).into_owned())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Introduction,
    Location,
}

impl Before {
    fn of(text: &str, kind: Kind) -> Self {
        match kind {
            Kind::Word if BEFORE.iter().any(|w| text.eq_ignore_ascii_case(w)) => Before::Introduction,
            _ => Before::Nothing,
        }
    }
}

/// The place at `start`, an `@`, and where it ends. A backslash takes the next character as it is.
fn read_location(sql: &str, start: usize) -> Option<(String, usize)> {
    let mut name = String::from("@");
    let mut chars = sql[start + 1..].char_indices().peekable();
    let mut end = sql.len();
    while let Some((at, c)) = chars.next() {
        let ends = match c {
            c if c.is_whitespace() => true,
            ';' | '\'' | '"' | '`' | '(' | ')' => true,
            ',' => chars.peek().is_none_or(|(_, next)| next.is_whitespace()),
            _ => false,
        };
        if ends {
            end = start + 1 + at;
            break;
        }
        match c {
            '\\' => name.extend(chars.next().map(|(_, escaped)| escaped)),
            other => name.push(other),
        }
    }
    (name.len() > 1).then_some((name, end))
}

/// Where the parenthesis that was opened before `start` is closed.
fn options_end(sql: &str, start: usize) -> usize {
    let mut depth = 1usize;
    for lexeme in Scanner::new(&sql[start..]) {
        match lexeme.kind {
            Kind::Symbol(b'(') => depth += 1,
            Kind::Symbol(b')') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return start + lexeme.start;
        }
    }
    sql.len()
}

/// `a => 1 b => 2` with a comma between.
fn separated(options: &str) -> String {
    let mut out = String::with_capacity(options.len() + 4);
    let (mut copied, mut depth, mut after_value) = (0, 0usize, false);
    for lexeme in Scanner::new(options) {
        match lexeme.kind {
            Kind::Symbol(b'(') => depth += 1,
            Kind::Symbol(b')') => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 && after_value && is_name(options, lexeme.end) => {
                out.push_str(&options[copied..lexeme.start]);
                out.push_str(", ");
                copied = lexeme.start;
            }
            _ => {}
        }
        after_value = depth == 0 && !matches!(lexeme.kind, Kind::Symbol(b',' | b'=' | b'>'));
    }
    out.push_str(&options[copied..]);
    out
}

/// Whether `=>` follows.
fn is_name(options: &str, end: usize) -> bool {
    let mut next = Scanner::new(&options[end..]);
    let symbol = |lexeme: Option<super::scan::Lexeme>| lexeme.map(|l| l.kind);
    symbol(next.next()) == Some(Kind::Symbol(b'=')) && symbol(next.next()) == Some(Kind::Symbol(b'>'))
}

/// `$1` as `"$1"`.
fn quote_positions(sql: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    let mut dollar = None;
    for lexeme in Scanner::new(sql) {
        let text = &sql[lexeme.start..lexeme.end];
        if let Some(start) = dollar.take()
            && lexeme.kind == Kind::Number
            && lexeme.start == start + 1
        {
            let digits = text.split('.').next().unwrap_or(text);
            out.push_str(&sql[copied..start]);
            push_quoted(&mut out, &format!("${digits}"));
            copied = lexeme.start + digits.len();
        }
        dollar = (lexeme.kind == Kind::Symbol(b'$')).then_some(lexeme.start);
    }
    if copied == 0 {
        return Cow::Borrowed(sql);
    }
    out.push_str(&sql[copied..]);
    Cow::Owned(out)
}

fn push_quoted(out: &mut String, name: &str) {
    out.push('"');
    out.push_str(&name.replace('"', "\"\""));
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_become_names() {
        for (sql, quoted) in [
            ("select $1, t.$2 from @s/a-b.csv t", "select \"$1\", t.\"$2\" from \"@s/a-b.csv\" t"),
            ("list @~/x/ pattern='a@b'", "list \"@~/x/\" pattern='a@b'"),
            ("copy into @s from (select 1)", "copy into \"@s\" from (select 1)"),
            ("copy into t from @s/with\\ blank files=('a')", "copy into t from \"@s/with blank\" files=('a')"),
            (
                "select * from @s(file_format=>'csv' pattern=>'')",
                "select * from \"@s\"(file_format=>'csv' , pattern=>'')",
            ),
            ("select '@x', a @> b from t", "select '@x', a @> b from t"),
            ("select $1 from t where x = '@'", "select $1 from t where x = '@'"),
        ] {
            let found = quote_locations(sql);
            let squeezed = |s: &str| s.replace(' ', "");
            assert_eq!(squeezed(&found), squeezed(quoted), "{sql}");
        }
    }
}
