//! An engine in a temporary directory, and short ways to ask it things. For tests.

use crate::{Engine, EngineSettings, Error, Principal, QueryHandle, QueryRequest, Result, Role, Session};
use arrow::{record_batch::RecordBatch, util::display::array_value_to_string};
use basalt_meta::Operation;
use std::time::Duration;
use tempfile::TempDir;

/// How long a test waits for a page: far longer than any should take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Rig {
    pub engine: Engine,
    pub session: Session,
    _dir: TempDir,
}

/// An engine with small segments, so that little data makes many of them.
pub(crate) async fn rig() -> Rig {
    rig_with(|_| {}).await
}

pub(crate) async fn rig_with(change: impl FnOnce(&mut EngineSettings)) -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = EngineSettings::new(dir.path().to_owned(), 2, 512 << 20);
    settings.fold_after = Duration::from_secs(3600);
    change(&mut settings);
    let engine = Engine::open(settings).await.unwrap();
    let session = Session::new(Principal { name: "root".into(), role: Role::Admin });
    Rig { engine, session, _dir: dir }
}

impl Rig {
    pub async fn start(&self, sql: &str) -> Result<QueryHandle> {
        self.engine.query(QueryRequest::new(sql, self.session.clone())).await
    }

    /// All rows of a statement.
    pub async fn batches(&self, sql: &str) -> Result<(Vec<String>, Vec<RecordBatch>)> {
        let handle = self.start(sql).await?;
        let mut batches = Vec::new();
        for number in 0.. {
            let page = handle.page(number, PATIENCE).await?.expect("patience is long");
            batches.extend(page.batches.iter().cloned());
            if !page.more {
                break;
            }
        }
        let names = handle.schema().unwrap().fields().iter().map(|f| f.name().clone()).collect();
        handle.close(crate::CloseReason::Finalized);
        Ok((names, batches))
    }

    /// All rows of a statement as text; NULL is empty.
    pub async fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>> {
        let (_, batches) = self.batches(sql).await?;
        let mut rows = Vec::new();
        for batch in batches {
            for row in 0..batch.num_rows() {
                let cell = |column: &arrow::array::ArrayRef| array_value_to_string(column, row).unwrap();
                rows.push(batch.columns().iter().map(cell).collect());
            }
        }
        Ok(rows)
    }

    /// The only value of the only row.
    pub async fn value(&self, sql: &str) -> String {
        let rows = self.rows(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
        rows[0].join("|")
    }

    pub async fn run(&self, sql: &str) {
        self.rows(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub async fn error(&self, sql: &str) -> Error {
        match self.rows(sql).await {
            Ok(rows) => panic!("{sql} succeeded: {rows:?}"),
            Err(error) => error,
        }
    }

    /// Writes rows of `sql` into a table as Parquet segments (never inline), one load.
    pub async fn load_parquet(&self, table: &str, sql: &str) {
        let parts = self.engine.parts();
        let snapshot = parts.catalog.snapshot();
        let database = snapshot.database("default").unwrap();
        let table = snapshot.table(database.id, table).unwrap();
        let schema = basalt_storage::table_schema(table.table());
        let mut writer = parts.storage.writer(table.table().clone(), basalt_storage::Inline::Never);
        for batch in self.batches(sql).await.unwrap().1 {
            let columns = batch.columns().iter().zip(schema.fields());
            let columns = columns.map(|(c, f)| arrow::compute::cast(c, f.data_type()).unwrap()).collect();
            writer.write(None, RecordBatch::try_new(schema.clone(), columns).unwrap()).await.unwrap();
        }
        let written = writer.finish().await.unwrap();
        let edit = written.edit(table.table().id, Operation::Append).unwrap();
        let changes =
            basalt_meta::Changes { preconditions: vec![], edits: vec![edit], at: parts.catalog.clock().now() };
        parts.catalog.commit(changes).await.unwrap();
    }
}
