//! Guards a server that anyone on the machine may enter: a web page in a local browser must not be able to drive it
//! (DNS rebinding, cross-site posts).

use axum::http::{HeaderMap, Uri, header};

/// Why a request was turned away, or `Ok`. `hosts` are the names this server may be called by.
pub fn check(uri: &Uri, headers: &HeaderMap, hosts: &[String]) -> Result<(), String> {
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok()).or_else(|| uri.authority().map(|a| a.as_str()));
    // HTTP/1.0 clients and some probes send none; browsers always do.
    if let Some(host) = host
        && !is_ours(host, hosts)
    {
        return Err(format!("host `{host}` is not served here (setting `host_names`)"));
    }
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return Err("cross-site requests are refused while root has no password".into());
    }
    match headers.get(header::ORIGIN).map(|o| o.to_str()) {
        None => Ok(()),
        Some(Ok(origin)) if origin.split_once("://").is_some_and(|(_, host)| is_ours(host, hosts)) => Ok(()),
        Some(_) => Err("requests of a foreign origin are refused while root has no password".into()),
    }
}

fn is_ours(host: &str, hosts: &[String]) -> bool {
    let name = without_port(host);
    matches!(name, "localhost" | "127.0.0.1" | "[::1]") || hosts.iter().any(|h| h.eq_ignore_ascii_case(name))
}

fn without_port(host: &str) -> &str {
    if let Some(end) = host.strip_prefix('[').and_then(|h| h.find(']')) {
        return &host[..end + 2];
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(pairs: &[(&'static str, &str)]) -> bool {
        let headers = pairs.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect();
        check(&Uri::from_static("/v1/query"), &headers, &["box.lan".into()]).is_ok()
    }

    #[test]
    fn only_our_names_and_our_pages() {
        assert!(verdict(&[("host", "localhost:8000")]));
        assert!(verdict(&[("host", "[::1]:8000"), ("origin", "http://127.0.0.1:3000")]));
        assert!(verdict(&[("host", "box.lan")]));
        assert!(verdict(&[]));
        assert!(!verdict(&[("host", "evil.example:8000")]));
        assert!(!verdict(&[("host", "localhost.evil.example")]));
        assert!(!verdict(&[("host", "localhost"), ("origin", "https://evil.example")]));
        assert!(!verdict(&[("host", "localhost"), ("origin", "null")]));
        assert!(!verdict(&[("host", "localhost"), ("sec-fetch-site", "cross-site")]));
    }
}
