use super::*;
use crate::testing::*;
use arrow::{
    array::*,
    compute::{concat_batches, filter_record_batch},
    datatypes::DataType,
};
use basalt_meta::{ColumnId, KeyModel, SegmentView};
use proptest::prelude::*;
use roaring::RoaringBitmap;

/// Rows of one input and which of them are deleted.
#[derive(Debug, Clone)]
struct Input {
    keys: Vec<Option<i64>>,
    deleted: Vec<prop::sample::Index>,
    inline: bool,
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    // Narrow ranges overlap and repeat, wide ones rarely do.
    let key = prop_oneof![Just(None), (0i64..20).prop_map(Some), (0i64..100_000).prop_map(Some)];
    let keys = prop_oneof![
        prop::collection::vec(key, 1..50),
        // Long stretches without overlap are passed on whole.
        (0i64..6, 1i64..3000).prop_map(|(start, rows)| (0..rows).map(|n| Some(start * 2000 + n)).collect()),
    ];
    let deleted = prop::collection::vec(any::<prop::sample::Index>(), 0..20);
    let input = (keys, deleted, any::<bool>()).prop_map(|(keys, deleted, inline)| Input { keys, deleted, inline });
    prop::collection::vec(input, 1..6)
}

fn rows_of(table: &Table, number: usize, keys: &[Option<i64>]) -> RecordBatch {
    let origin = StringViewArray::from_iter_values((0..keys.len()).map(|row| format!("row {row} of input {number}")));
    batch(table, vec![Arc::new(Int64Array::from(keys.to_vec())), Arc::new(origin)])
}

fn spec(inputs: Vec<SegmentView>) -> CompactionSpec {
    CompactionSpec { inputs, partition: None, level: 3, fold: false }
}

async fn all_rows(bench: &Bench, table: &Arc<Table>, written: &Written) -> RecordBatch {
    bench.publish(table, written).await;
    let mut batches = Vec::new();
    for (segment, _) in &written.segments {
        let view = bench.views(table).into_iter().find(|view| view.segment.id == segment.id).unwrap();
        batches.push(bench.scan(table, &view).await.unwrap());
    }
    concat_batches(&crate::table_schema(table), &batches).unwrap()
}

async fn check_merge(bench: &Bench, table: &Arc<Table>, inputs: Vec<Input>) {
    let (mut views, mut expected) = (Vec::new(), Vec::new());
    for (number, input) in inputs.iter().enumerate() {
        let rows = rows_of(table, number, &input.keys);
        let inline = if input.inline { Inline::Allowed } else { Inline::Never };
        let written = bench.write(table, inline, &[rows]).await;
        bench.publish(table, &written).await;
        let mut view = bench.views(table).into_iter().find(|v| v.segment.id == written.segments[0].0.id).unwrap();
        assert_eq!(written.segments.len(), 1);
        let deleted: RoaringBitmap = input.deleted.iter().map(|i| i.index(input.keys.len()) as u32).collect();
        let stored = bench.scan(table, &view).await.unwrap();
        let live: BooleanArray = (0..stored.num_rows() as u32).map(|row| Some(!deleted.contains(row))).collect();
        expected.push(filter_record_batch(&stored, &live).unwrap());
        view.deleted = Some(Arc::new(deleted));
        views.push(view);
    }
    let expected = concat_batches(&crate::table_schema(table), &expected).unwrap();
    let expected = if table.sort_key.is_empty() { expected } else { sorted(&expected, &[0]) };
    views.reverse();
    let written = bench.storage.merge(Arc::clone(table), spec(views)).await.unwrap();
    assert!(written.segments.iter().all(|(segment, _)| segment.level == 3));
    assert_eq!(all_rows(bench, table, &written).await, expected);
}

#[test]
fn a_merge_is_the_sorted_concatenation() {
    let runtime = runtime();
    let bench = runtime.block_on(Bench::open(small_settings));
    let number = std::sync::atomic::AtomicU64::new(0);
    proptest!(ProptestConfig::with_cases(48), |(inputs in inputs(), sorts: bool)| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let sort_key: &[u32] = if sorts { &[0] } else { &[] };
        let table = Arc::new(table(number, &[DataType::Int64, DataType::Utf8View], sort_key));
        runtime.block_on(async {
            bench.create(&table).await;
            check_merge(&bench, &table, inputs).await;
        });
    });
}

#[test]
fn many_inline_pieces_become_one_sorted_segment() {
    runtime().block_on(async {
        let bench = Bench::open(small_settings).await;
        let table = Arc::new(table(1, &[DataType::Int64, DataType::Utf8View], &[0]));
        bench.create(&table).await;
        let mut rows = Vec::new();
        for number in 0..300 {
            let one = rows_of(&table, number, &[Some((number * 37 % 300) as i64)]);
            let written = bench.write(&table, Inline::Allowed, std::slice::from_ref(&one)).await;
            bench.publish(&table, &written).await;
            rows.push(one);
        }
        let written = bench.storage.merge(Arc::clone(&table), spec(bench.views(&table))).await.unwrap();
        assert_eq!((written.segments.len(), written.inline.len()), (1, 0));
        let expected = sorted(&concat_batches(&rows[0].schema(), &rows).unwrap(), &[0]);
        assert_eq!(all_rows(&bench, &table, &written).await, expected);
    });
}

#[test]
fn a_merge_that_would_lose_rows_is_refused_and_leaves_nothing() {
    runtime().block_on(async {
        let bench = Bench::open(small_settings).await;
        let mut plain = table(1, &[DataType::Int64, DataType::Utf8View], &[0]);
        bench.create(&Arc::new(plain.clone())).await;
        for number in 0..2 {
            let rows = rows_of(&plain, number, &[Some(1), Some(2 + number as i64)]);
            let written = bench.write(&Arc::new(plain.clone()), Inline::Never, &[rows]).await;
            bench.publish(&plain, &written).await;
        }
        // Two live rows of one key: in a unique-key table that must never be.
        plain.key_model = KeyModel::Unique { key: vec![ColumnId(0)] };
        let (unique, before) = (Arc::new(plain), bench.files());
        let refused = bench.storage.merge(Arc::clone(&unique), spec(bench.views(&unique))).await.unwrap_err();
        assert!(matches!(refused, Error::RowsLost { expected: 4, found: 3 }), "{refused:?}");
        assert_eq!(bench.files(), before);
    });
}

#[test]
fn segments_of_an_older_sort_key_are_sorted_anew() {
    runtime().block_on(async {
        let bench = Bench::open(small_settings).await;
        let mut changed = table(1, &[DataType::Int64, DataType::Utf8View], &[]);
        let old = Arc::new(changed.clone());
        bench.create(&old).await;
        let rows = rows_of(&old, 0, &[Some(3), None, Some(1), Some(2)]);
        for _ in 0..2 {
            let written = bench.write(&old, Inline::Never, std::slice::from_ref(&rows)).await;
            bench.publish(&old, &written).await;
        }
        changed.sort_key = vec![ColumnId(0)];
        let changed = Arc::new(changed);
        let written = bench.storage.merge(Arc::clone(&changed), spec(bench.views(&old))).await.unwrap();
        let expected = sorted(&concat_batches(&rows.schema(), [&rows, &rows]).unwrap(), &[0]);
        assert_eq!(all_rows(&bench, &changed, &written).await, expected);
    });
}

#[test]
fn all_deleted_merges_to_nothing() {
    runtime().block_on(async {
        let bench = Bench::open(small_settings).await;
        let table = Arc::new(table(1, &[DataType::Int64, DataType::Utf8View], &[0]));
        let rows = rows_of(&table, 0, &[Some(1), Some(2)]);
        let mut views = bench.load(&table, Inline::Never, &[rows]).await;
        views[0].deleted = Some(Arc::new(RoaringBitmap::from_iter([0, 1])));
        let written = bench.storage.merge(Arc::clone(&table), spec(views)).await.unwrap();
        assert_eq!((written.rows, written.segments.len()), (0, 0));
    });
}
