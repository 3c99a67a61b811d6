//! Random statements against a table and against a model in memory; both must always agree, across restarts, kills and
//! compaction. `BASALT_SEED` runs a sequence again, `BASALT_MODEL_STEPS` makes it longer.

use basalt_tests::{SqlClient, TestServer, seed};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::BTreeMap;

/// A row: key, number, text.
type Row = (i64, Option<i64>, Option<String>);

/// What a table should hold. Rows of a `unique` table are kept by key; those of a plain one as they come.
#[derive(Debug, Clone)]
struct Model {
    table: &'static str,
    unique: bool,
    rows: Vec<Row>,
}

impl Model {
    fn put(&mut self, row: Row) {
        if self.unique {
            self.rows.retain(|r| r.0 != row.0);
        }
        self.rows.push(row);
    }

    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self
            .rows
            .iter()
            .map(|(k, n, s)| {
                let number = n.map_or("NULL".into(), |n| n.to_string());
                format!("{k}|{number}|{}", s.as_deref().unwrap_or("NULL"))
            })
            .collect();
        lines.sort();
        lines
    }
}

fn random_row(random: &mut StdRng) -> Row {
    let number = random.random_bool(0.9).then(|| random.random_range(-50..50));
    let text = random.random_bool(0.9).then(|| format!("s{}", random.random_range(0..20)));
    (random.random_range(0..60), number, text)
}

/// Rows whose keys differ, so that the order within one statement does not matter.
fn random_rows(random: &mut StdRng, count: usize) -> Vec<Row> {
    let mut rows = BTreeMap::new();
    for _ in 0..count {
        let row = random_row(random);
        rows.insert(row.0, row);
    }
    rows.into_values().collect()
}

fn literal(row: &Row) -> String {
    let number = row.1.map_or("NULL".into(), |n| n.to_string());
    let text = row.2.as_ref().map_or("NULL".into(), |s| format!("'{s}'"));
    format!("({}, {number}, {text})", row.0)
}

fn csv(rows: &[Row]) -> String {
    let line = |(k, n, s): &Row| {
        let number = n.map_or("\\N".into(), |n| n.to_string());
        format!("{k},{number},{}\n", s.as_deref().unwrap_or("\\N"))
    };
    rows.iter().map(line).collect()
}

/// One random change, to the server and to the model. Returns what it was.
async fn step(server: &TestServer, sql: &SqlClient, model: &mut Model, random: &mut StdRng) -> String {
    let table = model.table;
    match random.random_range(0..100) {
        0..25 => {
            let count = random.random_range(1..8);
            let rows = random_rows(random, count);
            let text =
                format!("INSERT INTO {table} VALUES {}", rows.iter().map(literal).collect::<Vec<_>>().join(", "));
            sql.run(&text).await;
            rows.into_iter().for_each(|row| model.put(row));
            text
        }
        25..45 => {
            let count = random.random_range(1..60);
            let rows = random_rows(random, count);
            server.load("default", table).csv().ok(csv(&rows)).await;
            let text = format!("load of {rows:?}");
            rows.into_iter().for_each(|row| model.put(row));
            text
        }
        45..60 => {
            let (low, add) = (random.random_range(-60..60), random.random_range(-5..5));
            let text = format!("UPDATE {table} SET n = n + {add}, s = 'u' || s WHERE n > {low} AND k % 3 = 1");
            sql.run(&text).await;
            for row in model.rows.iter_mut().filter(|r| r.1.is_some_and(|n| n > low) && r.0 % 3 == 1) {
                row.1 = row.1.map(|n| n + add);
                row.2 = row.2.take().map(|s| format!("u{s}"));
            }
            text
        }
        60..75 => {
            let (key, low) = (random.random_range(0..60), random.random_range(-50..50));
            let text = match random.random_range(0..4) {
                0 => {
                    model.rows.retain(|r| r.0 != key);
                    format!("DELETE FROM {table} WHERE k = {key}")
                }
                1 => {
                    model.rows.retain(|r| r.1.is_none_or(|n| n >= low));
                    format!("DELETE FROM {table} WHERE n < {low}")
                }
                2 => {
                    let keys: Vec<_> = model.rows.iter().filter(|r| r.1 == Some(low)).map(|r| r.0).collect();
                    model.rows.retain(|r| !keys.contains(&r.0));
                    format!("DELETE FROM {table} WHERE k IN (SELECT k FROM {table} WHERE n = {low})")
                }
                _ => format!("DELETE FROM {table} WHERE false"),
            };
            sql.run(&text).await;
            text
        }
        75..88 => {
            let count = random.random_range(1..10);
            let rows = random_rows(random, count);
            let source = rows.iter().map(literal).collect::<Vec<_>>().join(", ");
            let text = format!(
                "MERGE INTO {table} USING (SELECT column1 AS k, column2 AS n, column3 AS s FROM (VALUES {source})) x \
                 ON {table}.k = x.k WHEN MATCHED THEN UPDATE SET n = x.n WHEN NOT MATCHED THEN INSERT (k, n, s) VALUES (x.k, x.n, x.s)"
            );
            sql.run(&text).await;
            for row in rows {
                if model.rows.iter().any(|r| r.0 == row.0) {
                    model.rows.iter_mut().filter(|r| r.0 == row.0).for_each(|r| r.1 = row.1);
                } else {
                    model.rows.push(row);
                }
            }
            text
        }
        88..97 => {
            let text = format!("OPTIMIZE TABLE {table} COMPACT");
            sql.run(&text).await;
            text
        }
        97..99 => {
            let text = format!("INSERT INTO {table} SELECT k + 100, n, s FROM {table} WHERE k < 10");
            sql.run(&text).await;
            let copies: Vec<_> = model.rows.iter().filter(|r| r.0 < 10).cloned().collect();
            copies.into_iter().for_each(|(k, n, s)| model.put((k + 100, n, s)));
            text
        }
        _ => {
            let text = format!("TRUNCATE TABLE {table}");
            sql.run(&text).await;
            model.rows.clear();
            text
        }
    }
}

async fn compare(sql: &SqlClient, models: &[Model], history: &[String]) {
    for model in models {
        let shown = sql.run(&format!("SELECT k, n, s FROM {}", model.table)).await.sorted_lines();
        let history = || history.iter().rev().take(8).cloned().collect::<Vec<_>>().join("\n  ");
        assert_eq!(shown, model.lines(), "{} after (newest first)\n  {}", model.table, history());
        let sums = "SELECT count(*), count(n), coalesce(sum(n), 0), count(s) FROM";
        let count = |f: fn(&Row) -> bool| model.rows.iter().filter(|r| f(r)).count();
        let expected = format!(
            "{}|{}|{}|{}",
            model.rows.len(),
            count(|r| r.1.is_some()),
            model.rows.iter().filter_map(|r| r.1).sum::<i64>(),
            count(|r| r.2.is_some())
        );
        assert_eq!(sql.run(&format!("{sums} {}", model.table)).await.lines(), [expected], "{}", history());
        let narrow = model.rows.iter().filter(|r| r.0 >= 20 && r.0 < 30).count().to_string();
        assert_eq!(sql.one(&format!("SELECT count(*) FROM {} WHERE k >= 20 AND k < 30", model.table)).await, narrow);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_agree_with_a_model() {
    let steps: usize = std::env::var("BASALT_MODEL_STEPS").ok().map_or(250, |s| s.parse().expect("a number"));
    let mut random = StdRng::seed_from_u64(seed("model"));
    let mut server = TestServer::start().await;
    let mut sql = server.sql();
    sql.run("CREATE TABLE plain (k BIGINT NOT NULL, n BIGINT, s STRING) CLUSTER BY (k)").await;
    sql.run("CREATE TABLE keyed (k BIGINT NOT NULL, n BIGINT, s STRING) UNIQUE KEY (k)").await;
    let mut models = [
        Model { table: "plain", unique: false, rows: Vec::new() },
        Model { table: "keyed", unique: true, rows: Vec::new() },
    ];
    let mut history = Vec::new();
    for number in 0..steps {
        let which = random.random_range(0..2);
        if random.random_bool(0.1) {
            // the same inside a transaction, kept or not
            let before = models[which].clone();
            let keep = random.random_bool(0.6);
            sql.run("BEGIN").await;
            for _ in 0..random.random_range(1..4) {
                let text = transaction_step(&sql, &mut models[which], &mut random).await;
                history.push(format!("in a transaction: {text}"));
            }
            sql.run(if keep { "COMMIT" } else { "ROLLBACK" }).await;
            history.push(if keep { "COMMIT".into() } else { "ROLLBACK".into() });
            if !keep {
                models[which] = before;
            }
        } else {
            history.push(step(&server, &sql, &mut models[which], &mut random).await);
        }
        match random.random_range(0..60) {
            0 => {
                server.restart().await;
                sql = server.sql();
                history.push("restart".into());
            }
            1 => {
                server.kill().await;
                server.launch().await;
                sql = server.sql();
                history.push("kill -9".into());
            }
            _ => {}
        }
        if number % 4 == 0 {
            compare(&sql, &models, &history).await;
        }
    }
    compare(&sql, &models, &history).await;
}

/// Changes that only use SQL, so that they belong to the session's transaction.
async fn transaction_step(sql: &SqlClient, model: &mut Model, random: &mut StdRng) -> String {
    let table = model.table;
    if random.random_bool(0.6) {
        let rows = random_rows(random, 3);
        let text = format!("INSERT INTO {table} VALUES {}", rows.iter().map(literal).collect::<Vec<_>>().join(", "));
        sql.run(&text).await;
        rows.into_iter().for_each(|row| model.put(row));
        text
    } else {
        let key = random.random_range(0..60);
        let text = format!("DELETE FROM {table} WHERE k < {key} AND k >= {}", key - 5);
        sql.run(&text).await;
        model.rows.retain(|r| !(r.0 < key && r.0 >= key - 5));
        text
    }
}
