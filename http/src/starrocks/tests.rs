use crate::testing::TestServer;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

async fn load(server: &TestServer, headers: &[(&str, &str)], body: &'static str) -> Value {
    let answer = server.root(Method::PUT, "/api/default/t/_stream_load", headers, body).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.json()
}

async fn with_table() -> TestServer {
    let server = TestServer::start().await;
    server.sql("CREATE TABLE t (a INT NOT NULL, b VARCHAR)").await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_loaded_once_per_label() {
    let server = with_table().await;
    let headers = [("label", "once"), ("column_separator", ",")];
    let first = load(&server, &headers, "1,x\n2,\\N\n").await;
    assert_eq!((&first["Status"], &first["Message"]), (&json!("Success"), &json!("OK")), "{first}");
    assert_eq!((&first["NumberLoadedRows"], &first["LoadBytes"]), (&json!(2), &json!(9)));
    let again = load(&server, &headers, "1,x\n2,\\N\n").await;
    assert_eq!(again["Status"], "Label Already Exists", "{again}");
    assert_eq!(again["ExistingJobStatus"], "FINISHED");
    assert_eq!(server.sql("SELECT a, b FROM t ORDER BY a").await["data"], json!([["1", "x"], ["2", null]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_bad_rows_load_nothing_and_can_be_looked_at() {
    let server = with_table().await;
    let headers = [("column_separator", ","), ("host", "localhost:8000")];
    let failed = load(&server, &headers, "1,x\nnonsense,y\n").await;
    assert_eq!(failed["Status"], "Fail", "{failed}");
    assert_eq!(failed["Message"], "too many filtered rows");
    assert_eq!(failed["NumberFilteredRows"], 1);
    let url = failed["ErrorURL"].as_str().unwrap();
    let log = server.get(url.strip_prefix("http://localhost:8000").unwrap()).await.text();
    assert!(log.contains("nonsense,y"), "{log}");
    assert_eq!(server.sql("SELECT count(*) FROM t").await["data"], json!([["0"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_loaded_says_why_with_status_200() {
    let server = with_table().await;
    let wrong = load(&server, &[("skip_header", "-1")], "").await;
    assert_eq!(wrong["Message"], "skip_header must be equal or greater than 0");
    let answer = server.send(Method::PUT, "/api/default/t/_stream_load", &[], "1\tx").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["Message"], "no valid Basic authorization");
    assert_eq!(answer.headers["connection"], "close");
    let answer = server.root(Method::PUT, "/api/default/nope/_stream_load", &[], "1").await.json();
    assert!(answer["Message"].as_str().unwrap().contains("nope"), "{answer}");
    let broken = load(&server, &[("format", "gzip")], "not gzip at all").await;
    assert!(broken["Message"].as_str().unwrap().contains("gzip"), "{broken}");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_documents() {
    let server = with_table().await;
    let headers = [("format", "json"), ("strip_outer_array", "true")];
    let report = load(&server, &headers, r#"[{"a": 1, "b": "x"}, {"a": 2}]"#).await;
    assert_eq!(report["NumberLoadedRows"], 2, "{report}");
    assert_eq!(server.sql("SELECT b FROM t ORDER BY a").await["data"], json!([["x"], [null]]));
}
