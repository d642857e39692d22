//! What a container is after some of its steps: its files, and how commands run in it.

use super::memo;
use super::{Engine, Result};
use crate::functions::Failed;
use rootlet_base::{Base, BaseKind, Defaults, Login};
use rootlet_spec::mount::lexical;
use rootlet_spec::pipeline::{CacheSharing, Container, ContainerStep, Directory, FileStep, Secret, Service};
use std::sync::Arc;

/// Files, and how commands run.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub base: Base,
    pub config: Defaults,
    pub secrets: Vec<(String, Secret)>,
    pub mounts: Vec<Mounted>,
    pub services: Vec<(String, Service)>,
}

/// Something at a place that is no part of the container's own files.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mounted {
    pub path: String,
    pub what: What,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    /// What was copied there.
    Copy { read_only: bool },
    /// A directory that lasts.
    Cache { key: String, sharing: CacheSharing, owner: Option<String>, source: Option<Box<Directory>> },
    /// A file system in memory.
    Temp { size: Option<u64> },
    /// A file that holds a secret.
    Secret { secret: Secret, owner: Option<String>, mode: u32 },
}

impl State {
    /// A base as it is, in which nothing runs.
    pub fn plain(base: Base) -> Self {
        let config = Defaults::default();
        Self { base, config, secrets: Vec::new(), mounts: Vec::new(), services: Vec::new() }
    }

    /// A place as a step names it: absolute, or below the work directory.
    pub fn place(&self, path: &str) -> String {
        match path.starts_with('/') {
            true => lexical(path),
            false => lexical(&format!("{}/{path}", self.workdir())),
        }
    }

    pub fn workdir(&self) -> &str {
        self.config.workdir.as_deref().filter(|dir| !dir.is_empty()).unwrap_or("/")
    }

    /// With `$NAME` and `${NAME}` replaced by variables; one that is not set is nothing.
    pub fn expanded(&self, text: &str, wanted: bool) -> String {
        if !wanted {
            return text.to_owned();
        }
        let value = |name: &str| {
            let said =
                self.config.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
            // Commands have one, also where nobody has said it.
            said.unwrap_or(if name == "PATH" { crate::rootlet::DEFAULT_PATH } else { "" })
        };
        let (mut out, mut rest) = (String::new(), text);
        while let Some(at) = rest.find('$') {
            out += &rest[..at];
            rest = &rest[at + 1..];
            let braced = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let plain = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            match braced {
                Some((name, after)) => {
                    out += value(name);
                    rest = after;
                }
                None if plain > 0 => {
                    out += value(&rest[..plain]);
                    rest = &rest[plain..];
                }
                None => out.push('$'),
            }
        }
        out + rest
    }

    fn mount(&mut self, path: String, what: What) {
        self.mounts.retain(|mounted| mounted.path != path);
        self.mounts.push(Mounted { path, what });
    }
}

impl Engine {
    /// The steps of a container, the first of which is no call of a module any more.
    pub(super) fn steps(&self, container: &Container) -> Result<Vec<ContainerStep>> {
        let Some((ContainerStep::Call { call }, rest)) = container.steps.split_first() else {
            return Ok(container.steps.clone());
        };
        let begun: Container = self.called(call)?;
        let mut steps = self.steps(&begun)?;
        steps.extend_from_slice(rest);
        Ok(steps)
    }

    /// What a container is.
    pub(super) fn state(&self, container: &Container) -> Result<Arc<State>> {
        self.after(&self.steps(container)?)
    }

    /// What a container is after these steps.
    pub(super) fn after(&self, steps: &[ContainerStep]) -> Result<Arc<State>> {
        let Some((last, before)) = steps.split_last() else { return self.begun(self.0.resolver.nothing()?) };
        let once = |make: &dyn Fn() -> Result<Arc<State>>| self.0.states.get_or(memo::key(&steps), make);
        match last {
            ContainerStep::From { address } => once(&|| {
                let resolver = self.0.resolver.clone().logins(self.logins(before)?);
                self.begun(resolver.resolve(address)?)
            }),
            ContainerStep::Recipe { recipe } => once(&|| self.begun(self.recipe(recipe)?)),
            ContainerStep::Call { .. } => {
                Err(Failed::query("only the first step of a container can be a call"))
            }
            ContainerStep::WithExec(exec) => once(&|| self.prepared(steps, &*self.after(before)?, exec)),
            ContainerStep::Files(_) => once(&|| {
                let own =
                    steps.iter().rev().take_while(|step| matches!(step, ContainerStep::Files(_))).count();
                let (before, own) = steps.split_at(steps.len() - own);
                let files = own.iter().filter_map(|step| match step {
                    ContainerStep::Files(step) => Some(step.clone()),
                    _ => None,
                });
                self.written(&*self.after(before)?, files.collect()).map(Arc::new)
            }),
            ContainerStep::WithRootfs { directory } => once(&|| {
                let mut state = (*self.after(before)?).clone();
                state.base = self.as_root(directory)?;
                Ok(Arc::new(state))
            }),
            ContainerStep::WithMountedDirectory(copied) => once(&|| {
                let state = self.after(before)?;
                let path = state.place(&state.expanded(&copied.path, copied.expand));
                let step = FileStep::WithDirectory(copied.clone());
                let mut state = self.written(&state, vec![step])?;
                state.mount(path, What::Copy { read_only: copied.read_only });
                Ok(Arc::new(state))
            }),
            ContainerStep::WithMountedFile { path, source, owner } => once(&|| {
                let state = self.after(before)?;
                let place = state.place(path);
                let step = FileStep::WithFile {
                    path: path.clone(),
                    source: source.clone(),
                    permissions: None,
                    owner: owner.clone(),
                    expand: false,
                };
                let mut state = self.written(&state, vec![step])?;
                state.mount(place, What::Copy { read_only: false });
                Ok(Arc::new(state))
            }),
            step => {
                let mut state = (*self.after(before)?).clone();
                self.configure(&mut state, step)?;
                Ok(Arc::new(state))
            }
        }
    }

    /// A container that begins with a base.
    fn begun(&self, base: Base) -> Result<Arc<State>> {
        let config = base.defaults().clone();
        let base = match config.volumes.is_empty() || *base.kind() != BaseKind::Layers {
            true => base,
            // What an image calls a volume is an ordinary directory here, which lasts from one step to the next.
            false => {
                let name = format!("step:{}", memo::key(&("without volumes", base.id())).hex());
                let plain = Defaults { volumes: Vec::new(), ..config.clone() };
                match self.0.resolver.known(&name)? {
                    Some(base) => base,
                    None => base.with_layers(Vec::new(), plain, &name, "without volumes", &[])?,
                }
            }
        };
        Ok(Arc::new(State { config, ..State::plain(base) }))
    }

    /// Steps that touch no file.
    fn configure(&self, state: &mut State, step: &ContainerStep) -> Result<()> {
        use ContainerStep as Step;
        let config = &mut state.config;
        match step.clone() {
            Step::WithUser { name } => config.user = Some(name),
            Step::WithoutUser => config.user = None,
            Step::WithWorkdir { path, expand } => {
                let path = state.place(&state.expanded(&path, expand));
                state.config.workdir = Some(path);
            }
            Step::WithoutWorkdir => config.workdir = None,
            Step::WithEnvVariable { name, value, expand } => {
                if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                    return Err(Failed::query(format!("`{name}` is not the name of a variable")));
                }
                let value = state.expanded(&value, expand);
                state.config.env.retain(|(known, _)| *known != name);
                state.config.env.push((name, value));
            }
            Step::WithoutEnvVariable { name } => config.env.retain(|(known, _)| *known != name),
            Step::WithSecretVariable { name, secret } => {
                state.secrets.retain(|(known, _)| *known != name);
                state.secrets.push((name, secret));
            }
            Step::WithoutSecretVariable { name } => state.secrets.retain(|(known, _)| *known != name),
            // `logins` reads them where a registry is spoken to.
            Step::WithRegistryAuth { .. } | Step::WithoutRegistryAuth { .. } => {}
            Step::WithLabel { name, value } => drop(config.labels.insert(name, value)),
            Step::WithoutLabel { name } => drop(config.labels.remove(&name)),
            Step::WithEntrypoint { args, keep_default_args } => {
                config.entrypoint = args;
                if !keep_default_args {
                    config.cmd.clear();
                }
            }
            Step::WithoutEntrypoint { keep_default_args } => {
                config.entrypoint.clear();
                if !keep_default_args {
                    config.cmd.clear();
                }
            }
            Step::WithDefaultArgs { args } => config.cmd = args,
            Step::WithoutDefaultArgs => config.cmd.clear(),
            Step::WithExposedPort { port, protocol, .. } => {
                let port = format!("{port}/{}", protocol.to_lowercase());
                if !config.exposed_ports.contains(&port) {
                    config.exposed_ports.push(port);
                }
            }
            Step::WithoutExposedPort { port, protocol } => {
                let port = format!("{port}/{}", protocol.to_lowercase());
                config.exposed_ports.retain(|known| *known != port);
            }
            Step::WithMountedCache { path, cache, sharing, owner, source } => {
                let path = state.place(&path);
                state.mount(path, What::Cache { key: cache.key, sharing, owner, source });
            }
            Step::WithMountedTemp { path, size } => {
                let path = state.place(&path);
                state.mount(path, What::Temp { size });
            }
            Step::WithMountedSecret { path, source, owner, mode } => {
                let path = state.place(&path);
                state.mount(path, What::Secret { secret: source, owner, mode: mode.unwrap_or(0o400) });
            }
            Step::WithoutMount { path } => {
                let path = state.place(&path);
                let copied =
                    |mounted: &Mounted| mounted.path == path && matches!(mounted.what, What::Copy { .. });
                if state.mounts.iter().any(copied) {
                    *state = self.without(state, std::slice::from_ref(&path))?;
                }
                state.mounts.retain(|mounted| mounted.path != path);
            }
            Step::WithServiceBinding { alias, service } => {
                state.services.retain(|(known, _)| *known != alias);
                state.services.push((alias, *service));
            }
            Step::From { .. }
            | Step::Recipe { .. }
            | Step::Call { .. }
            | Step::WithRootfs { .. }
            | Step::WithExec(_)
            | Step::WithMountedDirectory(_)
            | Step::WithMountedFile { .. }
            | Step::Files(_) => unreachable!("these touch files"),
        }
        Ok(())
    }

    /// Who we are to registries, after these steps.
    pub(super) fn logins(&self, steps: &[ContainerStep]) -> Result<Vec<Login>> {
        let mut logins: Vec<Login> = Vec::new();
        // What is named may be a whole image, with its tag.
        let plain = |address: &str| match address.trim_end_matches('/').rsplit_once('/') {
            Some((before, last)) => format!("{before}/{}", last.split([':', '@']).next().unwrap_or_default()),
            None => address.trim_end_matches('/').to_owned(),
        };
        for step in steps {
            match step {
                ContainerStep::WithRegistryAuth { address, username, secret } => {
                    let password = self.0.secrets.plaintext(secret, &self.0.directory)?;
                    logins.push(Login { address: plain(address), user: username.clone(), password });
                }
                ContainerStep::WithoutRegistryAuth { address } => {
                    logins.retain(|login| login.address != plain(address));
                }
                _ => {}
            }
        }
        Ok(logins)
    }

    /// Without what lies at these places.
    pub(super) fn without(&self, state: &State, paths: &[String]) -> Result<State> {
        let removed = paths.iter().map(|path| FileStep::WithoutDirectory { path: path.clone() });
        self.written(state, removed.collect())
    }

    /// A container's own files: without what is mounted; with what is to be said of it elsewhere.
    pub(super) fn own_files(&self, state: &State) -> Result<Base> {
        let copied = state.mounts.iter().filter(|mounted| matches!(mounted.what, What::Copy { .. }));
        let copied: Vec<String> = copied.map(|mounted| mounted.path.clone()).collect();
        match copied.is_empty() {
            true => Ok(state.base.clone()),
            false => Ok(self.without(state, &copied)?.base),
        }
    }

    fn recipe(&self, recipe: &rootlet_spec::recipe::Recipe) -> Result<Base> {
        let name = format!("functions#{}", &memo::key(recipe).hex()[..12]);
        Ok(crate::recipe::Build::new(&self.0.resolver, &self.0.directory).base(&name, recipe)?)
    }
}
