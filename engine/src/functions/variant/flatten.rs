//! The rows of FLATTEN: every item of an array or field of an object, with where it was found.

use super::call::{Call, damaged, shown};
use datafusion::{
    arrow::{
        array::{ArrayRef, LargeBinaryBuilder, ListArray, StringViewBuilder, StructArray, UInt64Builder},
        buffer::OffsetBuffer,
        datatypes::{DataType, Field, Fields},
    },
    common::{Result, exec_err, internal_err},
};
use jsonb::{Value, jsonpath::parse_json_path};
use std::sync::Arc;

/// SEQ, KEY, PATH, INDEX, VALUE, THIS.
pub(super) fn columns() -> Fields {
    Fields::from(vec![
        Field::new("seq", DataType::UInt64, true),
        Field::new("key", DataType::Utf8View, true),
        Field::new("path", DataType::Utf8View, true),
        Field::new("index", DataType::UInt64, true),
        Field::new("value", DataType::LargeBinary, true),
        Field::new("this", DataType::LargeBinary, true),
    ])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Both,
    Arrays,
    Objects,
}

impl Mode {
    fn of(text: Option<&str>) -> Result<Self> {
        Ok(match text.map(str::to_lowercase).as_deref() {
            None | Some("both") => Mode::Both,
            Some("array") => Mode::Arrays,
            Some("object") => Mode::Objects,
            Some(other) => return exec_err!("flatten: mode is 'both', 'array' or 'object', not '{}'", shown(other)),
        })
    }
}

/// The rows made so far.
struct Rows {
    seq: UInt64Builder,
    key: StringViewBuilder,
    path: StringViewBuilder,
    index: UInt64Builder,
    value: LargeBinaryBuilder,
    this: LargeBinaryBuilder,
    count: usize,
}

/// One item and where it was found.
struct Found<'a> {
    key: Option<&'a str>,
    path: &'a str,
    index: Option<u64>,
    value: &'a Value<'a>,
}

impl Rows {
    fn new() -> Self {
        Self {
            seq: UInt64Builder::new(),
            key: StringViewBuilder::new(),
            path: StringViewBuilder::new(),
            index: UInt64Builder::new(),
            value: LargeBinaryBuilder::new(),
            this: LargeBinaryBuilder::new(),
            count: 0,
        }
    }

    fn push(&mut self, seq: u64, found: &Found<'_>, this: &[u8]) {
        self.seq.append_value(seq);
        self.key.append_option(found.key);
        self.path.append_value(found.path);
        self.index.append_option(found.index);
        self.value.append_value(found.value.to_vec());
        self.this.append_value(this);
        self.count += 1;
    }

    fn push_nothing(&mut self, seq: u64) {
        self.seq.append_value(seq);
        self.key.append_null();
        self.path.append_null();
        self.index.append_null();
        self.value.append_null();
        self.this.append_null();
        self.count += 1;
    }
}

struct Walk<'a> {
    rows: &'a mut Rows,
    seq: u64,
    mode: Mode,
    recursive: bool,
}

impl Walk<'_> {
    fn open(&mut self, value: &Value<'_>, path: &str) {
        match value {
            Value::Array(items) if self.mode != Mode::Objects => {
                let this = value.to_vec();
                for (at, item) in items.iter().enumerate() {
                    let path = format!("{path}[{at}]");
                    self.step(&Found { key: None, path: &path, index: Some(at as u64), value: item }, &this);
                }
            }
            Value::Object(fields) if self.mode != Mode::Arrays => {
                let this = value.to_vec();
                for (key, field) in fields {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    self.step(&Found { key: Some(key), path: &path, index: None, value: field }, &this);
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, found: &Found<'_>, this: &[u8]) {
        self.rows.push(self.seq, found, this);
        if self.recursive {
            self.open(found.value, found.path);
        }
    }
}

/// `flatten(input, path, outer, recursive, mode)`: for each row an array of its rows; `next` numbers the inputs.
pub(super) fn flatten(call: &Call, next: impl Fn() -> u64) -> Result<ArrayRef> {
    let mut rows = Rows::new();
    let mut lengths = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let before = rows.count;
        let seq = next();
        let mode = Mode::of(call.text(4, row))?;
        let found = match (call.json(0, row), call.text(1, row)) {
            (Some(value), Some(path)) if !path.is_empty() => {
                let parsed = parse_json_path(path.as_bytes());
                let parsed = parsed.map_err(|_| call.failed(format!("'{}' is no path", shown(path))))?;
                value.select_first_by_path(&parsed).map_err(damaged)?
            }
            (value, _) => value.map(|v| v.to_owned()),
        };
        if let Some(found) = &found {
            let value = found.as_raw().to_value().map_err(damaged)?;
            let recursive = call.boolean(3, row) == Some(true);
            Walk { rows: &mut rows, seq, mode, recursive }.open(&value, call.text(1, row).unwrap_or_default());
        }
        if rows.count == before && call.boolean(2, row) == Some(true) {
            rows.push_nothing(seq);
        }
        lengths.push(rows.count - before);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.seq.finish()),
        Arc::new(rows.key.finish()),
        Arc::new(rows.path.finish()),
        Arc::new(rows.index.finish()),
        Arc::new(rows.value.finish()),
        Arc::new(rows.this.finish()),
    ];
    let DataType::List(item) = call.answer else {
        return internal_err!("flatten answers with an array");
    };
    let tuples = StructArray::try_new(self::columns(), columns, None)?;
    Ok(Arc::new(ListArray::try_new(item.clone(), OffsetBuffer::from_lengths(lengths), Arc::new(tuples), None)?))
}
