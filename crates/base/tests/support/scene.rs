//! A store, an image to fill registries with, and the program that pulls it, as a process of its own.
#![allow(unused_imports, unused_macros, reason = "each test takes what it needs")]

use super::registry::{Registry, Setup};
use super::{Home, layout};
use std::process::{Child, Command, Output, Stdio};

/// A store, and an OCI layout with `3.20` in it to fill registries from.
pub struct Scene {
    pub home: Home,
    pub source: String,
}

impl Scene {
    pub fn new() -> Option<Self> {
        let home = Home::new();
        let source = format!("oci:{}:3.20", layout(home.path())?.display());
        Some(Self { home, source })
    }

    pub fn registry(&self, setup: &Setup<'_>) -> Option<Registry> {
        Registry::start(self.home.path(), setup)
    }

    /// The example program, in an environment of its own.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let binary = std::env::current_exe().unwrap();
        let program = binary.ancestors().nth(2).unwrap().join("examples/resolve");
        let mut command = Command::new(program);
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("USER", String::from_utf8_lossy(&user).trim())
            .env("ROOTLET_STORE", self.home.store.path())
            .env("CONTAINERS_REGISTRIES_CONF", "/dev/null")
            .stdin(Stdio::null());
        command
    }

    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

macro_rules! scene {
    () => {
        match $crate::support::scene::Scene::new() {
            Some(scene) if $crate::support::has("docker-registry") => scene,
            _ => $crate::support::skip!("no docker-registry, skopeo, umoci or Alpine"),
        }
    };
}
pub(crate) use scene;

#[track_caller]
pub fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
pub fn failed(output: &Output, words: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "it did not fail");
    for word in words {
        assert!(text.contains(word), "no `{word}` in:\n{text}");
    }
}
