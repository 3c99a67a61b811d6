//! The users a server starts with: `root`, and those of the users file.

use crate::config::{self, ConfigError};
use basalt_engine::{Role, Users};
use serde::Deserialize;
use std::path::Path;

/// The users file: `[[user]]` tables.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UsersFile {
    #[serde(default)]
    user: Vec<UserEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserEntry {
    name: String,
    password: Option<String>,
    password_hash: Option<String>,
    role: Role,
}

/// `root` with `root_password` (open without one, unless the file has a `root`), and the users of `file`.
pub fn load(root_password: Option<String>, file: Option<&Path>) -> Result<Users, ConfigError> {
    let entries = match file {
        Some(path) => parse(&config::read(path, "the users file")?, path)?,
        None => Vec::new(),
    };
    let root_in_file = entries.iter().any(|e| e.name == "root");
    if root_in_file && root_password.is_some() {
        return Err(ConfigError::Refused("root has a password in the settings and one in the users file".into()));
    }
    let mut users = if root_in_file || root_password.is_some() { Users::default() } else { Users::open_root() };
    if let Some(password) = root_password {
        users.insert("root", hash(&password)?, Role::Admin);
    }
    for entry in entries {
        let hash = password_hash(&entry)?;
        users.insert(entry.name, hash, entry.role);
    }
    Ok(users)
}

fn parse(text: &str, path: &Path) -> Result<Vec<UserEntry>, ConfigError> {
    // The message alone: the default rendering quotes the line, which may hold a password.
    let wrong = |e: toml::de::Error| ConfigError::Syntax { path: path.into(), message: e.message().to_string() };
    toml::from_str::<UsersFile>(text).map(|file| file.user).map_err(wrong)
}

fn password_hash(entry: &UserEntry) -> Result<String, ConfigError> {
    let refused = |what: &str| ConfigError::Refused(format!("user `{}` in the users file {what}", entry.name));
    match (&entry.password, &entry.password_hash) {
        (Some(_), Some(_)) => Err(refused("has both password and password_hash")),
        (None, None) => Err(refused("has neither password nor password_hash")),
        (Some(password), None) if password.is_empty() => Err(refused("has an empty password")),
        (Some(password), None) => hash(password),
        (None, Some(hash)) if hash.starts_with("$argon2id$") => Ok(hash.clone()),
        (None, Some(_)) => Err(refused("has a password_hash that is not an argon2id PHC string")),
    }
}

fn hash(password: &str) -> Result<String, ConfigError> {
    Users::hash_password(password).map_err(|e| ConfigError::Refused(format!("cannot hash a password: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<Users, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users.toml");
        std::fs::write(&path, text).unwrap();
        load(None, Some(&path)).map_err(|e| e.to_string())
    }

    #[test]
    fn mistakes_are_named_without_secrets() {
        let text = file("[[user]]\nname='a'\nrole='reader'\n").unwrap_err();
        assert!(text.contains("`a`") && text.contains("neither"), "{text}");
        let text = file("[[user]]\nname='a'\npassword='s3cret'\nrole='king'\n").unwrap_err();
        assert!(text.contains("king") && !text.contains("s3cret"), "{text}");
        assert!(file("[[user]]\nname='a'\npassword_hash='plain'\nrole='reader'\n").unwrap_err().contains("PHC"));
        assert!(file("[[person]]\n").unwrap_err().contains("person"));
    }

    #[test]
    fn root_of_the_file_replaces_the_open_root() {
        let hash = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let users = file(&format!("[[user]]\nname='root'\npassword_hash='{hash}'\nrole='admin'\n")).unwrap();
        assert!(!users.has_open_user());
        assert!(load(None, None).unwrap().has_open_user());
    }
}
