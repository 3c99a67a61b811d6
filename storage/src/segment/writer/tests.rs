use super::*;
use crate::{Compression, testing::*};
use arrow::{
    array::*,
    buffer::{NullBuffer, OffsetBuffer},
    compute::concat_batches,
    datatypes::{DataType, Field, Fields, TimeUnit, i256},
};
use basalt_meta::{ColumnId, KeyModel, StatValue};
use proptest::prelude::*;
use std::os::unix::fs::PermissionsExt;

/// One array of every type a table may have, `rows` long, with nulls here and there.
fn every_type(rows: usize, seed: u64) -> Vec<ArrayRef> {
    let number = move |row: usize| (row as u64 + 1).wrapping_mul(seed | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7;
    let some = move |row: usize| (number(row) % 7 != 0).then(|| number(row));
    let text = move |row: usize| some(row).map(|n| format!("{}-{n}", "ß".repeat((n % 40) as usize)));
    let all = 0..rows;
    let micros = TimestampMicrosecondArray::from_iter(all.clone().map(|r| some(r).map(|n| n as i64)));
    let decimal = Decimal128Array::from_iter(all.clone().map(|r| some(r).map(|n| i128::from(n) - (1 << 56))));
    let wide = Decimal256Array::from_iter(all.clone().map(|r| some(r).map(|n| i256::from_i128(i128::from(n) << 60))));
    let lists = lists(rows, some);
    vec![
        Arc::new(BooleanArray::from_iter(all.clone().map(|r| some(r).map(|n| n % 2 == 0)))),
        Arc::new(Int8Array::from_iter(all.clone().map(|r| some(r).map(|n| n as i8)))),
        Arc::new(Int16Array::from_iter(all.clone().map(|r| some(r).map(|n| n as i16)))),
        Arc::new(Int32Array::from_iter(all.clone().map(|r| some(r).map(|n| n as i32)))),
        Arc::new(Int64Array::from_iter(all.clone().map(|r| some(r).map(|n| n as i64)))),
        Arc::new(UInt8Array::from_iter(all.clone().map(|r| some(r).map(|n| n as u8)))),
        Arc::new(UInt16Array::from_iter(all.clone().map(|r| some(r).map(|n| n as u16)))),
        Arc::new(UInt32Array::from_iter(all.clone().map(|r| some(r).map(|n| n as u32)))),
        Arc::new(UInt64Array::from_iter(all.clone().map(|r| some(r).map(|n| n << 7)))),
        Arc::new(Float32Array::from_iter(all.clone().map(|r| some(r).map(|n| n as f32 / 3.0)))),
        Arc::new(Float64Array::from_iter(all.clone().map(|r| some(r).map(|n| n as f64 / 3.0)))),
        Arc::new(decimal.clone().with_precision_and_scale(38, 10).unwrap()),
        Arc::new(
            Decimal128Array::from_iter(all.clone().map(|r| some(r).map(|n| i128::from(n % 1_000_000))))
                .with_precision_and_scale(15, 2)
                .unwrap(),
        ),
        Arc::new(wide.with_precision_and_scale(76, 20).unwrap()),
        Arc::new(StringViewArray::from_iter(all.clone().map(text))),
        Arc::new(StringArray::from_iter(all.clone().map(text))),
        Arc::new(BinaryViewArray::from_iter(all.clone().map(|r| text(r).map(String::into_bytes)))),
        Arc::new(Date32Array::from_iter(all.clone().map(|r| some(r).map(|n| n as i32 % 40_000)))),
        Arc::new(micros.clone()),
        Arc::new(micros.with_timezone("UTC")),
        Arc::new(IntervalYearMonthArray::from_iter(all.clone().map(|r| some(r).map(|n| n as i32 % 100)))),
        Arc::new(DurationMicrosecondArray::from_iter(all.clone().map(|r| some(r).map(|n| n as i64)))),
        Arc::new(lists.clone()),
        structs(rows, some, text, lists),
        maps(rows, some),
    ]
}

fn lists(rows: usize, some: impl Fn(usize) -> Option<u64>) -> ListArray {
    let mut builder = ListBuilder::new(Int32Builder::new());
    for row in 0..rows {
        let length = some(row).map(|n| n % 4);
        for item in 0..length.unwrap_or(0) {
            builder.values().append_option(some(row + item as usize).map(|n| n as i32));
        }
        builder.append(length.is_some());
    }
    builder.finish()
}

fn structs(
    rows: usize,
    some: impl Fn(usize) -> Option<u64>,
    text: impl Fn(usize) -> Option<String>,
    lists: ListArray,
) -> ArrayRef {
    let fields = Fields::from(vec![
        Field::new("text", DataType::Utf8View, true),
        Field::new("list", lists.data_type().clone(), true),
    ]);
    let texts = StringViewArray::from_iter((0..rows).map(text));
    let nulls = NullBuffer::from_iter((0..rows).map(|r| some(r + 3).is_some()));
    Arc::new(StructArray::new(fields, vec![Arc::new(texts), Arc::new(lists)], Some(nulls)))
}

fn maps(rows: usize, some: impl Fn(usize) -> Option<u64>) -> ArrayRef {
    let lengths: Vec<usize> = (0..rows).map(|r| some(r).map_or(0, |n| n as usize % 3)).collect();
    let total: usize = lengths.iter().sum();
    let keys = StringArray::from_iter_values((0..total).map(|i| format!("k{i}")));
    let values = Int64Array::from_iter((0..total).map(|i| some(i).map(|n| n as i64)));
    let fields =
        Fields::from(vec![Field::new("keys", DataType::Utf8, false), Field::new("values", DataType::Int64, true)]);
    let entries = StructArray::new(fields.clone(), vec![Arc::new(keys), Arc::new(values)], None);
    let field = Arc::new(Field::new("entries", DataType::Struct(fields), false));
    let nulls = NullBuffer::from_iter((0..rows).map(|r| some(r).is_some()));
    Arc::new(MapArray::new(field, OffsetBuffer::from_lengths(lengths), entries, Some(nulls), false))
}

fn types_of(columns: &[ArrayRef]) -> Vec<DataType> {
    columns.iter().map(|c| c.data_type().clone()).collect()
}

/// [`table`] where that name is taken.
fn table_of(id: u64, types: &[DataType], sort_key: &[u32]) -> Table {
    table(id, types, sort_key)
}

/// A table `(key: Int64, text: Utf8View)` ordered by key, and rows of it.
fn key_and_text(keys: impl IntoIterator<Item = i64>) -> (Table, RecordBatch) {
    let table = table(1, &[DataType::Int64, DataType::Utf8View], &[0]);
    let keys = Int64Array::from_iter_values(keys);
    let texts =
        StringViewArray::from_iter_values((0..keys.len()).map(|row| format!("a text longer than a view {row}")));
    let rows = batch(&table, vec![Arc::new(keys), Arc::new(texts)]);
    (table, rows)
}

#[test]
fn every_type_comes_back() {
    runtime().block_on(async {
        for (number, inline) in [(1, Inline::Never), (2, Inline::Allowed)] {
            let bench = Bench::open(|settings| {
                small_settings(settings);
                settings.inline_bytes_max = 4 << 20;
            })
            .await;
            let columns = every_type(2500, 77);
            // Ordered by a string and a number, so that every type is put together from positions too.
            let table = Arc::new(table(number, &types_of(&columns), &[14, 4]));
            let rows = batch(&table, columns);
            let pieces = [rows.slice(0, 700), rows.slice(700, 1), rows.slice(701, 1799)];
            let views = bench.load(&table, inline, &pieces).await;
            assert_eq!(views.len(), 1);
            assert_eq!(views[0].segment.location == Location::Inline, inline == Inline::Allowed);
            let expected = sorted(&rows, &[14, 4]);
            assert_eq!(bench.scan(&table, &views[0]).await.unwrap(), expected);
            // And once more from the bytes, not from what the writer left in the caches.
            let bench = bench.reopen(small_settings).await;
            let views = bench.views(&table);
            assert_eq!(bench.scan(&table, &views[0]).await.unwrap(), expected);
        }
    });
}

#[test]
fn every_compression_comes_back_from_a_remote_store() {
    runtime().block_on(async {
        for compression in [Compression::None, Compression::Lz4, Compression::Zstd1] {
            let bench = Bench::open(|settings| {
                small_settings(settings);
                settings.location = "memory:///some/prefix".to_string();
                settings.compression = compression;
            })
            .await;
            let (table, rows) = key_and_text((0..9000).rev());
            let table = Arc::new(table);
            let views = bench.load(&table, Inline::Never, std::slice::from_ref(&rows)).await;
            let mut found = Vec::new();
            for view in &views {
                bench.storage.parts().caches.forget(view.segment.id);
                found.push(bench.scan(&table, view).await.unwrap());
            }
            let found = concat_batches(&rows.schema(), &found).unwrap();
            assert_eq!(sorted(&found, &[0]), sorted(&rows, &[0]));
            let segments: Vec<Segment> = views.iter().map(|view| (*view.segment).clone()).collect();
            bench.storage.remove(&segments).await.unwrap();
            bench.storage.remove(&segments).await.unwrap();
            let gone = bench.scan(&table, &views[0]).await.unwrap_err();
            assert!(matches!(gone, Error::Missing { .. }), "{gone:?}");
        }
    });
}

#[test]
fn a_load_is_cut_into_sorted_segments_in_the_order_of_its_rows() {
    runtime().block_on(async {
        let bench = Bench::open(small_settings).await;
        let (table, rows) = key_and_text((0..10_000).map(|n| n * 7919 % 10_007));
        let table = Arc::new(table);
        bench.create(&table).await;
        let written = bench.write(&table, Inline::Never, std::slice::from_ref(&rows)).await;
        bench.publish(&table, &written).await;
        assert_eq!(written.rows, 10_000);
        let lengths: Vec<u64> = written.segments.iter().map(|(segment, _)| segment.rows).collect();
        assert_eq!(lengths, [4000, 4000, 2000]);
        for (number, (segment, _)) in written.segments.iter().enumerate() {
            assert_eq!(segment.sorted_by, [ColumnId(0)]);
            let view = bench.views(&table).into_iter().find(|view| view.segment.id == segment.id).unwrap();
            let expected = sorted(&rows.slice(number * 4000, lengths[number] as usize), &[0]);
            let found = bench.scan(&table, &view).await.unwrap();
            assert_eq!(found, expected);
            let keys = found.column(0).as_primitive::<arrow::datatypes::Int64Type>();
            assert_eq!(segment.stats[0].min, Some(StatValue::Int(keys.value(0))));
            assert_eq!(segment.stats[0].max, Some(StatValue::Int(keys.value(keys.len() - 1))));
        }
    });
}

#[test]
fn partitions_get_segments_of_their_own() {
    runtime().block_on(async {
        let bench = Bench::open(small_settings).await;
        let (table, rows) = key_and_text(0..5000);
        let table = Arc::new(table);
        for inline in [Inline::Never, Inline::Allowed] {
            let mut writer = bench.storage.writer(Arc::clone(&table), inline);
            for start in (0..5000).step_by(100) {
                let partition = ["a", "b", "c"][start / 100 % 3];
                writer.write(Some(partition), rows.slice(start, 100)).await.unwrap();
            }
            let written = writer.finish().await.unwrap();
            let mut partitions: Vec<&str> =
                written.segments.iter().map(|(segment, _)| segment.partition.as_deref().unwrap()).collect();
            partitions.sort_unstable();
            assert_eq!(partitions, ["a", "b", "c"]);
            assert_eq!(written.inline.len(), if inline == Inline::Allowed { 3 } else { 0 });
            assert_eq!(written.rows, 5000);
            written.discard(&bench.storage).await.unwrap();
        }
    });
}

/// Last row of each key, in key order, worked out the plain way.
fn last_of_each(rows: &RecordBatch) -> RecordBatch {
    let keys = rows.column(0).as_primitive::<arrow::datatypes::Int64Type>();
    let mut last = std::collections::BTreeMap::new();
    for row in 0..rows.num_rows() {
        last.insert(keys.value(row), row as u32);
    }
    let order = UInt32Array::from_iter_values(last.into_values());
    arrow::compute::take_record_batch(rows, &order).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_last_row_of_a_key_wins(
        keys in prop::collection::vec(0i64..30, 1..60),
        cut in 0usize..60,
        presorted: bool,
        key_is_sort_key: bool,
    ) {
        let mut keys = keys;
        if presorted {
            keys.sort_unstable();
        }
        let (mut table, rows) = key_and_text(keys);
        table.key_model = KeyModel::Unique { key: vec![ColumnId(0)] };
        if !key_is_sort_key {
            table.sort_key = vec![ColumnId(1)];
        }
        let cut = cut.min(rows.num_rows());
        let pieces = vec![rows.slice(0, cut), rows.slice(cut, rows.num_rows() - cut)];
        let run = Run::new(&table, rows.schema(), pieces).unwrap().batch().unwrap();
        prop_assert_eq!(sorted(&run, &[0]), last_of_each(&rows));
        let sort_column = usize::from(!key_is_sort_key);
        prop_assert_eq!(sorted(&run, &[sort_column]), run);
    }

    #[test]
    fn runs_are_sorted_stably(
        rows in prop::collection::vec((prop::option::of(-3i64..3), prop::option::of("[ab]{0,12}")), 1..80),
        cuts in prop::collection::vec(0usize..80, 0..3),
    ) {
        let table = table(1, &[DataType::Int64, DataType::Utf8View, DataType::UInt32], &[0, 1]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter(rows.iter().map(|(n, _)| *n))),
            Arc::new(StringViewArray::from_iter(rows.iter().map(|(_, t)| t.clone()))),
            Arc::new(UInt32Array::from_iter_values(0..rows.len() as u32)),
        ];
        let all = batch(&table, columns);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(rows.len())).chain([0, rows.len()]).collect();
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| all.slice(pair[0], pair[1] - pair[0])).collect();
        let run = Run::new(&table, all.schema(), pieces).unwrap();
        prop_assert_eq!(run.rows(), rows.len());
        prop_assert_eq!(run.batch().unwrap(), sorted(&all, &[0, 1]));
    }
}

#[test]
fn memory_stays_within_the_budget() {
    runtime().block_on(async {
        let budget = 1 << 20;
        let bench = Bench::open(|settings| {
            settings.write_buffer_bytes = budget;
            settings.encode_threads = 2;
        })
        .await;
        let (table, rows) = key_and_text((0..10_000).rev());
        let table = Arc::new(table);
        let load = || async {
            let mut writer = bench.storage.writer(Arc::clone(&table), Inline::Never);
            for _ in 0..(10 * budget).div_ceil(batch_bytes(&rows)) {
                writer.write(None, rows.clone()).await.unwrap();
            }
            writer.finish().await.unwrap()
        };
        // Three writers at once, each of ten times the budget: none may wait for ever.
        let written = futures::future::join_all([load(), load(), load()]).await;
        let peak = bench.storage.parts().budget.peak_bytes();
        assert!(peak <= budget, "{peak} bytes were reserved at once");
        let per_writer = (10 * budget).div_ceil(batch_bytes(&rows)) as u64 * 10_000;
        for written in &written {
            assert_eq!(written.rows, per_writer);
        }
        assert!(written[0].bytes > 0);
    });
}

#[test]
fn idle_writers_do_not_stop_others() {
    runtime().block_on(async {
        let bench = Bench::open(|settings| settings.write_buffer_bytes = 4 << 20).await;
        let (table, rows) = key_and_text(0..1000);
        let table = Arc::new(table);
        let mut idle: Vec<TableWriter> =
            (0..6).map(|_| bench.storage.writer(Arc::clone(&table), Inline::Never)).collect();
        for writer in &mut idle {
            for _ in 0..100 {
                writer.write(None, rows.clone()).await.unwrap();
            }
        }
        let mut busy = bench.storage.writer(Arc::clone(&table), Inline::Never);
        for _ in 0..200 {
            busy.write(None, rows.clone()).await.unwrap();
        }
        assert_eq!(busy.finish().await.unwrap().rows, 200_000);
        for writer in idle {
            assert_eq!(writer.finish().await.unwrap().rows, 100_000);
        }
    });
}

#[test]
fn unpublished_files_go_away() {
    runtime().block_on(async {
        let bench = Bench::open(small_settings).await;
        let (table, rows) = key_and_text(0..9000);
        let table = Arc::new(table);
        let written = bench.write(&table, Inline::Never, std::slice::from_ref(&rows)).await;
        assert_eq!(bench.files().len(), 3);
        written.discard(&bench.storage).await.unwrap();
        assert_eq!(bench.files().len(), 0);
        let mut writer = bench.storage.writer(Arc::clone(&table), Inline::Never);
        writer.write(None, rows).await.unwrap();
        drop(writer);
        // Tasks that were encoding end at their next step and take their files with them.
        for _ in 0..1000 {
            if bench.files().is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(bench.files(), Vec::<std::path::PathBuf>::new());
    });
}

#[test]
fn files_are_private() {
    runtime().block_on(async {
        let bench = Bench::open(small_settings).await;
        let (table, rows) = key_and_text(0..10);
        bench.write(&Arc::new(table), Inline::Never, &[rows]).await;
        let file = bench.files().pop().unwrap();
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        for directory in [file.parent().unwrap(), file.parent().unwrap().parent().unwrap(), &bench.root()] {
            assert_eq!(mode(directory), 0o700, "{}", directory.display());
        }
    });
}

#[test]
fn any_flipped_byte_is_damage_never_data() {
    let runtime = runtime();
    let (bench, table, expected, file, length) = runtime.block_on(async {
        let bench = Bench::open(|settings| {
            small_settings(settings);
            settings.footer_cache_bytes = 0;
            settings.range_cache_bytes = 0;
        })
        .await;
        let columns = every_type(1500, 5);
        let table = Arc::new(table(1, &types_of(&columns), &[4]));
        let views = bench.load(&table, Inline::Never, &[batch(&table, columns)]).await;
        let expected = bench.scan(&table, &views[0]).await.unwrap();
        let file = bench.files().pop().unwrap();
        let length = std::fs::metadata(&file).unwrap().len();
        assert!(length > 128 << 10, "several blocks are wanted, not {length} bytes");
        (bench, table, expected, file, length)
    });
    let view = bench.views(&table).pop().unwrap();
    let good = std::fs::read(&file).unwrap();
    let config = ProptestConfig::with_cases(200);
    proptest!(config, |(position in prop_oneof![0..length, 0..16u64, length - 3000..length], flip in 1u8..)| {
        let mut bad = good.clone();
        bad[position as usize] ^= flip;
        std::fs::write(&file, &bad).unwrap();
        match runtime.block_on(bench.scan(&table, &view)) {
            Err(Error::Damaged { path, .. }) => prop_assert!(file.ends_with(&path)),
            // A byte that no reader needs (the leading magic, a bloom filter) may be wrong unseen.
            Ok(rows) => prop_assert_eq!(&rows, &expected),
            Err(other) => prop_assert!(false, "{:?}", other),
        }
        // Whoever asks for these very bytes is told.
        let mut reader = bench.storage.reader(table.id, Arc::clone(&view.segment));
        let read = runtime.block_on(reader.read(std::iter::once(position..position + 1).collect()));
        let told = matches!(read, Err(Error::Damaged { .. }));
        prop_assert!(told, "byte {}", position);
    });
    std::fs::write(&file, &good[..good.len() / 2]).unwrap();
    let cut = runtime.block_on(bench.scan(&table, &view)).unwrap_err();
    assert!(matches!(cut, Error::Damaged { .. }), "{cut:?}");
    std::fs::remove_file(&file).unwrap();
    let runtime_again = runtime;
    let gone = runtime_again.block_on(async {
        let bench = bench.reopen(small_settings).await;
        let view = bench.views(&table).pop().unwrap();
        bench.scan(&table, &view).await.unwrap_err()
    });
    assert!(matches!(gone, Error::Missing { .. }), "{gone:?}");
}

#[test]
fn ranges_are_read_right_whatever_is_cached() {
    let runtime = runtime();
    let (bench, view, table) = runtime.block_on(async {
        let bench = Bench::open(|settings| settings.range_cache_bytes = 1 << 20).await;
        let (table, rows) = key_and_text((0..60_000).map(|n| n * 31 % 60_013));
        let table = Arc::new(table);
        let views = bench.load(&table, Inline::Never, &[rows]).await;
        (bench, views[0].clone(), table)
    });
    let file = std::fs::read(bench.files().pop().unwrap()).unwrap();
    let length = file.len() as u64;
    assert_eq!(length, view.segment.bytes);
    let range = (0..length, 0..200_000u64).prop_map(move |(start, size)| start..(start + size).min(length));
    proptest!(ProptestConfig::with_cases(100), |(ranges in prop::collection::vec(range, 0..6))| {
        let mut reader = bench.storage.reader(table.id, Arc::clone(&view.segment));
        let read = runtime.block_on(reader.read(ranges.clone())).unwrap();
        for (range, bytes) in ranges.iter().zip(&read) {
            prop_assert_eq!(&bytes[..], &file[range.start as usize..range.end as usize]);
        }
    });
    let mut reader = bench.storage.reader(table.id, Arc::clone(&view.segment));
    let outside = runtime.block_on(reader.read(std::iter::once(length..length + 1).collect())).unwrap_err();
    assert!(matches!(outside, Error::Damaged { .. }), "{outside:?}");
}

#[test]
fn the_footer_the_writer_caches_is_the_one_in_the_file() {
    runtime().block_on(async {
        let bench = Bench::open(small_settings).await;
        let columns = every_type(2500, 3);
        let mut table = table(1, &types_of(&columns), &[4, 14]);
        table.key_model = KeyModel::Unique { key: vec![ColumnId(4), ColumnId(18)] };
        let table = Arc::new(table);
        let views = bench.load(&table, Inline::Never, &[batch(&table, columns)]).await;
        let cached = bench.storage.reader(table.id, Arc::clone(&views[0].segment)).metadata().await.unwrap();
        bench.storage.parts().caches.forget(views[0].segment.id);
        let read = bench.storage.reader(table.id, Arc::clone(&views[0].segment)).metadata().await.unwrap();
        assert!(cached.column_index() == read.column_index(), "column index differs");
        assert!(cached.offset_index() == read.offset_index(), "offset index differs");
        assert_eq!(cached.num_row_groups(), read.num_row_groups());
        for (cached, read) in cached.row_groups().iter().zip(read.row_groups()) {
            assert_eq!(cached.sorting_columns(), read.sorting_columns());
            for (cached, read) in cached.columns().iter().zip(read.columns()) {
                // Not compared: how fully the encodings of pages are told, and flags for readers of old formats.
                let comparable = |chunk: &parquet::file::metadata::ColumnChunkMetaData| {
                    let bounds = chunk.statistics().map(|s| {
                        let (min, max) = (s.min_bytes_opt().map(<[u8]>::to_vec), s.max_bytes_opt().map(<[u8]>::to_vec));
                        (min, max, s.min_is_exact(), s.max_is_exact(), s.null_count_opt())
                    });
                    let index = (chunk.column_index_offset(), chunk.offset_index_offset());
                    let bloom = (chunk.bloom_filter_offset(), chunk.bloom_filter_length());
                    (bounds, index, bloom, chunk.byte_range(), chunk.num_values(), chunk.compression())
                };
                assert_eq!(comparable(cached), comparable(read));
            }
        }
        assert_eq!(cached.file_metadata().key_value_metadata(), read.file_metadata().key_value_metadata());
        assert!(read.column_index().is_some() && read.offset_index().is_some());
        let group = read.row_group(0);
        let sorting = group.sorting_columns().unwrap();
        let sorted_columns: Vec<&str> =
            sorting.iter().map(|s| group.column(s.column_idx as usize).column_descr().name()).collect();
        assert_eq!(sorted_columns, ["c4", "c14"]);
        assert!(sorting.iter().all(|s| !s.descending && !s.nulls_first));
        let with_bloom: Vec<&str> = group
            .columns()
            .iter()
            .filter(|c| c.bloom_filter_offset().is_some())
            .map(|c| c.column_descr().name())
            .collect();
        assert_eq!(with_bloom, ["c4", "c14"]);
    });
}

#[test]
fn old_segments_are_read_with_new_columns() {
    runtime().block_on(async {
        for (number, inline) in [(1, Inline::Never), (2, Inline::Allowed)] {
            let bench = Bench::open(small_settings).await;
            let old = Arc::new(table(number, &[DataType::Int32, DataType::Utf8View], &[0]));
            let rows = batch(
                &old,
                vec![Arc::new(Int32Array::from(vec![1, 2])), Arc::new(StringViewArray::from(vec!["a", "b"]))],
            );
            let views = bench.load(&old, inline, &[rows]).await;
            let mut new = table(number, &[DataType::Int64, DataType::Utf8View, DataType::Date32], &[0]);
            new.columns[1].name = "renamed".to_string();
            new.columns.swap(0, 2);
            let found = bench.scan(&Arc::new(new.clone()), &views[0]).await.unwrap();
            assert_eq!(found.column(0).null_count(), 2);
            assert_eq!(found.column(0).data_type(), &DataType::Date32);
            assert_eq!(found.column(1).as_string_view().value(1), "b");
            assert_eq!(found.column(2).as_primitive::<arrow::datatypes::Int64Type>().values(), &[1, 2]);
            for projection in [vec![], vec![0], vec![2, 1]] {
                use futures::TryStreamExt;
                let columns = projection.len();
                let stream = bench.storage.scan_rows(Arc::new(new.clone()), views[0].clone(), projection);
                let batches: Vec<(u64, RecordBatch)> = stream.try_collect().await.unwrap();
                assert_eq!((batches[0].1.num_rows(), batches[0].1.num_columns()), (2, columns));
            }
        }
    });
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    runtime().block_on(async {
        let bench = Bench::open(small_settings).await;
        let (table, _) = key_and_text(0..1);
        let (table, other) = (Arc::new(table), table_of(2, &[DataType::Int32], &[]));
        let mut writer = bench.storage.writer(Arc::clone(&table), Inline::Allowed);
        let rows = batch(&other, vec![Arc::new(Int32Array::from(vec![1]))]);
        assert!(matches!(writer.write(None, rows).await, Err(Error::Schema { .. })));
        let interval = DataType::Null;
        let unstorable = Arc::new(table_of(3, std::slice::from_ref(&interval), &[]));
        let rows = batch(&unstorable, vec![new_null_array(&interval, 1)]);
        let mut writer = bench.storage.writer(Arc::clone(&unstorable), Inline::Allowed);
        assert!(matches!(writer.write(None, rows).await, Err(Error::UnsupportedType { .. })));
        assert!(is_storable(&DataType::Timestamp(TimeUnit::Microsecond, None)));
    });
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    // /dev/full answers every write with ENOSPC.
    let file = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let error = std::io::Write::write_all(&mut &file, b"x").unwrap_err();
    assert!(matches!(crate::store::write_error(error), Error::NoSpace));
}

#[test]
fn an_empty_load_writes_nothing() {
    runtime().block_on(async {
        let bench = Bench::open(small_settings).await;
        let (table, rows) = key_and_text(0..1);
        let table = Arc::new(table);
        let written = bench.write(&table, Inline::Never, &[rows.slice(0, 0)]).await;
        assert!(written.edit(table.id, Operation::Append).is_none());
        assert_eq!((written.rows, bench.files().len()), (0, 0));
    });
}

#[test]
fn bounds_of_texts_in_files_hold() {
    let runtime = runtime();
    let bench = runtime.block_on(Bench::open(small_settings));
    let table = Arc::new(table(1, &[DataType::Utf8View, DataType::BinaryView], &[]));
    let text = "(\u{10ffff}|[a-c\u{7f}\u{7ff}\u{d7ff}\u{ffff}]){0,40}";
    let bytes = prop::collection::vec(prop_oneof![Just(255u8), any::<u8>()], 0..90);
    let rows = prop::collection::vec((prop::option::of(text), prop::option::of(bytes)), 1..40);
    proptest!(ProptestConfig::with_cases(64), |(rows in rows)| {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringViewArray::from_iter(rows.iter().map(|(text, _)| text.as_deref()))),
            Arc::new(BinaryViewArray::from_iter(rows.iter().map(|(_, bytes)| bytes.as_deref()))),
        ];
        let written = runtime.block_on(bench.write(&table, Inline::Never, &[batch(&table, columns)]));
        let stats = &written.segments[0].0.stats;
        for (text, bytes) in &rows {
            if let (Some(text), Some(StatValue::Utf8(min))) = (text, &stats[0].min) {
                prop_assert!(min <= text);
                let above = matches!(&stats[0].max, Some(StatValue::Utf8(max)) if max < text);
                prop_assert!(!above, "{:?} {:?}", stats[0], text);
            }
            if let (Some(bytes), Some(StatValue::Binary(min))) = (bytes, &stats[1].min) {
                prop_assert!(min <= bytes);
                let above = matches!(&stats[1].max, Some(StatValue::Binary(max)) if max < bytes);
                prop_assert!(!above, "{:?} {:?}", stats[1], bytes);
            }
        }
        let texts = rows.iter().filter_map(|(text, _)| text.as_ref());
        prop_assert_eq!(stats[0].min.is_some(), texts.clone().next().is_some());
        if stats[0].exact && stats[0].min.is_some() {
            prop_assert_eq!(&stats[0].max, &texts.max().map(|text| StatValue::Utf8(text.clone())));
        }
        prop_assert_eq!(stats[0].nulls, rows.iter().filter(|(text, _)| text.is_none()).count() as u64);
        runtime.block_on(written.discard(&bench.storage)).unwrap();
    });
}
