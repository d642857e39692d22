//! What the tests of this crate share.

use rootlet_kernel::{IdMap, SubIds};
use std::path::PathBuf;

#[allow(dead_code, reason = "each test takes what it needs")]
/// An id map of this caller: a reserved range as root, the subordinate ids else.
pub fn map() -> IdMap {
    let uid = rustix::process::getuid().as_raw();
    if uid == 0 {
        let ids = SubIds { first: 0x7000_0000, count: 65536 };
        return IdMap::new(ids.ranges(None), ids.ranges(None));
    }
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let name = passwd
        .lines()
        .find(|l| l.split(':').nth(2) == Some(&uid.to_string()))
        .unwrap()
        .split(':')
        .next()
        .unwrap();
    let ids = |file| SubIds::from_table(&std::fs::read_to_string(file).unwrap(), name, uid).unwrap();
    let gid = rustix::process::getgid().as_raw();
    IdMap::new(ids("/etc/subuid").ranges(Some((1000, uid))), ids("/etc/subgid").ranges(Some((1000, gid))))
}

/// A fresh directory of this process's test `name`.
pub fn tempdir(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("rootlet-kernel-{name}-{}", std::process::id()));
    std::fs::create_dir(&path).unwrap();
    path
}
