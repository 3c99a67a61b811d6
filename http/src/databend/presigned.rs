//! URLs that let their holder put or get one file of a stage, without any other credentials, until they expire.
//!
//! A URL says who signed it, what it allows and until when; its signature is an HMAC over all of it with a secret of this
//! server (`http/src/secret.rs`). What the signer may do is looked at again when the URL is used.

use super::{
    error::{self, ProtocolError},
    wire::PresignedQuery,
};
use crate::{app::App, auth::Caller, body};
use axum::{
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use basalt_engine::{
    Clock, Error, PresignMethod, PresignRequest, PresignedUrl, Presigner, Principal, Session, SystemClock,
};
use hmac::{Hmac, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;
use std::collections::BTreeMap;

/// Where the URLs point to.
const PREFIX: &str = "/v1/presigned";
/// What a path keeps unescaped.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// Makes URLs for statements of `caller`, on the address by which the client knows us.
pub fn presigner(app: &App, caller: &Caller, headers: &HeaderMap) -> Presigner {
    let (secret, principal) = (app.secret.clone(), caller.principal.clone());
    let base = base_url(headers);
    Presigner::new(move |request| {
        let base = base.as_deref().ok_or_else(|| Error::InvalidArgument {
            message: "a URL needs the name of this server: send the header Host".into(),
        })?;
        let now = SystemClock.now().0 / 1_000_000;
        let expires = now.saturating_add(i64::try_from(request.expires.as_secs()).unwrap_or(i64::MAX));
        url(&secret, base, &principal, request, expires)
    })
}

/// `http://host`, or `https://` behind a proxy that says so.
fn base_url(headers: &HeaderMap) -> Option<String> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let secure = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    Some(format!("{}://{host}", if secure { "https" } else { "http" }))
}

fn url(
    secret: &[u8; 32],
    base: &str,
    principal: &Principal,
    request: &PresignRequest,
    expires: i64,
) -> Result<PresignedUrl, Error> {
    let method = match request.method {
        PresignMethod::Upload => "PUT",
        PresignMethod::Download => "GET",
    };
    let role = serde_json::to_string(&principal.role)
        .map_err(|_| Error::Unsupported { what: "presigned URLs for this kind of user".into() })?;
    let claim = Claim {
        method,
        user: &principal.name,
        role: &role,
        stage: &request.stage,
        path: &request.path,
        expires,
        content_type: request.content_type.as_deref(),
    };
    let signature = hex::encode(claim.mac(secret).finalize().into_bytes());
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("user", claim.user).append_pair("role", claim.role);
    query.append_pair("expires", &expires.to_string());
    if let Some(content_type) = claim.content_type {
        query.append_pair("content_type", content_type);
    }
    query.append_pair("signature", &signature);
    let stage = utf8_percent_encode(&request.stage, PATH);
    let path = utf8_percent_encode(&request.path, PATH);
    let url = format!("{base}{PREFIX}/{stage}/{path}?{}", query.finish());
    let headers =
        request.content_type.iter().map(|t| ("content-type".to_string(), t.clone())).collect::<BTreeMap<_, _>>();
    Ok(PresignedUrl { method: method.to_string(), headers, url })
}

/// What a signature vouches for.
struct Claim<'a> {
    method: &'a str,
    user: &'a str,
    role: &'a str,
    stage: &'a str,
    path: &'a str,
    /// Seconds since 1970.
    expires: i64,
    content_type: Option<&'a str>,
}

impl Claim<'_> {
    fn mac(&self, secret: &[u8; 32]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("an HMAC takes keys of any length");
        let expires = self.expires.to_string();
        for part in
            [self.method, self.user, self.role, self.stage, self.path, &expires, self.content_type.unwrap_or("")]
        {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }
}

/// `PUT /v1/presigned/{stage}/{*path}`
pub async fn put(
    State(app): State<App>,
    Path((stage, path)): Path<(String, String)>,
    Query(query): Query<PresignedQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, ProtocolError> {
    let session = admit(&app, &Method::PUT, &stage, &path, &query)?;
    let sent = headers.get(header::CONTENT_TYPE).map(|v| v.as_bytes());
    if let Some(wanted) = &query.content_type
        && sent != Some(wanted.as_bytes())
    {
        return Err(forbidden(format!("the URL is for content of type {wanted}")));
    }
    let body = body::stream(body, body::Compression::None, &app.limits);
    app.engine.put_stage_file(&session, &stage, &path, body).await.map_err(|error| error::of_files(&error))?;
    Ok(StatusCode::OK)
}

/// `GET /v1/presigned/{stage}/{*path}`
pub async fn get(
    State(app): State<App>,
    Path((stage, path)): Path<(String, String)>,
    Query(query): Query<PresignedQuery>,
) -> Result<Response, ProtocolError> {
    let session = admit(&app, &Method::GET, &stage, &path, &query)?;
    let found = app.engine.get_stage_file(&session, &stage, &path).await;
    let (file, body) = found.map_err(|error| error::of_files(&error))?;
    let mut response = Body::from_stream(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(file.size));
    let content_type = query.content_type.as_deref().unwrap_or("application/octet-stream");
    for (name, value) in [(header::CONTENT_TYPE, Some(content_type)), (header::ETAG, file.etag.as_deref())] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

/// Checks the signature, then the time: only who holds a true URL learns that it has expired.
fn admit(
    app: &App,
    method: &Method,
    stage: &str,
    path: &str,
    query: &PresignedQuery,
) -> Result<Session, ProtocolError> {
    let claim = Claim {
        method: method.as_str(),
        user: &query.user,
        role: &query.role,
        stage,
        path,
        expires: query.expires,
        content_type: query.content_type.as_deref(),
    };
    let signature = hex::decode(&query.signature).unwrap_or_default();
    if claim.mac(&app.secret).verify_slice(&signature).is_err() {
        return Err(forbidden("the signature does not fit the URL".into()));
    }
    if SystemClock.now().0 / 1_000_000 >= query.expires {
        return Err(forbidden("the URL has expired".into()));
    }
    let role = serde_json::from_str(&query.role).map_err(|_| forbidden("the URL names an unknown role".into()))?;
    Ok(Session::new(Principal { name: query.user.clone(), role }))
}

fn forbidden(message: String) -> ProtocolError {
    ProtocolError::new(StatusCode::FORBIDDEN, message)
}

#[cfg(test)]
mod tests;
