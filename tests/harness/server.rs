//! One server process: started on its own directory and a free port, stopped, killed, started again.

use super::{SqlClient, StreamLoad};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::OnceLock,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

const START_LIMIT: Duration = Duration::from_secs(60);

/// How a server is started.
#[derive(Debug, Clone)]
pub struct ServerBuilder {
    listen: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

/// A running (or killed) server and its directory, which is removed in the end.
#[derive(Debug)]
pub struct TestServer {
    builder: ServerBuilder,
    dir: TempDir,
    child: Option<Child>,
    base: String,
}

impl Default for ServerBuilder {
    fn default() -> Self {
        Self { listen: "127.0.0.1:0".into(), args: Vec::new(), env: Vec::new() }
    }
}

impl ServerBuilder {
    pub fn listen(mut self, address: &str) -> Self {
        self.listen = address.into();
        self
    }

    /// `--set key=value`
    pub fn set(self, key: &str, value: impl std::fmt::Display) -> Self {
        self.arg("--set").arg(format!("{key}={value}"))
    }

    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub fn env(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.env.push((key.into(), value.to_string()));
        self
    }

    /// A server on a fresh directory.
    pub async fn start(self) -> TestServer {
        let mut server = self.prepare();
        server.launch().await;
        server
    }

    /// The directory and nothing running yet.
    pub fn prepare(self) -> TestServer {
        let dir = tempfile::Builder::new().prefix("basalt-test-").tempdir().expect("a temp dir");
        TestServer { builder: self, dir, child: None, base: String::new() }
    }
}

impl TestServer {
    /// A server with default settings.
    pub async fn start() -> Self {
        ServerBuilder::default().start().await
    }

    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// Starts the process and waits until it is ready.
    pub async fn launch(&mut self) {
        if let Err(status) = self.try_launch().await {
            panic!("server ended at start: {status:?}\n{}", self.log());
        }
    }

    /// Starts the process; `Err` when it ends before it is ready.
    pub async fn try_launch(&mut self) -> Result<(), ExitStatus> {
        let mut child = self.spawn();
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let ready = tokio::time::timeout(START_LIMIT, async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some((_, url)) = line.split_once(" listening on ") {
                    return Some(url.split_whitespace().next().unwrap_or_default().trim_end_matches('/').to_string());
                }
            }
            None
        })
        .await
        .unwrap_or_else(|_| panic!("server not ready within {START_LIMIT:?}\n{}", self.log()));
        match ready {
            Some(base) => {
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                self.base = base;
                self.child = Some(child);
                Ok(())
            }
            None => Err(child.wait().await.expect("wait for the server")),
        }
    }

    /// Starts the process and kills it after `life`, ready or not.
    pub async fn launch_and_kill(&mut self, life: Duration) {
        let mut child = self.spawn();
        tokio::time::sleep(life).await;
        child.start_kill().expect("kill the server");
        child.wait().await.expect("wait for the server");
    }

    fn spawn(&self) -> Child {
        let log = std::fs::File::options().create(true).append(true).open(self.log_path()).expect("log file");
        let mut command = Command::new(binary());
        // `BASALT_…` are the server's settings; those of the tests themselves are not for it.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BASALT_")) {
            command.env_remove(name);
        }
        command
            .arg("serve")
            .arg("--data-dir")
            .arg(self.data_dir())
            .arg("--listen")
            .arg(&self.builder.listen)
            .args(&self.builder.args)
            .envs(self.builder.env.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        command.spawn().unwrap_or_else(|e| panic!("start {}: {e}", binary().display()))
    }

    /// kill -9, and waits until the process is gone.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.start_kill().expect("kill the server");
            child.wait().await.expect("wait for the server");
        }
    }

    /// SIGTERM, and waits for the end.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait().await
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid() as i32).expect("a process id");
        kill_process(pid, signal).expect("signal the server");
    }

    /// Waits for a process that ends by itself.
    pub async fn wait(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the server runs");
        tokio::time::timeout(Duration::from_secs(60), child.wait())
            .await
            .expect("the server ends within 60 s")
            .expect("wait for the server")
    }

    /// True while the process lives.
    pub fn is_alive(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Stops in order and starts again on the same directory.
    pub async fn restart(&mut self) {
        let status = self.stop().await;
        assert!(status.success(), "a stopped server ends with 0, not {status}\n{}", self.log());
        self.launch().await;
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().and_then(|c| c.id()).expect("the server runs")
    }

    /// Resident memory of the process, bytes.
    pub fn resident_bytes(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.pid())).expect("the server runs");
        let pages: u64 = statm.split_whitespace().nth(1).and_then(|p| p.parse().ok()).expect("statm has pages");
        pages * 4096
    }

    pub fn set_env(&mut self, key: &str, value: impl std::fmt::Display) {
        self.builder.env.retain(|(k, _)| k != key);
        self.builder.env.push((key.into(), value.to_string()));
    }

    pub fn clear_env(&mut self, key: &str) {
        self.builder.env.retain(|(k, _)| k != key);
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// The end of what the server wrote to its log.
    pub fn log(&self) -> String {
        let text = std::fs::read(self.log_path()).unwrap_or_default();
        let start = text.len().saturating_sub(8 << 10);
        String::from_utf8_lossy(&text[start..]).into_owned()
    }

    /// `http://127.0.0.1:PORT`
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> &str {
        self.base.strip_prefix("http://").expect("an http url")
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// A client session of `root` without a password.
    pub fn sql(&self) -> SqlClient {
        SqlClient::new(&self.base, "root", "")
    }

    pub fn load(&self, database: &str, table: &str) -> StreamLoad {
        StreamLoad::new(&self.base, database, table)
    }
}

/// The server binary. `TEST_SERVER` names it; otherwise cargo builds it (once per test process) with the profile the
/// tests were built with, so that a test never meets an older server.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("TEST_SERVER") {
            return PathBuf::from(path);
        }
        let here = std::env::current_exe().expect("the test's own path");
        let profile_dir = here.parent().and_then(Path::parent).expect("tests lie in target/<profile>/deps");
        let mut build = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "--workspace", "--bins", "--manifest-path"]);
        build.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
        build.arg("--target-dir").arg(profile_dir.parent().expect("target/<profile>"));
        if profile_dir.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success(), "the server does not build");
        profile_dir.join("basalt")
    })
}
