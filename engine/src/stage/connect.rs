//! Stores of users' own: which may be reached at all, and how the options users write become a store's.
//!
//! Nothing a statement says reaches another host unless the server was started with permission for that, and the
//! server's own credentials are never used for it: without keys, requests are anonymous.

use crate::{Error, Result, parts::Parts};
use basalt_storage::FileStore;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::collections::BTreeMap;

/// Opens the store a URL names.
pub(crate) fn open_external(parts: &Parts, url: &str, connection: &BTreeMap<String, String>) -> Result<FileStore> {
    let (url, options) = connection_options(url, connection)?;
    if !parts.settings.allow_external_locations {
        let what = format!("reaching `{url}` from this server (its setting allow_external_stages is off)");
        return Err(Error::Unsupported { what });
    }
    Ok(FileStore::of_user(&url, &options, parts.runtime.cpu().clone())?)
}

/// The URL and options as the store's library wants them.
pub(crate) fn connection_options(
    url: &str,
    connection: &BTreeMap<String, String>,
) -> Result<(String, Vec<(String, String)>)> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let mut options = Vec::new();
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "s3" => {
            s3(connection, &mut options)?;
            "s3"
        }
        "gcs" | "gs" => {
            google(connection, &mut options)?;
            "gs"
        }
        "azblob" | "azure" | "az" => {
            azure(connection, &mut options)?;
            "az"
        }
        "http" => {
            options.push(("allow_http".into(), "true".into()));
            "http"
        }
        "https" => "https",
        "fs" | "file" => {
            return Err(Error::Unsupported { what: format!("location `{url}`: SQL cannot reach files of the server") });
        }
        other => {
            let known = "s3, gcs, azblob, http, https";
            return Err(Error::Unsupported { what: format!("locations of scheme `{other}` (known: {known})") });
        }
    };
    Ok((format!("{scheme}://{rest}"), options))
}

type Options = Vec<(String, String)>;

fn s3(connection: &BTreeMap<String, String>, options: &mut Options) -> Result<()> {
    let mut signed = false;
    for (name, value) in connection {
        let known = match name.as_str() {
            "access_key_id" | "aws_key_id" => {
                signed = true;
                "aws_access_key_id"
            }
            "secret_access_key" | "aws_secret_key" => "aws_secret_access_key",
            "session_token" | "security_token" | "aws_token" => "aws_session_token",
            "region" => "aws_region",
            "endpoint_url" => {
                allow_plain_http(value, options);
                "aws_endpoint"
            }
            "enable_virtual_host_style" => "aws_virtual_hosted_style_request",
            "allow_anonymous" => continue,
            _ => return unknown(name),
        };
        options.push((known.into(), value.clone()));
    }
    if !signed {
        options.push(("aws_skip_signature".into(), "true".into()));
    }
    Ok(())
}

fn google(connection: &BTreeMap<String, String>, options: &mut Options) -> Result<()> {
    let mut signed = false;
    for (name, value) in connection {
        match name.as_str() {
            "credential" => {
                signed = true;
                let bad =
                    || Error::InvalidArgument { message: "CREDENTIAL must be base64 of a service account".into() };
                let key = STANDARD.decode(value).map_err(|_| bad())?;
                let key = String::from_utf8(key).map_err(|_| bad())?;
                options.push(("google_service_account_key".into(), key));
            }
            "endpoint_url" => {
                allow_plain_http(value, options);
                options.push(("google_base_url".into(), value.clone()));
            }
            "allow_anonymous" => {}
            _ => return unknown(name),
        }
    }
    if !signed {
        options.push(("google_skip_signature".into(), "true".into()));
    }
    Ok(())
}

fn azure(connection: &BTreeMap<String, String>, options: &mut Options) -> Result<()> {
    let mut signed = false;
    for (name, value) in connection {
        let known = match name.as_str() {
            "account_name" => "azure_storage_account_name",
            "account_key" => {
                signed = true;
                "azure_storage_account_key"
            }
            "endpoint_url" => {
                allow_plain_http(value, options);
                "azure_storage_endpoint"
            }
            "allow_anonymous" => continue,
            _ => return unknown(name),
        };
        options.push((known.into(), value.clone()));
    }
    if !signed {
        options.push(("azure_skip_signature".into(), "true".into()));
    }
    Ok(())
}

fn allow_plain_http(endpoint: &str, options: &mut Options) {
    if endpoint.starts_with("http://") {
        options.push(("allow_http".into(), "true".into()));
    }
}

fn unknown<T>(name: &str) -> Result<T> {
    Err(Error::InvalidArgument { message: format!("unknown connection option `{name}`") })
}
