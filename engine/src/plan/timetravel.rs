//! Tables at older versions: `t AT (SNAPSHOT => 'id' | VERSION => n | TIMESTAMP => ts | OFFSET => -seconds)`.

use super::{ResolvedTable, StatementContext, expression, prepare::VersionedTable};
use crate::{Error, Result, functions::instant_of_text};
use arrow::datatypes::{DataType, TimeUnit};
use basalt_meta::{Error as MetaError, TableId, Timestamp, Version};
use datafusion::{
    common::ScalarValue,
    sql::sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, FunctionArguments, TableVersion},
};

/// The name of a table's state after a commit, as `system.snapshots` shows it and `SNAPSHOT =>` takes it.
pub(crate) fn snapshot_id(table: TableId, version: Version) -> String {
    format!("{:016x}{:016x}", table.0, version.0)
}

/// The version a snapshot's name stands for, if it is one of this table's.
fn snapshot_version(table: TableId, id: &str) -> Option<Version> {
    let plain: String = id.chars().filter(|c| *c != '-').collect();
    if plain.len() != 32 || !plain.is_ascii() {
        return None;
    }
    let owner = u64::from_str_radix(&plain[..16], 16).ok()?;
    let version = u64::from_str_radix(&plain[16..], 16).ok()?;
    (owner == table.0).then_some(Version(version))
}

/// The table that a query reads at an older version.
pub(super) fn resolve(context: &StatementContext, versioned: &VersionedTable) -> Result<ResolvedTable> {
    let mut resolved = context.table(&versioned.name)?;
    let version = version_of(context, &resolved, &versioned.version)?;
    resolved.table = resolved.table.at(version).map_err(|error| match error {
        MetaError::HistoryGone { .. } | MetaError::NotYet { .. } => Error::NoSuchVersion { message: error.to_string() },
        other => Error::internal("cannot read the table's history", other),
    })?;
    Ok(resolved)
}

fn version_of(context: &StatementContext, table: &ResolvedTable, version: &TableVersion) -> Result<Version> {
    let (kind, value) = match version {
        TableVersion::ForSystemTimeAsOf(expr) | TableVersion::TimestampAsOf(expr) => ("timestamp".to_owned(), expr),
        TableVersion::VersionAsOf(expr) => ("version".to_owned(), expr),
        TableVersion::Function(Expr::Function(function)) => argument(&function.args)?,
        other => return Err(Error::Unsupported { what: format!("time travel by {other}") }),
    };
    let value = expression::constant(context, value)?;
    match kind.as_str() {
        "snapshot" => {
            let id = text(&value);
            snapshot_version(table.table.table().id, &id)
                .ok_or_else(|| Error::NoSuchVersion { message: format!("snapshot `{id}` is not of this table") })
        }
        "version" => Ok(Version(whole(&value)?.unsigned_abs())),
        "timestamp" => at_time(context, micros(context, &value)?),
        "offset" => {
            let seconds = whole(&value)?;
            if seconds > 0 {
                let message = format!("OFFSET counts back from now: it must not be positive, but is {seconds}");
                return Err(Error::InvalidArgument { message });
            }
            at_time(context, context.now().timestamp_micros().saturating_add(seconds.saturating_mul(1_000_000)))
        }
        other => Err(Error::Unsupported { what: format!("time travel by {}", other.to_uppercase()) }),
    }
}

fn argument(arguments: &FunctionArguments) -> Result<(String, &Expr)> {
    let FunctionArguments::List(list) = arguments else {
        return Err(malformed());
    };
    match list.args.as_slice() {
        [FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. }] => Ok((name.value.to_lowercase(), expr)),
        [FunctionArg::ExprNamed { name: Expr::Identifier(name), arg: FunctionArgExpr::Expr(expr), .. }] => {
            Ok((name.value.to_lowercase(), expr))
        }
        _ => Err(malformed()),
    }
}

fn malformed() -> Error {
    Error::Syntax { message: "AT takes one of SNAPSHOT, VERSION, TIMESTAMP, OFFSET => value".into() }
}

fn at_time(context: &StatementContext, micros: i64) -> Result<Version> {
    let catalog = &context.parts.catalog;
    catalog.version_at(Timestamp(micros)).map_err(|error| Error::NoSuchVersion { message: error.to_string() })
}

fn text(value: &ScalarValue) -> String {
    value.try_as_str().flatten().map_or_else(|| value.to_string(), str::to_owned)
}

fn whole(value: &ScalarValue) -> Result<i64> {
    match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(Some(number))) => Ok(number),
        _ => Err(Error::InvalidArgument { message: format!("a whole number is needed, not `{value}`") }),
    }
}

fn micros(context: &StatementContext, value: &ScalarValue) -> Result<i64> {
    if let Some(text) = value.try_as_str().flatten() {
        let instant = instant_of_text(text, context.settings.timezone);
        let wrong = |_| Error::InvalidArgument { message: format!("a timestamp is needed, not `{value}`") };
        return Ok(instant.map_err(wrong)?.timestamp_micros());
    }
    match value.cast_to(&DataType::Timestamp(TimeUnit::Microsecond, None)) {
        Ok(ScalarValue::TimestampMicrosecond(Some(micros), _)) => Ok(micros),
        _ => Err(Error::InvalidArgument { message: format!("a timestamp is needed, not `{value}`") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_snapshots_come_back() {
        let id = snapshot_id(TableId(7), Version(4711));
        assert_eq!(id.len(), 32);
        assert_eq!(snapshot_version(TableId(7), &id), Some(Version(4711)));
        assert_eq!(snapshot_version(TableId(8), &id), None, "another table's");
        assert_eq!(snapshot_version(TableId(7), "x"), None);
        assert_eq!(snapshot_version(TableId(7), &"é".repeat(16)), None);
    }
}
