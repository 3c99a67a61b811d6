//! The catalogue as a whole: what is committed is there, after any end of the process, and nothing else is.

mod commits;
mod lifecycle;
mod model;
mod speed;
mod time_travel;

use crate::*;
use arrow_schema::DataType;
use bytes::Bytes;
use roaring::RoaringBitmap;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

static NEXT_SEGMENT: AtomicU64 = AtomicU64::new(1);

/// A catalogue in a folder of its own.
struct Fixture {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    catalog: Catalog,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp(1_000)));
        let catalog = open(dir.path(), &clock).unwrap();
        Self { dir, clock, catalog }
    }

    /// Ends the catalogue (cleanly or not, as far as one process can) and opens it again.
    fn reopen(self, end: End) -> Self {
        let Self { dir, clock, catalog } = self;
        if end == End::Clean {
            catalog.close().unwrap();
        }
        drop(catalog);
        let catalog = open(dir.path(), &clock).unwrap();
        Self { dir, clock, catalog }
    }

    fn commit(&self, edits: Vec<Edit>) -> Result<Version> {
        self.commit_if(vec![], edits)
    }

    fn commit_if(&self, preconditions: Vec<Precondition>, edits: Vec<Edit>) -> Result<Version> {
        self.clock.advance(10);
        let changes = Changes { preconditions, edits, at: self.clock.now() };
        self.catalog.commit_blocking(changes).map(|committed| committed.version)
    }

    fn default_database(&self) -> DatabaseId {
        self.catalog.snapshot().database("default").unwrap().id
    }

    fn create_table(&self, name: &str) -> TableId {
        let table = self.new_table(self.default_database(), name);
        let id = table.id;
        self.commit(vec![Edit::CreateTable(table)]).unwrap();
        id
    }

    fn new_table(&self, database: DatabaseId, name: &str) -> Table {
        let at = self.clock.now();
        Table {
            id: TableId(self.catalog.next_id()),
            database,
            name: name.to_owned(),
            kind: TableKind::Table,
            columns: vec![column(1, "a"), column(2, "b")],
            last_column: ColumnId(2),
            key_model: KeyModel::Duplicate,
            sort_key: vec![],
            partition_by: None,
            options: BTreeMap::new(),
            comment: String::new(),
            engine: Default::default(),
            transient: false,
            cluster_by: Vec::new(),
            checks: Vec::new(),
            schema_version: 1,
            created_at: at,
            updated_at: at,
            dropped: None,
        }
    }

    fn table(&self, id: TableId) -> TableSnapshot {
        self.catalog.snapshot().table_by_id(id).unwrap()
    }

    /// The table's record with its schema version raised, changed by `change`.
    fn altered(&self, id: TableId, change: impl FnOnce(&mut Table)) -> Table {
        let mut table = Table::clone(self.table(id).table());
        table.schema_version += 1;
        change(&mut table);
        table
    }

    /// Appends an object segment of ten rows.
    fn append(&self, table: TableId) -> SegmentId {
        let segment = object(10);
        let id = segment.id;
        self.commit(vec![add(table, Operation::Append, vec![segment])]).unwrap();
        id
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Clean,
    Sudden,
}

fn open(dir: &Path, clock: &Arc<ManualClock>) -> Result<Catalog> {
    let settings = CatalogSettings { block_cache_bytes: 1 << 20, ..CatalogSettings::default() };
    Catalog::open(&dir.join("meta"), settings, clock.clone())
}

fn column(id: u32, name: &str) -> Column {
    Column {
        id: ColumnId(id),
        name: name.to_owned(),
        physical_name: format!("c{id}"),
        data_type: DataType::Int64,
        nullable: true,
        default: None,
        comment: String::new(),
        computed: None,
        identity: None,
    }
}

fn object(rows: u64) -> Segment {
    let id = SegmentId((u128::from(NEXT_SEGMENT.fetch_add(1, Ordering::Relaxed)) << 64) | 7);
    Segment {
        id,
        location: Location::Object(format!("data/1/00/{id}.seg")),
        partition: None,
        level: 0,
        rows,
        bytes: rows * 8,
        memory_bytes: rows * 8,
        checksum: 1,
        schema_version: 1,
        sorted_by: vec![],
        stats: vec![ColumnStats {
            column: ColumnId(1),
            min: Some(StatValue::Int(0)),
            max: Some(StatValue::Int(9)),
            nulls: 0,
            distinct: Some(10),
            exact: true,
        }],
        added_at: Version(0),
        removed_at: None,
    }
}

fn add(table: TableId, operation: Operation, segments: Vec<Segment>) -> Edit {
    let segments = segments.into_iter().map(|segment| (segment, detail())).collect();
    Edit::AddSegments { table, operation, segments, inline: vec![] }
}

fn detail() -> SegmentDetail {
    SegmentDetail { block_crcs: vec![1, 2, 3], block_bytes: 1 << 20 }
}

fn add_inline(table: TableId, rows: u64, ipc: &'static [u8]) -> (SegmentId, Edit) {
    let segment = Segment { location: Location::Inline, bytes: ipc.len() as u64, ..object(rows) };
    let id = segment.id;
    let inline = vec![InlineRows { segment: id, ipc: Bytes::from_static(ipc) }];
    let segments = vec![(segment, SegmentDetail::default())];
    (id, Edit::AddSegments { table, operation: Operation::Append, segments, inline })
}

fn remove(table: TableId, operation: Operation, segments: &[SegmentId]) -> Edit {
    Edit::RemoveSegments { table, operation, segments: segments.to_vec() }
}

fn delete_rows(table: TableId, segment: SegmentId, rows: &[u32]) -> Edit {
    let rows = RoaringBitmap::from_iter(rows.iter().copied());
    Edit::SetDeletions { table, operation: Operation::Delete, segment, rows }
}

fn label(name: &str) -> Label {
    Label { database: DatabaseId(1), name: name.to_owned() }
}

fn finished(name: &str, load_id: u64, finished_at: Timestamp) -> LabelRecord {
    LabelRecord {
        label: label(name),
        state: LabelState::Finished { report: format!("report {load_id}") },
        load_id,
        finished_at,
        version: Version(0),
    }
}

/// Segments with their deleted rows.
fn contents(table: &TableSnapshot) -> BTreeMap<SegmentId, BTreeSet<u32>> {
    let of = |view: &SegmentView| {
        let deleted = view.deleted.as_ref().map(|rows| rows.iter().collect()).unwrap_or_default();
        (view.segment.id, deleted)
    };
    let found: BTreeMap<_, _> = table.iter().map(of).collect();
    assert_eq!(found.len(), table.segments());
    assert_eq!(table.rows(), table.iter().map(SegmentView::live_rows).sum::<u64>());
    assert_eq!(table.bytes(), table.iter().map(|view| view.segment.bytes).sum::<u64>());
    found
}
