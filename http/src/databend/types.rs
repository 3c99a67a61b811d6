//! Arrow types by Databend's names. Clients fail on names they do not know, so none is invented.

use arrow::datatypes::{DataType, Field};
use basalt_engine::types::Special;

/// The type of a result column: `Nullable(T)` when it may be NULL.
pub fn column_type(field: &Field) -> String {
    let name = bare(field);
    if field.is_nullable() && !matches!(field.data_type(), DataType::Null) { format!("Nullable({name})") } else { name }
}

/// The type inside another one: `T NULL` when it may be NULL.
pub fn inner(field: &Field) -> String {
    let name = bare(field);
    if field.is_nullable() && !matches!(field.data_type(), DataType::Null) { format!("{name} NULL") } else { name }
}

fn bare(field: &Field) -> String {
    of_type(field.data_type())
}

fn of_type(data_type: &DataType) -> String {
    use DataType as D;
    if let Some(special) = Special::of(data_type) {
        return match special {
            Special::Variant => "Variant".into(),
            Special::Bitmap => "Bitmap".into(),
            Special::Geometry => "Geometry".into(),
            Special::Geography => "Geography".into(),
            Special::TimestampTz => "Timestamp_Tz".into(),
            Special::Interval => "Interval".into(),
            Special::Vector(length) => format!("Vector({length})"),
        };
    }
    let name = match data_type {
        D::Null => "NULL",
        D::Boolean => "Boolean",
        D::Int8 => "Int8",
        D::Int16 => "Int16",
        D::Int32 => "Int32",
        D::Int64 => "Int64",
        D::UInt8 => "UInt8",
        D::UInt16 => "UInt16",
        D::UInt32 => "UInt32",
        D::UInt64 => "UInt64",
        D::Float16 | D::Float32 => "Float32",
        D::Float64 => "Float64",
        D::Decimal32(p, s) => return format!("Decimal({p}, {s})"),
        D::Decimal64(p, s) => return format!("Decimal({p}, {s})"),
        D::Decimal128(p, s) => return format!("Decimal({p}, {s})"),
        D::Decimal256(p, s) => return format!("Decimal({p}, {s})"),
        D::Binary | D::BinaryView | D::FixedSizeBinary(_) => "Binary",
        D::Date32 | D::Date64 => "Date",
        D::Timestamp(_, _) => "Timestamp",
        D::Interval(_) | D::Duration(_) => "Interval",
        D::List(item) | D::LargeList(item) | D::FixedSizeList(item, _) if matches!(item.data_type(), D::Null) => {
            "Array(Nothing)"
        }
        D::List(item) | D::LargeList(item) | D::FixedSizeList(item, _) => return format!("Array({})", inner(item)),
        D::Map(entries, _) => return map(entries),
        D::Struct(fields) => return tuple(fields),
        D::Dictionary(_, values) => return of_type(values),
        // Utf8 in its three forms; times of day have no type of their own and travel as text.
        _ => "String",
    };
    name.to_string()
}

fn map(entries: &Field) -> String {
    match entries.data_type() {
        DataType::Struct(fields) if fields.len() == 2 && !matches!(fields[0].data_type(), DataType::Null) => {
            format!("Map({}, {})", of_type(fields[0].data_type()), inner(&fields[1]))
        }
        _ => "Map(Nothing)".into(),
    }
}

fn tuple(fields: &arrow::datatypes::Fields) -> String {
    let names: Vec<_> = fields.iter().map(|f| inner(f)).collect();
    if names.len() == 1 { format!("Tuple({},)", names[0]) } else { format!("Tuple({})", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn name(data_type: DataType, nullable: bool) -> String {
        column_type(&Field::new("c", data_type, nullable))
    }

    #[test]
    fn names_clients_know() {
        assert_eq!(name(DataType::UInt64, false), "UInt64");
        assert_eq!(name(DataType::Utf8View, true), "Nullable(String)");
        assert_eq!(name(DataType::Decimal128(10, 2), false), "Decimal(10, 2)");
        assert_eq!(name(DataType::Null, true), "NULL");
        assert_eq!(name(Special::Variant.arrow(), true), "Nullable(Variant)");
        assert_eq!(name(Special::TimestampTz.arrow(), false), "Timestamp_Tz");
        assert_eq!(name(Special::Vector(3).arrow(), true), "Nullable(Vector(3))");
        let list = DataType::List(Arc::new(Field::new_list_field(DataType::Int32, true)));
        assert_eq!(name(list.clone(), true), "Nullable(Array(Int32 NULL))");
        assert_eq!(
            name(DataType::List(Arc::new(Field::new_list_field(list, false))), false),
            "Array(Array(Int32 NULL))"
        );
        let one = DataType::Struct(vec![Field::new("a", DataType::Int32, false)].into());
        assert_eq!(name(one, false), "Tuple(Int32,)");
        let entries = DataType::Struct(
            vec![Field::new("k", DataType::Utf8, false), Field::new("v", DataType::Int32, true)].into(),
        );
        let map = DataType::Map(Arc::new(Field::new("entries", entries, false)), false);
        assert_eq!(name(map, false), "Map(String, Int32 NULL)");
    }
}
