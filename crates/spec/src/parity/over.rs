//! What a caller says besides a file: it goes before what the file says.

use crate::{Mount, Spec, mount};

impl Spec {
    /// This Spec on top of another one: where both say something, this one holds; lists follow the other's. A command of this one
    /// is run as it is, not as the argument of the other's entrypoint, nor of an image's.
    ///
    /// What cannot say "not said" (the network, where the writable layer lives) is this one's.
    pub fn over(self, below: Spec) -> Spec {
        let mut caps = below.caps;
        caps.add.retain(|name| {
            !self.caps.drop.contains(name) && !self.caps.drop.iter().any(|name| name == "ALL")
        });
        caps.drop.retain(|name| !self.caps.add.contains(name));
        caps.add.extend(self.caps.add);
        caps.drop.extend(self.caps.drop);
        let mut env = below.env;
        env.retain(|(name, _)| {
            !self.env_remove.contains(name) && !self.env.iter().any(|(known, _)| known == name)
        });
        env.extend(self.env);
        let own_command = !self.command.is_empty();
        Spec {
            user: self.user.or(below.user),
            groups: join(below.groups, self.groups),
            memberships: below.memberships,
            env,
            env_remove: join(below.env_remove, self.env_remove),
            workdir: self.workdir.or(below.workdir),
            hostname: self.hostname.or(below.hostname),
            mounts: mounts(below.mounts, self.mounts),
            read_only: self.read_only || below.read_only,
            caps,
            ambient: join(below.ambient, self.ambient),
            allow_new_privileges: self.allow_new_privileges || below.allow_new_privileges,
            seccomp_unconfined: self.seccomp_unconfined || below.seccomp_unconfined,
            explain: self.explain || below.explain,
            net: self.net,
            sysctls: join(below.sysctls, self.sysctls),
            lenient: join(below.lenient, self.lenient),
            limits: crate::Limits {
                memory: self.limits.memory.or(below.limits.memory),
                pids: self.limits.pids.or(below.limits.pids),
                cpus: self.limits.cpus.or(below.limits.cpus),
            },
            ulimits: join(below.ulimits, self.ulimits),
            umask: self.umask.or(below.umask),
            timeout: self.timeout.or(below.timeout),
            writable: self.writable,
            tier: self.tier.or(below.tier),
            require: join(below.require, self.require),
            faults: join(below.faults, self.faults),
            entrypoint: self.entrypoint.or(if own_command { Some(Vec::new()) } else { below.entrypoint }),
            command: if own_command { self.command } else { below.command },
        }
    }
}

fn join<T: PartialEq>(mut below: Vec<T>, above: Vec<T>) -> Vec<T> {
    below.retain(|one| !above.contains(one));
    below.extend(above);
    below
}

/// What is mounted where the caller mounts something gives way.
fn mounts(below: Vec<Mount>, above: Vec<Mount>) -> Vec<Mount> {
    let place = |mount: &Mount| mount::lexical(mount.target());
    let taken: Vec<String> = above.iter().map(place).collect();
    let mut all: Vec<Mount> = below.into_iter().filter(|mount| !taken.contains(&place(mount))).collect();
    all.extend(above);
    all.sort_by_key(Mount::depth);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Capabilities, UserSpec};

    #[test]
    fn the_caller_goes_before_the_file() {
        let file = Spec {
            user: Some(UserSpec::Id(1000, None)),
            env: vec![("A".into(), "file".into()), ("B".into(), "file".into())],
            caps: Capabilities { add: vec!["NET_ADMIN".into()], drop: vec!["ALL".into()] },
            mounts: vec![Mount::Volume { target: "/c/".into() }, Mount::Volume { target: "/a/b".into() }],
            entrypoint: Some(vec!["/entry".into()]),
            command: vec!["serve".into()],
            read_only: true,
            ..Spec::default()
        };
        assert_eq!(Spec::default().over(file.clone()), file);
        let caller = Spec {
            user: Some(UserSpec::Id(0, None)),
            env: vec![("B".into(), "own".into())],
            caps: Capabilities { add: vec![], drop: vec!["NET_ADMIN".into()] },
            mounts: vec![Mount::Tmpfs { target: "/c".into(), size: None, mode: 0o755 }],
            command: vec!["cargo".into(), "test".into()],
            ..Spec::default()
        };
        let both = caller.over(file);
        assert_eq!(both.user, Some(UserSpec::Id(0, None)));
        assert_eq!(both.env, [("A".into(), "file".into()), ("B".into(), "own".into())]);
        assert_eq!(both.caps.mask(), Ok(0));
        assert_eq!(both.mounts.iter().map(Mount::target).collect::<Vec<_>>(), ["/c", "/a/b"]);
        assert_eq!(both.argv(), ["cargo", "test"]);
        assert!(both.read_only);
    }
}
