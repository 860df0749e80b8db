//! What the system says of this process: processor time and memory.

use rustix::time::{ClockId, clock_gettime};

/// The processor time of this process so far, of all its threads, in seconds.
pub(crate) fn cpu_seconds() -> f64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

/// The memory that this process holds now, in bytes; 0 where `/proc` does not tell.
pub(crate) fn resident_bytes() -> u64 {
    status("VmRSS:")
}

/// The most memory that this process ever held, in bytes; 0 where `/proc` does not tell.
pub(crate) fn resident_bytes_max() -> u64 {
    status("VmHWM:")
}

fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    kilobytes.unwrap_or(0_u64) * 1024
}
