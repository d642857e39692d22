//! Containers.

use super::client::Client;
use super::{
    Answer, CacheOptions, CacheVolume, Directory, DirectoryOptions, File, FileOptions, MountOptions, Secret,
    Service,
};
use rootlet_spec::pipeline::{
    self, ContainerStep as Step, Copied, DirectoryOrigin, Exec, FileOrigin, FileStep,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A container that is put together step by step; nothing is done until it is asked something. Each step gives another one, and
/// leaves this one as it is.
///
/// ```no_run
/// use rootlet::functions::dag;
/// # fn main() -> Result<(), rootlet::functions::Failed> {
/// let alpine = dag().container().from_("alpine:3.23");
/// let out = alpine.with_user("guest").with_exec(["id", "-un"]).stdout().wait()?;
/// assert_eq!(out, "guest\n");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Container {
    pub(super) client: Client,
    pub(super) value: pipeline::Container,
}

impl Container {
    fn with_step(&self, step: Step) -> Self {
        let mut value = self.value.clone();
        value.steps.push(step);
        Self { client: self.client.clone(), value }
    }

    fn ask<T: DeserializeOwned>(&self, name: &str, with: Value) -> Answer<T> {
        self.client.ask(name, json!(self.value), with)
    }

    fn ask_plain<T: DeserializeOwned>(&self, name: &str) -> Answer<T> {
        self.client.ask_plain(name, json!(self.value))
    }

    pub(crate) fn from_value(client: &Client, value: pipeline::Container) -> Self {
        Self { client: client.clone(), value }
    }

    /// What it is made of, to be told elsewhere.
    pub fn value(&self) -> &pipeline::Container {
        &self.value
    }

    /// Begins with a base, in any form that `rootlet run --base` takes.
    #[must_use]
    pub fn from_(&self, address: impl Into<String>) -> Self {
        self.with_step(Step::From { address: address.into() })
    }

    /// Runs a command: `["id", "-un"]`, or an [`Exec`] that says more.
    #[must_use]
    pub fn with_exec(&self, exec: impl Into<Exec>) -> Self {
        self.with_step(Step::WithExec(exec.into()))
    }

    /// Does something with it: for what several containers have in common.
    #[must_use]
    pub fn with(&self, what: impl FnOnce(Self) -> Self) -> Self {
        what(self.clone())
    }

    /// Who runs what comes later. Nobody is made up.
    #[must_use]
    pub fn with_user(&self, name: impl Into<String>) -> Self {
        self.with_step(Step::WithUser { name: name.into() })
    }

    /// Root runs what comes later.
    #[must_use]
    pub fn without_user(&self) -> Self {
        self.with_step(Step::WithoutUser)
    }

    /// Where commands begin; made where it is missing, the user's own.
    #[must_use]
    pub fn with_workdir(&self, path: impl Into<String>) -> Self {
        self.with_step(Step::WithWorkdir { path: path.into(), expand: false })
    }

    /// Commands begin at `/`.
    #[must_use]
    pub fn without_workdir(&self) -> Self {
        self.with_step(Step::WithoutWorkdir)
    }

    /// Sets a variable.
    #[must_use]
    pub fn with_env_variable(&self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with_step(Step::WithEnvVariable { name: name.into(), value: value.into(), expand: false })
    }

    /// Sets a variable to a value in which `$NAME` stands for another one.
    #[must_use]
    pub fn with_env_variable_expanded(&self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with_step(Step::WithEnvVariable { name: name.into(), value: value.into(), expand: true })
    }

    /// Removes a variable.
    #[must_use]
    pub fn without_env_variable(&self, name: impl Into<String>) -> Self {
        self.with_step(Step::WithoutEnvVariable { name: name.into() })
    }

    /// A variable that holds a secret: of commands alone, and in no layer.
    #[must_use]
    pub fn with_secret_variable(&self, name: impl Into<String>, secret: &Secret) -> Self {
        self.with_step(Step::WithSecretVariable { name: name.into(), secret: secret.value.clone() })
    }

    /// Removes such a variable.
    #[must_use]
    pub fn without_secret_variable(&self, name: impl Into<String>) -> Self {
        self.with_step(Step::WithoutSecretVariable { name: name.into() })
    }

    /// Who we are to a registry, or a part of it: for images that are pulled later, and for what is published.
    #[must_use]
    pub fn with_registry_auth(
        &self,
        address: impl Into<String>,
        username: impl Into<String>,
        secret: &Secret,
    ) -> Self {
        let secret = secret.value.clone();
        self.with_step(Step::WithRegistryAuth { address: address.into(), username: username.into(), secret })
    }

    /// To a registry we are nobody in particular.
    #[must_use]
    pub fn without_registry_auth(&self, address: impl Into<String>) -> Self {
        self.with_step(Step::WithoutRegistryAuth { address: address.into() })
    }

    /// Sets a label.
    #[must_use]
    pub fn with_label(&self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with_step(Step::WithLabel { name: name.into(), value: value.into() })
    }

    /// Removes a label.
    #[must_use]
    pub fn without_label(&self, name: impl Into<String>) -> Self {
        self.with_step(Step::WithoutLabel { name: name.into() })
    }

    /// What is put before a command that asks for it. The default arguments are gone with it.
    #[must_use]
    pub fn with_entrypoint(&self, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        self.with_step(Step::WithEntrypoint { args, keep_default_args: false })
    }

    /// There is no entrypoint, and no default arguments.
    #[must_use]
    pub fn without_entrypoint(&self) -> Self {
        self.with_step(Step::WithoutEntrypoint { keep_default_args: false })
    }

    /// What runs where nothing is said.
    #[must_use]
    pub fn with_default_args(&self, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.with_step(Step::WithDefaultArgs { args: args.into_iter().map(Into::into).collect() })
    }

    /// Nothing runs where nothing is said.
    #[must_use]
    pub fn without_default_args(&self) -> Self {
        self.with_step(Step::WithoutDefaultArgs)
    }

    /// A TCP port that it serves on.
    #[must_use]
    pub fn with_exposed_port(&self, port: u16) -> Self {
        self.with_step(Step::WithExposedPort { port, protocol: "TCP".into(), description: None })
    }

    /// A TCP port that it no longer serves on.
    #[must_use]
    pub fn without_exposed_port(&self, port: u16) -> Self {
        self.with_step(Step::WithoutExposedPort { port, protocol: "TCP".into() })
    }

    /// Copies a file.
    #[must_use]
    pub fn with_file(&self, path: impl Into<String>, source: &File) -> Self {
        self.with_file_as(path, source, FileOptions::default())
    }

    /// Copies a file, with an owner or a mode of its own.
    #[must_use]
    pub fn with_file_as(&self, path: impl Into<String>, source: &File, options: FileOptions) -> Self {
        self.with_step(Step::Files(super::files::with_file(path, source, options)))
    }

    /// Copies files into a directory, under their own names.
    #[must_use]
    pub fn with_files(&self, path: impl Into<String>, sources: &[File]) -> Self {
        self.with_step(Step::Files(super::files::with_files(path, sources)))
    }

    /// Copies what a directory holds into another one.
    #[must_use]
    pub fn with_directory(&self, path: impl Into<String>, source: &Directory) -> Self {
        self.with_directory_as(path, source, DirectoryOptions::default())
    }

    /// Copies some of what a directory holds, or for somebody else.
    #[must_use]
    pub fn with_directory_as(
        &self,
        path: impl Into<String>,
        source: &Directory,
        options: DirectoryOptions,
    ) -> Self {
        let copied = super::files::copied(path, source, options);
        self.with_step(Step::Files(FileStep::WithDirectory(copied)))
    }

    /// Writes a file: root's, 0644.
    #[must_use]
    pub fn with_new_file(&self, path: impl Into<String>, contents: impl Into<String>) -> Self {
        self.with_new_file_as(path, contents, FileOptions::default())
    }

    /// Writes a file with an owner or a mode of its own.
    #[must_use]
    pub fn with_new_file_as(
        &self,
        path: impl Into<String>,
        contents: impl Into<String>,
        options: FileOptions,
    ) -> Self {
        self.with_step(Step::Files(super::files::with_new_file(path, contents, options)))
    }

    /// Makes a symlink at `link` that says `target`.
    #[must_use]
    pub fn with_symlink(&self, target: impl Into<String>, link: impl Into<String>) -> Self {
        let step = FileStep::WithSymlink { target: target.into(), link_name: link.into(), expand: false };
        self.with_step(Step::Files(step))
    }

    /// Removes a file, if it is there.
    #[must_use]
    pub fn without_file(&self, path: impl Into<String>) -> Self {
        self.with_step(Step::Files(FileStep::WithoutFile { path: path.into() }))
    }

    /// Removes files, as far as they are there.
    #[must_use]
    pub fn without_files(&self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        paths.into_iter().fold(self.clone(), |container, path| container.without_file(path))
    }

    /// Removes a directory with all in it, if it is there.
    #[must_use]
    pub fn without_directory(&self, path: impl Into<String>) -> Self {
        self.with_step(Step::Files(FileStep::WithoutDirectory { path: path.into() }))
    }

    /// All files are replaced by those of a directory.
    #[must_use]
    pub fn with_rootfs(&self, directory: &Directory) -> Self {
        self.with_step(Step::WithRootfs { directory: Box::new(directory.value.clone()) })
    }

    /// A directory that commands have, and the container's own files do not.
    #[must_use]
    pub fn with_mounted_directory(&self, path: impl Into<String>, source: &Directory) -> Self {
        self.with_mounted_directory_as(path, source, MountOptions::default())
    }

    /// Likewise, read-only or for somebody else.
    #[must_use]
    pub fn with_mounted_directory_as(
        &self,
        path: impl Into<String>,
        source: &Directory,
        options: MountOptions,
    ) -> Self {
        let MountOptions { owner, read_only, .. } = options;
        let copied = super::files::copied(path, source, DirectoryOptions { owner, ..Default::default() });
        self.with_step(Step::WithMountedDirectory(Copied { read_only, ..copied }))
    }

    /// A file that commands have, and the container's own files do not.
    #[must_use]
    pub fn with_mounted_file(&self, path: impl Into<String>, source: &File) -> Self {
        let source = Box::new(source.value.clone());
        self.with_step(Step::WithMountedFile { path: path.into(), source, owner: None })
    }

    /// A directory that lasts from one run to the next.
    #[must_use]
    pub fn with_mounted_cache(&self, path: impl Into<String>, cache: &CacheVolume) -> Self {
        self.with_mounted_cache_as(path, cache, CacheOptions::default())
    }

    /// Likewise, for somebody or for one at a time.
    #[must_use]
    pub fn with_mounted_cache_as(
        &self,
        path: impl Into<String>,
        cache: &CacheVolume,
        options: CacheOptions,
    ) -> Self {
        let CacheOptions { owner, sharing, source } = options;
        let source = source.map(|directory| Box::new(directory.value));
        self.with_step(Step::WithMountedCache {
            path: path.into(),
            cache: cache.value.clone(),
            source,
            sharing,
            owner,
        })
    }

    /// An empty directory in memory, for each command anew.
    #[must_use]
    pub fn with_mounted_temp(&self, path: impl Into<String>) -> Self {
        self.with_step(Step::WithMountedTemp { path: path.into(), size: None })
    }

    /// A file that holds a secret: root's, 0400, and in no layer.
    #[must_use]
    pub fn with_mounted_secret(&self, path: impl Into<String>, secret: &Secret) -> Self {
        self.with_mounted_secret_as(path, secret, MountOptions::default())
    }

    /// Likewise, with an owner or a mode of its own.
    #[must_use]
    pub fn with_mounted_secret_as(
        &self,
        path: impl Into<String>,
        secret: &Secret,
        options: MountOptions,
    ) -> Self {
        let MountOptions { owner, mode, .. } = options;
        let source = secret.value.clone();
        self.with_step(Step::WithMountedSecret { path: path.into(), source, owner, mode })
    }

    /// What was mounted at a place is there no longer.
    #[must_use]
    pub fn without_mount(&self, path: impl Into<String>) -> Self {
        self.with_step(Step::WithoutMount { path: path.into() })
    }

    /// A service runs while commands do, and is reached by a name, on the ports that it exposes.
    #[must_use]
    pub fn with_service_binding(&self, alias: impl Into<String>, service: &Service) -> Self {
        let service = Box::new(service.value.clone());
        self.with_step(Step::WithServiceBinding { alias: alias.into(), service })
    }

    /// All its files.
    pub fn rootfs(&self) -> Directory {
        self.directory("/")
    }

    /// A directory of it.
    pub fn directory(&self, path: impl Into<String>) -> Directory {
        let from =
            DirectoryOrigin::Container { container: self.value.clone(), path: path.into(), expand: false };
        Directory::new(self.client.clone(), pipeline::Directory { from: Some(from), steps: Vec::new() })
    }

    /// A file of it.
    pub fn file(&self, path: impl Into<String>) -> File {
        let container = Box::new(self.value.clone());
        File::new(self.client.clone(), FileOrigin::Container { container, path: path.into(), expand: false })
    }

    /// It, as an archive that `docker load` and `podman load` read.
    pub fn as_tarball(&self) -> File {
        File::new(self.client.clone(), FileOrigin::Tarball(Box::new(self.value.clone())))
    }

    /// It, as a service that runs its default arguments.
    pub fn as_service(&self) -> Service {
        Service::new(self.client.clone(), self.value.clone(), None)
    }

    /// It, as a service that runs a command.
    pub fn as_service_of(&self, args: impl IntoIterator<Item = impl Into<String>>) -> Service {
        let args = args.into_iter().map(Into::into).collect();
        Service::new(self.client.clone(), self.value.clone(), Some(args))
    }

    /// What its last command said on standard output. It is run to find out, once for each session.
    pub fn stdout(&self) -> Answer<String> {
        self.ask_plain("stdout")
    }

    /// What its last command said on standard error.
    pub fn stderr(&self) -> Answer<String> {
        self.ask_plain("stderr")
    }

    /// What its last command said on both, in the order in which it was heard.
    pub fn combined_output(&self) -> Answer<String> {
        self.ask_plain("combined_output")
    }

    /// How its last command ended; 128 and more: by a signal.
    pub fn exit_code(&self) -> Answer<i32> {
        self.ask_plain("exit_code")
    }

    /// Does all its steps; the last command is run to answer.
    pub fn sync(&self) -> Answer<Value> {
        self.ask_plain("sync")
    }

    /// A variable; `None` where it is not set.
    pub fn env_variable(&self, name: impl Into<String>) -> Answer<Option<String>> {
        self.ask("env_variable", json!({"name": name.into()}))
    }

    /// A label; `None` where it is not set.
    pub fn label(&self, name: impl Into<String>) -> Answer<Option<String>> {
        self.ask("label", json!({"name": name.into()}))
    }

    /// Who runs commands; empty: root.
    pub fn user(&self) -> Answer<String> {
        self.ask_plain("user")
    }

    /// Where commands begin; empty: `/`.
    pub fn workdir(&self) -> Answer<String> {
        self.ask_plain("workdir")
    }

    /// What is put before a command that asks for it.
    pub fn entrypoint(&self) -> Answer<Vec<String>> {
        self.ask_plain("entrypoint")
    }

    /// What runs where nothing is said.
    pub fn default_args(&self) -> Answer<Vec<String>> {
        self.ask_plain("default_args")
    }

    /// Its variables: `name` and `value` of each.
    pub fn env_variables(&self) -> Answer<Vec<BTreeMap<String, String>>> {
        self.ask_plain("env_variables")
    }

    /// Its labels: `name` and `value` of each.
    pub fn labels(&self) -> Answer<Vec<BTreeMap<String, String>>> {
        self.ask_plain("labels")
    }

    /// What it serves on: `port` and `protocol` of each.
    pub fn exposed_ports(&self) -> Answer<Vec<BTreeMap<String, Value>>> {
        self.ask_plain("exposed_ports")
    }

    /// Where something is mounted.
    pub fn mounts(&self) -> Answer<Vec<String>> {
        self.ask_plain("mounts")
    }

    /// Its platform: `linux/amd64`.
    pub fn platform(&self) -> Answer<String> {
        self.ask_plain("platform")
    }

    /// The base that it began with.
    pub fn image_ref(&self) -> Answer<String> {
        self.ask_plain("image_ref")
    }

    /// Whether something is there.
    pub fn exists(&self, path: impl Into<String>) -> Answer<bool> {
        self.ask("exists", json!({"path": path.into()}))
    }

    /// What is there: `file_type`, `permissions`, `size`, `uid`, `gid`.
    pub fn stat(&self, path: impl Into<String>) -> Answer<BTreeMap<String, Value>> {
        self.ask("stat", json!({"path": path.into()}))
    }

    /// Writes it as an archive to this machine; gives where.
    pub fn export(&self, path: impl Into<String>) -> Answer<String> {
        self.ask("export", json!({"path": path.into()}))
    }

    /// Pushes it to a registry; gives its address with its digest.
    pub fn publish(&self, address: impl Into<String>) -> Answer<String> {
        self.ask("publish", json!({"address": address.into()}))
    }
}
