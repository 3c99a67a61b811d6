//! How a segment's Parquet is laid out: which columns get a dictionary, a bloom filter, which pages and statistics.

use crate::{
    Compression, Result, StorageSettings,
    segment::run::{Run, SORT_OPTIONS, column_indexes},
};
use arrow::{
    array::ArrayRef,
    datatypes::DataType,
    row::{RowConverter, SortField},
};
use basalt_meta::{KeyModel, Table};
use parquet::{
    basic::{Compression as ParquetCompression, Encoding, ZstdLevel},
    file::{
        metadata::SortingColumn,
        properties::{EnabledStatistics, WriterProperties},
    },
    schema::types::ColumnPath,
};
use std::collections::HashSet;

/// Rows looked at to tell whether a dictionary pays.
const SAMPLE_ROWS: usize = 4096;
/// Values encoded between two looks at the page's size.
const WRITE_BATCH_ROWS: usize = 4096;
const BLOOM_FALSE_POSITIVES: f64 = 0.02;

/// Writer properties for `run`.
pub(crate) fn properties(settings: &StorageSettings, table: &Table, run: &Run) -> Result<WriterProperties> {
    let rows_per_group = settings.row_group_rows.max(1);
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("basalt ", env!("CARGO_PKG_VERSION")).to_string())
        .set_compression(compression(settings.compression))
        .set_max_row_group_row_count(Some(rows_per_group))
        .set_data_page_row_count_limit(settings.page_rows.max(1))
        .set_write_batch_size(WRITE_BATCH_ROWS.min(settings.page_rows.max(1)))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns(sorting_columns(table, run));
    for (index, field) in run.schema().fields().iter().enumerate() {
        if !is_flat(field.data_type()) {
            continue;
        }
        let path = ColumnPath::from(field.name().as_str());
        if !pays_dictionary(&run.sample(index, SAMPLE_ROWS)?, run.rows(), rows_per_group)? {
            builder = builder.set_column_dictionary_enabled(path.clone(), false);
            builder = builder.set_column_encoding(path, Encoding::PLAIN);
        }
    }
    for column in bloom_columns(table) {
        let rows = run.rows().min(rows_per_group) as u64;
        let path = ColumnPath::from(run.schema().field(column).name().as_str());
        builder = builder
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_fpp(path.clone(), BLOOM_FALSE_POSITIVES)
            .set_column_bloom_filter_max_ndv(path, rows);
    }
    Ok(builder.build())
}

fn compression(compression: Compression) -> ParquetCompression {
    match compression {
        Compression::None => ParquetCompression::UNCOMPRESSED,
        Compression::Lz4 => ParquetCompression::LZ4_RAW,
        Compression::Zstd1 => ParquetCompression::ZSTD(ZstdLevel::try_new(1).expect("1 is a level")),
    }
}

/// The sort key as the footer states it: leaf numbers. Only a prefix of flat columns can be told.
fn sorting_columns(table: &Table, run: &Run) -> Option<Vec<SortingColumn>> {
    let leaves = leaf_numbers(run);
    let told: Vec<SortingColumn> = column_indexes(table, &table.sort_key)
        .into_iter()
        .map_while(|column| leaves[column])
        .map(|leaf| SortingColumn {
            column_idx: leaf,
            descending: SORT_OPTIONS.descending,
            nulls_first: SORT_OPTIONS.nulls_first,
        })
        .collect();
    (!told.is_empty()).then_some(told)
}

/// Number of each column among the leaves of the Parquet schema; none for nested columns.
fn leaf_numbers(run: &Run) -> Vec<Option<i32>> {
    let mut next = 0;
    let number = |data_type: &DataType| {
        let mine = next;
        next += leaf_count(data_type);
        is_flat(data_type).then_some(mine)
    };
    run.schema().fields().iter().map(|f| f.data_type()).map(number).collect()
}

pub(crate) fn leaf_count(data_type: &DataType) -> i32 {
    match data_type {
        DataType::Struct(fields) => fields.iter().map(|f| leaf_count(f.data_type())).sum(),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            leaf_count(item.data_type())
        }
        DataType::Map(entries, _) => leaf_count(entries.data_type()),
        _ => 1,
    }
}

fn is_flat(data_type: &DataType) -> bool {
    !data_type.is_nested()
}

/// Columns that are looked up by value. Not the first column rows are sorted by, unless it is a unique key: its page
/// bounds are narrow already.
fn bloom_columns(table: &Table) -> Vec<usize> {
    let mut ids = match &table.key_model {
        KeyModel::Unique { key } => key.clone(),
        KeyModel::Duplicate => Vec::new(),
    };
    ids.extend(table.sort_key.iter().skip(1).copied());
    let mut columns = column_indexes(table, &ids);
    columns.sort_unstable();
    columns.dedup();
    columns.retain(|&c| is_looked_up(&table.columns[c].data_type));
    columns
}

fn is_looked_up(data_type: &DataType) -> bool {
    use DataType::*;
    data_type.is_integer() || matches!(data_type, Utf8 | LargeUtf8 | Utf8View)
}

/// Whether few enough values of a column differ. From a sample: were there `distinct` values in all, `n` draws would
/// show `distinct * (1 - e^(-n / distinct))` of them; so the share of different values in the sample bounds it.
fn pays_dictionary(sample: &ArrayRef, rows: usize, rows_per_group: usize) -> Result<bool> {
    if sample.is_empty() {
        return Ok(true);
    }
    let converter = RowConverter::new(vec![SortField::new(sample.data_type().clone())])?;
    let keys = converter.convert_columns(std::slice::from_ref(sample))?;
    let distinct = keys.iter().map(|key| key.data().to_vec()).collect::<HashSet<_>>().len() as f64;
    let affordable = (rows.min(rows_per_group) as f64 / 4.0).max(1.0);
    let drawn = sample.len() as f64;
    let expected = affordable * (1.0 - (-drawn / affordable).exp());
    Ok(distinct <= expected)
}
