//! The Arrow schema of a table's segments.

use arrow::datatypes::{Field, Schema, SchemaRef};
use basalt_meta::Table;
use std::sync::Arc;

/// Schema in which rows of `table` are written and read: one field per column, named by `physical_name`.
pub fn table_schema(table: &Table) -> SchemaRef {
    let fields = table.columns.iter().map(|c| Field::new(&c.physical_name, c.data_type.clone(), c.nullable));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
