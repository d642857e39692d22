//! Containers that are published, in a real registry: Debian's docker-registry.

use crate::{Place, alpine, finish};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const CODE: &str = r#"
import rootlet
from rootlet import function, object_type

@object_type
class Test:
    @function
    def build(self, base: rootlet.Container) -> rootlet.Container:
        return base.with_new_file("/etc/published", "published\n").with_user("1000").with_entrypoint(["cat"])

    @function
    async def publish(self, base: rootlet.Container, address: str) -> str:
        return await self.build(base).publish(address)

    @function
    async def publish_as(self, base: rootlet.Container, address: str, user: str, password: rootlet.Secret) -> str:
        return await self.build(base).with_registry_auth(address, user, password).publish(address)

    @function
    async def pull_as(self, address: str, user: str, password: rootlet.Secret) -> str:
        empty = rootlet.dag.container()
        return await self.look(empty.with_registry_auth(address.split("/")[0], user, password).from_(address))

    @function
    async def look(self, base: rootlet.Container) -> str:
        return await base.with_exec(["/etc/published"], use_entrypoint=True).stdout() + await base.user()
"#;

struct Registry {
    process: Child,
    address: SocketAddr,
}

impl Registry {
    /// `None`, said loudly, where there is no docker-registry. With `passwords` it lets in only whom these name.
    fn start(directory: &Path, passwords: Option<&Path>) -> Option<Self> {
        if Command::new("docker-registry").arg("--version").output().is_err() {
            rootlet_tests::skipped("no docker-registry");
            return None;
        }
        // A port that is free may be somebody else's a moment later.
        Some(
            std::iter::repeat_with(|| Self::try_start(directory, passwords))
                .take(10)
                .flatten()
                .next()
                .unwrap(),
        )
    }

    fn try_start(directory: &Path, passwords: Option<&Path>) -> Option<Self> {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let storage = directory.join(format!("registry-{}", address.port()));
        let mut config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{address}'}}\n",
            storage.display()
        );
        if let Some(passwords) = passwords {
            config += &format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", passwords.display());
        }
        let file = storage.with_extension("yml");
        fs::write(&file, config).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut registry = Self { process: command.spawn().unwrap(), address };
        // One who connects to a port of his own hears himself.
        while !TcpStream::connect(address).is_ok_and(|to| to.local_addr().unwrap() != address) {
            if registry.process.try_wait().unwrap().is_some() {
                return None;
            }
            std::thread::yield_now();
        }
        registry.process.try_wait().unwrap().is_none().then_some(registry)
    }

    fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// What the registry itself says that the digest of a tag is.
    fn digest(&self, name: &str, tag: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let accept = "application/vnd.oci.image.manifest.v1+json";
        let question = format!(
            "HEAD /v2/{name}/manifests/{tag} HTTP/1.1\r\nHost: {}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(question.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let digest = answer.lines().find_map(|line| line.strip_prefix("Docker-Content-Digest: "));
        digest.unwrap_or_else(|| panic!("{answer}")).trim().to_owned()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn what_is_published_is_what_others_get() {
    let Some(alpine) = alpine() else { return };
    let place = Place::with(CODE);
    let Some(registry) = Registry::start(place.path(), None) else { return };
    let image = |name: &str| registry.image(name);
    let in_code = place.does(&["call", "publish", "--base", &alpine, "--address", &image("me/code:1")]);
    assert_eq!(in_code, format!("{}@{}\n", image("me/code:1"), registry.digest("me/code", "1")));
    let line = ["call", "build", "--base", &alpine, "publish", "--address", &image("me/line:2")];
    let on_the_line = place.does(&line);
    assert_eq!(on_the_line, format!("{}@{}\n", image("me/line:2"), registry.digest("me/line", "2")));
    // The same container is the same image.
    assert_eq!(registry.digest("me/code", "1"), registry.digest("me/line", "2"));
    // By its tag, and by what was given; in a store that has never seen it.
    for address in [image("me/code:1").as_str(), on_the_line.trim()] {
        let ran = finish(
            place.command(&["call", "look", "--base", address]).env("ROOTLET_STORE", place.at("other-store")),
        );
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "published\n1000\n"), "{}", ran.stderr);
    }
}

#[test]
fn a_registry_that_refuses_is_told() {
    let Some(alpine) = alpine() else { return };
    let place = Place::with(CODE);
    let hashed = Command::new("htpasswd").args(["-Bbn", "sam", "secret"]).output();
    let Ok(hashed) = hashed else { return rootlet_tests::skipped("no htpasswd") };
    fs::write(place.at("passwords"), hashed.stdout).unwrap();
    let Some(registry) = Registry::start(place.path(), Some(&place.at("passwords"))) else { return };
    let address = registry.image("me/x:1");
    let publish = || {
        let mut command = place.command(&["call", "publish", "--base", &alpine, "--address", &address]);
        finish(command.env("DOCKER_CONFIG", place.at("docker")).env_remove("REGISTRY_AUTH_FILE"))
    };
    let refused = |ran: crate::Ran, said: &[&str]| {
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(1), ""), "{}", ran.stderr);
        said.iter().for_each(|text| assert!(ran.stderr.contains(text), "no `{text}` in: {}", ran.stderr));
        assert!(!ran.stderr.contains("c2FtOn"), "{}", ran.stderr);
    };
    refused(publish(), &["failed to push", "hint: ", "docker login"]);
    // `sam:wrong`, `sam:secret`
    let auth = |text: &str| {
        place.write(
            "docker/config.json",
            &format!(r#"{{"auths":{{"{}":{{"auth":"{text}"}}}}}}"#, registry.address),
        );
    };
    auth("c2FtOndyb25n");
    refused(publish(), &["failed to push", "hint: "]);
    auth("c2FtOnNlY3JldA==");
    let done = publish();
    assert!(done.stdout.starts_with(&format!("{address}@sha256:")), "{}{}", done.stdout, done.stderr);
    // Who is named in the code goes before who is in a file.
    auth("c2FtOndyb25n");
    let as_who = |words: &[&str], password: &str| {
        let mut command = place.command(&[words, &["--user=sam", "--password=env:PASSWORD"]].concat());
        command.env("PASSWORD", password).env("ROOTLET_STORE", place.at("other-store"));
        finish(command.env("DOCKER_CONFIG", place.at("docker")).env_remove("REGISTRY_AUTH_FILE"))
    };
    let address = registry.image("me/y:1");
    let publish = ["call", "publish-as", "--base", &alpine, "--address", &address];
    refused(as_who(&publish, "other"), &["failed to push"]);
    let done = as_who(&publish, "secret");
    assert!(done.stdout.starts_with(&format!("{address}@sha256:")), "{}{}", done.stdout, done.stderr);
    let pull = ["call", "pull-as", "--address", &address];
    refused(as_who(&pull, "other"), &["failed to pull"]);
    let pulled = as_who(&pull, "secret");
    assert_eq!((pulled.status, pulled.stdout.as_str()), (Some(0), "published\n1000\n"), "{}", pulled.stderr);
    // Where nobody listens, and what is no address.
    let nobody = ["call", "publish", "--base", &alpine, "--address", "127.0.0.1:1/x:1"];
    refused(place.ran(&nobody), &["127.0.0.1:1", "refused"]);
    refused(place.ran(&["call", "publish", "--base", &alpine, "--address", "NO/such"]), &["NO/such"]);
}
