//! Finds out who asks: Basic credentials or a session token become a [`Caller`]. What the caller may do is decided by
//! `Principal::require` (here for the route, in the engine for the statement). Answers are spelled by the dialects.

use crate::{
    app::App,
    tokens::{TokenError, TokenKind},
};
use axum::http::{HeaderMap, header, request::Parts};
use basalt_engine::{Access, EntityKind, Error, ErrorKind, Principal};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

/// The other end of the connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// An authenticated request's origin.
#[derive(Debug, Clone)]
pub struct Caller {
    pub principal: Principal,
    /// Session of the token that was shown, if one was.
    pub session_id: Option<String>,
}

/// Why a request is turned away before its handler.
#[derive(Debug, Clone)]
pub enum Refusal {
    MissingCredentials,
    MalformedCredentials,
    WrongCredentials {
        user: String,
    },
    UnknownUser {
        user: String,
    },
    Token(TokenError),
    TooManyAttempts {
        retry_after_secs: u64,
    },
    Denied(Error),
    /// The user may not come in (any more, or from there).
    Refused(Error),
    /// The credentials could not be checked now.
    Failed(Error),
}

impl Refusal {
    pub fn message(&self) -> String {
        match self {
            Refusal::MissingCredentials => "no credentials: send Basic or Bearer authorization".into(),
            Refusal::MalformedCredentials => "malformed Authorization header".into(),
            Refusal::WrongCredentials { user } => format!("wrong user name or password for user `{user}`"),
            Refusal::UnknownUser { user } => format!("unknown user `{user}`"),
            Refusal::Token(TokenError::Expired) => "session token expired".into(),
            Refusal::Token(TokenError::Unknown) => "session token not known".into(),
            Refusal::Token(TokenError::Jwt) => {
                "JSON Web Tokens are not accepted here: log in with user name and password".into()
            }
            Refusal::TooManyAttempts { retry_after_secs } => {
                format!("too many failed logins; try again in {retry_after_secs} s")
            }
            Refusal::Denied(error) | Refusal::Refused(error) | Refusal::Failed(error) => error.to_string(),
        }
    }
}

/// Authenticates the request and checks the route's permission.
pub async fn admit(app: &App, parts: &Parts, access: Access) -> Result<Option<Caller>, Refusal> {
    if access == Access::Public {
        return Ok(None);
    }
    let caller = authenticate(app, parts).await?;
    app.engine.require(&caller.principal, access).map_err(Refusal::Denied)?;
    Ok(Some(caller))
}

async fn authenticate(app: &App, parts: &Parts) -> Result<Caller, Refusal> {
    match credentials(&parts.headers)? {
        Credentials::Bearer(token) => {
            let (principal, session_id) = app.tokens.check(TokenKind::Session, token).map_err(Refusal::Token)?;
            app.engine.check_principal(&principal, client_address(app, parts)).map_err(Refusal::Refused)?;
            Ok(Caller { principal, session_id: Some(session_id) })
        }
        Credentials::Basic { user, password } => {
            let ip = client_address(app, parts);
            app.attempts.check(&user, ip)?;
            match app.engine.authenticate(&user, &password, ip).await {
                Ok(principal) => Ok(Caller { principal, session_id: None }),
                Err(Error::TooManyFailedLogins { retry_after_secs }) => {
                    Err(Refusal::TooManyAttempts { retry_after_secs })
                }
                Err(error @ Error::LoginRefused { .. }) => {
                    tracing::warn!(user, ip = ?ip, %error, "login refused");
                    Err(Refusal::Refused(error))
                }
                Err(error) if is_wrong(&error) => {
                    app.attempts.failed(&user, ip);
                    tracing::warn!(user, ip = ?ip, "login refused");
                    Err(match error {
                        Error::UnknownEntity { .. } => Refusal::UnknownUser { user },
                        _ => Refusal::WrongCredentials { user },
                    })
                }
                Err(error) => Err(Refusal::Failed(error)),
            }
        }
    }
}

/// Where the request comes from. What a proxy says about that counts only when the operator trusts the proxy: then it is
/// the last address in the list that is not a trusted proxy itself.
pub fn client_address(app: &App, parts: &Parts) -> Option<IpAddr> {
    let peer = parts.extensions.get::<Peer>().map(|p| p.0.ip())?;
    let trusted = |ip: IpAddr| app.limits.trusted_proxies.iter().any(|range| range.contains(ip));
    if !trusted(peer) {
        return Some(peer);
    }
    let named = parts.headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = named.flat_map(|text| text.split(',')).map(str::trim).collect();
    let mut client = peer;
    for hop in hops.iter().rev() {
        // What cannot be read could hide anyone: the nearest known hop stands for it.
        let Ok(address) = hop.parse() else { break };
        client = address;
        if !trusted(client) {
            break;
        }
    }
    Some(client)
}

fn is_wrong(error: &Error) -> bool {
    let unknown = matches!(error, Error::UnknownEntity { kind: EntityKind::User, .. });
    unknown || error.kind() == ErrorKind::Unauthenticated
}

enum Credentials<'a> {
    Basic { user: String, password: String },
    Bearer(&'a str),
}

/// The bearer token of a request, whatever its kind.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    match credentials(headers) {
        Ok(Credentials::Bearer(token)) => Some(token),
        _ => None,
    }
}

fn credentials(headers: &HeaderMap) -> Result<Credentials<'_>, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Refusal::MissingCredentials)?;
    if values.next().is_some() {
        return Err(Refusal::MalformedCredentials);
    }
    let text = value.to_str().map_err(|_| Refusal::MalformedCredentials)?;
    let (scheme, rest) = text.split_once(' ').ok_or(Refusal::MalformedCredentials)?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Credentials::Bearer(rest));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Refusal::MalformedCredentials);
    }
    let decoded = STANDARD.decode(rest).map_err(|_| Refusal::MalformedCredentials)?;
    let decoded = String::from_utf8(decoded).map_err(|_| Refusal::MalformedCredentials)?;
    let (user, password) = decoded.split_once(':').ok_or(Refusal::MalformedCredentials)?;
    Ok(Credentials::Basic { user: user.to_string(), password: password.to_string() })
}

/// Failed logins by user and address: after `ATTEMPTS_FREE` within a minute, the next try must wait, longer each
/// time. Loopback is exempt: who sits on the machine must never be locked out.
#[derive(Debug, Default)]
pub struct Attempts {
    failures: Mutex<HashMap<(String, IpAddr), Failures>>,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

const ATTEMPTS_FREE: u32 = 5;
const ATTEMPTS_WINDOW: Duration = Duration::from_secs(60);
const ATTEMPTS_TRACKED_MAX: usize = 10_000;

impl Attempts {
    fn check(&self, user: &str, ip: Option<IpAddr>) -> Result<(), Refusal> {
        let Some(key) = key(user, ip) else { return Ok(()) };
        let failures = self.failures.lock();
        let Some(f) = failures.get(&key) else { return Ok(()) };
        let over = f.count.saturating_sub(ATTEMPTS_FREE);
        if over == 0 && f.count < ATTEMPTS_FREE {
            return Ok(());
        }
        let wait = Duration::from_secs(1 << over.min(6)).min(ATTEMPTS_WINDOW);
        let since = f.last.elapsed();
        if since >= wait {
            return Ok(());
        }
        Err(Refusal::TooManyAttempts { retry_after_secs: (wait - since).as_secs() + 1 })
    }

    fn failed(&self, user: &str, ip: Option<IpAddr>) {
        let Some(key) = key(user, ip) else { return };
        let now = Instant::now();
        let mut failures = self.failures.lock();
        if failures.len() >= ATTEMPTS_TRACKED_MAX {
            failures.retain(|_, f| now.duration_since(f.last) < ATTEMPTS_WINDOW);
        }
        let entry = failures.entry(key).or_insert(Failures { count: 0, last: now });
        if now.duration_since(entry.last) >= ATTEMPTS_WINDOW {
            entry.count = 0;
        }
        entry.count = entry.count.saturating_add(1);
        entry.last = now;
    }
}

fn key(user: &str, ip: Option<IpAddr>) -> Option<(String, IpAddr)> {
    let ip = ip.filter(|ip| !ip.is_loopback())?;
    Some((user.chars().take(64).collect(), ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn basic_password_may_hold_colons() {
        let text = format!("basic {}", STANDARD.encode("root:a:b"));
        let headers = headers(&text);
        let Ok(Credentials::Basic { user, password }) = credentials(&headers) else { panic!("not basic") };
        assert_eq!((user.as_str(), password.as_str()), ("root", "a:b"));
    }

    #[test]
    fn nonsense_is_malformed() {
        for bad in ["Basic", "Basic %%%", "Digest x", "Basic cm9vdA=="] {
            assert!(matches!(credentials(&headers(bad)), Err(Refusal::MalformedCredentials)), "{bad}");
        }
        assert!(matches!(credentials(&HeaderMap::new()), Err(Refusal::MissingCredentials)));
    }

    #[test]
    fn guessing_is_slowed_down_except_from_loopback() {
        let attempts = Attempts::default();
        let far = Some("10.1.2.3".parse().unwrap());
        for _ in 0..5 {
            assert!(attempts.check("root", far).is_ok());
            attempts.failed("root", far);
        }
        assert!(matches!(attempts.check("root", far), Err(Refusal::TooManyAttempts { .. })));
        assert!(attempts.check("other", far).is_ok());
        let near = Some("127.0.0.1".parse().unwrap());
        (0..20).for_each(|_| attempts.failed("root", near));
        assert!(attempts.check("root", near).is_ok());
    }
}
