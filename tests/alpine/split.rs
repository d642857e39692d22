//! Takes Alpine's small root apart: which file is of which package, its own database says.

use crate::support::{Apk, Entry, entry};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What is in a tarball, by path.
type Files = BTreeMap<String, Entry>;

/// The packages that the root was made of, and `alpine-base`, of which it has the files in `/etc` and not the package.
pub fn packages(tarball: &Path) -> Vec<Apk> {
    let files = read(flate2::read::GzDecoder::new(File::open(tarball).unwrap()));
    let scripts = read(files["lib/apk/db/scripts.tar"].content.as_slice());
    let text = |path: &str| String::from_utf8(files[path].content.clone()).unwrap();
    let (installed, triggers) = (text("lib/apk/db/installed"), text("lib/apk/db/triggers"));
    let mut owned = BTreeSet::new();
    let stanzas = installed.split("\n\n").filter(|stanza| !stanza.trim().is_empty());
    let mut packages: Vec<Apk> =
        stanzas.map(|stanza| package(stanza, &files, &scripts, &triggers, &mut owned)).collect();
    let mut release = Apk::new("alpine-base", "3.20.3-r0").says("D:openrc");
    let unowned = files.iter().filter(|(path, entry)| {
        let ours = ["alpine-release", "os-release", "issue", "secfixes.d"];
        entry.kind == b'0'
            && !owned.contains(*path)
            && ours.iter().any(|name| path.starts_with(&format!("etc/{name}")))
    });
    release.entries = unowned.map(|(_, entry)| entry.clone()).collect();
    assert!(release.entries.len() >= 3, "{:?}", release.entries);
    packages.push(release);
    packages
}

fn read(tar: impl Read) -> Files {
    let mut archive = tar::Archive::new(tar);
    let each = archive.entries().unwrap().map(|found| {
        let mut found = found.unwrap();
        let header = found.header().clone();
        let path = String::from_utf8(found.path_bytes().into_owned()).unwrap();
        let path = path.trim_start_matches("./").trim_end_matches('/').to_owned();
        let mut content = Vec::new();
        found.read_to_end(&mut content).unwrap();
        if let Some(target) = found.link_name_bytes() {
            content = target.into_owned();
        }
        let entry = Entry {
            ids: (header.uid().unwrap(), header.gid().unwrap()),
            mtime: header.mtime().unwrap(),
            ..entry(&path, header.entry_type().as_byte(), content, header.mode().unwrap() & 0o7777)
        };
        (path, entry)
    });
    each.collect()
}

/// One package of the database.
fn package(
    stanza: &str,
    files: &Files,
    scripts: &Files,
    triggers: &str,
    owned: &mut BTreeSet<String>,
) -> Apk {
    let value = |key: &str| stanza.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    let (name, version, checksum) = (value("P:"), value("V:"), value("C:"));
    let mut apk = Apk { name: name.into(), version: version.into(), ..Apk::default() };
    let mut directory = "";
    for line in stanza.lines() {
        let (key, value) = line.split_at(2);
        match key {
            "C:" | "P:" | "V:" | "A:" | "S:" | "Z:" => {}
            "r:" => {
                apk.info += &value.split(' ').map(|word| format!("replaces = {word}\n")).collect::<String>()
            }
            "q:" => apk.info += &format!("replaces_priority = {value}\n"),
            "F:" => {
                directory = value;
                apk.entries.push(entry(value, b'5', "", 0o755));
            }
            "R:" => {
                let path =
                    if directory.is_empty() { value.to_owned() } else { format!("{directory}/{value}") };
                let found = &files[&path];
                let mode = if found.kind == b'2' { 0o777 } else { 0o644 };
                apk.entries.push(Entry { mode, ids: (0, 0), ..found.clone() });
                owned.insert(path);
            }
            "M:" | "a:" => {
                let mut fields = value.split(':');
                let mut id = || fields.next().unwrap().parse().unwrap();
                let last = apk.entries.last_mut().unwrap();
                last.ids = (id(), id());
                last.mode = u32::from_str_radix(fields.next().unwrap(), 8).unwrap();
                // By its name, as abuild writes it; the number is another machine's.
                if last.ids.1 == 42 {
                    last.names.1 = "shadow".into();
                    last.ids.1 = 9999;
                }
            }
            _ => apk.index += &format!("{line}\n"),
        }
    }
    for (path, script) in
        scripts.iter().filter(|(path, _)| path.starts_with(&format!("{name}-{version}.{checksum}.")))
    {
        let kind = path.rsplit_once('.').unwrap().1;
        apk.scripts.push((kind.into(), script.content.clone(), script.mtime));
    }
    let watched = triggers.lines().find_map(|line| line.strip_prefix(checksum));
    apk.info += &watched.map(|watched| format!("triggers ={watched}\n")).unwrap_or_default();
    apk
}
