//! Loads: a stream of bytes becomes rows of a table, all or none, once per label.

mod request;

pub use request::{
    ByteStream, ColumnMapping, CsvOptions, JsonOptions, LoadFormat, LoadOutcome, LoadReport, LoadRequest,
};
