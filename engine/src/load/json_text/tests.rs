//! Ends of values against serde_json, and depth.

use super::*;

#[test]
fn accepts_what_serde_json_accepts() {
    let documents = [
        "{}",
        "[]",
        "1",
        "-0.5e+3",
        "\"a\\\"b\"",
        "true",
        "null",
        "[1,2,[3]]",
        "{\"a\":{\"b\":[]},\"c\":\"}\"}",
        " {\"a\" : 1 } ",
        "{\"a\":1,}",
        "[1,]",
        "{a:1}",
        "{\"a\" 1}",
        "[1 2]",
        "01",
        "1.",
        "+1",
        "{\"a\":}",
        "[",
        "{\"a\":1",
        "\"abc",
        "}",
        "tru",
        "nul",
        "[}",
        "{]",
        "[\"a\":1]",
        "",
    ];
    for document in documents {
        let text = document.as_bytes();
        let at = skip_blanks(text, 0);
        let ours = value_end(text, at).is_ok_and(|end| skip_blanks(text, end) == text.len());
        let theirs = serde_json::from_str::<serde_json::Value>(document).is_ok();
        assert_eq!(ours, theirs, "{document}");
    }
}

#[test]
fn depth_is_bounded_without_a_stack() {
    let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
    assert_eq!(value_end(deep(DEPTH_MAX).as_bytes(), 0), Ok(DEPTH_MAX * 2 + 1));
    assert_eq!(value_end(deep(DEPTH_MAX + 1).as_bytes(), 0), Err(JsonError::TooDeep));
    assert_eq!(value_end(deep(100_000).as_bytes(), 0), Err(JsonError::TooDeep));
    assert_eq!(rough_end(deep(100_000).as_bytes(), 0), Ok(200_001));
}

#[test]
fn escapes_agree_with_serde_json() {
    for raw in [r"plain", r"a\nb\tc\\\/\b\f\r", r"\u00e9\u20ac", r"\ud83d\ude00!", r"é€"] {
        let mut ours = String::new();
        unescape(raw, &mut ours).unwrap();
        assert_eq!(ours, serde_json::from_str::<String>(&format!("\"{raw}\"")).unwrap());
    }
    for bad in [r"\x", r"\u12", r"\u12g4"] {
        assert!(unescape(bad, &mut String::new()).is_err(), "{bad}");
    }
}

#[test]
fn compacts_outside_of_strings_only() {
    let mut out = String::new();
    compact("{ \"a b\" : [ 1 ,\n 2 ] , \"c\":\" x \\\" y \" }", &mut out);
    assert_eq!(out, "{\"a b\":[1,2],\"c\":\" x \\\" y \"}");
}
