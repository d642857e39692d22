//! `rootlet like`: what is understood of production's file; and what `run --like` takes from it.

use crate::args::{From, Like as LikeArgs};
use crate::failure::Failure;
use crate::output::{print, size, table};
use rootlet::like::{Like, read};
use rootlet::spec::mount::{Access, Mount, Rights};
use rootlet::spec::{Memberships, Spec, UserSpec, printable};

/// What the options name, if they name something.
pub fn of(files: &[String]) -> Result<Option<Like>, Failure> {
    if files.is_empty() { Ok(None) } else { Ok(Some(read(files)?)) }
}

/// The name of the base of a run.
pub fn base<'a>(from: &'a From, like: Option<&'a Like>) -> &'a str {
    let image = like.and_then(|like| like.image.as_deref());
    from.base.as_deref().or(image).unwrap_or("host")
}

/// Who did not name the image may have none of it here.
pub fn explain(failure: Failure, from: &From, name: &str) -> Failure {
    if from.base.is_some() || from.like.is_empty() || from.recipe.is_some() || from.preset.is_some() {
        return failure;
    }
    failure
        .while_doing(format!("failed to get the image of {}, {name}", from.like.join(" and ")))
        .also_hint("--base takes another root: host, or the image that you built")
}

/// `rootlet like`.
pub fn like(args: &LikeArgs) -> Result<(), Failure> {
    let like = read(&args.files)?;
    if args.json {
        let text = serde_json::to_string_pretty(&like);
        return print(&(text.map_err(|e| Failure::new("failed to write JSON").caused_by(e))? + "\n"));
    }
    let mut text = format!("{}: {}\n", like.kind, printable(&like.what));
    text += &table(&rows(&like));
    if like.losses.is_empty() {
        text += "\nAll of it is carried over.\n";
    } else {
        text += "\nNot carried over:\n";
        for loss in &like.losses {
            text += &format!("  {}  {}", loss.place, printable(&loss.path));
            text +=
                &if loss.says.is_empty() { String::new() } else { format!(": {}", printable(&loss.says)) };
            text += &format!("\n      {}\n", printable(&loss.why));
        }
    }
    print(&text)
}

/// A line for each thing that is said.
fn rows(like: &Like) -> Vec<Vec<String>> {
    let spec = &like.spec;
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            rows.push(vec![format!("  {name}"), printable(&value).into_owned()]);
        }
    };
    row("image", like.image.clone().unwrap_or_default());
    row("user", user(like));
    let groups: Vec<_> = spec.groups.iter().map(ToString::to_string).collect();
    row("groups", groups.join(", "));
    if spec.memberships == Memberships::Strict {
        row("image's groups", "not taken".into());
    }
    row("capabilities", capabilities(spec));
    row("ambient", spec.ambient.join(", "));
    row("new privileges", yes_no(spec.allow_new_privileges, "allowed", "refused").into());
    row("seccomp", yes_no(spec.seccomp_unconfined, "none", "the runtime's default").into());
    row("root", yes_no(spec.read_only, "read-only", "").into());
    for mount in &spec.mounts {
        row("mount", shown(mount));
    }
    row("work directory", spec.workdir.clone().unwrap_or_default());
    row("host name", spec.hostname.clone().unwrap_or_default());
    row("umask", spec.umask.map_or_else(String::new, |umask| format!("{umask:04o}")));
    let names: Vec<_> = spec.env.iter().map(|(name, _)| name.as_str()).collect();
    row("variables", names.join(" "));
    for (name, value) in &spec.sysctls {
        row("kernel parameter", format!("{name}={value}"));
    }
    row("memory", spec.limits.memory.map(size).unwrap_or_default());
    row("processes", spec.limits.pids.map(|n| n.to_string()).unwrap_or_default());
    row("processors", spec.limits.cpus.map(|n| n.to_string()).unwrap_or_default());
    for limit in &spec.ulimits {
        row("limit", limit.to_string());
    }
    row("command", spec.argv().join(" "));
    for init in &like.init {
        row("before", format!("{}: {}", init.what, init.spec.argv().join(" ")));
    }
    if !like.low_ports.is_empty() {
        let ports: Vec<_> = like.low_ports.iter().map(u16::to_string).collect();
        row("ports below 1024", format!("{}; with --net private they are its own", ports.join(", ")));
    }
    rows
}

fn yes_no<'a>(is: bool, yes: &'a str, no: &'a str) -> &'a str {
    if is { yes } else { no }
}

fn user(like: &Like) -> String {
    let user = match &like.spec.user {
        Some(user @ UserSpec::Id(_, None)) => {
            format!("{user}, with the group that the root's passwd gives it, else 0")
        }
        Some(user) => user.to_string(),
        None => "the image's, else root".into(),
    };
    if like.non_root { format!("{user}; not root") } else { user }
}

fn capabilities(spec: &Spec) -> String {
    let (add, drop) = (spec.caps.add.join(", "), spec.caps.drop.join(", "));
    match (add.is_empty(), drop.is_empty()) {
        (true, true) => "docker's default".into(),
        (false, true) => format!("docker's default and {add}"),
        (true, false) => format!("docker's default without {drop}"),
        (false, false) => format!("without {drop}, but {add}"),
    }
}

fn shown(mount: &Mount) -> String {
    let owner = |rights: &Rights| {
        let id = |id: Option<u32>| id.map_or_else(|| "user".into(), |id| id.to_string());
        format!("{}:{} {:04o}", id(rights.uid), id(rights.gid), rights.mode)
    };
    let ro = |read_only: &bool| if *read_only { ", read-only" } else { "" };
    let what = match mount {
        Mount::Bind { source, read_only, .. } => format!("{}{}", source.display(), ro(read_only)),
        Mount::Overlay { source, .. } => format!("{}, copy-on-write", source.display()),
        Mount::Tmpfs { mode, .. } => format!("in memory, 0:0 {mode:04o}"),
        Mount::Volume { .. } => "a fresh copy of what the image has there".into(),
        Mount::Directory { rights, read_only, size: bytes, .. } => {
            let bytes = bytes.map_or_else(String::new, |bytes| format!(", {}", size(bytes)));
            format!("a fresh directory, {}{bytes}{}", owner(rights), ro(read_only))
        }
        Mount::Files { entries, sub_path, .. } => {
            let file = entries.iter().find(|entry| !sub_path.is_empty() && entry.path == *sub_path);
            match file {
                Some(file) => format!("a file, {}, read-only", owner(&file.rights)),
                None => "files, read-only".into(),
            }
        }
        Mount::Itself { access: Access::Writable, .. } => "writable".into(),
        Mount::Itself { access: Access::ReadOnly, .. } => "read-only".into(),
        Mount::Itself { access: Access::Hidden, .. } => "hidden".into(),
    };
    format!("{}: {what}", mount.target())
}
