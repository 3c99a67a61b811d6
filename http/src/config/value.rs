//! A setting's value before it has a type: TOML, or a text from the environment or the command line.

use crate::listen::Listen;
use basalt_engine::IpRange;
use std::{fmt, path::PathBuf};

/// A raw value.
#[derive(Debug, Clone)]
pub enum Value {
    Toml(toml::Value),
    Text(String),
}

impl Value {
    pub fn text(text: String) -> Self {
        Value::Text(text)
    }

    fn as_text(&self) -> Option<&str> {
        match self {
            Value::Toml(value) => value.as_str(),
            Value::Text(text) => Some(text),
        }
    }
}

/// How a type is made of a raw value; the error says what is expected.
pub trait FromSetting: Sized {
    fn from_setting(value: &Value) -> Result<Self, String>;
}

impl FromSetting for u64 {
    fn from_setting(value: &Value) -> Result<Self, String> {
        let expected = "expected a whole number, 0 or more";
        match value {
            Value::Toml(toml::Value::Integer(n)) => u64::try_from(*n).map_err(|_| format!("{n}: {expected}")),
            Value::Toml(other) => Err(format!("{other}: {expected}")),
            Value::Text(text) => text.trim().replace('_', "").parse().map_err(|_| format!("`{text}`: {expected}")),
        }
    }
}

impl FromSetting for usize {
    fn from_setting(value: &Value) -> Result<Self, String> {
        let n = u64::from_setting(value)?;
        usize::try_from(n).map_err(|_| format!("{n} is too large"))
    }
}

impl FromSetting for bool {
    fn from_setting(value: &Value) -> Result<Self, String> {
        match value {
            Value::Toml(toml::Value::Boolean(value)) => Ok(*value),
            Value::Text(text) if matches!(text.trim(), "true" | "1" | "on") => Ok(true),
            Value::Text(text) if matches!(text.trim(), "false" | "0" | "off") => Ok(false),
            _ => Err("expected true or false".into()),
        }
    }
}

impl FromSetting for String {
    fn from_setting(value: &Value) -> Result<Self, String> {
        value.as_text().map(str::to_string).ok_or_else(|| "expected a text".into())
    }
}

impl FromSetting for PathBuf {
    fn from_setting(value: &Value) -> Result<Self, String> {
        let text = String::from_setting(value)?;
        if text.is_empty() { Err("expected a path".into()) } else { Ok(text.into()) }
    }
}

impl<T: FromSetting> FromSetting for Option<T> {
    fn from_setting(value: &Value) -> Result<Self, String> {
        T::from_setting(value).map(Some)
    }
}

impl FromSetting for Vec<String> {
    fn from_setting(value: &Value) -> Result<Self, String> {
        if let Value::Toml(toml::Value::Array(items)) = value {
            return items.iter().map(|item| String::from_setting(&Value::Toml(item.clone()))).collect();
        }
        let text = value.as_text().ok_or("expected a list of texts")?;
        Ok(text.split(',').map(|item| item.trim().to_string()).filter(|item| !item.is_empty()).collect())
    }
}

impl FromSetting for Vec<IpRange> {
    fn from_setting(value: &Value) -> Result<Self, String> {
        let texts = Vec::<String>::from_setting(value)?;
        texts.iter().map(|text| text.parse().map_err(|e: basalt_engine::Error| e.to_string())).collect()
    }
}

impl FromSetting for Vec<Listen> {
    fn from_setting(value: &Value) -> Result<Self, String> {
        let texts = Vec::<String>::from_setting(value)?;
        if texts.is_empty() {
            return Err("expected at least one address".into());
        }
        texts.iter().map(|text| Listen::parse(text)).collect()
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

impl FromSetting for LogFormat {
    fn from_setting(value: &Value) -> Result<Self, String> {
        match value.as_text() {
            Some("text") => Ok(LogFormat::Text),
            Some("json") => Ok(LogFormat::Json),
            _ => Err("expected text or json".into()),
        }
    }
}

/// A text that never shows up in logs or error messages.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl FromSetting for Secret {
    fn from_setting(value: &Value) -> Result<Self, String> {
        String::from_setting(value).map(Secret)
    }
}
