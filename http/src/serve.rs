//! One server's life: check who may enter, open the engine, listen, wait for a signal, drain, close.

use crate::{app::App, config::Config, logging, machine, metrics as names, secret, server::Server, tokens::Tokens};
use basalt_engine::Engine;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::{process::ExitCode, time::Duration};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Threads parse, encode and hold long futures: more stack than the default.
const STACK_BYTES: usize = 8 << 20;
/// Buckets of every histogram in seconds.
const SECONDS_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
/// What closing the catalogue may take after the last request.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// Runs until a signal. The exit code is 0 after a clean end, 2 for settings that cannot be served.
pub fn run(config: Config) -> ExitCode {
    if let Err(message) = logging::start(config.log_format, &config.log_filter) {
        return refuse(&message);
    }
    let threads = config.io_threads.unwrap_or_else(machine::cores).max(1);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("basalt-io")
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(serve(config)),
        Err(error) => fail(&format!("cannot start threads: {error}")),
    }
}

async fn serve(config: Config) -> ExitCode {
    let Some(ram_bytes) = machine::memory_bytes().or(config.memory_limit_bytes.map(|n| n as u64)) else {
        return refuse("cannot find out how much memory there is: set `memory_limit_bytes`");
    };
    let settings = match config.engine(machine::cores(), ram_bytes) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error.to_string()),
    };
    let open = settings.users.has_open_user();
    if open && let Err(message) = only_loopback(&config) {
        return refuse(&message);
    }
    let (Ok(terminate), Ok(interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return fail("cannot listen for signals");
    };
    let recorder = match metrics_recorder() {
        Ok(recorder) => recorder,
        Err(message) => return fail(&message),
    };
    let stop = stop_on(terminate, interrupt);
    let engine = match Engine::open(settings).await {
        Ok(engine) => engine,
        Err(error) => return fail(&format!("cannot open the data directory {}: {error}", config.data_dir.display())),
    };
    let tokens = Tokens::new(
        Duration::from_secs(config.session_token_ttl_secs),
        Duration::from_secs(config.refresh_token_ttl_secs),
    );
    let secret = match secret::of_directory(&config.data_dir) {
        Ok(secret) => secret,
        Err(error) => return fail(&format!("cannot read the server's secret: {error}")),
    };
    let hosts = open.then(|| config.host_names.clone());
    let app = App::new(engine.clone(), config.limits(), tokens, hosts)
        .with_metrics(recorder.clone())
        .with_secret(secret)
        .with_config(config.shown());
    let ended = listen(&config, app, recorder, stop).await;
    let closed = engine.shutdown(CLOSE_GRACE).await;
    match (ended, closed) {
        (Ok(()), Ok(())) => ExitCode::SUCCESS,
        (Err(message), _) => fail(&message),
        (_, Err(error)) => fail(&format!("closing the data directory: {error}")),
    }
}

async fn listen(config: &Config, app: App, recorder: PrometheusHandle, stop: CancellationToken) -> Result<(), String> {
    let server = Server::bind(app.clone(), &config.listen).await.map_err(|e| e.to_string())?;
    let addresses = server.addresses().map_err(|e| e.to_string())?;
    let urls: Vec<_> = addresses.iter().map(|a| format!("http://{a}")).collect();
    announce(&urls.join(" "));
    tracing::info!(addresses = ?addresses, data_dir = %config.data_dir.display(), "ready");
    let upkeep = async {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            recorder.run_upkeep();
        }
    };
    let draining = async {
        stop.cancelled().await;
        app.drain();
        tracing::info!("stopping: no new connections, waiting for running requests");
        std::future::pending::<()>().await
    };
    tokio::select! {
        () = server.serve(stop.clone(), Duration::from_secs(config.shutdown_grace_secs)) => Ok(()),
        () = upkeep => Ok(()),
        () = draining => Ok(()),
    }
}

/// The line that tools wait for; it goes to standard output, where nothing else is written.
#[allow(clippy::disallowed_macros)]
fn announce(urls: &str) {
    println!("basalt {} listening on {urls}", env!("CARGO_PKG_VERSION"));
}

/// The first signal asks for a clean end, the second ends at once (data is safe at every moment anyway).
fn stop_on(mut terminate: Signal, mut interrupt: Signal) -> CancellationToken {
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        for round in 0.. {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            if round > 0 {
                tracing::warn!("second signal: ending at once");
                std::process::exit(1);
            }
            asked.cancel();
        }
    });
    stop
}

fn only_loopback(config: &Config) -> Result<(), String> {
    for listen in &config.listen {
        let addresses = listen.resolve().map_err(|e| format!("cannot resolve {}: {e}", listen.address))?;
        if let Some(address) = addresses.iter().find(|a| !a.ip().is_loopback()) {
            return Err(format!(
                "refusing to listen on {address} while root has no password: set root_password, root_password_file \
                 or a users_file that has root, or listen on loopback only"
            ));
        }
    }
    Ok(())
}

fn metrics_recorder() -> Result<PrometheusHandle, String> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS_BUCKETS)
        .map_err(|e| e.to_string())?
        .install_recorder()
        .map_err(|e| format!("cannot record metrics: {e}"))?;
    names::describe();
    Ok(handle)
}

/// Settings that cannot be served.
fn refuse(message: &str) -> ExitCode {
    eprintln!("basalt: {message}");
    ExitCode::from(2)
}

fn fail(message: &str) -> ExitCode {
    eprintln!("basalt: {message}");
    ExitCode::FAILURE
}
