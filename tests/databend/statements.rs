//! Replies of statements that are not SELECT: row counts, results of SHOW and DESC, parameters.

use basalt_tests::TestServer;
use serde_json::json;

#[tokio::test]
async fn dml_says_how_many_rows() {
    let server = TestServer::start().await;
    let sql = server.sql();
    let created = sql.start("CREATE TABLE t (id INT, v STRING)").await.unwrap();
    assert_eq!(created["has_result_set"], false);
    let answer = sql.run("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')").await;
    assert_eq!((answer.columns[0].as_str(), answer.lines()), ("number of rows inserted", vec!["3".into()]));
    assert_eq!(answer.types[0], "UInt64");
    assert_eq!(answer.stats["write_progress"]["rows"], 3);
    let answer = sql.run("UPDATE t SET v = 'z' WHERE id >= 2").await;
    assert_eq!((answer.columns[0].as_str(), answer.lines()), ("number of rows updated", vec!["2".into()]));
    let answer = sql.run("DELETE FROM t WHERE id = 3").await;
    assert_eq!((answer.columns[0].as_str(), answer.lines()), ("number of rows deleted", vec!["1".into()]));
    let answer = sql
        .run(
            "MERGE INTO t USING (SELECT 2 AS id, 'two' AS v UNION ALL SELECT 9, 'nine') s ON t.id = s.id \
             WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)",
        )
        .await;
    let counts: Vec<_> = answer.columns.iter().cloned().zip(answer.rows[0].iter().flatten().cloned()).collect();
    assert!(counts.contains(&("number of rows inserted".into(), "1".into())), "{counts:?}");
    assert!(counts.contains(&("number of rows updated".into(), "1".into())), "{counts:?}");
    assert_eq!(sql.run("SELECT * FROM t").await.sorted_lines(), ["1|a", "2|two", "9|nine"]);
}

#[tokio::test]
async fn parameters_are_bound_on_the_server() {
    let server = TestServer::start().await;
    let sql = server.sql();
    let evil = "x'; DROP TABLE t; --";
    sql.run("CREATE TABLE t (id INT, v STRING)").await;
    sql.query_with_params("INSERT INTO t VALUES (?, ?)", json!([1, evil])).await.unwrap();
    let answer = sql.query_with_params("SELECT v FROM t WHERE id = ?", json!([1])).await.unwrap();
    assert_eq!(answer.rows[0][0].as_deref(), Some(evil));
    let answer = sql.query_with_params("SELECT id FROM t WHERE v = :v", json!({"v": evil})).await.unwrap();
    assert_eq!(answer.lines(), ["1"]);
    let error = sql.query_with_params("SELECT ?, ?", json!([1])).await.unwrap_err();
    assert!(error.code != 0, "{error}");
}

#[tokio::test]
async fn show_and_describe() {
    let server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE t (id INT NOT NULL, v STRING DEFAULT 'x', ts TIMESTAMP) CLUSTER BY (id)").await;
    sql.run("CREATE VIEW w AS SELECT id FROM t").await;
    assert!(sql.run("SHOW DATABASES").await.lines().contains(&"default".into()));
    let tables = sql.run("SHOW TABLES").await;
    assert_eq!(tables.columns, ["Tables_in_default"]);
    assert!(tables.lines().contains(&"t".into()));
    let columns = sql.run("DESC t").await;
    assert_eq!(columns.columns, ["Field", "Type", "Null", "Default", "Extra"]);
    assert_eq!(columns.rows.len(), 3);
    assert_eq!(columns.rows[0][0].as_deref(), Some("id"));
    assert_eq!(columns.rows[0][2].as_deref(), Some("NO"));
    assert_eq!(columns.rows[1][2].as_deref(), Some("YES"));
    let create = sql.run("SHOW CREATE TABLE t").await;
    assert_eq!(create.columns, ["Table", "Create Table"]);
    let statement = create.rows[0][1].clone().unwrap();
    sql.run("DROP TABLE t").await;
    sql.run(&statement).await;
    assert_eq!(sql.run("DESC t").await.rows, columns.rows, "what SHOW CREATE TABLE prints makes the same table");
    assert!(sql.run("SHOW SETTINGS").await.lines().iter().any(|l| l.starts_with("timezone|")));
    let explain = sql.run("EXPLAIN SELECT id FROM t WHERE id > 3").await;
    assert_eq!(explain.columns, ["explain"]);
    assert!(explain.rows.len() > 1);
    assert!(!sql.run("EXPLAIN ANALYZE SELECT id FROM t WHERE id > 3").await.rows.is_empty());
}

#[tokio::test]
async fn system_tables_describe_what_is_there() {
    let server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE t (id INT, v STRING)").await;
    sql.run("INSERT INTO t SELECT number, CAST(number AS VARCHAR) FROM numbers(1000)").await;
    let tables = "SELECT name FROM system.tables WHERE database = 'default'";
    assert_eq!(sql.run(tables).await.lines(), ["t"]);
    assert_eq!(sql.one("SELECT num_rows FROM system.tables WHERE name = 't'").await, "1000");
    let columns = "SELECT name FROM system.columns WHERE database = 'default' AND \"table\" = 't' ORDER BY name";
    assert_eq!(sql.run(columns).await.lines(), ["id", "v"]);
    let columns = "SELECT column_name, ordinal_position FROM information_schema.columns \
                   WHERE table_schema = 'default' AND table_name = 't' ORDER BY ordinal_position";
    assert_eq!(sql.run(columns).await.lines(), ["id|1", "v|2"]);
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'default'";
    assert_eq!(sql.run(tables).await.lines(), ["t"]);
    assert_eq!(sql.one("SELECT sum(\"rows\") FROM system.segments WHERE \"table\" = 't'").await, "1000");
    assert_eq!(sql.one("SELECT count(*) FROM system.queries WHERE sql LIKE '%system.queries%'").await, "1");
    assert_eq!(sql.one("SELECT count(*) FROM system.settings WHERE name = 'timezone'").await, "1");
    let version = sql.one("SELECT version()").await;
    assert!(version.starts_with("DatabendQuery v1.2.934-") && version.contains(env!("CARGO_PKG_VERSION")), "{version}");
}
