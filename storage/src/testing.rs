//! What the tests of this crate stand on: a real catalogue and store in a temporary directory.

use crate::{Inline, Storage, StorageSettings, Written, table_schema};
use arrow::{
    array::ArrayRef,
    datatypes::DataType,
    record_batch::RecordBatch,
    row::{RowConverter, SortField},
};
use basalt_meta::{
    Catalog, CatalogSettings, Changes, Clock, Column, ColumnId, Database, DatabaseId, Edit, KeyModel, ManualClock,
    Operation, Segment, SegmentId, SegmentView, Table, TableId, TableKind, Timestamp, Version,
};
use futures::TryStreamExt;
use std::{path::PathBuf, sync::Arc};
use tempfile::TempDir;
use tokio::runtime::{Handle, Runtime};

pub(crate) const DATABASE: DatabaseId = DatabaseId(901);

/// A server's storage, alone.
pub(crate) struct Bench {
    pub clock: Arc<ManualClock>,
    pub catalog: Catalog,
    pub storage: Storage,
    pub directory: TempDir,
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Small everything, so that a few thousand rows make several pages, row groups and segments.
pub(crate) fn small_settings(settings: &mut StorageSettings) {
    settings.encode_threads = 2;
    settings.row_group_rows = 1000;
    settings.page_rows = 100;
    settings.segment_rows_max = 4000;
}

impl Bench {
    pub(crate) async fn open(change: impl FnOnce(&mut StorageSettings)) -> Self {
        let directory = TempDir::new().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp(1_000_000_000)));
        let catalog = open_catalog(&directory, &clock);
        let created = Database {
            id: DATABASE,
            name: "d".to_string(),
            comment: String::new(),
            created_at: clock.now(),
            dropped: None,
        };
        commit(&catalog, vec![Edit::CreateDatabase(created)]).await;
        let storage = open_storage(&directory, &catalog, change).await;
        Self { clock, catalog, storage, directory }
    }

    /// A new process life on the same directory.
    pub(crate) async fn reopen(self, change: impl FnOnce(&mut StorageSettings)) -> Self {
        let Self { clock, catalog, storage, directory } = self;
        catalog.close().unwrap();
        drop((catalog, storage));
        let catalog = open_catalog(&directory, &clock);
        let storage = open_storage(&directory, &catalog, change).await;
        Self { clock, catalog, storage, directory }
    }

    pub(crate) async fn create(&self, table: &Arc<Table>) {
        commit(&self.catalog, vec![Edit::CreateTable((**table).clone())]).await;
    }

    pub(crate) async fn write(&self, table: &Arc<Table>, inline: Inline, batches: &[RecordBatch]) -> Written {
        let mut writer = self.storage.writer(Arc::clone(table), inline);
        for batch in batches {
            writer.write(None, batch.clone()).await.unwrap();
        }
        writer.finish().await.unwrap()
    }

    pub(crate) async fn publish(&self, table: &Table, written: &Written) {
        commit(&self.catalog, written.edit(table.id, Operation::Append).into_iter().collect()).await;
    }

    /// Creates the table, writes, publishes.
    pub(crate) async fn load(&self, table: &Arc<Table>, inline: Inline, batches: &[RecordBatch]) -> Vec<SegmentView> {
        self.create(table).await;
        let written = self.write(table, inline, batches).await;
        self.publish(table, &written).await;
        self.views(table)
    }

    pub(crate) fn views(&self, table: &Table) -> Vec<SegmentView> {
        self.catalog.snapshot().table_by_id(table.id).unwrap().iter().cloned().collect()
    }

    pub(crate) async fn scan(&self, table: &Arc<Table>, view: &SegmentView) -> crate::Result<RecordBatch> {
        let projection = (0..table.columns.len()).collect();
        let stream = self.storage.scan_rows(Arc::clone(table), view.clone(), projection);
        let pieces: Vec<(u64, RecordBatch)> = stream.try_collect().await?;
        let mut next = 0;
        for (first, batch) in &pieces {
            assert_eq!(*first, next);
            next += batch.num_rows() as u64;
        }
        assert_eq!(next, view.segment.rows);
        let schema = pieces.first().map_or_else(|| table_schema(table), |(_, batch)| batch.schema());
        Ok(arrow::compute::concat_batches(&schema, pieces.iter().map(|(_, batch)| batch)).unwrap())
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("segments")
    }

    /// All files below the store's root.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut directories = vec![self.root()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { directories.push(path) } else { found.push(path) }
            }
        }
        found.sort();
        found
    }
}

fn open_catalog(directory: &TempDir, clock: &Arc<ManualClock>) -> Catalog {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Catalog::open(&directory.path().join("meta"), CatalogSettings::default(), clock).unwrap()
}

async fn open_storage(directory: &TempDir, catalog: &Catalog, change: impl FnOnce(&mut StorageSettings)) -> Storage {
    let location = directory.path().join("segments").to_string_lossy().into_owned();
    let mut settings = StorageSettings::new(location, 2, 1 << 30);
    change(&mut settings);
    Storage::open(settings, catalog.clone(), Handle::current()).await.unwrap()
}

pub(crate) async fn commit(catalog: &Catalog, edits: Vec<Edit>) {
    let changes = Changes { preconditions: Vec::new(), edits, at: catalog.clock().now() };
    catalog.commit(changes).await.unwrap();
}

/// A table with nullable columns `c0`, `c1`, … of these types, ordered by the columns of `sort_key`.
pub(crate) fn table(id: u64, types: &[DataType], sort_key: &[u32]) -> Table {
    let column = |(index, data_type): (usize, &DataType)| Column {
        id: ColumnId(index as u32),
        name: format!("name{index}"),
        physical_name: format!("c{index}"),
        data_type: data_type.clone(),
        nullable: true,
        default: None,
        comment: String::new(),
        computed: None,
        identity: None,
    };
    Table {
        id: TableId(1000 + id),
        database: DATABASE,
        name: format!("t{id}"),
        kind: TableKind::Table,
        columns: types.iter().enumerate().map(column).collect(),
        last_column: ColumnId(types.len() as u32),
        key_model: KeyModel::Duplicate,
        sort_key: sort_key.iter().map(|&c| ColumnId(c)).collect(),
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

pub(crate) fn batch(table: &Table, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(table_schema(table), columns).unwrap()
}

/// The rows ordered by `columns` (ascending, nulls last), stably: said another way than the product does.
pub(crate) fn sorted(batch: &RecordBatch, columns: &[usize]) -> RecordBatch {
    let options = crate::segment::run::SORT_OPTIONS;
    let field = |&c: &usize| SortField::new_with_options(batch.column(c).data_type().clone(), options);
    let converter = RowConverter::new(columns.iter().map(field).collect()).unwrap();
    let keys: Vec<ArrayRef> = columns.iter().map(|&c| batch.column(c).clone()).collect();
    let rows = converter.convert_columns(&keys).unwrap();
    let mut order: Vec<u32> = (0..batch.num_rows() as u32).collect();
    order.sort_by(|&a, &b| rows.row(a as usize).cmp(&rows.row(b as usize)));
    let order = arrow::array::UInt32Array::from(order);
    arrow::compute::take_record_batch(batch, &order).unwrap()
}

/// A segment that only planning looks at.
pub(crate) fn imagined_segment(id: u128, rows: u64) -> Segment {
    Segment {
        id: SegmentId(id),
        location: basalt_meta::Location::Object(crate::paths::segment_path(1, SegmentId(id))),
        partition: None,
        level: 0,
        rows,
        bytes: rows * 10,
        memory_bytes: rows * 20,
        checksum: 0,
        schema_version: 1,
        sorted_by: Vec::new(),
        stats: Vec::new(),
        added_at: Version(1),
        removed_at: None,
    }
}
