use super::*;
use crate::testing::{Answer, TestServer};
use basalt_engine::Role;
use std::time::Duration;

fn signed(
    server: &TestServer,
    method: PresignMethod,
    path: &str,
    expires: Duration,
    content_type: Option<&str>,
) -> String {
    let caller = Caller { principal: Principal { name: "root".into(), role: Role::Admin }, session_id: None };
    let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("localhost:8000"))]);
    let request = PresignRequest {
        method,
        user: "root".into(),
        stage: "~".into(),
        path: path.into(),
        expires,
        content_type: content_type.map(str::to_string),
    };
    let url = presigner(&server.app, &caller, &headers).sign(&request).unwrap();
    assert_eq!(url.method, if method == PresignMethod::Upload { "PUT" } else { "GET" });
    url.url.strip_prefix("http://localhost:8000").unwrap().to_string()
}

async fn send(server: &TestServer, method: Method, path: &str, body: &str) -> Answer {
    server.send(method, path, &[], body.to_string()).await
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread")]
async fn a_url_is_all_it_takes() {
    let server = TestServer::start().await;
    let name = "client/load/a b+c%.csv";
    let put = send(&server, Method::PUT, &signed(&server, PresignMethod::Upload, name, HOUR, None), "1,x\n").await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.text());
    let get = send(&server, Method::GET, &signed(&server, PresignMethod::Download, name, HOUR, None), "").await;
    assert_eq!((get.status, get.text().as_str()), (StatusCode::OK, "1,x\n"));
    assert_eq!(get.headers["content-length"], "4");
    assert!(get.headers.contains_key("etag"));
    let gone = signed(&server, PresignMethod::Download, "nothing", HOUR, None);
    assert_eq!(send(&server, Method::GET, &gone, "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_it_can_be_changed() {
    let server = TestServer::start().await;
    let upload = signed(&server, PresignMethod::Upload, "a.csv", HOUR, None);
    assert_eq!(send(&server, Method::PUT, &upload, "1\n").await.status, StatusCode::OK);
    assert_eq!(send(&server, Method::GET, &upload, "").await.status, StatusCode::FORBIDDEN, "another method");
    let (path, query) = upload.split_once('?').unwrap();
    let later = query.replace("expires=1", "expires=2");
    assert_ne!(later, query);
    for (wrong, what) in [
        (format!("{}?{query}", path.replace("a.csv", "b.csv")), "another file"),
        (format!("{}?{query}", path.replace("/~/", "/other/")), "another stage"),
        (format!("{path}?{later}"), "another time"),
        (format!("{path}?{}", query.replace("user=root", "user=toor")), "another user"),
        (format!("{path}?{query}0"), "another signature"),
        (format!("{path}?{query}&content_type=text"), "another content"),
    ] {
        assert_eq!(send(&server, Method::PUT, &wrong, "2\n").await.status, StatusCode::FORBIDDEN, "{what}");
    }
    assert_eq!(send(&server, Method::PUT, path, "2\n").await.status, StatusCode::BAD_REQUEST, "unsigned");
    let other = TestServer::start().await;
    assert_eq!(send(&other, Method::PUT, &upload, "2\n").await.status, StatusCode::FORBIDDEN, "another server");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_expires_and_keeps_its_type_of_content() {
    let server = TestServer::start().await;
    let old = signed(&server, PresignMethod::Upload, "a.csv", Duration::ZERO, None);
    let answer = send(&server, Method::PUT, &old, "1\n").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text().contains("expired"), "{}", answer.text());
    let typed = signed(&server, PresignMethod::Upload, "a.csv", HOUR, Some("text/csv"));
    assert_eq!(send(&server, Method::PUT, &typed, "1\n").await.status, StatusCode::FORBIDDEN);
    let headers = [("content-type", "text/csv")];
    assert_eq!(server.send(Method::PUT, &typed, &headers, "1\n").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_become_files() {
    let server = TestServer::start().await;
    let body = |name: &str| {
        format!(
            "--X\r\nContent-Disposition: form-data; name=\"upload\"; filename=\"{name}\"\r\n\r\n1,2\n\r\n--X\r\n\
             Content-Disposition: form-data; name=\"upload\"; filename=\"more.csv\"\r\n\r\n3,4\n\r\n--X--\r\n"
        )
    };
    let form = ("content-type", "multipart/form-data; boundary=X");
    let upload = |headers: Vec<(&'static str, &'static str)>, body: String| {
        let server = &server;
        async move { server.root(Method::PUT, "/v1/upload_to_stage", &headers, body).await }
    };
    for stage in ["x-databend-stage-name", "stage_name"] {
        let answer = upload(vec![form, (stage, "~")], body("client/load/17")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let answer = answer.json();
        assert_eq!(answer["files"], serde_json::json!(["client/load/17", "more.csv"]));
        assert_eq!((&answer["state"], &answer["stage_name"]), (&"SUCCESS".into(), &"~".into()));
    }
    let answer =
        upload(vec![form, ("x-databend-stage-name", "~"), ("x-databend-relative-path", "/in/")], body("f")).await;
    assert_eq!(answer.status, StatusCode::OK);
    let read = signed(&server, PresignMethod::Download, "in/f", HOUR, None);
    assert_eq!(send(&server, Method::GET, &read, "").await.text(), "1,2\n");
    for wrong in ["../up", "a/../../b", "/abs", "a\\b"] {
        let answer = upload(vec![form, ("stage_name", "~")], body(wrong)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}: {}", answer.text());
    }
    let nameless = "--X\r\nContent-Disposition: form-data; name=\"upload\"\r\n\r\n./file\r\n--X--\r\n";
    let answer = upload(vec![form, ("stage_name", "~")], nameless.into()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text().contains("@"), "{}", answer.text());
    assert_eq!(upload(vec![form], body("f")).await.status, StatusCode::BAD_REQUEST, "no stage");
    assert_eq!(upload(vec![form, ("stage_name", "nope")], body("f")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(upload(vec![("stage_name", "~")], body("f")).await.status, StatusCode::BAD_REQUEST, "no form");
}
