//! Runs scripts that make a root complete, in a rootlet.

use crate::commit::Commit;
use crate::{Error, Result, Rootlet, Stdio};
use rootlet_base::{Base, Error as BaseError, LayerWriter, PackedLayer, Script, Setup};
use rootlet_spec::{GroupSpec, Net, UserSpec, printable};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::process::ExitStatus;

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
        if let Some(said) = shell(&root, &script.text, None, &script.env, script.epoch).map_err(failed)? {
            let what = format!(
                "failed to {}: its script ended with {}:\n{}",
                script.what, said.status, said.last_words
            );
            return Err(BaseError::set_up(what, None));
        }
        root.commit(&Commit { epoch: script.epoch, leave_out: script.leave_out.clone() }, layer)
            .map_err(failed)
    }
}

/// What a script that failed had to say.
pub(crate) struct Said {
    pub status: ExitStatus,
    /// A colon and the end of its output, safe to print; nothing where it said nothing.
    pub last_words: String,
}

/// Runs a script of `/bin/sh`, as root unless said otherwise; `None` when it did well.
pub(crate) fn shell(
    root: &Rootlet,
    text: &str,
    user: Option<&str>,
    env: &[(String, String)],
    epoch: u64,
) -> Result<Option<Said>> {
    let broken = |e| Error::io("failed to keep what a script says", e);
    // A file, so that no pipe holds it up.
    let mut said = unnamed_file().map_err(broken)?;
    let output = || said.try_clone().map(Stdio::from).map_err(broken);
    let mut command = root.command("/bin/sh");
    command.arg("-c").arg(text).stdin(Stdio::null()).stdout(output()?).stderr(output()?);
    command.envs(env.iter().map(|(name, value)| (name, value))).env("SOURCE_DATE_EPOCH", epoch.to_string());
    if let Some(user) = user {
        command.user(user);
    }
    let status = command.status()?;
    if status.success() {
        return Ok(None);
    }
    let mut text = Vec::new();
    said.rewind().and_then(|()| said.read_to_end(&mut text)).map_err(broken)?;
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LAST_LINES)..].iter();
    let mut last_words = String::from(if lines.is_empty() { "" } else { ":" });
    last.for_each(|line| last_words += &format!("\n{}", printable(line)));
    Ok(Some(Said { status, last_words }))
}

fn unnamed_file() -> io::Result<File> {
    Ok(rustix::fs::memfd_create("rootlet-script", rustix::fs::MemfdFlags::CLOEXEC)?.into())
}
