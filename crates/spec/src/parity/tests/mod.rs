//! The readers, from a text to what is understood of it.

mod bad;
mod compose;
mod dockerfile;
mod kubernetes;
mod systemd;

use super::{Error, Like, Request, Surroundings, read};
use crate::Mount;
use std::collections::BTreeMap;
use std::path::Path;

/// A directory that is data.
#[derive(Default)]
struct Files(BTreeMap<&'static str, &'static str>);

impl Surroundings for Files {
    fn directory(&self) -> &Path {
        Path::new("/project")
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, String> {
        let name = path.strip_prefix("./").unwrap_or(path).to_str().unwrap_or_default();
        Ok(self.0.get(name).map(|text| text.as_bytes().to_vec()))
    }

    fn list(&self, path: &Path) -> Vec<String> {
        let below = |name: &&str| Some(Path::new(name).strip_prefix(path).ok()?.to_str()?.to_owned());
        self.0.keys().filter_map(below).collect()
    }

    fn exists(&self, path: &Path) -> bool {
        path.strip_prefix("/project").is_ok_and(|path| self.0.contains_key(path.to_str().unwrap_or_default()))
    }

    fn variable(&self, name: &str) -> Option<String> {
        (name == "CALLERS").then(|| "own".into())
    }
}

fn try_with(name: &str, text: &str, files: &Files) -> Result<Like, Error> {
    let (name, select) = name.split_once('#').map_or((name, None), |(name, select)| (name, Some(select)));
    read(text.as_bytes(), &Request { name, select, openshift: None, around: files })
}

fn try_read(name: &str, text: &str) -> Result<Like, Error> {
    try_with(name, text, &Files::default())
}

#[track_caller]
fn like(name: &str, text: &str) -> Like {
    try_read(name, text).unwrap()
}

#[track_caller]
fn wrong(name: &str, text: &str) -> String {
    wrong_with(name, text, &Files::default())
}

#[track_caller]
fn wrong_with(name: &str, text: &str, files: &Files) -> String {
    let e = try_with(name, text, files).unwrap_err();
    format!("{e} ({})", e.hint().unwrap_or_default())
}

/// The paths of the losses.
fn lost(like: &Like) -> Vec<&str> {
    like.losses.iter().map(|loss| loss.path.as_str()).collect()
}

fn at<'a>(like: &'a Like, target: &str) -> &'a Mount {
    like.spec.mounts.iter().find(|mount| mount.target() == target).unwrap()
}
