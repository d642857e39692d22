//! Who tries things.

use crate::table::Table;
use rootlet::{Base, Error, Rootlet, Tier};
use std::fmt;
use std::process::{Command, Output};

/// A user by numbers.
#[derive(Clone, Copy)]
pub struct Person {
    pub uid: u32,
    pub gid: u32,
    pub groups: &'static [u32],
}

/// The usual user; with supplementary groups; with a group that is not his own; as `docker run --user 1000` and OpenShift
/// have him, in root's group.
pub const PEOPLE: &[Person] = &[
    Person { uid: 1000, gid: 1000, groups: &[] },
    Person { uid: 1000, gid: 1000, groups: &[2000] },
    Person { uid: 1000, gid: 3000, groups: &[2000, 4000] },
    Person { uid: 1000, gid: 0, groups: &[] },
    Person { uid: 1_000_680_000, gid: 0, groups: &[1000] },
];

/// Root with docker's fourteen capabilities.
pub const ROOT: Person = Person { uid: 0, gid: 0, groups: &[] };

/// Docker's fourteen, as setpriv(1) takes them.
const DOCKER: &str = "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,\
                      +sys_chroot,+mknod,+audit_write,+setfcap";

impl Person {
    /// How each attempt of the tree's ends for this person on the machine itself: a real uid on a real file system, with
    /// nothing between but chroot(2), which makes the paths those of a rootlet. Needs real root.
    pub fn on_this_machine(&self, table: &Table) -> Vec<String> {
        let tree = tempfile::tempdir().unwrap();
        super::tree::make(table, tree.path()).unwrap();
        let mut try_out = Command::new("setpriv");
        try_out.args(["--no-new-privs", "--inh-caps=-all", "--bounding-set", DOCKER, "chroot"]);
        try_out.arg(format!("--userspec=+{}:+{}", self.uid, self.gid));
        let groups: Vec<_> = self.groups.iter().map(u32::to_string).collect();
        try_out.arg(format!("--groups={}", groups.join(","))).arg(tree.path());
        read(&try_out.args(["/probe", "attempts", super::tree::ATTEMPTS]).output().unwrap())
    }

    /// The same in a rootlet of this tier. The error is the host's that does not give the tier.
    pub fn in_a_rootlet(&self, base: &Base, tier: Tier) -> Result<Vec<String>, Error> {
        let builder = Rootlet::builder(base).tier(tier).user(&format!("{}:{}", self.uid, self.gid));
        let builder = self.groups.iter().fold(builder, |builder, group| builder.group(&group.to_string()));
        let root = match builder.spawn() {
            Err(error) if error.kind() == rootlet::ErrorKind::Host => return Err(error),
            made => made.unwrap(),
        };
        assert_eq!(root.report().tier, tier);
        Ok(read(&root.command("/probe").args(["attempts", super::tree::ATTEMPTS]).output().unwrap()))
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)?;
        self.groups.iter().try_for_each(|group| write!(f, "+{group}"))
    }
}

fn read(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
