//! Rows out: from Arrow arrays to the text cells that JSON answers carry. One file per kind of value.
//!
//! Nothing here knows a dialect; where renderings differ, [`Display`] says which is wanted.

mod cells;
mod float;
mod json;
mod rows;
mod temporal;

use basalt_engine::types::geometry::GeometryFormat;

pub use json::{string as json_string, string_from_utf8 as json_string_from_utf8};
pub use rows::{EncodeError, column_as_texts, rows_as_text_arrays};

/// How cells are rendered.
#[derive(Debug, Clone, PartialEq)]
pub struct Display {
    /// Instants are shown in this zone.
    pub timezone: chrono_tz::Tz,
    pub binary: BinaryFormat,
    /// NULL is the text `NULL` instead of JSON null.
    pub null_as_text: bool,
    /// Dates as days and instants as microseconds since 1970 (for programs that parse cells).
    pub epoch_numbers: bool,
    pub geometry: GeometryFormat,
}

/// How bytes become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryFormat {
    /// Upper case.
    Hex,
    Base64,
    /// An error when the bytes are not UTF-8.
    Utf8,
    Utf8Lossy,
}

impl Default for Display {
    fn default() -> Self {
        Self {
            timezone: chrono_tz::UTC,
            binary: BinaryFormat::Hex,
            null_as_text: false,
            epoch_numbers: false,
            geometry: GeometryFormat::GeoJson,
        }
    }
}

#[cfg(test)]
mod tests;
