//! `rootlet call FUNCTION terminal`.

use super::told;
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::run;
use crate::signals::{Signals, ignored};
use crate::terminal;
use rootlet::functions::Engine;
use rootlet::spec::pipeline::Container;
use rustix::stdio::stdin;
use rustix::termios::isatty;
use serde_json::Value;
use std::collections::BTreeMap;

/// Runs a shell, or the command that is asked for, in a container; what is done there is gone with it.
pub fn enter(engine: &Engine, value: &Value, args: &BTreeMap<String, Value>) -> Result<Outcome, Failure> {
    let odd = |e| Failure::new("failed to understand the container").caused_by(e);
    let container: Container = serde_json::from_value(value.clone()).map_err(odd)?;
    let words: Vec<String> =
        args.get("cmd").cloned().map_or(Ok(Vec::new()), serde_json::from_value).map_err(odd)?;
    let entered = engine.enter(&container, &words).map_err(|failed| told(&failed))?;
    let signals =
        Signals::catch(ignored()).map_err(|e| Failure::new("failed to catch signals").caused_by(e))?;
    let mut command = entered.command();
    if isatty(stdin()) {
        let (rows, columns) = terminal::size();
        command.tty(rows, columns);
        if let Some(term) = std::env::var_os("TERM") {
            command.env("TERM", term);
        }
    }
    let outcome = run::wait(command.spawn()?, signals, None);
    engine.end();
    outcome
}
