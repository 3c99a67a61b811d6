//! Texts made of texts: joined, cut, trimmed, repeated, turned around.

use crate::functions::row::{
    Kind::{Bytes, Int, Text},
    Row, function,
};
use datafusion::{
    arrow::{
        array::{ArrayRef, ListBuilder, StringViewBuilder},
        datatypes::{DataType, Field},
    },
    common::{Result, exec_err},
    logical_expr::ScalarUDF,
};
use std::sync::Arc;

/// Longest text a function makes: a row must fit into memory.
const LENGTH_MAX: usize = 256 << 20;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        function(
            &["concat"],
            &[Text],
            "concat(text, ...)",
            "The texts behind each other; NULL when one is NULL.",
            "concat('a', 'b')",
        )
        .repeats()
        .text(|row, out| {
            (0..row.arguments()).for_each(|at| out.push_str(row.text(at)));
            Ok(())
        }),
        function(
            &["concat_ws"],
            &[Text, Text],
            "concat_ws(separator, text, ...)",
            "The texts that are not NULL, with a separator between them; NULL when the separator is.",
            "concat_ws(',', 'a', NULL, 'b')",
        )
        .repeats()
        .sees_nulls()
        .text_or_null(|row, out| {
            if row.is_null(0) {
                return Ok(false);
            }
            let mut first = true;
            for at in (1..row.arguments()).filter(|at| !row.is_null(*at)) {
                if !std::mem::take(&mut first) {
                    out.push_str(row.text(0));
                }
                out.push_str(row.text(at));
            }
            Ok(true)
        }),
        function(&["left"], &[Text, Int], "left(text, n)", "The first n characters.", "left('basalt', 3)").text(
            |row, out| {
                out.extend(row.text(0).chars().take(count(row.int(1))));
                Ok(())
            },
        ),
        function(&["right"], &[Text, Int], "right(text, n)", "The last n characters.", "right('basalt', 3)").text(
            |row, out| {
                let skip = row.text(0).chars().count().saturating_sub(count(row.int(1)));
                out.extend(row.text(0).chars().skip(skip));
                Ok(())
            },
        ),
        function(
            &["substr", "substring", "mid", "substr_utf8", "substring_utf8"],
            &[Text, Int, Int],
            "substr(text, position[, length])",
            "A part of a text. Positions count from 1, negative ones from the end; position 0 is nowhere.",
            "substr('basalt', -3, 2)",
        )
        .optional(1)
        .text(|row, out| {
            out.push_str(part(row.text(0), row.int(1), row.int_or(2, i64::MAX)));
            Ok(())
        }),
        function(
            &["insert"],
            &[Text, Int, Int, Text],
            "insert(text, position, length, new)",
            "The text with `length` characters from a position on replaced; unchanged when the position is outside.",
            "insert('Quadratic', 3, 4, 'What')",
        )
        .text(|row, out| {
            let (text, position, length) = (row.text(0), row.int(1), row.int(2));
            let total = text.chars().count();
            let Some(start) = usize::try_from(position).ok().filter(|p| (1..=total).contains(p)) else {
                out.push_str(text);
                return Ok(());
            };
            let stop = match usize::try_from(length) {
                Ok(length) => (start - 1).saturating_add(length).min(total),
                Err(_) => total,
            };
            out.extend(text.chars().take(start - 1));
            out.push_str(row.text(3));
            out.extend(text.chars().skip(stop));
            Ok(())
        }),
        function(&["repeat"], &[Text, Int], "repeat(text, n)", "The text n times.", "repeat('ab', 3)")
            .text(|row, out| repeat(out, row.text(0), row.int(1))),
        function(&["space"], &[Int], "space(n)", "n spaces.", "space(4)").text(|row, out| repeat(out, " ", row.int(0))),
        function(&["reverse"], &[Text], "reverse(text)", "The characters in the other direction.", "reverse('abc')")
            .text(|row, out| {
                out.extend(row.text(0).chars().rev());
                Ok(())
            }),
        function(
            &["translate"],
            &[Text, Text, Text],
            "translate(text, from, to)",
            "Each character of `from` becomes the one at the same place in `to`, or goes when there is none.",
            "translate('abcd', 'ab', 'x')",
        )
        .text(|row, out| {
            for c in row.text(0).chars() {
                match row.text(1).chars().position(|from| from == c) {
                    None => out.push(c),
                    Some(at) => out.extend(row.text(2).chars().nth(at)),
                }
            }
            Ok(())
        }),
        function(
            &["trim_both"],
            &[Text, Text],
            "trim_both(text, part)",
            "Without `part` at both ends, as often as it is there; also written TRIM(BOTH part FROM text).",
            "trim_both('aaabbaaa', 'aa')",
        )
        .text(|row, out| {
            out.push_str(without_end(without_start(row.text(0), row.text(1)), row.text(1)));
            Ok(())
        }),
        function(
            &["trim_leading"],
            &[Text, Text],
            "trim_leading(text, part)",
            "Without `part` at the start, as often as it is there.",
            "trim_leading('aaabbaaa', 'aa')",
        )
        .text(|row, out| {
            out.push_str(without_start(row.text(0), row.text(1)));
            Ok(())
        }),
        function(
            &["trim_trailing"],
            &[Text, Text],
            "trim_trailing(text, part)",
            "Without `part` at the end, as often as it is there.",
            "trim_trailing('aaabbaaa', 'aa')",
        )
        .text(|row, out| {
            out.push_str(without_end(row.text(0), row.text(1)));
            Ok(())
        }),
        function(
            &["split_part"],
            &[Text, Text, Int],
            "split_part(text, delimiter, n)",
            "The n-th part of a text, from the end when negative; empty when there is none. 0 means 1.",
            "split_part('a,b,c', ',', -1)",
        )
        .text(|row, out| {
            out.push_str(split_part(row.text(0), row.text(1), row.int(2)));
            Ok(())
        }),
        split(),
        function(
            &["char", "chr"],
            &[Int],
            "char(code, ...)",
            "The characters with these codes; NULLs are skipped.",
            "char(77, 121)",
        )
        .repeats()
        .sees_nulls()
        .text(|row, out| {
            for at in (0..row.arguments()).filter(|at| !row.is_null(*at)) {
                let code = row.int(at);
                match u32::try_from(code).ok().and_then(char::from_u32) {
                    Some(c) => out.push(c),
                    None => return exec_err!("no character has the code {code}"),
                }
            }
            Ok(())
        }),
        function(
            &["quote"],
            &[Text],
            "quote(text)",
            "The text with a backslash before quotes, backslashes and control characters.",
            "quote('Don''t')",
        )
        .text(|row, out| {
            for c in row.text(0).chars() {
                match c {
                    '\0' => out.push_str("\\0"),
                    '\u{8}' => out.push_str("\\b"),
                    '\t' => out.push_str("\\t"),
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    '\'' | '"' | '\\' => {
                        out.push('\\');
                        out.push(c);
                    }
                    other => out.push(other),
                }
            }
            Ok(())
        }),
        pad("lpad", "start", |out, text, filling| {
            out.push_str(filling);
            out.push_str(text);
        }),
        pad("rpad", "end", |out, text, filling| {
            out.push_str(text);
            out.push_str(filling);
        }),
        length(
            "length",
            &["char_length", "character_length", "length_utf8"],
            "Characters of a text, bytes of a binary value.",
            |row| {
                if row.is_binary(0) { row.bytes(0).len() } else { row.text(0).chars().count() }
            },
        ),
        length("octet_length", &[], "Bytes of a text.", |row| row.bytes(0).len()),
        length("bit_length", &[], "Bits of a text.", |row| row.bytes(0).len() * 8),
        function(
            &["field"],
            &[Text, Text],
            "field(text, candidate, ...)",
            "Which of the candidates equals the text, counted from 1; 0 for none.",
            "field('b', 'a', 'b')",
        )
        .repeats()
        .sees_nulls()
        .uint(DataType::UInt64, |row| {
            let found = |at: &usize| !row.is_null(0) && !row.is_null(*at) && row.text(*at) == row.text(0);
            Ok((1..row.arguments()).find(found).unwrap_or(0) as u64)
        }),
    ]
}

fn length(
    name: &'static str,
    aliases: &[&'static str],
    description: &str,
    measure: fn(&Row) -> usize,
) -> Arc<ScalarUDF> {
    let mut names = vec![name];
    names.extend(aliases);
    function(&names, &[Bytes], &format!("{name}(text)"), description, &format!("{name}('abc')"))
        .uint(DataType::UInt64, move |row| Ok(measure(row) as u64))
}

/// `lpad` and `rpad`: a text of exactly so many characters, filled up or cut.
fn pad(name: &'static str, side: &str, join: fn(&mut String, &str, &str)) -> Arc<ScalarUDF> {
    let syntax = format!("{name}(text, length[, filling])");
    let words = format!("The text with exactly so many characters: cut, or filled up at the {side}.");
    function(&[name], &[Text, Int, Text], &syntax, &words, &format!("{name}('hi', 5, '?')")).optional(1).text(
        move |row, out| {
            let (text, length) = (row.text(0), count(row.int(1)));
            let filling = if row.has(2) { row.text(2) } else { " " };
            if length > LENGTH_MAX {
                return exec_err!("{name}: a text of {length} characters is longer than {LENGTH_MAX}");
            }
            match length.checked_sub(text.chars().count()) {
                None => out.extend(text.chars().take(length)),
                Some(_) if filling.is_empty() => out.push_str(text),
                Some(missing) => join(out, text, &filling.chars().cycle().take(missing).collect::<String>()),
            }
            Ok(())
        },
    )
}

fn split() -> Arc<ScalarUDF> {
    let item = || Arc::new(Field::new_list_field(DataType::Utf8View, true));
    function(
        &["split"],
        &[Text, Text],
        "split(text, delimiter)",
        "The parts of a text as an array.",
        "split('a,b', ',')",
    )
    .whole(
        move |_, _| Ok(DataType::List(item())),
        move |rows, _| {
            let mut lists = ListBuilder::new(StringViewBuilder::new()).with_field(item());
            for row in rows.rows() {
                if row.any_null() {
                    lists.append_null();
                    continue;
                }
                match (row.text(0), row.text(1)) {
                    (text, "") => lists.values().append_value(text),
                    (text, delimiter) => text.split(delimiter).for_each(|part| lists.values().append_value(part)),
                }
                lists.append(true);
            }
            Ok(Arc::new(lists.finish()) as ArrayRef)
        },
    )
}

/// A count of characters; negative ones are none.
fn count(n: i64) -> usize {
    usize::try_from(n).unwrap_or(0)
}

/// `length` characters of `text` from `position` on.
fn part(text: &str, position: i64, length: i64) -> &str {
    if position == 0 || length <= 0 {
        return "";
    }
    let skip = match usize::try_from(position) {
        Ok(position) => position - 1,
        Err(_) => {
            let back = usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX);
            match text.chars().count().checked_sub(back) {
                Some(skip) => skip,
                None => return "",
            }
        }
    };
    let offset = |text: &str, characters: usize| text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    let rest = &text[offset(text, skip)..];
    &rest[..offset(rest, count(length))]
}

fn repeat(out: &mut String, text: &str, times: i64) -> Result<()> {
    let times = count(times);
    if text.len().saturating_mul(times) > LENGTH_MAX {
        return exec_err!("a text of {} bytes repeated {times} times is longer than {LENGTH_MAX} bytes", text.len());
    }
    (0..times).for_each(|_| out.push_str(text));
    Ok(())
}

fn without_start<'a>(mut text: &'a str, part: &str) -> &'a str {
    while let Some(rest) = text.strip_prefix(part).filter(|_| !part.is_empty()) {
        text = rest;
    }
    text
}

fn without_end<'a>(mut text: &'a str, part: &str) -> &'a str {
    while let Some(rest) = text.strip_suffix(part).filter(|_| !part.is_empty()) {
        text = rest;
    }
    text
}

fn split_part<'a>(text: &'a str, delimiter: &str, n: i64) -> &'a str {
    if delimiter.is_empty() {
        return if matches!(n, -1..=1) { text } else { "" };
    }
    let nth = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let found = match n {
        0 => text.split(delimiter).next(),
        n if n > 0 => text.split(delimiter).nth(nth(n as u64 - 1)),
        n => text.rsplit(delimiter).nth(nth(n.unsigned_abs() - 1)),
    };
    found.unwrap_or("")
}
