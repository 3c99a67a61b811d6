//! Who may ask for what, and where: sticky nodes, owners of queries, tombstones, expiry, web pages, tokens.

use basalt_tests::{SqlClient, TestServer, wait_for};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

const PAGED: &str = "SELECT number FROM numbers(100)";

fn paged(server: &TestServer) -> SqlClient {
    server.sql().paging(json!({"wait_time_secs": 5, "max_rows_per_page": 10}))
}

#[tokio::test]
async fn requests_for_another_node_are_told_so() {
    let server = TestServer::start().await;
    let sql = paged(&server);
    let reply = sql.start(PAGED).await.unwrap();
    let (node, id) = (reply["node_id"].as_str().unwrap(), reply["id"].as_str().unwrap());
    let page = |header: &'static str, value: &str| {
        sql.request(Method::GET, &format!("/v1/query/{id}/page/1")).header(header, value.to_string()).send()
    };
    for header in ["X-DATABEND-NODE-ID", "X-DATABEND-STICKY-NODE"] {
        assert_eq!(page(header, node).await.unwrap().status(), StatusCode::OK, "{header}");
    }
    let routing = page("X-DATABEND-NODE-ID", "elsewhere").await.unwrap();
    assert_eq!(routing.status(), StatusCode::NOT_FOUND);
    let message = routing.json::<Value>().await.unwrap()["error"]["message"].to_string();
    for part in [id, "elsewhere", node, "started at"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    for (method, path) in [
        (Method::POST, "/v1/query".to_string()),
        (Method::GET, format!("/v1/query/{id}/page/1")),
        (Method::POST, format!("/v1/query/{id}/final")),
        (Method::POST, "/v1/session/heartbeat".into()),
    ] {
        let request = sql.request(method, &path).header("X-DATABEND-STICKY-NODE", "elsewhere");
        let reply = request.json(&json!({"sql": "SELECT 1"})).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::BAD_REQUEST, "{path}");
        assert!(reply.text().await.unwrap().contains("sticky session state lost"), "{path}");
    }
}

#[tokio::test]
async fn a_query_belongs_to_its_user_and_client_session() {
    let users = "[[user]]\nname = 'ann'\npassword = 'a'\nrole = 'reader'\n";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("users.toml");
    std::fs::write(&file, users).unwrap();
    let server = TestServer::builder().set("users_file", file.display()).start().await;
    let root = paged(&server);
    let cookie = "cookie_enabled=true; session_id=mine; last_refresh_time=99999999999";
    let start = root.request(Method::POST, "/v1/query").header("Cookie", cookie);
    let start = start.header("X-DATABEND-QUERY-ID", "shared-id");
    let reply = start.json(&json!({"sql": PAGED, "pagination": {"max_rows_per_page": 10}})).send().await.unwrap();
    let reply: Value = reply.json().await.unwrap();
    assert_eq!((&reply["id"], &reply["session_id"]), (&json!("shared-id"), &json!("mine")));
    let ann = SqlClient::new(server.base(), "ann", "a");
    for path in ["page/1", "final", "kill", ""] {
        let path = format!("/v1/query/shared-id/{path}");
        let status = ann.request(Method::GET, &path).send().await.unwrap().status();
        assert_eq!(status, StatusCode::UNAUTHORIZED, "another user: {path}");
        let other = cookie.replace("mine", "other");
        let status = root.request(Method::GET, &path).header("Cookie", other).send().await.unwrap().status();
        assert_eq!(status, StatusCode::UNAUTHORIZED, "another session: {path}");
    }
    let taken = ann.start_with(json!({"sql": "SELECT 1"}), Some("shared-id")).await.unwrap_err();
    assert_eq!(taken.status, Some(StatusCode::BAD_REQUEST), "{taken}");
    assert!(taken.message.contains("exists"), "{taken}");
    let page = root.request(Method::GET, "/v1/query/shared-id/page/1").header("Cookie", cookie).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
}

#[tokio::test]
async fn results_expire_and_leave_a_tombstone() {
    let server = TestServer::start().await;
    let sql = paged(&server);
    let mut body = sql.body(PAGED);
    body["session"] = json!({"settings": {"http_handler_result_timeout_secs": "2"}});
    let reply = sql.start_with(body.clone(), None).await.unwrap();
    assert_eq!(reply["result_timeout_secs"], 2);
    let page = format!("/v1/query/{}/page/1", reply["id"].as_str().unwrap());
    let gone = async || sql.request(Method::GET, &page).send().await.unwrap().status();
    tokio::time::sleep(Duration::from_millis(3200)).await;
    assert_eq!(gone().await, StatusCode::BAD_REQUEST, "expired, but remembered");
    let end = sql.follow(&format!("/v1/query/{}/final", reply["id"].as_str().unwrap())).await.unwrap();
    assert_eq!(end["error"], Value::Null, "final is fine with it");
    wait_for("the tombstone goes", Duration::from_secs(10), || async { gone().await == StatusCode::NOT_FOUND }).await;
    let unknown = sql.request(Method::GET, &page).send().await.unwrap().text().await.unwrap();
    assert!(unknown.contains("on node"), "{unknown}");
}

#[tokio::test]
async fn heartbeats_keep_results_alive() {
    let server = TestServer::start().await;
    let sql = paged(&server);
    let mut body = sql.body(PAGED);
    body["session"] = json!({"settings": {"http_handler_result_timeout_secs": "2"}});
    let reply = sql.start_with(body, None).await.unwrap();
    let (node, id) = (reply["node_id"].as_str().unwrap(), reply["id"].as_str().unwrap());
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let beat = sql.request(Method::POST, "/v1/session/heartbeat").json(&json!({"node_to_queries": {node: [id]}}));
        let beat: Value = beat.send().await.unwrap().json().await.unwrap();
        assert_eq!(beat, json!({"queries_to_remove": []}));
    }
    assert_eq!(sql.follow(&format!("/v1/query/{id}/page/1")).await.unwrap()["data"][0], json!(["10"]));
    // read to its end it is listed for removal, and can still be finalised
    for number in 2..10 {
        sql.follow(&format!("/v1/query/{id}/page/{number}")).await.unwrap();
    }
    let beat = sql.request(Method::POST, "/v1/session/heartbeat").json(&json!({"node_to_queries": {node: [id]}}));
    let beat: Value = beat.send().await.unwrap().json().await.unwrap();
    assert_eq!(beat, json!({"queries_to_remove": [id]}));
    assert_eq!(sql.follow(&format!("/v1/query/{id}/final")).await.unwrap()["next_uri"], Value::Null);
}

#[tokio::test]
async fn after_its_kill_a_query_has_no_pages() {
    let server = TestServer::start().await;
    let sql = server.sql().paging(json!({"wait_time_secs": 0}));
    let reply = sql.start("SELECT count(*) FROM numbers(1000000000000) WHERE number % 7 = 3").await.unwrap();
    let id = reply["id"].as_str().unwrap();
    sql.request(Method::POST, &format!("/v1/query/{id}/kill")).send().await.unwrap();
    let page = sql.follow(&format!("/v1/query/{id}/page/0")).await.unwrap_err();
    assert_eq!((page.status, page.code), (Some(StatusCode::BAD_REQUEST), 1044), "{page}");
    let state = sql.follow(&format!("/v1/query/{id}")).await.unwrap();
    assert_eq!((&state["state"], &state["error"]["code"]), (&json!("Failed"), &json!(1043)));
    for key in ["session_id", "session", "schema", "data", "next_uri", "warnings", "stats"] {
        assert!(state.as_object().unwrap().contains_key(key), "{key}");
    }
    assert_eq!(
        sql.request(Method::GET, &format!("/v1/query/{id}/final")).send().await.unwrap().status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_statement_killed_in_a_transaction_fails_it() {
    let server = TestServer::start().await;
    let sql = server.sql().paging(json!({"wait_time_secs": 0}));
    sql.run("CREATE TABLE t (a INT)").await;
    sql.run("BEGIN").await;
    sql.run("INSERT INTO t VALUES (1)").await;
    let reply = sql.start("SELECT count(*) FROM numbers(1000000000000) WHERE number % 7 = 3").await.unwrap();
    server.sql().run(&format!("KILL QUERY '{}'", reply["id"].as_str().unwrap())).await;
    let error = sql.drain(reply).await.unwrap_err();
    assert_eq!(error.code, 1043, "{error}");
    assert_eq!(sql.session().unwrap()["txn_state"], "Fail");
    assert_eq!(sql.fail("SELECT 1").await.code, 4002);
    sql.run("ROLLBACK").await;
    assert_eq!(sql.one("SELECT count(*) FROM t").await, "0");
    // a syntax error fails it as well, and so does a statement that takes too long
    sql.run("SET max_execute_time_in_seconds = 1").await;
    for wrong in ["SELEC 1", "SELECT count(*) FROM numbers(1000000000000) WHERE number % 7 = 3"] {
        sql.run("BEGIN").await;
        sql.fail(wrong).await;
        assert_eq!(sql.session().unwrap()["txn_state"], "Fail", "{wrong}");
        sql.run("ROLLBACK").await;
    }
}

#[tokio::test]
async fn logout_rolls_back_and_forgets() {
    let server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE t (a INT)").await;
    let login: Value =
        sql.request(Method::POST, "/v1/session/login").json(&json!({})).send().await.unwrap().json().await.unwrap();
    let token = login["tokens"]["session_token"].as_str().unwrap().to_string();
    assert!(token.starts_with("bend-v1-s-"));
    let http = sql.http();
    let query = async |body: Value| -> reqwest::Response {
        http.post(server.url("/v1/query")).bearer_auth(&token).json(&body).send().await.unwrap()
    };
    let begun: Value = query(json!({"sql": "BEGIN"})).await.json().await.unwrap();
    assert_eq!(begun["session"]["txn_state"], "Active");
    assert_eq!(begun["session_id"], login["session_id"], "the token's session");
    let session = begun["session"].clone();
    let inserted: Value =
        query(json!({"sql": "INSERT INTO t VALUES (1)", "session": session})).await.json().await.unwrap();
    assert_eq!(inserted["error"], Value::Null);
    let out = http.post(server.url("/v1/session/logout")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(out.json::<Value>().await.unwrap(), json!({"error": null}));
    let refused = query(json!({"sql": "SELECT 1"})).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.json::<Value>().await.unwrap()["error"]["code"], 5103);
    let mut body = sql.body("COMMIT");
    body["session"] = inserted["session"].clone();
    let gone = sql.drain(sql.start_with(body, None).await.unwrap()).await.unwrap_err();
    assert_eq!(gone.code, 4003, "{gone}");
    assert_eq!(server.sql().one("SELECT count(*) FROM t").await, "0");
}

#[tokio::test]
async fn tokens_expire_and_are_refreshed_in_both_shapes() {
    let server = TestServer::builder().set("session_token_ttl_secs", 1).set("refresh_token_ttl_secs", 4).start().await;
    let sql = server.sql();
    let login: Value =
        sql.request(Method::POST, "/v1/session/login").json(&json!({})).send().await.unwrap().json().await.unwrap();
    let tokens = &login["tokens"];
    assert_eq!(tokens["session_token_ttl_in_secs"], 1);
    let (session, refresh) = (tokens["session_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    let code = async |token: &str, path: &str| -> Value {
        let reply = sql.http().post(server.url(path)).bearer_auth(token).json(&json!({})).send().await.unwrap();
        reply.json::<Value>().await.unwrap()["error"]["code"].clone()
    };
    assert_eq!(code(session, "/v1/verify").await, Value::Null);
    assert_eq!(code(refresh, "/v1/verify").await, 5103);
    assert_eq!(code(session, "/v1/session/refresh").await, 5104);
    assert_eq!(code("aaaa.bbbb.cccc", "/v1/verify").await, 5100, "a JWT");
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(code(session, "/v1/verify").await, 5101);
    let renew = |agent: &'static str, token: String| {
        let request = sql.http().post(server.url("/v1/session/refresh")).bearer_auth(token);
        request.header("User-Agent", agent).json(&json!({"session_token": session})).send()
    };
    let renewed: Value = renew("databend-driver-python/0.34.2", refresh.into()).await.unwrap().json().await.unwrap();
    assert_eq!(renewed["session_token"], renewed["tokens"]["session_token"]);
    assert_eq!(renewed["session_token_ttl_in_secs"], 1);
    assert_eq!(code(renewed["session_token"].as_str().unwrap(), "/v1/verify").await, Value::Null);
    let again: Value =
        renew("curl/8", renewed["refresh_token"].as_str().unwrap().into()).await.unwrap().json().await.unwrap();
    assert_eq!(again.as_object().unwrap().keys().collect::<Vec<_>>(), ["tokens"]);
    let last = again["tokens"]["refresh_token"].as_str().unwrap().to_string();
    tokio::time::sleep(Duration::from_millis(4200)).await;
    assert_eq!(code(&last, "/v1/session/refresh").await, 5102);
}

#[tokio::test]
async fn header_sessions_and_web_pages() {
    let server = TestServer::start().await;
    let sql = server.sql();
    let post = || sql.request(Method::POST, "/v1/query").json(&json!({"sql": "SELECT 1"}));
    let first = post().header("X-DATABEND-CLIENT-CAPS", "session_header").send().await.unwrap();
    let carried = first.headers()["x-databend-session"].to_str().unwrap().to_string();
    let id = first.headers()["x-databend-session-id"].clone();
    assert!(first.headers().get("set-cookie").is_none());
    let again = post().header("X-DATABEND-CLIENT-CAPS", "session_header").header("X-DATABEND-SESSION", carried);
    assert_eq!(again.send().await.unwrap().headers()["x-databend-session-id"], id);
    let page = post().header("User-Agent", "Mozilla/5.0").send().await.unwrap();
    let id = page.headers()["x-databend-session-id"].clone();
    let again =
        post().header("User-Agent", "Mozilla/5.0").header("X-DATABEND-SESSION-ID", id.clone()).send().await.unwrap();
    assert_eq!(again.headers()["x-databend-session-id"], id);
    let body: Value = again.json().await.unwrap();
    assert_eq!(body["session_id"], id.to_str().unwrap());
    let hint = post().header("X-DATABEND-ROUTE-HINT", "rh:1:abcdef").send().await.unwrap();
    assert_eq!(hint.headers()["x-databend-route-hint"], "rh:1:abcdef");
}

#[tokio::test]
async fn keys_of_the_session_that_are_not_ours_come_back() {
    let server = TestServer::start().await;
    let sql = server.sql();
    let mut body = sql.body("SELECT 1");
    body["session"] = json!({
        "database": "default", "secondary_roles": [], "last_server_info": {"id": "x"}, "keep_server_session_secs": 10,
        "internal": "{\"last_query_result_cache_key\":\"k\",\"last_query_ids\":[\"a\"]}",
    });
    let reply = sql.start_with(body, None).await.unwrap();
    let session = &reply["session"];
    assert_eq!((&session["secondary_roles"], &session["keep_server_session_secs"]), (&json!([]), &json!(10)));
    let internal: Value = serde_json::from_str(session["internal"].as_str().unwrap()).unwrap();
    assert_eq!(internal["last_query_result_cache_key"], "k");
    assert_eq!(internal["last_query_ids"], json!([reply["id"]]));
    assert_eq!(internal["last_node_id"], reply["node_id"]);
    let mut body = sql.body("SELECT 1");
    body["session"] = json!({"internal": null});
    assert_eq!(sql.start_with(body, None).await.unwrap()["error"], Value::Null);
    let mut body = sql.body("SELECT 1");
    body["session"] = json!({"internal": "{"});
    assert_eq!(sql.start_with(body, None).await.unwrap_err().status, Some(StatusCode::BAD_REQUEST));
}

#[tokio::test]
async fn a_label_makes_an_insert_happen_once() {
    let server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE t (a INT)").await;
    let insert = async |label: &str| -> Value {
        let request = sql.request(Method::POST, "/v1/query").header("X-DATABEND-DEDUPLICATE-LABEL", label.to_string());
        request.json(&json!({"sql": "INSERT INTO t VALUES (1), (2)"})).send().await.unwrap().json().await.unwrap()
    };
    assert_eq!(insert("l1").await["data"], json!([["2"]]));
    let again = insert("l1").await;
    assert_eq!(again["data"], json!([["0"]]));
    assert!(again["warnings"][0].as_str().unwrap().contains("l1"), "{again}");
    assert_eq!(again["session"]["settings"], json!({}), "the header is no setting of the session");
    assert_eq!(insert("l2").await["data"], json!([["2"]]));
    assert_eq!(sql.one("SELECT count(*) FROM t").await, "4");
}

#[tokio::test]
async fn too_many_failed_logins_are_429() {
    let server = TestServer::builder().env("BASALT_ROOT_PASSWORD", "s3cret").start().await;
    let wrong = SqlClient::new(server.base(), "root", "nope");
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let reply = wrong.request(Method::POST, "/v1/query").json(&json!({"sql": "SELECT 1"})).send().await.unwrap();
        statuses.push(reply.status());
        if reply.status() == StatusCode::TOO_MANY_REQUESTS {
            assert!(reply.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
        }
    }
    assert!(statuses[..5].iter().all(|s| *s == StatusCode::UNAUTHORIZED), "{statuses:?}");
    assert!(statuses.contains(&StatusCode::TOO_MANY_REQUESTS), "{statuses:?}");
}
