//! The life of a query: start, pages, re-read, long poll, state, final, kill, idempotent ids, back-pressure.

use basalt_tests::{TestServer, wait_for};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_small_result_comes_whole_in_the_first_reply() {
    let server = TestServer::start().await;
    let sql = server.sql();
    let reply = sql.start("SELECT CAST(1 AS INT) AS a, 'x' AS b, NULL AS c").await.unwrap();
    let id = reply["id"].as_str().unwrap();
    assert!(!id.is_empty());
    assert_eq!(reply["state"], "Succeeded");
    assert_eq!(reply["data"], json!([["1", "x", null]]));
    assert_eq!(reply["error"], Value::Null);
    assert_eq!(reply["has_result_set"], true);
    assert_eq!(reply["final_uri"], format!("/v1/query/{id}/final"));
    assert_eq!(reply["next_uri"], reply["final_uri"]);
    assert_eq!(reply["stats_uri"], format!("/v1/query/{id}"));
    assert_eq!(reply["kill_uri"], format!("/v1/query/{id}/kill"));
    assert_eq!(reply["schema"][0], json!({"name": "a", "type": "Int32"}));
    assert_eq!(reply["schema"][1], json!({"name": "b", "type": "String"}));
    assert_eq!(reply["schema"][2], json!({"name": "c", "type": "NULL"}));
    for progress in ["scan_progress", "write_progress", "result_progress"] {
        assert!(reply["stats"][progress]["rows"].is_u64() && reply["stats"][progress]["bytes"].is_u64(), "{reply}");
    }
    assert_eq!(reply["stats"]["result_progress"]["rows"], 1);
    assert!(reply["stats"]["running_time_ms"].is_number());
    assert!(reply["result_timeout_secs"].as_u64().unwrap() > 0);
    assert!(!reply["node_id"].as_str().unwrap().is_empty());

    let end = sql.follow(reply["final_uri"].as_str().unwrap()).await.unwrap();
    assert_eq!(end["next_uri"], Value::Null);
    assert!(end.as_object().unwrap().contains_key("next_uri"));
    assert_eq!(end["data"], json!([]));
    assert_eq!(end["error"], Value::Null);
    assert_eq!(end["schema"], reply["schema"]);
    // final is idempotent
    assert_eq!(sql.follow(reply["final_uri"].as_str().unwrap()).await.unwrap()["next_uri"], Value::Null);
}

#[tokio::test]
async fn pages_follow_each_other_and_the_last_served_can_be_read_again() {
    let server = TestServer::start().await;
    let sql = server.sql().paging(json!({"wait_time_secs": 10, "max_rows_per_page": 1000}));
    let first = sql.start("SELECT number FROM numbers(2500) ORDER BY number").await.unwrap();
    let id = first["id"].as_str().unwrap();
    let page = |n: u64| format!("/v1/query/{id}/page/{n}");
    assert_eq!(first["data"].as_array().unwrap().len(), 1000);
    assert_eq!(first["data"][999], json!(["999"]));
    assert_eq!(first["next_uri"], page(1));

    assert_eq!(sql.follow(&page(0)).await.unwrap()["data"], first["data"], "page 0 again");
    let second = sql.follow(&page(1)).await.unwrap();
    assert_eq!(second["data"][0], json!(["1000"]));
    assert_eq!(second["schema"], first["schema"], "the schema comes with every page");
    assert_eq!(sql.follow(&page(1)).await.unwrap()["data"], second["data"], "page 1 again");

    let gone = sql.follow(&page(0)).await.unwrap_err();
    assert_eq!(gone.status, Some(StatusCode::NOT_FOUND));
    assert_eq!(gone.message.to_lowercase(), "invalid page number: requested 0, current page is 2");
    let future = sql.follow(&page(7)).await.unwrap_err();
    assert_eq!(future.status, Some(StatusCode::NOT_FOUND));
    assert!(future.message.contains("requested 7"), "{future}");

    let third = sql.follow(&page(2)).await.unwrap();
    assert_eq!(third["data"].as_array().unwrap().len(), 500);
    assert_eq!(third["data"][499], json!(["2499"]));
    assert_eq!(third["next_uri"], format!("/v1/query/{id}/final"));
    let after = sql.follow(&page(3)).await.unwrap();
    assert_eq!(after["data"], json!([]), "the number after the end is an empty page");
    assert_eq!(after["next_uri"], format!("/v1/query/{id}/final"));

    sql.follow(&format!("/v1/query/{id}/final")).await.unwrap();
    let closed = sql.follow(&page(2)).await.unwrap_err();
    assert_eq!(closed.status, Some(StatusCode::BAD_REQUEST), "{closed}");
}

#[tokio::test]
async fn every_row_of_a_big_result_comes_once_and_in_order() {
    let server = TestServer::start().await;
    let sql = server.sql();
    let answer = sql.run("SELECT number, repeat('x', 100) AS s FROM numbers(300000) ORDER BY number").await;
    assert_eq!(answer.rows.len(), 300_000);
    assert!(answer.pages > 3, "{} pages", answer.pages);
    for (i, row) in answer.rows.iter().enumerate() {
        assert_eq!(row[0].as_deref(), Some(i.to_string().as_str()));
    }
}

#[tokio::test]
async fn a_page_wider_than_the_byte_limit_loses_nothing() {
    let server = TestServer::start().await;
    let sql = server.sql();
    // 1 MiB per row: far above what a page of 10,000 rows may hold
    let answer = sql.run("SELECT number, repeat('y', 1048576) AS s FROM numbers(40) ORDER BY number").await;
    assert_eq!(answer.rows.len(), 40);
    assert!(answer.pages >= 5, "{} pages", answer.pages);
    assert!(
        answer
            .rows
            .iter()
            .enumerate()
            .all(|(i, r)| { r[0] == Some(i.to_string()) && r[1].as_ref().is_some_and(|s| s.len() == 1 << 20) })
    );
}

#[tokio::test]
async fn a_long_query_is_polled_and_can_be_killed() {
    let server = TestServer::start().await;
    let sql = server.sql().paging(json!({"wait_time_secs": 0}));
    let start = Instant::now();
    let reply = sql.start("SELECT count(*) FROM numbers(1000000000000) WHERE number % 7 = 3").await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "wait_time_secs=0 answers at once");
    let id = reply["id"].as_str().unwrap().to_string();
    assert!(matches!(reply["state"].as_str(), Some("Starting" | "Running")), "{reply}");
    let next = reply["next_uri"].as_str().unwrap();
    assert!(next.contains("/page/0"), "nothing was given yet: {next}");

    let state = sql.follow(&format!("/v1/query/{id}")).await.unwrap();
    assert!(matches!(state["state"].as_str(), Some("Starting" | "Running")), "{state}");
    assert!(state["stats"]["scan_progress"].is_object());
    let running = server.sql().one(&format!("SELECT count(*) FROM system.queries WHERE query_id = '{id}'")).await;
    assert_eq!(running, "1");

    for method in [Method::GET, Method::POST] {
        let killed = sql.request(method, &format!("/v1/query/{id}/kill")).send().await.unwrap();
        assert_eq!(killed.status(), StatusCode::OK, "kill is idempotent");
        assert_eq!(killed.text().await.unwrap(), "");
    }
    let error = sql.follow(&format!("/v1/query/{id}/page/0")).await;
    match error {
        Ok(reply) => assert_eq!(reply["error"]["code"], 1043, "{reply}"),
        Err(error) => assert_eq!(error.status, Some(StatusCode::BAD_REQUEST), "{error}"),
    }
}

#[tokio::test]
async fn long_poll_waits_for_the_answer() {
    let server = TestServer::start().await;
    let sql = server.sql().paging(json!({"wait_time_secs": 30}));
    let reply = sql.start("SELECT sum(number % 13) FROM numbers(30000000)").await.unwrap();
    assert_eq!(reply["state"], "Succeeded", "one reply carries the answer: {reply}");
    assert_eq!(reply["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn kill_by_sql_ends_another_query() {
    let server = TestServer::start().await;
    let sql = server.sql().paging(json!({"wait_time_secs": 0}));
    let reply = sql.start("SELECT count(*) FROM numbers(1000000000000) WHERE number % 7 = 3").await.unwrap();
    let id = reply["id"].as_str().unwrap();
    server.sql().run(&format!("KILL QUERY '{id}'")).await;
    let error = sql.drain(reply.clone()).await.unwrap_err();
    assert!(error.code == 1043 || error.status == Some(StatusCode::BAD_REQUEST), "{error}");
}

#[tokio::test]
async fn the_same_id_gives_the_same_query() {
    let server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE t (a INT)").await;
    let id = "0123456789abcdef0123456789abcdef";
    let first = sql.start_with(sql.body("INSERT INTO t VALUES (1)"), Some(id)).await.unwrap();
    assert_eq!(first["id"], id);
    let again = sql.start_with(sql.body("INSERT INTO t VALUES (1)"), Some(id)).await.unwrap();
    assert_eq!(again["id"], id);
    assert_eq!(again["data"], first["data"]);
    assert_eq!(sql.one("SELECT count(*) FROM t").await, "1", "a retried POST does not insert twice");
}

#[tokio::test]
async fn unknown_queries_and_paths_are_404() {
    let server = TestServer::start().await;
    let sql = server.sql();
    for uri in ["/v1/query/nope", "/v1/query/nope/page/0", "/v1/query/nope/final", "/v1/query/nope/kill", "/v1/nothing"]
    {
        let error = sql.follow(uri).await.unwrap_err();
        assert_eq!(error.status, Some(StatusCode::NOT_FOUND), "{uri}");
        assert!(!error.message.is_empty(), "{uri}");
    }
    assert!(sql.follow("/v1/query/nope/page/0").await.unwrap_err().message.contains("nope"));
}

#[tokio::test]
async fn slashes_are_merged_and_a_trailing_one_dropped() {
    let server = TestServer::start().await;
    let sql = server.sql();
    for path in ["/v1/query/", "//v1/query", "/v1//query/"] {
        let reply = sql.request(Method::POST, path).json(&json!({"sql": "SELECT 1"})).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK, "{path}");
        let reply: Value = reply.json().await.unwrap();
        assert_eq!(reply["data"], json!([["1"]]), "{path}");
    }
}

#[tokio::test]
async fn bad_bodies_are_400_with_a_reason() {
    let server = TestServer::start().await;
    let sql = server.sql();
    for body in ["", "{", "[]", "{\"sql\": 1}", "{\"pagination\": {}}", "nonsense"] {
        let request = sql.request(Method::POST, "/v1/query").header("Content-Type", "application/json");
        let reply = request.body(body).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::BAD_REQUEST, "{body}");
        let error: Value = reply.json().await.unwrap();
        assert_eq!(error["error"]["code"], 400, "{body}: {error}");
        assert!(!error["error"]["message"].as_str().unwrap().is_empty());
    }
    // unknown keys are ignored
    let body = json!({"sql": "SELECT 1", "novel": {"key": [1, 2]}, "string_fields": true});
    assert_eq!(sql.start_with(body, None).await.unwrap()["data"], json!([["1"]]));
}

#[tokio::test]
async fn responses_carry_version_id_and_state() {
    let server = TestServer::start().await;
    let reply = server.sql().request(Method::POST, "/v1/query").json(&json!({"sql": "SELECT 1"})).send().await.unwrap();
    let headers = reply.headers().clone();
    let body: Value = reply.json().await.unwrap();
    let version = headers["x-databend-version"].to_str().unwrap();
    let numbers: Vec<u32> = version.split(['.', '-']).take(3).map(|n| n.parse().unwrap()).collect();
    assert!(numbers >= vec![1, 2, 901], "clients switch features off below 1.2.901: {version}");
    assert_eq!(headers["x-databend-query-id"].to_str().unwrap(), body["id"].as_str().unwrap());
    assert_eq!(headers["x-databend-query-state"], "Succeeded");
}

#[tokio::test]
async fn a_slow_client_slows_the_query_not_the_server() {
    let server = TestServer::builder().start().await;
    let sql = server.sql().paging(json!({"wait_time_secs": 5, "max_rows_per_page": 1000, "max_rows_in_buffer": 20000}));
    let before = server.resident_bytes();
    let reply = sql.start("SELECT number, repeat('z', 200) FROM numbers(50000000)").await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let id = reply["id"].as_str().unwrap();
    let state = sql.follow(&format!("/v1/query/{id}")).await.unwrap();
    assert_eq!(state["state"], "Running", "it waits for its reader: {state}");
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 512 << 20, "memory grew by {grown} bytes for a reader that does not read");
    sql.follow(&format!("/v1/query/{id}/kill")).await.ok();
    wait_for("the killed query leaves", Duration::from_secs(5), || async {
        server
            .sql()
            .one("SELECT count(*) FROM system.queries WHERE state = 'Running' AND sql LIKE 'SELECT number, repeat%'")
            .await
            == "0"
    })
    .await;
}
