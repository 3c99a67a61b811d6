//! Functions of bitmaps: sets of whole numbers. The aggregates over many bitmaps are in `aggregate`.

mod aggregate;

use crate::{
    functions::row::{
        Kind::{Any, Bitmap, Int},
        Row, function, outside,
    },
    types::{Special, bitmap},
};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, ListBuilder, UInt64Builder},
        compute::cast,
        datatypes::{DataType, Field, UInt64Type},
    },
    common::{Result, exec_err, plan_err},
    logical_expr::{AggregateUDF, ScalarUDF},
};
use roaring::RoaringTreemap;
use std::sync::Arc;

pub(super) fn aggregates() -> Vec<Arc<AggregateUDF>> {
    aggregate::functions()
}

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    type Both = fn(RoaringTreemap, RoaringTreemap) -> RoaringTreemap;
    let both = |names: &[&'static str], words: &str, f: Both| {
        let (syntax, example) = (format!("{}(a, b)", names[0]), format!("{}('1,4,5', '4,5,6')", names[0]));
        function(names, &[Bitmap, Bitmap], &syntax, words, &example)
            .special(Special::Bitmap, move |row| Ok(bitmap::to_bytes(&f(set(row, 0)?, set(row, 1)?))))
    };
    vec![
        build(),
        to_array(),
        function(
            &["bitmap_count", "bitmap_cardinality"],
            &[Bitmap],
            "bitmap_count(bitmap)",
            "How many numbers the set has.",
            "bitmap_count('1,4,5')",
        )
        .uint(DataType::UInt64, |row| Ok(set(row, 0)?.len())),
        function(
            &["bitmap_contains"],
            &[Bitmap, Int],
            "bitmap_contains(bitmap, n)",
            "Whether the set has a number.",
            "bitmap_contains('1,4,5', 4)",
        )
        .bool(|row| Ok(u64::try_from(row.int(1)).is_ok_and(|n| set(row, 0).is_ok_and(|s| s.contains(n))))),
        function(
            &["bitmap_has_all"],
            &[Bitmap, Bitmap],
            "bitmap_has_all(a, b)",
            "Whether a has all numbers of b.",
            "bitmap_has_all('1,4,5', '1')",
        )
        .bool(|row| Ok(set(row, 0)?.is_superset(&set(row, 1)?))),
        function(
            &["bitmap_has_any"],
            &[Bitmap, Bitmap],
            "bitmap_has_any(a, b)",
            "Whether a and b have a number in common.",
            "bitmap_has_any('1,4,5', '1,2')",
        )
        .bool(|row| Ok(!set(row, 0)?.is_disjoint(&set(row, 1)?))),
        function(
            &["bitmap_min"],
            &[Bitmap],
            "bitmap_min(bitmap)",
            "The least number; an error of the empty set.",
            "bitmap_min('1,4,5')",
        )
        .uint(DataType::UInt64, |row| match set(row, 0)?.min() {
            Some(n) => Ok(n),
            None => exec_err!("bitmap_min: the bitmap is empty"),
        }),
        function(
            &["bitmap_max"],
            &[Bitmap],
            "bitmap_max(bitmap)",
            "The greatest number; an error of the empty set.",
            "bitmap_max('1,4,5')",
        )
        .uint(DataType::UInt64, |row| match set(row, 0)?.max() {
            Some(n) => Ok(n),
            None => exec_err!("bitmap_max: the bitmap is empty"),
        }),
        both(&["bitmap_and"], "The numbers that both sets have.", |a, b| a & b),
        both(&["bitmap_or"], "The numbers that one of the sets has.", |a, b| a | b),
        both(&["bitmap_xor"], "The numbers that only one of the sets has.", |a, b| a ^ b),
        both(&["bitmap_not", "bitmap_and_not"], "The numbers of the first set that the second has not.", |a, b| a - b),
        function(
            &["sub_bitmap"],
            &[Bitmap, Int, Int],
            "sub_bitmap(bitmap, offset, count)",
            "So many numbers of the set, in order, from an offset that counts from 0.",
            "sub_bitmap('1,2,3,4,5', 1, 3)",
        )
        .special(Special::Bitmap, |row| {
            let (offset, count) = (index(row, 1)?, index(row, 2)?);
            let part: RoaringTreemap = set(row, 0)?.iter().skip(offset).take(count).collect();
            Ok(bitmap::to_bytes(&part))
        }),
        function(
            &["bitmap_subset_in_range", "subset_in_range"],
            &[Bitmap, Int, Int],
            "bitmap_subset_in_range(bitmap, from, to)",
            "The numbers from one number to below another.",
            "bitmap_subset_in_range('5,7,9', 6, 9)",
        )
        .special(Special::Bitmap, |row| {
            let (from, to) = (row.int(1).max(0) as u64, row.int(2).max(0) as u64);
            let part: RoaringTreemap = set(row, 0)?.iter().filter(|n| (from..to).contains(n)).collect();
            Ok(bitmap::to_bytes(&part))
        }),
        function(
            &["bitmap_subset_limit", "subset_limit"],
            &[Bitmap, Int, Int],
            "bitmap_subset_limit(bitmap, from, count)",
            "The first so many numbers that are at least one number.",
            "bitmap_subset_limit('3,5,7', 4, 2)",
        )
        .special(Special::Bitmap, |row| {
            let (from, count) = (row.int(1).max(0) as u64, index(row, 2)?);
            let part: RoaringTreemap = set(row, 0)?.iter().filter(|n| *n >= from).take(count).collect();
            Ok(bitmap::to_bytes(&part))
        }),
    ]
}

fn set(row: &Row, argument: usize) -> Result<RoaringTreemap> {
    bitmap::from_bytes(row.bytes(argument)).map_err(outside)
}

fn index(row: &Row, argument: usize) -> Result<usize> {
    match usize::try_from(row.int(argument)) {
        Ok(n) => Ok(n),
        Err(_) => exec_err!("{} is not a count of members of a bitmap", row.int(argument)),
    }
}

/// `build_bitmap([1, 2])`: NULLs in the array are left out.
fn build() -> Arc<ScalarUDF> {
    function(
        &["build_bitmap"],
        &[Any],
        "build_bitmap(array)",
        "The set of the numbers in an array.",
        "build_bitmap([1, 4, 5])",
    )
    .whole(
        |fields, _| match fields[0].data_type() {
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) | DataType::Null => {
                Ok(Special::Bitmap.arrow())
            }
            other => {
                plan_err!("argument 1 of function `build_bitmap` is an array, not {}", crate::plan::sql_type(other))
            }
        },
        |rows, _| {
            let array = rows.array(0)?;
            let item = Arc::new(Field::new_list_field(DataType::UInt64, true));
            let options = datafusion::arrow::compute::CastOptions { safe: false, ..Default::default() };
            let lists = datafusion::arrow::compute::cast_with_options(&array, &DataType::List(item), &options)?;
            let sets = lists.as_list::<i32>().iter().map(|list| {
                let numbers = list?;
                let set: RoaringTreemap = numbers.as_primitive::<UInt64Type>().iter().flatten().collect();
                Some(bitmap::to_bytes(&set))
            });
            let bytes: Vec<Option<Vec<u8>>> = sets.collect();
            let bytes = bytes.iter().map(|b| b.as_deref()).collect();
            Ok(crate::types::from_bytes(Special::Bitmap, bytes))
        },
    )
}

fn to_array() -> Arc<ScalarUDF> {
    let item = || Arc::new(Field::new_list_field(DataType::UInt64, false));
    function(
        &["bitmap_to_array"],
        &[Bitmap],
        "bitmap_to_array(bitmap)",
        "The numbers of the set, ascending.",
        "bitmap_to_array('3,1')",
    )
    .whole(
        move |_, _| Ok(DataType::List(item())),
        move |rows, _| {
            let mut lists = ListBuilder::new(UInt64Builder::new()).with_field(item());
            for row in rows.rows() {
                if row.any_null() {
                    lists.append_null();
                    continue;
                }
                set(&row, 0)?.iter().for_each(|n| lists.values().append_value(n));
                lists.append(true);
            }
            Ok(Arc::new(lists.finish()) as ArrayRef)
        },
    )
}

/// Numbers of any whole type as they are put into a set.
fn members(array: &ArrayRef) -> Result<ArrayRef> {
    if array.data_type() == &DataType::UInt64 {
        return Ok(array.clone());
    }
    let options = datafusion::arrow::compute::CastOptions { safe: false, ..Default::default() };
    let numbers = match array.data_type() {
        DataType::Null => cast(array, &DataType::UInt64)?,
        _ => datafusion::arrow::compute::cast_with_options(array, &DataType::UInt64, &options)?,
    };
    debug_assert_eq!(numbers.len(), array.len());
    Ok(numbers)
}
