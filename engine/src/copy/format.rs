//! File formats: the options users write, checked, with their defaults, and what they mean for reading and writing.

use super::compression::Compression;
use crate::{
    CsvOptions, Error, JsonOptions, LoadFormat, Result,
    load::{BinaryText, EmptyField, FieldRules, MissingField, NullField, Width},
    sql::Options,
};

/// A file format.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FileFormat {
    pub kind: Kind,
    pub compression: Compression,
}

/// What files hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// CSV, and TSV: the same with escapes instead of quotes.
    Delimited(Delimited),
    /// NDJSON, and JSON: the same as elements of one array.
    Json(Json),
    Parquet(Columns),
    Avro(Columns),
}

/// Options of CSV and TSV.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Delimited {
    pub quoted: bool,
    pub record_delimiter: String,
    pub field_delimiter: String,
    pub quote: char,
    pub escape: Option<char>,
    pub skip_header: usize,
    pub null_display: String,
    pub nan_display: String,
    pub empty_field_as: Empty,
    pub error_on_column_count_mismatch: bool,
    pub base64: bool,
    pub output_header: bool,
    pub trim_space: bool,
}

/// What an empty field means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Empty {
    Null,
    Text,
    Default,
}

/// Options of NDJSON and JSON.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Json {
    pub array: bool,
    pub null_as_default: bool,
    pub missing: Missing,
}

/// What a missing field means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Error,
    Null,
    Default,
    TypeDefault,
}

/// Options of formats with named columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Columns {
    pub missing: Missing,
}

impl FileFormat {
    /// Reads options; without a type it is Parquet.
    pub fn parse(options: &Options) -> Result<Self> {
        let name = options.get("type").map_or_else(|| "parquet".to_string(), |t| t.to_lowercase());
        let mut reader = Reader { options, format: name.to_uppercase() };
        let kind = match name.as_str() {
            "csv" => Kind::Delimited(reader.csv()?),
            "tsv" | "text" => Kind::Delimited(reader.tsv()?),
            "ndjson" => Kind::Json(reader.json(false)?),
            "json" => Kind::Json(reader.json(true)?),
            "parquet" => Kind::Parquet(reader.columns()?),
            "avro" => Kind::Avro(reader.columns()?),
            "orc" | "xml" | "arrow" | "lance" => {
                return Err(Error::Unsupported { what: format!("files of format {}", name.to_uppercase()) });
            }
            _ => return Err(reader.invalid("type", &name, "CSV, TSV, NDJSON, JSON, PARQUET or AVRO")),
        };
        let text = matches!(kind, Kind::Delimited(_) | Kind::Json(_));
        let compression = match options.get("compression") {
            None if text => Compression::None,
            None => Compression::Auto,
            Some(name) if text => Compression::parse(name)?,
            // Compression of pages: which of them is the writer's own affair, but it must be one there is.
            Some(name) => Compression::parse_of_pages(name)?,
        };
        reader.known(match kind {
            Kind::Delimited(_) => DELIMITED,
            Kind::Json(_) => JSON,
            Kind::Parquet(_) | Kind::Avro(_) => COLUMNS,
        })?;
        Ok(Self { kind, compression })
    }

    /// The type's name.
    pub fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Delimited(Delimited { quoted: true, .. }) => "CSV",
            Kind::Delimited(_) => "TSV",
            Kind::Json(Json { array: false, .. }) => "NDJSON",
            Kind::Json(_) => "JSON",
            Kind::Parquet(_) => "PARQUET",
            Kind::Avro(_) => "AVRO",
        }
    }

    /// How the names of its files end.
    pub fn extension(&self) -> String {
        format!("{}{}", self.name().to_lowercase(), self.compression.extension())
    }

    /// How text formats are read; `None` for the others.
    pub fn as_text(&self) -> Option<LoadFormat> {
        match &self.kind {
            Kind::Delimited(d) => Some(LoadFormat::Csv(CsvOptions {
                column_separator: d.field_delimiter.clone().into_bytes(),
                row_delimiter: match d.record_delimiter.as_str() {
                    "\r\n" => b"\n".to_vec(),
                    other => other.as_bytes().to_vec(),
                },
                enclose: u8::try_from(d.quote).ok().filter(|_| d.quoted),
                escape: d.escape.and_then(|c| u8::try_from(c).ok()),
                skip_header: d.skip_header,
                trim_space: d.trim_space,
                null_text: d.null_display.clone(),
                empty_as_null: d.empty_field_as == Empty::Null,
            })),
            Kind::Json(json) => {
                Some(LoadFormat::Json(JsonOptions { strip_outer_array: json.array, ..JsonOptions::default() }))
            }
            Kind::Parquet(_) | Kind::Avro(_) => None,
        }
    }

    /// What the options say about fields.
    pub fn rules(&self) -> FieldRules {
        let rules = FieldRules::default();
        match &self.kind {
            Kind::Delimited(d) => FieldRules {
                empty: match d.empty_field_as {
                    Empty::Null => EmptyField::Null,
                    Empty::Text => EmptyField::Text,
                    Empty::Default => EmptyField::Default,
                },
                missing: MissingField::Default,
                width: if d.error_on_column_count_mismatch { Width::Exact } else { Width::Lenient },
                drop_carriage_returns: matches!(d.record_delimiter.as_str(), "\n" | "\r\n"),
                letter_escapes: !d.quoted,
                binary: if d.base64 { BinaryText::Base64 } else { BinaryText::Hex },
                ..rules
            },
            Kind::Json(json) => FieldRules {
                missing: match json.missing {
                    Missing::Error => MissingField::Error,
                    Missing::Null => MissingField::Null,
                    Missing::Default => MissingField::Default,
                    Missing::TypeDefault => MissingField::TypeDefault,
                },
                null: if json.null_as_default { NullField::Default } else { NullField::Null },
                empty: EmptyField::Text,
                binary: BinaryText::Hex,
                ..rules
            },
            Kind::Parquet(_) | Kind::Avro(_) => rules,
        }
    }
}

const DELIMITED: &[&str] = &[
    "type",
    "compression",
    "record_delimiter",
    "field_delimiter",
    "quote",
    "escape",
    "skip_header",
    "null_display",
    "nan_display",
    "empty_field_as",
    "error_on_column_count_mismatch",
    "binary_format",
    "output_header",
    "trim_space",
];
const JSON: &[&str] = &["type", "compression", "null_field_as", "missing_field_as"];
const COLUMNS: &[&str] = &["type", "compression", "missing_field_as"];

struct Reader<'a> {
    options: &'a Options,
    format: String,
}

impl Reader<'_> {
    fn known(&self, names: &[&str]) -> Result<()> {
        match self.options.keys().find(|name| !names.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let message = format!("unknown option `{}` of file format {}", name.to_uppercase(), self.format);
                Err(Error::InvalidArgument { message })
            }
        }
    }

    fn invalid(&self, name: &str, value: &str, expected: &str) -> Error {
        let message = format!(
            "invalid option value of file format {}: {} is set to `{}`, expected {expected}",
            self.format,
            name.to_uppercase(),
            value.escape_debug()
        );
        Error::InvalidArgument { message }
    }

    fn text(&self, name: &str) -> Option<String> {
        self.options.get(name).map(|value| unescape(value))
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool> {
        match self.options.get(name).map(|v| v.to_lowercase()).as_deref() {
            None => Ok(default),
            Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => Err(self.invalid(name, other, "TRUE or FALSE")),
        }
    }

    fn delimiter(&self, name: &str, default: &str) -> Result<String> {
        let Some(value) = self.text(name) else { return Ok(default.to_string()) };
        let value = if value == "tab" { "\t".to_string() } else { value };
        let plain = value.len() == 1 && !value.starts_with(|c: char| c.is_ascii_alphanumeric());
        if plain || value == "\r\n" || (name == "field_delimiter" && (1..=20).contains(&value.len())) {
            return Ok(value);
        }
        Err(self.invalid(name, &value, "one character that is no letter or digit, or \\r\\n"))
    }

    fn character(&self, name: &str, default: &str) -> Result<Option<char>> {
        let value = self.text(name).unwrap_or_else(|| default.to_string());
        let mut chars = value.chars();
        match (chars.next(), chars.next()) {
            (None, _) => Ok(None),
            (Some(c), None) if c.is_ascii() => Ok(Some(c)),
            _ => Err(self.invalid(name, &value, "one ASCII character")),
        }
    }

    fn count(&self, name: &str) -> Result<usize> {
        match self.options.get(name) {
            None => Ok(0),
            Some(value) => value.trim().parse().map_err(|_| self.invalid(name, value, "a number")),
        }
    }

    fn csv(&mut self) -> Result<Delimited> {
        let quote = self.character("quote", "\"")?;
        Ok(Delimited {
            quoted: true,
            record_delimiter: self.delimiter("record_delimiter", "\n")?,
            field_delimiter: self.delimiter("field_delimiter", ",")?,
            quote: quote.ok_or_else(|| self.invalid("quote", "", "one of ' \" `"))?,
            escape: self.character("escape", "")?,
            ..self.delimited("\\N", Empty::Null)?
        })
    }

    fn tsv(&mut self) -> Result<Delimited> {
        Ok(Delimited {
            quoted: false,
            record_delimiter: self.delimiter("record_delimiter", "\n")?,
            field_delimiter: self.delimiter("field_delimiter", "\t")?,
            quote: '"',
            escape: self.character("escape", "\\")?.or(Some('\\')),
            ..self.delimited("\\N", Empty::Text)?
        })
    }

    fn delimited(&self, null: &str, empty: Empty) -> Result<Delimited> {
        let nan_display = self.text("nan_display").unwrap_or_else(|| "NaN".into());
        if !["nan", "null"].contains(&nan_display.to_lowercase().as_str()) {
            return Err(self.invalid("nan_display", &nan_display, "NaN or NULL"));
        }
        let empty_field_as = match self.options.get("empty_field_as").map(|v| v.to_lowercase()).as_deref() {
            None => empty,
            Some("null") => Empty::Null,
            Some("string") => Empty::Text,
            Some("field_default") => Empty::Default,
            Some(other) => return Err(self.invalid("empty_field_as", other, "NULL, STRING or FIELD_DEFAULT")),
        };
        let base64 = match self.options.get("binary_format").map(|v| v.to_lowercase()).as_deref() {
            None | Some("hex") => false,
            Some("base64") => true,
            Some(other) => return Err(self.invalid("binary_format", other, "HEX or BASE64")),
        };
        Ok(Delimited {
            quoted: true,
            record_delimiter: String::new(),
            field_delimiter: String::new(),
            quote: '"',
            escape: None,
            skip_header: self.count("skip_header")?,
            null_display: self.options.get("null_display").cloned().unwrap_or_else(|| null.into()),
            nan_display,
            empty_field_as,
            error_on_column_count_mismatch: self.flag("error_on_column_count_mismatch", true)?,
            base64,
            output_header: self.flag("output_header", false)?,
            trim_space: self.flag("trim_space", false)?,
        })
    }

    fn json(&mut self, array: bool) -> Result<Json> {
        let null_as_default = match self.options.get("null_field_as").map(|v| v.to_lowercase()).as_deref() {
            None | Some("null") => false,
            Some("field_default") => true,
            Some(other) => return Err(self.invalid("null_field_as", other, "NULL or FIELD_DEFAULT")),
        };
        Ok(Json { array, null_as_default, missing: self.missing(true)? })
    }

    fn columns(&mut self) -> Result<Columns> {
        Ok(Columns { missing: self.missing(false)? })
    }

    fn missing(&self, json: bool) -> Result<Missing> {
        match self.options.get("missing_field_as").map(|v| v.to_lowercase()).as_deref() {
            None | Some("error") => Ok(Missing::Error),
            Some("field_default") => Ok(Missing::Default),
            Some("null") if json => Ok(Missing::Null),
            Some("type_default") if json => Ok(Missing::TypeDefault),
            Some(other) => {
                Err(self.invalid("missing_field_as", other, "ERROR or FIELD_DEFAULT (JSON also NULL, TYPE_DEFAULT)"))
            }
        }
    }
}

/// `\t`, `\n`, `\x1f` and the like as what they mean: options that come with a request are not SQL texts.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            None => out.push('\\'),
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('0') => out.push('\0'),
            Some('x') => {
                let digits: String = chars.clone().take(2).collect();
                match u8::from_str_radix(&digits, 16) {
                    Ok(byte) if byte.is_ascii() => {
                        out.push(char::from(byte));
                        chars.nth(1);
                    }
                    _ => out.push('x'),
                }
            }
            Some(other) => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        pairs.iter().map(|(k, v)| ((*k).to_string(), (*v).to_string())).collect()
    }

    #[test]
    fn defaults_are_those_of_the_format() {
        let csv = FileFormat::parse(&options(&[("type", "csv")])).unwrap();
        let Kind::Delimited(csv) = &csv.kind else { panic!("not CSV") };
        assert_eq!((csv.field_delimiter.as_str(), csv.quote, csv.escape), (",", '"', None));
        assert_eq!((csv.null_display.as_str(), csv.empty_field_as), ("\\N", Empty::Null));
        let tsv = FileFormat::parse(&options(&[("type", "TSV")])).unwrap();
        let Kind::Delimited(tsv) = &tsv.kind else { panic!("not TSV") };
        assert_eq!((tsv.field_delimiter.as_str(), tsv.escape), ("\t", Some('\\')));
        assert_eq!(FileFormat::parse(&Options::new()).unwrap().name(), "PARQUET");
    }

    #[test]
    fn escapes_are_understood() {
        let read = |text: &str| {
            let format = FileFormat::parse(&options(&[("type", "csv"), ("field_delimiter", text)])).unwrap();
            match format.kind {
                Kind::Delimited(d) => d.field_delimiter,
                _ => String::new(),
            }
        };
        assert_eq!(read("\\t"), "\t");
        assert_eq!(read("\t"), "\t");
        assert_eq!(read("\\x01"), "\u{1}");
        assert_eq!(read("|"), "|");
    }

    #[test]
    fn what_is_unknown_or_wrong_is_refused() {
        for wrong in [
            vec![("type", "xlsx")],
            vec![("type", "csv"), ("colour", "red")],
            vec![("type", "csv"), ("quote", "abc")],
            vec![("type", "csv"), ("skip_header", "x")],
            vec![("type", "csv"), ("record_delimiter", "ab")],
            vec![("type", "ndjson"), ("null_field_as", "error")],
            vec![("type", "parquet"), ("missing_field_as", "null")],
            vec![("type", "csv"), ("compression", "rar")],
        ] {
            assert!(FileFormat::parse(&options(&wrong)).is_err(), "{wrong:?}");
        }
    }
}
