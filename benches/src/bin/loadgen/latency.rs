//! Latencies as figures.

use serde_json::{Value, json};
use std::time::Duration;

/// Figures of `latencies` that were measured within `wall`.
pub(crate) fn summary(mut latencies: Vec<Duration>, wall: Duration) -> Value {
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = ((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1));
        latencies.get(index).map_or(0.0, |l| l.as_secs_f64() * 1e3)
    };
    json!({
        "requests": latencies.len(),
        "seconds": wall.as_secs_f64(),
        "per_second": latencies.len() as f64 / wall.as_secs_f64().max(1e-9),
        "p50_ms": at(0.50),
        "p90_ms": at(0.90),
        "p99_ms": at(0.99),
        "max_ms": at(1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        let figures = summary((1..=100).rev().map(Duration::from_millis).collect(), Duration::from_secs(2));
        assert_eq!(figures["requests"], 100);
        assert_eq!(figures["per_second"], 50.0);
        assert_eq!(figures["p50_ms"], 51.0);
        assert_eq!(figures["max_ms"], 100.0);
        assert_eq!(summary(Vec::new(), Duration::from_secs(1))["p99_ms"], 0.0);
    }
}
