//! From a parsed query to an execution plan, over one snapshot.

mod aliases;
mod asof;
mod by_value;
mod context;
mod dialect;
mod exists;
mod expansion;
mod expression;
mod failure;
mod functions;
mod guard;
mod json_notation;
mod lateral;
mod meaning;
mod naming;
mod notation;
mod numbers;
mod planner;
mod prepare;
mod relations;
mod resolve;
mod row_functions;
mod session;
mod shape;
#[cfg(test)]
mod tests;
mod timetravel;
mod types;
mod variables;
mod zoned;

pub(crate) use context::{PlannedQuery, ResolvedTable, StatementContext};
pub(crate) use dialect::NOTATIONS;
pub(crate) use failure::explain;
pub(crate) use functions::{FunctionBody, NEXT_VALUE, Returns, calls_sequence, sequences_of};
pub(crate) use guard::{over_true_values, true_name, with_arguments};
pub(crate) use json_notation::NAMES as JSON_NOTATIONS;
pub(crate) use meaning::FUNCTIONS as MEANINGS;
pub(crate) use notation::NOTATIONS as MORE_NOTATIONS;
pub(crate) use planner::{Planner, planner_state};
pub(crate) use timetravel::snapshot_id;
#[cfg(test)]
pub(crate) use types::map_type;
pub(crate) use types::{arrow_type, sql_type};

/// Names of the columns that [`StatementContext::positions`] adds.
pub(crate) const SEGMENT_COLUMN: &str = "__basalt_segment";
pub(crate) const ROW_COLUMN: &str = "__basalt_row";
