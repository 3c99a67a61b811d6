//! Plans of sessions that are not in UTC: where text becomes a time, where a time becomes text or a date, and where its
//! parts are asked for, the session's zone is put in. Plans of sessions in UTC are not looked at.

use super::session::PlanningSession;
use crate::functions::{Clock, TO_WALL, ZoneStep, clock_of, zone_function};
use chrono_tz::Tz;
use datafusion::{
    arrow::datatypes::{DataType, TimeUnit},
    catalog::Session,
    common::{
        DFSchema, Result, ScalarValue,
        tree_node::{Transformed, TransformedResult, TreeNode},
    },
    logical_expr::{
        Expr, ExprSchemable, LogicalPlan, cast, expr::ScalarFunction, expr_rewriter::NamePreserver, lit,
        utils::merge_schema,
    },
};

/// Functions that look at parts of their last time argument.
const READ_PARTS: &[&str] = &[
    "date_part",
    "to_char",
    "to_date",
    "to_day_of_month",
    "to_day_of_week",
    "to_day_of_year",
    "to_hour",
    "to_minute",
    "to_month",
    "to_quarter",
    "to_second",
    "to_year",
    "to_yyyymm",
    "to_yyyymmdd",
    "to_yyyymmddhh",
    "to_yyyymmddhhmmss",
];

/// Functions that answer with a time whose parts they chose.
const MAKE_TIMES: &[&str] = &["date_bin", "date_trunc"];

/// `plan` (analysed: types are coerced) with the session's zone put in.
pub(super) fn in_zone(plan: LogicalPlan, session: &PlanningSession) -> Result<LogicalPlan> {
    if session.zone() == Tz::UTC {
        return Ok(plan);
    }
    let zoned = plan.transform_up_with_subqueries(|plan| {
        let schema = match &plan {
            LogicalPlan::TableScan(scan) => {
                DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?
            }
            LogicalPlan::Values(values) => values.schema.as_ref().clone(),
            other => merge_schema(&other.inputs()),
        };
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let zoned = transform(expr, &schema, session)?;
            Ok(if zoned.transformed { Transformed::yes(name.restore(zoned.data)) } else { zoned })
        })
    });
    zoned.data()
}

/// The same for a single expression.
pub(super) fn expression_in_zone(expr: Expr, schema: &DFSchema, session: &PlanningSession) -> Result<Expr> {
    if session.zone() == Tz::UTC {
        return Ok(expr);
    }
    transform(expr, schema, session).data()
}

fn transform(expr: Expr, schema: &DFSchema, session: &PlanningSession) -> Result<Transformed<Expr>> {
    let zone = session.zone();
    expr.transform_up(|expr| match expr {
        Expr::Cast(mut conversion) => {
            let from = conversion.expr.get_type(schema)?;
            match step(&from, conversion.field.data_type(), false) {
                Some(Place::Instead(read)) => Ok(Transformed::yes(apply(read, zone, *conversion.expr))),
                Some(Place::Before) if !is_wall(&conversion.expr) => {
                    conversion.expr = Box::new(apply(ZoneStep::ToWall, zone, *conversion.expr));
                    Ok(Transformed::yes(Expr::Cast(conversion)))
                }
                Some(Place::After) => Ok(Transformed::yes(apply(ZoneStep::FromWall, zone, Expr::Cast(conversion)))),
                _ => Ok(Transformed::no(Expr::Cast(conversion))),
            }
        }
        Expr::TryCast(mut conversion) => {
            let from = conversion.expr.get_type(schema)?;
            match step(&from, conversion.field.data_type(), true) {
                Some(Place::Instead(read)) => Ok(Transformed::yes(apply(read, zone, *conversion.expr))),
                Some(Place::Before) if !is_wall(&conversion.expr) => {
                    conversion.expr = Box::new(apply(ZoneStep::ToWall, zone, *conversion.expr));
                    Ok(Transformed::yes(Expr::TryCast(conversion)))
                }
                Some(Place::After) => Ok(Transformed::yes(apply(ZoneStep::FromWall, zone, Expr::TryCast(conversion)))),
                _ => Ok(Transformed::no(Expr::TryCast(conversion))),
            }
        }
        Expr::ScalarFunction(function) => call(function, schema, session),
        other => Ok(Transformed::no(other)),
    })
}

/// The zone's name as an argument.
fn zone_name(zone: Tz) -> Expr {
    lit(ScalarValue::Utf8View(Some(zone.name().to_owned())))
}

fn is_zone(argument: &Expr) -> bool {
    matches!(argument, Expr::Literal(ScalarValue::Utf8View(Some(name)), _) if name.parse::<Tz>().is_ok())
}

/// Where the zone comes in when one type becomes another.
enum Place {
    Instead(ZoneStep),
    Before,
    After,
}

fn step(from: &DataType, to: &DataType, or_null: bool) -> Option<Place> {
    match (from, to) {
        (from, DataType::Timestamp(unit, None)) if from.is_string() => {
            Some(Place::Instead(ZoneStep::Read { unit: *unit, or_null }))
        }
        (DataType::Timestamp(_, None), to) if to.is_string() || is_date_or_time(to) => Some(Place::Before),
        (DataType::Date32 | DataType::Date64, DataType::Timestamp(_, None)) => Some(Place::After),
        _ => None,
    }
}

fn is_date_or_time(to: &DataType) -> bool {
    matches!(to, DataType::Date32 | DataType::Date64 | DataType::Time32(_) | DataType::Time64(_))
}

fn apply(step: ZoneStep, zone: Tz, expr: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(zone_function(step, zone), vec![expr]))
}

fn is_wall(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(function) if function.func.name() == TO_WALL)
}

fn call(mut function: ScalarFunction, schema: &DFSchema, session: &PlanningSession) -> Result<Transformed<Expr>> {
    let (zone, name) = (session.zone(), function.func.name());
    if name == "current_date"
        && let Some(now) = session.execution_props().query_execution_start_time
    {
        let micros = ScalarValue::TimestampMicrosecond(Some(now.timestamp_micros()), None);
        return Ok(Transformed::yes(cast(apply(ZoneStep::ToWall, zone, lit(micros)), DataType::Date32)));
    }
    if name == "to_timestamp"
        && let [text] = function.args.as_slice()
        && text.get_type(schema)?.is_string()
    {
        let read = ZoneStep::Read { unit: TimeUnit::Nanosecond, or_null: false };
        return Ok(Transformed::yes(apply(read, zone, function.args.remove(0))));
    }
    let clock = match clock_of(&function.func) {
        Some(clock) => clock,
        None if MAKE_TIMES.contains(&name) => Clock::Wall,
        None if READ_PARTS.contains(&name) => Clock::Reads,
        None => Clock::None,
    };
    if clock == Clock::None {
        return Ok(Transformed::no(Expr::ScalarFunction(function)));
    }
    if clock == Clock::Zone {
        if !function.args.iter().any(is_zone) {
            function.args.push(zone_name(zone));
            return Ok(Transformed::yes(Expr::ScalarFunction(function)));
        }
        return Ok(Transformed::no(Expr::ScalarFunction(function)));
    }
    let makes = matches!(clock, Clock::Makes | Clock::Wall);
    let mut changed = clock == Clock::Makes;
    let reads = clock != Clock::Makes;
    for argument in function.args.iter_mut().filter(|_| reads) {
        let zoneless = matches!(argument.get_type(schema)?, DataType::Timestamp(_, None));
        if zoneless && !is_wall(argument) {
            *argument = apply(ZoneStep::ToWall, zone, argument.clone());
            changed = true;
        }
    }
    let call = Expr::ScalarFunction(function);
    if !changed && !makes {
        return Ok(Transformed::no(call));
    }
    let made = makes && matches!(call.get_type(schema)?, DataType::Timestamp(_, None));
    Ok(Transformed::yes(if made { apply(ZoneStep::FromWall, zone, call) } else { call }))
}
