//! SQL type names and Arrow types, both ways.

use crate::{Error, Result, sql, types::Special};
use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use datafusion::{
    arrow::datatypes::FieldRef,
    common::Result as PlanResult,
    logical_expr::planner::TypePlanner,
    sql::sqlparser::ast::{self, ArrayElemTypeDef, ExactNumberInfo, ObjectNamePart},
};
use std::sync::Arc;

/// Precision and scale of a DECIMAL that says neither.
const DECIMAL_DEFAULT: (u64, i64) = (18, 3);
/// Numbers in a vector, at most.
const VECTOR_LENGTH_MAX: usize = 4096;

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
        | Sql::UInt32 => DataType::UInt32,
        Sql::BigIntUnsigned(_) | Sql::UBigInt | Sql::UInt64 | Sql::Unsigned | Sql::UnsignedInteger => DataType::UInt64,
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
        Sql::Binary(_)
        | Sql::Varbinary(_)
        | Sql::Blob(_)
        | Sql::TinyBlob
        | Sql::MediumBlob
        | Sql::LongBlob
        | Sql::Bytea
        | Sql::Bytes(_) => DataType::Binary,
        Sql::Date | Sql::Date32 => DataType::Date32,
        Sql::Timestamp(precision, zone) => timestamp(*precision, zone),
        Sql::Datetime(precision) => timestamp(*precision, &ast::TimezoneInfo::None),
        Sql::TimestampNtz(precision) => timestamp(*precision, &ast::TimezoneInfo::None),
        Sql::Time(_, _) => DataType::Time64(TimeUnit::Microsecond),
        Sql::Interval { .. } => Special::Interval.arrow(),
        Sql::JSON | Sql::JSONB => Special::Variant.arrow(),
        Sql::GeometricType(_) => return Err(Error::Unsupported { what: format!("type {sql}") }),
        Sql::Array(ArrayElemTypeDef::AngleBracket(inner))
        | Sql::Array(ArrayElemTypeDef::Parenthesis(inner))
        | Sql::Array(ArrayElemTypeDef::SquareBracket(inner, _)) => {
            DataType::List(Arc::new(Field::new_list_field(arrow_type(inner)?, true)))
        }
        Sql::Map(key, value) => map_type(arrow_type(key)?, arrow_type(value)?),
        Sql::Tuple(fields) => {
            let fields = fields.iter().enumerate().map(|(n, field)| {
                let name = field.field_name.as_ref().map_or_else(|| (n + 1).to_string(), sql::ident_name);
                Ok(Field::new(name, arrow_type(&field.field_type)?, true))
            });
            DataType::Struct(fields.collect::<Result<Vec<_>>>()?.into())
        }
        Sql::Nullable(inner) => arrow_type(inner)?,
        Sql::Custom(name, arguments) => custom(sql, name, arguments)?,
        other => return Err(Error::Unsupported { what: format!("type {other}") }),
    })
}

/// MAP(key, value).
pub(crate) fn map_type(key: DataType, value: DataType) -> DataType {
    let entries = Fields::from(vec![Field::new("key", key, false), Field::new("value", value, true)]);
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
}

fn custom(sql: &ast::DataType, name: &ast::ObjectName, arguments: &[String]) -> Result<DataType> {
    let unsupported = || Error::Unsupported { what: format!("type {sql}") };
    // Types within types come from inside expressions as one quoted word.
    if let [ObjectNamePart::Identifier(text)] = name.0.as_slice()
        && text.quote_style.is_some()
        && arguments.is_empty()
    {
        return arrow_type(&crate::sql::parse_type(&text.value)?);
    }
    let name = name.to_string().to_lowercase();
    if name == "vector" {
        let [length] = arguments else { return Err(unsupported()) };
        let length = length.parse().ok().filter(|n| (1..=VECTOR_LENGTH_MAX).contains(n));
        let message = format!("{sql}: a vector has 1 to {VECTOR_LENGTH_MAX} numbers");
        return Ok(Special::Vector(length.ok_or(Error::InvalidArgument { message })?).arrow());
    }
    if !arguments.is_empty() {
        return Err(unsupported());
    }
    Ok(match name.as_str() {
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
        "timestamp_tz" => Special::TimestampTz.arrow(),
        "variant" => Special::Variant.arrow(),
        "bitmap" => Special::Bitmap.arrow(),
        "geometry" => Special::Geometry.arrow(),
        "geography" => Special::Geography.arrow(),
        "interval" => Special::Interval.arrow(),
        _ => return Err(unsupported()),
    })
}

fn timestamp(precision: Option<u64>, zone: &ast::TimezoneInfo) -> DataType {
    if matches!(zone, ast::TimezoneInfo::Tz | ast::TimezoneInfo::WithTimeZone) {
        return Special::TimestampTz.arrow();
    }
    let unit = match precision {
        Some(0) => TimeUnit::Second,
        Some(1..=3) => TimeUnit::Millisecond,
        Some(7..) => TimeUnit::Nanosecond,
        _ => TimeUnit::Microsecond,
    };
    DataType::Timestamp(unit, None)
}

fn decimal(sql: &ast::DataType, info: &ExactNumberInfo) -> Result<DataType> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => DECIMAL_DEFAULT,
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    decimal_type(precision, scale).ok_or_else(|| {
        let message = format!("{sql}: precision is 1 to 76, and scale at most the precision");
        Error::InvalidArgument { message }
    })
}

/// DECIMAL(precision, scale), if there is one.
pub(crate) fn decimal_type(precision: u64, scale: i64) -> Option<DataType> {
    let fits = (1..=76).contains(&precision) && scale >= 0 && u64::try_from(scale).is_ok_and(|s| s <= precision);
    let (precision, scale) = (precision as u8, scale as i8);
    match precision {
        _ if !fits => None,
        0..=38 => Some(DataType::Decimal128(precision, scale)),
        _ => Some(DataType::Decimal256(precision, scale)),
    }
}

/// The SQL name of an Arrow type: the form SHOW CREATE TABLE and DESC print.
pub(crate) fn sql_type(arrow: &DataType) -> String {
    if let Some(special) = Special::of(arrow) {
        return match special {
            Special::Variant => "VARIANT".into(),
            Special::Bitmap => "BITMAP".into(),
            Special::Geometry => "GEOMETRY".into(),
            Special::Geography => "GEOGRAPHY".into(),
            Special::TimestampTz => "TIMESTAMP_TZ".into(),
            Special::Interval => "INTERVAL".into(),
            Special::Vector(length) => format!("VECTOR({length})"),
        };
    }
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
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP".into(),
        DataType::Timestamp(unit, None) => match unit {
            TimeUnit::Microsecond => "TIMESTAMP".into(),
            TimeUnit::Second => "TIMESTAMP(0)".into(),
            TimeUnit::Millisecond => "TIMESTAMP(3)".into(),
            TimeUnit::Nanosecond => "TIMESTAMP(9)".into(),
        },
        DataType::Time32(_) | DataType::Time64(_) => "TIME".into(),
        DataType::Interval(_) | DataType::Duration(_) => "INTERVAL".into(),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => match item.data_type() {
            DataType::Null => "ARRAY(NOTHING)".into(),
            _ => format!("ARRAY({})", inner_type(item)),
        },
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 && *fields[0].data_type() != DataType::Null => {
                format!("MAP({}, {})", sql_type(fields[0].data_type()), inner_type(&fields[1]))
            }
            _ => "MAP(NOTHING)".into(),
        },
        DataType::Struct(fields) => {
            let fields: Vec<_> = fields.iter().map(|f| format!("{} {}", f.name(), inner_type(f))).collect();
            format!("TUPLE({})", fields.join(", "))
        }
        DataType::Dictionary(_, value) => sql_type(value),
        DataType::Null => "NULL".into(),
        other => other.to_string(),
    }
}

/// A type inside another one, with `NULL` behind it where one may be.
fn inner_type(field: &Field) -> String {
    let name = sql_type(field.data_type());
    if field.is_nullable() && *field.data_type() != DataType::Null { format!("{name} NULL") } else { name }
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
            "TIMESTAMP_TZ",
            "INTERVAL",
            "VARIANT",
            "BITMAP",
            "GEOMETRY",
            "GEOGRAPHY",
            "VECTOR(3)",
            "ARRAY(INT NULL)",
            "ARRAY(ARRAY(VARIANT NULL) NULL)",
            "MAP(VARCHAR, BIGINT UNSIGNED NULL)",
            "TUPLE(1 INT NULL, 2 VARCHAR NULL)",
            "TUPLE(a INT NULL, b ARRAY(BITMAP NULL) NULL)",
        ];
        for name in names {
            let parsed = sql::parse_type(name).unwrap();
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
