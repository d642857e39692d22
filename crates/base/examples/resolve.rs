//! Resolves a base in the store and prints its id and the directories of its layers; with `--to TARGET` it exports it instead:
//! `cargo run -p rootlet-base --all-features --example resolve -- alpine:3.20`.
//!
//! The layers are unpacked for this user's own subordinate ids; as root, for 65536 ids from 1 000 000 000 on.

use rootlet_base::{Error, ErrorKind, ExportTarget, Progress, Pull, Resolver, Step, Store};
use rootlet_kernel::{IdMap, SubIds};
use std::process::ExitCode;
use std::sync::Arc;

struct Noted;

impl Progress for Noted {
    fn begin(&self, id: &str, step: Step, total: Option<u64>) {
        eprintln!("{step:?} {id} {}", total.unwrap_or(0));
    }
    fn note(&self, text: &str) {
        eprintln!("note: {text}");
    }
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let pull = match arguments.iter().position(|argument| argument == "--always") {
        Some(at) => {
            arguments.remove(at);
            Pull::Always
        }
        None => Pull::Missing,
    };
    let done = match &arguments[..] {
        [name] => resolve(name, pull),
        [name, to, target] if to == "--to" => export(name, target),
        _ => {
            eprintln!("usage: resolve [--always] BASE | resolve BASE --to TARGET");
            return ExitCode::from(125);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error ({:?}): {error}", error.kind());
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            if error.kind() == ErrorKind::NotInStore { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

fn resolve(name: &str, pull: Pull) -> Result<(), Error> {
    let store = Store::open_default()?;
    let resolver = Resolver::new(&store).pull(pull).progress(Arc::new(Noted)).unpack_for(map());
    let base = resolver.resolve(name)?;
    println!("{}", base.id());
    for layer in base.layer_paths(&map())? {
        println!("{}", layer.display());
    }
    Ok(())
}

fn export(name: &str, target: &str) -> Result<(), Error> {
    let target: ExportTarget = target.parse()?;
    let resolver = Resolver::new(&Store::open_default()?).progress(Arc::new(Noted));
    println!("{}", resolver.resolve(name)?.export(&target)?.digest);
    Ok(())
}

fn map() -> IdMap {
    let uid = rustix::process::getuid().as_raw();
    let ids = |file| {
        let table = std::fs::read_to_string(file).unwrap_or_default();
        let user = std::env::var("USER").unwrap_or_default();
        SubIds::from_table(&table, &user, uid).unwrap_or(SubIds { first: 1_000_000_000, count: 65_536 })
    };
    match uid {
        0 => {
            let all = SubIds { first: 1_000_000_000, count: 65_536 }.ranges(None);
            IdMap::new(all.clone(), all)
        }
        uid => {
            let gid = rustix::process::getgid().as_raw();
            IdMap::new(
                ids("/etc/subuid").ranges(Some((1000, uid))),
                ids("/etc/subgid").ranges(Some((1000, gid))),
            )
        }
    }
}
