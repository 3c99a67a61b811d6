//! The query library's session for one statement: the shared planner state, with this statement's own time.
//! Making one costs a few small allocations; nothing of the state is copied.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
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
    state: Arc<SessionState>,
    props: ExecutionProps,
    effort: Effort,
}

impl PlanningSession {
    pub fn new(state: Arc<SessionState>, now: DateTime<Utc>) -> Self {
        let mut props = ExecutionProps::new().with_query_execution_start_time(now);
        props.config_options = Some(state.config_options().clone());
        Self { state, props, effort: Effort::Full }
    }

    pub(super) fn with_effort(&self, effort: Effort) -> Self {
        Self { state: self.state.clone(), props: self.props.clone(), effort }
    }

    pub fn state(&self) -> &Arc<SessionState> {
        &self.state
    }
}

#[async_trait]
impl Session for PlanningSession {
    fn session_id(&self) -> &str {
        self.state.session_id()
    }

    fn config(&self) -> &SessionConfig {
        self.state.config()
    }

    fn catalog_list(&self) -> Arc<dyn CatalogProviderList> {
        self.state.catalog_list().clone()
    }

    fn query_planner(&self) -> Arc<dyn datafusion::execution::context::QueryPlanner + Send + Sync> {
        self.state.query_planner().clone()
    }

    fn optimize(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        super::planner::optimize(self, plan.clone())
    }

    fn physical_optimizers(&self) -> &[Arc<dyn PhysicalOptimizerRule + Send + Sync>] {
        match self.effort {
            Effort::Full => self.state.physical_optimizers(),
            Effort::None => &[],
        }
    }

    fn statistics_registry(&self) -> Option<&StatisticsRegistry> {
        self.state.statistics_registry()
    }

    async fn create_physical_plan(&self, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
        super::planner::lower(self, plan.clone()).await.map(|(_, physical)| physical)
    }

    fn create_physical_expr(&self, expr: Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>> {
        super::expression::lower(self, expr, schema)
    }

    fn scalar_functions(&self) -> &HashMap<String, Arc<ScalarUDF>> {
        self.state.scalar_functions()
    }

    fn higher_order_functions(&self) -> &HashMap<String, Arc<HigherOrderUDF>> {
        self.state.higher_order_functions()
    }

    fn aggregate_functions(&self) -> &HashMap<String, Arc<AggregateUDF>> {
        self.state.aggregate_functions()
    }

    fn window_functions(&self) -> &HashMap<String, Arc<WindowUDF>> {
        self.state.window_functions()
    }

    fn extension_type_registry(&self) -> &ExtensionTypeRegistryRef {
        Session::extension_type_registry(self.state.as_ref())
    }

    fn runtime_env(&self) -> &Arc<RuntimeEnv> {
        self.state.runtime_env()
    }

    fn execution_props(&self) -> &ExecutionProps {
        &self.props
    }

    fn as_any(&self) -> &dyn Any {
        self.state.as_ref()
    }

    fn table_options(&self) -> &TableOptions {
        self.state.table_options()
    }

    fn table_options_mut(&mut self) -> &mut TableOptions {
        Arc::make_mut(&mut self.state).table_options_mut()
    }

    fn task_ctx(&self) -> Arc<TaskContext> {
        self.state.task_ctx()
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
        self.state.config_options().clone()
    }

    fn function_registry(&self) -> Option<&dyn FunctionRegistry> {
        Some(self.state.as_ref())
    }
}
