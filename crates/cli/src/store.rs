//! The store, as the command line says which and how: `base pull | list | show | rm` and `gc`.

use crate::args::{Base, Gc, Pull as PullArgs, StoreArg, When};
use crate::failure::Failure;
use crate::output::{print, size, table};
use crate::progress::Bars;
use crate::style::Style;
use rootlet::base::{BaseInfo, BaseKind, GcOptions, Platform, Pull, Removed, Resolver};
use rootlet::spec::{duration, printable};
use rootlet::{ErrorKind, Rootlet, Store};
use serde_json::json;
use std::io::{Write, stderr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Opens it.
pub fn open(arg: &StoreArg) -> Result<Store, Failure> {
    Ok(match &arg.store {
        Some(path) => Store::open(path)?,
        None => Store::open_default()?,
    })
}

/// How bases are found, with a bar for each layer that is on its way.
pub fn resolver(store: &Store, pull: &PullArgs, quiet: bool) -> Result<Resolver, Failure> {
    let when = match pull.pull {
        When::Missing => Pull::Missing,
        When::Always => Pull::Always,
        When::Never => Pull::Never,
    };
    let resolver = rootlet::resolver(store).pull(when).offline(pull.offline || when == Pull::Never);
    with(resolver, pull.platform.as_deref(), quiet)
}

fn with(mut resolver: Resolver, platform: Option<&str>, quiet: bool) -> Result<Resolver, Failure> {
    if let Some(platform) = platform {
        resolver = resolver.platform(platform.parse::<Platform>()?);
    }
    Ok(with_bars(resolver, quiet))
}

/// With a bar for what is under way.
pub fn with_bars(resolver: Resolver, quiet: bool) -> Resolver {
    match Bars::new(quiet) {
        Some(bars) => resolver.progress(bars),
        None => resolver,
    }
}

/// `rootlet base …`.
pub fn base(command: Base) -> Result<(), Failure> {
    match command {
        Base::Pull { bases, platform, quiet, store } => {
            let resolver = rootlet::resolver(&open(&store)?).pull(Pull::Always);
            let resolver = with(resolver, platform.as_deref(), quiet)?;
            bases.iter().try_for_each(|name| {
                let base = resolver.resolve(name)?;
                prepare(&base, quiet)?;
                print(&format!("{}  {}\n", base.id(), printable(base.name())))
            })
        }
        Base::List { json, store } => list(&open(&store)?.list()?, json),
        Base::Show { base, json, store } => show(&open(&store)?.show(&base)?, json),
        Base::Rm { bases, store } => {
            let store = open(&store)?;
            bases.iter().try_for_each(|name| told(&store.remove(name)?))
        }
    }
}

/// Makes a rootlet of it and drops it again: whatever the first run would have to unpack is there then.
fn prepare(base: &rootlet::Base, quiet: bool) -> Result<(), Failure> {
    match Rootlet::builder(base).spawn() {
        Err(e) if e.kind() == ErrorKind::Base => Err(e.into()),
        // A store may well be filled where no rootlet can be made.
        Err(e) if !quiet => {
            let text =
                printable(&format!("no rootlet can be made of {} as it is: {e}", base.name())).into_owned();
            let _ = writeln!(stderr(), "{} {text}", Style::of(&stderr()).hint("note:"));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// `rootlet gc`.
pub fn gc(args: &Gc) -> Result<(), Failure> {
    told(&open(&args.store)?.gc(GcOptions { keep_recent: args.keep })?)
}

fn told(removed: &Removed) -> Result<(), Failure> {
    for name in &removed.names {
        print(&format!("removed {}\n", printable(name)))?;
    }
    for problem in &removed.problems {
        let left = Failure::of(problem, problem.hint()).text(Style::of(&stderr()));
        let _ = stderr().write_all(left.as_bytes());
    }
    if removed.names.is_empty() && removed.layers + removed.blobs == 0 {
        return print("nothing to remove\n");
    }
    print(&format!("{} layers and {} downloads, {}\n", removed.layers, removed.blobs, size(removed.bytes)))
}

fn list(bases: &[BaseInfo], json: bool) -> Result<(), Failure> {
    if json {
        return print_json(&bases.iter().map(as_json).collect());
    }
    let heading = ["NAME", "ID", "SIZE", "USER", "USED"].map(str::to_owned).to_vec();
    let rows = bases.iter().map(|base| {
        let size = base.layers.iter().filter_map(|layer| layer.unpacked.or(layer.packed)).sum();
        vec![
            printable(&base.name).into_owned(),
            short(&base.id),
            crate::output::size(size),
            printable(base.defaults.user.as_deref().unwrap_or("-")).into_owned(),
            if base.in_use { "now".into() } else { format!("{} ago", ago(base.last_used)) },
        ]
    });
    print(&table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>()))
}

fn show(base: &BaseInfo, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(&as_json(base));
    }
    let defaults = &base.defaults;
    let words = |words: &[String]| words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" ");
    let mut rows = vec![
        ("name", base.name.clone()),
        ("id", base.id.clone()),
        ("made", format!("{} ago: {}", ago(base.made), base.how)),
        ("used", if base.in_use { "now".into() } else { format!("{} ago", ago(base.last_used)) }),
        ("platform", defaults.platform.clone().unwrap_or_default()),
        ("user", defaults.user.clone().unwrap_or_default()),
        ("workdir", defaults.workdir.clone().unwrap_or_default()),
        ("entrypoint", words(&defaults.entrypoint)),
        ("command", words(&defaults.cmd)),
    ];
    rows.extend(defaults.env.iter().map(|(name, value)| ("env", format!("{name}={value}"))));
    rows.extend(defaults.volumes.iter().map(|volume| ("volume", volume.clone())));
    rows.extend(defaults.exposed_ports.iter().map(|port| ("port", port.clone())));
    rows.extend(base.layers.iter().map(|layer| {
        let bytes = layer.unpacked.or(layer.packed).map(size).unwrap_or_default();
        ("layer", format!("{} {bytes}", layer.digest))
    }));
    let told = rows.iter().filter(|(_, value)| !value.is_empty());
    let rows: Vec<_> =
        told.map(|(name, value)| vec![(*name).to_owned(), printable(value).into_owned()]).collect();
    print(&table(&rows))
}

fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    print(&format!("{value:#}\n"))
}

fn as_json(base: &BaseInfo) -> serde_json::Value {
    let kind = match &base.kind {
        BaseKind::Host => "host",
        BaseKind::Directory(_) => "directory",
        BaseKind::Layers => "layers",
    };
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let layers: Vec<_> = base
        .layers
        .iter()
        .map(|layer| {
            json!({
                "digest": layer.digest.to_string(), "packed": layer.packed, "unpacked": layer.unpacked,
                "copies": layer.copies, "devices": layer.devices,
            })
        })
        .collect();
    json!({
        "name": base.name, "id": base.id, "kind": kind, "how": base.how, "made": seconds(base.made),
        "last_used": seconds(base.last_used), "in_use": base.in_use, "defaults": base.defaults, "layers": layers,
    })
}

/// A digest by its first twelve digits, as docker shows it.
fn short(id: &str) -> String {
    printable(id.strip_prefix("sha256:").unwrap_or(id)).chars().take(12).collect()
}

/// Since then, in the largest unit.
fn ago(time: SystemTime) -> String {
    let seconds = time.elapsed().unwrap_or_default().as_secs();
    let unit = [86_400, 3_600, 60, 1].into_iter().find(|unit| seconds >= *unit).unwrap_or(1);
    match unit {
        86_400 => format!("{}d", seconds / unit),
        _ => duration::format(Duration::from_secs(seconds / unit * unit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_ago_is_short() {
        let before = |seconds| ago(SystemTime::now() - Duration::from_secs(seconds));
        assert_eq!(before(3 * 86_400 + 5), "3d");
        assert_eq!(before(2 * 3_600 + 70), "2h");
        assert_eq!(before(125), "2m");
        assert_eq!(before(0), "0s");
    }
}
