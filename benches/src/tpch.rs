//! TPC-H tables at any scale factor, from the `tpchgen` crates: the official distributions, in table order.

use crate::TableSource;
use arrow::record_batch::RecordBatch;
use tpchgen::generators::*;
use tpchgen_arrow::*;

/// Names of the eight tables, small ones first.
pub const TABLES: [&str; 8] = ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"];

/// The table called `name` at `scale`, in chunks of about `chunk_rows` rows. `None` when there is no such table.
pub fn table(name: &str, scale: f64, chunk_rows: usize) -> Option<TableSource> {
    macro_rules! source {
        ($name:literal, $generator:ident, $arrow:ident, $rows:expr) => {{
            let rows: i64 = $rows;
            let chunks = usize::try_from(rows).unwrap_or(0).div_ceil(chunk_rows).max(1);
            let parts = i32::try_from(chunks).unwrap_or(i32::MAX);
            let schema = $arrow::new($generator::new(scale, 1, parts)).schema().clone();
            TableSource::new($name, schema, chunks, move |chunk| {
                let part = i32::try_from(chunk + 1).unwrap_or(i32::MAX);
                Box::new($arrow::new($generator::new(scale, part, parts))) as Box<dyn Iterator<Item = RecordBatch>>
            })
        }};
    }
    Some(match name {
        "region" => source!("region", RegionGenerator, RegionArrow, 1),
        "nation" => source!("nation", NationGenerator, NationArrow, 1),
        "supplier" => {
            source!("supplier", SupplierGenerator, SupplierArrow, SupplierGenerator::calculate_row_count(scale, 1, 1))
        }
        "customer" => {
            source!("customer", CustomerGenerator, CustomerArrow, CustomerGenerator::calculate_row_count(scale, 1, 1))
        }
        "part" => source!("part", PartGenerator, PartArrow, PartGenerator::calculate_row_count(scale, 1, 1)),
        "partsupp" => {
            source!("partsupp", PartSuppGenerator, PartSuppArrow, PartSuppGenerator::calculate_row_count(scale, 1, 1))
        }
        "orders" => source!("orders", OrderGenerator, OrderArrow, OrderGenerator::calculate_row_count(scale, 1, 1)),
        // An order has four lines on average.
        "lineitem" => {
            source!("lineitem", LineItemGenerator, LineItemArrow, 4 * OrderGenerator::calculate_row_count(scale, 1, 1))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(name: &str, chunk_rows: usize) -> usize {
        table(name, 0.001, chunk_rows).unwrap().batches().map(|b| b.num_rows()).sum()
    }

    #[test]
    fn chunks_make_the_same_rows() {
        for name in TABLES {
            assert_eq!(rows(name, usize::MAX), rows(name, 100), "table {name}");
        }
        assert_eq!(rows("nation", 10), 25);
        assert_eq!(rows("orders", 64), 1500);
        assert!(table("line", 1.0, 100).is_none());
    }
}
