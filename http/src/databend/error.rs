//! Errors as Databend spells them: protocol errors are statuses with a JSON body, SQL errors are part of an answer
//! with status 200. The codes are the numbers its clients look at.

use crate::{auth::Refusal, body::BodyError, status, tokens::TokenError};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use basalt_engine::{EntityKind, Error, ErrorKind};

/// An error that is told by status.
#[derive(Debug)]
pub struct ProtocolError {
    pub status: StatusCode,
    pub code: u16,
    pub message: String,
}

impl ProtocolError {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, code: status.as_u16(), message: message.into() }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }
}

impl From<BodyError> for ProtocolError {
    fn from(error: BodyError) -> Self {
        let status = match error {
            BodyError::TooLarge { .. } | BodyError::Bomb { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::Stalled { .. } | BodyError::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            BodyError::Broken { .. } | BodyError::Compressed { .. } => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}

/// Errors of the calls about a query (not of its statement): unknown, closed, wrong page.
impl From<Error> for ProtocolError {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::PageOutOfRange { .. } | Error::UnknownQuery { .. } => StatusCode::NOT_FOUND,
            Error::QueryClosed { .. } => StatusCode::BAD_REQUEST,
            Error::PermissionDenied { .. } | Error::ForeignQuery { .. } => StatusCode::UNAUTHORIZED,
            other => status::of(other.kind()),
        };
        let message = match &error {
            Error::PageOutOfRange { requested, current } => {
                format!("Invalid page number: requested {requested}, current page is {current}")
            }
            other => other.to_string(),
        };
        let code = if status == StatusCode::NOT_FOUND { 404 } else { code(&error) };
        Self { status, code, message }
    }
}

impl IntoResponse for ProtocolError {
    fn into_response(self) -> Response {
        let body = serde_json::json!({"error": {"code": self.code, "message": self.message}}).to_string();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            status::add_retry_after(&mut response);
        }
        if self.status == StatusCode::PAYLOAD_TOO_LARGE || self.status == StatusCode::REQUEST_TIMEOUT {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Errors of a statement that are told by status, because the client should simply try again.
pub fn is_retryable(error: &Error) -> bool {
    matches!(error, Error::Busy { .. } | Error::ShuttingDown)
}

/// A failure of a call that works on files, by its status; unlike queries, such calls have no other place for it.
pub fn of_files(error: &Error) -> ProtocolError {
    if is_retryable(error) {
        return unavailable(error);
    }
    if let Error::Internal { source, .. } = error {
        tracing::error!(%error, source = ?source, "a call on files failed inside");
    }
    let status = match error.kind() {
        ErrorKind::ResourceExhausted => StatusCode::INSUFFICIENT_STORAGE,
        kind => status::of(kind),
    };
    ProtocolError { status, code: code(error), message: error.to_string() }
}

/// The client should come back.
pub fn unavailable(error: &Error) -> ProtocolError {
    ProtocolError { status: StatusCode::SERVICE_UNAVAILABLE, code: code(error), message: error.to_string() }
}

/// The number of an engine error.
pub fn code(error: &Error) -> u16 {
    match error {
        Error::Syntax { .. } => 1005,
        Error::Semantic { .. } => 1065,
        Error::UnknownDatabase { .. } => 1003,
        Error::UnknownTable { .. } => 1025,
        Error::UnknownColumn { .. } => 1058,
        Error::UnknownFunction { .. } => 1008,
        Error::ArgumentCount { .. } => 1028,
        Error::UnknownSetting { .. } => 2801,
        Error::SettingValue { .. } => 2803,
        Error::DatabaseExists { .. } => 2301,
        Error::TableExists { .. } => 2302,
        Error::ViewExists { .. } => 2306,
        Error::UnknownEntity { kind, .. } => unknown_entity(*kind),
        Error::EntityExists { kind, .. } => existing_entity(*kind),
        Error::Evaluation { .. } => 1006,
        Error::BadData { .. } => 1046,
        Error::ScriptSemantic { .. } => 3128,
        Error::ScriptFailed { .. } => 3129,
        Error::UnknownEngine { .. } => 1302,
        Error::TableOption { .. } => 1301,
        Error::InvalidArgument { .. } => 2004,
        Error::Unsupported { .. } => 1002,
        Error::Unauthenticated { .. } | Error::LoginRefused { .. } | Error::TooManyFailedLogins { .. } => 5100,
        Error::MemoryExhausted { .. } => 1104,
        Error::QueryIdTaken { .. } => 400,
        Error::PermissionDenied { .. } | Error::ForeignQuery { .. } => 1063,
        Error::MustChangePassword => 1066,
        Error::InvalidPassword { .. } => 2215,
        Error::InvalidRole { .. } => 2206,
        Error::IllegalName { kind: EntityKind::Role, .. } => 2217,
        Error::IllegalName { .. } => 2218,
        Error::IllegalGrant { .. } => 1061,
        Error::PolicyUsed { kind: EntityKind::NetworkPolicy, .. } => 2210,
        Error::PolicyUsed { .. } => 2214,
        Error::PolicyAttached { .. } => 1132,
        Error::PolicyMismatch { .. } => 1114,
        Error::MaskType { .. } => 1121,
        Error::Conflict { .. } => 4001,
        Error::TransactionFailed => 4002,
        Error::TransactionGone { .. } => 4003,
        Error::NoSuchVersion { .. } => 2013,
        Error::Cancelled { .. } | Error::DeadlineExceeded { .. } => 1043,
        Error::QueryClosed { .. } => 1044,
        Error::UnknownQuery { .. } | Error::PageOutOfRange { .. } => 404,
        Error::NoSpace | Error::Corrupt { .. } => 4000,
        other => match other.kind() {
            ErrorKind::InvalidInput => 1006,
            _ => 1001,
        },
    }
}

fn unknown_entity(kind: EntityKind) -> u16 {
    match kind {
        EntityKind::User => 2201,
        EntityKind::Role => 2204,
        EntityKind::NetworkPolicy => 2207,
        EntityKind::PasswordPolicy => 2211,
        EntityKind::MaskingPolicy => 1134,
        EntityKind::RowAccessPolicy => 1131,
        EntityKind::Stage | EntityKind::StageFile => 2501,
        EntityKind::FileFormat => 2507,
        EntityKind::Connection => 2510,
        EntityKind::Function => 2602,
        EntityKind::Sequence => 3101,
        EntityKind::Procedure => 3130,
        EntityKind::Stream => 2733,
        _ => 1006,
    }
}

fn existing_entity(kind: EntityKind) -> u16 {
    match kind {
        EntityKind::User => 2202,
        EntityKind::Role => 2216,
        EntityKind::NetworkPolicy => 2208,
        EntityKind::PasswordPolicy => 2212,
        EntityKind::Stage | EntityKind::StageFile => 2502,
        EntityKind::FileFormat => 2508,
        EntityKind::Connection => 2511,
        EntityKind::Function => 2603,
        EntityKind::Sequence => 3102,
        EntityKind::Procedure => 3131,
        EntityKind::Stream => 2732,
        _ => 1006,
    }
}

/// Who may not pass, told as clients expect it: they refresh on 5101 and 5103.
pub fn refused(refusal: &Refusal) -> Response {
    let (status, code) = match refusal {
        Refusal::MissingCredentials | Refusal::MalformedCredentials | Refusal::WrongCredentials { .. } => {
            (StatusCode::UNAUTHORIZED, 5100)
        }
        Refusal::UnknownUser { .. } => (StatusCode::UNAUTHORIZED, 2201),
        Refusal::Token(TokenError::Jwt) => (StatusCode::UNAUTHORIZED, 5100),
        Refusal::Token(TokenError::Expired) => (StatusCode::UNAUTHORIZED, 5101),
        Refusal::Token(TokenError::Unknown) => (StatusCode::UNAUTHORIZED, 5103),
        Refusal::TooManyAttempts { .. } => (StatusCode::TOO_MANY_REQUESTS, 5100),
        Refusal::Denied(error) => (StatusCode::FORBIDDEN, code(error)),
        Refusal::Refused(error) => (StatusCode::UNAUTHORIZED, code(error)),
        Refusal::Failed(error) => (status::of(error.kind()), code(error)),
    };
    let mut response = ProtocolError { status, code, message: refusal.message() }.into_response();
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Basic realm=\"basalt\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    if let Refusal::TooManyAttempts { retry_after_secs } = refusal {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*retry_after_secs));
    }
    response
}
