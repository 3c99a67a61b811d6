//! A piece of the input to rows of the table: pure computation, run on the CPU threads, one piece beside the other.

use super::{
    LoadFormat, LoadRequest,
    column::{self, BadRows},
    csv::CsvScanner,
    json::{JsonReader, KeyOrder, Stopped},
    json_text::{rough_end, skip_blanks},
    plan::LoadPlan,
    records::{CellKind, Records},
    rejected::Rejected,
    split::Splitter,
};
use crate::{Error, Result};
use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use std::borrow::Cow;

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// Reads pieces.
#[derive(Debug)]
pub(super) struct Decoder {
    pub plan: LoadPlan,
    format: Format,
}

#[derive(Debug)]
enum Format {
    Csv { scanner: CsvScanner, headers: usize },
    Json { reader: JsonReader, elements: bool },
}

/// What was in a piece.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub batches: Vec<RecordBatch>,
    pub rows: u64,
    pub unselected: u64,
    pub rejected: Rejected,
    /// What comes after this piece cannot be understood.
    pub malformed: bool,
}

impl Decoder {
    pub fn new(plan: LoadPlan, request: &LoadRequest) -> Result<Self> {
        let format = match &request.format {
            LoadFormat::Csv(options) => {
                Format::Csv { scanner: CsvScanner::new(options)?, headers: options.skip_header }
            }
            LoadFormat::Json(options) => {
                let names: Vec<String> = plan.fields.iter().map(|f| f.name.clone()).collect();
                Format::Json { reader: JsonReader::new(options, &names)?, elements: options.body_is_array() }
            }
            LoadFormat::Parquet => return Err(Error::Unsupported { what: "loading a stream of Parquet".into() }),
            LoadFormat::ArrowStream => return Err(Error::Unsupported { what: "loading a stream of Arrow".into() }),
        };
        Ok(Self { plan, format })
    }

    /// How the input is cut into pieces.
    pub fn splitter(&self) -> Splitter {
        match &self.format {
            Format::Csv { scanner, headers } => Splitter::Csv { scanner: scanner.clone(), headers_left: *headers },
            Format::Json { elements: false, .. } => Splitter::Documents,
            Format::Json { elements: true, .. } => Splitter::Elements { inside: false },
        }
    }

    /// Reads a piece.
    pub fn decode(&self, piece: &[u8]) -> Result<Decoded> {
        let mut decoded = Decoded::default();
        let text = self.valid_text(piece, &mut decoded.rejected);
        let width = self.plan.fields.len();
        let mut records = Records::new(&text, width, BATCH_ROWS);
        let mut order = KeyOrder::default();
        let mut at = 0;
        while at < text.len() && !decoded.malformed {
            records.clear();
            let rejected = &mut decoded.rejected;
            match &self.format {
                Format::Csv { scanner, .. } => at = scanner.read(&mut records, at, width, BATCH_ROWS, rejected),
                Format::Json { reader, .. } => match reader.read(&mut records, at, BATCH_ROWS, &mut order, rejected) {
                    Stopped::At(end) => at = end,
                    Stopped::Malformed => decoded.malformed = true,
                },
            }
            self.build(&records, &mut decoded)?;
        }
        Ok(decoded)
    }

    /// Arrays of the records, then rows of the table.
    fn build(&self, records: &Records, decoded: &mut Decoded) -> Result<()> {
        if records.rows() == 0 {
            return Ok(());
        }
        let mut bad = BadRows::default();
        let mut fields: Vec<ArrayRef> = Vec::with_capacity(self.plan.fields.len());
        for (at, target) in self.plan.fields.iter().enumerate() {
            fields.push(column::read(records, at, target, self.plan.conversion, &mut bad)?);
        }
        let missing = self.missing(records);
        let transformed = self.plan.transform(&fields, &missing, records.rows(), &mut bad)?;
        for (row, reason) in bad.iter() {
            decoded.rejected.add(reason, records.row(row));
        }
        decoded.unselected += transformed.unselected;
        decoded.rows += transformed.batch.num_rows() as u64;
        if transformed.batch.num_rows() > 0 {
            decoded.batches.push(transformed.batch);
        }
        Ok(())
    }

    /// For each field the records that lack it; `None` when none does. CSV records lack nothing.
    fn missing(&self, records: &Records) -> Vec<Option<BooleanArray>> {
        let fields = 0..self.plan.fields.len();
        if matches!(self.format, Format::Csv { .. }) {
            return fields.map(|_| None).collect();
        }
        let lacks = |row: usize, field: usize| records.cell(row, field).kind() == CellKind::Missing;
        fields
            .map(|field| {
                let any = (0..records.rows()).any(|row| lacks(row, field));
                any.then(|| (0..records.rows()).map(|row| Some(lacks(row, field))).collect())
            })
            .collect()
    }

    /// The piece as text. Records that are not UTF-8 are left out and counted as bad.
    fn valid_text<'a>(&self, piece: &'a [u8], rejected: &mut Rejected) -> Cow<'a, str> {
        if let Ok(text) = std::str::from_utf8(piece) {
            return Cow::Borrowed(text);
        }
        let mut valid = String::with_capacity(piece.len());
        let mut at = 0;
        while at < piece.len() {
            let end = self.record_end(piece, at);
            match std::str::from_utf8(&piece[at..end]) {
                Ok(record) => valid.push_str(record),
                Err(_) => rejected.add("Invalid UTF-8 row", piece[at..end].trim_ascii_end()),
            }
            at = end;
        }
        Cow::Owned(valid)
    }

    fn record_end(&self, piece: &[u8], at: usize) -> usize {
        let end = match &self.format {
            Format::Csv { scanner, .. } => scanner.record_end(piece, at),
            Format::Json { .. } => {
                let start = piece[at..].iter().position(|b| *b != b',').map_or(at, |skip| at + skip);
                rough_end(piece, skip_blanks(piece, start)).ok()
            }
        };
        end.filter(|end| *end > at).unwrap_or(piece.len())
    }
}
