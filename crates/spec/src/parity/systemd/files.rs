//! What of the file system a service may write, read and see.

use super::super::error::Error;
use super::super::{Like, MOST_MOUNTS, of_the_kernel};
use super::unit::{Assignment, Settings};
use crate::{Access, Mount, Rights, mode, mount};
use std::path::Path;

pub fn read(like: &mut Like, settings: &mut Settings, dynamic: bool) -> Result<(), Error> {
    let mut mounts = Vec::new();
    protect_system(like, settings, dynamic, &mut mounts)?;
    protect_home(settings, dynamic, &mut mounts)?;
    for (key, access) in [
        ("ReadOnlyPaths", Access::ReadOnly),
        ("InaccessiblePaths", Access::Hidden),
        ("ReadWritePaths", Access::Writable),
    ] {
        for a in settings.take(key) {
            for word in a.words()? {
                let optional = word.starts_with('-') || word.starts_with("+-");
                let target = path(&a, word.trim_start_matches(['-', '+']))?;
                // The root itself is no place in it.
                match (mount::lexical(&target).as_str(), access) {
                    ("/", Access::Writable) => like.spec.read_only = false,
                    ("/", Access::ReadOnly) => like.spec.read_only = true,
                    ("/", Access::Hidden) => return Err(a.error("nothing is left to run")),
                    _ => put(&mut mounts, Mount::Itself { target, access, optional }),
                }
            }
        }
    }
    for a in settings.take("TemporaryFileSystem") {
        for word in a.words()? {
            let (target, options) = word.split_once(':').unwrap_or((&word, ""));
            let target = path(&a, target)?;
            if mount::lexical(&target) == "/" {
                like.losses.push(super::loss(&a, "the root stays the base"));
                continue;
            }
            let options = options.split(',').find_map(|option| option.strip_prefix("mode="));
            let mode = options.map_or(Ok(0o755), mode::parse).map_err(|e| a.error(e.reason()))?;
            put(&mut mounts, Mount::Tmpfs { target, size: None, mode });
        }
    }
    binds(like, settings, &mut mounts)?;
    let private = match settings.last("PrivateTmp") {
        Some(a) => a.value == "disconnected" || a.truth()?,
        None => false,
    };
    if private || dynamic {
        for target in ["/tmp", "/var/tmp"] {
            put(&mut mounts, directory(target, Rights::root(0o1777)));
        }
    }
    directories(like, settings, &mut mounts)?;
    workdir(like, settings)?;
    if mounts.len() > MOST_MOUNTS {
        return Err(Error::new(format!("it names more than {MOST_MOUNTS} places")));
    }
    mounts.sort_by_key(Mount::depth);
    like.spec.mounts = mounts;
    Ok(())
}

/// A place of the root at the same place, which is there whatever else hides it; what is bound from elsewhere is an empty directory.
fn binds(like: &mut Like, settings: &mut Settings, mounts: &mut Vec<Mount>) -> Result<(), Error> {
    for (key, access) in [("BindPaths", Access::Writable), ("BindReadOnlyPaths", Access::ReadOnly)] {
        for a in settings.take(key) {
            for word in a.words()? {
                let (word, optional) = match word.strip_prefix('-') {
                    Some(word) => (word.to_owned(), true),
                    None => (word, false),
                };
                let mut parts = word.split(':');
                let source = path(&a, parts.next().unwrap_or_default())?;
                let target = parts.next().filter(|target| !target.is_empty()).unwrap_or(&source);
                let target = mount::lexical(&path(&a, target)?);
                let covered = mounts.iter().any(|mount| {
                    let hides =
                        matches!(mount, Mount::Tmpfs { .. } | Mount::Itself { access: Access::Hidden, .. });
                    hides && Path::new(&target).starts_with(mount.target())
                });
                if of_the_kernel(&target) {
                    like.losses.push(super::loss(&a, "the rootlet's own stays there"));
                } else if target == mount::lexical(&source) && !covered {
                    put(mounts, Mount::Itself { target, access, optional });
                } else {
                    let why = format!(
                        "what is at {source} is not bound: an empty directory of root's stands at {target}"
                    );
                    like.losses.push(super::loss(&a, why));
                    let mut stand_in = directory(&target, Rights::root(0o755));
                    if let Mount::Directory { read_only, .. } = &mut stand_in {
                        *read_only = access == Access::ReadOnly;
                    }
                    put(mounts, stand_in);
                }
            }
        }
    }
    Ok(())
}

/// Beyond what any unit has, more of it is let go of: read() says so.
fn put(mounts: &mut Vec<Mount>, mount: Mount) {
    if mounts.len() <= MOST_MOUNTS {
        mounts.retain(|known| known.target() != mount.target());
        mounts.push(mount);
    }
}

fn directory(target: &str, rights: Rights) -> Mount {
    Mount::Directory {
        target: target.into(),
        volume: format!("systemd{target}"),
        sub_path: String::new(),
        rights,
        size: None,
        read_only: false,
    }
}

fn path(a: &Assignment, text: &str) -> Result<String, Error> {
    mount::parse_workdir(text).map_err(|e| a.error(e.reason()))
}

fn protect_system(
    like: &mut Like,
    settings: &mut Settings,
    dynamic: bool,
    mounts: &mut Vec<Mount>,
) -> Result<(), Error> {
    let a = settings.last("ProtectSystem");
    let value = if dynamic { "strict" } else { a.as_ref().map_or("no", |a| a.value.as_str()) };
    let places: &[&str] = match value {
        "strict" => {
            like.spec.read_only = true;
            &[]
        }
        "full" => &["/usr", "/boot", "/efi", "/etc"],
        _ => match a.as_ref().is_some_and(|a| a.truth().unwrap_or(false)) {
            true => &["/usr", "/boot", "/efi"],
            false if a.as_ref().is_none_or(|a| a.truth().is_ok()) => &[],
            false => return Err(a.expect("it was said").error("expected yes, no, full or strict")),
        },
    };
    for place in places {
        mounts.push(Mount::Itself { target: (*place).into(), access: Access::ReadOnly, optional: true });
    }
    Ok(())
}

fn protect_home(settings: &mut Settings, dynamic: bool, mounts: &mut Vec<Mount>) -> Result<(), Error> {
    let a = settings.last("ProtectHome");
    let value = match &a {
        Some(a) if !(dynamic && a.truth().is_ok_and(|hidden| !hidden)) => a.value.as_str(),
        _ if dynamic => "read-only",
        _ => "no",
    };
    for place in ["/home", "/root", "/run/user"] {
        let target = place.to_owned();
        match value {
            "read-only" => mounts.push(Mount::Itself { target, access: Access::ReadOnly, optional: true }),
            "tmpfs" => mounts.push(Mount::Tmpfs { target, size: None, mode: 0o755 }),
            _ => {
                let hidden = match &a {
                    Some(a) => a.truth().map_err(|_| a.error("expected yes, no, read-only or tmpfs"))?,
                    None => false,
                };
                if hidden {
                    mounts.push(Mount::Itself { target, access: Access::Hidden, optional: true });
                }
            }
        }
    }
    Ok(())
}

/// The setting, where its directories lie, its variable, and whether they are the user's.
const DIRECTORIES: [(&str, &str, &str, bool); 5] = [
    ("RuntimeDirectory", "/run", "RUNTIME_DIRECTORY", true),
    ("StateDirectory", "/var/lib", "STATE_DIRECTORY", true),
    ("CacheDirectory", "/var/cache", "CACHE_DIRECTORY", true),
    ("LogsDirectory", "/var/log", "LOGS_DIRECTORY", true),
    ("ConfigurationDirectory", "/etc", "CONFIGURATION_DIRECTORY", false),
];

fn directories(like: &mut Like, settings: &mut Settings, mounts: &mut Vec<Mount>) -> Result<(), Error> {
    settings.take("RuntimeDirectoryPreserve");
    for (key, below, variable, users) in DIRECTORIES {
        let mode = settings.last(&format!("{key}Mode"));
        if let Some(a) = mode.as_ref().filter(|_| !users) {
            like.losses.push(super::loss(a, "the mode is that of the base's directory, else 0755"));
        }
        let bits = match mode {
            Some(a) => mode::parse(&a.value).map_err(|e| a.error(e.reason()))?,
            None => 0o755,
        };
        let mut all = Vec::new();
        for a in settings.take(key) {
            for word in a.words()? {
                // Behind a colon: further names of it.
                let name = word.split(':').next().unwrap_or_default();
                if name.starts_with('/') {
                    return Err(a.error("expected a relative path"));
                }
                let target = path(&a, &format!("{below}/{name}"))?;
                let rights = Rights { uid: None, gid: None, mode: bits };
                // What the program's package has configured stays.
                let kept = || Mount::Volume { target: target.clone() };
                put(mounts, if users { directory(&target, rights) } else { kept() });
                all.push(target);
            }
        }
        if !all.is_empty() {
            like.spec.env.push((variable.into(), all.join(":")));
        }
    }
    Ok(())
}

fn workdir(like: &mut Like, settings: &mut Settings) -> Result<(), Error> {
    like.spec.workdir = Some("/".into());
    if let Some(a) = settings.last("WorkingDirectory") {
        let text = a.value.trim_start_matches('-');
        match text {
            "~" => like.losses.push(super::loss(&a, "the home of the user is known inside: it is / instead")),
            text => like.spec.workdir = Some(path(&a, text)?),
        }
    }
    Ok(())
}
