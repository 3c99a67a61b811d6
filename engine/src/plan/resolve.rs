//! Names to things: databases, tables, views, functions, over the statement's snapshot.

use super::{
    ResolvedTable, StatementContext, asof, by_value, explain, functions,
    guard::guard,
    lateral,
    prepare::{self, Prepared, StandIns},
    relations::Relations,
    row_functions,
    session::PlanningSession,
    types::Types,
};
use crate::{
    Error, Result,
    access::{self, Object, Privilege},
    functions::{merge_of, next_value, session_function, state_of},
    session::temporary,
    sql::ASOF_MARK,
    system,
};
use arrow::{
    datatypes::{DataType, Field, Schema, SchemaRef},
    record_batch::{RecordBatch, RecordBatchOptions},
};
use basalt_meta::{Database, DatabaseId, Table, TableKind, TableSnapshot};
use datafusion::{
    catalog::{Session, TableFunctionArgs, TableProvider},
    common::{DFSchema, DataFusionError, Result as PlanResult, TableReference},
    config::ConfigOptions,
    datasource::{MemTable, cte_worktable::CteWorkTable, provider_as_source},
    execution::context::SQLOptions,
    logical_expr::{
        AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, LogicalPlanBuilder, ScalarUDF, TableSource, WindowUDF,
        planner::{ContextProvider, ExprPlanner, RelationPlanner, TypePlanner},
    },
    sql::{
        planner::{ParserOptions, PlannerContext, SqlToRel},
        sqlparser::ast::{self, ObjectNamePart},
    },
};
use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, LazyLock},
};

/// Table function that reads a kept result.
const RESULT_SCAN: &str = "result_scan";

/// How deep views may refer to views.
const VIEW_DEPTH_MAX: usize = 16;

/// A name as written: exact when quoted, else lower case.
#[derive(Debug, Clone)]
pub(super) struct Name {
    pub text: String,
    pub quoted: bool,
}

impl Name {
    fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), quoted: false }
    }
}

/// `[database.]table` of a statement.
pub(super) fn split_name(name: &ast::ObjectName, database: &str) -> Result<(Name, Name)> {
    let unusual = || Error::Semantic { message: format!("`{name}` is not the name of a table") };
    let mut parts = Vec::with_capacity(2);
    for part in &name.0 {
        let ObjectNamePart::Identifier(ident) = part else {
            return Err(unusual());
        };
        parts.push(Name { text: super::naming::folded(ident), quoted: ident.quote_style.is_some() });
    }
    match <[Name; 2]>::try_from(parts) {
        Ok([database, table]) => Ok((database, table)),
        Err(mut parts) if parts.len() == 1 => {
            // The session's database is known by its exact name.
            Ok((Name { text: database.to_owned(), quoted: true }, parts.remove(0)))
        }
        // A catalogue in front: there is only one.
        Err(mut parts) if parts.len() == 3 && parts[0].text.eq_ignore_ascii_case("default") => {
            let table = parts.remove(2);
            Ok((parts.remove(1), table))
        }
        Err(_) => Err(unusual()),
    }
}

/// The live database of this name; unquoted names also match in another case.
pub(super) fn database(context: &StatementContext, name: &str) -> Result<Arc<Database>> {
    find_database(context, &Name::plain(name))
}

fn find_database(context: &StatementContext, name: &Name) -> Result<Arc<Database>> {
    if temporary::is_hidden(&name.text) {
        return Err(Error::UnknownDatabase { name: name.text.escape_debug().to_string() });
    }
    if let Some(found) = context.snapshot.database(&name.text) {
        return Ok(found);
    }
    if let Some(system) = system::database(&name.text) {
        return Ok(system);
    }
    let mut alike =
        context.snapshot.databases().into_iter().filter(|d| !name.quoted && d.name.eq_ignore_ascii_case(&name.text));
    match (alike.next(), alike.next()) {
        (Some(found), None) => Ok(found),
        _ => Err(Error::UnknownDatabase { name: name.text.clone() }),
    }
}

/// The live table of this name, with the transaction's own writes on top.
pub(super) fn table(context: &StatementContext, database: &Name, name: &Name) -> Result<ResolvedTable> {
    let database = find_database(context, database)?;
    let unknown = || Error::UnknownTable { database: database.name.clone(), name: name.text.clone() };
    // A temporary table hides the other of its name.
    let hidden = temporary::home(&context.snapshot, &context.session, &database.name);
    let found = hidden.and_then(|home| find_table(context, home.id, name));
    let found = found.or_else(|| find_table(context, database.id, name)).ok_or_else(unknown)?;
    let table = match &context.transaction {
        Some(transaction) => transaction.overlay(&found)?,
        None => found,
    };
    Ok(ResolvedTable { database, table })
}

/// The live table of a database; unquoted names also match in another case.
fn find_table(context: &StatementContext, database: DatabaseId, name: &Name) -> Option<TableSnapshot> {
    if let Some(found) = context.snapshot.table(database, &name.text) {
        return Some(found);
    }
    if name.quoted {
        return None;
    }
    let tables = context.snapshot.tables(database).into_iter();
    let mut alike = tables.filter(|t| t.table().name.eq_ignore_ascii_case(&name.text));
    match (alike.next(), alike.next()) {
        (Some(found), None) => Some(found),
        _ => None,
    }
}

/// Resolves names for the query library while it plans one query (or one view's query).
pub(super) struct Resolver<'a> {
    context: &'a StatementContext,
    session: &'a PlanningSession,
    /// Where unqualified names are looked up.
    database: &'a str,
    relations: &'a HashMap<String, Arc<dyn TableProvider>>,
    depth: usize,
}

impl<'a> Resolver<'a> {
    pub fn new(
        context: &'a StatementContext,
        session: &'a PlanningSession,
        database: &'a str,
        relations: &'a HashMap<String, Arc<dyn TableProvider>>,
    ) -> Self {
        Self::within(context, session, database, relations, 0)
    }

    /// Of something inside a view or policy: its author's rights count there, which were checked when it was made.
    pub fn within(
        context: &'a StatementContext,
        session: &'a PlanningSession,
        database: &'a str,
        relations: &'a HashMap<String, Arc<dyn TableProvider>>,
        depth: usize,
    ) -> Self {
        Self { context, session, database, relations, depth }
    }

    /// The logical plan of a prepared query: reads only.
    pub fn plan(&self, query: ast::Query) -> PlanResult<LogicalPlan> {
        let planner = SqlToRel::new_with_options(self, parser_options());
        let plan = planner.sql_statement_to_plan(ast::Statement::Query(Box::new(query)))?;
        let plan = lateral::inline(row_functions::expand(asof::resolve(plan)?)?)?;
        let reads = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        reads.verify_plan(&plan)?;
        by_value::by_value(plan)
    }

    /// An expression over columns of `schema`.
    pub fn expression(&self, expr: ast::Expr, schema: &DFSchema) -> PlanResult<Expr> {
        let planner = SqlToRel::new_with_options(self, parser_options());
        planner.sql_to_expr(expr, schema, &mut PlannerContext::new())
    }

    fn source(&self, reference: &TableReference) -> Result<Arc<dyn TableSource>> {
        if let TableReference::Bare { table } = reference
            && let Some(relation) = self.relations.get(table.as_ref())
        {
            return Ok(provider_as_source(relation.clone()));
        }
        let name = Name::plain(reference.table());
        let database = match reference.schema() {
            Some(schema) => Name::plain(schema),
            None => Name { text: self.database.to_owned(), quoted: true },
        };
        if let Some(provider) = system::provider(self.context, &database.text, &name.text)? {
            return Ok(provider_as_source(provider));
        }
        let resolved = match table(self.context, &database, &name) {
            Ok(resolved) => resolved,
            Err(error) if self.depth == 0 => {
                access::missing_table(self.context, &database.text, &name.text, Privilege::Select)?;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        if self.depth == 0 {
            self.context.require(Privilege::Select, &Object::table(&resolved))?;
        }
        if self.depth > VIEW_DEPTH_MAX {
            let message = format!("table `{}` is looked up by policies more than {VIEW_DEPTH_MAX} deep", name.text);
            return Err(Error::Semantic { message });
        }
        let record = resolved.table.table();
        match &record.kind {
            TableKind::View { query, database } => self.view(record, query, database),
            TableKind::Table => {
                let provider = self.context.provider(&resolved)?;
                Ok(provider_as_source(guard(self.context, self.session, &resolved, provider, self.depth)?))
            }
        }
    }

    /// Table functions that look at the session or the catalogue.
    fn own_table_function(&self, name: &str, args: &[Expr]) -> PlanResult<Option<Arc<dyn TableProvider>>> {
        let known = name.eq_ignore_ascii_case(RESULT_SCAN)
            || system::TABLE_FUNCTIONS.iter().any(|known| known.eq_ignore_ascii_case(name));
        if !known {
            return Ok(None);
        }
        let external = |error: Error| DataFusionError::External(Box::new(error));
        let value = |arg: &Expr| match arg {
            Expr::Literal(value, _) => Ok(value.clone()),
            other => Err(external(Error::Semantic { message: format!("{name} takes constants, not `{other}`") })),
        };
        let values = args.iter().map(value).collect::<PlanResult<Vec<_>>>()?;
        if !name.eq_ignore_ascii_case(RESULT_SCAN) {
            return system::table_function(self.context, name, &values).map_err(external);
        }
        let [Some(Some(id))] = values.iter().map(|v| v.try_as_str()).collect::<Vec<_>>()[..] else {
            let message = "result_scan takes the id of a query".to_owned();
            return Err(external(Error::Semantic { message }));
        };
        let user = &self.context.session.principal.name;
        let Some((schema, batches)) = self.context.parts.results.get(user, id) else {
            let message = format!("there is no kept result of query `{id}`");
            return Err(external(Error::InvalidArgument { message }));
        };
        result_table(&schema, &batches).map(Some)
    }

    /// A view as the plan of its query, under the view's column names.
    fn view(&self, view: &Table, text: &str, database: &str) -> Result<Arc<dyn TableSource>> {
        if self.depth >= VIEW_DEPTH_MAX {
            let message = format!("view `{}` refers to other views more than {VIEW_DEPTH_MAX} deep", view.name);
            return Err(Error::Semantic { message });
        }
        let query = crate::sql::parse_query(text, self.context.sql_limits())?;
        let Prepared { query, names, versions, staged } =
            prepare::prepare(&query, StandIns { context: self.context, parameters: None })?;
        if !staged.is_empty() {
            return Err(Error::Unsupported { what: format!("view `{}`: views over files of stages", view.name) });
        }
        let mut relations: HashMap<String, Arc<dyn TableProvider>> = HashMap::new();
        for version in versions {
            let table = super::timetravel::resolve(self.context, &version)?;
            let provider = self.context.provider(&table)?;
            relations.insert(version.relation, guard(self.context, self.session, &table, provider, self.depth + 1)?);
        }
        let inner = Resolver::within(self.context, self.session, database, &relations, self.depth + 1);
        let plan = inner.plan(query).map_err(explain)?;
        let found = names.apply(plan.schema().as_arrow());
        let yielded = plan.schema().columns();
        let name_of = |at: usize| view.columns.get(at).map_or(found.field(at).name(), |c| &c.name).clone();
        let columns = if view.columns.is_empty() || view.columns.len() == yielded.len() {
            yielded.into_iter().enumerate().map(|(at, c)| Ok(Expr::Column(c).alias(name_of(at)))).collect()
        } else {
            // A table behind `SELECT *` has changed since: the view keeps the columns it was made with.
            let by_name = |name: &String| {
                let at = found.fields().iter().position(|f| f.name() == name);
                let at = at.ok_or_else(|| {
                    let message = format!("view `{}`: its query yields no column `{name}` any more", view.name);
                    Error::Semantic { message }
                })?;
                Ok(Expr::Column(yielded[at].clone()).alias(name))
            };
            view.columns.iter().map(|c| by_name(&c.name)).collect::<Result<Vec<Expr>>>()
        };
        let plan = LogicalPlanBuilder::from(plan).project(columns?).and_then(|b| b.build()).map_err(explain)?;
        Ok(Arc::new(ViewSource { schema: Arc::new(plan.schema().as_arrow().clone()), plan }))
    }
}

fn parser_options() -> ParserOptions {
    ParserOptions::new().with_parse_float_as_decimal(true).with_collect_spans(true)
}

/// A kept result under names that differ.
fn result_table(schema: &SchemaRef, batches: &[RecordBatch]) -> PlanResult<Arc<dyn TableProvider>> {
    let mut taken: HashMap<String, usize> = HashMap::new();
    let fields = schema.fields().iter().map(|field| {
        let times = taken.entry(field.name().clone()).or_default();
        *times += 1;
        let name = if *times == 1 { field.name().clone() } else { format!("{}_{times}", field.name()) };
        Field::new(name, field.data_type().clone(), true)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let batches = batches.iter().map(|batch| {
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(schema.clone(), batch.columns().to_vec(), &options)?)
    });
    let batches = batches.collect::<PlanResult<Vec<_>>>()?;
    Ok(Arc::new(MemTable::try_new(schema, vec![batches])?))
}

/// A view: planning puts its plan in the place of its name.
struct ViewSource {
    schema: SchemaRef,
    plan: LogicalPlan,
}

impl TableSource for ViewSource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn get_logical_plan(&'_ self) -> Option<Cow<'_, LogicalPlan>> {
        Some(Cow::Borrowed(&self.plan))
    }
}

impl ContextProvider for Resolver<'_> {
    fn get_table_source(&self, name: TableReference) -> PlanResult<Arc<dyn TableSource>> {
        self.source(&name).map_err(|error| DataFusionError::External(Box::new(error)))
    }

    fn get_table_function_source(&self, name: &str, args: Vec<Expr>) -> PlanResult<Arc<dyn TableSource>> {
        let unknown = || Error::UnknownFunction { name: name.to_owned(), hint: String::new() };
        let args = fold(self.session, args)?;
        if let Some(provider) = self.own_table_function(name, &args)? {
            return Ok(provider_as_source(provider));
        }
        let functions = &self.context.parts.functions;
        let function =
            functions.table(&name.to_lowercase()).ok_or_else(|| DataFusionError::External(Box::new(unknown())))?;
        let provider = function.call_with_args(TableFunctionArgs::new(&args, self.session as &dyn Session))?;
        Ok(provider_as_source(provider))
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> PlanResult<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.context.parts.functions.planners()
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        static PLANNERS: LazyLock<Vec<Arc<dyn RelationPlanner>>> = LazyLock::new(|| {
            let mut planners = row_functions::planners();
            planners.extend(Relations::planners());
            planners
        });
        &PLANNERS
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(Types))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        if let Some(found) = self.session.scalar_functions().get(name) {
            return Some(found.clone());
        }
        if name == ASOF_MARK {
            return Some(asof::mark());
        }
        if name == "today" {
            return self.session.scalar_functions().get("current_date").cloned();
        }
        if let Some(found) = super::variables::function(self.context, name) {
            return Some(found);
        }
        if name == functions::NEXT_VALUE {
            return Some(next_value(&self.context.parts));
        }
        match access::session_function(self.context, name) {
            Ok(None) => {}
            Ok(found) => return found,
            Err(error) => {
                tracing::error!(%error, function = name, "the rights of a session cannot be read");
                return None;
            }
        }
        let version = &self.context.parts.settings.version_text;
        session_function(name, &self.context.session, version, self.context.settings.timezone)
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.session.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        let known = self.session.aggregate_functions();
        if let Some(found) = known.get(name) {
            return Some(found.clone());
        }
        match (name.strip_suffix("_state"), name.strip_suffix("_merge")) {
            (Some(base), _) => known.get(base).map(state_of),
            (_, Some(base)) => known.get(base).map(merge_of),
            _ => None,
        }
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.session.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.session.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.session.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.session.higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.session.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.session.window_functions().keys().cloned().collect()
    }
}

/// Arguments of table functions as literals, where they are constants.
fn fold(session: &PlanningSession, args: Vec<Expr>) -> PlanResult<Vec<Expr>> {
    use datafusion::{logical_expr::simplify::SimplifyContext, optimizer::simplify_expressions::ExprSimplifier};
    let schema = Arc::new(DFSchema::empty());
    let context = SimplifyContext::builder()
        .with_schema(schema.clone())
        .with_config_options(session.state().config_options().clone())
        .with_query_execution_start_time(session.execution_props().query_execution_start_time)
        .build();
    let simplifier = ExprSimplifier::new(context);
    args.into_iter().map(|arg| simplifier.simplify(simplifier.coerce(arg, &schema)?)).collect()
}
