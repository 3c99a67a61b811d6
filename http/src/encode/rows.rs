//! Rows of batches as JSON arrays of text cells: `["1","a",null],["2","b","x"]`.

use super::{Display, cells::Cells};
use arrow::{
    array::{Array, LargeStringArray, LargeStringBuilder},
    datatypes::DataType,
    record_batch::RecordBatch,
};

/// What cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("values of type {0} cannot be shown")]
    Type(DataType),
    #[error("binary value in row {row} of column `{column}` is not UTF-8")]
    NotUtf8 { row: usize, column: String },
}

/// The cells of one column as texts; NULL stays NULL.
pub fn column_as_texts(array: &dyn Array, display: &Display) -> Result<LargeStringArray, EncodeError> {
    let cells = Cells::new(array, display)?;
    let mut texts = LargeStringBuilder::new();
    let mut text = Vec::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            texts.append_null();
            continue;
        }
        text.clear();
        let not_utf8 = || EncodeError::NotUtf8 { row, column: String::new() };
        cells.text(row, &mut text).map_err(|_| not_utf8())?;
        texts.append_value(std::str::from_utf8(&text).map_err(|_| not_utf8())?);
    }
    Ok(texts.finish())
}

/// Appends the rows of `batches`, separated by commas, without the outer brackets.
pub fn rows_as_text_arrays(out: &mut Vec<u8>, batches: &[RecordBatch], display: &Display) -> Result<(), EncodeError> {
    let mut first = true;
    let mut scratch = Vec::new();
    for batch in batches.iter().filter(|b| b.num_rows() > 0) {
        let schema = batch.schema();
        let columns = batch.columns().iter().map(|c| Cells::new(c, display)).collect::<Result<Vec<_>, _>>()?;
        out.reserve(batch.num_rows() * (4 + columns.len() * 8));
        for row in 0..batch.num_rows() {
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            out.push(b'[');
            for (i, column) in columns.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                column
                    .json(row, out, &mut scratch)
                    .map_err(|_| EncodeError::NotUtf8 { row, column: schema.field(i).name().clone() })?;
            }
            out.push(b']');
        }
    }
    Ok(())
}
