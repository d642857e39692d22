//! A container as a person looks around in it.

use super::cache::Caches;
use super::exec::words;
use super::service::Forward;
use super::{Engine, Result};
use crate::{Command, Rootlet};
use rootlet_spec::Writable;
use rootlet_spec::pipeline::{Container, Exec};
use std::sync::Arc;

/// A container that somebody is in: what is done there is gone with it, but for what caches keep.
pub struct Entered {
    root: Arc<Rootlet>,
    words: Vec<String>,
    secrets: Vec<(String, String)>,
    /// What it stands on runs as long as it does.
    _bound: Vec<Forward>,
    _caches: Caches,
}

impl Engine {
    /// A container to look around in, and the command that does: `words`, else a shell.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn enter(&self, container: &Container, args: &[String]) -> Result<Entered> {
        let state = self.state(container)?;
        let args = if args.is_empty() { vec!["sh".to_owned()] } else { args.to_vec() };
        let exec = Exec { args, ..Exec::default() };
        let caches = self.caches(&state)?;
        let root = Arc::new(self.builder(&state, &exec, &caches)?.writable(Writable::Memory).spawn()?);
        self.0.lives(&root);
        self.fill_caches(&root, &state)?;
        self.write_secrets(&root, &state)?;
        let bound = self.bind_services(&root, &state.services)?;
        let secret = |(name, secret): &(String, _)| {
            Ok((name.clone(), self.0.secrets.plaintext(secret, &self.0.directory)?))
        };
        let secrets = state.secrets.iter().map(secret).collect::<Result<_>>()?;
        Ok(Entered { words: words(&state, &exec)?, root, secrets, _bound: bound, _caches: caches })
    }
}

impl Entered {
    /// Where it is.
    pub fn root(&self) -> &Rootlet {
        &self.root
    }

    /// What is to be run.
    pub fn command(&self) -> Command<'_> {
        let mut command = self.root.command(&self.words[0]);
        command.args(&self.words[1..]).envs(self.secrets.iter().map(|(name, value)| (name, value)));
        command
    }
}
