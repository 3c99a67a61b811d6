//! Statements over `POST /v1/query`: every connection sends one after the other until the time is over. A statement
//! counts when its answer says that it succeeded and all its pages were read; anything else is an error, which the
//! figures name.

use crate::{Result, connection::Connection, latency};
use basalt_benches::SplitMix;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::task::LocalSet;

#[derive(Debug, Clone, Args)]
pub(crate) struct Plan {
    /// Address of the server: `host:port`.
    #[arg(long, default_value = "127.0.0.1:8000")]
    host: String,
    /// The statement. `{n}` becomes a number never used before, `{r}` a random one in `1..=range`,
    /// `{order}` the key of a random one of the first `range` TPC-H orders (their keys have gaps).
    #[arg(long)]
    sql: String,
    /// Largest `{r}`.
    #[arg(long, default_value_t = 1_000_000)]
    range: u64,
    /// First `{n}`.
    #[arg(long, default_value_t = 1)]
    first: u64,
    #[arg(long, default_value_t = 1)]
    connections: u32,
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Stop after this many statements, even if time is left.
    #[arg(long, default_value_t = u64::MAX)]
    requests: u64,
    /// Statements sent before measuring.
    #[arg(long, default_value_t = 20)]
    warm_up: u64,
    /// How many rows every answer must have.
    #[arg(long)]
    expect_rows: Option<usize>,
    /// Also end every query with its final request, as client libraries do (part of the latency).
    #[arg(long = "final")]
    finish: bool,
    #[arg(long, default_value = "root")]
    user: String,
    #[arg(long, default_value = "")]
    password: String,
    #[arg(long, default_value_t = 42)]
    seed: u64,
}

/// What an answer says about its query.
#[derive(Deserialize)]
struct Reply<'a> {
    state: String,
    #[serde(borrow, default)]
    data: Vec<&'a RawValue>,
    error: Option<Value>,
    next_uri: Option<String>,
}

/// Counters that all connections share.
struct Shared {
    next: Cell<u64>,
    left: Cell<u64>,
}

#[derive(Default)]
struct Outcome {
    latencies: Vec<Duration>,
    errors: u64,
    first_error: Option<String>,
}

pub(crate) fn run(plan: Plan) -> Result<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, measure(Rc::new(plan)))
}

async fn measure(plan: Rc<Plan>) -> Result<Value> {
    let shared = Rc::new(Shared { next: Cell::new(plan.first), left: Cell::new(plan.warm_up) });
    let warm = one_connection(plan.clone(), shared.clone(), None, 0).await?;
    if let Some(error) = warm.first_error {
        return Err(format!("the statement fails: {error}").into());
    }
    shared.left.set(plan.requests);
    let begin = Instant::now();
    let deadline = begin + Duration::from_secs_f64(plan.seconds);
    let tasks: Vec<_> = (1..=u64::from(plan.connections))
        .map(|lane| tokio::task::spawn_local(one_connection(plan.clone(), shared.clone(), Some(deadline), lane)))
        .collect();
    let mut all = Outcome::default();
    for task in tasks {
        let one = task.await??;
        all.latencies.extend(one.latencies);
        all.errors += one.errors;
        all.first_error = all.first_error.or(one.first_error);
    }
    let acknowledged = all.latencies.len() as u64 + plan.warm_up;
    let mut figures = latency::summary(all.latencies, begin.elapsed());
    figures["connections"] = json!(plan.connections);
    figures["errors"] = json!(all.errors);
    figures["first_error"] = json!(all.first_error);
    figures["acknowledged"] = json!(acknowledged);
    Ok(figures)
}

async fn one_connection(plan: Rc<Plan>, shared: Rc<Shared>, until: Option<Instant>, lane: u64) -> Result<Outcome> {
    let credentials = BASE64_STANDARD.encode(format!("{}:{}", plan.user, plan.password));
    let mut connection = Connection::open(&plan.host, &format!("Basic {credentials}")).await?;
    let mut rng = SplitMix::new(plan.seed, lane);
    let mut outcome = Outcome::default();
    while shared.left.get() > 0 && until.is_none_or(|deadline| Instant::now() < deadline) {
        shared.left.set(shared.left.get() - 1);
        let sql = statement(&plan, &shared, &mut rng);
        let body = serde_json::to_vec(&json!({ "sql": sql }))?;
        let start = Instant::now();
        match one_statement(&mut connection, &body, &plan).await? {
            None => outcome.latencies.push(start.elapsed()),
            Some(error) => {
                outcome.errors += 1;
                outcome.first_error.get_or_insert(error);
            }
        }
    }
    Ok(outcome)
}

fn statement(plan: &Plan, shared: &Shared, rng: &mut SplitMix) -> String {
    let mut sql = plan.sql.clone();
    if sql.contains("{n}") {
        let number = shared.next.get();
        shared.next.set(number + 1);
        sql = sql.replace("{n}", &number.to_string());
    }
    if sql.contains("{r}") {
        sql = sql.replace("{r}", &(rng.below(plan.range) + 1).to_string());
    }
    if sql.contains("{order}") {
        let order = rng.below(plan.range) + 1;
        sql = sql.replace("{order}", &((order >> 3 << 5) | (order & 7)).to_string());
    }
    sql
}

/// Runs one statement to its end; the error's text when it failed.
async fn one_statement(connection: &mut Connection, body: &[u8], plan: &Plan) -> Result<Option<String>> {
    let mut answer = connection.post("/v1/query", body).await?;
    let mut rows = 0;
    loop {
        if answer.status != 200 {
            return Ok(Some(format!("status {}: {}", answer.status, String::from_utf8_lossy(&answer.body))));
        }
        let reply: Reply = serde_json::from_slice(&answer.body)?;
        if let Some(error) = reply.error {
            return Ok(Some(error.to_string()));
        }
        rows += reply.data.len();
        match reply.next_uri {
            Some(uri) if plan.finish || !uri.ends_with("/final") => answer = connection.get(&uri).await?,
            _ if plan.expect_rows.is_some_and(|expected| expected != rows) => {
                return Ok(Some(format!("answer has {rows} rows: {}", String::from_utf8_lossy(body))));
            }
            _ if reply.state == "Succeeded" => return Ok(None),
            _ => return Ok(Some(format!("ended in state {}", reply.state))),
        }
    }
}
