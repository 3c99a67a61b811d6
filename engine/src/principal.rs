//! Who asks and what they may do. Credentials are checked here against the users the server was started with;
//! finding them in a request is each protocol's own business.

use crate::{Error, Result};
use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version, password_hash::SaltString,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a password that was right is remembered.
const REMEMBERED: Duration = Duration::from_secs(300);
/// Passwords remembered at the same time, and users whose failures are counted.
const ENTRIES_MAX: usize = 10_000;
/// This many failures of one user within a minute make further attempts wait.
const FAILURES_MAX: u32 = 5;
const FAILURES_WINDOW: Duration = Duration::from_secs(60);
/// How long an attempt may wait for others to be hashed.
const HASHING_WAIT_MAX: Duration = Duration::from_secs(10);

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    pub name: String,
    pub role: Role,
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// What was granted to a user that SQL made. The number is new with every password.
    #[serde(skip)]
    Granted(u64),
    /// SELECT and what describes tables.
    Reader,
    /// Also INSERT, UPDATE, DELETE, MERGE, loads, and CREATE/DROP of tables and views.
    Writer,
    /// Everything, settings of the server and other users' queries included.
    Admin,
}

/// The permission a route or statement needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Nothing: health checks and the like.
    Public,
    /// Any authenticated user; the statement itself is checked once it is understood.
    Login,
    Read,
    Write,
    Admin,
}

impl Principal {
    /// The one place where a permission is decided.
    pub fn require(&self, access: Access) -> Result<()> {
        let enough = match access {
            Access::Public | Access::Login | Access::Read => true,
            Access::Write => self.role >= Role::Writer,
            Access::Admin => self.role == Role::Admin,
        };
        if enough {
            return Ok(());
        }
        Err(Error::PermissionDenied { message: format!("user `{}` needs {access:?}", self.name) })
    }
}

/// The users of a server: `root`, and those of the users file.
#[derive(Debug, Clone, Default)]
pub struct Users {
    users: BTreeMap<String, User>,
    attempts: Arc<Attempts>,
}

#[derive(Debug, Clone)]
struct User {
    /// PHC string (argon2id); none = any password is accepted (only `root` on loopback).
    password_hash: Option<String>,
    role: Role,
}

impl Users {
    /// `root` without a password: any password is accepted. The server allows this only on loopback addresses.
    pub fn open_root() -> Self {
        let root = User { password_hash: None, role: Role::Admin };
        Self { users: BTreeMap::from([("root".to_string(), root)]), attempts: Arc::default() }
    }

    /// Adds or replaces a user. `password_hash` is a PHC string as [`Users::hash_password`] makes it.
    pub fn insert(&mut self, name: impl Into<String>, password_hash: String, role: Role) {
        self.users.insert(name.into(), User { password_hash: Some(password_hash), role });
    }

    /// Whether the users file (or its absence) names this user.
    pub fn contains(&self, name: &str) -> bool {
        self.users.contains_key(name)
    }

    /// Names of all users with what they may do, and whether they have passwords.
    pub(crate) fn list(&self) -> impl Iterator<Item = (&str, Role, bool)> {
        self.users.iter().map(|(name, user)| (name.as_str(), user.role, user.password_hash.is_some()))
    }

    /// Whether `root` (or anyone) can enter without a password.
    pub fn has_open_user(&self) -> bool {
        self.users.values().any(|u| u.password_hash.is_none())
    }

    /// argon2id (19 MiB, 2 passes, 1 lane: the OWASP minimum) of `password` as a PHC string.
    pub fn hash_password(password: &str) -> Result<String> {
        let failed = |error: argon2::password_hash::Error| Error::Internal {
            message: format!("password could not be hashed: {error}"),
            source: None,
        };
        let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).map_err(failed)?;
        let hash = hasher().hash_password(password.as_bytes(), &salt).map_err(failed)?;
        Ok(hash.to_string())
    }

    /// Checks a password. Costs tens of milliseconds on first success per (user, password), then is cached for five
    /// minutes under a keyed hash; an unknown user costs the same as a wrong password. Blocking: call off the I/O
    /// threads, or through [`crate::Engine::authenticate`].
    pub fn verify(&self, name: &str, password: &str) -> Result<Principal> {
        let user = self.users.get(name);
        if let Some(User { password_hash: None, role }) = user {
            return Ok(Principal { name: name.to_string(), role: *role });
        }
        self.check(name, password, user.and_then(|u| u.password_hash.as_deref()))?;
        let role = user.map(|u| u.role).ok_or_else(|| Error::Unauthenticated { user: name.to_string() })?;
        Ok(Principal { name: name.to_string(), role })
    }

    /// Like `check`, and after `retries` wrong passwords in a row even the right one is refused for `lockout`.
    pub(crate) fn check_within(
        &self,
        name: &str,
        password: &str,
        hash: &str,
        retries: u64,
        lockout: Duration,
    ) -> Result<()> {
        self.attempts.check_lock(name, retries, lockout)?;
        let checked = self.check(name, password, Some(hash));
        match &checked {
            Ok(()) => self.attempts.unlock(name),
            Err(Error::Unauthenticated { .. }) => self.attempts.strike(name, lockout),
            Err(_) => {}
        }
        checked
    }

    /// Checks a password against a hash; without one it is wrong, after the same time.
    pub(crate) fn check(&self, name: &str, password: &str, hash: Option<&str>) -> Result<()> {
        let key = self.attempts.key(name, password, hash.unwrap_or_default());
        if !self.attempts.is_remembered(&key) {
            self.attempts.check_rate(name)?;
            // One at a time: hashing takes memory and time, and of racing clients with one password only the first
            // has to do it.
            let hashing = self.attempts.hashing.try_lock_for(HASHING_WAIT_MAX);
            let _hashing = hashing.ok_or(Error::Busy { what: "logins" })?;
            if !self.attempts.is_remembered(&key) {
                let right = matches(hash.unwrap_or(&self.attempts.unknown_user_hash), password);
                if !right || hash.is_none() {
                    self.attempts.failed(name);
                    return Err(Error::Unauthenticated { user: name.to_string() });
                }
                self.attempts.succeeded(name, key);
            }
        }
        Ok(())
    }
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, None).expect("the parameters are within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Whether a PHC string is that of a password. Compares in constant time.
pub(crate) fn matches(hash: &str, password: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| hasher().verify_password(password.as_bytes(), &hash).is_ok())
}

/// Recent attempts to log in. Shared by all clones of a [`Users`].
struct Attempts {
    /// Of this process only: remembered passwords cannot be guessed from memory dumps of another.
    secret: [u8; 32],
    /// Checked for users that do not exist, so that they cost the same.
    unknown_user_hash: String,
    hashing: Mutex<()>,
    remembered: Mutex<HashMap<[u8; 32], Instant>>,
    failures: Mutex<HashMap<String, Failures>>,
    /// Wrong passwords in a row of users whose policy locks them out.
    strikes: Mutex<HashMap<String, Failures>>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl std::fmt::Debug for Attempts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempts").finish_non_exhaustive()
    }
}

impl Default for Attempts {
    fn default() -> Self {
        let unknown = hex::encode(rand::random::<[u8; 16]>());
        Self {
            secret: rand::random(),
            unknown_user_hash: Users::hash_password(&unknown).expect("a fresh salt and fixed parameters are valid"),
            hashing: Mutex::default(),
            remembered: Mutex::default(),
            failures: Mutex::default(),
            strikes: Mutex::default(),
        }
    }
}

impl Attempts {
    /// Names a (user, password, stored hash) without giving any of them away. A changed password has another name.
    fn key(&self, name: &str, password: &str, hash: &str) -> [u8; 32] {
        let mut inner = Sha256::new();
        inner.update(self.secret);
        for part in [name, password, hash] {
            inner.update((part.len() as u64).to_le_bytes());
            inner.update(part.as_bytes());
        }
        let mut outer = Sha256::new();
        outer.update(self.secret);
        outer.update(inner.finalize());
        outer.finalize().into()
    }

    fn is_remembered(&self, key: &[u8; 32]) -> bool {
        self.remembered.lock().get(key).is_some_and(|since| since.elapsed() < REMEMBERED)
    }

    fn succeeded(&self, name: &str, key: [u8; 32]) {
        self.failures.lock().remove(name);
        let mut remembered = self.remembered.lock();
        if remembered.len() >= ENTRIES_MAX {
            remembered.retain(|_, since| since.elapsed() < REMEMBERED);
        }
        if remembered.len() < ENTRIES_MAX {
            remembered.insert(key, Instant::now());
        }
    }

    /// After too many failures each attempt must wait twice as long as the one before, at most a minute.
    fn check_rate(&self, name: &str) -> Result<()> {
        let Some(failures) = self.failures.lock().get(name).copied() else { return Ok(()) };
        let Some(beyond) = failures.count.checked_sub(FAILURES_MAX) else { return Ok(()) };
        let wait = Duration::from_secs(1 << beyond.min(6)).min(FAILURES_WINDOW);
        match wait.checked_sub(failures.last.elapsed()).filter(|left| !left.is_zero()) {
            Some(left) => Err(Error::TooManyFailedLogins { retry_after_secs: left.as_secs() + 1 }),
            None => Ok(()),
        }
    }

    fn check_lock(&self, name: &str, retries: u64, lockout: Duration) -> Result<()> {
        let Some(strikes) = self.strikes.lock().get(name).copied() else { return Ok(()) };
        if u64::from(strikes.count) < retries || strikes.last.elapsed() >= lockout {
            return Ok(());
        }
        let reason = "locked after too many wrong passwords; try again later";
        Err(Error::LoginRefused { user: name.to_string(), reason: reason.into() })
    }

    fn strike(&self, name: &str, lockout: Duration) {
        let mut strikes = self.strikes.lock();
        if strikes.len() >= ENTRIES_MAX {
            strikes.retain(|_, s| s.last.elapsed() < lockout);
        }
        let entry = strikes.entry(name.to_string()).or_insert(Failures { count: 0, last: Instant::now() });
        if entry.last.elapsed() >= lockout {
            entry.count = 0;
        }
        entry.count += 1;
        entry.last = Instant::now();
    }

    fn unlock(&self, name: &str) {
        self.strikes.lock().remove(name);
    }

    fn failed(&self, name: &str) {
        let mut failures = self.failures.lock();
        if failures.len() >= ENTRIES_MAX {
            failures.retain(|_, f| f.last.elapsed() < FAILURES_WINDOW);
        }
        if failures.len() >= ENTRIES_MAX && !failures.contains_key(name) {
            return;
        }
        let entry = failures.entry(name.to_string()).or_insert(Failures { count: 0, last: Instant::now() });
        if entry.last.elapsed() > FAILURES_WINDOW {
            entry.count = 0;
        }
        entry.count += 1;
        entry.last = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> Users {
        let mut users = Users::default();
        users.insert("ann", Users::hash_password("right").unwrap(), Role::Writer);
        users
    }

    #[test]
    fn the_right_password_is_needed_and_then_remembered() {
        let users = users();
        let ann = users.verify("ann", "right").unwrap();
        assert_eq!((ann.name.as_str(), ann.role), ("ann", Role::Writer));
        assert_eq!(users.attempts.remembered.lock().len(), 1);
        users.verify("ann", "right").unwrap();
        for (name, password) in [("ann", "wrong"), ("ann", ""), ("bob", "right"), ("", "")] {
            assert!(matches!(users.verify(name, password), Err(Error::Unauthenticated { .. })), "{name}");
        }
    }

    #[test]
    fn a_changed_password_counts_at_once() {
        let mut users = users();
        users.verify("ann", "right").unwrap();
        users.insert("ann", Users::hash_password("new").unwrap(), Role::Reader);
        assert!(users.verify("ann", "right").is_err());
        assert_eq!(users.verify("ann", "new").unwrap().role, Role::Reader);
    }

    #[test]
    fn guessing_is_slowed_down_but_who_is_in_stays_in() {
        let users = users();
        users.verify("ann", "right").unwrap();
        for guess in 0..FAILURES_MAX {
            assert!(matches!(users.verify("ann", &guess.to_string()), Err(Error::Unauthenticated { .. })));
        }
        assert!(matches!(users.verify("ann", "another"), Err(Error::TooManyFailedLogins { .. })));
        users.verify("ann", "right").unwrap();
    }

    #[test]
    fn an_open_root_takes_any_password() {
        let users = Users::open_root();
        assert!(users.has_open_user());
        assert_eq!(users.verify("root", "anything").unwrap().role, Role::Admin);
        assert!(users.verify("ann", "").is_err());
    }
}
