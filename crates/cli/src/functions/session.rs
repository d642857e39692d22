//! `rootlet session`: a script asks, on a socket that is standard input, and no function is called.

use super::{Opened, here, open, tools};
use crate::args::functions::Session;
use crate::exit::Outcome;
use crate::failure::Failure;
use rootlet::functions::{Engine, Options, Project, session as conversation};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::stdin;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// Serves until the script has ended.
pub fn session(args: &Session) -> Result<Outcome, Failure> {
    let failed = |e| Failure::new("failed to open the socket that standard input should be").caused_by(e);
    let socket = UnixStream::from(stdin().as_fd().try_clone_to_owned().map_err(failed)?);
    socket
        .local_addr()
        .map_err(|e| failed(e).hint("this is for the libraries of rootlet, which start it"))?;
    // Beside a module, what that one uses can be called; a script may also be on its own.
    let near = args.module.module.is_some() || Project::find(&here()?).is_ok();
    let (engine, modules) = if near {
        let Opened { module, engine, .. } = open(&args.module)?;
        let modules = module.dependencies(&engine).map_err(|failed| super::told(&failed))?;
        (engine, modules)
    } else {
        let (resolver, _) = tools(&args.module)?;
        (Engine::new(&resolver, Options::new(here()?)), BTreeMap::new())
    };
    // A script that ends without a word has nothing more to ask.
    let _ = conversation::serve(&engine, socket, &json!({"job": "session", "modules": modules}));
    engine.end();
    Ok(Outcome::SUCCESS)
}
