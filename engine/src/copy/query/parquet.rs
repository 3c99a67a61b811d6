//! Parquet files in place: the query library's own reader, so that conditions skip row groups, pages and rows.

use super::{FILE_NAME, FILE_ROW, StageTable};
use crate::{
    copy::{named::library_path, source::Source},
    runtime::SEGMENT_SCHEME,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::{
    catalog::Session,
    common::{Result, ScalarValue},
    datasource::{
        listing::PartitionedFile,
        object_store::ObjectStoreUrl,
        physical_plan::{
            FileGroup, FileScanConfigBuilder, ParquetFileReaderFactory, ParquetSource,
            parquet::DefaultParquetFileReaderFactory,
        },
        source::DataSourceExec,
        table_schema::TableSchema,
    },
    object_store::ObjectMeta,
    parquet::arrow::{RowNumber, async_reader::AsyncFileReader},
    physical_plan::{ExecutionPlan, metrics::ExecutionPlanMetricsSet},
};
use std::sync::{Arc, LazyLock};

/// The registry knows one store; which one is read is the reader's affair.
static STORE: LazyLock<ObjectStoreUrl> = LazyLock::new(|| {
    ObjectStoreUrl::parse(format!("{SEGMENT_SCHEME}://files")).expect("the internal scheme is a valid URL")
});

/// Opens files of a source, and keeps them as long as a plan may read them.
#[derive(Debug)]
struct Readers {
    inner: DefaultParquetFileReaderFactory,
    #[expect(dead_code, reason = "held, not read")]
    source: Arc<Source>,
}

impl ParquetFileReaderFactory for Readers {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        self.inner.create_reader(partition, file, hint, metrics)
    }
}

impl StageTable {
    pub(super) fn scan_parquet(
        &self,
        state: &dyn Session,
        projection: Vec<usize>,
        limit: Option<usize>,
        threads: usize,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let own: Vec<Field> = self.schema.fields().iter().take(self.own).map(|f| f.as_ref().clone()).collect();
        let own: SchemaRef = Arc::new(Schema::new(own));
        let mut schema = TableSchema::builder(own);
        if self.has(FILE_NAME) {
            schema = schema.with_table_partition_cols(vec![Arc::new(Field::new(FILE_NAME, DataType::Utf8View, false))]);
        }
        if self.has(FILE_ROW) {
            let number = Field::new(FILE_ROW, DataType::Int64, false).with_extension_type(RowNumber);
            schema = schema.with_virtual_columns(vec![Arc::new(number)]);
        }
        let readers = Readers {
            inner: DefaultParquetFileReaderFactory::new(self.source.store.object_store()),
            source: Arc::clone(&self.source),
        };
        let source = ParquetSource::new(schema.build())
            .with_table_parquet_options(state.table_options().parquet.clone())
            .with_parquet_file_reader_factory(Arc::new(readers))
            .with_pushdown_filters(true);
        let files: Vec<PartitionedFile> = self.source.files.iter().map(|found| self.file(found)).collect();
        let config = FileScanConfigBuilder::new(STORE.clone(), Arc::new(source))
            .with_file_groups(FileGroup::new(files).split_files(threads))
            .with_limit(limit)
            .with_projection_indices(Some(projection))?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn file(&self, found: &crate::stage::Found) -> PartitionedFile {
        let mut file = PartitionedFile::from(ObjectMeta {
            location: library_path(&found.object),
            last_modified: Default::default(),
            size: found.file.size,
            e_tag: None,
            version: None,
        });
        if self.has(FILE_NAME) {
            file.partition_values = vec![ScalarValue::Utf8View(Some(found.file.path.clone()))];
        }
        file
    }
}
