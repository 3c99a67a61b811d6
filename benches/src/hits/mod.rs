//! A stand-in for the web-analytics table that ClickBench queries: the same 105 columns, values drawn from
//! distributions of the same shape (few large counters, many visitors with few hits, mostly empty search phrases, one
//! month of 2013). Names are lower case: engines that fold unquoted names find them, others ignore case.
//!
//! Rows lie as an export of a store sorted by (CounterID, EventDate, UserID, EventTime, WatchID) in several parts:
//! sorted within a part, not over all.

mod block;
mod columns;
mod words;

pub use columns::COLUMNS;

use crate::TableSource;
use arrow::datatypes::{Field, Schema};
use std::sync::Arc;

/// Rows made at once from one lane of the seed.
pub(crate) const BLOCK_ROWS: u64 = 8192;

/// The table with `rows` rows, in chunks of about `chunk_rows` rows.
pub fn table(rows: u64, seed: u64, chunk_rows: usize) -> TableSource {
    let schema = Arc::new(Schema::new(
        COLUMNS.iter().map(|c| Field::new(c.name, c.kind.data_type(), false)).collect::<Vec<_>>(),
    ));
    let blocks = rows.div_ceil(BLOCK_ROWS).max(1);
    let chunk_blocks = (chunk_rows as u64).div_ceil(BLOCK_ROWS).clamp(1, blocks);
    let shape = block::Shape::new(rows, seed);
    let of = schema.clone();
    TableSource::new("hits", schema, blocks.div_ceil(chunk_blocks) as usize, move |chunk| {
        let first = chunk as u64 * chunk_blocks;
        let (shape, of) = (shape.clone(), of.clone());
        Box::new((first..(first + chunk_blocks).min(blocks)).map(move |index| shape.block(&of, index)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::{array::*, datatypes::Int32Type, record_batch::RecordBatch};

    fn all(rows: u64, chunk: usize) -> RecordBatch {
        let source = table(rows, 42, chunk);
        let batches: Vec<_> = source.batches().collect();
        arrow::compute::concat_batches(&source.schema, &batches).unwrap()
    }

    #[test]
    fn chunks_make_the_same_rows() {
        let whole = all(20_000, usize::MAX);
        assert_eq!(whole.num_rows(), 20_000);
        assert_eq!(whole.num_columns(), 105);
        assert_eq!(whole, all(20_000, 8192));
    }

    #[test]
    fn values_have_the_shape_queries_need() {
        let rows = all(200_000, usize::MAX);
        let text = |name: &str| rows.column_by_name(name).unwrap().as_string::<i32>().clone();
        let share = |count: usize| count as f64 / rows.num_rows() as f64;
        let phrases = text("searchphrase");
        let empty = (0..phrases.len()).filter(|i| phrases.value(*i).is_empty()).count();
        assert!((0.8..0.95).contains(&share(empty)), "empty search phrases: {}", share(empty));
        let urls = text("url");
        let google = (0..urls.len()).filter(|i| urls.value(*i).contains("google")).count();
        assert!(google > 0 && share(google) < 0.01, "google urls: {google}");
        let counters = rows.column_by_name("counterid").unwrap().as_primitive::<Int32Type>();
        let own = counters.values().iter().filter(|c| **c == 62).count();
        assert!((0.003..0.02).contains(&share(own)), "rows of counter 62: {own}");
    }
}
