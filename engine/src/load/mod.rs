//! Loads: a stream of bytes becomes rows of a table, all or none, once per label.

mod column;
mod csv;
mod decode;
mod json;
mod json_text;
mod labels;
mod plan;
mod records;
mod rejected;
mod request;
mod rows;
mod rules;
mod run;
mod split;
mod values;

pub(crate) use labels::Loads;
pub use request::{
    ByteStream, ColumnMapping, CsvOptions, JsonOptions, LoadFormat, LoadOutcome, LoadReport, LoadRequest,
};
pub(crate) use rows::TextRows;
pub(crate) use rules::{BinaryText, EmptyField, FieldRules, MissingField, NullField, Width};
pub(crate) use run::run;

#[cfg(test)]
mod tests;
