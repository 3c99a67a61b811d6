//! Names of places: `@stage/path`, and which paths are allowed.

use crate::{Error, Result};

const PATH_BYTES_MAX: usize = 1024;
const COMPONENT_BYTES_MAX: usize = 255;

/// `@stage/path`, or the URL of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    Stage {
        /// `~` is the user's own.
        stage: String,
        /// May be empty, or end with a slash.
        path: String,
    },
    Url(String),
}

impl Location {
    /// Reads `@stage[/path]` or a URL.
    pub fn parse(text: &str) -> Result<Self> {
        let Some(rest) = text.strip_prefix('@') else {
            if text.contains("://") {
                return Ok(Location::Url(text.to_string()));
            }
            return Err(Error::InvalidArgument {
                message: format!("`{text}` is no location: write @stage/path or a URL"),
            });
        };
        let (stage, path) = rest.split_once('/').unwrap_or((rest, ""));
        if stage.is_empty() {
            return Err(Error::InvalidArgument { message: format!("`{text}` names no stage") });
        }
        let path = path.trim_start_matches('/').to_string();
        if !path.is_empty() {
            check_components(path.trim_end_matches('/'))?;
        }
        Ok(Location::Stage { stage: stage.to_string(), path })
    }
}

/// Whether a path can name a file: relative, without `..`, without control characters.
pub(crate) fn check_path(path: &str) -> Result<()> {
    if path.is_empty() || path.ends_with('/') {
        return refused(path, "it names no file");
    }
    check_components(path)
}

fn check_components(path: &str) -> Result<()> {
    if path.len() > PATH_BYTES_MAX {
        return refused(path, "it is longer than 1024 bytes");
    }
    if path.starts_with('/') || path.contains('\\') {
        return refused(path, "it is absolute or has backslashes");
    }
    if path.chars().any(char::is_control) {
        return refused(path, "it has control characters");
    }
    for component in path.split('/') {
        if component.is_empty() || component == "." || component == ".." {
            return refused(path, "it has empty, `.` or `..` components");
        }
        if component.len() > COMPONENT_BYTES_MAX {
            return refused(path, "a component is longer than 255 bytes");
        }
    }
    Ok(())
}

fn refused<T>(path: &str, why: &str) -> Result<T> {
    let shown: String = path.chars().take(100).flat_map(char::escape_debug).collect();
    Err(Error::InvalidArgument { message: format!("path `{shown}` is not allowed in a stage: {why}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_read() {
        let at = |stage: &str, path: &str| Location::Stage { stage: stage.into(), path: path.into() };
        assert_eq!(Location::parse("@~").unwrap(), at("~", ""));
        assert_eq!(Location::parse("@~/client/load/1").unwrap(), at("~", "client/load/1"));
        assert_eq!(Location::parse("@s/dir/").unwrap(), at("s", "dir/"));
        assert_eq!(Location::parse("@s//x").unwrap(), at("s", "x"));
        assert_eq!(Location::parse("s3://b/x").unwrap(), Location::Url("s3://b/x".into()));
        for bad in ["", "x", "@", "@/x", "@s/../x", "@s/a//b", "@s/a/./b"] {
            assert!(Location::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_stay_inside() {
        for bad in ["", "/x", "..", "a/../b", "a/", "a//b", "./a", "a\\b", "a\0", "a\nb"] {
            assert!(check_path(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "client/load/17", "a b.csv", "ä/ö.parquet", "...", "a..b"] {
            assert!(check_path(good).is_ok(), "{good}");
        }
    }
}
