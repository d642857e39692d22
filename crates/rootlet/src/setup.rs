//! Runs the scripts of packages in a rootlet, as root.

use crate::commit::Commit;
use crate::{Result, Rootlet, Stdio};
use rootlet_base::{Base, Error, LayerWriter, PackedLayer, Script, Setup};
use rootlet_spec::{GroupSpec, Net, UserSpec, printable};
use std::fs::File;
use std::io::{Read, Seek};

/// How much of what a script said is told when it fails.
const LAST_WORDS: usize = 20;

/// Who runs them.
#[derive(Debug)]
pub(crate) struct InRootlet;

impl Setup for InRootlet {
    fn run(&self, base: &Base, script: &Script, layer: LayerWriter) -> Result<PackedLayer, Error> {
        let failed = |e: crate::Error| {
            Error::set_up(format!("failed to {}: {e}", script.what), e.hint().map(str::to_owned))
        };
        let root = rootlet_for(base, script).map_err(failed)?;
        run(&root, script)?;
        let commit = Commit { epoch: script.epoch, leave_out: script.leave_out.clone() };
        root.commit(&commit, layer).map_err(failed)
    }
}

fn rootlet_for(base: &Base, script: &Script) -> Result<Rootlet> {
    // By number: a root that is being made may have no passwd yet.
    let root = UserSpec::Id(0, Some(GroupSpec::Id(0)));
    let mut builder = Rootlet::builder(base).net(if script.network { Net::Host } else { Net::None });
    builder.spec.user = Some(root);
    for (name, value) in &script.env {
        builder = builder.env(name, value);
    }
    builder.env("SOURCE_DATE_EPOCH", script.epoch.to_string()).spawn()
}

/// Its words go into a file, so that no pipe holds it up.
fn run(root: &Rootlet, script: &Script) -> Result<(), Error> {
    let broken = |e: std::io::Error| Error::set_up(format!("failed to {}: {e}", script.what), None);
    let mut said = unnamed_file().map_err(broken)?;
    let output = || said.try_clone().map(Stdio::from).map_err(broken);
    let mut command = root.command("/bin/sh");
    let status =
        command.arg("-c").arg(&script.text).stdin(Stdio::null()).stdout(output()?).stderr(output()?).status();
    let status = status.map_err(|e| Error::set_up(format!("failed to {}: {e}", script.what), None))?;
    if status.success() {
        return Ok(());
    }
    let mut text = String::new();
    said.rewind().and_then(|()| said.read_to_string(&mut text)).map_err(broken)?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n");
    Err(Error::set_up(
        format!("failed to {}: its script ended with {status}", script.what),
        Some(format!("it said:\n{}", last.lines().map(printable).collect::<Vec<_>>().join("\n"))),
    ))
}

fn unnamed_file() -> std::io::Result<File> {
    let file = rustix::fs::memfd_create("rootlet-script", rustix::fs::MemfdFlags::CLOEXEC)?;
    Ok(file.into())
}
