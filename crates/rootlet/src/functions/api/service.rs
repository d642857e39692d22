//! Services, secrets, caches.

use super::Answer;
use super::client::Client;
use rootlet_spec::pipeline;
use serde_json::{Value, json};

/// A container that serves while others run, in a network of its own. It ends with the session.
#[derive(Clone, Debug)]
pub struct Service {
    client: Client,
    pub(super) value: pipeline::Service,
}

impl Service {
    pub(super) fn new(client: Client, container: pipeline::Container, args: Option<Vec<String>>) -> Self {
        let value = pipeline::Service {
            container,
            args,
            use_entrypoint: false,
            insecure_root_capabilities: false,
            expand: false,
            hostname: None,
        };
        Self { client, value }
    }

    pub(crate) fn from_value(client: &Client, value: pipeline::Service) -> Self {
        Self { client: client.clone(), value }
    }

    /// What it is made of, to be told elsewhere.
    pub fn value(&self) -> &pipeline::Service {
        &self.value
    }

    /// It, under a name that it calls itself by.
    #[must_use]
    pub fn with_hostname(&self, hostname: impl Into<String>) -> Self {
        let value = pipeline::Service { hostname: Some(hostname.into()), ..self.value.clone() };
        Self { client: self.client.clone(), value }
    }

    /// It, with its entrypoint before what it runs.
    #[must_use]
    pub fn use_entrypoint(&self) -> Self {
        let value = pipeline::Service { use_entrypoint: true, ..self.value.clone() };
        Self { client: self.client.clone(), value }
    }

    /// It, with all capabilities within its container, /sys, a cgroup of its own where one can be made, and no system call filter: what
    /// Docker's daemon needs.
    #[must_use]
    pub fn insecure_root_capabilities(&self) -> Self {
        let value = pipeline::Service { insecure_root_capabilities: true, ..self.value.clone() };
        Self { client: self.client.clone(), value }
    }

    fn ask<T: serde::de::DeserializeOwned>(&self, name: &str, with: Value) -> Answer<T> {
        self.client.ask(name, json!(self.value), with)
    }

    /// Starts it, and waits until it listens on the ports that it exposes.
    pub fn start(&self) -> Answer<Value> {
        self.ask("start", json!({}))
    }

    /// Ends it.
    pub fn stop(&self) -> Answer<Value> {
        self.ask("stop", json!({}))
    }

    /// The name that it calls itself by.
    pub fn hostname(&self) -> Answer<String> {
        self.ask("hostname", json!({}))
    }

    /// What it serves on: `port` and `protocol` of each.
    pub fn ports(&self) -> Answer<Vec<std::collections::BTreeMap<String, Value>>> {
        self.ask("ports", json!({}))
    }

    /// Its name and the first port that it exposes: `service-…:80`.
    pub fn endpoint(&self) -> Answer<String> {
        self.ask("endpoint", json!({}))
    }

    /// Serves its ports on this machine, until it ends.
    pub fn up(&self) -> Answer<()> {
        self.ask("up", json!({}))
    }
}

/// Something that is handed to commands, and never written down.
#[derive(Clone, Debug)]
pub struct Secret {
    client: Client,
    pub(super) value: pipeline::Secret,
}

impl Secret {
    pub(super) fn new(client: Client, value: pipeline::Secret) -> Self {
        Self { client, value }
    }

    pub(crate) fn from_value(client: &Client, value: pipeline::Secret) -> Self {
        Self::new(client.clone(), value)
    }

    /// What it is known by, to be told elsewhere.
    pub fn value(&self) -> &pipeline::Secret {
        &self.value
    }

    /// Its text.
    pub fn plaintext(&self) -> Answer<String> {
        self.client.ask_plain("plaintext", json!(self.value))
    }
}

/// A directory that lasts from one run to the next.
#[derive(Clone, Debug)]
pub struct CacheVolume {
    pub(super) value: pipeline::CacheVolume,
}

impl CacheVolume {
    pub(crate) fn from_value(_: &Client, value: pipeline::CacheVolume) -> Self {
        Self { value }
    }

    /// What it is known by, to be told elsewhere.
    pub fn value(&self) -> &pipeline::CacheVolume {
        &self.value
    }
}
