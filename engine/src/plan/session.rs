//! The query library's session for one statement: the shared planner state, with this statement's own time.
//! Making one costs a few small allocations; nothing of the state is copied.

use super::planner::Planner;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use datafusion::{
    catalog::{CatalogProviderList, Session},
    common::{DFSchema, Result, alias::AliasGenerator},
    config::{ConfigOptions, TableOptions},
    execution::{SessionState, TaskContext, config::SessionConfig, runtime_env::RuntimeEnv},
    logical_expr::{
        AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, ScalarUDF, WindowUDF,
        execution_props::ExecutionProps,
        registry::{ExtensionTypeRegistryRef, FunctionRegistry},
    },
    optimizer::OptimizerConfig,
    physical_expr::PhysicalExpr,
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{ExecutionPlan, operator_statistics::StatisticsRegistry},
};
use std::{any::Any, collections::HashMap, sync::Arc};

/// How much of the physical optimiser a plan needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    Full,
    /// Plans without tables run as they are.
    None,
}

/// One statement's view of the planner state.
pub(crate) struct PlanningSession {
    planner: Arc<Planner>,
    props: ExecutionProps,
    effort: Effort,
    one_pass: bool,
    one_thread: bool,
    zone: Tz,
}

impl PlanningSession {
    pub fn new(planner: Arc<Planner>, now: DateTime<Utc>, zone: Tz) -> Self {
        let mut props = ExecutionProps::new().with_query_execution_start_time(now);
        props.config_options = Some(planner.state.config_options().clone());
        Self { planner, props, effort: Effort::Full, one_pass: false, one_thread: false, zone }
    }

    pub(super) fn with_effort(&self, effort: Effort) -> Self {
        Self { effort, ..self.copy() }
    }

    /// The same for plans whose logical rules need to run only once.
    pub(super) fn in_one_pass(&self) -> Self {
        Self { one_pass: true, ..self.copy() }
    }

    /// The same for plans with so few rows that a second thread costs more than it does.
    pub(super) fn in_one_thread(&self) -> Self {
        Self { one_thread: true, ..self.copy() }
    }

    /// The same in another time zone.
    pub(super) fn in_zone(&self, zone: Tz) -> Self {
        Self { zone, ..self.copy() }
    }

    /// Zone in which texts are times, and times have parts.
    pub(super) fn zone(&self) -> Tz {
        self.zone
    }

    fn copy(&self) -> Self {
        let (planner, props) = (self.planner.clone(), self.props.clone());
        let (effort, one_pass, one_thread) = (self.effort, self.one_pass, self.one_thread);
        Self { planner, props, effort, one_pass, one_thread, zone: self.zone }
    }

    pub fn state(&self) -> &SessionState {
        &self.planner.state
    }
}

#[async_trait]
impl Session for PlanningSession {
    fn session_id(&self) -> &str {
        self.planner.state.session_id()
    }

    fn config(&self) -> &SessionConfig {
        if self.one_thread {
            return &self.planner.one_thread;
        }
        self.planner.state.config()
    }

    fn catalog_list(&self) -> Arc<dyn CatalogProviderList> {
        self.planner.state.catalog_list().clone()
    }

    fn query_planner(&self) -> Arc<dyn datafusion::execution::context::QueryPlanner + Send + Sync> {
        self.planner.state.query_planner().clone()
    }

    fn optimize(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        super::planner::optimize(self, plan.clone())
    }

    fn physical_optimizers(&self) -> &[Arc<dyn PhysicalOptimizerRule + Send + Sync>] {
        match self.effort {
            Effort::Full => self.planner.state.physical_optimizers(),
            Effort::None => &[],
        }
    }

    fn statistics_registry(&self) -> Option<&StatisticsRegistry> {
        self.planner.state.statistics_registry()
    }

    async fn create_physical_plan(&self, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
        super::planner::lower(self, plan.clone()).await.map(|(_, physical)| physical)
    }

    fn create_physical_expr(&self, expr: Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>> {
        super::expression::lower(self, expr, schema)
    }

    fn scalar_functions(&self) -> &HashMap<String, Arc<ScalarUDF>> {
        self.planner.state.scalar_functions()
    }

    fn higher_order_functions(&self) -> &HashMap<String, Arc<HigherOrderUDF>> {
        self.planner.state.higher_order_functions()
    }

    fn aggregate_functions(&self) -> &HashMap<String, Arc<AggregateUDF>> {
        self.planner.state.aggregate_functions()
    }

    fn window_functions(&self) -> &HashMap<String, Arc<WindowUDF>> {
        self.planner.state.window_functions()
    }

    fn extension_type_registry(&self) -> &ExtensionTypeRegistryRef {
        Session::extension_type_registry(&self.planner.state)
    }

    fn runtime_env(&self) -> &Arc<RuntimeEnv> {
        self.planner.state.runtime_env()
    }

    fn execution_props(&self) -> &ExecutionProps {
        &self.props
    }

    fn as_any(&self) -> &dyn Any {
        &self.planner.state
    }

    fn table_options(&self) -> &TableOptions {
        self.planner.state.table_options()
    }

    fn table_options_mut(&mut self) -> &mut TableOptions {
        Arc::make_mut(&mut self.planner).state.table_options_mut()
    }

    fn task_ctx(&self) -> Arc<TaskContext> {
        self.planner.state.task_ctx()
    }
}

impl OptimizerConfig for PlanningSession {
    fn query_execution_start_time(&self) -> Option<DateTime<Utc>> {
        self.props.query_execution_start_time
    }

    fn alias_generator(&self) -> &Arc<AliasGenerator> {
        &self.props.alias_generator
    }

    fn options(&self) -> Arc<ConfigOptions> {
        if self.one_pass {
            return self.planner.one_pass.clone();
        }
        self.planner.state.config_options().clone()
    }

    fn function_registry(&self) -> Option<&dyn FunctionRegistry> {
        Some(&self.planner.state)
    }
}
