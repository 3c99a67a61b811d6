//! Columns under the names users gave them, in files that know them by their physical names.

use basalt_meta::Table;
use datafusion::{
    arrow::datatypes::{Field, Schema, SchemaRef},
    common::{
        Result,
        tree_node::{Transformed, TransformedResult, TreeNode},
    },
    physical_expr::{PhysicalExpr, expressions::Column},
    physical_expr_adapter::{DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory},
};
use std::{collections::HashMap, sync::Arc};

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

    fn under_user_names(&self, file: &Schema) -> SchemaRef {
        let fields = file.fields().iter().enumerate().map(|(index, field)| match self.names.get(field.name()) {
            Some(name) => field.as_ref().clone().with_name(name),
            None => Field::new(format!("__basalt_dropped_{index}"), field.data_type().clone(), field.is_nullable()),
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

impl PhysicalExprAdapterFactory for RenamingAdapters {
    fn create(&self, logical: SchemaRef, physical: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let renamed = self.under_user_names(&physical);
        let inner = DefaultPhysicalExprAdapterFactory.create(logical, renamed)?;
        Ok(Arc::new(RenamingAdapter { inner, physical }))
    }
}

#[derive(Debug)]
struct RenamingAdapter {
    inner: Arc<dyn PhysicalExprAdapter>,
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
                let name = self.physical.field(column.index()).name();
                if name == column.name() {
                    return Ok(Transformed::no(expr));
                }
                Ok(Transformed::yes(Arc::new(Column::new(name, column.index())) as Arc<dyn PhysicalExpr>))
            })
            .data()
    }
}
