//! CSV: where fields and records end. One scanner serves both the cutting of the input into chunks and the reading of
//! a chunk, so the two can never disagree. Values are not looked at here.
//!
//! A record ends at the row delimiter, a field at the column separator. With a quote character, a field that begins
//! with it goes on to the closing one: separators and delimiters inside are data, a doubled quote is one. Text behind
//! the closing quote belongs to the field as it stands. With an escape character the byte behind it is data.

use super::{
    CsvOptions,
    records::{Cell, CellKind, Records},
    rejected::Rejected,
    rules::{FieldRules, Width},
};
use crate::{Error, Result};
use memchr::{memchr, memchr2, memchr3, memmem};

/// Longest separator or delimiter.
const SEPARATOR_BYTES_MAX: usize = 50;

/// Finds fields and records in one dialect.
#[derive(Debug, Clone)]
pub(super) struct CsvScanner {
    separator: Vec<u8>,
    delimiter: Vec<u8>,
    enclose: Option<u8>,
    escape: Option<u8>,
    trim: bool,
    null_text: String,
    /// A carriage return before the delimiter belongs to it.
    carriage: bool,
    width: Width,
    /// `\n`, `\t` and the like mean control characters.
    letters: bool,
}

/// What ended a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Separator,
    Record,
    Input,
    /// The input ended inside quotes.
    Unclosed,
}

/// One field as it stands in the text.
#[derive(Debug, Clone, Copy)]
struct Field {
    start: usize,
    end: usize,
    /// Quotes and escapes that are not data are inside `start..end`.
    raw: bool,
    quoted: bool,
    /// Where the next field begins.
    next: usize,
    ended_by: End,
}

impl CsvScanner {
    /// Refuses dialects that cannot be read without doubt.
    pub fn new(options: &CsvOptions) -> Result<Self> {
        for (what, text) in [("column separator", &options.column_separator), ("row delimiter", &options.row_delimiter)]
        {
            if text.is_empty() || text.len() > SEPARATOR_BYTES_MAX || std::str::from_utf8(text).is_err() {
                return invalid(format!("{what} must be 1 to {SEPARATOR_BYTES_MAX} bytes of UTF-8"));
            }
        }
        if options.column_separator == options.row_delimiter {
            return invalid("column separator and row delimiter must differ".into());
        }
        for (what, byte) in [("enclose", options.enclose), ("escape", options.escape)] {
            let Some(byte) = byte else { continue };
            if !byte.is_ascii() || options.column_separator.contains(&byte) || options.row_delimiter.contains(&byte) {
                return invalid(format!("{what} must be an ASCII character that is not part of a separator"));
            }
        }
        Ok(Self {
            separator: options.column_separator.clone(),
            delimiter: options.row_delimiter.clone(),
            enclose: options.enclose,
            escape: options.escape,
            trim: options.trim_space,
            null_text: options.null_text.clone(),
            carriage: false,
            width: Width::Exact,
            letters: false,
        })
    }

    /// The same with what the rules say about records.
    pub fn with_rules(self, rules: &FieldRules) -> Self {
        let carriage = rules.drop_carriage_returns && self.delimiter == b"\n";
        Self { carriage, width: rules.width, letters: rules.letter_escapes, ..self }
    }

    /// Separator and delimiter, when they are single bytes and nothing else matters.
    fn plain(&self) -> Option<(u8, u8)> {
        let single = self.separator.len() == 1 && self.delimiter.len() == 1;
        let bare = self.enclose.is_none() && self.escape.is_none() && !self.trim;
        (single && bare).then(|| (self.separator[0], self.delimiter[0]))
    }

    /// Whether records can be found without looking at fields.
    fn delimiter_stands_alone(&self) -> bool {
        let shared = self.separator.iter().any(|b| self.delimiter.contains(b));
        self.enclose.is_none() && self.escape.is_none() && !shared
    }

    /// End of the last whole record of `text`, which begins with a record: where a chunk can be cut.
    pub fn last_record_end(&self, text: &[u8]) -> Option<usize> {
        if self.delimiter_stands_alone() {
            if let [delimiter] = self.delimiter[..] {
                return memchr::memrchr(delimiter, text).map(|at| at + 1);
            }
            return memmem::find_iter(text, &self.delimiter).last().map(|at| at + self.delimiter.len());
        }
        let mut last = None;
        let mut at = 0;
        while let Some(end) = self.record_end(text, at) {
            last = Some(end);
            at = end;
        }
        last
    }

    /// End of the record that begins at `at`, its delimiter included; `None` when it does not end in `text`.
    pub fn record_end(&self, text: &[u8], at: usize) -> Option<usize> {
        if self.delimiter_stands_alone() {
            return memmem::find(&text[at..], &self.delimiter).map(|found| at + found + self.delimiter.len());
        }
        let mut at = at;
        loop {
            let field = self.field(text, at);
            match field.ended_by {
                End::Separator => at = field.next,
                End::Record => return Some(field.next),
                End::Input | End::Unclosed => return None,
            }
        }
    }

    /// Reads records from `at` until there are `rows_max` good ones or the text ends. Returns where it stopped, and
    /// how many bad ones were found. `width` is the number of fields a record must have.
    pub fn read(&self, records: &mut Records, at: usize, width: usize, rows_max: usize, bad: &mut Rejected) -> usize {
        match self.plain() {
            Some((separator, delimiter)) => self.read_plain(records, at, width, rows_max, bad, separator, delimiter),
            None => self.read_any(records, at, width, rows_max, bad),
        }
    }

    /// Eight bytes at a time: marks those that are separators or delimiters, then walks over the marks.
    #[allow(clippy::too_many_arguments)] // the two bytes are what makes this fast
    fn read_plain(
        &self,
        records: &mut Records,
        from: usize,
        width: usize,
        rows_max: usize,
        bad: &mut Rejected,
        separator: u8,
        delimiter: u8,
    ) -> usize {
        let text = records.text().as_bytes();
        let (mut record, mut field) = (from, from);
        let (separators, delimiters) = (splat(separator), splat(delimiter));
        let mut at = from;
        while let Some(word) = text.get(at..at + 8) {
            let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
            let mut marks = zero_bytes(word ^ separators) | zero_bytes(word ^ delimiters);
            while marks != 0 {
                let found = at + (marks.trailing_zeros() >> 3) as usize;
                marks &= marks - 1;
                records.push(self.plain_cell(text, field, self.field_end(text, field, found)));
                field = found + 1;
                if text[found] == delimiter {
                    self.end_record(records, record, found, width, bad);
                    record = field;
                    if records.rows() == rows_max {
                        return field;
                    }
                }
            }
            at += 8;
        }
        for found in at..text.len() {
            if text[found] != separator && text[found] != delimiter {
                continue;
            }
            records.push(self.plain_cell(text, field, self.field_end(text, field, found)));
            field = found + 1;
            if text[found] == delimiter {
                self.end_record(records, record, found, width, bad);
                record = field;
                if records.rows() == rows_max {
                    return field;
                }
            }
        }
        if record < text.len() {
            records.push(self.plain_cell(text, field, text.len()));
            self.end_record(records, record, text.len(), width, bad);
        }
        text.len()
    }

    /// Where the field from `start` to the mark at `found` ends.
    #[inline]
    fn field_end(&self, text: &[u8], start: usize, found: usize) -> usize {
        let at_delimiter = self.carriage && found > start && text[found] == b'\n';
        if at_delimiter && text[found - 1] == b'\r' { found - 1 } else { found }
    }

    #[inline]
    fn plain_cell(&self, text: &[u8], start: usize, end: usize) -> Cell {
        let null = self.null_text.as_bytes();
        if end - start == null.len() && &text[start..end] == null { Cell::NULL } else { Cell::text(start, end) }
    }

    fn read_any(&self, records: &mut Records, from: usize, width: usize, rows_max: usize, bad: &mut Rejected) -> usize {
        let text = records.text().as_bytes();
        let (mut at, mut record) = (from, from);
        while at < text.len() || at > record {
            let field = self.field(text, at);
            if field.ended_by == End::Unclosed {
                records.drop_record();
                bad.add("A quoted field is not closed", record, &text[record..]);
                return text.len();
            }
            self.push_field(records, &field);
            at = field.next;
            if field.ended_by != End::Separator {
                let end = if field.ended_by == End::Record { at - self.delimiter.len() } else { text.len() };
                self.end_record(records, record, end, width, bad);
                record = at;
                if records.rows() == rows_max || at >= text.len() {
                    return at;
                }
            }
        }
        text.len()
    }

    /// Checks the number of fields. A blank line is no record, except where a record is one field.
    fn end_record(&self, records: &mut Records, start: usize, end: usize, width: usize, bad: &mut Rejected) {
        let found = records.pending();
        if found == width {
            return records.end_record(start, end);
        }
        let line = &records.text().as_bytes()[start..end];
        if line.is_empty() || (self.carriage && line == b"\r") {
            return records.drop_record();
        }
        if self.width == Width::Lenient {
            records.fit(width);
            return records.end_record(start, end);
        }
        records.drop_record();
        let reason = format!(
            "Target column count: {width} doesn't match source value column count: {found}. \
             Column separator: '{}', Row delimiter: '{}'",
            self.separator.escape_ascii(),
            self.delimiter.escape_ascii()
        );
        bad.add(&reason, start, &records.text().as_bytes()[start..end]);
    }

    fn push_field(&self, records: &mut Records, field: &Field) {
        let text = records.text();
        let whole = &text[field.start..field.end];
        if !field.quoted && whole == self.null_text {
            return records.push(Cell::NULL);
        }
        let kind = if field.quoted { CellKind::Quoted } else { CellKind::Text };
        if !field.raw {
            return records.push(Cell::new(field.start, field.end, kind));
        }
        // The text that means NULL was found above, before its escape character would have been taken away.
        records.push_unescaped(CellKind::Quoted, |out| self.unescape(whole, field.quoted, out));
    }

    /// The data of a raw field: without its quotes, doubled quotes and escapes resolved.
    fn unescape(&self, raw: &str, quoted: bool, out: &mut String) {
        let enclose = self.enclose.map(char::from).filter(|_| quoted);
        let escape = self.escape.map(char::from);
        let mut chars = raw.chars().peekable();
        let mut inside = enclose.is_some();
        if inside {
            chars.next();
        }
        while let Some(c) = chars.next() {
            if Some(c) == escape && chars.peek().is_some() {
                if self.letters {
                    unescape_letter(&mut chars, out);
                } else {
                    out.extend(chars.next());
                }
            } else if inside && Some(c) == enclose {
                if chars.peek().copied() == enclose {
                    out.extend(chars.next());
                } else {
                    inside = false;
                }
            } else {
                out.push(c);
            }
        }
    }

    /// The field that begins at `at`.
    fn field(&self, text: &[u8], at: usize) -> Field {
        let start = if self.trim { at + blanks(&text[at..]) } else { at };
        match self.enclose {
            Some(enclose) if text.get(start) == Some(&enclose) => self.quoted_field(text, start, enclose),
            _ => {
                let (end, escaped, next, ended_by) = self.unquoted_end(text, start);
                let end = if self.trim { start + trimmed(&text[start..end]) } else { end };
                Field { start, end, raw: escaped, quoted: false, next, ended_by }
            }
        }
    }

    fn quoted_field(&self, text: &[u8], start: usize, enclose: u8) -> Field {
        let mut raw = false;
        let mut at = start + 1;
        let unclosed =
            Field { start, end: text.len(), raw: true, quoted: true, next: text.len(), ended_by: End::Unclosed };
        loop {
            let found = match self.escape {
                Some(escape) => memchr2(enclose, escape, &text[at.min(text.len())..]),
                None => memchr(enclose, &text[at.min(text.len())..]),
            };
            let Some(found) = found.map(|found| at + found) else { return unclosed };
            if text[found] != enclose || text.get(found + 1) == Some(&enclose) {
                raw = true;
                at = found + 2;
            } else {
                let (end, escaped, next, ended_by) = self.unquoted_end(text, found + 1);
                let end = if self.trim { found + 1 + trimmed(&text[found + 1..end]) } else { end };
                if !raw && !escaped && end == found + 1 {
                    return Field { start: start + 1, end: found, raw: false, quoted: true, next, ended_by };
                }
                return Field { start, end, raw: true, quoted: true, next, ended_by };
            }
        }
    }

    /// End of a field from a place outside of quotes: its end, whether something in it is escaped, where the next
    /// field begins, and what ended it.
    fn unquoted_end(&self, text: &[u8], from: usize) -> (usize, bool, usize, End) {
        let (separator, delimiter) = (self.separator[0], self.delimiter[0]);
        let mut escaped = false;
        let mut at = from;
        while at < text.len() {
            let rest = &text[at..];
            let found = match self.escape {
                Some(escape) => memchr3(separator, delimiter, escape, rest),
                None => memchr2(separator, delimiter, rest),
            };
            let Some(found) = found.map(|found| at + found) else { break };
            let here = &text[found..];
            if here.starts_with(&self.delimiter) {
                let end = self.field_end(text, from, found);
                return (end, escaped, found + self.delimiter.len(), End::Record);
            }
            if here.starts_with(&self.separator) {
                return (found, escaped, found + self.separator.len(), End::Separator);
            }
            if self.escape == Some(text[found]) {
                escaped = true;
                at = found + 2;
            } else {
                at = found + 1;
            }
        }
        (text.len(), escaped, text.len(), End::Input)
    }
}

/// What the character behind a backslash means.
fn unescape_letter(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    let Some(letter) = chars.next() else { return };
    match letter {
        'b' => out.push('\u{8}'),
        'f' => out.push('\u{c}'),
        'n' => out.push('\n'),
        'r' => out.push('\r'),
        't' => out.push('\t'),
        '0' => out.push('\0'),
        'x' => {
            let mut ahead = chars.clone();
            let digits: String = ahead.by_ref().take(2).collect();
            match u8::from_str_radix(&digits, 16).ok().filter(|b| digits.len() == 2 && b.is_ascii()) {
                Some(byte) => {
                    out.push(char::from(byte));
                    *chars = ahead;
                }
                None => out.push('x'),
            }
        }
        other => out.push(other),
    }
}

fn invalid<T>(message: String) -> Result<T> {
    Err(Error::InvalidArgument { message })
}

fn splat(byte: u8) -> u64 {
    u64::from(byte) * 0x0101_0101_0101_0101
}

/// The high bit of each byte that is zero, exactly.
#[inline]
fn zero_bytes(word: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    !(((word & LOW) + LOW) | word | LOW)
}

fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|b| **b == b' ').count()
}

/// Length without trailing blanks.
fn trimmed(text: &[u8]) -> usize {
    text.len() - text.iter().rev().take_while(|b| **b == b' ').count()
}
