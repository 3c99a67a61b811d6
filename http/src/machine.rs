//! What the machine (or the container around us) offers.

/// Memory this process may use: the smaller of RAM and the control group's limit. `None` when neither can be read.
pub fn memory_bytes() -> Option<u64> {
    let ram = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| ram_bytes(&text));
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let group = limits.iter().filter_map(|path| std::fs::read_to_string(path).ok()?.trim().parse().ok()).min();
    match (ram, group) {
        (Some(ram), Some(group)) => Some(ram.min(group)),
        (ram, group) => ram.or(group),
    }
}

fn ram_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find(|l| l.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

/// Cores this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    #[test]
    fn meminfo_is_in_kib() {
        assert_eq!(super::ram_bytes("MemTotal:        2048 kB\nMemFree: 1 kB\n"), Some(2 << 20));
        assert_eq!(super::ram_bytes(""), None);
    }
}
