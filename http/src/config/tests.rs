use super::*;
use crate::listen::Face;

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("basalt.toml");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

fn environment(pairs: &[(&str, &str)]) -> std::vec::IntoIter<(String, String)> {
    pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect::<Vec<_>>().into_iter()
}

#[test]
fn file_then_environment_then_flags() {
    let (_dir, path) =
        file("columns_max = 10\nheaders_max = 20\nuri_bytes_max = 30\nlisten = ['databend@127.0.0.1:1']\n");
    let environment = environment(&[("BASALT_HEADERS_MAX", "21"), ("BASALT_URI_BYTES_MAX", "31"), ("HOME", "/")]);
    let config = Config::load(Some(path), environment, &[flag("uri_bytes_max=32").unwrap()]).unwrap();
    assert_eq!((config.columns_max, config.headers_max, config.uri_bytes_max), (Some(10), 21, 32));
    assert_eq!(config.listen[0].face, Face::Databend);
}

#[test]
fn unknown_keys_are_named_with_their_source() {
    let (_dir, path) = file("colums_max = 10\n");
    let text = Config::load(Some(path.clone()), environment(&[]), &[]).unwrap_err().to_string();
    assert!(text.contains("`colums_max`") && text.contains(path.to_str().unwrap()), "{text}");
    let text = Config::load(None, environment(&[("BASALT_NO_SUCH", "1")]), &[]).unwrap_err().to_string();
    assert!(text.contains("`no_such` (environment variable BASALT_NO_SUCH)"), "{text}");
    let text = Config::load(None, environment(&[]), &[flag("x=1").unwrap()]).unwrap_err().to_string();
    assert!(text.contains("`x` (command line)"), "{text}");
}

#[test]
fn values_that_do_not_fit_say_what_would() {
    for (key, value, expected) in [
        ("headers_max", "many", "whole number"),
        ("headers_max", "0", "at least 1"),
        ("log_format", "xml", "text or json"),
        ("listen", "s3@127.0.0.1:1", "not built"),
        ("listen", "", "at least one"),
    ] {
        let flags = [(key.to_string(), Value::text(value.to_string()))];
        let text = Config::load(None, environment(&[]), &flags).unwrap_err().to_string();
        assert!(text.contains(key) && text.contains(expected), "{text}");
    }
    assert!(flag("no-equals-sign").is_err());
}

#[test]
fn numbers_in_a_file_are_numbers_and_passwords_texts() {
    let (_dir, path) = file("root_password = 123\n");
    assert!(Config::load(Some(path), environment(&[]), &[]).is_err());
    let config = Config::load(None, environment(&[("BASALT_ROOT_PASSWORD", "123")]), &[]).unwrap();
    assert_eq!(config.root_password.as_ref().map(Secret::expose), Some("123"));
    assert!(!format!("{config:?}").contains("123"));
}

#[test]
fn what_is_shown_has_no_secrets() {
    let flags = ["root_password=s3cret", "storage_options=key=s3cret", "columns_max=7"];
    let flags: Vec<_> = flags.iter().map(|f| flag(f).unwrap()).collect();
    let shown = Config::load(None, environment(&[]), &flags).unwrap().shown();
    assert_eq!(shown.len(), Config::KEYS.len());
    assert!(shown.contains(&("columns_max", "Some(7)".to_string())));
    assert!(!format!("{shown:?}").contains("s3cret"));
}

#[test]
fn engine_settings_follow() {
    let flags = ["memory_limit_bytes=1000000000", "query_time_max_secs=7", "storage_compression=zstd"];
    let flags: Vec<_> = flags.iter().map(|f| flag(f).unwrap()).collect();
    let settings = Config::load(None, environment(&[]), &flags).unwrap().engine(2, 1 << 34).unwrap();
    assert_eq!(settings.memory_limit_bytes, 1_000_000_000);
    assert_eq!(settings.query_time_max, Duration::from_secs(7));
    assert_eq!(settings.storage.compression, StorageCompression::Zstd1);
    assert!(settings.users.has_open_user());
    let by_ram = Config::default().engine(2, 10 << 30).unwrap();
    assert_eq!(by_ram.memory_limit_bytes, 6 << 30);
}
