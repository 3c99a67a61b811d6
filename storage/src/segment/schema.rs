//! The Arrow schema of a table's segments, and which types they can hold.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use basalt_meta::Table;
use std::sync::Arc;

/// Schema in which rows of `table` are written and read: one field per column, named by `physical_name`.
pub fn table_schema(table: &Table) -> SchemaRef {
    let fields = table.columns.iter().map(|c| Field::new(&c.physical_name, c.data_type.clone(), c.nullable));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Whether a table can have columns of this type: Parquet has no union, and nothing that only describes another
/// type's encoding belongs into a table. What it does with intervals is in `interval.rs`.
pub fn is_storable(data_type: &DataType) -> bool {
    use DataType::*;
    match data_type {
        Null | Union(_, _) | Dictionary(_, _) | RunEndEncoded(_, _) | ListView(_) | LargeListView(_) => false,
        List(item) | LargeList(item) | FixedSizeList(item, _) => is_storable(item.data_type()),
        Map(entries, _) => is_storable(entries.data_type()),
        Struct(fields) => !fields.is_empty() && fields.iter().all(|f| is_storable(f.data_type())),
        _ => true,
    }
}
