//! What a program takes of all processors, with all that it starts: a cgroup counts it. Nobody's children do: a rootlet's pid 1 is
//! reaped by the kernel, so that its time and that of its commands is in nobody's `RUSAGE_CHILDREN`.

use crate::Result;
use crate::contest::Times;
use crate::ground::run;
use crate::table::{Bound, Row};
use rustix::process::{WaitOptions, wait};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A cgroup of version 2, which only root makes.
pub struct Meter(PathBuf);

/// What a run of a program took: of the clock, and of all processors.
pub struct Took {
    pub wall: Duration,
    /// `None` where nobody counts it.
    pub processors: Option<Duration>,
}

impl Meter {
    /// Makes it below our own.
    pub fn new() -> Result<Self> {
        let own = read(Path::new("/proc/self/cgroup"))?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
        let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
        let mount = mounts.into_iter().find(|mount| mount.join("cgroup.procs").exists());
        let place =
            mount.ok_or("no cgroup of version 2 is mounted, which would count the processors' time")?;
        let place = place.join(own).join(format!("rootlet-bench-{}", std::process::id()));
        fs::create_dir(&place).map_err(|e| format!("{}: {e}", place.display()))?;
        Ok(Self(place))
    }

    /// The same command in it.
    fn around(&self, command: &Command) -> Command {
        let mut inside = Command::new("sh");
        inside.args(["-ec", "echo $$ > \"$0\"; exec \"$@\""]).arg(self.0.join("cgroup.procs"));
        inside.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        if let Some(directory) = command.get_current_dir() {
            inside.current_dir(directory);
        }
        inside
    }

    /// So far, when nothing runs in it any more.
    fn count(&self) -> Result<Duration> {
        while read(&self.0.join("cgroup.events"))?.contains("populated 1") {
            std::thread::yield_now();
        }
        let stat = read(&self.0.join("cpu.stat"))?;
        let used = stat.lines().find_map(|line| line.strip_prefix("usage_usec ")?.parse().ok());
        used.map(Duration::from_micros).ok_or_else(|| "cpu.stat has no usage_usec".into())
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir(&self.0) {
            eprintln!("{}: {error}", self.0.display());
        }
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Runs a program, and waits for all that it leaves to nobody.
pub fn measured(command: &mut Command, meter: Option<&Meter>) -> Result<Took> {
    let mut counted = meter.map(|meter| meter.around(command));
    let before = meter.map(Meter::count).transpose()?;
    let begin = Instant::now();
    run(counted.as_mut().unwrap_or(command))?;
    let wall = begin.elapsed();
    while wait(WaitOptions::empty()).is_ok() {}
    let after = meter.map(Meter::count).transpose()?;
    Ok(Took { wall, processors: after.zip(before).map(|(after, before)| after.saturating_sub(before)) })
}

/// A row of processor times, or why there is none.
pub fn row(name: &str, ours: &[Duration], peer: &[Duration], bound: Bound, meter: &Result<Meter>) -> Row {
    match meter {
        Ok(_) => Row::times(name, &Times::new(ours.to_vec()), &Times::new(peer.to_vec()), bound),
        Err(why) => Row::not_measured(name, why),
    }
}
