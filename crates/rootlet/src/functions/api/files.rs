//! Directories and files.

use super::client::Client;
use super::{Answer, DirectoryOptions, FileOptions};
use rootlet_spec::pipeline::{self, Copied, DirectoryOrigin, DirectoryStep, FileOrigin, FileStep};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A directory that is put together step by step; nothing is done until it is asked something, or used.
#[derive(Clone, Debug)]
pub struct Directory {
    client: Client,
    pub(super) value: pipeline::Directory,
}

/// A file.
#[derive(Clone, Debug)]
pub struct File {
    client: Client,
    pub(super) value: pipeline::File,
}

/// What differs between two directories.
#[derive(Clone, Debug)]
pub struct Changes {
    client: Client,
    value: pipeline::Changes,
}

pub(super) fn with_file(path: impl Into<String>, source: &File, options: FileOptions) -> FileStep {
    let FileOptions { permissions, owner, expand } = options;
    FileStep::WithFile {
        path: path.into(),
        source: Box::new(source.value.clone()),
        permissions,
        owner,
        expand,
    }
}

pub(super) fn with_files(path: impl Into<String>, sources: &[File]) -> FileStep {
    let sources = sources.iter().map(|file| file.value.clone()).collect();
    FileStep::WithFiles { path: path.into(), sources, permissions: None, owner: None }
}

pub(super) fn with_new_file(
    path: impl Into<String>,
    contents: impl Into<String>,
    options: FileOptions,
) -> FileStep {
    let FileOptions { permissions, owner, expand } = options;
    FileStep::WithNewFile { path: path.into(), contents: contents.into(), permissions, owner, expand }
}

pub(super) fn copied(path: impl Into<String>, source: &Directory, options: DirectoryOptions) -> Copied {
    let DirectoryOptions { include, exclude, owner, expand } = options;
    let source = Box::new(source.value.clone());
    Copied { path: path.into(), source, include, exclude, owner, expand, read_only: false }
}

impl Directory {
    pub(super) fn new(client: Client, value: pipeline::Directory) -> Self {
        Self { client, value }
    }

    pub(crate) fn from_value(client: &Client, value: pipeline::Directory) -> Self {
        Self::new(client.clone(), value)
    }

    fn with_step(&self, step: DirectoryStep) -> Self {
        let mut value = self.value.clone();
        value.steps.push(step);
        Self { client: self.client.clone(), value }
    }

    fn with_files_step(&self, step: FileStep) -> Self {
        self.with_step(DirectoryStep::Files(step))
    }

    /// What it is made of, to be told elsewhere.
    pub fn value(&self) -> &pipeline::Directory {
        &self.value
    }

    /// Copies a file.
    #[must_use]
    pub fn with_file(&self, path: impl Into<String>, source: &File) -> Self {
        self.with_files_step(with_file(path, source, FileOptions::default()))
    }

    /// Copies files into a directory, under their own names.
    #[must_use]
    pub fn with_files(&self, path: impl Into<String>, sources: &[File]) -> Self {
        self.with_files_step(with_files(path, sources))
    }

    /// Copies what a directory holds into another one.
    #[must_use]
    pub fn with_directory(&self, path: impl Into<String>, source: &Directory) -> Self {
        self.with_directory_as(path, source, DirectoryOptions::default())
    }

    /// Copies some of what a directory holds.
    #[must_use]
    pub fn with_directory_as(
        &self,
        path: impl Into<String>,
        source: &Directory,
        options: DirectoryOptions,
    ) -> Self {
        self.with_files_step(FileStep::WithDirectory(copied(path, source, options)))
    }

    /// Writes a file, 0644.
    #[must_use]
    pub fn with_new_file(&self, path: impl Into<String>, contents: impl Into<String>) -> Self {
        self.with_files_step(with_new_file(path, contents, FileOptions::default()))
    }

    /// Writes a file with a mode or an owner of its own.
    #[must_use]
    pub fn with_new_file_as(
        &self,
        path: impl Into<String>,
        contents: impl Into<String>,
        options: FileOptions,
    ) -> Self {
        self.with_files_step(with_new_file(path, contents, options))
    }

    /// Makes a directory, 0755, and its missing parents.
    #[must_use]
    pub fn with_new_directory(&self, path: impl Into<String>) -> Self {
        self.with_files_step(FileStep::WithNewDirectory { path: path.into(), permissions: None })
    }

    /// Makes a symlink at `link` that says `target`.
    #[must_use]
    pub fn with_symlink(&self, target: impl Into<String>, link: impl Into<String>) -> Self {
        let (target, link_name) = (target.into(), link.into());
        self.with_files_step(FileStep::WithSymlink { target, link_name, expand: false })
    }

    /// Removes a file, if it is there.
    #[must_use]
    pub fn without_file(&self, path: impl Into<String>) -> Self {
        self.with_files_step(FileStep::WithoutFile { path: path.into() })
    }

    /// Removes files, as far as they are there.
    #[must_use]
    pub fn without_files(&self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        paths.into_iter().fold(self.clone(), |directory, path| directory.without_file(path))
    }

    /// Removes a directory with all in it, if it is there.
    #[must_use]
    pub fn without_directory(&self, path: impl Into<String>) -> Self {
        self.with_files_step(FileStep::WithoutDirectory { path: path.into() })
    }

    /// All files and directories get this time, in seconds since 1970.
    #[must_use]
    pub fn with_timestamps(&self, timestamp: u64) -> Self {
        self.with_step(DirectoryStep::WithTimestamps { timestamp })
    }

    /// Only what these patterns take, as .dockerignore spells them; no `include`: everything.
    #[must_use]
    pub fn filter(
        &self,
        include: impl IntoIterator<Item = impl Into<String>>,
        exclude: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let include = include.into_iter().map(Into::into).collect();
        let exclude = exclude.into_iter().map(Into::into).collect();
        self.with_step(DirectoryStep::Filter { include, exclude })
    }

    /// What `other` has, and this one has not or has otherwise.
    #[must_use]
    pub fn diff(&self, other: &Directory) -> Self {
        self.with_step(DirectoryStep::Diff { other: Box::new(other.value.clone()) })
    }

    /// What is other than in an earlier one.
    pub fn changes(&self, from: &Directory) -> Changes {
        let value = pipeline::Changes { of: self.value.clone(), from: from.value.clone() };
        Changes { client: self.client.clone(), value }
    }

    /// A directory in it.
    pub fn directory(&self, path: impl Into<String>) -> Directory {
        let from = DirectoryOrigin::Directory { directory: Box::new(self.value.clone()), path: path.into() };
        Self::new(self.client.clone(), pipeline::Directory { from: Some(from), steps: Vec::new() })
    }

    /// A file in it.
    pub fn file(&self, path: impl Into<String>) -> File {
        let directory = Box::new(self.value.clone());
        File::new(self.client.clone(), FileOrigin::Directory { directory, path: path.into() })
    }

    fn ask<T: serde::de::DeserializeOwned>(&self, name: &str, with: Value) -> Answer<T> {
        self.client.ask(name, json!(self.value), with)
    }

    /// The names in it, sorted; those of directories end in `/`.
    pub fn entries(&self) -> Answer<Vec<String>> {
        self.ask("entries", json!({}))
    }

    /// Paths in it that fit a pattern: `**/*.rs`.
    pub fn glob(&self, pattern: impl Into<String>) -> Answer<Vec<String>> {
        self.ask("glob", json!({"pattern": pattern.into()}))
    }

    /// Whether something is there.
    pub fn exists(&self, path: impl Into<String>) -> Answer<bool> {
        self.ask("exists", json!({"path": path.into()}))
    }

    /// What is there: `file_type`, `permissions`, `size`, `uid`, `gid`.
    pub fn stat(&self, path: impl Into<String>) -> Answer<BTreeMap<String, Value>> {
        self.ask("stat", json!({"path": path.into()}))
    }

    /// What it is called.
    pub fn name(&self) -> Answer<String> {
        self.ask("name", json!({}))
    }

    /// Makes it now.
    pub fn sync(&self) -> Answer<Value> {
        self.ask("sync", json!({}))
    }

    /// A digest of all in it: names, owners, modes and contents.
    pub fn digest(&self) -> Answer<String> {
        self.ask("digest", json!({}))
    }

    /// Writes what is in it into a directory of this machine; gives where.
    pub fn export(&self, path: impl Into<String>) -> Answer<String> {
        self.ask("export", json!({"path": path.into()}))
    }
}

impl File {
    pub(super) fn new(client: Client, from: FileOrigin) -> Self {
        Self { client, value: pipeline::File { from, name: None, timestamp: None } }
    }

    pub(crate) fn from_value(client: &Client, value: pipeline::File) -> Self {
        Self { client: client.clone(), value }
    }

    /// What it is made of, to be told elsewhere.
    pub fn value(&self) -> &pipeline::File {
        &self.value
    }

    /// It, under another name.
    #[must_use]
    pub fn with_name(&self, name: impl Into<String>) -> Self {
        let value = pipeline::File { name: Some(name.into()), ..self.value.clone() };
        Self { client: self.client.clone(), value }
    }

    /// It, with this time, in seconds since 1970.
    #[must_use]
    pub fn with_timestamps(&self, timestamp: u64) -> Self {
        let value = pipeline::File { timestamp: Some(timestamp), ..self.value.clone() };
        Self { client: self.client.clone(), value }
    }

    fn ask<T: serde::de::DeserializeOwned>(&self, name: &str, with: Value) -> Answer<T> {
        self.client.ask(name, json!(self.value), with)
    }

    /// Makes it now.
    pub fn sync(&self) -> Answer<Value> {
        self.ask("sync", json!({}))
    }

    /// What it is: `file_type`, `permissions`, `size`, `uid`, `gid`.
    pub fn stat(&self) -> Answer<BTreeMap<String, Value>> {
        self.ask("stat", json!({}))
    }

    /// Its text.
    pub fn contents(&self) -> Answer<String> {
        self.ask("contents", json!({}))
    }

    /// Its bytes, counted.
    pub fn size(&self) -> Answer<u64> {
        self.ask("size", json!({}))
    }

    /// A digest of its contents.
    pub fn digest(&self) -> Answer<String> {
        self.ask("digest", json!({}))
    }

    /// What it is called.
    pub fn name(&self) -> Answer<String> {
        self.ask("name", json!({}))
    }

    /// Writes it to this machine; into a directory, under its own name. Gives where.
    pub fn export(&self, path: impl Into<String>) -> Answer<String> {
        self.ask("export", json!({"path": path.into()}))
    }
}

impl Changes {
    fn ask<T: serde::de::DeserializeOwned>(&self, name: &str) -> Answer<T> {
        self.client.ask_plain(name, json!(self.value))
    }

    /// The later one.
    pub fn after(&self) -> Directory {
        Directory::new(self.client.clone(), self.value.of.clone())
    }

    /// The earlier one.
    pub fn before(&self) -> Directory {
        Directory::new(self.client.clone(), self.value.from.clone())
    }

    /// What is new or other in the later one.
    pub fn layer(&self) -> Directory {
        self.before().diff(&self.after())
    }

    /// What is new.
    pub fn added_paths(&self) -> Answer<Vec<String>> {
        self.ask("added_paths")
    }

    /// What is other than it was.
    pub fn modified_paths(&self) -> Answer<Vec<String>> {
        self.ask("modified_paths")
    }

    /// What is gone.
    pub fn removed_paths(&self) -> Answer<Vec<String>> {
        self.ask("removed_paths")
    }

    /// Does the same to a directory of this machine: what is new or other is written, and what is gone removed. Gives the path.
    pub fn export(&self, path: impl Into<String>) -> Answer<String> {
        self.client.ask("export", json!(self.value), json!({"path": path.into()}))
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> Answer<bool> {
        self.ask("is_empty")
    }
}
