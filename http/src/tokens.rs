//! Session tokens: random, stored only as hashes, with an end, revocable by session.
//!
//! What a token is spelled like is the dialect's choice (a prefix); here it is a text that opens a session.

use basalt_engine::Principal;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use rand::RngCore;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Opens requests.
    Session,
    /// Only buys new tokens.
    Refresh,
}

/// Why a token was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    Expired,
    Unknown,
    /// Not one of ours by its looks: three parts with dots between.
    Jwt,
}

/// The living tokens of this process.
#[derive(Debug)]
pub struct Tokens {
    session_ttl: Duration,
    refresh_ttl: Duration,
    by_hash: Mutex<HashMap<[u8; 32], Token>>,
}

#[derive(Debug, Clone)]
struct Token {
    kind: TokenKind,
    principal: Principal,
    session_id: String,
    expires: Instant,
}

/// Tokens of all sessions together; beyond it logins are refused until some expire.
const TOKENS_MAX: usize = 200_000;
/// A session token is honoured this much longer than its owner was told, at most as long again as it lives: a refresh
/// under way must not fail the requests beside it.
const GRACE: Duration = Duration::from_secs(600);
/// An expired token is remembered this long, so that its owner hears "expired" and not "unknown".
const REMEMBER_EXPIRED: Duration = Duration::from_secs(600);

impl Tokens {
    pub fn new(session_ttl: Duration, refresh_ttl: Duration) -> Self {
        Self { session_ttl, refresh_ttl, by_hash: Mutex::default() }
    }

    pub fn session_ttl(&self) -> Duration {
        self.session_ttl
    }

    /// A new token, or `None` when too many are alive.
    pub fn issue(&self, kind: TokenKind, prefix: &str, principal: &Principal, session_id: &str) -> Option<String> {
        let mut random = [0u8; 32];
        rand::rng().fill_bytes(&mut random);
        let text = format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random));
        let now = Instant::now();
        let ttl = match kind {
            TokenKind::Session => self.session_ttl + GRACE.min(self.session_ttl),
            TokenKind::Refresh => self.refresh_ttl,
        };
        let token =
            Token { kind, principal: principal.clone(), session_id: session_id.to_string(), expires: now + ttl };
        let mut by_hash = self.by_hash.lock();
        if by_hash.len() >= TOKENS_MAX {
            by_hash.retain(|_, t| t.expires + REMEMBER_EXPIRED > now);
        }
        if by_hash.len() >= TOKENS_MAX {
            return None;
        }
        by_hash.insert(hash(&text), token);
        Some(text)
    }

    /// Who the token belongs to, and its session.
    pub fn check(&self, kind: TokenKind, text: &str) -> Result<(Principal, String), TokenError> {
        let by_hash = self.by_hash.lock();
        let unknown = if text.split('.').count() == 3 { TokenError::Jwt } else { TokenError::Unknown };
        let token = by_hash.get(&hash(text)).filter(|t| t.kind == kind).ok_or(unknown)?;
        if token.expires <= Instant::now() {
            return Err(TokenError::Expired);
        }
        Ok((token.principal.clone(), token.session_id.clone()))
    }

    pub fn revoke(&self, text: &str) {
        self.by_hash.lock().remove(&hash(text));
    }

    pub fn revoke_session(&self, session_id: &str) {
        self.by_hash.lock().retain(|_, t| t.session_id != session_id);
    }
}

/// Tokens have 256 random bits: a plain hash is enough, and looking it up leaks nothing about the token.
fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_engine::Role;

    fn root() -> Principal {
        Principal { name: "root".into(), role: Role::Admin }
    }

    #[test]
    fn kinds_expiry_and_revocation() {
        let tokens = Tokens::new(Duration::from_secs(60), Duration::ZERO);
        let session = tokens.issue(TokenKind::Session, "t-", &root(), "s1").unwrap();
        let refresh = tokens.issue(TokenKind::Refresh, "r-", &root(), "s1").unwrap();
        assert_eq!(tokens.check(TokenKind::Session, &session).unwrap().1, "s1");
        assert_eq!(tokens.check(TokenKind::Refresh, &session), Err(TokenError::Unknown));
        assert_eq!(tokens.check(TokenKind::Refresh, &refresh), Err(TokenError::Expired));
        assert_eq!(tokens.check(TokenKind::Session, "aa.bb.cc"), Err(TokenError::Jwt));
        tokens.revoke_session("s1");
        assert_eq!(tokens.check(TokenKind::Session, &session), Err(TokenError::Unknown));
    }
}
