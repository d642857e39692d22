//! Where everything begins.

use super::client::Client;
use super::{Answer, CacheVolume, Container, Directory, File, GitRepository, Secret};
use crate::functions::Failed;
#[cfg(feature = "functions")]
use crate::functions::{Engine, Options};
use rootlet_spec::pipeline::{
    self, Call, ContainerStep, DirectoryOrigin, Fetched, FileOrigin, Function, HostPath, NewFile,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Where everything begins.
#[derive(Clone, Debug)]
pub struct Dag {
    client: Client,
}

static DAG: OnceLock<Dag> = OnceLock::new();

/// Where everything begins: of a function, the command that called it; elsewhere, with the feature
/// `functions`, an engine of this process, with the store that [`Store::open_default`](rootlet_base::Store::open_default) opens.
///
/// # Panics
/// Where there is no command that called, and neither an engine nor a store: `Dag::new` takes another one.
pub fn dag() -> Dag {
    DAG.get_or_init(|| Dag::here().expect("somebody answers")).clone()
}

impl Dag {
    /// One whose questions an engine answers.
    #[cfg(feature = "functions")]
    pub fn new(engine: &Engine) -> Self {
        Self { client: engine.clone().into() }
    }

    #[cfg(feature = "functions")]
    fn here() -> Result<Self, Failed> {
        let resolver = crate::resolver(&rootlet_base::Store::open_default()?);
        let directory = std::env::current_dir().unwrap_or_default();
        Ok(Self::new(&Engine::new(&resolver, Options::new(directory))))
    }

    #[cfg(not(feature = "functions"))]
    fn here() -> Result<Self, Failed> {
        Err(Failed::query(
            "nobody is there to answer: this is a module of functions, which `rootlet call` calls",
        ))
    }

    /// One whose questions the command at the other end answers; from now on also that of [`dag`].
    pub(crate) fn connect(client: Client) -> Self {
        DAG.get_or_init(|| Self { client }).clone()
    }

    /// An empty container.
    pub fn container(&self) -> Container {
        Container::from_value(&self.client, pipeline::Container::default())
    }

    /// An empty directory.
    pub fn directory(&self) -> Directory {
        Directory::new(self.client.clone(), pipeline::Directory::default())
    }

    /// A file that holds a text.
    pub fn file(&self, name: impl Into<String>, contents: impl Into<String>) -> File {
        let new = NewFile { name: name.into(), contents: contents.into(), permissions: None };
        File::new(self.client.clone(), FileOrigin::New(new))
    }

    /// A file of the web, which is fetched once in a session.
    pub fn http(&self, url: impl Into<String>) -> File {
        let fetched = Fetched { url: url.into(), permissions: None, checksum: None };
        File::new(self.client.clone(), FileOrigin::Url(fetched))
    }

    /// A git repository: `https://host/owner/repo`, `github.com/owner/repo`, `git@host:owner/repo`, `file:///path/repo`.
    pub fn git(&self, url: impl Into<String>) -> GitRepository {
        GitRepository::new(self.client.clone(), url.into())
    }

    /// This machine.
    pub fn host(&self) -> Host {
        Host { client: self.client.clone() }
    }

    /// A secret that is found when it is wanted: `env://NAME`, `file://PATH`, `cmd://COMMAND`.
    pub fn secret(&self, uri: impl Into<String>) -> Secret {
        Secret::new(self.client.clone(), pipeline::Secret { uri: Some(uri.into()), name: None })
    }

    /// A secret that is told now, under a name.
    pub fn set_secret(&self, name: impl Into<String>, plaintext: impl Into<String>) -> Secret {
        let name = name.into();
        let with = json!({"name": name, "plaintext": plaintext.into()});
        // Who uses it waits for that: questions are answered in any order.
        let _ = self.client.ask::<Value>("set_secret", Value::Null, with).wait();
        Secret::new(self.client.clone(), pipeline::Secret { uri: None, name: Some(name) })
    }

    /// A directory that lasts from one run to the next.
    pub fn cache_volume(&self, key: impl Into<String>) -> CacheVolume {
        CacheVolume::from_value(&self.client, pipeline::CacheVolume { key: key.into() })
    }

    /// This machine's: `linux/amd64`.
    pub fn default_platform(&self) -> Answer<String> {
        self.client.ask_plain("default_platform", Value::Null)
    }

    /// The engine's.
    pub fn version(&self) -> Answer<String> {
        self.client.ask_plain("version", Value::Null)
    }

    /// The main object of a module that this one depends on.
    pub fn module(&self, name: impl Into<String>) -> ModuleCall {
        let call = Call { module: name.into(), on: None, constructor: BTreeMap::new(), calls: Vec::new() };
        ModuleCall { client: self.client.clone(), call }
    }

    /// The module `lib`: rootlet's presets, or daggerlib.
    pub fn lib(&self) -> ModuleCall {
        self.module("lib")
    }
}

/// This machine.
#[derive(Clone, Debug)]
pub struct Host {
    client: Client,
}

impl Host {
    /// A directory of it, relative to the module's.
    pub fn directory(&self, path: impl Into<String>) -> Directory {
        let from = DirectoryOrigin::Host(HostPath { path: path.into(), ..HostPath::default() });
        Directory::new(self.client.clone(), pipeline::Directory { from: Some(from), steps: Vec::new() })
    }

    /// A file of it, relative to the module's directory.
    pub fn file(&self, path: impl Into<String>) -> File {
        File::new(
            self.client.clone(),
            FileOrigin::Host(HostPath { path: path.into(), ..HostPath::default() }),
        )
    }
}

/// Functions of a module that are called, each on what the one before gives.
#[derive(Clone, Debug)]
pub struct ModuleCall {
    client: Client,
    call: Call,
}

impl ModuleCall {
    /// What the module's main object is made with.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        self.call.constructor.insert(name.into(), json!(value));
        self
    }

    /// Calls a function without arguments.
    #[must_use]
    pub fn call(self, function: impl Into<String>) -> Self {
        self.call_with(function, Vec::<(String, Value)>::new())
    }

    /// Calls a function with arguments, by name.
    #[must_use]
    pub fn call_with(
        mut self,
        function: impl Into<String>,
        args: impl IntoIterator<Item = (impl Into<String>, Value)>,
    ) -> Self {
        let args = args.into_iter().map(|(name, value)| (name.into(), value)).collect();
        self.call.calls.push(Function { function: function.into(), args });
        self
    }

    /// What it gives, where that is a container.
    pub fn container(self) -> Container {
        let steps = vec![ContainerStep::Call { call: self.call }];
        Container::from_value(&self.client, pipeline::Container { steps })
    }

    /// What it gives, where that is a directory.
    pub fn directory(self) -> Directory {
        let from = Some(DirectoryOrigin::Call(self.call));
        Directory::new(self.client, pipeline::Directory { from, steps: Vec::new() })
    }

    /// What it gives, where that is a file.
    pub fn file(self) -> File {
        File::new(self.client, FileOrigin::Call(self.call))
    }

    /// What it gives, where that is plain data.
    pub fn value<T: DeserializeOwned>(self) -> Answer<T> {
        self.client.ask_plain("call", json!(self.call))
    }
}
