//! From a logical plan to one that runs: analysis, optimisation, lowering; and the planner state shared by all
//! statements with the same settings.

use super::{
    exists,
    session::{Effort, PlanningSession},
    zoned,
};
use crate::{
    functions::{CheckArithmetic, Functions, Scope, replace_casts},
    runtime::PlannerKey,
    table::SegmentTable,
};
use datafusion::{
    catalog::Session,
    common::{
        Result,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    config::ConfigOptions,
    datasource::source_as_provider,
    execution::{SessionState, SessionStateBuilder, config::SessionConfig, runtime_env::RuntimeEnv},
    logical_expr::{Expr, LogicalPlan},
    optimizer::{Optimizer, OptimizerRule, simplify_expressions::SimplifyExpressions},
    physical_plan::ExecutionPlan,
    physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner},
};
use std::sync::{Arc, LazyLock};

type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// What all statements with the same settings share.
#[derive(Debug, Clone)]
pub(crate) struct Planner {
    pub state: SessionState,
    /// Options for plans so simple that the rules find everything the first time.
    pub one_pass: Arc<ConfigOptions>,
    /// Configuration of plans that run in one thread.
    pub one_thread: SessionConfig,
}

/// Nodes of a plan that is optimised in one pass.
const SIMPLE_NODES_MAX: usize = 6;

/// Makes the state that all statements with these settings share. No table factories, no file formats, no catalogues.
pub(crate) fn planner_state(key: PlannerKey, functions: &Functions, env: Arc<RuntimeEnv>) -> Planner {
    let mut state = SessionStateBuilder::new()
        .with_config(session_config(key))
        .with_runtime_env(env)
        .with_optimizer_rules(rules())
        .with_expr_planners(functions.planners().to_vec())
        .with_scalar_functions(functions.scalar().to_vec())
        .with_higher_order_functions(functions.higher_order().to_vec())
        .with_aggregate_functions(functions.aggregate().to_vec())
        .with_window_functions(functions.window().to_vec())
        .with_table_factories(Default::default())
        .with_file_formats(Vec::new())
        .build();
    let options = state.config_options().clone();
    let mut one_pass = options.as_ref().clone();
    one_pass.optimizer.max_passes = 1;
    state.execution_props_mut().config_options = Some(options);
    let one_thread = state.config().clone().with_target_partitions(1);
    Planner { state, one_pass: Arc::new(one_pass), one_thread }
}

fn session_config(key: PlannerKey) -> SessionConfig {
    let mut options = ConfigOptions::new();
    options.catalog.create_default_catalog_and_schema = false;
    options.catalog.information_schema = false;
    options.execution.target_partitions = key.threads;
    options.execution.planning_concurrency = 1;
    // Decided per scan (`table/scan.rs`).
    options.execution.parquet.pushdown_filters = false;
    options.execution.parquet.reorder_filters = true;
    options.execution.parquet.enable_page_index = true;
    options.execution.parquet.bloom_filter_on_read = true;
    options.sql_parser.parse_float_as_decimal = true;
    options.explain.show_statistics = false;
    SessionConfig::from(options).with_batch_size(key.batch_rows.max(1))
}

/// The library's rules, with checked arithmetic before constants are folded and at the end.
fn rules() -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for rule in Optimizer::new().rules {
        if rule.name() == "simplify_expressions" {
            rules.push(Arc::new(CheckArithmetic(Scope::Constants)));
        }
        rules.push(rule);
    }
    rules.push(Arc::new(CheckArithmetic(Scope::All)));
    rules
}

/// What plans without tables need: constants folded, arithmetic checked.
static LIGHT: LazyLock<Optimizer> = LazyLock::new(|| {
    Optimizer::with_rules(vec![
        Arc::new(CheckArithmetic(Scope::Constants)),
        Arc::new(SimplifyExpressions::new()),
        Arc::new(CheckArithmetic(Scope::All)),
    ])
});

/// Analysis and optimisation.
pub(super) fn optimize(session: &PlanningSession, plan: LogicalPlan) -> Result<LogicalPlan> {
    let light = is_light(&plan)?;
    let plan = if light { plan } else { exists::as_counts(plan)? };
    let state = session.state();
    let plan = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})?;
    let plan = replace_casts(plan, session.zone())?;
    let plan = zoned::in_zone(plan, session)?;
    if light {
        return LIGHT.optimize(plan, session, |_, _| {});
    }
    if is_simple(&plan)? {
        return state.optimizer().optimize(plan, &session.in_one_pass(), |_, _| {});
    }
    state.optimizer().optimize(plan, session, |_, _| {})
}

/// Whether a plan reads one table in few steps: a second round of all rules then finds nothing but costs as much.
fn is_simple(plan: &LogicalPlan) -> Result<bool> {
    let (mut simple, mut nodes) = (true, 0);
    plan.apply(|node| {
        nodes += 1;
        let known = matches!(
            node,
            LogicalPlan::Projection(_)
                | LogicalPlan::Filter(_)
                | LogicalPlan::TableScan(_)
                | LogicalPlan::Limit(_)
                | LogicalPlan::Sort(_)
                | LogicalPlan::Aggregate(_)
                | LogicalPlan::SubqueryAlias(_)
        );
        simple = known && nodes <= SIMPLE_NODES_MAX && !has_subquery(node)?;
        Ok(if simple { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(simple)
}

/// The optimised logical plan and the plan that runs.
pub(super) async fn lower(
    session: &PlanningSession,
    plan: LogicalPlan,
) -> Result<(LogicalPlan, Arc<dyn ExecutionPlan>)> {
    let light = is_light(&plan)?;
    let plan = optimize(session, plan)?;
    let planner = DefaultPhysicalPlanner::default();
    let physical = if light {
        planner.create_physical_plan(&plan, &session.with_effort(Effort::None)).await?
    } else if is_lookup(&plan)? {
        planner.create_physical_plan(&plan, &session.in_one_thread()).await?
    } else {
        planner.create_physical_plan(&plan, session as &dyn Session).await?
    };
    Ok((plan, physical))
}

/// Whether a plan reads one table, and of it one value of its sort key.
fn is_lookup(plan: &LogicalPlan) -> Result<bool> {
    let mut lookup = false;
    if is_simple(plan)? {
        plan.apply(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                let provider = source_as_provider(&scan.source).ok();
                let table = provider.as_ref().and_then(|provider| provider.downcast_ref::<SegmentTable>());
                lookup = table.is_some_and(|table| table.is_lookup(&scan.filters));
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(lookup)
}

/// Whether a plan is a handful of expressions over no table: then most rules have nothing to find.
fn is_light(plan: &LogicalPlan) -> Result<bool> {
    let mut light = true;
    plan.apply(|node| {
        light =
            matches!(node, LogicalPlan::Projection(_) | LogicalPlan::EmptyRelation(_) | LogicalPlan::SubqueryAlias(_))
                && !has_subquery(node)?;
        Ok(if light { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(light)
}

fn has_subquery(node: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    node.apply_expressions(|expr| {
        expr.apply(|e| {
            found |= matches!(
                e,
                Expr::ScalarSubquery(_)
                    | Expr::InSubquery(_)
                    | Expr::Exists(_)
                    | Expr::SetComparison(_)
                    | Expr::Unnest(_)
            );
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    Ok(found)
}
