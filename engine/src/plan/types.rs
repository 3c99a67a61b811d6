//! SQL type names and Arrow types, both ways.

use crate::{Error, Result};
use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use datafusion::{
    arrow::datatypes::FieldRef,
    common::Result as PlanResult,
    logical_expr::planner::TypePlanner,
    sql::sqlparser::ast::{self, ArrayElemTypeDef, ExactNumberInfo},
};
use std::sync::Arc;

/// The Arrow type of a SQL type name.
pub(crate) fn arrow_type(sql: &ast::DataType) -> Result<DataType> {
    use ast::DataType as Sql;
    Ok(match sql {
        Sql::Boolean | Sql::Bool => DataType::Boolean,
        Sql::TinyInt(_) => DataType::Int8,
        Sql::SmallInt(_) | Sql::Int2(_) | Sql::Int16 => DataType::Int16,
        Sql::Int(_) | Sql::Integer(_) | Sql::Int4(_) | Sql::MediumInt(_) | Sql::Int32 => DataType::Int32,
        // `INT8` is eight bits wide here, as `INT64` is sixty-four: the users' systems count bits.
        Sql::Int8(_) => DataType::Int8,
        Sql::BigInt(_) | Sql::Int64 => DataType::Int64,
        Sql::TinyIntUnsigned(_) | Sql::UTinyInt | Sql::UInt8 | Sql::Int8Unsigned(_) => DataType::UInt8,
        Sql::SmallIntUnsigned(_) | Sql::USmallInt | Sql::Int2Unsigned(_) | Sql::UInt16 => DataType::UInt16,
        Sql::IntUnsigned(_)
        | Sql::IntegerUnsigned(_)
        | Sql::Int4Unsigned(_)
        | Sql::MediumIntUnsigned(_)
        | Sql::Unsigned
        | Sql::UnsignedInteger
        | Sql::UInt32 => DataType::UInt32,
        Sql::BigIntUnsigned(_) | Sql::UBigInt | Sql::UInt64 => DataType::UInt64,
        Sql::Signed | Sql::SignedInteger => DataType::Int64,
        Sql::Float(_) | Sql::Real | Sql::Float4 | Sql::Float32 => DataType::Float32,
        Sql::Double(_) | Sql::DoublePrecision | Sql::Float8 | Sql::Float64 => DataType::Float64,
        Sql::Decimal(info) | Sql::Numeric(info) | Sql::Dec(info) => decimal(sql, info)?,
        Sql::Varchar(_)
        | Sql::Nvarchar(_)
        | Sql::Char(_)
        | Sql::Character(_)
        | Sql::CharacterVarying(_)
        | Sql::CharVarying(_)
        | Sql::Text
        | Sql::TinyText
        | Sql::MediumText
        | Sql::LongText
        | Sql::String(_) => DataType::Utf8View,
        Sql::Binary(_) | Sql::Varbinary(_) | Sql::Blob(_) | Sql::Bytea | Sql::Bytes(_) => DataType::Binary,
        Sql::Date | Sql::Date32 => DataType::Date32,
        Sql::Timestamp(precision, zone) => timestamp(*precision, zone),
        Sql::Datetime(precision) => timestamp(*precision, &ast::TimezoneInfo::None),
        Sql::TimestampNtz(precision) => timestamp(*precision, &ast::TimezoneInfo::None),
        Sql::Time(_, _) => DataType::Time64(TimeUnit::Microsecond),
        Sql::Interval { .. } => DataType::Interval(IntervalUnit::MonthDayNano),
        Sql::Array(ArrayElemTypeDef::AngleBracket(inner))
        | Sql::Array(ArrayElemTypeDef::Parenthesis(inner))
        | Sql::Array(ArrayElemTypeDef::SquareBracket(inner, _)) => {
            DataType::List(Arc::new(Field::new_list_field(arrow_type(inner)?, true)))
        }
        Sql::Nullable(inner) => arrow_type(inner)?,
        Sql::Custom(name, arguments) => custom(sql, name, arguments)?,
        other => return Err(Error::Unsupported { what: format!("type {other}") }),
    })
}

fn custom(sql: &ast::DataType, name: &ast::ObjectName, arguments: &[String]) -> Result<DataType> {
    let unsupported = || Error::Unsupported { what: format!("type {sql}") };
    if !arguments.is_empty() {
        return Err(unsupported());
    }
    Ok(match name.to_string().to_lowercase().as_str() {
        "int8" => DataType::Int8,
        "int16" => DataType::Int16,
        "int32" => DataType::Int32,
        "int64" => DataType::Int64,
        "uint8" => DataType::UInt8,
        "uint16" => DataType::UInt16,
        "uint32" => DataType::UInt32,
        "uint64" => DataType::UInt64,
        "float32" => DataType::Float32,
        "float64" => DataType::Float64,
        "string" => DataType::Utf8View,
        "datetime" => timestamp(None, &ast::TimezoneInfo::None),
        "timestamp_tz" => timestamp(None, &ast::TimezoneInfo::Tz),
        _ => return Err(unsupported()),
    })
}

fn timestamp(precision: Option<u64>, zone: &ast::TimezoneInfo) -> DataType {
    let unit = match precision {
        Some(0) => TimeUnit::Second,
        Some(1..=3) => TimeUnit::Millisecond,
        Some(7..) => TimeUnit::Nanosecond,
        _ => TimeUnit::Microsecond,
    };
    let zoned = matches!(zone, ast::TimezoneInfo::Tz | ast::TimezoneInfo::WithTimeZone);
    DataType::Timestamp(unit, zoned.then(|| "UTC".into()))
}

fn decimal(sql: &ast::DataType, info: &ExactNumberInfo) -> Result<DataType> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => (38, 10),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    let fits = (1..=76).contains(&precision) && scale >= 0 && u64::try_from(scale).is_ok_and(|s| s <= precision);
    if !fits {
        let message = format!("{sql}: precision is 1 to 76, and scale at most the precision");
        return Err(Error::InvalidArgument { message });
    }
    let (precision, scale) = (precision as u8, scale as i8);
    Ok(if precision <= 38 { DataType::Decimal128(precision, scale) } else { DataType::Decimal256(precision, scale) })
}

/// The SQL name of an Arrow type: the form SHOW CREATE TABLE and DESC print.
pub(crate) fn sql_type(arrow: &DataType) -> String {
    match arrow {
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int8 => "TINYINT".into(),
        DataType::Int16 => "SMALLINT".into(),
        DataType::Int32 => "INT".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::UInt8 => "TINYINT UNSIGNED".into(),
        DataType::UInt16 => "SMALLINT UNSIGNED".into(),
        DataType::UInt32 => "INT UNSIGNED".into(),
        DataType::UInt64 => "BIGINT UNSIGNED".into(),
        DataType::Float16 | DataType::Float32 => "FLOAT".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => format!("DECIMAL({p}, {s})"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "BINARY".into()
        }
        DataType::Date32 | DataType::Date64 => "DATE".into(),
        DataType::Timestamp(unit, zone) => {
            let name = if zone.is_some() { "TIMESTAMP WITH TIME ZONE" } else { "TIMESTAMP" };
            match unit {
                TimeUnit::Microsecond => name.into(),
                TimeUnit::Second => name.replacen("TIMESTAMP", "TIMESTAMP(0)", 1),
                TimeUnit::Millisecond => name.replacen("TIMESTAMP", "TIMESTAMP(3)", 1),
                TimeUnit::Nanosecond => name.replacen("TIMESTAMP", "TIMESTAMP(9)", 1),
            }
        }
        DataType::Time32(_) | DataType::Time64(_) => "TIME".into(),
        DataType::Interval(_) | DataType::Duration(_) => "INTERVAL".into(),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            format!("ARRAY({})", sql_type(item.data_type()))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => {
                format!("MAP({}, {})", sql_type(fields[0].data_type()), sql_type(fields[1].data_type()))
            }
            _ => "MAP".into(),
        },
        DataType::Struct(fields) => {
            let fields: Vec<_> = fields.iter().map(|f| format!("{} {}", f.name(), sql_type(f.data_type()))).collect();
            format!("TUPLE({})", fields.join(", "))
        }
        DataType::Dictionary(_, value) => sql_type(value),
        DataType::Null => "NULL".into(),
        other => other.to_string(),
    }
}

/// Lets CAST and `::` in queries mean the same types as in CREATE TABLE.
#[derive(Debug)]
pub(super) struct Types;

impl TypePlanner for Types {
    fn plan_type_field(&self, sql: &ast::DataType) -> PlanResult<Option<FieldRef>> {
        // What is unknown here is left to the library, whose error names the type.
        Ok(arrow_type(sql).ok().map(|data_type| Arc::new(Field::new("", data_type, true))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::{dialect::GenericDialect, parser::Parser};

    #[test]
    fn names_survive_the_way_there_and_back() {
        let names = [
            "BOOLEAN",
            "TINYINT",
            "SMALLINT",
            "INT",
            "BIGINT",
            "TINYINT UNSIGNED",
            "BIGINT UNSIGNED",
            "FLOAT",
            "DOUBLE",
            "DECIMAL(15, 2)",
            "DECIMAL(76, 10)",
            "VARCHAR",
            "BINARY",
            "DATE",
            "TIMESTAMP",
            "TIMESTAMP(0)",
            "TIMESTAMP(9)",
        ];
        for name in names {
            let parsed = Parser::new(&GenericDialect {}).try_with_sql(name).unwrap().parse_data_type().unwrap();
            assert_eq!(sql_type(&arrow_type(&parsed).unwrap()), name);
        }
    }

    #[test]
    fn impossible_decimals_are_refused() {
        for name in ["DECIMAL(77, 2)", "DECIMAL(0)", "DECIMAL(5, 6)"] {
            let parsed = Parser::new(&GenericDialect {}).try_with_sql(name).unwrap().parse_data_type().unwrap();
            assert!(arrow_type(&parsed).is_err(), "{name}");
        }
    }
}
