//! `PUT /v1/upload_to_stage`: the parts of a form become files of a stage, each written while it comes.

use super::{
    error::{self, ProtocolError},
    multipart::Parts,
    routing,
};
use crate::{app::App, auth::Caller};
use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use basalt_engine::Session;
use serde_json::json;

/// Headers that name the stage, in the order they are looked for.
const STAGE_HEADERS: [&str; 3] = ["x-databend-stage-name", "stage_name", "stage-name"];
const PATH_HEADERS: [&str; 3] = ["x-databend-relative-path", "relative_path", "relative-path"];

/// `PUT /v1/upload_to_stage`
pub async fn upload(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ProtocolError> {
    routing::check_sticky(&app, &headers)?;
    let stage = text(&headers, &STAGE_HEADERS)?
        .ok_or_else(|| ProtocolError::bad_request("no stage: send the header X-DATABEND-STAGE-NAME"))?;
    let stage = stage.trim_start_matches('@');
    let folder = text(&headers, &PATH_HEADERS)?.unwrap_or("").trim_matches('/');
    let session = Session::new(caller.principal);
    let mut parts = Parts::of(&headers, body, &app.limits)?;
    let mut files = Vec::new();
    while let Some(part) = parts.next().await? {
        let name = part.file_name.filter(|name| !name.is_empty()).ok_or_else(|| {
            ProtocolError::bad_request(
                "a part has no file name: with curl, write -F \"upload=@FILE\" with an @ before the file",
            )
        })?;
        let path = if folder.is_empty() { name.clone() } else { [folder, &name].join("/") };
        let written = app.engine.put_stage_file(&session, stage, &path, part.body).await;
        written.map_err(|error| parts.broken().unwrap_or_else(|| error::of_files(&error)))?;
        files.push(name);
    }
    if files.is_empty() {
        return Err(ProtocolError::bad_request("no file in the body: with curl, write -F \"upload=@FILE\""));
    }
    let id = uuid::Uuid::now_v7().to_string();
    let body = json!({"id": id, "stage_name": stage, "state": "SUCCESS", "files": files});
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response())
}

fn text<'a>(headers: &'a HeaderMap, names: &[&str]) -> Result<Option<&'a str>, ProtocolError> {
    let Some((name, value)) = names.iter().find_map(|name| Some((name, headers.get(*name)?))) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes());
    text.map(Some).map_err(|_| ProtocolError::bad_request(format!("header {name} is not UTF-8")))
}
