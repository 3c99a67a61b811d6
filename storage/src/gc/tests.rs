use super::*;
use crate::{Inline, testing::*};
use arrow::{array::Int64Array, datatypes::DataType, record_batch::RecordBatch};
use basalt_meta::{Operation, Table};
use std::sync::Arc;

const SECOND: i64 = 1_000_000;

fn one_column() -> (Arc<Table>, RecordBatch) {
    let table = table(1, &[DataType::Int64], &[0]);
    let rows = batch(&table, vec![Arc::new(Int64Array::from_iter_values(0..100))]);
    (Arc::new(table), rows)
}

async fn remove_segments(bench: &Bench, table: &Table, segments: &[Segment]) {
    let segments = segments.iter().map(|segment| segment.id).collect();
    let edit = Edit::RemoveSegments { table: table.id, operation: Operation::Truncate, segments };
    commit(&bench.catalog, vec![edit]).await;
}

#[test]
fn removed_segments_go_when_nobody_can_see_them() {
    runtime().block_on(async {
        let bench = Bench::open(small_settings).await;
        let (table, rows) = one_column();
        bench.create(&table).await;
        let written = bench.write(&table, Inline::Never, std::slice::from_ref(&rows)).await;
        bench.publish(&table, &written).await;
        let kept = bench.write(&table, Inline::Never, std::slice::from_ref(&rows)).await;
        bench.publish(&table, &kept).await;
        let small = bench.write(&table, Inline::Allowed, &[rows]).await;
        bench.publish(&table, &small).await;
        let gone: Vec<Segment> = [&written, &small].iter().map(|w| w.segments[0].0.clone()).collect();
        let reader = bench.catalog.snapshot();
        bench.clock.advance(SECOND);
        remove_segments(&bench, &table, &gone).await;
        assert_eq!(bench.storage.collect_garbage(10 * SECOND).await.unwrap(), Collected::default(), "too young");
        bench.clock.advance(11 * SECOND);
        assert_eq!(bench.storage.collect_garbage(10 * SECOND).await.unwrap(), Collected::default(), "a reader sees it");
        drop(reader);
        let collected = bench.storage.collect_garbage(10 * SECOND).await.unwrap();
        assert_eq!(collected, Collected { segments: 2, bytes: gone.iter().map(|s| s.bytes).sum() });
        assert_eq!(bench.files().len(), 1);
        assert_eq!(bench.storage.collect_garbage(10 * SECOND).await.unwrap(), Collected::default());
        let view = bench.views(&table).pop().unwrap();
        assert_eq!(bench.scan(&table, &view).await.unwrap().num_rows(), 100);
    });
}

#[test]
fn garbage_whose_bytes_are_gone_is_forgotten() {
    runtime().block_on(async {
        let bench = Bench::open(small_settings).await;
        let (table, rows) = one_column();
        bench.create(&table).await;
        let written = bench.write(&table, Inline::Never, &[rows]).await;
        bench.publish(&table, &written).await;
        remove_segments(&bench, &table, &[written.segments[0].0.clone()]).await;
        // As after a crash between removing the file and forgetting the segment.
        std::fs::remove_file(&bench.files()[0]).unwrap();
        bench.clock.advance(SECOND);
        assert_eq!(bench.storage.collect_garbage(0).await.unwrap().segments, 1);
    });
}

#[test]
fn orphans_of_dead_epochs_go_and_nothing_else() {
    runtime().block_on(async {
        let bench = Bench::open(small_settings).await;
        let (table, rows) = one_column();
        bench.create(&table).await;
        let published = bench.write(&table, Inline::Never, std::slice::from_ref(&rows)).await;
        bench.publish(&table, &published).await;
        bench.write(&table, Inline::Never, std::slice::from_ref(&rows)).await;
        assert_eq!(bench.storage.remove_orphans().await.unwrap().removed, Vec::<String>::new(), "still this epoch");
        let stranger = bench.files()[0].with_file_name("notes.txt");
        std::fs::write(&stranger, "not ours").unwrap();
        let bench = bench.reopen(small_settings).await;
        bench.write(&table, Inline::Never, &[rows]).await;
        let scan = bench.storage.remove_orphans().await.unwrap();
        assert_eq!((scan.removed.len(), scan.kept), (1, 2));
        assert_eq!(bench.files().len(), 3, "published, not yet published, and the stranger");
        assert!(stranger.exists());
        let view = bench.views(&table).pop().unwrap();
        assert_eq!(bench.scan(&table, &view).await.unwrap().num_rows(), 100);
    });
}

#[test]
fn empty_directories_of_dead_epochs_go() {
    runtime().block_on(async {
        let bench = Bench::open(small_settings).await;
        let (table, rows) = one_column();
        bench.write(&table, Inline::Never, &[rows]).await;
        let old_epoch = bench.catalog.epoch().to_string();
        let bench = bench.reopen(small_settings).await;
        assert!(bench.root().join(&old_epoch).exists());
        bench.storage.remove_orphans().await.unwrap();
        assert!(!bench.root().join(&old_epoch).exists());
    });
}
