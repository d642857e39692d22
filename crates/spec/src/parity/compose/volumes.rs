//! Volumes, tmpfs, secrets and configs of a service.
//!
//! What is bound of the host is bound only where it lies in the directory of the file: a test that merely reads a deployment must
//! not write to the machine around it.

use super::super::error::Error;
use super::super::fields::{At, Fields};
use super::super::{Like, MOST_MOUNTS, Request, of_the_kernel};
use super::interpolate::Variables;
use super::{Named, one_or_many};
use crate::{Access, Content, Entry, Mount, Rights, mode, mount, size};
use std::path::{Component, PathBuf};

pub fn read(like: &mut Like, service: &mut Fields, named: &Named, request: &Request) -> Result<(), Error> {
    let mut mounts = std::mem::take(&mut like.spec.mounts);
    for at in service.list("volumes")? {
        let volume = match at.node.text() {
            Some(text) => short(&at, text)?,
            None => long(&at, like)?,
        };
        if of_the_kernel(&volume.target) {
            like.losses.push(at.loss("the rootlet's own stays there"));
            continue;
        }
        if mounts.len() >= MOST_MOUNTS {
            return Err(at.error("more is mounted than any deployment has"));
        }
        mounts.retain(|mount| mount.target() != volume.target);
        volume.mounts(&at, like, request, &mut mounts)?;
    }
    for at in one_or_many(service, "tmpfs")? {
        mounts.push(tmpfs(&at, at.text()?)?);
    }
    for (field, all) in [("secrets", &named.secrets), ("configs", &named.configs)] {
        for at in service.list(field)? {
            mounts.extend(file(&at, field, all.as_ref(), like, request)?);
        }
    }
    mounts.sort_by_key(Mount::depth);
    like.spec.mounts = mounts;
    Ok(())
}

struct Volume {
    kind: Kind,
    target: String,
    read_only: bool,
}

enum Kind {
    Bind(String),
    Unknown,
    /// With a name or without: what the image has there is copied into it.
    Fresh,
    /// Without what the image has there.
    Bare,
    /// What a rootlet has not.
    Other,
    Tmpfs(Option<u64>, u32),
}

fn checked_target(at: &At, path: &str) -> Result<String, Error> {
    mount::parse_workdir(path).map_err(|e| at.error(e.reason()))
}

fn short(at: &At, text: &str) -> Result<Volume, Error> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        [target] => (None, target, ""),
        [source, target] => (Some(source), target, ""),
        [source, target, options] => (Some(source), target, options),
        _ => return Err(at.error("expected [SOURCE:]TARGET[:ro]")),
    };
    let kind = match source {
        // docker refuses it; a variable that is not set has been told.
        Some("") => Kind::Unknown,
        Some(path) if path.starts_with(['.', '/', '~']) => Kind::Bind(path.to_owned()),
        _ if options.split(',').any(|option| option == "nocopy") => Kind::Bare,
        _ => Kind::Fresh,
    };
    let read_only = options.split(',').any(|option| option == "ro");
    Ok(Volume { kind, target: checked_target(at, target)?, read_only })
}

fn long(at: &At, like: &mut Like) -> Result<Volume, Error> {
    let mut fields = at.map()?;
    let target = fields.required("target")?;
    let target = checked_target(&target, target.text()?)?;
    let read_only = fields.truth("read_only")?.unwrap_or(false);
    let kind_at = fields.required("type")?;
    let kind = match kind_at.text()? {
        "bind" => Kind::Bind(fields.required("source")?.text()?.to_owned()),
        "volume" => {
            let mut options = fields.map("volume")?;
            let nocopy = options.as_mut().map(|options| options.truth("nocopy")).transpose()?.flatten();
            if let Some(mut options) = options {
                options.lose("subpath", &mut like.losses, "the directory is a fresh one");
                options.ignore(&["labels"]);
                options.rest(&mut like.losses);
            }
            if nocopy == Some(true) { Kind::Bare } else { Kind::Fresh }
        }
        "image" | "npipe" | "cluster" => Kind::Other,
        "tmpfs" => {
            let (mut bytes, mut bits) = (None, 0o1777);
            if let Some(mut options) = fields.map("tmpfs")? {
                bytes = options
                    .get("size")
                    .map(|at| size::parse(at.scalar()?).map_err(|e| at.error(e.to_string())))
                    .transpose()?;
                if let Some(at) = options.get("mode") {
                    bits = u32::try_from(at.integer()?)
                        .ok()
                        .filter(|&mode| mode <= 0o7777)
                        .ok_or_else(|| at.error("is no mode"))?;
                }
            }
            Kind::Tmpfs(bytes, bits)
        }
        other => {
            return Err(kind_at
                .error(format!("unknown type {other}"))
                .with_hint("expected bind, volume, tmpfs, image, npipe or cluster"));
        }
    };
    fields.ignore(&["bind", "consistency", "image", "source", "tmpfs", "volume"]);
    fields.rest(&mut like.losses);
    Ok(Volume { kind, target, read_only })
}

impl Volume {
    fn mounts(self, at: &At, like: &mut Like, request: &Request, all: &mut Vec<Mount>) -> Result<(), Error> {
        let Self { kind, target, read_only } = self;
        match kind {
            Kind::Fresh => {
                all.push(Mount::Volume { target: target.clone() });
                if read_only {
                    all.push(Mount::Itself { target, access: Access::ReadOnly, optional: false });
                }
            }
            Kind::Bare => all.push(empty(target, read_only)),
            Kind::Other => {
                like.losses
                    .push(at.loss("this kind is not here: an empty directory of root's stands in its place"));
                all.push(empty(target, read_only));
            }
            Kind::Unknown => {
                like.losses
                    .push(at.loss("its source is empty: an empty directory of root's stands in its place"));
                all.push(empty(target, read_only));
            }
            Kind::Tmpfs(size, mode) => all.push(Mount::Tmpfs { target, size, mode }),
            Kind::Bind(source) => match of_project(&source, request) {
                Some(path) if request.around.exists(&path) => {
                    all.push(Mount::Bind { source: path, target, read_only })
                }
                inside => {
                    let why = match inside {
                        Some(_) => "it is not there: an empty directory of root's, as docker makes it",
                        None => {
                            "it lies outside of the file's directory, so it is not touched: an empty directory of root's; \
                                 --volume binds it"
                        }
                    };
                    like.losses.push(at.loss(why));
                    all.push(empty(target, read_only));
                }
            },
        }
        Ok(())
    }
}

fn empty(target: String, read_only: bool) -> Mount {
    let volume = format!("compose{target}");
    Mount::Directory {
        target,
        volume,
        sub_path: String::new(),
        rights: Rights::root(0o755),
        size: None,
        read_only,
    }
}

/// Where it lies, if that is in the directory of the file; by name alone, and what is there is not resolved, either, until it
/// is bound as the caller.
fn of_project(source: &str, request: &Request) -> Option<PathBuf> {
    let directory = request.around.directory();
    let mut path = PathBuf::new();
    for part in directory.join(source).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    (!source.starts_with('~') && path.starts_with(directory)).then_some(path)
}

/// `TARGET[:OPTIONS]`, where docker hands the options on to mount(2).
fn tmpfs(at: &At, text: &str) -> Result<Mount, Error> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let target = checked_target(at, target)?;
    let wrong = |e: crate::ParseError| at.error(e.to_string());
    let (mut bytes, mut bits, mut uid, mut gid) = (None, 0o1777, None, None);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let number = |value: &str| value.parse::<u32>().map_err(|_| at.error(format!("`{option}` is no id")));
        match option.split_once('=') {
            Some(("size", value)) => bytes = Some(size::parse(value).map_err(wrong)?),
            Some(("mode", value)) => bits = mode::parse(value).map_err(wrong)?,
            Some(("uid", value)) => uid = Some(number(value)?),
            Some(("gid", value)) => gid = Some(number(value)?),
            _ if matches!(option, "rw" | "nosuid" | "nodev" | "exec" | "noexec" | "suid" | "dev") => {}
            _ => {
                return Err(at
                    .error(format!("unknown option `{option}`"))
                    .with_hint("expected size, mode, uid or gid"));
            }
        }
    }
    if uid.or(gid).is_none() {
        return Ok(Mount::Tmpfs { target, size: bytes, mode: bits });
    }
    let rights = Rights { uid: uid.or(Some(0)), gid: gid.or(Some(0)), mode: bits };
    let (volume, sub_path) = (format!("tmpfs{target}"), String::new());
    Ok(Mount::Directory { target, volume, sub_path, rights, size: bytes, read_only: false })
}

/// A secret or config: a file of the project, or what the file itself says.
fn file(
    at: &At,
    field: &str,
    all: Option<&At>,
    like: &mut Like,
    request: &Request,
) -> Result<Option<Mount>, Error> {
    let (name, target, mode) = match at.node.text() {
        Some(name) => (name, None, None),
        None => {
            let mut fields = at.map()?;
            let name = fields.required("source")?.text()?;
            let mode = fields.get("mode").map(|at| at.integer()).transpose()?;
            // Compose itself leaves out uid and gid.
            fields.ignore(&["uid", "gid"]);
            (name, fields.text("target")?, mode)
        }
    };
    let Some(definition) = all.and_then(|at| at.node.get(name)) else {
        return Err(at.error(format!("{field} has no {name}")));
    };
    let definition = At::new(definition, format!("{field}.{name}"));
    let default = if field == "secrets" { format!("/run/secrets/{name}") } else { format!("/{name}") };
    let target = match target {
        Some(target) if !target.starts_with('/') => format!("/run/secrets/{target}"),
        Some(target) => target.to_owned(),
        None => default,
    };
    let target = checked_target(at, &target)?;
    let mut fields = definition.map()?;
    if let Some(file) = fields.get("file")
        && let Some(source) = of_project(file.text()?, request)
        && request.around.exists(&source)
    {
        return Ok(Some(Mount::Bind { source, target, read_only: true }));
    }
    let content = match (fields.text("content")?, fields.text("environment")?) {
        (Some(content), _) => Some(content.to_owned()),
        (None, Some(name)) => Variables::of(request)?.get(name),
        _ => None,
    };
    if content.is_none() {
        like.losses
            .push(definition.loss("what it holds is not known here: an empty file stands in its place"));
    }
    let mode = mode.and_then(|mode| u32::try_from(mode).ok()).filter(|&mode| mode <= 0o777).unwrap_or(0o444);
    let content = Content::File(content.unwrap_or_default().into_bytes());
    let entries = vec![Entry { path: "file".into(), content, rights: Rights::root(mode) }];
    Ok(Some(Mount::Files { target, entries, sub_path: "file".into() }))
}
