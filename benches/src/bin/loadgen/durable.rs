//! What one durable write costs on a directory's file system: append 4 KiB, `fdatasync`, again. The figure a durable
//! commit is compared with.

use crate::{Result, latency};
use clap::Args;
use std::{fs::OpenOptions, io::Write, path::PathBuf, time::Instant};

#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// A directory on the file system to measure.
    #[arg(long)]
    dir: PathBuf,
    #[arg(long, default_value_t = 1000)]
    count: u32,
}

pub(crate) fn run(plan: &Plan) -> Result<serde_json::Value> {
    std::fs::create_dir_all(&plan.dir)?;
    let path = plan.dir.join(format!("fsync-{}.probe", std::process::id()));
    let measured = append_and_sync(plan, &path);
    std::fs::remove_file(&path)?;
    measured
}

fn append_and_sync(plan: &Plan, path: &std::path::Path) -> Result<serde_json::Value> {
    let mut file = OpenOptions::new().create_new(true).write(true).open(path)?;
    let page = [0x5au8; 4096];
    let mut latencies = Vec::with_capacity(plan.count as usize);
    let begin = Instant::now();
    for _ in 0..plan.count {
        let start = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        latencies.push(start.elapsed());
    }
    Ok(latency::summary(latencies, begin.elapsed()))
}
