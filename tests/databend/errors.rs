//! Statements that fail: HTTP 200, state `Failed`, the documented number, a message that names the thing.

use basalt_tests::TestServer;
use serde_json::{Value, json};

#[tokio::test]
async fn codes_and_names() {
    let server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE t (a INT NOT NULL, b STRING)").await;
    sql.run("CREATE VIEW v AS SELECT a FROM t").await;
    let cases: &[(&str, i64, &str)] = &[
        ("SELEC 1", 1005, "selec"),
        ("SELECT", 1005, ""),
        ("SELECT 1; SELECT 2", 1005, ""),
        ("SELECT * FROM nope", 1025, "nope"),
        ("SELECT * FROM nodb.t", 1003, "nodb"),
        ("SELECT nope FROM t", 1058, "nope"),
        ("SELECT nofunc(1)", 1008, "nofunc"),
        ("CREATE TABLE t (a INT)", 2302, "t"),
        ("CREATE DATABASE default", 2301, "default"),
        ("CREATE VIEW v AS SELECT 1", 2306, "v"),
        ("DROP TABLE nope", 1025, "nope"),
        ("DROP DATABASE nope", 1003, "nope"),
        ("SELECT CAST('abc' AS INT)", 1006, "abc"),
        ("SELECT 1 / 0", 1006, "zero"),
        ("SELECT a, count(*) FROM t", 1065, "a"),
        ("SELECT sum(b) OVER () FROM t WHERE sum(a) > 1", 1065, ""),
        ("SELECT * FROM t AT (OFFSET => -100000000)", 2013, ""),
    ];
    for (statement, code, word) in cases {
        let error = sql.fail(statement).await;
        assert_eq!(error.code, *code, "{statement}: {error}");
        assert!(error.message.to_lowercase().contains(word), "{statement}: {error}");
    }
}

#[tokio::test]
async fn overflow_bad_casts_and_division_name_the_value() {
    let server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE t (i INT, big BIGINT, s STRING, d DECIMAL(5,2))").await;
    sql.run("INSERT INTO t VALUES (2147483647, 9223372036854775807, 'x7', 999.99)").await;
    for (statement, value) in [
        ("SELECT big + 1 FROM t", "9223372036854775807"),
        ("SELECT big * 2 FROM t", "9223372036854775807"),
        ("SELECT CAST(s AS INT) FROM t", "x7"),
        ("SELECT CAST(i AS TINYINT) FROM t", "2147483647"),
        ("SELECT i % 0 FROM t", "zero"),
        ("SELECT CAST('2024-13-01' AS DATE)", "2024-13-01"),
        ("SELECT CAST('maybe' AS BOOLEAN)", "maybe"),
    ] {
        let error = sql.fail(statement).await;
        assert_eq!(error.code, 1006, "{statement}: {error}");
        assert!(error.message.contains(value), "{statement}: {error}");
    }
    let error = sql.fail("INSERT INTO t (d) VALUES (12345.678)").await;
    assert!(error.message.contains("12345.67"), "{error}");
    assert_eq!(sql.one("SELECT count(*) FROM t").await, "1");
}

#[tokio::test]
async fn a_statement_that_never_started_has_no_uris() {
    let server = TestServer::start().await;
    let reply = server.sql().start("SELECT nope FROM numbers(1)").await.unwrap();
    assert_eq!(reply["state"], "Failed");
    for key in ["next_uri", "final_uri", "stats_uri", "kill_uri"] {
        assert_eq!(reply[key], Value::Null, "{key}");
    }
    assert_eq!(reply["id"], "");
    assert_eq!(reply["data"], json!([]));
    assert!(reply["stats"].is_object());
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_result_is_reported() {
    let server = TestServer::start().await;
    let sql = server.sql().paging(json!({"wait_time_secs": 10, "max_rows_per_page": 1000}));
    let error = sql.fail("SELECT 1000000 / (number::BIGINT - 200000) FROM numbers(300000)").await;
    assert_eq!(error.code, 1006, "{error}");
    // and the server goes on
    assert_eq!(sql.one("SELECT 1").await, "1");
}
