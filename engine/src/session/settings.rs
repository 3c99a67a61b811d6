//! Settings users may change with SET: their names, ranges and defaults, and their values in force for a statement.
//!
//! Every setting either acts or is one that clients send by habit: those are accepted so that the clients work, have no
//! effect, and say so (in their description, and as a warning where they are set).

use crate::{Error, Result};
use chrono_tz::Tz;
use std::{collections::BTreeMap, str::FromStr, time::Duration};

/// One setting.
#[derive(Debug)]
pub(crate) struct Definition {
    pub name: &'static str,
    pub default: &'static str,
    pub values: Values,
    pub description: &'static str,
    /// False: accepted without effect.
    pub acts: bool,
}

/// What a setting may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Values {
    Number {
        min: u64,
        max: u64,
    },
    OneOf(&'static [&'static str]),
    TimeZone,
    /// Any text.
    Any,
}

const SWITCH: Values = Values::Number { min: 0, max: 1 };
const YEAR_SECS: u64 = 365 * 24 * 3600;

const fn acting(name: &'static str, default: &'static str, values: Values, description: &'static str) -> Definition {
    Definition { name, default, values, description, acts: true }
}

const fn ignored(name: &'static str, default: &'static str, values: Values) -> Definition {
    Definition { name, default, values, description: "Accepted for compatibility; has no effect here.", acts: false }
}

/// All settings in name order.
static DEFINITIONS: &[Definition] = &[
    ignored("acquire_lock_timeout", "30", Values::Number { min: 0, max: YEAR_SECS }),
    ignored("auto_compaction_imperfect_blocks_threshold", "25", Values::Any),
    acting(
        "binary_output_format",
        "HEX",
        Values::OneOf(&["HEX", "BASE64", "UTF-8", "UTF-8-LOSSY"]),
        "How bytes are shown in answers.",
    ),
    ignored("copy_dedup_full_path_by_default", "0", SWITCH),
    acting(
        "ddl_column_type_nullable",
        "1",
        SWITCH,
        "Columns are nullable unless NOT NULL is written (1), or not null unless NULL is written (0).",
    ),
    acting(
        "deduplicate_label",
        "",
        Values::Any,
        "Label of a statement that changes rows: a second one with the same label changes nothing.",
    ),
    ignored("enable_auto_fix_missing_bloom_index", "0", SWITCH),
    ignored("enable_bushy_join", "0", SWITCH),
    ignored("enable_cbo", "1", SWITCH),
    ignored("enable_compact_after_write", "1", SWITCH),
    ignored("enable_distributed_merge_into", "1", SWITCH),
    ignored("enable_dphyp", "1", SWITCH),
    ignored("enable_experimental_merge_into", "1", SWITCH),
    ignored("enable_experimental_procedure", "1", SWITCH),
    ignored("enable_experimental_sequence", "1", SWITCH),
    ignored("enable_geo_create_table", "0", SWITCH),
    ignored("enable_join_runtime_filter", "1", SWITCH),
    ignored("enable_optimizer_trace", "0", SWITCH),
    ignored("enable_parquet_prewhere", "1", SWITCH),
    ignored("enable_parquet_rowgroup_pruning", "1", SWITCH),
    ignored("enable_planner_cache", "0", SWITCH),
    ignored("enable_query_profiling", "0", SWITCH),
    ignored("enable_query_result_cache", "0", SWITCH),
    ignored("enable_runtime_filter", "0", SWITCH),
    ignored("enable_table_lock", "1", SWITCH),
    ignored("enforce_local", "0", SWITCH),
    acting("format_null_as_str", "0", SWITCH, "Whether answers show NULL as the text NULL (1) or as JSON's null (0)."),
    acting(
        "geometry_output_format",
        "GeoJSON",
        Values::OneOf(&["GeoJSON", "WKT", "EWKT", "WKB", "EWKB"]),
        "How shapes are shown in answers.",
    ),
    acting(
        "http_handler_result_timeout_secs",
        "60",
        Values::Number { min: 1, max: YEAR_SECS },
        "Seconds that a result nobody asks for is kept.",
    ),
    acting(
        "http_json_result_mode",
        "display",
        Values::OneOf(&["display", "driver"]),
        "Whether answers show dates and times, or count days and microseconds since 1970 for programs.",
    ),
    acting(
        "idle_transaction_timeout_secs",
        "14400",
        Values::Number { min: 1, max: YEAR_SECS },
        "Seconds without a statement after which an open transaction is rolled back; at most the server's own limit.",
    ),
    ignored("input_read_buffer_size", "4194304", Values::Number { min: 1, max: u64::MAX }),
    ignored("join_spilling_memory_ratio", "60", Values::Number { min: 0, max: 100 }),
    acting(
        "load_file_metadata_expire_hours",
        "24",
        Values::Number { min: 0, max: 24 * 365 },
        "Hours for which COPY remembers which files it has copied into a table.",
    ),
    acting("max_block_size", "8192", Values::Number { min: 64, max: 1 << 20 }, "Rows that plans process at a time."),
    acting(
        "max_execute_time_in_seconds",
        "0",
        Values::Number { min: 0, max: YEAR_SECS },
        "Seconds a statement may run; 0 leaves only the server's own limit.",
    ),
    acting(
        "max_memory_usage",
        "0",
        Values::Number { min: 0, max: u64::MAX },
        "Bytes one statement may reserve; 0 leaves only the limit of all statements together.",
    ),
    acting("max_threads", "0", Values::Number { min: 0, max: 1024 }, "Threads of one statement; 0 is one per core."),
    ignored("parquet_fast_read_bytes", "0", Values::Any),
    ignored("query_result_cache_max_bytes", "1048576", Values::Any),
    ignored("query_result_cache_min_execute_secs", "1", Values::Any),
    ignored("query_result_cache_ttl_secs", "300", Values::Any),
    ignored("query_tag", "", Values::Any),
    acting("script_max_steps", "10000", Values::Number { min: 1, max: u64::MAX }, "Steps that a script may make."),
    ignored("spilling_memory_ratio", "60", Values::Number { min: 0, max: 100 }),
    ignored("sql_dialect", "PostgreSQL", Values::OneOf(&["PostgreSQL", "MySQL", "Hive", "Experimental", "Prql"])),
    ignored("storage_read_buffer_size", "1048576", Values::Any),
    ignored("table_lock_expire_secs", "30", Values::Number { min: 0, max: YEAR_SECS }),
    acting("timezone", "UTC", Values::TimeZone, "Time zone in which timestamps are shown."),
    ignored("unquoted_ident_case_sensitive", "0", Values::OneOf(&["0"])),
];

/// All settings in name order.
pub(crate) fn definitions() -> &'static [Definition] {
    DEFINITIONS
}

/// The setting of this name; an unknown one is an error with the nearest known name.
pub(crate) fn definition(name: &str) -> Result<&'static Definition> {
    let lower = name.to_ascii_lowercase();
    DEFINITIONS.iter().find(|d| d.name == lower).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Error {
    let lower = name.to_ascii_lowercase();
    let near = DEFINITIONS
        .iter()
        .map(|d| (strsim::jaro_winkler(&lower, d.name), d.name))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = near.map(|(_, known)| format!(" (did you mean `{known}`?)")).unwrap_or_default();
    Error::UnknownSetting { name: name.to_string(), hint }
}

/// `value` as it is kept, when setting `name` is known and may have it.
pub(crate) fn known_value(name: &str, value: &str) -> Result<(&'static Definition, String)> {
    let definition = definition(name)?;
    match definition.normalize(value) {
        Some(value) => Ok((definition, value)),
        None => Err(Error::SettingValue {
            name: definition.name.to_string(),
            value: value.to_string(),
            expected: definition.expected(),
        }),
    }
}

/// The value of a known setting: the session's, else the global one, else the default.
pub(crate) fn value_in_force(
    name: &str,
    session: &BTreeMap<String, String>,
    globals: &[(String, String)],
) -> Result<String> {
    let definition = definition(name)?;
    Ok(definition.in_force(session, globals))
}

impl Definition {
    fn in_force(&self, session: &BTreeMap<String, String>, globals: &[(String, String)]) -> String {
        let global = || globals.iter().find(|(name, _)| name == self.name).map(|(_, value)| value);
        let value = session.get(self.name).or_else(global);
        value.and_then(|v| self.normalize(v)).unwrap_or_else(|| self.default.to_string())
    }

    fn normalize(&self, value: &str) -> Option<String> {
        match self.values {
            Values::Number { min, max } => {
                let number = match value.trim().to_ascii_lowercase().as_str() {
                    "true" | "on" => 1,
                    "false" | "off" => 0,
                    digits => digits.parse::<u64>().ok()?,
                };
                (min..=max).contains(&number).then(|| number.to_string())
            }
            Values::OneOf(known) => known.iter().find(|k| k.eq_ignore_ascii_case(value)).map(|k| (*k).to_string()),
            Values::TimeZone => Tz::from_str(value).ok().map(|zone| zone.name().to_string()),
            Values::Any => Some(value.to_string()),
        }
    }

    fn expected(&self) -> String {
        match self.values {
            Values::TimeZone => "the name of a time zone, such as Europe/Berlin".into(),
            _ => format!("expected {}", self.range()),
        }
    }

    /// The allowed values, for people.
    pub fn range(&self) -> String {
        match self.values {
            Values::Number { min, max } => format!("[{min}, {max}]"),
            Values::OneOf(known) => format!("[{}]", known.join(", ")),
            Values::TimeZone | Values::Any => "None".into(),
        }
    }
}

/// Settings of one statement, resolved and parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub timezone: Tz,
    /// `None`: one per core.
    pub max_threads: Option<usize>,
    pub max_block_size: usize,
    /// Bytes one statement may reserve.
    pub max_memory_bytes: Option<usize>,
    pub execute_time_max: Option<Duration>,
    pub result_timeout: Duration,
    pub transaction_idle_max: Duration,
    /// Columns are nullable unless the statement says otherwise.
    pub nullable_columns: bool,
    /// Names what a statement changes: done once.
    pub deduplicate_label: Option<String>,
    /// Steps a script may make.
    pub script_steps_max: u64,
    /// How long COPY remembers a file.
    pub copied_files_kept: Duration,
}

impl Settings {
    /// The values in force: session, then global, then default. Values that could not have been set are passed over
    /// (clients carry their sessions themselves, and may bring any).
    pub fn resolve(session: &BTreeMap<String, String>, globals: &[(String, String)]) -> Self {
        let number = |name: &str| -> u64 {
            let definition = definition(name).expect("the names below are in the table");
            definition.in_force(session, globals).parse().expect("normalised values of number settings are numbers")
        };
        let size = |name: &str| usize::try_from(number(name)).unwrap_or(usize::MAX);
        let zone = definition("timezone").expect("timezone is in the table").in_force(session, globals);
        // Never a global one: it would make every statement but the first do nothing.
        let label = session.get("deduplicate_label").filter(|label| !label.is_empty());
        Self {
            timezone: Tz::from_str(&zone).unwrap_or(Tz::UTC),
            max_threads: Some(size("max_threads")).filter(|n| *n > 0),
            max_block_size: size("max_block_size"),
            max_memory_bytes: Some(size("max_memory_usage")).filter(|n| *n > 0),
            execute_time_max: Some(number("max_execute_time_in_seconds")).filter(|n| *n > 0).map(Duration::from_secs),
            result_timeout: Duration::from_secs(number("http_handler_result_timeout_secs")),
            transaction_idle_max: Duration::from_secs(number("idle_transaction_timeout_secs")),
            nullable_columns: number("ddl_column_type_nullable") == 1,
            deduplicate_label: label.cloned(),
            script_steps_max: number("script_max_steps"),
            copied_files_kept: Duration::from_secs(number("load_file_metadata_expire_hours") * 3600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_defaults_allowed() {
        assert!(DEFINITIONS.windows(2).all(|w| w[0].name < w[1].name));
        for definition in DEFINITIONS {
            assert_eq!(
                definition.normalize(definition.default).as_deref(),
                Some(definition.default),
                "{}",
                definition.name
            );
        }
    }

    #[test]
    fn session_overrides_global_overrides_default() {
        let globals = vec![("max_threads".to_string(), "3".to_string())];
        let mut session = BTreeMap::new();
        assert_eq!(Settings::resolve(&session, &[]).max_threads, None);
        assert_eq!(Settings::resolve(&session, &globals).max_threads, Some(3));
        session.insert("max_threads".to_string(), "2".to_string());
        assert_eq!(Settings::resolve(&session, &globals).max_threads, Some(2));
        session.insert("max_threads".to_string(), "nonsense".to_string());
        assert_eq!(Settings::resolve(&session, &globals).max_threads, None);
    }

    #[test]
    fn unknown_names_and_values_are_errors() {
        let error = known_value("max_thread", "1").unwrap_err().to_string();
        assert_eq!(error, "unknown setting `max_thread` (did you mean `max_threads`?)");
        assert!(known_value("datafusion.execution.batch_size", "1").is_err());
        assert!(known_value("timezone", "Mars/Base").is_err());
        assert!(known_value("max_threads", "-1").is_err());
        assert_eq!(known_value("ENABLE_DPHYP", "off").unwrap().1, "0");
    }
}
