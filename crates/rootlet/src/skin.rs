//! The skin: a small layer of our own on top of a base. It holds the account, its home, the mount points and the
//! network's files, and lies in the nursery's memory, shared by all rootlets that look alike. So making a rootlet
//! writes no file, and the writable layer holds only what the run itself changed. Pure.

use crate::Identity;
use crate::facts::{Facts, Place};
use crate::ground::Part;
use rootlet_kernel::{IdMap, Tree};
use rootlet_spec::User;

/// What a skin is made from.
pub(crate) struct Wanted<'a> {
    /// Whose ids it is made with.
    pub map: &'a IdMap,
    pub facts: &'a Facts,
    pub identity: &'a Identity,
    /// The account to be made, when one was asked for.
    pub account: Option<&'a User>,
    pub hostname: &'a str,
    /// The host's /etc/resolv.conf and /etc/hosts, where the network is the host's.
    pub resolv_conf: Option<&'a str>,
    pub hosts: Option<&'a str>,
    /// What is put together besides the base's layers: its mount points lie in the skin.
    pub parts: &'a [Part],
}

pub(crate) fn skin(w: &Wanted) -> Tree {
    let mut tree = Tree::for_ids(w.map);
    tree.directory("", 0o755, 0, 0);
    // First, since what is made here stands in the place of the host's.
    for part in w.parts {
        part.stands_in(&mut tree);
    }
    for (path, mode) in [("proc", 0o555), ("dev", 0o755), ("sys", 0o555)] {
        directory(&mut tree, w.facts, path, mode);
    }
    if directory(&mut tree, w.facts, "etc", 0o755) {
        etc(&mut tree, w);
    }
    home(&mut tree, w);
    if w.map.one.is_some() {
        one_id(&mut tree, w.facts);
    }
    tree
}

/// A directory of the base, with the owner and mode that it has there; whether it may be filled.
fn directory(tree: &mut Tree, facts: &Facts, path: &str, mode: u32) -> bool {
    match facts.place(path) {
        Place::Other => return false,
        Place::Missing => tree.directory(path, mode, 0, 0),
        Place::Directory { mode, uid, gid } => tree.directory(path, mode, uid, gid),
    };
    true
}

fn etc(tree: &mut Tree, w: &Wanted) {
    let with = w.account.and_then(|user| w.facts.accounts.with_account(user, &w.identity.groups));
    if let Some(files) = with {
        tree.file("etc/passwd", 0o644, 0, 0, files.passwd.as_bytes());
        tree.file("etc/group", 0o644, 0, 0, files.group.as_bytes());
        // Debian's group shadow may read it (42); elsewhere root alone does.
        let gid = files.gid_of("shadow").unwrap_or(0);
        let mode = if gid == 0 { 0o600 } else { 0o640 };
        tree.file("etc/shadow", mode, 0, gid, files.shadow.unwrap_or_default().as_bytes());
    }
    tree.file("etc/hostname", 0o644, 0, 0, format!("{}\n", w.hostname).as_bytes());
    let hosts = match w.hosts {
        Some(hosts) => format!("{}\n127.0.1.1\t{}\n", hosts.trim_end(), w.hostname),
        None => format!("127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.1.1\t{}\n", w.hostname),
    };
    tree.file("etc/hosts", 0o644, 0, 0, hosts.as_bytes());
    if let Some(resolv_conf) = w.resolv_conf {
        tree.file("etc/resolv.conf", 0o644, 0, 0, resolv_conf.as_bytes());
    }
}

/// What programs must be told where there is one id: apt downloads as a user of its own, and looks whether it became that one.
fn one_id(tree: &mut Tree, facts: &Facts) {
    if let Place::Directory { .. } = facts.place("etc/apt/apt.conf.d") {
        tree.file("etc/apt/apt.conf.d/99rootlet", 0o644, 0, 0, b"APT::Sandbox::User \"root\";\n");
    }
}

/// The home of an account that is made, when it lies where a home usually does. Elsewhere it is made by the plan.
fn home(tree: &mut Tree, w: &Wanted) {
    let Some(user) = w.account else { return };
    let Some(name) = usual_home(user, w.facts) else { return };
    directory(tree, w.facts, "home", 0o755);
    tree.directory(&format!("home/{name}"), 0o755, user.uid, user.gid);
}

/// The last component of a home in /home, when the skin can hold it.
pub(crate) fn usual_home<'a>(user: &'a User, facts: &Facts) -> Option<&'a str> {
    let name = user.home.strip_prefix("/home/")?;
    let plain = !name.is_empty() && !name.contains('/') && name != "." && name != "..";
    (plain && facts.place("home") != Place::Other).then_some(name)
}
