use crate::testing::TestServer;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_small_result_comes_whole_in_the_first_answer() {
    let server = TestServer::start().await;
    let answer = server.post("//v1/query/", json!({"sql": "SELECT 1 AS one, 'a\"b' AS t, NULL AS n;"})).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["x-databend-version"], "1.2.934");
    assert_eq!(answer.headers["x-databend-query-state"], "Succeeded");
    let reply = answer.json();
    let id = reply["id"].as_str().unwrap();
    assert_eq!(answer.headers["x-databend-query-id"], id);
    assert_eq!(reply["data"], json!([["1", "a\"b", null]]));
    assert_eq!(reply["schema"][1], json!({"name": "t", "type": "String"}));
    assert_eq!(reply["next_uri"], format!("/v1/query/{id}/final"));
    assert_eq!(reply["has_result_set"], true);
    assert_eq!((&reply["error"], &reply["affect"]), (&Value::Null, &Value::Null));
    assert_eq!(reply["settings"]["timezone"], "UTC");
    for key in ["scan_progress", "write_progress", "result_progress", "total_scan"] {
        assert!(reply["stats"][key]["rows"].is_u64(), "{key}");
    }
    assert!(reply["session"]["internal"].is_string());

    let end = server.get(reply["next_uri"].as_str().unwrap()).await.json();
    assert_eq!((&end["data"], &end["session"]), (&json!([]), &Value::Null));
    assert!(end.as_object().unwrap().contains_key("next_uri") && end["next_uri"].is_null());
    assert_eq!(end["schema"], reply["schema"]);
    assert_eq!(server.get(&format!("/v1/query/{id}/final")).await.status, StatusCode::OK);
    assert_eq!(server.get(&format!("/v1/query/{id}/page/1")).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_can_be_read_again_until_the_next_is_asked_for() {
    let server = TestServer::start().await;
    let sql = "SELECT a FROM (VALUES (1), (2), (3), (4), (5)) AS t(a) ORDER BY a";
    let body = json!({"sql": sql, "pagination": {"max_rows_per_page": 2, "wait_time_secs": 30}});
    let first = server.post("/v1/query", body).await.json();
    let (id, mut rows) = (first["id"].as_str().unwrap().to_string(), Vec::new());
    let mut reply = first;
    loop {
        rows.extend(reply["data"].as_array().unwrap().iter().map(|r| r[0].as_str().unwrap().to_string()));
        let next = reply["next_uri"].as_str().unwrap().to_string();
        if next.ends_with("/final") {
            break;
        }
        reply = server.get(&next).await.json();
        assert_eq!(server.get(&next).await.json()["data"], reply["data"], "read again");
    }
    assert_eq!(rows, ["1", "2", "3", "4", "5"]);
    let answer = server.get(&format!("/v1/query/{id}/page/99")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.text().contains("Invalid page number: requested 99, current page is 3"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_statements_have_status_200_and_a_code() {
    let server = TestServer::start().await;
    for (sql, code) in [
        ("SELEC 1", 1005),
        ("SELECT * FROM no_such_table", 1025),
        ("SELECT no_such_column", 1058),
        ("SELECT 1 / 0", 1006),
        ("USE no_such_database", 1003),
    ] {
        let answer = server.post("/v1/query", json!({"sql": sql})).await;
        assert_eq!(answer.status, StatusCode::OK, "{sql}");
        let reply = answer.json();
        assert_eq!(reply["state"], "Failed", "{sql}");
        assert_eq!(reply["error"]["code"], code, "{sql}: {}", reply["error"]);
        assert_eq!(reply["data"], json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_have_their_status_and_a_json_body() {
    let server = TestServer::start().await;
    let answer = server.root(Method::POST, "/v1/query", &[], "{\"sql\": ").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.json()["error"]["message"].as_str().unwrap().starts_with("parse error"));
    let deep = format!("{{\"sql\": \"SELECT 1\", \"params\": {}", "[".repeat(100_000));
    assert_eq!(server.root(Method::POST, "/v1/query", &[], deep).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.get("/v1/query/nobody/page/0").await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.get("/no/such/route").await.json()["error"], json!({"code": 404, "message": "not found"}));
    let id = [("x-databend-query-id", "a b\"c")];
    let answer = server.root(Method::POST, "/v1/query", &id, json!({"sql": "SELECT 1"}).to_string()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let answer = server.root(Method::PUT, "/v1/upload_to_stage", &[], "").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let foreign = [("origin", "https://evil.example")];
    assert_eq!(server.root(Method::POST, "/v1/query", &foreign, "{}").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_id_names_one_query() {
    let server = TestServer::start().await;
    let id = [("x-databend-query-id", "my.query-1")];
    let first = server.root(Method::POST, "/v1/query", &id, json!({"sql": "SELECT 1"}).to_string()).await.json();
    assert_eq!(first["id"], "my.query-1");
    let again = server.root(Method::POST, "/v1/query", &id, json!({"sql": "SELECT 2"}).to_string()).await.json();
    assert_eq!(again["data"], json!([["1"]]));
    let kill = server.root(Method::POST, "/v1/query/my.query-1/kill", &[], "").await;
    assert_eq!((kill.status, kill.body.len()), (StatusCode::OK, 0));
    assert_eq!(server.get("/v1/query/my.query-1/kill").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_travel_with_the_client() {
    let server = TestServer::start().await;
    let session = json!({"database": "default", "settings": {"no_such": "1"}, "client_thing": {"x": 1}});
    let set = json!({"sql": "SET timezone = 'Asia/Tokyo'", "session": session});
    let reply = server.post("/v1/query", set).await.json();
    assert_eq!(reply["affect"]["type"], "ChangeSettings", "{reply}");
    assert_eq!(reply["affect"]["keys"], json!(["timezone"]));
    assert_eq!(reply["session"]["settings"], json!({"timezone": "Asia/Tokyo", "no_such": "1"}));
    assert_eq!(reply["session"]["client_thing"], json!({"x": 1}));
    assert!(reply["warnings"][0].as_str().unwrap().contains("no_such"), "{reply}");

    let begin = server.post("/v1/query", json!({"sql": "BEGIN", "session": reply["session"]})).await.json();
    assert_eq!(begin["session"]["txn_state"], "Active", "{begin}");
    assert_eq!(begin["session"]["need_sticky"], true);
    let wrong = server.post("/v1/query", json!({"sql": "SELECT * FROM nowhere", "session": begin["session"]})).await;
    let wrong = wrong.json();
    assert_eq!((&wrong["session"]["txn_state"], &wrong["session"]["need_sticky"]), (&json!("Fail"), &json!(false)));
    let after = server.post("/v1/query", json!({"sql": "SELECT 1", "session": wrong["session"]})).await.json();
    assert_eq!(after["error"]["code"], 4002, "{after}");
    let end = server.post("/v1/query", json!({"sql": "ROLLBACK", "session": wrong["session"]})).await.json();
    assert_eq!(end["session"]["txn_state"], "AutoCommit", "{end}");

    let lost = json!({"txn_state": "Active", "internal": "{\"txn_id\":999999}"});
    let lost = server.post("/v1/query", json!({"sql": "SELECT 1", "session": lost})).await.json();
    assert_eq!(lost["error"]["code"], 4003, "{lost}");
}

#[tokio::test(flavor = "multi_thread")]
async fn login_tokens_open_refresh_and_end() {
    let server = TestServer::start().await;
    let login = server.post("/v1/session/login", json!({"database": "default"})).await.json();
    assert_eq!(login["version"], "1.2.934");
    assert_eq!(login["server_max_arrow_result_version"], 3);
    let (token, refresh) = (&login["tokens"]["session_token"], &login["tokens"]["refresh_token"]);
    let bearer = |token: &Value| format!("Bearer {}", token.as_str().unwrap());
    let verify = |token: String| {
        let server = &server;
        async move { server.send(Method::POST, "/v1/verify", &[("authorization", &token)], "").await }
    };
    assert_eq!(verify(bearer(token)).await.json()["user"], "root");
    assert_eq!(verify(bearer(refresh)).await.json()["error"]["code"], 5103);
    let auth = bearer(refresh);
    let renewed = server.send(Method::POST, "/v1/session/refresh", &[("authorization", &auth)], "{}").await.json();
    assert_eq!(renewed.as_object().unwrap().keys().collect::<Vec<_>>(), ["tokens"]);
    let auth = bearer(&renewed["tokens"]["session_token"]);
    let out = server.send(Method::POST, "/v1/session/logout", &[("authorization", &auth)], "").await;
    assert_eq!(out.json(), json!({"error": null}));
    assert_eq!(verify(bearer(token)).await.status, StatusCode::UNAUTHORIZED);

    let plain = server.post("/v1/session/login?disable_session_token=true", json!({})).await.json();
    assert!(plain.get("tokens").is_none());
    for (body, code) in [(json!({"database": "nope"}), 1003), (json!({"settings": {"nope": "1"}}), 2801)] {
        let answer = server.post("/v1/session/login", body).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(code)));
    }
    let beat = server.post("/v1/session/heartbeat", json!({"node_to_queries": {"n": ["gone"]}})).await.json();
    assert_eq!(beat, json!({"queries_to_remove": ["gone"]}));
}
