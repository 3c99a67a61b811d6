//! The client session: an id that a client keeps in a cookie or a header, so that several requests are known to
//! belong together. Clients that do not ask for one get none.

use crate::{auth::Caller, encode::json_string};
use axum::http::{HeaderMap, HeaderValue, header};
use basalt_engine::{Clock, SystemClock};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

/// How a client carries its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carrier {
    None,
    Cookie,
    Header,
    /// Nothing but the id, as web pages do.
    Id,
}

/// The client session of one request.
#[derive(Debug, Clone)]
pub struct ClientSession {
    /// Empty: the client has none.
    pub id: String,
    carrier: Carrier,
    /// What must be told to the client: a new id, a new time of refresh.
    new: bool,
    refreshed: bool,
    now_secs: i64,
    /// Where the client wants its requests to go; there is only here, so it keeps what it has.
    route_hint: Option<HeaderValue>,
}

/// The session as a header carries it.
#[derive(Deserialize)]
struct HeaderSession {
    id: String,
    #[serde(default)]
    last_refresh_time: i64,
}

/// The time of refresh is renewed when older than this.
const REFRESH_AFTER_SECS: i64 = 300;
const ID_BYTES_MAX: usize = 128;
const ROUTE_HINT: &str = "x-databend-route-hint";

/// Finds (or begins) the client session of a request.
pub fn find(headers: &HeaderMap, caller: &Caller) -> ClientSession {
    let caps = headers.get("x-databend-client-caps").and_then(|v| v.to_str().ok()).unwrap_or("");
    let has_cap = |cap: &str| caps.split([',', ';']).any(|c| c.trim() == cap);
    let carrier = if has_cap("session_header") {
        Carrier::Header
    } else if cookie(headers, "cookie_enabled") == Some("true") || has_cap("session_cookie") {
        Carrier::Cookie
    } else if is_web_page(headers) {
        Carrier::Id
    } else {
        Carrier::None
    };
    let route_hint = headers.get(ROUTE_HINT).cloned();
    if carrier == Carrier::None {
        let id = named_id(headers).filter(|id| is_id(id)).or_else(|| caller.session_id.clone()).unwrap_or_default();
        return ClientSession { id, carrier, new: false, refreshed: false, now_secs: 0, route_hint };
    }
    let now_secs = SystemClock.now().0 / 1_000_000;
    let (id, last) = match carrier {
        Carrier::Header => from_header(headers),
        Carrier::Id => (named_id(headers), None),
        _ => (cookie(headers, "session_id").map(str::to_string), last_refresh(headers)),
    };
    let known = id.filter(|id| is_id(id));
    let new = known.is_none();
    let id = known.or_else(|| caller.session_id.clone()).unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let refreshed = new || last.is_none_or(|last| now_secs - last > REFRESH_AFTER_SECS);
    ClientSession { id, carrier, new, refreshed, now_secs, route_hint }
}

/// Browsers, and the worksheets of the web console: they keep the id of their session in a header.
fn is_web_page(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or("");
    agent.starts_with("Mozilla/") || agent.to_ascii_lowercase().contains("worksheet")
}

fn named_id(headers: &HeaderMap) -> Option<String> {
    headers.get("x-databend-session-id")?.to_str().ok().map(str::to_string)
}

fn last_refresh(headers: &HeaderMap) -> Option<i64> {
    cookie(headers, "last_refresh_time")?.parse().ok()
}

fn from_header(headers: &HeaderMap) -> (Option<String>, Option<i64>) {
    let text = headers.get("x-databend-session").and_then(|v| v.to_str().ok());
    let decoded = text.and_then(|t| URL_SAFE_NO_PAD.decode(t.trim_end_matches('=')).ok());
    let session = decoded.and_then(|json| serde_json::from_slice::<HeaderSession>(&json).ok());
    session.map_or((None, None), |s| (Some(s.id), Some(s.last_refresh_time)))
}

/// Ids come back in headers: only what is safe there is taken.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

impl ClientSession {
    /// Tells the client what it must keep.
    pub fn add_headers(&self, headers: &mut HeaderMap) {
        if let Some(hint) = &self.route_hint {
            headers.insert(ROUTE_HINT, hint.clone());
        }
        if self.id.is_empty() {
            return;
        }
        put(headers, "x-databend-session-id", &self.id);
        match self.carrier {
            Carrier::None | Carrier::Id => {}
            Carrier::Header => {
                let mut json = b"{\"id\":".to_vec();
                json_string(&mut json, &self.id);
                json.extend_from_slice(format!(",\"last_refresh_time\":{}}}", self.now_secs).as_bytes());
                put(headers, "x-databend-session", &URL_SAFE_NO_PAD.encode(json));
            }
            Carrier::Cookie => {
                if self.new {
                    set_cookie(headers, &format!("session_id={}; Path=/", self.id));
                }
                if self.refreshed {
                    set_cookie(headers, &format!("last_refresh_time={}; Path=/", self.now_secs));
                }
            }
        }
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn set_cookie(headers: &mut HeaderMap, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.append(header::SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_engine::{Principal, Role};

    fn caller() -> Caller {
        Caller { principal: Principal { name: "root".into(), role: Role::Admin }, session_id: None }
    }

    fn answer(request: &[(&'static str, &str)]) -> (ClientSession, HeaderMap) {
        let headers = request.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect();
        let session = find(&headers, &caller());
        let mut answer = HeaderMap::new();
        session.add_headers(&mut answer);
        (session, answer)
    }

    #[test]
    fn who_does_not_ask_gets_no_cookie() {
        let (session, answer) = answer(&[]);
        assert!(session.id.is_empty() && answer.is_empty());
    }

    #[test]
    fn cookies_are_given_once_and_refreshed_when_old() {
        let (session, first) = answer(&[("cookie", "cookie_enabled=true")]);
        assert_eq!(first.get_all("set-cookie").iter().count(), 2);
        let fresh = format!("cookie_enabled=true; session_id={}; last_refresh_time={}", session.id, session.now_secs);
        let (again, second) = answer(&[("cookie", &fresh)]);
        assert_eq!(again.id, session.id);
        assert_eq!(second.get_all("set-cookie").iter().count(), 0);
        let old = format!("cookie_enabled=true; session_id={}; last_refresh_time=1", session.id);
        let (_, third) = answer(&[("cookie", &old)]);
        assert!(third["set-cookie"].to_str().unwrap().starts_with("last_refresh_time="));
    }

    #[test]
    fn web_pages_keep_an_id() {
        for agent in ["Mozilla/5.0 (X11)", "databend-worksheet/1.0", "Worksheets"] {
            let (session, first) = answer(&[("user-agent", agent)]);
            assert!(first.get("set-cookie").is_none());
            let carried = first["x-databend-session-id"].to_str().unwrap();
            assert_eq!(carried, session.id);
            let (again, _) = answer(&[("user-agent", agent), ("x-databend-session-id", carried)]);
            assert_eq!(again.id, session.id);
        }
    }

    #[test]
    fn route_hints_come_back() {
        let (_, headers) = answer(&[("x-databend-route-hint", "rh:1:abcdef")]);
        assert_eq!(headers["x-databend-route-hint"], "rh:1:abcdef");
    }

    #[test]
    fn header_sessions_round_trip() {
        let (session, first) = answer(&[("x-databend-client-caps", "session_header")]);
        let carried = first["x-databend-session"].to_str().unwrap();
        let (again, _) = answer(&[("x-databend-client-caps", "session_header"), ("x-databend-session", carried)]);
        assert_eq!(again.id, session.id);
    }
}
