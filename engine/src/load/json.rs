//! JSON documents to records: keys to fields by name, or values by path. Where values begin and end is
//! `json_text.rs`'s business.

use super::{
    JsonOptions,
    json_text::{self, JsonError, JsonResult, skip_blanks, string_end, value_end},
    records::{Cell, CellKind, Records},
    rejected::Rejected,
};
use crate::{Error, Result};
use std::collections::HashMap;

/// Bytes of a document that are shown when it is no JSON.
const SHOWN_BYTES_MAX: usize = 1024;

/// Finds the fields of documents.
#[derive(Debug)]
pub(super) struct JsonReader {
    width: usize,
    by_name: HashMap<String, usize>,
    by_lower_name: HashMap<String, usize>,
    paths: Option<Vec<JsonPath>>,
    root: Option<JsonPath>,
    /// Documents are the elements of one array, commas between them.
    elements: bool,
    /// Documents are taken whole, whatever they are.
    whole: bool,
}

/// Where a read stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    At(usize),
    /// From here on nothing can be understood.
    Malformed,
}

/// Keys in the order of the last document, with their fields: the next document mostly has the same order.
#[derive(Debug, Default)]
pub(super) struct KeyOrder(Vec<(String, Option<usize>)>);

impl JsonReader {
    pub fn new(options: &JsonOptions, fields: &[String]) -> Result<Self> {
        let paths =
            options.paths.as_ref().map(|paths| paths.iter().map(|p| JsonPath::parse(p)).collect::<Result<Vec<_>>>());
        let paths = paths.transpose()?;
        if let Some(paths) = &paths
            && paths.len() < fields.len()
        {
            let message = format!("{} JSON paths for {} fields", paths.len(), fields.len());
            return Err(Error::InvalidArgument { message });
        }
        let names = || fields.iter().enumerate();
        Ok(Self {
            width: fields.len(),
            by_name: names().map(|(at, name)| (name.clone(), at)).collect(),
            by_lower_name: names().map(|(at, name)| (name.to_lowercase(), at)).collect(),
            paths,
            root: options.root.as_deref().map(JsonPath::parse).transpose()?,
            elements: options.body_is_array(),
            whole: false,
        })
    }

    /// The same for documents that are taken whole, as records without fields.
    pub fn whole(self) -> Self {
        Self { whole: true, ..self }
    }

    /// Reads documents from `at` until there are `rows_max` records or the text ends.
    pub fn read(
        &self,
        records: &mut Records,
        at: usize,
        rows_max: usize,
        order: &mut KeyOrder,
        bad: &mut Rejected,
    ) -> Stopped {
        let text = records.text().as_bytes();
        let mut at = at;
        while records.rows() < rows_max {
            at = skip_blanks(text, at);
            while self.elements && text.get(at) == Some(&b',') {
                at = skip_blanks(text, at + 1);
            }
            if at >= text.len() {
                break;
            }
            match self.document(records, at, order, bad) {
                Ok(end) => at = end,
                Err(error) => {
                    records.drop_record();
                    let shown = &text[at..text.len().min(at + SHOWN_BYTES_MAX)];
                    bad.add(&format!("Unrecognized json format, error: {error}"), at, shown);
                    match json_text::rough_end(text, at) {
                        Ok(end) if error == JsonError::TooDeep => at = end,
                        _ => return Stopped::Malformed,
                    }
                }
            }
        }
        Stopped::At(at)
    }

    /// Reads the document at `at` and returns its end.
    fn document(
        &self,
        records: &mut Records,
        at: usize,
        order: &mut KeyOrder,
        bad: &mut Rejected,
    ) -> JsonResult<usize> {
        let text = records.text().as_bytes();
        if self.whole {
            let end = value_end(text, at)?;
            records.end_record(at, end);
            return Ok(end);
        }
        if self.root.is_none() && self.paths.is_none() && text[at] == b'{' {
            let end = self.object(records, at, order)?;
            records.end_record(at, end);
            return Ok(end);
        }
        let end = value_end(text, at)?;
        let start = match &self.root {
            None => at,
            Some(root) => match root.find(records.text(), at)? {
                Some(start) => start,
                None => {
                    bad.add("The JSON root is not in the document", at, &text[at..end]);
                    return Ok(end);
                }
            },
        };
        if self.root.is_some() && text[start] == b'[' {
            let mut element = skip_blanks(text, start + 1);
            while text[element] != b']' {
                let element_end = value_end(text, element)?;
                self.row(records, element, element_end, order, bad)?;
                element = skip_blanks(text, element_end);
                if text[element] == b',' {
                    element = skip_blanks(text, element + 1);
                }
            }
            return Ok(end);
        }
        self.row(records, start, value_end(text, start)?, order, bad)?;
        Ok(end)
    }

    /// One row from the checked value at `start..end`.
    fn row(
        &self,
        records: &mut Records,
        start: usize,
        end: usize,
        order: &mut KeyOrder,
        bad: &mut Rejected,
    ) -> JsonResult<()> {
        let text = records.text().as_bytes();
        match text[start] {
            b'{' => {}
            b'[' => {
                let reason = "The value is array type in json document stream, you can set strip_outer_array=true to \
                              parse each element of the array as individual rows";
                bad.add(reason, start, &text[start..end]);
                return Ok(());
            }
            _ => {
                bad.add("The value should be object type in json document stream", start, &text[start..end]);
                return Ok(());
            }
        }
        match &self.paths {
            None => {
                self.object(records, start, order)?;
            }
            Some(paths) => {
                records.begin_missing();
                for (field, path) in paths.iter().take(self.width).enumerate() {
                    if let Some(at) = path.find(records.text(), start)? {
                        let (cell, _) = value_cell(records, at)?;
                        records.set(field, cell);
                    }
                }
            }
        }
        records.end_record(start, end);
        Ok(())
    }

    /// The fields of the object at `at`; returns its end.
    fn object(&self, records: &mut Records, at: usize, order: &mut KeyOrder) -> JsonResult<usize> {
        let text = records.text();
        let bytes = text.as_bytes();
        records.begin_missing();
        let mut at = skip_blanks(bytes, at + 1);
        if bytes.get(at) == Some(&b'}') {
            return Ok(at + 1);
        }
        for position in 0.. {
            let (key, after) = key(text, at)?;
            let field = match key {
                Key::Plain(key) => self.field(key, position, order),
                Key::Unescaped(key) => self.find_field(&key),
            };
            at = skip_blanks(bytes, after);
            match field {
                Some(field) => {
                    let (cell, end) = value_cell(records, at)?;
                    records.set(field, cell);
                    at = end;
                }
                None => at = value_end(bytes, at)?,
            }
            at = skip_blanks(bytes, at);
            match bytes.get(at) {
                Some(b',') => at = skip_blanks(bytes, at + 1),
                Some(b'}') => return Ok(at + 1),
                Some(_) => return Err(JsonError::Unexpected { at }),
                None => return Err(JsonError::Incomplete),
            }
        }
        Err(JsonError::Incomplete)
    }

    #[inline]
    fn field(&self, key: &str, position: usize, order: &mut KeyOrder) -> Option<usize> {
        if let Some((expected, field)) = order.0.get(position)
            && expected == key
        {
            return *field;
        }
        let field = self.find_field(key);
        order.0.truncate(position.min(order.0.len()));
        if order.0.len() == position {
            order.0.push((key.to_string(), field));
        }
        field
    }

    fn find_field(&self, key: &str) -> Option<usize> {
        self.by_name.get(key).or_else(|| self.by_lower_name.get(&key.to_lowercase())).copied()
    }
}

enum Key<'a> {
    Plain(&'a str),
    Unescaped(String),
}

/// The key at `at`, and the position behind its colon.
#[inline]
fn key(text: &str, at: usize) -> JsonResult<(Key<'_>, usize)> {
    let bytes = text.as_bytes();
    match bytes.get(at) {
        Some(b'"') => {}
        Some(_) => return Err(JsonError::Unexpected { at }),
        None => return Err(JsonError::Incomplete),
    }
    let (end, escaped) = string_end(bytes, at)?;
    let raw = &text[at + 1..end - 1];
    let colon = skip_blanks(bytes, end);
    match bytes.get(colon) {
        Some(b':') => {}
        Some(_) => return Err(JsonError::Unexpected { at: colon }),
        None => return Err(JsonError::Incomplete),
    }
    if !escaped {
        return Ok((Key::Plain(raw), colon + 1));
    }
    let mut unescaped = String::new();
    json_text::unescape(raw, &mut unescaped)?;
    Ok((Key::Unescaped(unescaped), colon + 1))
}

/// The value at `at` as a field, and its end.
#[inline]
fn value_cell(records: &mut Records, at: usize) -> JsonResult<(Cell, usize)> {
    let text = records.text();
    let bytes = text.as_bytes();
    match bytes.get(at) {
        Some(b'"') => {
            let (end, escaped) = string_end(bytes, at)?;
            if !escaped {
                return Ok((Cell::new(at + 1, end - 1, CellKind::Quoted), end));
            }
            let mut unescaped = Ok(());
            let cell = records.unescape(CellKind::Quoted, |out| {
                unescaped = json_text::unescape(&text[at + 1..end - 1], out);
            });
            unescaped.map(|()| (cell, end))
        }
        Some(b'{' | b'[') => {
            let end = value_end(bytes, at)?;
            Ok((Cell::new(at, end, CellKind::Nested), end))
        }
        Some(first) => {
            let end = json_text::scalar_end(bytes, at)?;
            let cell = match first {
                b'n' => Cell::NULL,
                b't' | b'f' => Cell::new(at, end, CellKind::Text),
                _ => Cell::new(at, end, CellKind::Number),
            };
            Ok((cell, end))
        }
        None => Err(JsonError::Incomplete),
    }
}

/// A path like `$.a.b[0]` or `$["a b"]`.
#[derive(Debug, Clone, PartialEq)]
struct JsonPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

impl JsonPath {
    fn parse(text: &str) -> Result<Self> {
        let wrong = || Error::InvalidArgument { message: format!("not a JSON path: `{text}`") };
        let mut rest = text.trim().strip_prefix('$').ok_or_else(wrong)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let key = after[..end].trim_matches('"');
                if key.is_empty() || key == "*" {
                    return Err(wrong());
                }
                steps.push(Step::Key(key.to_string()));
                rest = &after[end..];
            } else {
                let after = rest.strip_prefix('[').ok_or_else(wrong)?;
                let (inside, after) = after.split_once(']').ok_or_else(wrong)?;
                let quoted = |quote: char| inside.strip_prefix(quote).and_then(|s| s.strip_suffix(quote));
                steps.push(match quoted('"').or_else(|| quoted('\'')) {
                    Some(key) => Step::Key(key.to_string()),
                    None => Step::Index(inside.trim().parse().map_err(|_| wrong())?),
                });
                rest = after;
            }
        }
        Ok(Self(steps))
    }

    /// Where the value stands within the checked value at `at`.
    fn find(&self, text: &str, at: usize) -> JsonResult<Option<usize>> {
        let mut at = at;
        for step in &self.0 {
            let found = match step {
                Step::Key(key) => find_key(text, at, key)?,
                Step::Index(index) => find_index(text.as_bytes(), at, *index)?,
            };
            let Some(found) = found else { return Ok(None) };
            at = found;
        }
        Ok(Some(at))
    }
}

fn find_key(text: &str, at: usize, wanted: &str) -> JsonResult<Option<usize>> {
    let bytes = text.as_bytes();
    if bytes.get(at) != Some(&b'{') {
        return Ok(None);
    }
    let mut at = skip_blanks(bytes, at + 1);
    let mut found = None;
    while bytes.get(at) != Some(&b'}') {
        let (key, after) = key(text, at)?;
        let value = skip_blanks(bytes, after);
        let same = match &key {
            Key::Plain(key) => *key == wanted,
            Key::Unescaped(key) => key == wanted,
        };
        if same {
            found = Some(value);
        }
        at = skip_blanks(bytes, value_end(bytes, value)?);
        if bytes.get(at) == Some(&b',') {
            at = skip_blanks(bytes, at + 1);
        }
    }
    Ok(found)
}

fn find_index(text: &[u8], at: usize, wanted: usize) -> JsonResult<Option<usize>> {
    if text.get(at) != Some(&b'[') {
        return Ok(None);
    }
    let mut at = skip_blanks(text, at + 1);
    for index in 0.. {
        if text.get(at) == Some(&b']') {
            return Ok(None);
        }
        if index == wanted {
            return Ok(Some(at));
        }
        at = skip_blanks(text, value_end(text, at)?);
        if text.get(at) == Some(&b',') {
            at = skip_blanks(text, at + 1);
        }
    }
    Ok(None)
}
