//! Every kind of statement through the engine, in a temporary directory: what it answers, what it changes, and what
//! happens when others change the same rows.

use crate::{
    CloseReason, Engine, EngineSettings, Error, ErrorKind, Principal, QueryRequest, Result, Role, Session,
    SessionEffect, TransactionState,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use std::time::Duration;
use tempfile::TempDir;

struct Server {
    engine: Engine,
    directory: TempDir,
}

struct Client {
    engine: Engine,
    session: Session,
    effect: Option<SessionEffect>,
    has_rows: bool,
    columns: Vec<String>,
}

impl Server {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let engine = Self::open(&directory).await;
        Self { engine, directory }
    }

    async fn open(directory: &TempDir) -> Engine {
        let settings = EngineSettings::new(directory.path().to_path_buf(), 2, 512 << 20);
        Engine::open(settings).await.unwrap()
    }

    fn client(&self) -> Client {
        self.client_as("root", Role::Admin)
    }

    fn client_as(&self, name: &str, role: Role) -> Client {
        let session = Session::new(Principal { name: name.into(), role });
        Client { engine: self.engine.clone(), session, effect: None, has_rows: false, columns: Vec::new() }
    }
}

impl Client {
    /// Rows as text, cells separated by `|`.
    async fn run(&mut self, sql: &str) -> Result<Vec<String>> {
        let request = QueryRequest::new(sql, self.session.clone());
        let handle = self.engine.query(request).await?;
        let mut rows = Vec::new();
        let mut number = 0;
        let outcome = loop {
            match handle.page(number, Duration::from_secs(60)).await {
                Ok(Some(page)) => {
                    for batch in &page.batches {
                        rows.extend(cells(batch));
                    }
                    number += 1;
                    if !page.more {
                        break Ok(());
                    }
                }
                Ok(None) => panic!("no page within a minute: {sql}"),
                Err(error) => break Err(error),
            }
        };
        self.session = handle.session();
        self.effect = handle.effect();
        self.has_rows = handle.has_result_set().unwrap_or(false);
        self.columns =
            handle.schema().map(|s| s.fields().iter().map(|f| f.name().clone()).collect()).unwrap_or_default();
        handle.close(CloseReason::Finalized);
        outcome.map(|()| rows)
    }

    async fn ok(&mut self, sql: &str) -> Vec<String> {
        self.run(sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"))
    }

    async fn fails(&mut self, sql: &str) -> Error {
        match self.run(sql).await {
            Ok(rows) => panic!("answered {rows:?}: {sql}"),
            Err(error) => error,
        }
    }

    async fn is(&mut self, sql: &str, rows: &[&str]) {
        assert_eq!(self.ok(sql).await, rows, "{sql}");
    }
}

fn cells(batch: &arrow::record_batch::RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<ArrayFormatter<'_>> =
        batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
    let row = |n: usize| columns.iter().map(|c| c.value(n).to_string()).collect::<Vec<_>>().join("|");
    (0..batch.num_rows()).map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn databases() {
    let server = Server::start().await;
    let mut c = server.client();
    c.ok("CREATE DATABASE d COMMENT = 'x'").await;
    assert!(!c.has_rows);
    assert!(matches!(c.fails("CREATE DATABASE d").await, Error::DatabaseExists { .. }));
    c.ok("CREATE DATABASE IF NOT EXISTS D").await;
    c.ok("USE D").await;
    assert_eq!(c.session.database, "d");
    assert_eq!(c.effect, Some(SessionEffect::UseDatabase("d".into())));
    assert!(matches!(c.fails("USE nowhere").await, Error::UnknownDatabase { .. }));
    c.ok("CREATE TABLE t (a INT)").await;
    c.ok("INSERT INTO d.t VALUES (1)").await;
    c.ok("DROP DATABASE d").await;
    assert!(matches!(c.fails("SELECT * FROM d.t").await, Error::UnknownDatabase { .. }));
    c.ok("DROP DATABASE IF EXISTS d").await;
    c.ok("UNDROP DATABASE d").await;
    c.is("SELECT a FROM d.t", &["1"]).await;
    assert!(c.run("DROP DATABASE default").await.is_err());
    assert!(c.run("DROP DATABASE system").await.is_err());
    assert!(c.run("CREATE TABLE system.x (a INT)").await.is_err());
    assert_eq!(c.ok("SHOW CREATE DATABASE d").await, ["d|CREATE DATABASE d ENGINE = DEFAULT"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_come_go_and_come_back() {
    let server = Server::start().await;
    let mut c = server.client();
    c.ok("CREATE TABLE t (a INT NOT NULL DEFAULT 7 COMMENT 'the a', b VARCHAR) CLUSTER BY (a) COMMENT = 'it''s'").await;
    assert!(matches!(c.fails("CREATE TABLE T (a INT)").await, Error::TableExists { .. }));
    c.ok("CREATE TABLE IF NOT EXISTS t (x INT)").await;
    c.is("INSERT INTO t (b) VALUES ('x')", &["1"]).await;
    assert_eq!(c.columns, ["number of rows inserted"]);
    c.is("SELECT * FROM t", &["7|x"]).await;
    let made = c.ok("SHOW CREATE TABLE t").await.remove(0);
    assert_eq!(
        made,
        "t|CREATE TABLE t (\n  a INT NOT NULL DEFAULT 7 COMMENT 'the a',\n  b VARCHAR NULL\n) ENGINE=FUSE CLUSTER BY (a) COMMENT='it''s'"
    );
    c.ok("DROP TABLE t").await;
    assert!(matches!(c.fails("SELECT * FROM t").await, Error::UnknownTable { .. }));
    c.ok(made.split_once('|').unwrap().1).await;
    c.ok("INSERT INTO t VALUES (2, 'new')").await;
    assert!(matches!(c.fails("UNDROP TABLE t").await, Error::TableExists { .. }));
    c.ok("RENAME TABLE t TO u").await;
    c.ok("UNDROP TABLE t").await;
    c.is("SELECT * FROM t", &["7|x"]).await;
    c.is("SELECT * FROM u", &["2|new"]).await;
    c.ok("CREATE OR REPLACE TABLE u (z DOUBLE)").await;
    c.is("SELECT count(*) FROM u", &["0"]).await;
    c.ok("CREATE TABLE l LIKE t").await;
    c.is("DESC l", &["a|INT|NO|7|", "b|VARCHAR|YES|NULL|"]).await;
    c.ok("TRUNCATE TABLE t").await;
    c.is("SELECT count(*) FROM t", &["0"]).await;
    c.ok("OPTIMIZE TABLE t ALL").await;
    c.ok("ANALYZE TABLE t").await;
    c.ok("VACUUM TABLE t").await;
    for (sql, text) in [
        ("CREATE TABLE x (a INT, A STRING)", "appears twice"),
        ("CREATE TABLE x (a NOTYPE)", "NOTYPE"),
        ("CREATE TABLE x (a INT) nonsense = 1", "nonsense"),
        ("CREATE TABLE x (a INT) ENGINE = MERGETREE", "MERGETREE"),
        ("CREATE TABLE x (a INT DEFAULT 'abc')", "abc"),
        ("CREATE TABLE x (a INT DEFAULT b)", "b"),
        ("CREATE TABLE x (a INT) CLUSTER BY (zz)", "zz"),
        ("CREATE TABLE x (a INT) PARTITION BY (1)", "no column"),
        ("CREATE TABLE nowhere.x (a INT)", "nowhere"),
    ] {
        let error = c.fails(sql).await.to_string();
        assert!(error.contains(text), "{sql}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn create_table_as_is_atomic() {
    let server = Server::start().await;
    let mut c = server.client();
    c.ok("CREATE TABLE t AS SELECT 1 AS a, 'x' AS b UNION ALL SELECT 2, NULL").await;
    c.is("SELECT * FROM t ORDER BY a", &["1|x", "2|NULL"]).await;
    c.ok("CREATE TABLE u (k INT, v INT, UNIQUE KEY (k)) AS SELECT * FROM (VALUES (1, 1), (2, 1), (1, 2)) AS s(k, v)")
        .await;
    c.is("SELECT * FROM u ORDER BY k", &["1|2", "2|1"]).await;
    assert!(c.run("CREATE TABLE v AS SELECT 1/0 AS a").await.is_err());
    assert!(matches!(c.fails("SELECT * FROM v").await, Error::UnknownTable { .. }));
    c.ok("CREATE OR REPLACE TABLE t AS SELECT 5 AS z").await;
    c.is("SELECT * FROM t", &["5"]).await;
    assert!(c.run("CREATE TABLE w (a INT) AS SELECT 1, 2").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn inserts_of_all_kinds() {
    let server = Server::start().await;
    let mut c = server.client();
    c.ok("CREATE TABLE t (i INT, u TINYINT UNSIGNED, f DOUBLE, d DECIMAL(10, 2), s VARCHAR, b BOOLEAN, day DATE, at TIMESTAMP)").await;
    c.is(
        "INSERT INTO t VALUES (1, 255, 1.5, 12.345, 'it''s\\n', true, '2024-02-29', '2024-02-29 01:02:03.5'), \
         (-2, NULL, 1e3, '7', NULL, 0, NULL, NULL)",
        &["2"],
    )
    .await;
    c.is(
        "SELECT * FROM t ORDER BY i DESC",
        &["1|255|1.5|12.35|it's\n|true|2024-02-29|2024-02-29T01:02:03.500", "-2|NULL|1000.0|7.00|NULL|false|NULL|NULL"],
    )
    .await;
    let error = c.fails("INSERT INTO t (i, s) VALUES (1, 'a'), (2, 'b'), ('abc', 'c')").await;
    assert_eq!(error.to_string(), "cannot convert 'abc' to INT for column `i` in row 3");
    let error = c.fails("INSERT INTO t (u) VALUES (256)").await.to_string();
    assert!(error.contains("'256'") && error.contains("`u`"), "{error}");
    let error = c.fails("INSERT INTO t (u) SELECT * FROM (VALUES (1), (300)) AS v(a)").await.to_string();
    assert!(error.contains("300") && error.contains("`u`") && error.contains("row 2"), "{error}");
    let error = c.fails("INSERT INTO t (day) VALUES ('2024-13-01')").await.to_string();
    assert!(error.contains("2024-13-01") && error.contains("`day`"), "{error}");
    assert!(matches!(c.fails("INSERT INTO t (nope) VALUES (1)").await, Error::UnknownColumn { .. }));
    assert!(c.run("INSERT INTO t (i, i) VALUES (1, 2)").await.is_err());
    assert!(c.run("INSERT INTO t (i) VALUES (1, 2)").await.is_err());
    c.is("SELECT count(*) FROM t", &["2"]).await;

    c.ok("CREATE TABLE n (a INT NOT NULL DEFAULT 3, b INT DEFAULT 1 + 1, c STRING NOT NULL)").await;
    c.ok("INSERT INTO n VALUES (DEFAULT, DEFAULT, 'x'), (1, 1 + 4, upper('y'))").await;
    c.ok("INSERT INTO n (c) VALUES ('z')").await;
    c.ok("INSERT INTO n (c, a) VALUES ('w', DEFAULT)").await;
    c.is("SELECT * FROM n ORDER BY c", &["1|5|Y", "3|2|w", "3|2|x", "3|2|z"]).await;
    let error = c.fails("INSERT INTO n VALUES (NULL, 1, 'x')").await.to_string();
    assert!(error.contains("'a'"), "{error}");
    assert!(c.run("INSERT INTO n (a) VALUES (1)").await.is_err());
    c.is("INSERT OVERWRITE n SELECT i, i, 'new' FROM t", &["2"]).await;
    c.is("SELECT * FROM n ORDER BY a", &["-2|-2|new", "1|1|new"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_rows_in_one_insert() {
    let server = Server::start().await;
    let mut c = server.client();
    c.ok("CREATE TABLE t (a BIGINT, b VARCHAR)").await;
    let rows: Vec<String> = (0..100_000).map(|n| format!("({n}, 'value {n}')")).collect();
    c.is(&format!("INSERT INTO t VALUES {}", rows.join(",")), &["100000"]).await;
    c.is("SELECT count(*), sum(a), count(DISTINCT b) FROM t", &["100000|4999950000|100000"]).await;
    let terms: Vec<String> = (0..5000).map(|n| format!("a = {n}")).collect();
    c.is(&format!("SELECT count(*) FROM t WHERE {}", terms.join(" OR ")), &["5000"]).await;
    let list: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
    c.is(&format!("SELECT count(*) FROM t WHERE a IN ({})", list.join(",")), &["10000"]).await;
    let arms: Vec<String> = (0..500).map(|n| format!("SELECT {n} AS a")).collect();
    c.is(&format!("SELECT count(*) FROM ({}) AS x", arms.join(" UNION ALL ")), &["500"]).await;
}

async fn numbers(c: &mut Client) {
    c.ok("CREATE OR REPLACE TABLE t (a INT, b VARCHAR)").await;
    c.ok("INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three'), (4, NULL)").await;
    c.ok("INSERT INTO t VALUES (5, 'five'), (6, 'six')").await;
    c.ok("CREATE OR REPLACE TABLE s (a INT, x INT)").await;
    c.ok("INSERT INTO s VALUES (2, 20), (5, 50), (9, 90)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes() {
    let server = Server::start().await;
    let mut c = server.client();
    let left = "SELECT a FROM t ORDER BY a";
    for (sql, deleted, rest) in [
        ("DELETE FROM t WHERE false", "0", &["1", "2", "3", "4", "5", "6"][..]),
        ("DELETE FROM t WHERE a > 100", "0", &["1", "2", "3", "4", "5", "6"]),
        ("DELETE FROM t WHERE NULL", "0", &["1", "2", "3", "4", "5", "6"]),
        ("DELETE FROM t WHERE a = 1 OR b = 'six'", "2", &["2", "3", "4", "5"]),
        ("DELETE FROM t WHERE b IS NULL", "1", &["1", "2", "3", "5", "6"]),
        ("DELETE FROM t WHERE a IN (SELECT a FROM s)", "2", &["1", "3", "4", "6"]),
        ("DELETE FROM t WHERE a NOT IN (SELECT a FROM s)", "4", &["2", "5"]),
        ("DELETE FROM t WHERE a IN (SELECT a FROM s WHERE false)", "0", &["1", "2", "3", "4", "5", "6"]),
        ("DELETE FROM t WHERE EXISTS (SELECT 1 FROM s WHERE s.a = t.a)", "2", &["1", "3", "4", "6"]),
        ("DELETE FROM t WHERE NOT EXISTS (SELECT 1 FROM s WHERE s.a = t.a)", "4", &["2", "5"]),
        ("DELETE FROM t WHERE EXISTS (SELECT 1 FROM s WHERE s.a = 777)", "0", &["1", "2", "3", "4", "5", "6"]),
        ("DELETE FROM t AS x WHERE x.a = (SELECT max(a) FROM t)", "1", &["1", "2", "3", "4", "5"]),
        ("DELETE FROM t USING s WHERE s.a = t.a AND s.x > 20", "1", &["1", "2", "3", "4", "6"]),
        ("DELETE FROM default.t WHERE a <= 4", "4", &["5", "6"]),
        ("DELETE FROM t", "6", &[]),
        ("DELETE FROM t WHERE true", "6", &[]),
    ] {
        numbers(&mut c).await;
        c.is(sql, &[deleted]).await;
        assert_eq!(c.columns, ["number of rows deleted"]);
        c.is(left, rest).await;
        c.is("SELECT count(*) FROM t", &[&rest.len().to_string()]).await;
    }
    numbers(&mut c).await;
    for n in 1..=6 {
        c.is(&format!("DELETE FROM t WHERE a = {n}"), &["1"]).await;
        c.is(&format!("DELETE FROM t WHERE a = {n}"), &["0"]).await;
        c.is(
            "SELECT count(*), min(a) FROM t",
            &[&match n {
                6 => "0|NULL".to_string(),
                n => format!("{}|{}", 6 - n, n + 1),
            }],
        )
        .await;
    }
    assert!(c.run("DELETE FROM t WHERE 1/0 = a").await.is_ok(), "no row, no division");
    assert!(matches!(c.fails("DELETE FROM t WHERE nope = 1").await, Error::UnknownColumn { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn updates() {
    let server = Server::start().await;
    let mut c = server.client();
    numbers(&mut c).await;
    c.is("UPDATE t SET a = a * 10, b = upper(b) WHERE a >= 4", &["3"]).await;
    assert_eq!(c.columns, ["number of rows updated"]);
    c.is("SELECT * FROM t ORDER BY a", &["1|one", "2|two", "3|three", "40|NULL", "50|FIVE", "60|SIX"]).await;
    c.is("UPDATE t SET b = (SELECT max(x) FROM s) WHERE a IN (SELECT a FROM s)", &["1"]).await;
    c.is("SELECT b FROM t WHERE a = 2", &["90"]).await;
    c.is("UPDATE t SET b = s.x FROM s WHERE s.a = t.a AND t.a < 10", &["1"]).await;
    c.is("SELECT b FROM t WHERE a = 2", &["20"]).await;
    c.is("UPDATE t SET a = 0 WHERE false", &["0"]).await;
    let error = c.fails("UPDATE t SET a = b WHERE b = 'one'").await.to_string();
    assert!(error.contains("one") && error.contains("`a`"), "{error}");
    c.ok("INSERT INTO s VALUES (2, 21)").await;
    let error = c.fails("UPDATE t SET b = s.x FROM s WHERE s.a = t.a").await.to_string();
    assert!(error.contains("several rows"), "{error}");
    assert!(c.run("UPDATE t SET a = 1, a = 2").await.is_err());
    assert!(c.run("UPDATE t SET nope = 1").await.is_err());
    c.is("SELECT count(*) FROM t", &["6"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn merges() {
    let server = Server::start().await;
    let mut c = server.client();
    numbers(&mut c).await;
    c.is(
        "MERGE INTO t USING s ON t.a = s.a \
         WHEN MATCHED AND s.x > 20 THEN DELETE \
         WHEN MATCHED THEN UPDATE SET b = s.x \
         WHEN NOT MATCHED THEN INSERT (a, b) VALUES (s.a, 'new')",
        &["1|1|1"],
    )
    .await;
    assert_eq!(c.columns, ["number of rows inserted", "number of rows updated", "number of rows deleted"]);
    c.is("SELECT * FROM t ORDER BY a", &["1|one", "2|20", "3|three", "4|NULL", "6|six", "9|new"]).await;

    numbers(&mut c).await;
    c.is(
        "MERGE INTO t AS x USING (SELECT a, 'from ' || a AS b FROM s) AS y ON x.a = y.a \
         WHEN MATCHED THEN UPDATE * WHEN NOT MATCHED THEN INSERT *",
        &["1|2"],
    )
    .await;
    c.is("SELECT * FROM t WHERE a IN (2, 5, 9) ORDER BY a", &["2|from 2", "5|from 5", "9|from 9"]).await;

    // Values of a clause are computed only where it applies.
    numbers(&mut c).await;
    c.is("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED AND s.a <> 2 THEN UPDATE SET a = 10 / (s.a - 2)", &["1"])
        .await;

    numbers(&mut c).await;
    c.ok("INSERT INTO s VALUES (2, 22)").await;
    let error = c.fails("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = s.x").await.to_string();
    assert!(error.contains("several source rows"), "{error}");
    c.is("SELECT b FROM t WHERE a = 2", &["two"]).await;
    c.is("MERGE INTO t USING s ON false WHEN NOT MATCHED THEN INSERT (a) VALUES (s.a)", &["4"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_write_of_a_key_wins() {
    let server = Server::start().await;
    let mut c = server.client();
    c.ok("CREATE TABLE t (id INT, v STRING, UNIQUE KEY (id))").await;
    c.ok("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (1, 'c')").await;
    c.is("SELECT * FROM t ORDER BY id", &["1|c", "2|b"]).await;
    c.ok("INSERT INTO t VALUES (2, 'd'), (3, 'e')").await;
    c.is("SELECT * FROM t ORDER BY id", &["1|c", "2|d", "3|e"]).await;
    c.is("UPDATE t SET v = 'x' WHERE id = 3", &["1"]).await;
    c.is("UPDATE t SET id = 1 WHERE id = 2", &["1"]).await;
    c.is("SELECT * FROM t ORDER BY id", &["1|d", "3|x"]).await;
    c.ok("BEGIN").await;
    c.ok("INSERT INTO t VALUES (3, 'in')").await;
    c.ok("INSERT INTO t VALUES (3, 'in again'), (4, 'four')").await;
    c.is("SELECT * FROM t ORDER BY id", &["1|d", "3|in again", "4|four"]).await;
    c.ok("COMMIT").await;
    c.is("SELECT * FROM t ORDER BY id", &["1|d", "3|in again", "4|four"]).await;
    c.is("SELECT count(*) FROM t", &["3"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alters() {
    let server = Server::start().await;
    let mut c = server.client();
    numbers(&mut c).await;
    c.ok("ALTER TABLE t ADD COLUMN c INT").await;
    c.ok("ALTER TABLE t ADD COLUMN d STRING NOT NULL DEFAULT 'x' AFTER a").await;
    c.is("SELECT * FROM t WHERE a = 1", &["1|x|one|NULL"]).await;
    assert!(c.run("ALTER TABLE t ADD COLUMN e INT NOT NULL").await.is_err());
    assert!(c.run("ALTER TABLE t ADD COLUMN A INT").await.is_err());
    c.ok("ALTER TABLE t DROP COLUMN d").await;
    c.ok("ALTER TABLE t ADD COLUMN d INT").await;
    c.is("SELECT * FROM t WHERE a = 1", &["1|one|NULL|NULL"]).await;
    c.ok("ALTER TABLE t RENAME COLUMN b TO name").await;
    c.is("SELECT name FROM t WHERE a = 2", &["two"]).await;
    c.ok("ALTER TABLE t MODIFY COLUMN a BIGINT").await;
    c.ok("INSERT INTO t (a) VALUES (5000000000)").await;
    c.is("SELECT max(a), min(a) FROM t", &["5000000000|1"]).await;
    let error = c.fails("ALTER TABLE t MODIFY COLUMN a INT").await.to_string();
    assert!(error.contains("5000000000"), "{error}");
    c.ok("DELETE FROM t WHERE a > 100").await;
    c.ok("ALTER TABLE t MODIFY COLUMN a VARCHAR").await;
    c.is("SELECT a || '!' FROM t ORDER BY a LIMIT 2", &["1!", "2!"]).await;
    c.ok("ALTER TABLE t MODIFY COLUMN a INT").await;
    c.is("SELECT sum(a) FROM t", &["21"]).await;
    let error = c.fails("ALTER TABLE t MODIFY COLUMN name INT").await.to_string();
    assert!(error.contains("one"), "{error}");
    assert!(c.run("ALTER TABLE t ALTER COLUMN name SET NOT NULL").await.is_err());
    c.ok("UPDATE t SET name = 'four' WHERE a = 4").await;
    c.ok("ALTER TABLE t ALTER COLUMN name SET NOT NULL").await;
    assert!(c.run("INSERT INTO t (a) VALUES (1)").await.is_err());
    c.ok("ALTER TABLE t ALTER COLUMN name SET DEFAULT 'anon'").await;
    c.ok("INSERT INTO t (a) VALUES (7)").await;
    c.is("SELECT name FROM t WHERE a = 7", &["anon"]).await;
    c.ok("ALTER TABLE t ALTER COLUMN name DROP NOT NULL").await;
    c.ok("ALTER TABLE t ALTER COLUMN name DROP DEFAULT").await;
    c.ok("ALTER TABLE t CLUSTER BY (name, a)").await;
    c.ok("ALTER TABLE t DROP CLUSTER KEY").await;
    c.ok("ALTER TABLE t COMMENT = 'hi'").await;
    c.ok("ALTER TABLE t RENAME TO u").await;
    c.is("SELECT count(*) FROM u", &["7"]).await;
    c.ok("ALTER TABLE IF EXISTS t DROP COLUMN a").await;
    c.ok("CREATE TABLE p (k INT, d DATE, UNIQUE KEY (k)) PARTITION BY (date_trunc('month', d))").await;
    assert!(c.run("ALTER TABLE p DROP COLUMN d").await.is_err());
    assert!(c.run("ALTER TABLE p RENAME COLUMN d TO e").await.is_err());
    assert!(c.run("ALTER TABLE p DROP COLUMN k").await.is_err());
    assert!(c.run("ALTER TABLE p MODIFY COLUMN k BIGINT").await.is_err());
    c.ok("INSERT INTO p VALUES (1, '2024-01-05'), (2, '2024-02-05')").await;
    c.is("SELECT k FROM p WHERE d >= '2024-02-01'", &["2"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flashback_brings_old_rows_back() {
    let server = Server::start().await;
    let mut c = server.client();
    numbers(&mut c).await;
    let versions =
        c.ok("SELECT snapshot_id FROM system.snapshots WHERE \"table\" = 't' ORDER BY version DESC LIMIT 1").await;
    c.ok("DELETE FROM t WHERE a > 2").await;
    c.is("SELECT count(*) FROM t", &["2"]).await;
    c.is(&format!("SELECT count(*) FROM t AT (SNAPSHOT => '{}')", versions[0]), &["6"]).await;
    c.ok(&format!("ALTER TABLE t FLASHBACK TO (SNAPSHOT => '{}')", versions[0])).await;
    c.is("SELECT sum(a) FROM t", &["21"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views() {
    let server = Server::start().await;
    let mut c = server.client();
    numbers(&mut c).await;
    c.ok("CREATE VIEW v (n, name) AS SELECT a + 1, b FROM t WHERE a < 3").await;
    c.is("SELECT * FROM v ORDER BY n", &["2|one", "3|two"]).await;
    assert!(matches!(c.fails("CREATE VIEW v AS SELECT 1").await, Error::ViewExists { .. }));
    c.ok("CREATE VIEW IF NOT EXISTS v AS SELECT 1").await;
    c.ok("CREATE OR REPLACE VIEW v AS SELECT 'a\\\\b' AS x").await;
    c.is("SELECT x FROM v", &["a\\b"]).await;
    c.ok("ALTER VIEW v AS SELECT count(*) AS n FROM t").await;
    c.is("SELECT n FROM v", &["6"]).await;
    c.is("SHOW CREATE VIEW v", &["v|CREATE VIEW default.v AS SELECT count(*) AS n FROM t"]).await;
    assert!(c.run("INSERT INTO v VALUES (1)").await.is_err());
    assert!(c.run("DELETE FROM v").await.is_err());
    assert!(c.run("DROP TABLE v").await.is_err());
    assert!(c.run("CREATE VIEW w AS SELECT nope FROM t").await.is_err());
    c.ok("DROP VIEW v").await;
    c.ok("DROP VIEW IF EXISTS v").await;
    assert!(c.run("DROP VIEW t").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn shows_and_settings() {
    let server = Server::start().await;
    let mut c = server.client();
    numbers(&mut c).await;
    c.ok("CREATE DATABASE d").await;
    assert!(c.ok("SHOW DATABASES").await.contains(&"d".to_string()));
    assert_eq!(c.columns, ["databases_in_default"]);
    c.is("SHOW TABLES", &["s", "t"]).await;
    assert_eq!(c.columns, ["Tables_in_default"]);
    c.is("SHOW TABLES LIKE 't%'", &["t"]).await;
    c.is("SHOW TABLES FROM d", &[]).await;
    c.is("SHOW COLUMNS FROM t WHERE Field = 'a'", &["a|INT|YES|||"]).await;
    assert_eq!(c.ok("SHOW FULL TABLES").await.len(), 2);
    assert_eq!(c.ok("SHOW TABLE STATUS").await.len(), 2);
    assert!(!c.ok("SHOW FUNCTIONS LIKE 'sum'").await.is_empty());
    assert_eq!(c.ok("SHOW ENGINES").await.len(), 4);
    assert!(c.ok("SHOW SETTINGS LIKE 'max_threads'").await[0].starts_with("max_threads|0|0|"));
    assert!(!c.ok("SHOW PROCESSLIST").await.is_empty());
    c.ok("SHOW VIEWS").await;
    c.ok("SHOW METRICS").await;
    assert!(c.run("SHOW COLUMNS FROM nowhere").await.is_err());

    c.ok("SET max_threads = 1, enable_dphyp = 0").await;
    let Some(SessionEffect::ChangeSettings(changes)) = c.effect.clone() else { panic!() };
    assert_eq!(
        (changes.len(), changes[0].name.as_str(), changes[0].value.as_str(), changes[0].global),
        (2, "max_threads", "1", false)
    );
    assert_eq!(c.session.settings["max_threads"], "1");
    c.is("SELECT sum(a) FROM t", &["21"]).await;
    c.ok("UNSET max_threads").await;
    assert!(!c.session.settings.contains_key("max_threads"));
    c.ok("SET GLOBAL max_block_size = 100").await;
    assert_eq!(server.engine.setting(&c.session, "max_block_size").unwrap(), "100");
    c.ok("UNSET GLOBAL max_block_size").await;
    assert_eq!(server.engine.setting(&c.session, "max_block_size").unwrap(), "8192");
    assert!(matches!(c.fails("SET datafusion.execution.batch_size = 1").await, Error::UnknownSetting { .. }));
    assert!(matches!(c.fails("SET max_threads = 'many'").await, Error::SettingValue { .. }));
    c.is("SETTINGS (max_threads = 1) SELECT 1", &["1"]).await;
    assert!(!c.session.settings.contains_key("max_threads"));
    c.ok("SET ddl_column_type_nullable = 0").await;
    c.ok("CREATE TABLE nn (a INT, b INT NULL)").await;
    c.is("DESC nn", &["a|INT|NO|NULL|", "b|INT|YES|NULL|"]).await;
    assert!(matches!(c.fails("KILL QUERY 'nope'").await, Error::UnknownQuery { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn explains() {
    let server = Server::start().await;
    let mut c = server.client();
    numbers(&mut c).await;
    let lines = c.ok("EXPLAIN SELECT sum(a) FROM t WHERE b = 'one'").await;
    assert_eq!(c.columns, ["explain"]);
    assert!(!lines.is_empty());
    let all = c.ok("EXPLAIN VERBOSE SELECT sum(a) FROM t").await.join("\n");
    assert!(
        all.contains("physical plan")
            && !all.contains(".seg")
            && !all.contains(server.directory.path().to_str().unwrap())
    );
    assert!(c.ok("EXPLAIN ANALYZE SELECT * FROM t").await[0].starts_with("rows: 6"));
    assert_eq!(c.ok("EXPLAIN DELETE FROM t WHERE a = 1").await[0], "Delete from default.t");
    assert_eq!(c.ok("EXPLAIN INSERT INTO t VALUES (1, 'x')").await[0], "Insert into default.t");
    c.is("SELECT count(*) FROM t", &["6"]).await;
    assert!(c.run("EXPLAIN ANALYZE DELETE FROM t").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_reads_its_own_writes_and_others_do_not() {
    let server = Server::start().await;
    let (mut c, mut other) = (server.client(), server.client());
    numbers(&mut c).await;
    c.ok("BEGIN").await;
    assert!(matches!(c.session.transaction, TransactionState::Active(_)));
    c.ok("INSERT INTO t VALUES (7, 'seven')").await;
    c.is("DELETE FROM t WHERE a IN (1, 7)", &["2"]).await;
    c.is("UPDATE t SET b = 'TWO' WHERE a = 2", &["1"]).await;
    c.is("UPDATE t SET b = 'TWO!' WHERE b = 'TWO'", &["1"]).await;
    c.ok("INSERT INTO s SELECT a, 0 FROM t").await;
    c.is("SELECT count(*), sum(a) FROM t", &["5|20"]).await;
    c.is("SELECT b FROM t WHERE a = 2", &["TWO!"]).await;
    c.is("SELECT count(*) FROM s", &["8"]).await;
    other.is("SELECT count(*), sum(a) FROM t", &["6|21"]).await;
    other.ok("INSERT INTO t VALUES (100, 'later')").await;
    c.is("SELECT count(*) FROM t WHERE a = 100", &["0"]).await;
    assert!(matches!(c.fails("CREATE TABLE x (a INT)").await, Error::Unsupported { .. }));
    assert!(matches!(c.session.transaction, TransactionState::Failed(_)), "an error ends the transaction");
    c.ok("ROLLBACK").await;
    c.is("SELECT count(*), sum(a) FROM t", &["7|121"]).await;

    c.ok("BEGIN").await;
    c.ok("INSERT INTO t VALUES (8, 'eight')").await;
    c.ok("DELETE FROM t WHERE a = 8").await;
    c.ok("DELETE FROM s").await;
    c.ok("INSERT INTO s VALUES (1, 1)").await;
    c.ok("COMMIT").await;
    assert_eq!(c.session.transaction, TransactionState::AutoCommit);
    other.is("SELECT count(*) FROM t", &["7"]).await;
    other.is("SELECT * FROM s", &["1|1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_updates_are_refused() {
    let server = Server::start().await;
    let (mut a, mut b) = (server.client(), server.client());
    numbers(&mut a).await;
    a.ok("BEGIN").await;
    b.ok("BEGIN").await;
    a.ok("UPDATE t SET b = 'a' WHERE a = 1").await;
    b.ok("UPDATE t SET b = 'b' WHERE a = 1").await;
    b.ok("INSERT INTO s VALUES (77, 77)").await;
    a.ok("COMMIT").await;
    let error = b.fails("COMMIT").await;
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(b.session.transaction, TransactionState::AutoCommit);
    b.is("SELECT b FROM t WHERE a = 1", &["a"]).await;
    b.is("SELECT count(*) FROM s WHERE a = 77", &["0"]).await;
    b.is("SELECT count(*) FROM t", &["6"]).await;

    // A transaction against a statement of its own.
    a.ok("BEGIN").await;
    a.is("SELECT b FROM t WHERE a = 2", &["two"]).await;
    b.ok("DELETE FROM t WHERE a = 2").await;
    a.ok("UPDATE t SET b = 'mine' WHERE a = 2").await;
    assert_eq!(a.fails("COMMIT").await.kind(), ErrorKind::Conflict);

    // Appends never conflict.
    a.ok("BEGIN").await;
    b.ok("BEGIN").await;
    a.ok("INSERT INTO t VALUES (10, 'a')").await;
    b.ok("INSERT INTO t VALUES (11, 'b')").await;
    a.ok("COMMIT").await;
    b.ok("COMMIT").await;
    a.is("SELECT count(*) FROM t WHERE a >= 10", &["2"]).await;

    // The same key in a table with a unique key.
    a.ok("CREATE TABLE k (id INT, v INT, UNIQUE KEY (id))").await;
    a.ok("BEGIN").await;
    b.ok("BEGIN").await;
    a.ok("INSERT INTO k VALUES (1, 1)").await;
    b.ok("INSERT INTO k VALUES (1, 2)").await;
    a.ok("COMMIT").await;
    assert_eq!(b.fails("COMMIT").await.kind(), ErrorKind::Conflict);
    a.is("SELECT * FROM k", &["1|1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_of_their_own_are_tried_again() {
    let server = Server::start().await;
    let mut c = server.client();
    c.ok("CREATE TABLE n (id INT, v INT)").await;
    c.ok("INSERT INTO n VALUES (1, 0)").await;
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let mut client = server.client();
            tokio::spawn(async move {
                let mut done = 0;
                for _ in 0..10 {
                    match client.run("UPDATE n SET v = v + 1 WHERE id = 1").await {
                        Ok(_) => done += 1,
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
                    }
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.unwrap();
    }
    assert!(done > 0);
    c.is("SELECT id, v FROM n", &[&format!("1|{done}")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_and_lost_transactions() {
    let server = Server::start().await;
    let mut c = server.client();
    numbers(&mut c).await;
    c.ok("BEGIN").await;
    c.ok("INSERT INTO t VALUES (7, 'seven')").await;
    assert!(c.run("INSERT INTO t VALUES ('x', 'y')").await.is_err());
    assert!(matches!(c.fails("SELECT 1").await, Error::TransactionFailed));
    c.ok("COMMIT").await;
    c.is("SELECT count(*) FROM t", &["6"]).await;

    c.ok("BEGIN").await;
    c.ok("INSERT INTO t VALUES (7, 'seven')").await;
    let active = c.session.clone();
    server.engine.end_session(&active).await.unwrap();
    assert!(matches!(c.fails("SELECT 1").await, Error::TransactionGone { .. }));
    c.ok("ROLLBACK").await;
    c.is("SELECT count(*) FROM t", &["6"]).await;

    // Another user cannot enter or end somebody's transaction.
    c.ok("BEGIN").await;
    let mut thief = server.client_as("thief", Role::Writer);
    thief.session.transaction = c.session.transaction;
    assert!(matches!(thief.fails("SELECT 1").await, Error::TransactionGone { .. }));
    c.ok("INSERT INTO t VALUES (7, 'seven')").await;
    c.ok("COMMIT").await;
    c.is("SELECT count(*) FROM t", &["7"]).await;
    c.ok("COMMIT").await;
    c.ok("ROLLBACK").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_are_decided_by_statement() {
    let server = Server::start().await;
    let mut root = server.client();
    numbers(&mut root).await;
    let mut reader = server.client_as("reader", Role::Reader);
    reader.is("SELECT count(*) FROM t", &["6"]).await;
    reader.ok("SHOW TABLES").await;
    reader.ok("SET max_threads = 1").await;
    for sql in [
        "INSERT INTO t VALUES (1, 'x')",
        "DELETE FROM t",
        "UPDATE t SET a = 1",
        "TRUNCATE TABLE t",
        "DROP TABLE t",
        "CREATE TABLE x (a INT)",
        "CREATE VIEW x AS SELECT 1",
        "ALTER TABLE t ADD COLUMN z INT",
        "SET GLOBAL max_threads = 1",
        "CREATE DATABASE x",
        "EXPLAIN DELETE FROM t",
        "SETTINGS (max_threads = 1) DELETE FROM t",
        "OPTIMIZE TABLE t COMPACT",
        "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE",
    ] {
        assert!(matches!(reader.fails(sql).await, Error::PermissionDenied { .. }), "{sql}");
    }
    let mut writer = server.client_as("writer", Role::Writer);
    writer.ok("INSERT INTO t VALUES (7, 'x')").await;
    for sql in ["DROP DATABASE default", "SET GLOBAL max_threads = 1", "VACUUM DROP TABLE", "SHOW USERS"] {
        assert!(matches!(writer.fails(sql).await, Error::PermissionDenied { .. }), "{sql}");
    }
    root.is("SELECT count(*) FROM t", &["7"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_survives_a_restart() {
    let mut server = Server::start().await;
    let mut c = server.client();
    numbers(&mut c).await;
    c.ok("DELETE FROM t WHERE a = 1").await;
    c.ok("SET GLOBAL max_threads = 1").await;
    c.ok("CREATE VIEW v AS SELECT sum(a) AS n FROM t").await;
    c.ok("BEGIN").await;
    c.ok("INSERT INTO t VALUES (99, 'lost')").await;
    drop(c);
    server.engine.shutdown(Duration::from_secs(5)).await.unwrap();
    let Server { engine, directory } = server;
    drop(engine);
    let engine = loop {
        let settings = EngineSettings::new(directory.path().to_path_buf(), 2, 512 << 20);
        match Engine::open(settings).await {
            Ok(engine) => break engine,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    server = Server { engine, directory };
    let mut c = server.client();
    c.is("SELECT n FROM v", &["20"]).await;
    assert_eq!(server.engine.setting(&c.session, "max_threads").unwrap(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_makes_a_statement_happen_once() {
    let server = Server::start().await;
    let mut client = server.client();
    client.run("CREATE TABLE t (a INT)").await.unwrap();
    client.run("SET deduplicate_label = 'first'").await.unwrap();
    assert_eq!(client.run("INSERT INTO t VALUES (1), (2)").await.unwrap(), ["2"]);
    assert_eq!(client.run("INSERT INTO t VALUES (1), (2)").await.unwrap(), ["0"]);
    assert_eq!(client.run("DELETE FROM t").await.unwrap(), ["0"], "the label is the statement's, whatever it says");
    client.run("SET deduplicate_label = 'second'").await.unwrap();
    assert_eq!(client.run("INSERT INTO t VALUES (3)").await.unwrap(), ["1"]);
    client.run("UNSET deduplicate_label").await.unwrap();
    assert_eq!(client.run("SELECT count(*) FROM t").await.unwrap(), ["3"]);
    assert!(client.run("SET GLOBAL deduplicate_label = 'x'").await.is_err());
    client.run("BEGIN").await.unwrap();
    client.session.settings.insert("deduplicate_label".into(), "third".into());
    let error = client.run("INSERT INTO t VALUES (4)").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_a_statement_in_a_transaction_fails_the_transaction() {
    let server = Server::start().await;
    let mut client = server.client();
    client.run("CREATE TABLE t (a INT)").await.unwrap();
    for wrong in ["SELEC 1", "SELECT 1 / (number - 500) FROM numbers(1000)", "SELECT * FROM nowhere"] {
        client.run("BEGIN").await.unwrap();
        client.run("INSERT INTO t VALUES (1)").await.unwrap();
        assert!(matches!(client.session.transaction, TransactionState::Active(_)));
        client.run(wrong).await.unwrap_err();
        assert!(matches!(client.session.transaction, TransactionState::Failed(_)), "{wrong}");
        assert!(matches!(client.run("SELECT 1").await, Err(Error::TransactionFailed)), "{wrong}");
        client.run("ROLLBACK").await.unwrap();
    }
    // too slow
    client.run("BEGIN").await.unwrap();
    client.session.settings.insert("max_execute_time_in_seconds".into(), "1".into());
    let error = client.run("SELECT count(*) FROM numbers(1000000000000) WHERE number % 7 = 3").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");
    assert!(matches!(client.session.transaction, TransactionState::Failed(_)));
    client.run("ROLLBACK").await.unwrap();
    // killed
    client.session.settings.clear();
    client.run("BEGIN").await.unwrap();
    let sql = "SELECT count(*) FROM numbers(1000000000000) WHERE number % 7 = 3";
    let handle = server.engine.query(QueryRequest::new(sql, client.session.clone())).await.unwrap();
    handle.close(CloseReason::Killed);
    assert!(matches!(handle.session().transaction, TransactionState::Failed(_)));
    assert!(client.run("SELECT count(*) FROM t").await.is_err(), "it was rolled back");
    // who stops reading has not failed
    client.session.transaction = TransactionState::AutoCommit;
    client.run("BEGIN").await.unwrap();
    let request = QueryRequest {
        page_rows: 10,
        buffer_rows: 10,
        ..QueryRequest::new("SELECT number FROM numbers(100000000)", client.session.clone())
    };
    let handle = server.engine.query(request).await.unwrap();
    handle.page(0, Duration::from_secs(10)).await.unwrap();
    handle.close(CloseReason::Finalized);
    assert_eq!(handle.session().transaction, client.session.transaction);
    assert_eq!(client.run("SELECT count(*) FROM t").await.unwrap(), ["0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_session_rolls_its_transactions_back() {
    let server = Server::start().await;
    let mut client = server.client();
    client.session.id = "s1".into();
    client.run("CREATE TABLE t (a INT)").await.unwrap();
    client.run("BEGIN").await.unwrap();
    client.run("INSERT INTO t VALUES (1)").await.unwrap();
    let mut ended = Session::new(client.session.principal.clone());
    ended.id = "s1".into();
    server.engine.end_session(&ended).await.unwrap();
    assert!(matches!(client.run("COMMIT").await, Err(Error::TransactionGone { .. })));
    assert_eq!(server.client().run("SELECT count(*) FROM t").await.unwrap(), ["0"]);
}
