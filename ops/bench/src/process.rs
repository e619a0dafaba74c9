//! What the kernel says about a process: CPU seconds and resident memory, from `/proc`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// The unit of `/proc/<pid>/stat`: `USER_HZ`, which is 100 on every Linux that this runs on.
const TICK: Duration = Duration::from_millis(10);

struct Stat {
    parent: u32,
    own: u64,
    /// Of children that have ended.
    reaped: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; what follows the last one is plain.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |i: usize| fields.get(i)?.parse::<u64>().ok();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own: ticks(11)? + ticks(12)?,
        reaped: ticks(13)? + ticks(14)?,
    })
}

/// CPU time of a process and, for Postgres, of all that it started.
pub fn cpu(pid: u32) -> Duration {
    let mut ticks = stat(pid).map_or(0, |stat| stat.own + stat.reaped);
    for other in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(other) = other
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if let Some(stat) = stat(other).filter(|stat| stat.parent == pid) {
            ticks += stat.own + stat.reaped;
        }
    }
    TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
}

/// CPU time of this very process, all its threads included. Children do not count.
pub fn own_cpu() -> Duration {
    TICK * stat(std::process::id()).map_or(0, |stat| u32::try_from(stat.own).unwrap_or(u32::MAX))
}

/// CPU time that all cores together have spent on anything.
pub fn machine_cpu() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    // user nice system idle iowait irq softirq steal
    let ticks = text
        .lines()
        .next()
        .into_iter()
        .flat_map(|line| line.split_whitespace().skip(1).take(8));
    let busy = ticks
        .enumerate()
        .filter(|(column, _)| !matches!(column, 3 | 4));
    let busy: u64 = busy
        .filter_map(|(_, ticks)| ticks.parse::<u64>().ok())
        .sum();
    TICK * u32::try_from(busy).unwrap_or(u32::MAX)
}

/// Resident memory in bytes: now, and the most that there ever was.
#[derive(Debug, Clone, Copy)]
pub struct Resident {
    pub now: u64,
    pub peak: u64,
}

pub fn resident(pid: u32) -> Result<Resident> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("process {pid} is gone"))?;
    let kibibytes = |name: &str| -> Result<u64> {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .with_context(|| format!("no {name}"))?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    };
    Ok(Resident {
        now: kibibytes("VmRSS:")?,
        peak: kibibytes("VmHWM:")?,
    })
}

/// How many files this process may have open: soft and hard limit.
pub fn open_files() -> Result<(u64, u64)> {
    let text = fs::read_to_string("/proc/self/limits")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .context("no limit on open files")?;
    let mut limits = line
        .split_whitespace()
        .map(|word| word.parse().unwrap_or(u64::MAX));
    Ok((limits.next().unwrap_or(0), limits.next().unwrap_or(0)))
}

/// The processor, memory, kernel and file system that the numbers belong to.
pub fn machine(directory: &Path) -> String {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().find_map(|line| {
            Some(
                line.strip_prefix(name)?
                    .trim_start_matches([' ', '\t', ':'])
                    .to_owned(),
            )
        })
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model =
        field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|kb| kb.trim_end_matches(" kB").parse::<f64>().ok())
        .map_or(0.0, |kb| kb / 1024.0 / 1024.0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{model}, {cores} cores, {memory:.0} GiB, Linux {}, {}",
        kernel.trim(),
        file_system(directory)
    )
}

fn file_system(directory: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let of = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        directory.starts_with(point).then_some((point.len(), kind))
    });
    of.max()
        .map_or("unknown file system", |(_, kind)| kind)
        .to_owned()
}
