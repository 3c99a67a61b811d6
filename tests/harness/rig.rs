//! Two small things every timing- or chance-dependent test needs: a printed seed and a wait with a deadline.

use std::time::{Duration, Instant};

/// The seed of a randomised test: `BASALT_SEED` or a fresh one. Printed, so that a failure can be run again.
pub fn seed(test: &str) -> u64 {
    let seed = match std::env::var("BASALT_SEED") {
        Ok(text) => text.parse().expect("BASALT_SEED is a number"),
        Err(_) => rand::random::<u32>() as u64,
    };
    println!("{test}: BASALT_SEED={seed}");
    seed
}

/// Polls `check` until it is true; panics with `what` when `limit` has passed.
pub async fn wait_for<F, Fut>(what: &str, limit: Duration, mut check: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let start = Instant::now();
    while !check().await {
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
