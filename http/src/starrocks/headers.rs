//! The options of a stream load: read from headers, checked one by one, with the messages clients know.

use super::{columns, separator};
use crate::{body::Compression, limits::Limits};
use axum::http::{HeaderMap, header};
use basalt_engine::{ColumnMapping, CsvOptions, JsonOptions, LoadFormat, LoadRequest, Principal, Session};
use std::{str::FromStr, time::Duration};

/// Longest time a load may be given, seconds (three days).
const TIMEOUT_MAX_SECS: u64 = 259_200;
const LABEL_BYTES_MAX: usize = 128;

/// Headers that ask for what is not built. Accepted when they say "off".
const NOT_BUILT: [&str; 11] = [
    "negative",
    "partial_update",
    "enable_merge_commit",
    "merge_commit_async",
    "merge_condition",
    "partitions",
    "temporary_partitions",
    "envelope",
    "transaction_type",
    "channel_id",
    "channel_num",
];

/// What a load's headers say, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamLoadHeaders {
    pub compression: Compression,
    label: Option<String>,
    format: LoadFormat,
    columns: Option<Vec<ColumnMapping>>,
    filter: Option<String>,
    max_filter_ratio: f64,
    strict: bool,
    timeout: Option<Duration>,
    timezone: Option<String>,
}

/// The header names an input format and possibly its compression.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Csv,
    Json,
    Parquet,
    Arrow,
}

impl StreamLoadHeaders {
    /// Reads and checks all headers. The error is the message of the failed load.
    pub fn parse(headers: &HeaderMap, limits: &Limits) -> Result<Self, String> {
        let headers = Headers(headers);
        headers.check_size(limits)?;
        headers.refuse_not_built()?;
        headers.check_harmless()?;
        let (kind, compression) = headers.format_and_compression()?;
        let format = match kind {
            Kind::Csv => LoadFormat::Csv(headers.csv()?),
            Kind::Json => LoadFormat::Json(headers.json()?),
            Kind::Parquet => LoadFormat::Parquet,
            Kind::Arrow => LoadFormat::ArrowStream,
        };
        Ok(Self {
            compression,
            format,
            label: headers.label()?,
            columns: headers.text("columns")?.filter(|c| !c.trim().is_empty()).map(columns::parse).transpose()?,
            filter: headers.text("where")?.filter(|w| !w.trim().is_empty()).map(str::to_string),
            max_filter_ratio: headers.ratio()?,
            strict: headers.boolean("strict_mode", "Invalid strict mode format. Must be bool type")?,
            timeout: headers.timeout()?,
            timezone: headers.timezone()?,
        })
    }

    pub fn into_request(self, principal: Principal, database: &str, table: &str) -> LoadRequest {
        let mut session = Session::new(principal);
        session.database = database.to_string();
        if let Some(timezone) = self.timezone {
            session.settings.insert("timezone".into(), timezone);
        }
        LoadRequest {
            session,
            database: database.to_string(),
            table: table.to_string(),
            label: self.label,
            format: self.format,
            columns: self.columns,
            filter: self.filter,
            max_filter_ratio: self.max_filter_ratio,
            strict: self.strict,
            timeout: self.timeout,
        }
    }
}

struct Headers<'a>(&'a HeaderMap);

impl<'a> Headers<'a> {
    fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        std::str::from_utf8(value.as_bytes()).map(Some).map_err(|_| format!("header {name} is not UTF-8"))
    }

    fn boolean(&self, name: &str, complaint: &str) -> Result<bool, String> {
        match self.text(name)?.map(|v| v.trim().to_ascii_lowercase()).as_deref() {
            None | Some("" | "false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err(complaint.to_string()),
        }
    }

    fn number<T: FromStr>(&self, name: &str, complaint: &str) -> Result<Option<T>, String> {
        let Some(text) = self.text(name)?.filter(|t| !t.trim().is_empty()) else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| complaint.to_string())
    }

    fn check_size(&self, limits: &Limits) -> Result<(), String> {
        let Some(size) = self.number::<u64>(header::CONTENT_LENGTH.as_str(), "invalid Content-Length")? else {
            return Ok(());
        };
        let limit = limits.load_body_bytes_max;
        if size > limit {
            return Err(format!("body size {size} exceed limit: {limit} bytes (setting `load_body_bytes_max`)"));
        }
        Ok(())
    }

    fn refuse_not_built(&self) -> Result<(), String> {
        if self.0.contains_key("partitions") && self.0.contains_key("temporary_partitions") {
            return Err("Can not specify both partitions and temporary partitions".into());
        }
        self.boolean("partial_update", "Invalid partial update flag format. Must be bool type")?;
        for name in NOT_BUILT {
            let off = self
                .text(name)?
                .is_none_or(|v| matches!(v.trim().to_ascii_lowercase().as_str(), "" | "false" | "none"));
            if !off {
                return Err(format!("header {name} is not supported yet"));
            }
        }
        let complaint = "log_rejected_record_num must be equal or greater than -1";
        match self.number::<i64>("log_rejected_record_num", complaint)? {
            None | Some(0) => Ok(()),
            Some(n) if n < -1 => Err(complaint.into()),
            Some(_) => Err("header log_rejected_record_num is not supported yet (see ErrorURL for bad rows)".into()),
        }
    }

    /// Headers that change nothing here by their definition: memory is bounded by the server whatever a client allows,
    /// the JSON size check protects a server that holds bodies in memory, two-phase timeouts belong to another call.
    /// Their values are checked all the same.
    fn check_harmless(&self) -> Result<(), String> {
        self.number::<u64>("load_mem_limit", "Invalid load mem limit format")?;
        if self.number::<i64>("exec_mem_limit", "Invalid mem limit format")?.is_some_and(|n| n <= 0) {
            return Err("exec_mem_limit must be greater than 0".into());
        }
        self.number::<u64>("prepared_timeout", "Invalid prepared_timeout format")?;
        self.number::<u64>("idle_transaction_timeout", "Invalid idle_transaction_timeout format")?;
        self.boolean("ignore_json_size", "Invalid ignore_json_size format. Must be bool type")?;
        Ok(())
    }

    fn label(&self) -> Result<Option<String>, String> {
        let Some(label) = self.text("label")?.filter(|l| !l.is_empty()) else { return Ok(None) };
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if label.len() > LABEL_BYTES_MAX || !label.bytes().all(allowed) {
            return Err(format!("Invalid label: `{label}`, 1 to 128 letters, digits, `_` and `-` are allowed"));
        }
        Ok(Some(label.to_string()))
    }

    fn ratio(&self) -> Result<f64, String> {
        let ratio = self.number::<f64>("max_filter_ratio", "Invalid max_filter_ratio format")?.unwrap_or(0.0);
        if (0.0..=1.0).contains(&ratio) { Ok(ratio) } else { Err("max_filter_ratio must be between 0 and 1".into()) }
    }

    fn timeout(&self) -> Result<Option<Duration>, String> {
        match self.number::<u64>("timeout", "Invalid timeout format")? {
            None => Ok(None),
            Some(secs) if (1..=TIMEOUT_MAX_SECS).contains(&secs) => Ok(Some(Duration::from_secs(secs))),
            Some(_) => Err(format!("Invalid timeout. timeout must be between 1 and {TIMEOUT_MAX_SECS} seconds")),
        }
    }

    fn timezone(&self) -> Result<Option<String>, String> {
        let Some(name) = self.text("timezone")?.map(str::trim).filter(|t| !t.is_empty()) else { return Ok(None) };
        name.parse::<chrono_tz::Tz>().map_err(|_| format!("Unknown or incorrect time zone: '{name}'"))?;
        Ok(Some(name.to_string()))
    }

    /// `format` names the format, or the compression of CSV; `compression` and `Content-Encoding` are the same thing.
    fn format_and_compression(&self) -> Result<(Kind, Compression), String> {
        let format = self.text("format")?.unwrap_or("csv").trim();
        let (named, encoded) = (self.text("compression")?, self.text(header::CONTENT_ENCODING.as_str())?);
        if named.is_some() && encoded.is_some() {
            return Err("Only one of http header content-encoding and compression can be set".into());
        }
        let compression = named.or(encoded).map_or(Ok(None), compression)?;
        let kind = match format.to_ascii_lowercase().as_str() {
            "" | "csv" => Kind::Csv,
            "json" => Kind::Json,
            "parquet" => Kind::Parquet,
            "arrow" => Kind::Arrow,
            packed @ ("gzip" | "deflate" | "zstd" | "lz4" | "bzip2") => {
                if compression.is_some() {
                    return Err(format!("format={packed} and compression can not both be set"));
                }
                return Ok((Kind::Csv, self::compression(packed)?.unwrap_or(Compression::None)));
            }
            _ => return Err(format!("unknown data format, format={format}")),
        };
        Ok((kind, compression.unwrap_or(Compression::None)))
    }

    fn csv(&self) -> Result<CsvOptions, String> {
        let separator = |name: &str, default: &[u8]| match self.text(name)? {
            Some(text) => separator::parse(name, text),
            None => Ok(default.to_vec()),
        };
        let first_byte = |name: &str| Ok::<_, String>(self.text(name)?.and_then(|text| text.bytes().next()));
        let skip_header = self.number::<i64>("skip_header", "Invalid csv load skip_header format")?.unwrap_or(0);
        let skip_header =
            usize::try_from(skip_header).map_err(|_| "skip_header must be equal or greater than 0".to_string())?;
        Ok(CsvOptions {
            column_separator: separator("column_separator", b"\t")?,
            row_delimiter: separator("row_delimiter", b"\n")?,
            enclose: first_byte("enclose")?,
            escape: first_byte("escape")?,
            skip_header,
            trim_space: self.boolean("trim_space", "Invalid trim space format. Must be bool type")?,
            null_text: "\\N".into(),
            empty_as_null: false,
        })
    }

    fn json(&self) -> Result<JsonOptions, String> {
        let invalid = "Invalid jsonpaths: expected a JSON array of texts";
        let paths = match self.text("jsonpaths")?.filter(|p| !p.trim().is_empty()) {
            None => None,
            Some(text) => Some(serde_json::from_str::<Vec<String>>(text).map_err(|e| format!("{invalid}: {e}"))?),
        };
        if paths.as_ref().is_some_and(Vec::is_empty) {
            return Err(invalid.into());
        }
        let complaint = "Invalid strip_outer_array format. Must be bool type";
        Ok(JsonOptions {
            paths,
            root: self.text("json_root")?.map(str::trim).filter(|r| !r.is_empty()).map(str::to_string),
            strip_outer_array: self.boolean("strip_outer_array", complaint)?,
        })
    }
}

fn compression(name: &str) -> Result<Option<Compression>, String> {
    match name.trim().to_ascii_uppercase().as_str() {
        "" | "NO_COMPRESSION" | "IDENTITY" | "NONE" => Ok(None),
        "GZIP" | "X-GZIP" => Ok(Some(Compression::Gzip)),
        "DEFLATE" | "ZLIB" => Ok(Some(Compression::Deflate)),
        "ZSTD" => Ok(Some(Compression::Zstd)),
        "LZ4" | "LZ4_FRAME" => Ok(Some(Compression::Lz4)),
        "AUTO" | "SNAPPY" | "BZIP2" => {
            Err(format!("compression {name} is not supported: use gzip, deflate, zstd or lz4"))
        }
        _ => Err(format!("unknown compression {name}")),
    }
}

#[cfg(test)]
mod tests;
