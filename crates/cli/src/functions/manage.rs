//! `rootlet init`, `install`, `uninstall`, `update`: a module's file.

use super::here;
use crate::args::functions::{Init, Install, Place, Uninstall, Update};
use crate::failure::Failure;
use crate::output::print;
use crate::store;
use crate::style::Style;
use rootlet::functions::{Form, Project, Sdk, init as module, install as modules};
use rootlet::spec::printable;
use std::io::{Write, stderr};
use std::path::Path;

/// Makes a module here, or in `directory`.
pub fn init(args: &Init, form: Form, directory: Option<&Path>) -> Result<(), Failure> {
    let place = directory.map_or_else(here, |directory| Ok(here()?.join(directory)))?;
    let sdk = match args.sdk.as_str() {
        "python" => Sdk::Python,
        "rust" => Sdk::Rust,
        other => Sdk::Other(other.to_owned()),
    };
    if let (Some(name), Some(other)) = (&args.name, &args.positional) {
        return Err(Failure::new(format!("the name is said twice: {name} and {other}")));
    }
    let name = args.name.as_deref().or(args.positional.as_deref());
    let made = module::init(&place, form, &sdk, name, args.source.as_deref())?;
    print(&format!("{}: the module {}\n", said(&made.file()), made.name()))
}

/// `rootlet install`.
pub fn install(args: &Install) -> Result<(), Failure> {
    let (mut project, store) = (project(&args.place)?, store::open(&args.place.store)?);
    let done = modules::install(&mut project, &store, &here()?, &args.module, args.name.as_deref())?;
    let one = &done.dependency;
    if let Some(why) = done.instead {
        let text = printable(&format!("rootlet's own presets stand for {}: {}", one.source, why.trim_end()))
            .into_owned();
        let _ = writeln!(stderr(), "{} {text}", Style::of(&stderr()).hint("note:"));
    }
    let pin = one.pin.as_deref().map(|pin| format!(" ({})", &pin[..pin.len().min(12)])).unwrap_or_default();
    let word = if done.changed { "installed" } else { "is installed already" };
    print(&format!("{} {word}: {}{pin}\n", printable(&one.name), printable(&one.source)))
}

/// `rootlet uninstall`.
pub fn uninstall(args: &Uninstall) -> Result<(), Failure> {
    let name = modules::uninstall(&mut project(&args.place)?, &args.module)?;
    print(&format!("{} uninstalled\n", printable(&name)))
}

/// `rootlet update`, of the modules that a module uses.
pub fn update(args: &Update) -> Result<(), Failure> {
    let (mut project, store) = (project(&args.place)?, store::open(&args.place.store)?);
    let changed = modules::update(&mut project, &store, &args.modules)?;
    if changed.is_empty() {
        return print(&format!("{} unchanged\n", said(&project.file())));
    }
    changed.iter().try_for_each(|one| {
        let pin = one.pin.as_deref().unwrap_or_default();
        print(&format!(
            "{} updated: {} ({})\n",
            printable(&one.name),
            printable(&one.source),
            &pin[..pin.len().min(12)]
        ))
    })
}

/// Whether a directory is part of a module.
pub fn is_near() -> bool {
    here().is_ok_and(|here| Project::find(&here).is_ok())
}

fn project(place: &Place) -> Result<Project, Failure> {
    Ok(match &place.module {
        Some(directory) => Project::exactly_at(&here()?.join(directory))?,
        None => Project::find(&here()?)?,
    })
}

fn said(file: &Path) -> String {
    printable(&file.to_string_lossy()).into_owned()
}
