//! Data to measure with: seeded generators for TPC-H, a ClickBench-shaped `hits` table and the Star Schema Benchmark,
//! and the encoders that write their tables as CSV or Parquet files. The same seed gives the same rows on every
//! machine and with any number of threads.
//!
//! Nothing here knows Basalt: the binaries `basalt-datagen` and `basalt-loadgen` stay small and link fast. The harness
//! that measures is Python (`run.py` and the folder `harness`), because the peers are Python packages.

mod delimited;
pub mod hits;
mod rng;
pub mod ssb;
mod table;
pub mod tpch;

pub use delimited::DelimitedEncoder;
pub use rng::SplitMix;
pub use table::{FileFormat, TableSource, WriteOptions, Written};

/// Anything that stops a generator: a file that can't be written, or rows that don't fit their schema.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
