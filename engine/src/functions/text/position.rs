//! Where texts are in texts, and how texts compare.

use crate::functions::row::{
    Kind::{Bytes, Int, Text},
    function,
};
use datafusion::{arrow::datatypes::DataType, logical_expr::ScalarUDF};
use std::{cmp::Ordering, sync::Arc};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        function(&["instr"], &[Text, Text], "instr(text, part)", "Where the part first is in the text; 0 when it is not.", "instr('foobar', 'bar')")
            .uint(DataType::UInt64, |row| Ok(position(row.text(0), row.text(1), 1))),
        function(
            &["locate", "position"],
            &[Text, Text, Int],
            "locate(part, text[, from])",
            "Where the part first is in the text, at or behind a position; 0 when it is not. Also written POSITION(part IN text).",
            "locate('bar', 'foobarbar', 5)",
        )
        .optional(1)
        .uint(DataType::UInt64, |row| Ok(position(row.text(1), row.text(0), row.int_or(2, 1)))),
        function(&["strcmp"], &[Text, Text], "strcmp(a, b)", "-1, 0 or 1: how two texts compare.", "strcmp('a', 'b')").int(
            DataType::Int8,
            |row| {
                Ok(match row.text(0).cmp(row.text(1)) {
                    Ordering::Less => -1,
                    Ordering::Equal => 0,
                    Ordering::Greater => 1,
                })
            },
        ),
        function(&["ascii"], &[Bytes], "ascii(text)", "The number of the first byte; 0 of an empty text.", "ascii('2')")
            .uint(DataType::UInt8, |row| Ok(u64::from(row.bytes(0).first().copied().unwrap_or(0)))),
        function(
            &["ord"],
            &[Text],
            "ord(text)",
            "The bytes of the first character, read as one number with the first byte in front.",
            "ord('é')",
        )
        .uint(DataType::UInt64, |row| {
            let first = row.text(0).chars().next().map(char::len_utf8).unwrap_or(0);
            Ok(row.text(0).as_bytes()[..first].iter().fold(0, |code, byte| (code << 8) | u64::from(*byte)))
        }),
        function(&["starts_with", "startswith"], &[Text, Text], "starts_with(text, part)", "Whether a text begins with another.", "starts_with('basalt', 'bas')")
            .bool(|row| Ok(row.text(0).starts_with(row.text(1)))),
        function(&["ends_with", "endswith"], &[Text, Text], "ends_with(text, part)", "Whether a text ends with another.", "ends_with('basalt', 'alt')")
            .bool(|row| Ok(row.text(0).ends_with(row.text(1)))),
    ]
}

/// Position in characters from 1, at or behind `from`; 0 for nowhere.
fn position(text: &str, part: &str, from: i64) -> u64 {
    let Some(skip) = usize::try_from(from).ok().and_then(|from| from.checked_sub(1)) else {
        return 0;
    };
    let start = match text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(skip) {
        Some(start) => start,
        None => return 0,
    };
    match text[start..].find(part) {
        Some(at) => (skip + text[start..start + at].chars().count()) as u64 + 1,
        None => 0,
    }
}
