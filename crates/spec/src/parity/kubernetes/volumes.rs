//! Volumes: whose each kind is, with which mode, and what fsGroup makes of it.
//!
//! The rules are the kubelet's: `pkg/volume/volume_linux.go` (fsGroup: the group and setgid; `rw-rw----` is added to what is
//! writable, `r--r-----` to what is not, `--x--x---` to directories), `pkg/volume/util/atomic_writer.go` (the files of a ConfigMap are
//! symlinks into a directory of a date), `pkg/volume/emptydir` (mode 0777), `pkg/kubelet/kubelet_pods.go` (what a ConfigMap, a Secret,
//! a projected volume or the downward API fill is always mounted read-only; a subPath gets the volume's mode).

use super::super::error::Error;
use super::super::fields::{At, Fields};
use super::super::{Like, Loss};
use super::super::{MOST_ENTRIES, MOST_MOUNTS, MOST_TEXT, of_the_kernel};
use super::env::{self, Variables};
use super::security::Owner;
use super::{Objects, Workload, quantity};
use crate::{Content, Entry, Mount, Rights, mount};
use std::collections::BTreeMap;

const READ_WRITE: u32 = 0o660;
const READ_ONLY: u32 = 0o440;
const DIRECTORY: u32 = 0o2110;

/// A volume, before it is mounted anywhere.
#[derive(Clone)]
enum Source {
    /// Writable, of this mode.
    Directory {
        mode: u32,
        size: Option<u64>,
        read_only: bool,
        group: Option<u32>,
    },
    /// A file of the node.
    File,
    Files(Vec<Entry>),
}

pub fn read(
    like: &mut Like,
    objects: &Objects,
    workload: &Workload,
    pod: &mut Fields,
    container: &mut Fields,
    owner: &Owner,
    variables: &Variables,
) -> Result<(), Error> {
    let mut known: BTreeMap<String, At> = BTreeMap::new();
    for at in pod.list("volumes")? {
        known.insert(at.map()?.required("name")?.text()?.to_owned(), at);
    }
    let mut claims: BTreeMap<String, At> = BTreeMap::new();
    for at in &workload.claims {
        let name = at.map()?.required("metadata")?.map()?.required("name")?.text()?;
        claims.insert(name.to_owned(), at.clone());
    }
    let reader = Reader { objects, workload, owner };
    let mut sources: BTreeMap<String, Source> = BTreeMap::new();
    let mut total = 0;
    for at in container.list("volumeMounts")? {
        let mut fields = at.map()?;
        let name_at = fields.required("name")?;
        let name = name_at.text()?;
        let source = match (sources.get(name), claims.get(name), known.get(name)) {
            (Some(source), ..) => source.clone(),
            (None, Some(_), _) => reader.claim(false),
            (None, None, Some(volume)) => reader.source(volume, &mut like.losses)?,
            (None, None, None) => {
                let names: Vec<_> = known.keys().chain(claims.keys()).map(String::as_str).collect();
                let names = if names.is_empty() { "none".into() } else { names.join(", ") };
                return Err(name_at
                    .refused(format!("Not found: \"{name}\""))
                    .with_hint(format!("its volumes: {names}")));
            }
        };
        if let Source::Files(entries) = &source {
            for entry in entries {
                if let Content::File(bytes) = &entry.content {
                    // Each mount has a copy.
                    total += bytes.len();
                }
            }
        }
        if total > MOST_TEXT || like.spec.mounts.len() >= MOST_MOUNTS {
            return Err(at.error("more is mounted than any deployment has"));
        }
        sources.insert(name.to_owned(), source.clone());
        let mount = mounted(name, source, &mut fields, variables)?;
        if of_the_kernel(mount.target()) {
            like.losses.push(at.loss("the rootlet's own stays there"));
            continue;
        }
        fields.ignore(&["mountPropagation", "recursiveReadOnly"]);
        fields.rest(&mut like.losses);
        let place = |mount: &Mount| mount.target().trim_end_matches('/').to_owned();
        if like.spec.mounts.iter().any(|other| place(other) == place(&mount)) {
            return Err(at.refused("mountPath: Invalid value: must be unique"));
        }
        like.spec.mounts.push(mount);
    }
    like.spec.mounts.sort_by_key(Mount::depth);
    Ok(())
}

fn mounted(name: &str, source: Source, fields: &mut Fields, variables: &Variables) -> Result<Mount, Error> {
    let at = fields.required("mountPath")?;
    let path = at.text()?;
    // A relative one is the runtime's affair; containerd takes it from the top.
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let target = mount::parse_workdir(&path).map_err(|e| at.error(e.reason()))?;
    let said_read_only = fields.truth("readOnly")?.unwrap_or(false);
    let sub = match (fields.get("subPath"), fields.get("subPathExpr")) {
        (Some(at), None) => Some((at.text()?.to_owned(), at)),
        (None, Some(at)) => Some((variables.expand(at.text()?), at)),
        (None, None) => None,
        (Some(_), Some(at)) => return Err(at.refused("subPathExpr and subPath are mutually exclusive")),
    };
    let mut sub_path = String::new();
    if let Some((text, at)) = sub {
        if text.starts_with('/') || text.split('/').any(|part| part == "..") || text.contains('\0') {
            return Err(at.refused("must be a relative path without `..`"));
        }
        sub_path = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/");
    }
    Ok(match source {
        Source::Directory { mode, size, read_only, group } => Mount::Directory {
            target,
            volume: name.to_owned(),
            sub_path,
            rights: Rights { uid: Some(0), gid: Some(group.unwrap_or(0)), mode },
            size,
            read_only: read_only || said_read_only,
        },
        Source::File => Mount::Files {
            target,
            entries: vec![Entry {
                path: "file".into(),
                content: Content::File(Vec::new()),
                rights: Rights::root(0o644),
            }],
            sub_path: "file".into(),
        },
        Source::Files(mut entries) => {
            if !sub_path.is_empty() {
                sub_path = dated(&mut entries, &sub_path);
            }
            Mount::Files { target, entries, sub_path }
        }
    })
}

/// Where a key really lies. One that is missing is a fresh directory, as the kubelet makes it.
fn dated(entries: &mut Vec<Entry>, sub_path: &str) -> String {
    let path = format!("{DATE}/{sub_path}");
    if !entries.iter().any(|entry| entry.path == path) {
        let rights = entries.first().map_or(Rights::root(0o777), |root| root.rights);
        entries.push(Entry { path: path.clone(), content: Content::Directory, rights });
    }
    path
}

const DATE: &str = "..2000_01_01_00_00_00.000000000";

struct Reader<'a, 'b> {
    objects: &'b Objects<'a>,
    workload: &'b Workload<'a>,
    owner: &'b Owner,
}

impl Reader<'_, '_> {
    fn source(&self, volume: &At, losses: &mut Vec<Loss>) -> Result<Source, Error> {
        let mut fields = volume.map()?;
        let source = self.kind(&mut fields, losses)?;
        fields.ignore(&["name"]);
        match source {
            Some(source) => {
                fields.rest(losses);
                Ok(source)
            }
            None => {
                losses.push(volume.loss(
                    "this kind of volume is not here; an empty directory of root's stands in its place",
                ));
                Ok(Source::Directory { mode: 0o755, size: None, read_only: false, group: None })
            }
        }
    }

    fn kind(&self, fields: &mut Fields, losses: &mut Vec<Loss>) -> Result<Option<Source>, Error> {
        if let Some(at) = fields.get("emptyDir") {
            return self.empty_dir(&at, losses).map(Some);
        }
        if let Some(at) = fields.get("configMap") {
            let name = at.map()?.required("name")?.text()?;
            return self.of_object("ConfigMap", name, &at, losses).map(Some);
        }
        if let Some(at) = fields.get("secret") {
            let name = at.map()?.required("secretName")?.text()?;
            return self.of_object("Secret", name, &at, losses).map(Some);
        }
        if let Some(at) = fields.get("downwardAPI") {
            let mut files = Files::new(mode(&at, "defaultMode")?.unwrap_or(0o644));
            self.downward(&at, &mut files, losses)?;
            return Ok(Some(files.finish(self.owner)));
        }
        if let Some(at) = fields.get("projected") {
            return self.projected(&at, losses).map(Some);
        }
        if let Some(at) = fields.get("persistentVolumeClaim") {
            let mut claim = at.map()?;
            let read_only = claim.truth("readOnly")?.unwrap_or(false);
            claim.ignore(&["claimName"]);
            claim.rest(losses);
            return Ok(Some(self.claim(read_only)));
        }
        if fields.get("ephemeral").is_some() {
            return Ok(Some(self.claim(false)));
        }
        if let Some(at) = fields.get("hostPath") {
            return host_path(&at, losses).map(Some);
        }
        Ok(None)
    }

    /// What is writable, with the group of the pod.
    fn writable(&self, mode: u32, size: Option<u64>, read_only: bool) -> Source {
        let group = self.owner.fs_group;
        let mode = if group.is_some() { mode | READ_WRITE | DIRECTORY } else { mode };
        Source::Directory { mode, size, read_only, group }
    }

    /// A fresh file system, as mkfs(8) makes its top: root's, 0755.
    fn claim(&self, read_only: bool) -> Source {
        self.writable(0o755, None, read_only)
    }

    fn empty_dir(&self, at: &At, losses: &mut Vec<Loss>) -> Result<Source, Error> {
        let mut fields = at.map()?;
        let in_memory = match fields.get("medium") {
            None => false,
            Some(medium) => match medium.text()? {
                "" => false,
                "Memory" => true,
                text if text.starts_with("HugePages") => {
                    losses.push(medium.loss("huge pages are not asked for; it is in ordinary memory"));
                    true
                }
                _ => return Err(medium.refused("supported values: \"\", \"Memory\", \"HugePages\"")),
            },
        };
        let mut size = None;
        if let Some(limit) = fields.get("sizeLimit") {
            let bytes = quantity::whole(limit.scalar()?).ok_or_else(|| limit.error("expected a quantity"))?;
            match in_memory {
                true => size = Some(bytes).filter(|&bytes| bytes > 0),
                false => losses.push(limit.loss("the kubelet evicts a pod for it; here nobody does")),
            }
        }
        fields.rest(losses);
        Ok(self.writable(0o777, size, false))
    }

    fn of_object(&self, kind: &str, name: &str, at: &At, losses: &mut Vec<Loss>) -> Result<Source, Error> {
        let mut files = Files::new(mode(at, "defaultMode")?.unwrap_or(0o644));
        self.add_object(kind, name, at, &mut files, losses)?;
        let mut fields = at.map()?;
        fields.ignore(&["name", "secretName", "defaultMode", "items", "optional"]);
        fields.rest(losses);
        Ok(files.finish(self.owner))
    }

    fn add_object(
        &self,
        kind: &str,
        name: &str,
        at: &At,
        files: &mut Files,
        losses: &mut Vec<Loss>,
    ) -> Result<(), Error> {
        let mut fields = at.map()?;
        let optional = fields.truth("optional")?.unwrap_or(false);
        let items = fields.list("items")?;
        let Some(data) = env::object(self.objects, kind, self.workload, name) else {
            // Without the data, the keys that are asked for tell the names at least.
            if !optional {
                let instead = match items.is_empty() {
                    true => "an empty directory of the right rights stands in its place",
                    false => "empty files of the right rights stand in its place",
                };
                losses.push(at.loss(format!("the {kind} is not in this file; {instead}")));
                for item in &items {
                    files.item(item, Some(Vec::new()))?;
                }
            }
            return Ok(());
        };
        if items.is_empty() {
            return data.iter().try_for_each(|(key, bytes)| files.add(at, key, bytes.clone(), None));
        }
        for item in &items {
            let key = item.map()?.required("key")?.text()?;
            let bytes = data.get(key).cloned();
            if bytes.is_none() && !optional {
                return Err(item.refused(format!("{kind} {name} references non-existent key: {key}")));
            }
            files.item(item, bytes)?;
        }
        Ok(())
    }

    fn downward(&self, at: &At, files: &mut Files, losses: &mut Vec<Loss>) -> Result<(), Error> {
        for item in at.map()?.list("items")? {
            let mut fields = item.map()?;
            let path = fields.required("path")?.text()?.to_owned();
            let item_mode = mode(&item, "mode")?;
            let value = match fields.get("fieldRef") {
                Some(field) => {
                    env::field(self.workload, field.map()?.required("fieldPath")?.text()?, &field, losses)?
                }
                None => {
                    losses.push(item.loss("an empty file stands in its place"));
                    String::new()
                }
            };
            files.add(&item, &path, value.into_bytes(), item_mode)?;
        }
        Ok(())
    }

    fn projected(&self, at: &At, losses: &mut Vec<Loss>) -> Result<Source, Error> {
        let mut files = Files::new(mode(at, "defaultMode")?.unwrap_or(0o644));
        for source in at.map()?.list("sources")? {
            let mut fields = source.map()?;
            for (field, kind) in [("configMap", "ConfigMap"), ("secret", "Secret")] {
                if let Some(at) = fields.get(field) {
                    let name = at.map()?.required("name")?.text()?;
                    self.add_object(kind, name, &at, &mut files, losses)?;
                }
            }
            if let Some(at) = fields.get("downwardAPI") {
                self.downward(&at, &mut files, losses)?;
            }
            if let Some(at) = fields.get("serviceAccountToken") {
                let path = at.map()?.required("path")?.text()?;
                // pkg/volume/projected: with a group of the pod nobody else may read it.
                let mode = self.owner.fs_group.map(|_| 0o600);
                files.add(&at, path, Vec::new(), mode)?;
                losses.push(at.loss("there is no token: an empty file stands in its place"));
            }
            fields.rest(losses);
        }
        Ok(files.finish(self.owner))
    }
}

fn host_path(at: &At, losses: &mut Vec<Loss>) -> Result<Source, Error> {
    let mut fields = at.map()?;
    fields.required("path")?;
    let kind = fields.text("type")?.unwrap_or_default();
    let (source, what) = match kind {
        "File" | "FileOrCreate" | "Socket" | "CharDevice" | "BlockDevice" => (Source::File, "an empty file"),
        "" | "Directory" | "DirectoryOrCreate" => (
            Source::Directory { mode: 0o755, size: None, read_only: false, group: None },
            "an empty directory",
        ),
        _ => return Err(at.refused(format!("type: unsupported value \"{kind}\""))),
    };
    losses.push(at.loss(format!("the node's: {what} of root's stands in its place")));
    Ok(source)
}

fn mode(at: &At, name: &'static str) -> Result<Option<u32>, Error> {
    let Some(at) = at.map()?.get(name) else { return Ok(None) };
    let number = at.integer()?;
    u32::try_from(number)
        .ok()
        .filter(|&mode| mode <= 0o777)
        .map(Some)
        .ok_or_else(|| at.refused("must be a number between 0 and 0777 (octal), both inclusive"))
}

/// The files of a volume, at their places below the directory of the date.
struct Files {
    mode: u32,
    entries: Vec<Entry>,
    /// How often a file was added.
    count: usize,
}

impl Files {
    fn new(mode: u32) -> Self {
        Self { mode, entries: Vec::new(), count: 0 }
    }

    /// A key at the path that the item says; `None`: it is not there, and may be missing.
    fn item(&mut self, item: &At, bytes: Option<Vec<u8>>) -> Result<(), Error> {
        let path = item.map()?.required("path")?.text()?;
        let mode = mode(item, "mode")?;
        bytes.map_or(Ok(()), |bytes| self.add(item, path, bytes, mode))
    }

    fn add(&mut self, at: &At, path: &str, bytes: Vec<u8>, mode: Option<u32>) -> Result<(), Error> {
        self.count += 1;
        if self.count > MOST_ENTRIES {
            return Err(at.error(format!("a volume of more than {MOST_ENTRIES} files")));
        }
        let parts: Vec<_> = path.split('/').collect();
        let strange = |part: &&str| matches!(*part, "" | "." | "..") || part.contains('\0');
        if parts.iter().any(strange) || path.starts_with("..") {
            return Err(at.refused(format!("`{path}` must be a relative path without `..`")));
        }
        for n in 1..parts.len() {
            let directory = parts[..n].join("/");
            if !self.entries.iter().any(|entry| entry.path == directory) {
                let (content, rights) = (Content::Directory, Rights::root(0o755));
                self.entries.push(Entry { path: directory, content, rights });
            }
        }
        self.entries.retain(|entry| entry.path != path);
        let rights = Rights::root(mode.unwrap_or(self.mode));
        self.entries.push(Entry { path: path.into(), content: Content::File(bytes), rights });
        Ok(())
    }

    /// As the kubelet's atomic writer lays them out, with the group of the pod.
    fn finish(self, owner: &Owner) -> Source {
        let given = |rights: Rights, directory: bool| match owner.fs_group {
            Some(group) => {
                let more = READ_ONLY | if directory { DIRECTORY } else { 0 };
                Rights { uid: Some(0), gid: Some(group), mode: rights.mode | more }
            }
            None => rights,
        };
        let directory = |path: &str, mode| Entry {
            path: path.into(),
            content: Content::Directory,
            rights: given(Rights::root(mode), true),
        };
        let link = |path: &str, to: String| Entry {
            path: path.into(),
            content: Content::Symlink(to),
            rights: Rights::root(0o777),
        };
        let mut all = vec![directory("", 0o777), directory(DATE, 0o755), link("..data", DATE.into())];
        for entry in &self.entries {
            if !entry.path.contains('/') {
                all.push(link(&entry.path, format!("..data/{}", entry.path)));
            }
        }
        all.extend(self.entries.into_iter().map(|entry| {
            let is_directory = entry.content == Content::Directory;
            Entry {
                path: format!("{DATE}/{}", entry.path),
                rights: given(entry.rights, is_directory),
                ..entry
            }
        }));
        Source::Files(all)
    }
}
