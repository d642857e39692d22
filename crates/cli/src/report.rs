//! What is told about a run: after a failure a few lines on standard error, and all of it for machines with `--json`.

use crate::exit::Outcome;
use crate::failure::Failure;
use crate::output::create;
use crate::style::Style;
use crate::why::Target;
use rootlet::spec::{duration, printable};
use rootlet::why::Why;
use rootlet::{Identity, Report, Rootlet};
use serde::Serialize;
use signal_hook::consts::SIGSYS;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything there is to know about a run. What is not known, because it failed before, is null.
#[derive(Clone, Debug, Default, Serialize)]
struct Full {
    /// The status that this command exits with.
    status: u8,
    /// The signal that ended the command.
    signal: Option<u8>,
    /// Whether `--timeout` ended it.
    timed_out: bool,
    /// What kept the command from running.
    error: Option<String>,
    /// The command that ran: entrypoint, command, arguments.
    command: Vec<String>,
    /// How long it ran.
    seconds: f64,
    /// How many processes were killed because --memory was reached, where a cgroup keeps that.
    oom_kills: u64,
    /// What `rootlet enter` takes.
    kept: Option<String>,
    /// What the command was refused, where that was asked for.
    #[serde(flatten)]
    why: Option<Why>,
    #[serde(flatten)]
    report: Option<Report>,
}

/// Gathers what becomes the report.
pub struct Reporter {
    quiet: bool,
    json: Option<(PathBuf, File)>,
    full: Full,
    refusal: Option<Failure>,
    timeout: Option<Duration>,
    why: Option<Target>,
}

impl Reporter {
    /// The file is made at once: a report that cannot be written is known before the command runs.
    pub fn new(quiet: bool, json: Option<&Path>) -> Result<Self, Failure> {
        let open = |path: &Path| match create(path) {
            Ok(file) => Ok((path.to_owned(), file)),
            Err(e) => Err(Failure::new(format!("failed to make the report {}", path.display())).caused_by(e)),
        };
        Ok(Self {
            quiet,
            json: json.map(open).transpose()?,
            full: Full::default(),
            refusal: None,
            timeout: None,
            why: None,
        })
    }

    /// The rootlet stands, and this is what runs in it.
    pub fn started(&mut self, root: &Rootlet, identity: &Identity, argv: &[OsString]) {
        let mut report = root.report().clone();
        report.user.clone_from(identity);
        // What the command sees, whatever its account says.
        if let Some((_, home)) = root.spec().env.iter().rev().find(|(name, _)| name == "HOME") {
            report.user.home.clone_from(home);
        }
        self.full.report = Some(report);
        self.full.command = argv.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    }

    /// The command could not be run.
    pub fn refused(&mut self, failure: Failure) {
        self.refusal = Some(failure);
    }

    /// The command ended, after so long.
    pub fn ended(&mut self, root: &Rootlet, after: Duration) {
        self.full.seconds = after.as_secs_f64();
        self.full.oom_kills = root.oom_kills();
        self.timeout = root.spec().timeout;
    }

    /// Where it is to be explained what the command was refused.
    pub fn explain_to(&mut self, target: Option<Target>) {
        self.why = target;
    }

    /// This is what it was refused.
    pub fn explained(&mut self, why: Why) {
        self.full.why = Some(why);
    }

    /// The root was kept.
    pub fn kept(&mut self, id: String) {
        self.full.kept = Some(id);
    }

    /// Tells it. `done` comes back, or that the report could not be written.
    pub fn finish(mut self, done: Result<Outcome, Failure>) -> Result<Outcome, Failure> {
        let (outcome, failure) = match done {
            Ok(outcome) => (outcome, self.refusal.take()),
            Err(failure) => (Outcome::Failed, Some(failure)),
        };
        self.full.status = outcome.code();
        self.full.timed_out = outcome == Outcome::TimedOut;
        self.full.signal = match outcome {
            Outcome::Signaled(signal) => Some(signal),
            _ => None,
        };
        self.full.error = failure.as_ref().map(ToString::to_string);
        if let (Some(target), Some(why)) = (&mut self.why, &self.full.why) {
            target.write(why, &self.full.command, outcome)?;
        }
        let style = Style::of(&stderr());
        let mut text = failure.map(|failure| failure.text(style)).unwrap_or_default();
        if !self.quiet {
            let ran = self.full.seconds > 0.0;
            text += &summary(self.full.report.as_ref(), outcome, ran, self.timeout, self.full.oom_kills);
        }
        if let Some(id) = &self.full.kept {
            text += &format!("{} rootlet enter {id}\n", style.hint("kept:"));
        }
        // Without standard error nobody is there to be told that.
        let _ = stderr().write_all(text.as_bytes());
        self.write_json()?;
        Ok(outcome)
    }

    fn write_json(&mut self) -> Result<(), Failure> {
        let Some((path, file)) = &mut self.json else { return Ok(()) };
        let mut text = serde_json::to_vec_pretty(&self.full).expect("a report is plain data");
        text.push(b'\n');
        file.write_all(&text)
            .map_err(|e| Failure::new(format!("failed to write the report {}", path.display())).caused_by(e))
    }
}

/// The lines after a failure; none after success, nor where no rootlet came to be.
fn summary(
    report: Option<&Report>,
    outcome: Outcome,
    ran: bool,
    timeout: Option<Duration>,
    oom_kills: u64,
) -> String {
    let Some(report) = report.filter(|_| outcome != Outcome::SUCCESS) else { return String::new() };
    let how = match (outcome, timeout) {
        (Outcome::Exited(code), _) => format!("exit status {code}"),
        (Outcome::Signaled(signal), _) => format!("ended by signal {signal}{}", name_of(signal)),
        (Outcome::TimedOut, Some(timeout)) => {
            format!("ended by --timeout after {}", duration::format(timeout))
        }
        (Outcome::TimedOut, None) => "ended by --timeout".into(),
        // It is what came after that failed, such as keeping its root.
        (Outcome::Failed, _) if ran => "the command ran".into(),
        (Outcome::Failed | Outcome::NotExecutable | Outcome::NotFound, _) => "the command did not run".into(),
    };
    let mut text = format!("rootlet: {how}, as {}\n", report.user);
    if outcome == Outcome::Signaled(SIGSYS as u8) {
        text += "rootlet: 32-bit programs are ended so by the system call filter; --security-opt seccomp=unconfined lifts it\n";
    }
    if oom_kills > 0 {
        text += "rootlet: memory ran out: the kernel killed what took most of it (--memory)\n";
    }
    for sentence in &report.not_reproduced {
        text += &format!("rootlet: not as in production: {}\n", printable(sentence));
    }
    text
}

/// ` (KILL)`, where it has a name.
fn name_of(signal: u8) -> String {
    let name = signal_hook::low_level::signal_name(signal.into());
    name.map(|name| format!(" ({})", name.trim_start_matches("SIG"))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names() {
        assert_eq!(name_of(9), " (KILL)");
        assert_eq!(name_of(200), "");
    }

    #[test]
    fn nothing_is_said_where_nothing_ran() {
        assert_eq!(summary(None, Outcome::Failed, false, None, 0), "");
    }
}
