//! `PUT /api/{db}/{table}/_stream_load` as curl sends it.

use reqwest::{Body, Client};
use serde_json::Value;
use std::time::Duration;

/// One load to be sent.
#[derive(Debug)]
pub struct StreamLoad {
    url: String,
    user: String,
    password: String,
    headers: Vec<(String, String)>,
}

/// What the server said. `Err` of [`StreamLoad::send`] means: nobody knows.
#[derive(Debug, Clone)]
pub struct LoadAnswer {
    pub status: String,
    pub body: Value,
}

impl StreamLoad {
    pub fn new(base: &str, database: &str, table: &str) -> Self {
        Self {
            url: format!("{base}/api/{database}/{table}/_stream_load"),
            user: "root".into(),
            password: String::new(),
            headers: Vec::new(),
        }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn label(self, label: &str) -> Self {
        self.header("label", label)
    }

    /// Comma-separated CSV.
    pub fn csv(self) -> Self {
        self.header("column_separator", ",")
    }

    pub fn json(self) -> Self {
        self.header("format", "json")
    }

    pub async fn send(self, body: impl Into<Body>) -> Result<LoadAnswer, reqwest::Error> {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(600)).build()?;
        self.send_by(&client, body).await
    }

    pub async fn send_by(self, client: &Client, body: impl Into<Body>) -> Result<LoadAnswer, reqwest::Error> {
        let mut request = client.put(&self.url).basic_auth(&self.user, Some(&self.password));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let text = request.body(body).send().await?.text().await?;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let status = body["Status"].as_str().unwrap_or(&text).to_string();
        Ok(LoadAnswer { status, body })
    }

    /// Sends and demands success.
    pub async fn ok(self, body: impl Into<Body>) -> LoadAnswer {
        let answer = self.send(body).await.expect("the server answers");
        assert_eq!(answer.status, "Success", "{}", answer.body);
        answer
    }
}

impl LoadAnswer {
    pub fn count(&self, key: &str) -> i64 {
        self.body[key].as_i64().unwrap_or_else(|| panic!("{key} in {}", self.body))
    }

    pub fn text(&self, key: &str) -> &str {
        self.body[key].as_str().unwrap_or_else(|| panic!("{key} in {}", self.body))
    }
}
