//! A server without a network: the real router over a real engine in a directory of its own.

use crate::{app::App, front, limits::Limits, listen::Face, server, tokens::Tokens};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode},
};
use basalt_engine::{Engine, EngineSettings};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::time::Duration;

/// A server whose directory lives as long as it.
pub struct TestServer {
    pub app: App,
    router: Router,
    _dir: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl TestServer {
    pub async fn start() -> Self {
        Self::with_face(Face::Plain).await
    }

    pub async fn with_face(face: Face) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let settings = EngineSettings::new(dir.path().join("data"), 2, 512 << 20);
        let engine = Engine::open(settings).await.expect("an empty directory opens");
        let tokens = Tokens::new(Duration::from_secs(60), Duration::from_secs(120));
        let app = App::new(engine, Limits::default(), tokens, Some(Vec::new()));
        let router = server::face_router(&app, face);
        Self { app, router, _dir: dir }
    }

    /// Sends a request with these headers and nothing else.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a well-formed request");
        let response = front::answer(&self.app, self.router.clone(), request).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("answers are in memory").to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Sends a request as `root`.
    pub async fn root(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let basic = format!("Basic {}", STANDARD.encode("root:"));
        let all: Vec<_> = headers.iter().copied().chain([("authorization", basic.as_str())]).collect();
        self.send(method, path, &all, body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.root(Method::GET, path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.root(Method::POST, path, &[], body.to_string()).await
    }

    /// Runs a statement that must succeed within its first answer.
    pub async fn sql(&self, sql: &str) -> Value {
        let answer = self.post("/v1/query", json!({"sql": sql})).await.json();
        assert_eq!(answer["error"], Value::Null, "{sql}");
        assert_eq!(answer["state"], "Succeeded", "{sql}");
        answer
    }
}
