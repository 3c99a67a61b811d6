//! EXPLAIN: how a statement would run, and with ANALYZE how it did. Changing statements are described, not done.

use super::{Outcome, delete, merge, update};
use crate::{
    Error, Result,
    plan::{PlannedQuery, StatementContext},
    sql::{ExplainMode, InsertSource, Statement},
};
use datafusion::{
    datasource::{physical_plan::FileScanConfig, source::DataSourceExec},
    physical_plan::{ExecutionPlan, displayable},
};
use futures::StreamExt;
use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

pub(super) async fn explain(context: &StatementContext, mode: ExplainMode, statement: Statement) -> Result<Outcome> {
    let mut lines = Vec::new();
    if mode == ExplainMode::Syntax {
        let Statement::Query(query) = &statement else {
            return Err(Error::Unsupported { what: "EXPLAIN SYNTAX of anything but a query".into() });
        };
        return lines_of(query.to_string().lines().map(str::to_string).collect());
    }
    let planned = match &statement {
        Statement::Query(query) => context.plan_query(query).await?,
        changing => {
            if mode == ExplainMode::Analyze {
                return Err(Error::Unsupported { what: "EXPLAIN ANALYZE of a statement that changes data".into() });
            }
            match describe(context, changing, &mut lines).await? {
                Some(planned) => planned,
                None => return lines_of(lines),
            }
        }
    };
    match mode {
        ExplainMode::Analyze => lines.extend(analyze(context, planned).await?),
        ExplainMode::Plan | ExplainMode::Syntax => lines.extend(physical(&planned, false)),
        ExplainMode::Verbose => {
            lines.push("logical plan:".into());
            lines.extend(planned.logical.display_indent_schema().to_string().lines().map(str::to_string));
            lines.push("physical plan:".into());
            lines.extend(physical(&planned, true));
        }
    }
    lines_of(lines)
}

/// What a changing statement would do: a line for the change, and the query that finds its rows.
async fn describe(
    context: &StatementContext,
    statement: &Statement,
    lines: &mut Vec<String>,
) -> Result<Option<PlannedQuery>> {
    match statement {
        Statement::Insert(insert) => {
            let resolved = super::change::target(context, &insert.table)?;
            let verb = if insert.overwrite { "Overwrite" } else { "Insert into" };
            lines.push(format!("{verb} {}.{}", resolved.database.name, resolved.table.table().name));
            match &insert.source {
                InsertSource::Literals(rows) => {
                    lines.push(format!("  Values: {} rows", rows.rows()));
                    Ok(None)
                }
                InsertSource::Query(query) => Ok(Some(context.plan_query(query).await?)),
                InsertSource::Files(files) => {
                    lines.push(format!("  Files: {}", files.location.as_deref().unwrap_or("of the request")));
                    Ok(None)
                }
            }
        }
        Statement::Update(update) => {
            let (resolved, planned) = update::plan(context, update).await?;
            lines.push(format!("Update {}.{}", resolved.database.name, resolved.table.table().name));
            Ok(Some(planned))
        }
        Statement::Delete(delete) => {
            let (resolved, planned) = delete::plan(context, delete).await?;
            lines.push(format!("Delete from {}.{}", resolved.database.name, resolved.table.table().name));
            Ok(Some(planned))
        }
        Statement::Merge(merge) => {
            let (resolved, planned) = merge::plan(context, merge).await?;
            lines.push(format!("Merge into {}.{}", resolved.database.name, resolved.table.table().name));
            Ok(Some(planned))
        }
        Statement::CreateTable(create) if create.query.is_some() => {
            lines.push(format!("Create table {}", create.name));
            match &create.query {
                Some(query) => Ok(Some(context.plan_query(query).await?)),
                None => Ok(None),
            }
        }
        _ => Err(Error::Unsupported { what: "EXPLAIN of this kind of statement".into() }),
    }
}

/// Runs the query to its end, then shows the plan with what was measured.
async fn analyze(context: &StatementContext, planned: PlannedQuery) -> Result<Vec<String>> {
    let begun = std::time::Instant::now();
    let mut stream = context.run(Arc::clone(&planned.physical))?;
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        rows += batch.map_err(crate::plan::explain)?.num_rows();
    }
    drop(stream);
    let mut lines = vec![format!("rows: {rows}, time: {:.3} ms", begun.elapsed().as_secs_f64() * 1e3)];
    let text = datafusion::physical_plan::display::DisplayableExecutionPlan::with_metrics(planned.physical.as_ref());
    lines.extend(without_paths(&planned.physical, &text.indent(false).to_string()));
    Ok(lines)
}

fn physical(planned: &PlannedQuery, verbose: bool) -> Vec<String> {
    let text = displayable(planned.physical.as_ref()).indent(verbose).to_string();
    without_paths(&planned.physical, &text)
}

/// The lines of a plan with numbers of segments for the names of the server's files, which say nothing to users.
fn without_paths(plan: &Arc<dyn ExecutionPlan>, text: &str) -> Vec<String> {
    let mut counts = VecDeque::new();
    count_segments(plan, &mut counts);
    let line = |line: &str| {
        let Some(start) = line.find("file_groups={") else {
            return line.to_string();
        };
        let end = line[start..].find('}').map_or(line.len(), |n| start + n + 1);
        // The text names the scans in the order in which they were counted.
        let segments = counts.pop_front().unwrap_or_default();
        format!("{}segments={segments}{}", &line[..start], &line[end..])
    };
    text.lines().map(line).collect()
}

/// How many segments each scan of files reads, scans in the order of the plan's text.
fn count_segments(plan: &Arc<dyn ExecutionPlan>, counts: &mut VecDeque<usize>) {
    if let Some(scan) = plan.downcast_ref::<DataSourceExec>()
        && let Some(config) = scan.data_source().downcast_ref::<FileScanConfig>()
    {
        let files = config.file_groups.iter().flat_map(|group| group.iter());
        let names: HashSet<&str> = files.map(|file| file.object_meta.location.as_ref()).collect();
        counts.push_back(names.len());
    }
    for child in plan.children() {
        count_segments(child, counts);
    }
}

fn lines_of(lines: Vec<String>) -> Result<Outcome> {
    Outcome::texts(&["explain"], lines.into_iter().map(|line| vec![Some(line)]).collect())
}
