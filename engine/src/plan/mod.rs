//! From a parsed query to an execution plan, over one snapshot.

use crate::{Result, Session, parts::Parts, query::Counters, session::Settings, statement::Transaction};
use basalt_meta::{Database, Snapshot, Table, TableSnapshot};
use datafusion::{
    arrow::datatypes::SchemaRef,
    catalog::TableProvider,
    execution::SendableRecordBatchStream,
    logical_expr::LogicalPlan,
    physical_expr::PhysicalExpr,
    physical_plan::ExecutionPlan,
    sql::sqlparser::ast,
};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Everything one statement sees and changes: one snapshot of all tables (inside a transaction the transaction's, with
/// its own writes on top), the session, and where to count progress.
#[derive(Debug)]
pub(crate) struct StatementContext {
    pub parts: Arc<Parts>,
    /// Changed by USE, SET, BEGIN…; the caller takes it back at the end.
    pub session: Session,
    /// Session, global and default settings, resolved and parsed.
    pub settings: Settings,
    pub snapshot: Snapshot,
    pub transaction: Option<Arc<Transaction>>,
    pub query_id: String,
    pub cancel: CancellationToken,
    pub counters: Arc<Counters>,
    pub parameters: Option<crate::Parameters>,
}

/// A table a statement named.
#[derive(Debug, Clone)]
pub(crate) struct ResolvedTable {
    pub database: Arc<Database>,
    pub table: TableSnapshot,
}

/// A query ready to run. `schema` has the names and nullability the client sees.
#[derive(Debug)]
pub(crate) struct PlannedQuery {
    pub schema: SchemaRef,
    pub logical: LogicalPlan,
    pub physical: Arc<dyn ExecutionPlan>,
}

/// Names of the columns that [`StatementContext::positions`] adds.
pub(crate) const SEGMENT_COLUMN: &str = "__basalt_segment";
pub(crate) const ROW_COLUMN: &str = "__basalt_row";

impl StatementContext {
    /// Finds `[database.]table`; unquoted parts are case-insensitive. Inside a transaction, with its own writes.
    pub fn table(&self, _name: &ast::ObjectName) -> Result<ResolvedTable> {
        todo!()
    }

    pub fn database(&self, _name: &str) -> Result<Arc<Database>> {
        todo!()
    }

    /// Plans a SELECT (or VALUES, WITH …): names are resolved, constants folded, views expanded.
    pub async fn plan_query(&self, _query: &ast::Query) -> Result<PlannedQuery> {
        todo!()
    }

    /// Like `plan_query`, with extra relations visible under given names (DML plans use this for the rows of
    /// their target with positions).
    pub async fn plan_query_over(
        &self,
        _query: &ast::Query,
        _relations: Vec<(String, Arc<dyn TableProvider>)>,
    ) -> Result<PlannedQuery> {
        todo!()
    }

    /// Optimises and lowers a logical plan.
    pub async fn lower(&self, _plan: LogicalPlan) -> Result<PlannedQuery> {
        todo!()
    }

    /// Runs a plan on the CPU threads: cancelled with the statement, progress counted, memory from the pool.
    pub fn run(&self, _plan: Arc<dyn ExecutionPlan>) -> Result<SendableRecordBatchStream> {
        todo!()
    }

    /// The rows of a table, all columns under their user names, for SELECT.
    pub fn provider(&self, _table: &ResolvedTable) -> Result<Arc<dyn TableProvider>> {
        todo!()
    }

    /// The live rows of a table with two more columns that say where each row stands: [`SEGMENT_COLUMN`] (UInt32,
    /// index into `TableSnapshot::iter`) and [`ROW_COLUMN`] (UInt32, position in the segment).
    pub fn positions(&self, _table: &ResolvedTable) -> Result<Arc<dyn TableProvider>> {
        todo!()
    }

    /// A physical expression from SQL text over columns of `schema` (defaults, partition expressions, load mappings).
    /// Only scalar expressions: no subqueries, aggregates or windows. Functions like now() have the statement's time.
    pub fn expression(&self, _sql: &str, _schema: &SchemaRef) -> Result<Arc<dyn PhysicalExpr>> {
        todo!()
    }

    /// Same from an AST.
    pub fn expression_ast(&self, _expr: &ast::Expr, _schema: &SchemaRef) -> Result<Arc<dyn PhysicalExpr>> {
        todo!()
    }

    /// Schema of a table's rows under user names, in column order.
    pub fn user_schema(&self, _table: &Table) -> SchemaRef {
        todo!()
    }
}

/// The Arrow type of a SQL type name, and back (the form SHOW CREATE TABLE and DESC print).
pub(crate) fn arrow_type(_sql: &ast::DataType) -> Result<datafusion::arrow::datatypes::DataType> {
    todo!()
}
