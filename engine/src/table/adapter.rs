//! Columns under the names users gave them, in files that know them by their physical names.

use basalt_meta::Table;
use basalt_storage::{file_type, from_file, is_changed_in_files};
use datafusion::{
    arrow::{
        datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
        record_batch::RecordBatch,
    },
    common::{
        DataFusionError, Result, plan_datafusion_err,
        tree_node::{Transformed, TransformedResult, TreeNode},
    },
    logical_expr::ColumnarValue,
    physical_expr::{PhysicalExpr, expressions::Column},
    physical_expr_adapter::{DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory},
};
use std::{
    collections::HashMap,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// Rewrites expressions over user names into expressions over a file's fields: renamed columns are found by their
/// physical name, columns added later are NULL, fields of dropped columns are not seen, changed types are cast.
#[derive(Debug)]
pub(super) struct RenamingAdapters {
    /// Physical name to user name.
    names: HashMap<String, String>,
}

impl RenamingAdapters {
    pub fn new(table: &Table) -> Self {
        Self { names: table.columns.iter().map(|c| (c.physical_name.clone(), c.name.clone())).collect() }
    }

    /// The file's fields under the users' names, each in the type its values mean.
    fn under_user_names(&self, logical: &Schema, file: &Schema) -> SchemaRef {
        let fields = file.fields().iter().enumerate().map(|(index, field)| match self.names.get(field.name()) {
            Some(name) => {
                let field = field.as_ref().clone().with_name(name);
                match logical.field_with_name(name) {
                    Ok(wanted) if is_stored_as(wanted.data_type(), field.data_type()) => {
                        field.with_data_type(wanted.data_type().clone())
                    }
                    _ => field,
                }
            }
            None => Field::new(format!("__basalt_dropped_{index}"), field.data_type().clone(), field.is_nullable()),
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

impl PhysicalExprAdapterFactory for RenamingAdapters {
    fn create(&self, logical: SchemaRef, physical: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let renamed = self.under_user_names(&logical, &physical);
        let inner = DefaultPhysicalExprAdapterFactory.create(logical, Arc::clone(&renamed))?;
        Ok(Arc::new(RenamingAdapter { inner, renamed, physical }))
    }
}

#[derive(Debug)]
struct RenamingAdapter {
    inner: Arc<dyn PhysicalExprAdapter>,
    /// Under users' names and in the types that are meant.
    renamed: SchemaRef,
    physical: SchemaRef,
}

impl PhysicalExprAdapter for RenamingAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let adapted = self.inner.rewrite(expr)?;
        adapted
            .transform(|expr| {
                let Some(column) = expr.downcast_ref::<Column>() else {
                    return Ok(Transformed::no(expr));
                };
                let (stored, meant) = (self.physical.field(column.index()), self.renamed.field(column.index()));
                if stored.data_type() != meant.data_type() {
                    let column = Arc::new(Column::new(stored.name(), column.index()));
                    let restored = Restored { column, data_type: meant.data_type().clone() };
                    return Ok(Transformed::yes(Arc::new(restored) as Arc<dyn PhysicalExpr>));
                }
                if stored.name() == column.name() {
                    return Ok(Transformed::no(expr));
                }
                Ok(Transformed::yes(Arc::new(Column::new(stored.name(), column.index())) as Arc<dyn PhysicalExpr>))
            })
            .data()
    }
}

fn is_stored_as(data_type: &DataType, stored: &DataType) -> bool {
    is_changed_in_files(data_type) && *stored == file_type(data_type)
}

/// A file's column in the type that its values mean.
#[derive(Debug)]
struct Restored {
    column: Arc<dyn PhysicalExpr>,
    data_type: DataType,
}

impl PartialEq for Restored {
    fn eq(&self, other: &Self) -> bool {
        self.column.eq(&other.column) && self.data_type == other.data_type
    }
}

impl Eq for Restored {}

impl Hash for Restored {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
        self.data_type.hash(state);
    }
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.column)
    }
}

impl PhysicalExpr for Restored {
    fn return_field(&self, input: &Schema) -> Result<FieldRef> {
        let field = self.column.return_field(input)?;
        Ok(Arc::new(field.as_ref().clone().with_data_type(self.data_type.clone())))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let stored = self.column.evaluate(batch)?.into_array(batch.num_rows())?;
        let restored =
            from_file(&stored, &self.data_type).map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(ColumnarValue::Array(restored))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.column]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let [column] = children.try_into().map_err(|_| plan_datafusion_err!("a restored column has one child"))?;
        Ok(Arc::new(Self { column, data_type: self.data_type.clone() }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.column.fmt_sql(f)
    }
}
