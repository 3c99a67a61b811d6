//! Whole columns of any type to VARIANT. Values keep their meaning: numbers stay exact, dates and times stay dates and
//! times, arrays and tuples become JSON arrays and objects.
//!
//! Text that holds JSON is another matter: here a text is a JSON string.

mod from_arrow;

pub(crate) use from_arrow::from_array;

use crate::Error;

fn damaged(error: &jsonb::Error) -> Error {
    Error::Evaluation { message: format!("a VARIANT value is damaged: {error}") }
}
