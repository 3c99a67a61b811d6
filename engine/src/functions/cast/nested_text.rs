//! Texts of nested values: JSON, and the way values are shown: `[1,NULL]`, `{'k':1}`, `(1,"x")`. Each text is taken
//! apart, then all parts of a column that stand at the same place are converted together.

use super::{CastRules, cannot, cast_array, impossible};
use crate::{functions::cast::is_special, types::Special};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, ListArray, MapArray, StringViewBuilder, StructArray},
        buffer::{NullBuffer, OffsetBuffer},
        compute::cast,
        datatypes::DataType,
    },
    common::Result,
};
use std::sync::Arc;

/// How deep values may nest.
const DEPTH_MAX: usize = 64;

/// A part of a text.
enum Part<'a> {
    Null,
    /// Without quotes and escapes.
    Quoted(String),
    /// A number, a boolean or an unquoted word.
    Bare(&'a str),
    List {
        raw: &'a str,
        items: Vec<Part<'a>>,
    },
    Map {
        raw: &'a str,
        pairs: Vec<(Part<'a>, Part<'a>)>,
    },
}

pub(super) fn read(values: &ArrayRef, to: &DataType, rules: CastRules) -> Result<ArrayRef> {
    let texts = cast(values, &DataType::Utf8View)?;
    let mut parts = Vec::with_capacity(texts.len());
    for text in texts.as_string_view() {
        let Some(text) = text else {
            parts.push(None);
            continue;
        };
        match (Reader { text, at: 0 }).only() {
            Some(part) => parts.push(Some(part)),
            None if rules.or_null => parts.push(None),
            None => return Err(cannot(text, to)),
        }
    }
    let parts: Vec<Option<&Part<'_>>> = parts.iter().map(Option::as_ref).collect();
    build(&parts, to, rules)
}

/// The parts as one column.
fn build(parts: &[Option<&Part<'_>>], to: &DataType, rules: CastRules) -> Result<ArrayRef> {
    if is_special(to) {
        return leaves(parts, to, rules);
    }
    match to {
        DataType::List(item) => {
            let (mut items, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new());
            for part in parts {
                let found = match part {
                    Some(Part::List { items, .. }) => Some(items),
                    other => fitting(*other, to, rules)?,
                };
                valid.push(found.is_some());
                lengths.push(found.map_or(0, Vec::len));
                items.extend(found.into_iter().flatten().map(Some));
            }
            let items = build(&items, item.data_type(), rules)?;
            let list = ListArray::try_new(Arc::clone(item), OffsetBuffer::from_lengths(lengths), items, nulls(valid))?;
            Ok(Arc::new(list))
        }
        DataType::Map(entries, sorted) => {
            let DataType::Struct(fields) = entries.data_type() else { return impossible(&DataType::Utf8, to) };
            let (mut keys, mut items, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for part in parts {
                let found = match part {
                    Some(Part::Map { pairs, .. }) => Some(pairs),
                    other => fitting(*other, to, rules)?,
                };
                valid.push(found.is_some());
                lengths.push(found.map_or(0, Vec::len));
                for (key, item) in found.into_iter().flatten() {
                    keys.push(Some(key));
                    items.push(Some(item));
                }
            }
            let columns =
                vec![build(&keys, fields[0].data_type(), rules)?, build(&items, fields[1].data_type(), rules)?];
            let inner = StructArray::try_new(fields.clone(), columns, None)?;
            let offsets = OffsetBuffer::from_lengths(lengths);
            Ok(Arc::new(MapArray::try_new(Arc::clone(entries), offsets, inner, nulls(valid), *sorted)?))
        }
        DataType::Struct(fields) => {
            let mut columns: Vec<Vec<Option<&Part<'_>>>> = vec![Vec::with_capacity(parts.len()); fields.len()];
            let mut valid = Vec::with_capacity(parts.len());
            for part in parts {
                let row: Option<Vec<Option<&Part<'_>>>> = match part {
                    Some(Part::List { items, .. }) if items.len() == fields.len() => {
                        Some(items.iter().map(Some).collect())
                    }
                    Some(Part::Map { pairs, .. }) => Some(
                        fields
                            .iter()
                            .map(|field| pairs.iter().find(|(key, _)| key.is(field.name())).map(|(_, item)| item))
                            .collect(),
                    ),
                    other => fitting(*other, to, rules)?,
                };
                valid.push(row.is_some());
                let row = row.unwrap_or_else(|| vec![None; fields.len()]);
                columns.iter_mut().zip(row).for_each(|(column, part)| column.push(part));
            }
            let columns = columns.iter().zip(fields).map(|(column, field)| build(column, field.data_type(), rules));
            let columns = columns.collect::<Result<Vec<_>>>()?;
            Ok(Arc::new(StructArray::try_new(fields.clone(), columns, nulls(valid))?))
        }
        _ => leaves(parts, to, rules),
    }
}

/// NULL is NULL; what does not have the wanted form is an error, or NULL.
fn fitting<T>(part: Option<&Part<'_>>, to: &DataType, rules: CastRules) -> Result<Option<T>> {
    match part {
        None | Some(Part::Null) => Ok(None),
        Some(_) if rules.or_null => Ok(None),
        Some(part) => Err(cannot(&part.text(), to)),
    }
}

fn nulls(valid: Vec<bool>) -> Option<NullBuffer> {
    valid.contains(&false).then(|| NullBuffer::from(valid))
}

fn leaves(parts: &[Option<&Part<'_>>], to: &DataType, rules: CastRules) -> Result<ArrayRef> {
    let json = Special::of(to) == Some(Special::Variant);
    let mut builder = StringViewBuilder::with_capacity(parts.len());
    for part in parts {
        match part {
            None => builder.append_null(),
            Some(Part::Null) if json => builder.append_value("null"),
            Some(Part::Null) => builder.append_null(),
            Some(Part::Quoted(text)) if json => {
                builder.append_value(serde_json::Value::String(text.clone()).to_string());
            }
            Some(part) => builder.append_value(part.text()),
        }
    }
    let texts: ArrayRef = Arc::new(builder.finish());
    cast_array(&texts, to, rules)
}

impl Part<'_> {
    fn text(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Part::Null => "NULL".into(),
            Part::Quoted(text) => text.as_str().into(),
            Part::Bare(text) | Part::List { raw: text, .. } | Part::Map { raw: text, .. } => (*text).into(),
        }
    }

    fn is(&self, name: &str) -> bool {
        match self {
            Part::Quoted(text) => text == name,
            Part::Bare(text) => *text == name,
            _ => false,
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// One value and nothing behind it.
    fn only(mut self) -> Option<Part<'a>> {
        let part = self.part(0)?;
        self.blanks();
        (self.at == self.text.len()).then_some(part)
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.byte().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn accept(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.byte() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn part(&mut self, depth: usize) -> Option<Part<'a>> {
        self.blanks();
        let start = self.at;
        match self.byte()? {
            _ if depth > DEPTH_MAX => None,
            b'[' | b'(' => {
                let close = if self.byte() == Some(b'[') { b']' } else { b')' };
                self.at += 1;
                let mut items = Vec::new();
                while !self.accept(close) {
                    if !items.is_empty() && !self.accept(b',') {
                        return None;
                    }
                    // `(1,)` is the tuple of one.
                    if close == b')' && items.len() == 1 && self.accept(close) {
                        break;
                    }
                    items.push(self.part(depth + 1)?);
                }
                Some(Part::List { raw: &self.text[start..self.at], items })
            }
            b'{' => {
                self.at += 1;
                let mut pairs = Vec::new();
                while !self.accept(b'}') {
                    if !pairs.is_empty() && !self.accept(b',') {
                        return None;
                    }
                    let key = self.part(depth + 1)?;
                    if !self.accept(b':') {
                        return None;
                    }
                    pairs.push((key, self.part(depth + 1)?));
                }
                Some(Part::Map { raw: &self.text[start..self.at], pairs })
            }
            quote @ (b'"' | b'\'') => self.quoted(quote).map(Part::Quoted),
            _ => {
                let rest = &self.text[start..];
                let end = rest.find([',', ']', ')', '}', ':', '[', '(', '{']).unwrap_or(rest.len());
                let bare = rest[..end].trim_end();
                self.at += end;
                if bare.is_empty() {
                    return None;
                }
                Some(if bare.eq_ignore_ascii_case("null") { Part::Null } else { Part::Bare(bare) })
            }
        }
    }

    fn quoted(&mut self, quote: u8) -> Option<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = self.text.get(self.at..)?;
            let stop = rest.find([char::from(quote), '\\'])?;
            out.push_str(&rest[..stop]);
            self.at += stop + 1;
            if rest.as_bytes()[stop] == quote {
                if self.byte() != Some(quote) {
                    return Some(out);
                }
                // A doubled quote is one.
                out.push(char::from(quote));
                self.at += 1;
                continue;
            }
            let escaped = self.text.get(self.at..)?.chars().next()?;
            self.at += escaped.len_utf8();
            match escaped {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                'b' => out.push('\u{8}'),
                'f' => out.push('\u{c}'),
                'u' => out.push(self.unicode()?),
                other => out.push(other),
            }
        }
    }

    /// The four digits of `\uXXXX`, and a second such where the first is half of a character.
    fn unicode(&mut self) -> Option<char> {
        let high = self.hex4()?;
        if !(0xd800..0xdc00).contains(&high) {
            return char::from_u32(high);
        }
        if self.text.get(self.at..self.at + 2)? != "\\u" {
            return None;
        }
        self.at += 2;
        let low = self.hex4().filter(|low| (0xdc00..0xe000).contains(low))?;
        char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }
}
