//! Numbers for people to read.

use crate::functions::row::{Kind::Float, function};
use datafusion::logical_expr::ScalarUDF;
use std::{fmt::Write, sync::Arc};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        function(
            &["humanize_size"],
            &[Float],
            "humanize_size(bytes)",
            "A number of bytes with a unit.",
            "humanize_size(1229)",
        )
        .text(|row, out| {
            let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];
            let (value, unit) = scaled(row.float(0), 1024.0, units.len());
            write!(out, "{value:.2} {}", units[unit]).expect("a text takes everything");
            Ok(())
        }),
        function(
            &["humanize_number"],
            &[Float],
            "humanize_number(n)",
            "A number with its order of magnitude as a word.",
            "humanize_number(1000000)",
        )
        .text(|row, out| {
            let words = ["", " thousand", " million", " billion", " trillion", " quadrillion"];
            let (value, word) = scaled(row.float(0), 1000.0, words.len());
            let text = format!("{value:.2}");
            let text = text.trim_end_matches('0').trim_end_matches('.');
            let text = if text == "-0" { "0" } else { text };
            write!(out, "{text}{}", words[word]).expect("a text takes everything");
            Ok(())
        }),
    ]
}

/// A value divided by `base` until it is smaller, and how often (less than `most`).
fn scaled(mut value: f64, base: f64, most: usize) -> (f64, usize) {
    let mut steps = 0;
    while value.abs() >= base && steps + 1 < most {
        value /= base;
        steps += 1;
    }
    (value, steps)
}
