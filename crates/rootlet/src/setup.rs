//! Runs scripts that make a root complete, in a rootlet.

use crate::commit::Commit;
use crate::{Error, ErrorKind, Result, Rootlet, Stdio};
use rootlet_base::{Base, Error as BaseError, LayerWriter, PackedLayer, Script, Setup};
use rootlet_spec::{GroupSpec, Net, UserSpec, printable};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::time::Duration;

/// How much of what a script said is told when it fails.
const LAST_LINES: usize = 20;

/// Who runs the scripts of packages.
#[derive(Debug)]
pub(crate) struct InRootlet;

impl Setup for InRootlet {
    fn run(&self, base: &Base, script: &Script, layer: LayerWriter) -> Result<PackedLayer, BaseError> {
        let failed = |e: Error| {
            BaseError::set_up(format!("failed to {}: {e}", script.what), e.hint().map(str::to_owned))
        };
        let mut builder = Rootlet::builder(base).net(if script.network { Net::Host } else { Net::None });
        // By number: a root that is being made may have no passwd yet.
        builder.spec.user = Some(UserSpec::Id(0, Some(GroupSpec::Id(0))));
        let root = builder.spawn().map_err(failed)?;
        let Script { text, env, epoch, time, .. } = script;
        let job = Job { text, user: None, env, epoch: *epoch, time: *time };
        if let Some(said) = shell(&root, &job).map_err(failed)? {
            let what = format!("failed to {}: its script {}{}", script.what, said.end, said.last_words);
            return Err(BaseError::set_up(what, None));
        }
        root.commit(&Commit { epoch: script.epoch, leave_out: script.leave_out.clone() }, layer)
            .map_err(failed)
    }
}

/// A script of `/bin/sh`.
pub(crate) struct Job<'a> {
    pub text: &'a str,
    /// Who runs it; not said: root.
    pub user: Option<&'a str>,
    pub env: &'a [(String, String)],
    /// What programs take for the time of what they make, in seconds since 1970.
    pub epoch: u64,
    /// How long it may take.
    pub time: Duration,
}

/// What a script that failed had to say.
pub(crate) struct Said {
    /// How it ended: `ended with exit status: 1`.
    pub end: String,
    /// A colon and the end of its output, safe to print; nothing where it said nothing.
    pub last_words: String,
}

/// Runs a script; `None` when it did well.
pub(crate) fn shell(root: &Rootlet, job: &Job<'_>) -> Result<Option<Said>> {
    let broken = |e| Error::io("failed to keep what a script says", e);
    // A file, so that no pipe holds it up.
    let mut said = unnamed_file().map_err(broken)?;
    let output = || said.try_clone().map(Stdio::from).map_err(broken);
    let mut command = root.command("/bin/sh");
    command.arg("-c").arg(job.text).stdin(Stdio::null()).stdout(output()?).stderr(output()?);
    command.envs(job.env.iter().map(|(name, value)| (name, value)));
    command.env("SOURCE_DATE_EPOCH", job.epoch.to_string()).timeout(job.time);
    if let Some(user) = job.user {
        command.user(user);
    }
    let end = match command.status() {
        Ok(status) if status.success() => return Ok(None),
        Ok(status) => format!("ended with {status}"),
        Err(e) if e.kind() == ErrorKind::TimedOut => {
            format!("was ended after {} seconds", job.time.as_secs())
        }
        Err(e) => return Err(e),
    };
    let mut text = Vec::new();
    said.rewind().and_then(|()| said.read_to_end(&mut text)).map_err(broken)?;
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LAST_LINES)..].iter();
    let mut last_words = String::from(if lines.is_empty() { "" } else { ":" });
    last.for_each(|line| last_words += &format!("\n{}", printable(line)));
    Ok(Some(Said { end, last_words }))
}

fn unnamed_file() -> io::Result<File> {
    Ok(rustix::fs::memfd_create("rootlet-script", rustix::fs::MemfdFlags::CLOEXEC)?.into())
}
