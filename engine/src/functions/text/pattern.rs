//! Texts against patterns: regular expressions (with MySQL's arguments) and file globs.

use crate::functions::row::{
    Kind::{Int, Text},
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
use regex::{Captures, Match, Regex};
use std::{borrow::Cow, sync::Arc};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        function(
            &["regexp_like", "regexp", "rlike"],
            &[Text, Text, Text],
            "regexp_like(text, pattern[, match_type])",
            "Whether a part of the text matches. `match_type` is made of c, i (case), m (lines), n (dot matches line ends), x and u.",
            "regexp_like('abc', '^A', 'i')",
        )
        .optional(1)
        .bool(|row| with(row, 2, |regex| Ok(regex.is_match(row.text(0))))),
        function(
            &["regexp_instr"],
            &[Text, Text, Int, Int, Int, Text],
            "regexp_instr(text, pattern[, position[, occurrence[, return_option[, match_type]]]])",
            "Where the n-th match begins, or with return option 1 the position behind it; 0 when there is none.",
            "regexp_instr('dog cat dog', 'dog', 2)",
        )
        .optional(4)
        .uint(DataType::UInt64, |row| {
            let text = row.text(0);
            let after = match row.int_or(4, 0) {
                0 => false,
                1 => true,
                other => return exec_err!("regexp_instr: return option {other} is neither 0 nor 1"),
            };
            with(row, 5, |regex| {
                let found = nth(regex, text, start(row, 2)?, occurrence(row, 3))?;
                Ok(found.map_or(0, |m| text[..if after { m.end() } else { m.start() }].chars().count() as u64 + 1))
            })
        }),
        function(
            &["regexp_substr"],
            &[Text, Text, Int, Int, Text],
            "regexp_substr(text, pattern[, position[, occurrence[, match_type]]])",
            "The n-th match; NULL when there is none.",
            "regexp_substr('abc def ghi', '[a-z]+', 1, 3)",
        )
        .optional(3)
        .text_or_null(|row, out| {
            with(row, 4, |regex| {
                let found = nth(regex, row.text(0), start(row, 2)?, occurrence(row, 3))?;
                out.push_str(found.map_or("", |m| m.as_str()));
                Ok(found.is_some())
            })
        }),
        function(
            &["regexp_replace"],
            &[Text, Text, Text, Int, Int, Text],
            "regexp_replace(text, pattern, replacement[, position[, occurrence[, match_type]]])",
            "The text with all matches replaced, or only the n-th. `$1` or `\\1` in the replacement is the first group.",
            "regexp_replace('a b c', 'b', 'X')",
        )
        .optional(3)
        .text(|row, out| {
            let (text, replacement) = (row.text(0), groups(row.text(2)));
            let wanted = row.int_or(4, 0);
            let from = start(row, 3)?;
            with(row, 5, |regex| {
                let mut done = 0;
                for (at, captures) in matches(regex, text, from).enumerate() {
                    let whole = captures.get(0).expect("a match is its own first group");
                    if wanted > 0 && at as i64 + 1 != wanted {
                        continue;
                    }
                    out.push_str(&text[done..whole.start()]);
                    captures.expand(&replacement, out);
                    done = whole.end();
                }
                out.push_str(&text[done..]);
                Ok(())
            })
        }),
        function(
            &["regexp_extract"],
            &[Text, Text, Int],
            "regexp_extract(text, pattern[, group])",
            "A group of the first match (0, the default, is all of it); empty when there is none.",
            "regexp_extract('a=1', '([a-z])=([0-9])', 2)",
        )
        .optional(1)
        .text(|row, out| {
            let group = usize::try_from(row.int_or(2, 0)).unwrap_or(usize::MAX);
            with(row, usize::MAX, |regex| {
                if group >= regex.captures_len() {
                    return exec_err!("regexp_extract: pattern `{}` has no group {group}", row.text(1));
                }
                if let Some(found) = regex.captures(row.text(0)).and_then(|c| c.get(group)) {
                    out.push_str(found.as_str());
                }
                Ok(())
            })
        }),
        texts(
            "regexp_extract_all",
            "regexp_extract_all(text, pattern[, group])",
            "A group of each match, as an array.",
            "regexp_extract_all('a1 b2', '[a-z]([0-9])', 1)",
            |row, push| {
                let group = usize::try_from(row.int_or(2, 0)).unwrap_or(usize::MAX);
                with(row, usize::MAX, |regex| {
                    if group >= regex.captures_len() {
                        return exec_err!("regexp_extract_all: pattern `{}` has no group {group}", row.text(1));
                    }
                    regex.captures_iter(row.text(0)).for_each(|c| push(c.get(group).map_or("", |m| m.as_str())));
                    Ok(())
                })
            },
        ),
        texts(
            "regexp_split_to_array",
            "regexp_split_to_array(text, pattern)",
            "The parts of a text between matches, as an array.",
            "regexp_split_to_array('a1b22c', '[0-9]+')",
            |row, push| {
                with(row, usize::MAX, |regex| {
                    regex.split(row.text(0)).for_each(push);
                    Ok(())
                })
            },
        ),
        function(
            &["glob"],
            &[Text, Text],
            "glob(text, pattern)",
            "Whether the whole text matches a file pattern: * is anything, ? one character.",
            "glob('photo.jpg', '*.jpg')",
        )
        .bool(|row| Ok(globs(row.text(0), row.text(1)))),
    ]
}

type Push<'a> = &'a mut dyn FnMut(&str);

fn texts(
    name: &'static str,
    syntax: &str,
    description: &str,
    example: &str,
    each: fn(&Row, Push) -> Result<()>,
) -> Arc<ScalarUDF> {
    let item = || Arc::new(Field::new_list_field(DataType::Utf8View, true));
    let optional = usize::from(name == "regexp_extract_all");
    let takes = if optional == 1 { vec![Text, Text, Int] } else { vec![Text, Text] };
    function(&[name], &takes, syntax, description, example).optional(optional).whole(
        move |_, _| Ok(DataType::List(item())),
        move |rows, _| {
            let mut lists = ListBuilder::new(StringViewBuilder::new()).with_field(item());
            for row in rows.rows() {
                if row.any_null() {
                    lists.append_null();
                    continue;
                }
                let values = lists.values();
                each(&row, &mut |text| values.append_value(text))?;
                lists.append(true);
            }
            Ok(Arc::new(lists.finish()) as ArrayRef)
        },
    )
}

/// Works with the pattern in argument 1 under the match type in argument `flags`.
fn with<T>(row: &Row, flags: usize, work: impl FnOnce(&Regex) -> Result<T>) -> Result<T> {
    if !row.has(flags) {
        return row.with_pattern(row.text(1), work);
    }
    let (mut on, mut off) = (String::new(), String::new());
    for flag in row.text(flags).chars() {
        match flag {
            'i' => on.push('i'),
            'c' => off.push('i'),
            'm' => on.push('m'),
            'n' => on.push('s'),
            'x' => on.push('x'),
            'u' => {}
            other => return exec_err!("match type `{}`: `{other}` is none of c, i, m, n, x, u", row.text(flags)),
        }
    }
    // The last of `c` and `i` counts.
    if row.text(flags).rfind('c') > row.text(flags).rfind('i') {
        on.retain(|c| c != 'i');
    }
    let pattern = if on.is_empty() { row.text(1).to_owned() } else { format!("(?{on}){}", row.text(1)) };
    row.with_pattern(&pattern, work)
}

/// Byte offset of the position in an argument that may be left out.
fn start(row: &Row, argument: usize) -> Result<usize> {
    let position = row.int_or(argument, 1);
    let text = row.text(0);
    let starts = || text.char_indices().map(|(at, _)| at).chain([text.len()]);
    match usize::try_from(position).ok().filter(|p| *p >= 1).and_then(|p| starts().nth(p - 1)) {
        Some(at) => Ok(at),
        None => exec_err!("position {position} is outside of a text of {} characters", text.chars().count()),
    }
}

fn occurrence(row: &Row, argument: usize) -> usize {
    usize::try_from(row.int_or(argument, 1)).unwrap_or(1).max(1)
}

/// A replacement with `\1` for the first group, as other systems write it, in the notation of the library.
fn groups(replacement: &str) -> Cow<'_, str> {
    if !replacement.contains('\\') {
        return Cow::Borrowed(replacement);
    }
    let mut written = String::with_capacity(replacement.len() + 4);
    let mut chars = replacement.chars().peekable();
    while let Some(char) = chars.next() {
        match chars.peek() {
            Some(&digit) if char == '\\' && digit.is_ascii_digit() => {
                written.push_str("${");
                written.push(digit);
                written.push('}');
                chars.next();
            }
            _ => written.push(char),
        }
    }
    Cow::Owned(written)
}

fn matches<'r, 't>(regex: &'r Regex, text: &'t str, from: usize) -> impl Iterator<Item = Captures<'t>> + use<'r, 't> {
    let mut at = Some(from);
    std::iter::from_fn(move || {
        let found = regex.captures_at(text, at?)?;
        let whole = found.get(0)?;
        // Behind an empty match, go on with the next character.
        at = match whole.is_empty() {
            false => Some(whole.end()),
            true => text[whole.end()..].chars().next().map(|c| whole.end() + c.len_utf8()),
        };
        Some(found)
    })
}

fn nth<'t>(regex: &Regex, text: &'t str, from: usize, n: usize) -> Result<Option<Match<'t>>> {
    Ok(matches(regex, text, from).nth(n - 1).and_then(|c| c.get(0)))
}

/// Greedy matching with one point to come back to: the last `*`.
fn globs(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut t, mut p, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some('?') => (t, p) = (t + 1, p + 1),
            Some('\\') if pattern.get(p + 1) == Some(&text[t]) => (t, p) = (t + 1, p + 2),
            Some(c) if *c == text[t] => (t, p) = (t + 1, p + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (t, p) = (from + 1, at + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}
