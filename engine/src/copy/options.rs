//! Options of COPY, checked.

use crate::{Error, Result, sql::Options};

/// What bad rows do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnError {
    Abort,
    Continue,
    /// Stop when there are this many.
    AbortAt(u64),
}

/// Options of `COPY INTO table`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CopyOptions {
    pub on_error: OnError,
    pub purge: bool,
    pub force: bool,
    /// Rows, at most; 0 is no limit.
    pub size_limit: u64,
    /// Files, at most; 0 is no limit.
    pub max_files: usize,
    pub return_failed_only: bool,
    pub disable_variant_check: bool,
    pub case_sensitive: bool,
}

/// Options of `COPY INTO place`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnloadOptions {
    pub single: bool,
    pub max_file_size: u64,
    pub detailed_output: bool,
    pub overwrite: bool,
    pub include_query_id: bool,
    pub use_raw_path: bool,
}

/// More files than this are left for the next COPY, whatever MAX_FILES says.
const FILES_MAX: usize = 15_000;
const FILE_BYTES: u64 = 64 << 20;

impl CopyOptions {
    pub fn parse(options: &Options) -> Result<Self> {
        let mut parsed = Self {
            on_error: OnError::Abort,
            purge: false,
            force: false,
            size_limit: 0,
            max_files: 0,
            return_failed_only: false,
            disable_variant_check: false,
            case_sensitive: false,
        };
        for (name, value) in options {
            match name.as_str() {
                "on_error" => parsed.on_error = on_error(value)?,
                "purge" => parsed.purge = flag(name, value)?,
                "force" => parsed.force = flag(name, value)?,
                "size_limit" => parsed.size_limit = number(name, value)?,
                "max_files" => parsed.max_files = (number(name, value)? as usize).min(FILES_MAX),
                "return_failed_only" => parsed.return_failed_only = flag(name, value)?,
                "disable_variant_check" => parsed.disable_variant_check = flag(name, value)?,
                // Rows go into as many segments as they need: there is nothing to split or to resume.
                "split_size" | "max_files_per_commit" => {
                    number(name, value)?;
                }
                "column_match_mode" => {
                    parsed.case_sensitive = match value.to_lowercase().replace('_', "-").as_str() {
                        "case-sensitive" => true,
                        "case-insensitive" => false,
                        _ => return Err(invalid(name, value, "CASE_SENSITIVE or CASE_INSENSITIVE")),
                    }
                }
                _ => return Err(unknown(name, "COPY INTO a table")),
            }
        }
        Ok(parsed)
    }
}

impl UnloadOptions {
    pub fn parse(options: &Options) -> Result<Self> {
        let mut parsed = Self {
            single: false,
            max_file_size: FILE_BYTES,
            detailed_output: false,
            overwrite: false,
            include_query_id: true,
            use_raw_path: false,
        };
        for (name, value) in options {
            match name.as_str() {
                "single" => parsed.single = flag(name, value)?,
                "max_file_size" => {
                    parsed.max_file_size = Some(number(name, value)?).filter(|n| *n > 0).unwrap_or(FILE_BYTES)
                }
                "detailed_output" => parsed.detailed_output = flag(name, value)?,
                "overwrite" => parsed.overwrite = flag(name, value)?,
                "include_query_id" => parsed.include_query_id = flag(name, value)?,
                "use_raw_path" => parsed.use_raw_path = flag(name, value)?,
                _ => return Err(unknown(name, "COPY INTO a location")),
            }
        }
        if parsed.use_raw_path && !parsed.single {
            return Err(Error::InvalidArgument {
                message: "USE_RAW_PATH needs SINGLE = TRUE: it names one file".into(),
            });
        }
        if !parsed.include_query_id && !parsed.overwrite {
            let message = "INCLUDE_QUERY_ID = FALSE needs OVERWRITE = TRUE: names are not unique then".into();
            return Err(Error::InvalidArgument { message });
        }
        Ok(parsed)
    }
}

/// Whether options of either direction are ones there are.
pub(crate) fn check_options(options: &Options) -> Result<()> {
    let (unload, load): (Options, Options) =
        options.clone().into_iter().partition(|(name, _)| matches!(name.as_str(), "single" | "max_file_size"));
    CopyOptions::parse(&load)?;
    UnloadOptions::parse(&unload)?;
    Ok(())
}

fn on_error(value: &str) -> Result<OnError> {
    let lower = value.to_lowercase();
    let expected = || invalid("on_error", value, "CONTINUE, ABORT or ABORT_<number>");
    match lower.as_str() {
        "abort" => Ok(OnError::Abort),
        "continue" => Ok(OnError::Continue),
        other => {
            let count: u64 = other.strip_prefix("abort_").ok_or_else(expected)?.parse().map_err(|_| expected())?;
            Ok(if count <= 1 { OnError::Abort } else { OnError::AbortAt(count) })
        }
    }
}

fn flag(name: &str, value: &str) -> Result<bool> {
    match value.to_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(invalid(name, value, "TRUE or FALSE")),
    }
}

fn number(name: &str, value: &str) -> Result<u64> {
    value.trim().parse().map_err(|_| invalid(name, value, "a number"))
}

fn invalid(name: &str, value: &str, expected: &str) -> Error {
    Error::InvalidArgument { message: format!("{} is `{value}`, expected {expected}", name.to_uppercase()) }
}

fn unknown(name: &str, of: &str) -> Error {
    Error::InvalidArgument { message: format!("unknown option `{}` of {of}", name.to_uppercase()) }
}
