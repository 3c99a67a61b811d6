//! A client of `/v1/query` as the drivers do it: start, pages, final, and the session object echoed from reply to
//! request.

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use std::{fmt, sync::Mutex, time::Duration};

/// One client session.
#[derive(Debug)]
pub struct SqlClient {
    http: Client,
    base: String,
    user: String,
    password: String,
    session: Mutex<Option<Value>>,
    pagination: Value,
    /// The client session that requests belong to.
    client_session: Option<String>,
}

/// A whole result.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub columns: Vec<String>,
    pub types: Vec<String>,
    pub rows: Vec<Vec<Option<String>>>,
    pub affect: Value,
    pub stats: Value,
    pub pages: usize,
}

/// A refused or failed statement, or a broken connection (`code` 0: the outcome is unknown).
#[derive(Debug, Clone)]
pub struct SqlError {
    pub status: Option<StatusCode>,
    pub code: i64,
    pub message: String,
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.code, self.message)
    }
}

impl std::error::Error for SqlError {}

impl SqlError {
    /// The connection broke, or the server was not there: the statement may or may not have happened.
    pub fn is_unknown(&self) -> bool {
        self.status.is_none()
    }
}

impl From<reqwest::Error> for SqlError {
    fn from(error: reqwest::Error) -> Self {
        Self { status: None, code: 0, message: error.to_string() }
    }
}

impl SqlClient {
    pub fn new(base: &str, user: &str, password: &str) -> Self {
        let http = Client::builder().no_proxy().timeout(Duration::from_secs(300)).build().expect("an HTTP client");
        Self {
            http,
            base: base.into(),
            user: user.into(),
            password: password.into(),
            session: Mutex::new(None),
            pagination: json!({"wait_time_secs": 10}),
            client_session: None,
        }
    }

    /// Requests belong to this client session, as those of clients that keep a session's header.
    pub fn in_client_session(mut self, id: &str) -> Self {
        self.client_session = Some(id.into());
        self
    }

    /// The `pagination` object of every request.
    pub fn paging(mut self, pagination: Value) -> Self {
        self.pagination = pagination;
        self
    }

    /// The session object as the server last sent it.
    pub fn session(&self) -> Option<Value> {
        self.session.lock().unwrap().clone()
    }

    pub fn set_session(&self, session: Value) {
        *self.session.lock().unwrap() = Some(session);
    }

    /// The HTTP client underneath, for requests of another shape.
    pub fn http(&self) -> &Client {
        &self.http
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request =
            self.http.request(method, format!("{}{path}", self.base)).basic_auth(&self.user, Some(&self.password));
        match &self.client_session {
            Some(id) => request.header("X-DATABEND-SESSION-ID", id),
            None => request,
        }
    }

    /// The body that starts `sql` in this session.
    pub fn body(&self, sql: &str) -> Value {
        let mut body = json!({"sql": sql, "pagination": self.pagination});
        if let Some(session) = self.session() {
            body["session"] = session;
        }
        body
    }

    /// POST /v1/query: the first reply, whatever it says.
    pub async fn start(&self, sql: &str) -> Result<Value, SqlError> {
        self.start_with(self.body(sql), None).await
    }

    pub async fn start_with(&self, body: Value, query_id: Option<&str>) -> Result<Value, SqlError> {
        let mut request = self.request(Method::POST, "/v1/query").json(&body);
        if let Some(id) = query_id {
            request = request.header("X-DATABEND-QUERY-ID", id);
        }
        self.reply(request.send().await?).await
    }

    /// GET of a URI a reply named.
    pub async fn follow(&self, uri: &str) -> Result<Value, SqlError> {
        self.reply(self.request(Method::GET, uri).send().await?).await
    }

    async fn reply(&self, response: Response) -> Result<Value, SqlError> {
        let status = response.status();
        let text = response.text().await?;
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status != StatusCode::OK {
            let error = &value["error"];
            return Err(SqlError {
                status: Some(status),
                code: error["code"].as_i64().unwrap_or(i64::from(status.as_u16())),
                message: error["message"].as_str().unwrap_or(&text).to_string(),
            });
        }
        if !value["session"].is_null() {
            self.set_session(value["session"].clone());
        }
        Ok(value)
    }

    /// Runs a statement to its end and takes all its rows.
    pub async fn query(&self, sql: &str) -> Result<Answer, SqlError> {
        self.drain(self.start(sql).await?).await
    }

    pub async fn query_with_params(&self, sql: &str, params: Value) -> Result<Answer, SqlError> {
        let mut body = self.body(sql);
        body["params"] = params;
        self.drain(self.start_with(body, None).await?).await
    }

    /// Follows a first reply to the end.
    pub async fn drain(&self, mut reply: Value) -> Result<Answer, SqlError> {
        let mut answer = Answer::default();
        loop {
            if let Some(error) = reply.get("error").filter(|e| !e.is_null()) {
                let error = SqlError {
                    status: Some(StatusCode::OK),
                    code: error["code"].as_i64().unwrap_or(-1),
                    message: error["message"].as_str().unwrap_or_default().to_string(),
                };
                if let Some(uri) = reply["final_uri"].as_str() {
                    self.follow(uri).await.ok();
                }
                return Err(error);
            }
            answer.take(&reply);
            let Some(next) = reply["next_uri"].as_str().map(String::from) else { break };
            reply = self.follow(&next).await?;
        }
        Ok(answer)
    }

    /// Like [`SqlClient::query`], and panics with the statement when it fails.
    pub async fn run(&self, sql: &str) -> Answer {
        match self.query(sql).await {
            Ok(answer) => answer,
            Err(error) => panic!("{error}\nin: {}", sql.chars().take(2000).collect::<String>()),
        }
    }

    /// The error of a statement that must fail.
    pub async fn fail(&self, sql: &str) -> SqlError {
        match self.query(sql).await {
            Ok(answer) => {
                panic!("must fail, gave {:?}\nin: {}", answer.rows, sql.chars().take(2000).collect::<String>())
            }
            Err(error) => error,
        }
    }

    /// The one cell of a one-cell result, NULL as text.
    pub async fn one(&self, sql: &str) -> String {
        let answer = self.run(sql).await;
        assert!(answer.rows.len() == 1 && answer.rows[0].len() == 1, "one cell expected: {:?}\nin: {sql}", answer.rows);
        answer.rows[0][0].clone().unwrap_or_else(|| "NULL".into())
    }
}

impl Answer {
    fn take(&mut self, reply: &Value) {
        if self.columns.is_empty() {
            for field in reply["schema"].as_array().into_iter().flatten() {
                self.columns.push(field["name"].as_str().expect("a column has a name").into());
                self.types.push(field["type"].as_str().expect("a column has a type").into());
            }
        }
        let rows = reply["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        self.pages += usize::from(!rows.is_empty());
        for row in rows {
            let row = row.as_array().expect("a row is an array");
            self.rows.push(
                row.iter()
                    .map(|cell| match cell {
                        Value::Null => None,
                        Value::String(text) => Some(text.clone()),
                        other => panic!("a cell is a string or null, not {other}"),
                    })
                    .collect(),
            );
        }
        if !reply["affect"].is_null() {
            self.affect = reply["affect"].clone();
        }
        if !reply["stats"].is_null() {
            self.stats = reply["stats"].clone();
        }
    }

    /// Rows as text: cells joined by `|`, NULL for null.
    pub fn lines(&self) -> Vec<String> {
        self.rows.iter().map(|row| cells(row)).collect()
    }

    pub fn sorted_lines(&self) -> Vec<String> {
        let mut lines = self.lines();
        lines.sort();
        lines
    }
}

/// Cells joined by `|`, NULL for null.
pub fn cells(row: &[Option<String>]) -> String {
    row.iter().map(|c| c.as_deref().unwrap_or("NULL")).collect::<Vec<_>>().join("|")
}
