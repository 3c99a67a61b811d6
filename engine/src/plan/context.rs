//! What one statement sees and changes, and the doors to planning it.

use super::{
    aliases, expansion, explain, expression, guard,
    naming::Names,
    numbers, planner,
    prepare::{self, Prepared, StandIns},
    resolve::{self, Resolver},
    session::PlanningSession,
    timetravel,
};
use crate::{
    Error, Result, Session,
    access::{Authority, Object, Privilege},
    parts::Parts,
    query::Counters,
    runtime::PlannerKey,
    session::Settings,
    sql::SqlLimits,
    statement::Transaction,
    table::{PositionsTable, SegmentTable},
};
use arrow::datatypes::{Field, Schema, SchemaRef};
use basalt_meta::{Database, Snapshot, Table, TableKind, TableSnapshot};
use chrono::{DateTime, Utc};
use datafusion::{
    catalog::TableProvider,
    common::ScalarValue,
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::LogicalPlan,
    physical_expr::PhysicalExpr,
    physical_plan::{ExecutionPlan, execute_stream},
    sql::sqlparser::ast,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, OnceLock},
};
use tokio_util::sync::CancellationToken;

/// How many names given in SELECT lists are put in before planning gives up.
const ALIASES_MAX: usize = 64;

/// Everything one statement sees and changes: one snapshot of all tables (inside a transaction the transaction's, with
/// its own writes on top), the session, and where to count progress.
#[derive(Debug, Clone)]
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
    /// The rows of an INSERT without rows.
    pub attachment: Option<crate::StageAttachment>,
    pub presigner: Option<crate::Presigner>,
    /// Idempotency key of a statement that writes.
    pub label: Option<String>,
    /// Variables of the script that runs, by name.
    pub variables: Arc<BTreeMap<String, ScalarValue>>,
    /// How deep scripts call each other at this point.
    pub script_depth: usize,
    /// What the session may do, once somebody asked.
    pub authority: OnceLock<Authority>,
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

impl StatementContext {
    /// Finds `[database.]table`; unquoted parts are case-insensitive. Inside a transaction, with its own writes.
    pub fn table(&self, name: &ast::ObjectName) -> Result<ResolvedTable> {
        let (database, table) = resolve::split_name(name, &self.session.database)?;
        resolve::table(self, &database, &table)
    }

    pub fn database(&self, name: &str) -> Result<Arc<Database>> {
        resolve::database(self, name)
    }

    /// The statement's time: what now() answers, everywhere in it.
    pub fn now(&self) -> DateTime<Utc> {
        let micros = self.counters.started_at().0;
        DateTime::from_timestamp_micros(micros).unwrap_or_default()
    }

    /// Plans a SELECT (or VALUES, WITH …): names are resolved, constants folded, views expanded.
    pub async fn plan_query(&self, query: &ast::Query) -> Result<PlannedQuery> {
        self.plan_query_over(query, Vec::new()).await
    }

    /// Like `plan_query`, with extra relations visible under given names (DML plans use this for the rows of
    /// their target with positions).
    pub async fn plan_query_over(
        &self,
        query: &ast::Query,
        relations: Vec<(String, Arc<dyn TableProvider>)>,
    ) -> Result<PlannedQuery> {
        let query = expansion::expand(self, query).await?;
        let (plan, names) = self.logical_plan(&query, relations).await?;
        let session = self.planning_session();
        let (logical, physical) = planner::lower(&session, plan).await.map_err(explain)?;
        // What will come: folding constants can make the logical plan's own schema outdated.
        let schema = names.apply(&physical.schema());
        Ok(PlannedQuery { schema, logical, physical })
    }

    /// The logical plan of a query, not yet optimised, and the names of its columns.
    pub async fn logical_plan(
        &self,
        query: &ast::Query,
        relations: Vec<(String, Arc<dyn TableProvider>)>,
    ) -> Result<(LogicalPlan, Names)> {
        let stand_ins = StandIns { context: self, parameters: self.parameters.as_ref() };
        let Prepared { query, names, versions, mut staged } = prepare::prepare(query, stand_ins)?;
        let mut relations: HashMap<String, Arc<dyn TableProvider>> = relations.into_iter().collect();
        let session = self.planning_session();
        // A caller may have opened the files itself.
        staged.retain(|(relation, _)| !relations.contains_key(relation));
        if !staged.is_empty() {
            relations.extend(crate::copy::staged_tables(self, &query, staged).await?);
        }
        for version in versions {
            let table = timetravel::resolve(self, &version)?;
            self.require(Privilege::Select, &Object::table(&table))?;
            relations.insert(version.relation, guard::guard(self, &session, &table, self.provider(&table)?, 0)?);
        }
        let resolver = Resolver::new(self, &session, &self.session.database, &relations);
        let plan = self.plan_with_aliases(&resolver, query)?;
        let plan = numbers::typed(plan).map_err(explain)?;
        Ok((plan, names))
    }

    /// Plans a query; what is no column may be a name given in the SELECT list.
    fn plan_with_aliases(&self, resolver: &Resolver, mut query: ast::Query) -> Result<LogicalPlan> {
        for _ in 0..ALIASES_MAX {
            let error = match resolver.plan(query.clone()) {
                Ok(plan) => return Ok(plan),
                Err(error) => explain(error),
            };
            match &error {
                Error::UnknownColumn { name, .. } if aliases::substitute(&mut query, name) => {}
                _ => return Err(self.with_hint(error)),
            }
        }
        Err(Error::Semantic { message: format!("more than {ALIASES_MAX} names of a SELECT list used in it") })
    }

    /// Runs a plan on the CPU threads: cancelled with the statement, progress counted, memory from the pool.
    pub fn run(&self, plan: Arc<dyn ExecutionPlan>) -> Result<SendableRecordBatchStream> {
        self.counters.watch(&plan);
        let _cpu = self.parts.runtime.cpu().enter();
        let stream = execute_stream(plan, self.task_context()).map_err(explain)?;
        Ok(crate::query::until_cancelled(stream, self.cancel.clone()))
    }

    /// What an execution plan needs to run.
    pub fn task_context(&self) -> Arc<TaskContext> {
        let state = self.planning_session();
        let config = state.state().config().clone();
        let runtime = self.parts.runtime.env_within(self.settings.max_memory_bytes);
        let none = (HashMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
        Arc::new(TaskContext::new(None, self.query_id.clone(), config, none.0, none.1, none.2, none.3, runtime))
    }

    /// The rows of a table, all columns under their user names, for SELECT.
    pub fn provider(&self, table: &ResolvedTable) -> Result<Arc<dyn TableProvider>> {
        if matches!(table.table.table().kind, TableKind::View { .. }) {
            return Err(Error::Unsupported { what: format!("`{}` is a view, not a table", table.table.table().name) });
        }
        let schema = self.user_schema(table.table.table());
        let provider = SegmentTable::new(self.parts.clone(), table.table.clone(), schema, self.counters.clone());
        Ok(Arc::new(provider))
    }

    /// The names of a table's masked columns.
    pub fn masked_columns(&self, table: &Table) -> Result<Vec<String>> {
        guard::masked(self, table)
    }

    /// A table as it was: `version` is what follows its name in a query.
    pub fn table_at(&self, name: &ast::ObjectName, version: &ast::TableVersion) -> Result<ResolvedTable> {
        let versioned =
            prepare::VersionedTable { relation: String::new(), name: name.clone(), version: version.clone() };
        timetravel::resolve(self, &versioned)
    }

    /// The live rows of a table with two more columns that say where each row stands: [`super::SEGMENT_COLUMN`]
    /// (UInt32, index into `TableSnapshot::iter`) and [`super::ROW_COLUMN`] (UInt32, position in the segment). Rows that
    /// a row access policy hides are not among them; masked columns are masked, with their true values beside them
    /// under [`super::true_name`].
    pub fn positions(&self, table: &ResolvedTable) -> Result<Arc<dyn TableProvider>> {
        let schema = self.user_schema(table.table.table());
        let provider = PositionsTable::new(self.parts.clone(), table.table.clone(), &schema, self.counters.clone());
        guard::guard(self, &self.planning_session(), table, Arc::new(provider), 0)
    }

    /// The value of an expression without columns, in the session's time zone.
    pub fn constant(&self, expr: &ast::Expr) -> Result<ScalarValue> {
        expression::constant(self, expr)
    }

    /// A physical expression from SQL text over columns of `schema` (defaults, partition expressions, load mappings).
    /// Only scalar expressions: no subqueries, aggregates or windows. Functions like now() have the statement's time.
    /// Times are in UTC, whatever the session: a table's expressions must mean the same to all.
    pub fn expression(&self, sql: &str, schema: &SchemaRef) -> Result<Arc<dyn PhysicalExpr>> {
        let limits = self.sql_limits();
        let ast = crate::sql::parse_expression(sql, limits)?;
        self.expression_ast(&ast, schema)
    }

    /// Same, with texts read as times of the session's zone and times taken apart in it.
    pub fn expression_in_zone(&self, sql: &str, schema: &SchemaRef) -> Result<Arc<dyn PhysicalExpr>> {
        let ast = crate::sql::parse_expression(sql, self.sql_limits())?;
        expression::physical(self, &ast, schema, self.settings.timezone)
    }

    /// Same from an AST, with times in the session's zone.
    pub fn expression_ast_in_zone(&self, expr: &ast::Expr, schema: &SchemaRef) -> Result<Arc<dyn PhysicalExpr>> {
        expression::physical(self, expr, schema, self.settings.timezone)
    }

    /// Same from an AST, in UTC.
    pub fn expression_ast(&self, expr: &ast::Expr, schema: &SchemaRef) -> Result<Arc<dyn PhysicalExpr>> {
        expression::physical(self, expr, schema, chrono_tz::Tz::UTC)
    }

    /// Schema of a table's rows under user names, in column order.
    pub fn user_schema(&self, table: &Table) -> SchemaRef {
        let fields = table.columns.iter().map(|c| Field::new(&c.name, c.data_type.clone(), c.nullable));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    pub fn sql_limits(&self) -> SqlLimits {
        let settings = &self.parts.settings;
        SqlLimits { bytes: settings.sql_bytes_max, depth: settings.sql_depth_max }
    }

    pub(super) fn planning_session(&self) -> PlanningSession {
        let PlannerKey { threads, .. } = self.parts.runtime.default_key();
        let key = PlannerKey {
            threads: self.settings.max_threads.map_or(threads, |wanted| wanted.clamp(1, threads)),
            batch_rows: self.settings.max_block_size,
        };
        PlanningSession::new(self.parts.runtime.planner(key), self.now(), self.settings.timezone)
    }

    /// Adds the nearest known name to "unknown function".
    fn with_hint(&self, error: Error) -> Error {
        let Error::UnknownFunction { name, hint } = error else {
            return error;
        };
        if hint.contains("did you mean") {
            return Error::UnknownFunction { name, hint };
        }
        let functions = &self.parts.functions;
        let known: Vec<String> = functions.list().into_iter().map(|f| f.name).collect();
        let hint = super::failure::nearest(&name, known.iter().map(String::as_str)) + &hint;
        Error::UnknownFunction { name, hint }
    }
}
