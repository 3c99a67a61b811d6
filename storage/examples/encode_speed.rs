//! How fast rows become segments and come back: TPC-H lineitem in memory, written with each compression by one and
//! two encoding tasks, and read again. `cargo run --release -p basalt-storage --example encode_speed [scale] [order]`
#![allow(clippy::unwrap_used, clippy::disallowed_macros)] // a measurement prints what it found

use arrow::record_batch::RecordBatch;
use basalt_meta::*;
use basalt_storage::{Compression, Inline, Storage, StorageSettings};
use futures::TryStreamExt;
use std::{sync::Arc, time::Instant};
use tpchgen::generators::LineItemGenerator;
use tpchgen_arrow::LineItemArrow;

fn main() {
    let scale = std::env::args().nth(1).map_or(0.3, |text| text.parse().unwrap());
    let source = LineItemArrow::new(LineItemGenerator::new(scale, 1, 1)).with_batch_size(8192);
    let batches: Vec<RecordBatch> = source.collect();
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let megabytes = batches.iter().map(RecordBatch::get_array_memory_size).sum::<usize>() as f64 / 1e6;
    println!("lineitem: {rows} rows, {megabytes:.0} MB as Arrow");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure_one_row(batches[0].slice(0, 1)));
    for (sort_key, order) in [(vec![0u32, 3], "in order"), (vec![10], "sorted by ship date"), (vec![], "unsorted")] {
        let only = std::env::args().nth(2);
        if only.is_some_and(|only| !order.starts_with(&only)) {
            continue;
        }
        for compression in [Compression::None, Compression::Lz4, Compression::Zstd1] {
            for threads in [1, 2] {
                let measured = runtime.block_on(measure(&batches, sort_key.clone(), compression, threads));
                println!("{order:<20} {compression:?} threads={threads}: {measured} ({megabytes:.0} MB)");
            }
        }
    }
}

/// A load of one row, up to the commit.
async fn measure_one_row(row: RecordBatch) {
    const LOADS: u32 = 20_000;
    let directory = tempfile::TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp(0)));
    let catalog = Catalog::open(&directory.path().join("meta"), CatalogSettings::default(), clock).unwrap();
    let location = directory.path().join("segments").to_string_lossy().into_owned();
    let settings = StorageSettings::new(location, 2, 1 << 30);
    let storage = Storage::open(settings, catalog, tokio::runtime::Handle::current()).await.unwrap();
    let table = Arc::new(table_of(row.schema_ref(), vec![0, 3]));
    let cpu_before = cpu_ms();
    for _ in 0..LOADS {
        let mut writer = storage.writer(Arc::clone(&table), Inline::Allowed);
        writer.write(None, row.clone()).await.unwrap();
        writer.finish().await.unwrap();
    }
    let micros = (cpu_ms() - cpu_before) * 1000 / u64::from(LOADS);
    println!("one row of {} columns as an inline segment: {micros} us of CPU", table.columns.len());
}

async fn measure(batches: &[RecordBatch], sort_key: Vec<u32>, compression: Compression, threads: usize) -> String {
    let directory = tempfile::TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp(0)));
    let catalog = Catalog::open(&directory.path().join("meta"), CatalogSettings::default(), clock).unwrap();
    let location = directory.path().join("segments").to_string_lossy().into_owned();
    let mut settings = StorageSettings::new(location, threads, 8 << 30);
    settings.compression = compression;
    let storage = Storage::open(settings, catalog.clone(), tokio::runtime::Handle::current()).await.unwrap();
    let table = Arc::new(table_of(batches[0].schema_ref(), sort_key));
    let (started, cpu_before) = (Instant::now(), cpu_ms());
    let mut writer = storage.writer(Arc::clone(&table), Inline::Never);
    for batch in batches {
        writer.write(None, batch.clone()).await.unwrap();
    }
    let written = writer.finish().await.unwrap();
    let write_ms = started.elapsed().as_millis();
    let write_cpu_ms = cpu_ms() - cpu_before;
    let mut read_ms = Vec::new();
    for _ in 0..2 {
        let cpu_before = cpu_ms();
        for (segment, _) in &written.segments {
            let view = SegmentView { segment: Arc::new(segment.clone()), deleted: None };
            let columns = (0..table.columns.len()).collect();
            let scan = storage.scan_rows(Arc::clone(&table), view, columns);
            scan.try_fold(0, |rows, (_, batch)| async move { Ok(rows + batch.num_rows()) }).await.unwrap();
        }
        read_ms.push(cpu_ms() - cpu_before);
    }
    format!(
        "write {write_ms} ms (CPU {write_cpu_ms}), {:.1} MB in {} files, read twice: CPU {read_ms:?} ms",
        written.bytes as f64 / 1e6,
        written.segments.len()
    )
}

/// CPU time this process has used, which a busy machine changes less than the time on the wall.
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    10 * (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap())
}

fn table_of(schema: &arrow::datatypes::Schema, sort_key: Vec<u32>) -> Table {
    let column = |(index, field): (usize, &Arc<arrow::datatypes::Field>)| Column {
        id: ColumnId(index as u32),
        name: field.name().clone(),
        physical_name: field.name().clone(),
        data_type: field.data_type().clone(),
        nullable: true,
        default: None,
        comment: String::new(),
        computed: None,
        identity: None,
    };
    Table {
        id: TableId(1),
        database: DatabaseId(1),
        name: "lineitem".to_string(),
        kind: TableKind::Table,
        columns: schema.fields().iter().enumerate().map(column).collect(),
        last_column: ColumnId(99),
        key_model: KeyModel::Duplicate,
        sort_key: sort_key.into_iter().map(ColumnId).collect(),
        partition_by: None,
        options: Default::default(),
        comment: String::new(),
        engine: Default::default(),
        transient: false,
        cluster_by: Vec::new(),
        checks: Vec::new(),
        schema_version: 1,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        dropped: None,
    }
}
