//! The questions, by the type of what they are asked of.

use super::pattern::{Patterns, matcher};
use super::place::{Found, Kind, Place};
use super::state::What;
use super::{Engine, Result};
use crate::functions::Failed;
use rootlet_base::ExportTarget;
use rootlet_spec::pipeline::{Call, Changes, Container, Directory, File, Secret, Service};
use rootlet_spec::{mount::lexical, similar};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// The arguments of all questions.
#[derive(Default, Deserialize)]
#[serde(default)]
struct With {
    path: String,
    name: String,
    pattern: String,
    plaintext: String,
    address: String,
    expected_type: Option<String>,
    do_not_follow_symlinks: bool,
    wipe: bool,
    allow_parent_dir_path: bool,
    port: Option<u16>,
    scheme: Option<String>,
    ports: Vec<Port>,
}

/// A port of this machine, and the one of a service that it leads to.
#[derive(Deserialize)]
struct Port {
    #[serde(default)]
    frontend: Option<u16>,
    backend: u16,
}

pub(super) fn answer(engine: &Engine, name: &str, on: &Value, with: &Map<String, Value>) -> Result<Value> {
    let with: With = read(&Value::Object(with.clone()), "arguments")?;
    match on.get("$").and_then(Value::as_str) {
        Some("Container") => container(engine, name, &read(on, "container")?, &with),
        Some("Directory") => directory(engine, name, &read(on, "directory")?, &with),
        Some("File") => file(engine, name, &read(on, "file")?, &with),
        Some("Service") => service(engine, name, &read(on, "service")?, &with),
        Some("Secret") => secret(engine, name, &read(on, "secret")?),
        Some("GitRef") => engine.git_ref(name, &read(on, "version of a repository")?),
        Some("GitRepository") => engine.git_repository(name, &read(on, "repository")?),
        Some("Changeset") => changes(engine, name, &read(on, "changes")?, &with),
        Some("Call") => match name {
            "call" => engine.call(&read::<Call>(on, "call")?),
            _ => Err(unknown(name, &["call"])),
        },
        Some(other) => Err(Failed::query(format!("nothing can be asked of a `{other}`"))),
        None => session(engine, name, &with),
    }
}

fn read<T: DeserializeOwned>(value: &Value, what: &str) -> Result<T> {
    serde_json::from_value(value.clone()).map_err(|e| {
        // Of a step that is not understood, serde says only that.
        let step = odd_step(value).map(|step| format!(" (at `{step}`)")).unwrap_or_default();
        Failed::query(format!("this {what} is not understood{step}: {e}"))
    })
}

/// The first step that nobody knows, or whose arguments are of another type.
fn odd_step(value: &Value) -> Option<String> {
    use rootlet_spec::pipeline::{ContainerStep, DirectoryStep};
    let is_container = value.get("$")? == "Container";
    let odd = |step: &&Value| match is_container {
        true => serde_json::from_value::<ContainerStep>((*step).clone()).is_err(),
        false => serde_json::from_value::<DirectoryStep>((*step).clone()).is_err(),
    };
    let step = value.get("steps")?.as_array()?.iter().find(odd)?;
    Some(rootlet_spec::printable(step.get("do")?.as_str()?).into_owned())
}

fn unknown(name: &str, known: &[&str]) -> Failed {
    let failed = Failed::query(format!("nobody knows what `{}` asks", rootlet_spec::printable(name)));
    match similar::nearest(name, known.iter().copied()) {
        Some(near) => failed.with_hint(format!("did you mean `{near}`?")),
        None => failed,
    }
}

fn session(engine: &Engine, name: &str, with: &With) -> Result<Value> {
    match name {
        "set_secret" => {
            engine.0.secrets.set(&with.name, &with.plaintext);
            Ok(json!(Secret { uri: None, name: Some(with.name.clone()) }))
        }
        "version" => Ok(json!(env!("CARGO_PKG_VERSION"))),
        "default_platform" => Ok(json!(rootlet_base::Platform::default().to_string())),
        "source" => Ok(json!(engine.0.directory)),
        _ => Err(unknown(name, &["set_secret", "version", "default_platform", "source"])),
    }
}

const OF_CONTAINERS: [&str; 21] = [
    "stdout",
    "stderr",
    "combined_output",
    "exit_code",
    "sync",
    "env_variable",
    "env_variables",
    "label",
    "labels",
    "user",
    "workdir",
    "entrypoint",
    "default_args",
    "exposed_ports",
    "mounts",
    "platform",
    "image_ref",
    "exists",
    "stat",
    "export",
    "publish",
];

fn container(engine: &Engine, name: &str, container: &Container, with: &With) -> Result<Value> {
    let steps = engine.steps(container)?;
    let said = |what: fn(&super::exec::Said) -> Value| Ok(what(&engine.verdict(&steps)?.said));
    match name {
        "stdout" => return said(|said| json!(said.stdout)),
        "stderr" => return said(|said| json!(said.stderr)),
        "combined_output" => return said(|said| json!(said.combined)),
        "exit_code" => return said(|said| json!(said.exit_code)),
        "sync" => {
            let runs = |step: &rootlet_spec::pipeline::ContainerStep| {
                matches!(step, rootlet_spec::pipeline::ContainerStep::WithExec(_))
            };
            if steps.iter().any(runs) {
                engine.verdict(&steps)?;
            }
            engine.after(&steps)?;
            return Ok(json!(container));
        }
        _ => {}
    }
    let state = engine.after(&steps)?;
    let config = &state.config;
    match name {
        "env_variable" => {
            Ok(json!(config.env.iter().find(|(known, _)| *known == with.name).map(|(_, value)| value)))
        }
        "env_variables" => {
            Ok(config.env.iter().map(|(name, value)| json!({"name": name, "value": value})).collect())
        }
        "label" => Ok(json!(config.labels.get(&with.name))),
        "labels" => {
            Ok(config.labels.iter().map(|(name, value)| json!({"name": name, "value": value})).collect())
        }
        "user" => Ok(json!(config.user.clone().unwrap_or_default())),
        "workdir" => Ok(json!(config.workdir.clone().unwrap_or_default())),
        "entrypoint" => Ok(json!(config.entrypoint)),
        "default_args" => Ok(json!(config.cmd)),
        "exposed_ports" => Ok(config.exposed_ports.iter().map(|port| exposed(port)).collect()),
        "mounts" => Ok(state.mounts.iter().map(|mounted| json!(mounted.path)).collect()),
        "platform" => Ok(json!(
            config.platform.clone().unwrap_or_else(|| rootlet_base::Platform::default().to_string())
        )),
        "image_ref" => Ok(json!(state.base.name())),
        "exists" | "stat" => {
            // What a mount covers is not seen by who only reads.
            let covered = |place: &str| {
                let cover = state.mounts.iter().filter(|mounted| !matches!(mounted.what, What::Copy { .. }));
                cover.map(|mounted| mounted.path.as_str()).any(|path| Path::new(place).starts_with(path))
            };
            let path = state.place(&with.path);
            if covered(&path) {
                return Err(Failed::query(format!("{path} is mounted anew for each command")));
            }
            look(&Place::Inside { root: engine.reader(&state.base)?, path }, name, with)
        }
        "export" => {
            let path = engine.0.directory.join(&with.path);
            engine.whole(container)?.export(&ExportTarget::OciArchive(path.clone(), "latest".into()))?;
            Ok(json!(path))
        }
        "publish" => {
            let target: ExportTarget = format!("docker://{}", with.address).parse()?;
            let logins = engine.logins(&steps)?;
            let exported = engine.whole(container)?.export_as(&target, &logins)?;
            Ok(json!(format!("{}@{}", with.address, exported.digest)))
        }
        "terminal" => {
            Err(Failed::query("a terminal is opened by the command that called, at the end of its line")
                .with_hint("`rootlet call FUNCTION terminal`"))
        }
        _ => Err(unknown(name, &OF_CONTAINERS)),
    }
}

fn exposed(port: &str) -> Value {
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    json!({"port": number.parse::<u16>().ok(), "protocol": protocol.to_uppercase(), "description": null})
}

const TYPES: [&str; 3] = ["REGULAR_TYPE", "DIRECTORY_TYPE", "SYMLINK_TYPE"];

/// Whether something is there, or what it is.
fn look(top: &Place, name: &str, with: &With) -> Result<Value> {
    let (place, link) =
        match (top, with.do_not_follow_symlinks || with.expected_type.as_deref() == Some(TYPES[2])) {
            (Place::Inside { root, path }, true) => {
                let path = Path::new(path);
                let parent = path.parent().unwrap_or(path).to_string_lossy().into_owned();
                (Place::Inside { root: root.clone(), path: parent }, path.file_name().map(PathBuf::from))
            }
            _ => (top.clone(), None),
        };
    let found = place.look(&link.unwrap_or_default());
    match (name, found) {
        ("exists", Ok(found)) => {
            let of = with.expected_type.as_deref();
            Ok(json!(of.is_none_or(|wanted| kind_name(&found) == wanted)))
        }
        ("exists", Err(e)) if absent(&e) => Ok(json!(false)),
        (_, Ok(found)) => Ok(json!({
            "name": Path::new(&top.told()).file_name().map(|name| name.to_string_lossy().into_owned()),
            "file_type": kind_name(&found),
            "permissions": found.mode,
            "size": found.size,
            "uid": found.uid,
            "gid": found.gid,
        })),
        (_, Err(e)) => Err(top.failed("look at", Path::new(""), e).into()),
    }
}

fn absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

fn kind_name(found: &Found) -> &'static str {
    match found.kind {
        Kind::File => TYPES[0],
        Kind::Directory => TYPES[1],
        Kind::Symlink(_) => TYPES[2],
        Kind::Other => "UNKNOWN",
    }
}

fn directory(engine: &Engine, name: &str, directory: &Directory, with: &With) -> Result<Value> {
    let place = engine.place(directory)?;
    let below = || place.join(&with.path);
    let texts = |found: Vec<Found>| -> Value {
        let told = |found: &Found| {
            let slash = if found.kind == Kind::Directory { "/" } else { "" };
            json!(format!("{}{slash}", found.relative.display()))
        };
        found.iter().filter(|found| !found.relative.as_os_str().is_empty()).map(told).collect()
    };
    match name {
        "entries" => {
            let mut found = below().walk(&Patterns::default())?;
            found.retain(|found| found.relative.components().count() == 1);
            Ok(texts(found))
        }
        "glob" => {
            let matcher = matcher(&with.pattern)?;
            let mut found = place.walk(&Patterns::default())?;
            found.retain(|found| matcher.is_match(&found.relative));
            Ok(texts(found))
        }
        "exists" | "stat" => look(&below(), name, with),
        "digest" => {
            Ok(json!(format!("sha256:{}", rootlet_base::Digest::of(place.contents_text()?.as_bytes()).hex())))
        }
        "name" => {
            Ok(json!(Path::new(&place.told()).file_name().map(|name| name.to_string_lossy().into_owned())))
        }
        "export" => Ok(json!(engine.export_directory(&place, &with.path, with.wipe)?)),
        "sync" => Ok(json!(directory)),
        _ => Err(unknown(name, &["entries", "glob", "exists", "stat", "digest", "name", "export", "sync"])),
    }
}

fn file(engine: &Engine, name: &str, file: &File, with: &With) -> Result<Value> {
    match name {
        "contents" => Ok(json!(engine.contents(file)?)),
        "size" => Ok(json!(engine.file_found(file)?.1.size)),
        "digest" => Ok(json!(engine.file_digest(file)?.to_string())),
        "name" => Ok(json!(engine.file_name(file)?)),
        "stat" => look(&engine.file_place(file)?, name, with),
        "export" => {
            let to = if with.allow_parent_dir_path { format!("{}/", with.path) } else { with.path.clone() };
            Ok(json!(engine.export_file(file, &to)?))
        }
        "sync" => {
            engine.file_found(file)?;
            Ok(json!(file))
        }
        _ => Err(unknown(name, &["contents", "size", "digest", "name", "stat", "export", "sync"])),
    }
}

fn service(engine: &Engine, name: &str, service: &Service, with: &With) -> Result<Value> {
    match name {
        "start" => {
            engine.service(service)?;
            Ok(json!(service))
        }
        "stop" => {
            engine.service(service)?.stop();
            Ok(json!(service))
        }
        "hostname" => Ok(json!(engine.hostname(service))),
        "ports" => Ok(engine.service(service)?.ports.iter().map(|port| exposed(&port.to_string())).collect()),
        "endpoint" => {
            let port = match with.port {
                Some(port) => port,
                None => *engine.service(service)?.ports.first().ok_or_else(|| {
                    Failed::query("the service exposes no port")
                        .with_hint("`with_exposed_port` says on which it serves")
                })?,
            };
            let scheme = with.scheme.as_ref().map(|scheme| format!("{scheme}://")).unwrap_or_default();
            Ok(json!(format!("{scheme}{}:{port}", engine.hostname(service))))
        }
        "up" => {
            let ports = with.ports.iter().map(|port| (port.frontend.unwrap_or(port.backend), port.backend));
            engine.up(service, &ports.collect::<Vec<_>>())?;
            Ok(Value::Null)
        }
        _ => Err(unknown(name, &["start", "stop", "hostname", "ports", "endpoint", "up"])),
    }
}

fn secret(engine: &Engine, name: &str, secret: &Secret) -> Result<Value> {
    match name {
        "plaintext" => Ok(json!(engine.0.secrets.plaintext(secret, &engine.0.directory)?)),
        "name" => Ok(json!(secret.name)),
        _ => Err(unknown(name, &["plaintext", "name"])),
    }
}

fn changes(engine: &Engine, name: &str, changes: &Changes, with: &With) -> Result<Value> {
    if name == "export" {
        return Ok(json!(engine.export_changes(changes, &with.path)?));
    }
    let found = engine.changes(changes)?;
    let paths = |paths: &[PathBuf]| -> Value {
        paths.iter().map(|path| json!(lexical(&path.to_string_lossy()).trim_start_matches('/'))).collect()
    };
    match name {
        "added_paths" => Ok(paths(&found.added)),
        "modified_paths" => Ok(paths(&found.modified)),
        "removed_paths" => Ok(paths(&found.removed)),
        "is_empty" => {
            Ok(json!(found.added.is_empty() && found.modified.is_empty() && found.removed.is_empty()))
        }
        _ => Err(unknown(name, &["added_paths", "modified_paths", "removed_paths", "is_empty", "export"])),
    }
}
