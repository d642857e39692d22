//! What a pod's init containers do before its container starts: each runs to its end in a rootlet of its own, and what it leaves in the
//! pod's volumes is carried to the next. They stand on the container's base, whatever their image is.

use crate::builder::Builder;
use crate::{Error, ErrorKind, Result, Rootlet, why};
use rootlet_spec::parity::{Like, Loss};
use rootlet_spec::{Content, Entry, Mount, Rights, Spec, printable};
use std::collections::BTreeMap;
use std::io;

/// What volumes may hold together, since it is carried in memory.
const MOST_BYTES: u64 = 256 << 20;

/// What is in the volumes so far, by their names: parents first, the empty path is the volume itself.
#[derive(Debug, Default)]
pub(crate) struct Volumes(BTreeMap<String, Vec<Entry>>);

/// Runs them in order. `main` is the builder of the container itself, and is told what of them is not as it would be.
pub(crate) fn run(main: &Builder, like: &mut Like) -> Result<Volumes> {
    let mut volumes = Volumes::default();
    let first = like.losses.iter().position(|loss| loss.path.ends_with("spec.initContainers"));
    let said = first.map(|at| like.losses.remove(at));
    for init in std::mem::take(&mut like.init) {
        let other_image = init.image.as_ref().filter(|image| like.image.as_ref() != Some(*image));
        if let (Some(image), Some(said)) = (other_image, &said) {
            let why =
                format!("{} ran on the base of this one, not on its image {}", init.what, printable(image));
            like.losses.push(Loss { says: String::new(), why, ..said.clone() });
        }
        volumes = perform(main, &init, other_image.is_some(), volumes)
            .map_err(|e| e.within(printable(&init.what)))?;
    }
    Ok(volumes)
}

fn perform(main: &Builder, init: &Like, other_image: bool, mut volumes: Volumes) -> Result<Volumes> {
    if other_image && init.spec.entrypoint.is_none() {
        return Err(Error::new(
            ErrorKind::Spec,
            "it names no command, and its image, which may, is not here",
        ));
    }
    let mut builder = Rootlet::builder(&main.base).like(init);
    let (spec, asked) = (&mut builder.spec, &main.spec);
    (spec.tier, spec.explain, spec.timeout, spec.writable) =
        (asked.tier, asked.explain, asked.timeout, asked.writable);
    spec.net = asked.net;
    volumes.show(spec);
    let root = builder.spawn()?;
    volumes.fill(&root)?;
    let Some(mut command) = root.default_command() else {
        return Err(Error::new(ErrorKind::Spec, "it names no command, and the base names none"));
    };
    let (output, why) = match asked.explain {
        true => command.explain().map(|explained| (explained.output, explained.why))?,
        false => (command.output()?, why::Why::default()),
    };
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let reason = why.refusals.first().filter(|refusal| !refusal.handled).map(|refusal| refusal.reason());
        let hint = reason.unwrap_or_else(|| format!("it said: {}", printable(&error)));
        let failed = Error::new(ErrorKind::Command, format!("it failed with {}", output.status));
        return Err(failed.with_hint(hint));
    }
    volumes.gather(&root)?;
    Ok(volumes)
}

impl Volumes {
    /// Where a container may not write, what is there has to be there from the beginning.
    pub fn show(&self, spec: &mut Spec) {
        for mount in &mut spec.mounts {
            let Mount::Directory { target, volume, sub_path, read_only: true, .. } = mount else { continue };
            let Some(entries) = self.0.get(volume) else { continue };
            if sub_path.is_empty() || entries.iter().any(|entry| entry.path == *sub_path) {
                *mount = Mount::Files {
                    target: target.clone(),
                    entries: entries.clone(),
                    sub_path: sub_path.clone(),
                };
            }
        }
    }

    /// Puts what is known into the volumes that a container may write.
    pub fn fill(&self, root: &Rootlet) -> Result<()> {
        for (target, volume, sub_path) in writable(root) {
            for entry in crate::volumes::below(self.0.get(volume).map_or(&[], Vec::as_slice), sub_path) {
                let path = join(target, &entry.path);
                let made = put(root, &path, &entry);
                made.map_err(|e| Error::io(format!("failed to carry {path} over"), e))?;
            }
        }
        Ok(())
    }

    /// Takes what is in the volumes that a container could write.
    fn gather(&mut self, root: &Rootlet) -> Result<()> {
        for (target, volume, sub_path) in writable(root) {
            let entries = self.0.entry(volume.to_owned()).or_default();
            entries.retain(|entry| !is_below(&entry.path, sub_path));
            let mut left = MOST_BYTES;
            take(root, target, sub_path, entries, &mut left)
                .map_err(|e| Error::io(format!("failed to read what is left in {target}"), e))?;
        }
        Ok(())
    }
}

/// Target, volume and path in it.
fn writable(root: &Rootlet) -> Vec<(&str, &str, &str)> {
    let of = |mount| match mount {
        &Mount::Directory { ref target, ref volume, ref sub_path, read_only: false, .. } => {
            Some((target.as_str(), volume.as_str(), sub_path.as_str()))
        }
        _ => None,
    };
    root.spec().mounts.iter().filter_map(of).collect()
}

fn is_below(path: &str, top: &str) -> bool {
    top.is_empty() || path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn join(directory: &str, name: &str) -> String {
    match (directory, name) {
        (directory, "") => directory.to_owned(),
        ("", name) => name.to_owned(),
        (directory, name) => format!("{}/{name}", directory.trim_end_matches('/')),
    }
}

fn take(root: &Rootlet, at: &str, path: &str, all: &mut Vec<Entry>, left: &mut u64) -> io::Result<()> {
    let found = root.symlink_metadata(at)?;
    let content = if found.is_dir() {
        Content::Directory
    } else if found.is_symlink() {
        Content::Symlink(root.read_link(at)?.to_string_lossy().into_owned())
    } else if found.is_file() {
        *left = left.checked_sub(found.len()).ok_or_else(|| io::Error::other("it is more than 256 MiB"))?;
        Content::File(root.read(at)?)
    } else {
        // Sockets and pipes end with who made them.
        return Ok(());
    };
    let is_directory = content == Content::Directory;
    let rights = Rights { uid: Some(found.uid()), gid: Some(found.gid()), mode: found.mode() & 0o7777 };
    all.push(Entry { path: path.to_owned(), content, rights });
    if is_directory {
        for entry in root.read_dir(at)? {
            let name = entry.file_name().to_string_lossy().into_owned();
            take(root, &join(at, &name), &join(path, &name), all, left)?;
        }
    }
    Ok(())
}

fn put(root: &Rootlet, path: &str, entry: &Entry) -> io::Result<()> {
    let Rights { uid, gid, mode } = entry.rights;
    match &entry.content {
        Content::Directory => root.create_dir_all(path)?,
        Content::File(bytes) => root.write(path, bytes)?,
        Content::Symlink(to) => {
            root.symlink(to, path)?;
            return root.lchown(path, uid, gid);
        }
    }
    root.chown(path, uid, gid)?;
    root.set_permissions(path, mode)
}
