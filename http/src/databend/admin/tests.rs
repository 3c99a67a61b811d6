use crate::{listen::Face, testing::TestServer};
use axum::http::{Method, StatusCode};
use basalt_engine::{QueryRequest, Role, Session};
use serde_json::{Value, json};

/// An admin listener over a server with one table.
async fn start() -> TestServer {
    let server = TestServer::with_face(Face::DatabendAdmin).await;
    run(&server, "CREATE TABLE t (a INT, b VARCHAR DEFAULT 'x') CLUSTER BY (a)").await;
    run(&server, "INSERT INTO t (a) VALUES (1), (2)").await;
    server
}

async fn run(server: &TestServer, sql: &str) {
    let root = basalt_engine::Principal { name: "root".into(), role: Role::Admin };
    let query = server.app.engine.query(QueryRequest::new(sql, Session::new(root))).await.unwrap();
    query.page(0, std::time::Duration::from_secs(30)).await.unwrap();
}

async fn json(server: &TestServer, path: &str) -> Value {
    let answer = server.get(path).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_listed_with_and_without_tenant() {
    let server = start().await;
    for path in ["/v1/tables", "/v1/tenants/any/tables"] {
        let answer = json(&server, path).await;
        let table = &answer["tables"][0];
        assert_eq!((&table["table"], &table["database"], &table["rows"]), (&json!("t"), &json!("default"), &json!(2)));
        assert!(table["create_query"].as_str().unwrap().contains("CREATE TABLE"), "{table}");
        assert!(table["created_on"].as_str().unwrap().ends_with('Z'), "{table}");
        assert_eq!(answer["warnings"], json!([]));
    }
    let stats = json(&server, "/v1/tables/stats").await;
    assert_eq!((&stats["internal"]["FUSE"]["tables"], &stats["internal"]["FUSE"]["rows"]), (&json!(1), &json!(2)));
    let columns = json(&server, "/v1/databases/default/tables/t/stats").await;
    assert_eq!(columns.as_array().unwrap().len(), 2);
    let clustering = json(&server, "/v1/databases/default/tables/t/clustering_information").await;
    assert_eq!(clustering["cluster_key"], "(a)");
    assert_eq!(server.get("/v1/databases/default/tables/nope/stats").await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.get("/v1/stream_status?stream_name=s").await.status, StatusCode::NOT_IMPLEMENTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_processes_and_cluster() {
    let server = start().await;
    let status = json(&server, "/v1/status").await;
    for key in ["inflight", "running_queries_count", "queuing_queries_count", "active_sessions_count"] {
        assert!(status[key].is_u64(), "{key}: {status}");
    }
    assert_eq!(status["running_queries_count"], 0, "{status}");
    assert!(status["instance_timestamp"].as_u64() >= status["instance_started_at"].as_u64());
    assert!(status["last_query_finished_at"].is_u64(), "{status}");
    let processes = json(&server, "/v1/processlist").await;
    assert!(processes[0]["status_info"].is_string() && processes[0]["typ"].is_string(), "{processes}");
    assert_eq!(json(&server, "/v1/cluster/list").await[0]["id"], server.app.node_id);
    assert_eq!(json(&server, "/v1/system").await["node_id"], server.app.node_id);
    assert!(server.get("/debug/home").await.text().contains("/v1/status"));
    assert_eq!(server.get("/v1/health").await.status, StatusCode::OK);
    assert_eq!(server.get("/v1/queries/nope/graph_dump").await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.post("/v1/query", json!({"sql": "SELECT 1"})).await.status, StatusCode::NOT_FOUND, "not here");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_set_for_everyone_and_unset() {
    let server = start().await;
    let of = |list: &Value, name: &str| -> Value {
        list.as_array().unwrap().iter().find(|s| s["name"] == name).unwrap_or_else(|| panic!("{name}")).clone()
    };
    let before = of(&json(&server, "/v1/settings").await, "max_threads");
    assert_eq!((&before["level"], &before["default_value"]), (&json!("DEFAULT"), &json!("0")));
    for path in ["/v1/settings/max_threads", "/v1/tenants/any/settings/max_threads"] {
        let set = server.root(Method::POST, path, &[], "\"3\"").await;
        assert_eq!(set.status, StatusCode::OK, "{}", set.text());
        let now = of(&set.json(), "max_threads");
        assert_eq!((&now["level"], &now["user_value"]), (&json!("GLOBAL"), &json!("3")));
        let unset = server.root(Method::DELETE, path, &[], "").await;
        assert_eq!(of(&unset.json(), "max_threads")["level"], "DEFAULT");
    }
    let wrong = server.root(Method::POST, "/v1/settings/max_threads", &[], "\"many\"").await;
    assert_eq!((wrong.status, &wrong.json()["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(2803)));
    let unknown = server.root(Method::POST, "/v1/settings/nope", &[], "\"1\"").await;
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(2801)));
    assert_eq!(server.root(Method::POST, "/v1/settings/a%20b", &[], "\"1\"").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.root(Method::POST, "/v1/settings/max_threads", &[], "{}").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_ordinary_users_stay_outside() {
    let server = start().await;
    for path in ["/v1/config", "/v1/status", "/v1/tables", "/v1/settings", "/v1/procedures", "/debug/home"] {
        assert_eq!(server.send(Method::GET, path, &[], "").await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn procedures_by_number_and_by_name() {
    let server = start().await;
    run(
        &server,
        "CREATE PROCEDURE twice(x INT) RETURNS INT LANGUAGE SQL COMMENT = 'doubles' AS $$ BEGIN RETURN x * 2; END; $$",
    )
    .await;
    for path in ["/v1/procedures", "/v1/tenants/any/procedures"] {
        let list = json(&server, path).await;
        let procedure = &list[0];
        assert_eq!((&procedure["name"], &procedure["comment"]), (&json!("twice"), &json!("doubles")), "{list}");
        assert!(procedure["arguments"].as_str().unwrap().starts_with("twice("), "{list}");
        assert!(procedure["created_on"].as_str().unwrap().ends_with('Z'), "{list}");
        let by_id = json(&server, &format!("{path}/{}", procedure["procedure_id"])).await;
        let by_name = json(&server, &format!("{path}/twice?args=INT32")).await;
        assert_eq!(by_id, by_name);
        assert!(by_name["body"].as_str().unwrap().contains("x * 2"), "{by_name}");
        assert!(by_name.get("signature").is_some() && by_name.get("language").is_some(), "{by_name}");
    }
    for unknown in ["/v1/procedures/twice", "/v1/procedures/twice?args=STRING", "/v1/procedures/999999"] {
        assert_eq!(server.get(unknown).await.status, StatusCode::NOT_FOUND, "{unknown}");
    }
    assert_eq!(json(&server, "/v1/user_functions").await, json!([]));
}
