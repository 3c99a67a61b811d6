//! The server as a process: ready line, health, metrics, arguments, shutdown.

use basalt_tests::{TestServer, binary};
use std::{process::Command, time::Duration};

#[tokio::test]
async fn ready_line_health_and_metrics() {
    let server = TestServer::start().await;
    let get = |path: &str| server.sql().http().get(server.url(path)).send();
    for path in ["/v1/health", "/health"] {
        assert_eq!(get(path).await.unwrap().status(), 200, "{path}");
    }
    server.sql().run("SELECT 1").await;
    let metrics = get("/metrics").await.unwrap().text().await.unwrap();
    assert!(metrics.lines().any(|l| l.starts_with("basalt_") && !l.contains("NaN")), "{metrics}");
    assert!(metrics.contains("# TYPE basalt_"), "{metrics}");
    assert!(!get("/").await.unwrap().text().await.unwrap().is_empty());
}

#[tokio::test]
async fn version_and_bad_arguments() {
    let output = Command::new(binary()).arg("version").output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("basalt "), "{output:?}");
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        vec!["serve", "--listen", "nonsense@127.0.0.1:0"],
        vec!["serve", "--listen", "127.0.0.1"],
        vec!["serve", "--set", "no_such_key=1"],
        vec!["serve", "--set", "nonsense"],
        vec!["serve", "--config", "/does/not/exist.toml"],
        vec!["serve", "--unknown-flag"],
    ] {
        let output = Command::new(binary()).args(&arguments).arg("--data-dir").arg(dir.path()).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?} says why");
    }
    let config = dir.path().join("basalt.toml");
    std::fs::write(&config, "no_such_key = 1\n").unwrap();
    let output = Command::new(binary()).args(["serve", "--config"]).arg(&config).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no_such_key"), "{output:?}");
}

#[tokio::test]
async fn sigterm_drains_and_ends_with_zero() {
    let mut server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE t (i INT)").await;
    let load = server.load("default", "t").csv();
    let slow = futures::stream::unfold(0u32, |n| async move {
        if n == 10 {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        Some((Ok::<_, std::io::Error>(format!("{n}\n")), n + 1))
    });
    let running = tokio::spawn(load.send(reqwest::Body::wrap_stream(slow)));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let status = server.stop().await;
    assert!(status.success(), "{status}\n{}", server.log());
    let answer = running.await.unwrap().expect("a running load is answered");
    assert_eq!(answer.status, "Success", "{}", answer.body);
    server.launch().await;
    assert_eq!(server.sql().one("SELECT count(*) FROM t").await, "10");
}
