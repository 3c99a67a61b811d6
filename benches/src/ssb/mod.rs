//! The Star Schema Benchmark: the fact table `lineorder`, its four dimensions, and the same facts with the dimensions
//! written into every row (`lineorder_flat`). An own generator with the benchmark's cardinalities and value ranges;
//! row counts follow its scale factor.

mod dimensions;
mod facts;

use crate::{SplitMix, TableSource};
use arrow::{
    array::{ArrayRef, Int32Array, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
    record_batch::RecordBatch,
};
use std::sync::Arc;

/// Names of the tables; the flat one last.
pub const TABLES: [&str; 6] = ["dates", "customer", "supplier", "part", "lineorder", "lineorder_flat"];

/// Row counts at one scale factor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub customers: u64,
    pub suppliers: u64,
    pub parts: u64,
    pub orders: u64,
}

impl Sizes {
    fn at(scale: f64) -> Self {
        let scaled = |rows: f64| ((rows * scale) as u64).max(1);
        let part_factor = if scale >= 1.0 { 1.0 + scale.log2().floor() } else { scale };
        Self {
            customers: scaled(30_000.0),
            suppliers: scaled(2_000.0),
            parts: ((200_000.0 * part_factor) as u64).max(1),
            orders: scaled(1_500_000.0),
        }
    }
}

/// The table called `name` at `scale`, in chunks of about `chunk_rows` rows. `None` when there is no such table.
pub fn table(name: &str, scale: f64, seed: u64, chunk_rows: usize) -> Option<TableSource> {
    let sizes = Sizes::at(scale);
    Some(match name {
        "dates" => dimensions::dates(),
        "customer" => dimensions::customer(seed, sizes, chunk_rows),
        "supplier" => dimensions::supplier(seed, sizes, chunk_rows),
        "part" => dimensions::part(seed, sizes, chunk_rows),
        "lineorder" => facts::lineorder(seed, sizes, chunk_rows),
        "lineorder_flat" => facts::lineorder_flat(seed, sizes, chunk_rows),
        _ => return None,
    })
}

/// Lanes of the seed, one per table, so that dimensions can be recomputed from their key anywhere.
pub(crate) const CUSTOMER_LANE: u64 = 1 << 60;
pub(crate) const SUPPLIER_LANE: u64 = 2 << 60;
pub(crate) const PART_LANE: u64 = 3 << 60;
pub(crate) const ORDER_LANE: u64 = 4 << 60;

/// The generator of the row with this key.
pub(crate) fn row_rng(seed: u64, lane: u64, key: u64) -> SplitMix {
    SplitMix::new(seed, lane | key)
}

pub(crate) fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(|(n, t)| Field::new(*n, t.clone(), false)).collect::<Vec<_>>()))
}

pub(crate) fn ints(values: impl Iterator<Item = i32>) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(values))
}

pub(crate) fn texts<T: AsRef<str>>(values: impl Iterator<Item = T>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

pub(crate) fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(schema.clone(), columns).expect("the generator's columns follow its schema")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_their_rows_with_any_chunk_size() {
        for name in TABLES {
            let count = |chunk| table(name, 0.002, 42, chunk).unwrap().batches().map(|b| b.num_rows()).sum::<usize>();
            assert_eq!(count(100_000), count(500), "table {name}");
            assert!(count(100_000) > 0);
        }
    }

    #[test]
    fn the_flat_table_is_the_join() {
        let star: Vec<_> = table("lineorder", 0.001, 42, 1000).unwrap().batches().collect();
        let flat: Vec<_> = table("lineorder_flat", 0.001, 42, 1000).unwrap().batches().collect();
        for (star, flat) in star.iter().zip(&flat) {
            assert_eq!(star.column_by_name("lo_revenue"), flat.column_by_name("lo_revenue"));
            assert_eq!(star.column_by_name("lo_custkey"), flat.column_by_name("lo_custkey"));
        }
        let customers: Vec<_> = table("customer", 0.001, 42, 1000).unwrap().batches().collect();
        let cities = customers[0].column_by_name("c_city").unwrap();
        let cities = cities.as_any().downcast_ref::<StringArray>().unwrap();
        let keys = star[0].column_by_name("lo_custkey").unwrap();
        let keys = keys.as_any().downcast_ref::<Int32Array>().unwrap();
        let flat_cities = flat[0].column_by_name("c_city").unwrap();
        let flat_cities = flat_cities.as_any().downcast_ref::<StringArray>().unwrap();
        for row in 0..star[0].num_rows() {
            assert_eq!(flat_cities.value(row), cities.value(keys.value(row) as usize - 1));
        }
    }
}
