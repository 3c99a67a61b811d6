//! How texts sound and how alike they are.

use crate::functions::row::{Kind::Text, function};
use datafusion::logical_expr::ScalarUDF;
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        function(
            &["soundex"],
            &[Text],
            "soundex(text)",
            "The Soundex code of a text: a letter and at least three digits.",
            "soundex('Basalt')",
        )
        .text(|row, out| {
            soundex(row.text(0), out);
            Ok(())
        }),
        function(
            &["jaro_winkler"],
            &[Text, Text],
            "jaro_winkler(a, b)",
            "The Jaro-Winkler similarity of two texts: 1 when they are equal, 0 when nothing is alike.",
            "jaro_winkler('basalt', 'basil')",
        )
        .float(|row| Ok(strsim::jaro_winkler(row.text(0), row.text(1)))),
    ]
}

/// The digit of a letter; vowels and their like have none.
fn digit(letter: char) -> Option<char> {
    Some(match letter.to_ascii_lowercase() {
        'b' | 'f' | 'p' | 'v' => '1',
        'c' | 'g' | 'j' | 'k' | 'q' | 's' | 'x' | 'z' => '2',
        'd' | 't' => '3',
        'l' => '4',
        'm' | 'n' => '5',
        'r' => '6',
        _ => return None,
    })
}

/// The original code, without its limit of four characters: first vowels go, then repeated digits.
fn soundex(text: &str, out: &mut String) {
    let mut letters = text.chars().filter(|c| c.is_alphabetic());
    let Some(first) = letters.next() else {
        return;
    };
    out.extend(first.to_uppercase());
    let mut last = digit(first);
    for found in letters.filter_map(digit) {
        if last != Some(found) {
            out.push(found);
        }
        last = Some(found);
    }
    while out.chars().count() < 4 {
        out.push('0');
    }
}
