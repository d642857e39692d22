//! The same probe with the same settings in a rootlet and under another runtime: the same facts, or a reason.

use super::bundle::{Settings, under_crun};
use rootlet::spec::{Capabilities, Spec, Ulimit};
use rootlet::{Base, Rootlet, Stdio, Store};
use rootlet_tests::facts::{Facts, Mount};
use rootlet_tests::{alpine_tar, hostile, matches, skipped, store};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a process finds, a line for each thing: `caps.bounding`, `can./etc/shadow.read`, `hostile.swapon`.
type Found = BTreeMap<String, String>;

/// Docker's fourteen.
const DOCKER: &[&str] = &[
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// Everywhere that a test's program is likely to reach for, and what nobody may have.
const PATHS: &str = "/ /bin /bin/busybox /dev /dev/full /dev/null /dev/ptmx /dev/pts /dev/random /dev/shm /dev/tty \
    /dev/urandom /dev/zero /etc /etc/passwd /etc/shadow /etc/motd /home /lib /media /mnt /nowhere /opt /proc \
    /proc/1/environ /proc/kcore /proc/self/status /proc/sys/kernel/hostname /proc/sysrq-trigger /root /run /sbin /srv /tmp \
    /usr /usr/bin /var /var/log /var/tmp";

/// What differs: the thing, what it is in a rootlet, and why that is right. A `*` stands for anything.
const EXPLAINED: &[(&str, &str, &str)] = &[
    ("mounts./", "overlay", "copy-on-write is what a rootlet is; the peer's root is a copy"),
    ("mounts./probe", "* ro", "the programs are bound into the rootlet and copied into the peer's root"),
    ("mounts./hostile", "* ro", "the programs are bound into the rootlet and copied into the peer's root"),
    ("mounts./dev", "tmpfs ro nosuid*", "one prepared /dev serves all rootlets of a caller"),
    (
        "mounts./dev/*",
        "devtmpfs*",
        "only the host's root can make nodes, so the host's are bound, with its flags",
    ),
    ("can./dev*.create", "\"EROFS\"", "one prepared /dev serves all rootlets of a caller"),
    ("can./dev*.unlink", "\"-\"", "one prepared /dev serves all rootlets of a caller"),
    ("can./dev/*.stat.?id", "65534", "the host's nodes are its root's, who has no number inside"),
    ("devices", "*", "the peer adds `core`, a link to /proc/kcore, which docker then hides"),
    (
        "can./proc*.stat.?id",
        "65534",
        "what the host's root owns is nobody's inside; under the peer both are one",
    ),
    ("can./proc/1/*", "*", "pid 1 is rootlet's own; under the peer it is the shell"),
    ("hostile.*pid 1", "E*", "pid 1 is rootlet's own; under the peer it is the shell"),
    ("ids.*", "*", "pid 1 is rootlet's own; under the peer it is the shell"),
    ("can./proc/sys/kernel/hostname.write", "\"EACCES\"", "the host's settings are its root's"),
    ("hostile.core_pattern", "EACCES", "the host's settings are its root's"),
    ("hostile.make a disk node", "EPERM", "a user namespace makes no device nodes"),
    ("hostile.raw socket", "EPERM", "the host's network does not belong to the rootlet's user namespace"),
    ("hostile.packet socket", "EPERM", "the host's network does not belong to the rootlet's user namespace"),
    ("hostile.TIOC*", "EPERM", "besides docker's list the filter refuses to type into a terminal"),
    ("namespaces.user", "its own", "root inside is nobody's root, even where the caller is the host's"),
    ("?id_map", "*", "an ordinary caller is the production user inside, not root, as under podman"),
    ("ignored", "[]", "the peer leaves the C library's own two signals ignored"),
];

/// Likewise, where there is one id.
const ONE_ID: &[(&str, &str, &str)] = &[
    ("can.*.stat.?id", "1000", "what others own shows as the user's"),
    ("can.*.stat.mode", "*", "with the rights that the user has there"),
];

#[test]
fn root_finds_what_it_finds_under_crun() {
    compare(&Settings {
        uid: 0,
        caps: DOCKER,
        new_privileges: false,
        umask: 0o022,
        open_files: (1024, 4096),
    });
}

#[test]
fn root_with_other_settings_finds_what_it_finds_under_crun() {
    let caps = &["CAP_NET_BIND_SERVICE", "CAP_SETUID"];
    compare(&Settings { uid: 0, caps, new_privileges: true, umask: 0o027, open_files: (64, 64) });
}

#[test]
fn the_production_user_finds_what_it_finds_under_crun() {
    compare(&Settings {
        uid: 1000,
        caps: DOCKER,
        new_privileges: false,
        umask: 0o022,
        open_files: (1024, 4096),
    });
}

#[test]
fn the_production_user_with_other_settings_finds_what_it_finds_under_crun() {
    compare(&Settings { uid: 1000, caps: &[], new_privileges: true, umask: 0o077, open_files: (64, 128) });
}

fn compare(settings: &Settings) {
    // The peer makes a /proc of its own, or nothing.
    rootlet_tests::needs_own_proc!();
    let script = format!("/probe facts && /probe can {PATHS} && /hostile; exit $?");
    let theirs = match under_crun(settings, &script) {
        Ok(said) => found(&said),
        Err(why) => return skipped(&why),
    };
    let ours = found(&under_rootlet(settings, &script));
    let keys = ours.keys().chain(theirs.keys().filter(|key| !ours.contains_key(*key)));
    let missing = String::from("-");
    let differences = keys.filter_map(|key| {
        let (ours, theirs) = (ours.get(key).unwrap_or(&missing), theirs.get(key).unwrap_or(&missing));
        (ours != theirs).then_some((key, ours, theirs))
    });
    let one_id = if rootlet_tests::one_id() { ONE_ID } else { &[] };
    let (known, strange): (Vec<_>, Vec<_>) = differences.partition(|(key, ours, _)| {
        let mut explained = EXPLAINED.iter().chain(one_id);
        explained.any(|(thing, here, _)| matches(thing, key) && matches(here, ours))
    });
    println!("{} things found, {} differ as explained", ours.len(), known.len());
    let strange = strange.iter().map(|(key, ours, theirs)| format!("{key}: {ours} here, {theirs} there"));
    let strange: Vec<String> = strange.collect();
    assert!(strange.is_empty(), "{settings:?}\n{}", strange.join("\n"));
}

fn under_rootlet(settings: &Settings, script: &str) -> String {
    let store = Store::open(store()).unwrap();
    let alpine = alpine_tar().expect("the peer had it");
    let base = Base::resolve(&format!("tar:{}", alpine.display()), &store).unwrap();
    let (soft, hard) = settings.open_files;
    let nofile: Ulimit = format!("nofile={soft}:{hard}").parse().unwrap();
    let mut caps = Capabilities { drop: vec!["ALL".into()], ..Capabilities::default() };
    caps.add.extend(settings.caps.iter().map(|name| name.trim_start_matches("CAP_").into()));
    let spec = Spec {
        user: Some(format!("{0}:{0}", settings.uid).parse().unwrap()),
        ulimits: vec![nofile],
        umask: Some(settings.umask),
        allow_new_privileges: settings.new_privileges,
        caps,
        ..Spec::default()
    };
    let root = Rootlet::builder(&base).spec(spec);
    // Only now: `spec` replaces all that was said before.
    let root = root.bind_read_only(rootlet_tests::probe(), "/probe").bind_read_only(hostile(), "/hostile");
    let root = root.spawn().unwrap();
    let output = root.command("sh").args(["-c", script]).stdin(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A line of facts, a line of paths, a line for each attempt.
fn found(said: &str) -> Found {
    let mut lines = said.lines();
    let mut next = || lines.next().unwrap_or_else(|| panic!("too little was said: {said}"));
    let mut found = Found::new();
    let facts: Facts = serde_json::from_str(next()).unwrap();
    found.extend(facts.mounts.iter().map(|mount| (format!("mounts.{}", mount.target), manner(mount))));
    let namespaces =
        facts.namespaces.iter().map(|(name, id)| (format!("namespaces.{name}"), whose(name, id)));
    found.extend(namespaces);
    let rest = Facts {
        mounts: vec![],
        namespaces: BTreeMap::new(),
        // A pipe's or a file's number is its own.
        descriptors: facts.descriptors.iter().map(|(number, what)| (*number, kind(what))).collect(),
        ..facts
    };
    flatten("", &serde_json::to_value(rest).unwrap(), &mut found);
    flatten("can", &serde_json::from_str(next()).unwrap(), &mut found);
    for line in lines {
        let attempt: BTreeMap<String, String> = serde_json::from_str(line).unwrap();
        found.insert(format!("hostile.{}", attempt["try"]), attempt["errno"].clone());
    }
    found
}

/// What of a mount concerns those inside.
fn manner(mount: &Mount) -> String {
    let flags = ["ro", "nosuid", "nodev", "noexec"];
    let set = flags.into_iter().filter(|flag| mount.options.split(',').any(|option| option == *flag));
    std::iter::once(mount.kind.as_str()).chain(set).collect::<Vec<_>>().join(" ")
}

/// `pipe` of `pipe:[123]`.
fn kind(descriptor: &str) -> String {
    descriptor.split(':').next().unwrap_or_default().into()
}

fn whose(name: &str, id: &str) -> String {
    let host = std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
    if host.as_os_str() == id { "the caller's".into() } else { "its own".into() }
}

/// Objects by their keys; everything else, lists too, as it is printed.
fn flatten(key: &str, value: &Value, found: &mut Found) {
    let Value::Object(fields) = value else {
        found.insert(key.into(), value.to_string());
        return;
    };
    for (name, inner) in fields {
        let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
        flatten(&key, inner, found);
    }
}
