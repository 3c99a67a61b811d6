//! A piece of the input to rows of the table: pure computation, run on the CPU threads, one piece beside the other.

use super::{
    LoadFormat, LoadRequest,
    column::{self, BadRows, Conversion, FieldTarget},
    csv::CsvScanner,
    json::{JsonReader, KeyOrder, Stopped},
    json_text::{rough_end, skip_blanks},
    plan::LoadPlan,
    records::{CellKind, Records},
    rejected::Rejected,
    rules::{EmptyField, FieldRules, MissingField, NullField},
    split::Splitter,
};
use crate::{Error, Result, types::variant};
use arrow::{
    array::{ArrayRef, BooleanArray, LargeBinaryBuilder, RecordBatch, RecordBatchOptions},
    datatypes::{DataType, SchemaRef},
};
use basalt_meta::TableSnapshot;
use std::{borrow::Cow, sync::Arc};

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// Reads pieces.
#[derive(Debug)]
pub(super) struct Decoder {
    target: Target,
    format: Format,
}

/// What records become.
#[derive(Debug)]
enum Target {
    /// Rows of a table.
    Table(Box<LoadPlan>),
    /// Their fields as texts, under this schema.
    Texts { fields: Vec<FieldTarget>, conversion: Conversion, schema: SchemaRef },
    /// Whole documents as VARIANT, under this schema.
    Documents { schema: SchemaRef },
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
    /// Line breaks in the piece, and before its first bad row.
    pub lines: u64,
    pub bad_line: u64,
    /// What comes after this piece cannot be understood.
    pub malformed: bool,
}

impl Decoder {
    /// Reads records into rows of the plan's table.
    pub fn new(plan: LoadPlan, request: &LoadRequest) -> Result<Self> {
        let names: Vec<String> = plan.fields.iter().map(|f| f.name.clone()).collect();
        let format = Format::new(&request.format, &names, &plan.rules)?;
        Ok(Self { target: Target::Table(Box::new(plan)), format })
    }

    /// Reads records as texts, one per column of `schema`.
    pub fn texts(format: &LoadFormat, schema: SchemaRef, rules: &FieldRules) -> Result<Self> {
        let target = |name: &String| FieldTarget { name: name.clone(), data_type: DataType::Utf8View };
        let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        let conversion = Conversion { empty_as_null: rules.empty == EmptyField::Null, ..Conversion::default() };
        let fields = names.iter().map(target).collect();
        Ok(Self { format: Format::new(format, &names, rules)?, target: Target::Texts { fields, conversion, schema } })
    }

    /// Reads JSON documents whole, as the only column of `schema`.
    pub fn documents(format: &LoadFormat, schema: SchemaRef) -> Result<Self> {
        let format = match Format::new(format, &[], &FieldRules::default())? {
            Format::Json { reader, elements } => Format::Json { reader: reader.whole(), elements },
            other => other,
        };
        Ok(Self { format, target: Target::Documents { schema } })
    }

    /// The table that rows are for.
    pub fn table(&self) -> Result<&TableSnapshot> {
        match &self.target {
            Target::Table(plan) => Ok(&plan.table),
            _ => Err(Error::Internal { message: "records that are for no table".into(), source: None }),
        }
    }

    fn fields(&self) -> &[FieldTarget] {
        match &self.target {
            Target::Table(plan) => &plan.fields,
            Target::Texts { fields, .. } => fields,
            Target::Documents { .. } => &[],
        }
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
        let width = self.fields().len();
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
        decoded.lines = memchr::memchr_iter(b'\n', piece).count() as u64;
        if let Some((at, _)) = decoded.rejected.first() {
            let before = &text.as_bytes()[..at.min(text.len())];
            decoded.bad_line = memchr::memchr_iter(b'\n', before).count() as u64;
        }
        Ok(decoded)
    }

    /// Arrays of the records, then rows.
    fn build(&self, records: &Records, decoded: &mut Decoded) -> Result<()> {
        if records.rows() == 0 {
            return Ok(());
        }
        let (batch, unselected) = match &self.target {
            Target::Table(plan) => self.build_table(plan, records, decoded)?,
            Target::Texts { fields, conversion, schema } => {
                let mut bad = BadRows::default();
                let read = |(at, target)| column::read(records, at, target, *conversion, &mut bad);
                let columns = fields.iter().enumerate().map(read).collect::<Result<Vec<_>>>()?;
                (batch_of(schema, columns, records.rows())?, 0)
            }
            Target::Documents { schema } => {
                let mut builder = LargeBinaryBuilder::new();
                for row in 0..records.rows() {
                    let document = records.row(row);
                    builder.append_value(variant::from_text(&String::from_utf8_lossy(document))?);
                }
                (batch_of(schema, vec![Arc::new(builder.finish())], records.rows())?, 0)
            }
        };
        decoded.unselected += unselected;
        decoded.rows += batch.num_rows() as u64;
        if batch.num_rows() > 0 {
            decoded.batches.push(batch);
        }
        Ok(())
    }

    fn build_table(&self, plan: &LoadPlan, records: &Records, decoded: &mut Decoded) -> Result<(RecordBatch, u64)> {
        let mut bad = BadRows::default();
        let mut fields: Vec<ArrayRef> = Vec::with_capacity(plan.fields.len());
        for (at, target) in plan.fields.iter().enumerate() {
            fields.push(column::read(records, at, target, plan.conversion, &mut bad)?);
        }
        let missing = self.missing(plan, records, &mut bad);
        let transformed = plan.transform(&fields, &missing, records.rows(), &mut bad)?;
        for (row, reason) in bad.iter() {
            decoded.rejected.add(reason, records.row_start(row), records.row(row));
        }
        Ok((transformed.batch, transformed.unselected))
    }

    /// For each field the records that get the column's default; `None` when none does.
    fn missing(&self, plan: &LoadPlan, records: &Records, bad: &mut BadRows) -> Vec<Option<BooleanArray>> {
        let rules = &plan.rules;
        let fields = 0..plan.fields.len();
        let csv = matches!(self.format, Format::Csv { .. });
        if csv && !rules.defaults_for_values() && rules.width == super::rules::Width::Exact {
            return fields.map(|_| None).collect();
        }
        let error = !csv && rules.missing == MissingField::Error;
        let mut masks = Vec::with_capacity(plan.fields.len());
        for field in fields {
            let text = plan.fields[field].data_type.is_string();
            let mut any = false;
            let mut mask = vec![false; records.rows()];
            for (row, lacks) in mask.iter_mut().enumerate() {
                let cell = records.cell(row, field);
                *lacks = match cell.kind() {
                    CellKind::Missing if error => {
                        bad.add(row, || format!("field `{}` is missing", plan.fields[field].name));
                        false
                    }
                    CellKind::Missing => rules.missing != MissingField::Null,
                    CellKind::Null => !csv && rules.null == NullField::Default,
                    CellKind::Text => rules.empty == EmptyField::Default && records.str(cell).is_empty(),
                    CellKind::Quoted => rules.empty == EmptyField::Default && !text && records.str(cell).is_empty(),
                    CellKind::Number | CellKind::Nested => false,
                };
                any |= *lacks;
            }
            masks.push(any.then(|| BooleanArray::from(mask)));
        }
        masks
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
                Err(_) => rejected.add("Invalid UTF-8 row", valid.len(), piece[at..end].trim_ascii_end()),
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

impl Format {
    fn new(format: &LoadFormat, names: &[String], rules: &FieldRules) -> Result<Self> {
        match format {
            LoadFormat::Csv(options) => {
                let scanner = CsvScanner::new(options)?.with_rules(rules);
                Ok(Format::Csv { scanner, headers: options.skip_header })
            }
            LoadFormat::Json(options) => {
                Ok(Format::Json { reader: JsonReader::new(options, names)?, elements: options.body_is_array() })
            }
            LoadFormat::Parquet => Err(Error::Unsupported { what: "loading a stream of Parquet".into() }),
            LoadFormat::ArrowStream => Err(Error::Unsupported { what: "loading a stream of Arrow".into() }),
        }
    }
}

fn batch_of(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
