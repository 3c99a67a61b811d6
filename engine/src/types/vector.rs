//! VECTOR(n) as text: `[0.5,1.5]`.

use super::not_a;
use crate::{Error, Result};

/// Reads `[1, 2.5, 3]`. A vector has as many numbers as its type says, all finite.
pub fn parse(text: &str, length: Option<usize>) -> Result<Vec<f32>> {
    let inner = text.trim().strip_prefix('[').and_then(|t| t.strip_suffix(']')).ok_or_else(|| not_a("VECTOR", text))?;
    let numbers = inner.split(',').map(|number| number.trim().parse::<f32>().ok().filter(|n| n.is_finite()));
    let numbers: Vec<f32> = numbers.collect::<Option<_>>().ok_or_else(|| not_a("VECTOR", text))?;
    match length {
        Some(length) if numbers.len() != length => {
            let message = format!("'{}' has {} numbers, not {length}", super::shown(text), numbers.len());
            Err(Error::Evaluation { message })
        }
        _ => Ok(numbers),
    }
}

pub fn format(numbers: &[f32]) -> String {
    let mut text = String::from("[");
    for (n, number) in numbers.iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        text.push_str(&number.to_string());
    }
    text.push(']');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_numbers_are_checked() {
        assert_eq!(parse("[1, 2.5,-3e2]", Some(3)).unwrap(), [1.0, 2.5, -300.0]);
        assert_eq!(format(&[1.0, 2.5]), "[1,2.5]");
        for text in ["[1,2]", "1,2,3", "[1,2,x]", "[1,2,NaN]", "[]"] {
            assert!(parse(text, Some(3)).is_err(), "{text}");
        }
    }
}
