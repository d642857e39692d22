//! A rootlet without namespaces and mounts: what root of a plain container can have. The root is a directory of its own (see
//! [`rootlet_base::flat`]), entered by chroot(2); ids are true ones.

use crate::builder::Builder;
use crate::facts::{self, Facts};
use crate::host;
use crate::known::facts_of;
use crate::prepared::hostname;
use crate::report::Report;
use crate::rootlet::{Live, Rootlet, who};
use crate::skin::{self, Wanted, skin};
use crate::tier;
use crate::volumes;
use crate::who::Who;
use crate::{Error, ErrorKind, Result, limits, seccomp};
use rootlet_base::flat::{Flat, Pattern, Skeleton};
use rootlet_kernel::{Bounds, IdMap, Nursery, Op, Plan, SpawnError, Tree};
use rootlet_spec::{Fault, Lenient, Mount, Net, Require, Spec, Tier};
use std::path::Path;
use std::sync::Arc;

impl Builder {
    pub(crate) fn spawn_by_chroot(&self) -> Result<Rootlet> {
        host::may_chroot()?;
        refuse_faults(&self.spec)?;
        let mut spec = self.spec.clone().with_defaults(self.base.defaults())?;
        let facts = facts_of(&self.base, Tier::Chroot)?;
        facts::check(&facts)?;
        let asked = Who::of(&spec, &facts)?;
        let nursery = Nursery::shared(&IdMap::identity(), bounds(&spec)?).map_err(host::explain)?;
        let flat = self.base.flat()?;
        let mut places = Places::default();
        let tree = places.lay_out(&flat, &facts, &asked, &spec)?;
        let Who { identity, account } = asked;
        let pattern = flat.pattern(self.base.store(), &tree, &places.empty)?;
        let skeleton = pattern.take(&who(&identity))?;
        const SYS_TIME: u32 = 25;
        if identity.uid == 0 && capabilities(&spec)? & 1 << SYS_TIME != 0 {
            skeleton.spoil();
        }
        bring(&skeleton, &spec)?;
        let op = Op::Chroot { path: skeleton.path(), user: who(&identity) };
        let init = nursery.spawn(&Plan::new(0, &[op])).map_err(explain)?;
        let mut report = Report::new(&self.base, &identity, Tier::Chroot);
        report.not_reproduced = not_reproduced(&spec, &pattern, identity.uid == 0)?;
        report.not_reproduced.extend(self.not_carried_over());
        limits::lower(&mut spec, &mut report);
        let cgroup = limits::keep(&init, &spec.limits, &mut report)?;
        if spec.require.contains(&Require::Everything) && !report.not_reproduced.is_empty() {
            return Err(tier::lacks(Require::Everything).with_hint(report.not_reproduced.join("; ")));
        }
        Rootlet::new(Live {
            init: Arc::new(init),
            cgroup,
            skeleton: Some((skeleton, places.hidden)),
            _staging: None,
            _prepared: None,
            _volumes: Vec::new(),
            areas: Vec::new(),
            made: Vec::new(),
            map: IdMap::identity(),
            base: self.base.clone(),
            spec,
            facts,
            identity,
            report,
            makes_account: account.is_some(),
        })
    }
}

/// The capabilities that lead out of a directory, and into processes and devices around it: no command has them.
const KEPT_BACK: [(&str, u32); 3] = [("SYS_CHROOT", 18), ("SYS_PTRACE", 19), ("MKNOD", 27)];

/// What root inside may have of what is asked for: no more than this process has.
pub(crate) fn capabilities(spec: &Spec) -> Result<u64> {
    let kept_back = KEPT_BACK.iter().fold(0, |set, (_, cap)| set | 1 << cap);
    Ok(spec.caps.mask()? & host::own_capabilities() & !kept_back)
}

/// What no command of a rootlet of this Spec gets beyond.
pub(crate) fn bounds(spec: &Spec) -> Result<Bounds> {
    // Where commands are traced, each brings the filter in another form (`why::filter`).
    let filter = (!spec.seccomp_unconfined && !spec.explain).then_some(seccomp::filter as _);
    Ok(Bounds { capabilities: capabilities(spec)?, filter })
}

/// A file of the host where the network is to be the host's.
fn read(path: &str, spec: &Spec) -> Option<String> {
    std::fs::read_to_string(path).ok().filter(|_| spec.net == Net::Host)
}

/// Places of a root that would otherwise be mounts.
#[derive(Default)]
struct Places {
    /// What the base has in them is not shown.
    empty: Vec<String>,
    /// What happens in them is no change of the root.
    hidden: Vec<String>,
}

impl Places {
    /// What is laid on the base: the skin, and what would be mounted.
    fn lay_out(&mut self, flat: &Flat, facts: &Facts, asked: &Who, spec: &Spec) -> Result<Tree> {
        let (resolv_conf, hosts) = (read("/etc/resolv.conf", spec), read("/etc/hosts", spec));
        let mut tree = skin(&Wanted {
            map: &IdMap::identity(),
            facts,
            identity: &asked.identity,
            account: asked.account.as_ref(),
            hostname: &hostname(spec),
            resolv_conf: resolv_conf.as_deref(),
            hosts: hosts.as_deref(),
            parts: &[],
        });
        self.system(&mut tree);
        if let Some(user) = asked.account.as_ref().filter(|user| skin::usual_home(user, facts).is_none()) {
            self.directory(&mut tree, flat, &user.home, (0o755, user.uid, user.gid));
        }
        self.mounts(&mut tree, flat, spec, asked)?;
        if let Some(workdir) = &spec.workdir {
            let (uid, gid) = match spec.lenient.contains(&Lenient::Workdir) {
                true => (asked.identity.uid, asked.identity.gid),
                false => (0, 0),
            };
            self.directory(&mut tree, flat, workdir, (0o755, uid, gid));
        }
        Ok(tree)
    }

    /// /proc stays empty: nobody may mount one.
    fn system(&mut self, tree: &mut Tree) {
        for place in ["/dev", "/proc", "/sys"] {
            self.empty.push(place.into());
            self.hidden.push(place.into());
        }
        tree.directory("dev/pts", 0o755, 0, 0).directory("dev/shm", 0o1777, 0, 0);
        let links = [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")];
        for (name, target) in links {
            tree.symlink(&format!("dev/{name}"), target);
        }
    }

    /// A directory where the base has nothing.
    fn directory(&self, tree: &mut Tree, flat: &Flat, path: &str, (mode, uid, gid): (u32, u32, u32)) {
        let inside = path.trim_matches('/');
        if !inside.is_empty() && !flat.has(path) {
            tree.directory(inside, mode, uid, gid);
        }
    }

    fn mounts(&mut self, tree: &mut Tree, flat: &Flat, spec: &Spec, asked: &Who) -> Result<()> {
        for mount in &spec.mounts {
            let target = mount.target();
            let inside = target.trim_matches('/');
            match mount {
                Mount::Tmpfs { mode, .. } => {
                    tree.directory(inside, *mode, 0, 0);
                    self.empty.push(target.into());
                }
                Mount::Directory { rights, .. } => {
                    let (mode, uid, gid) = volumes::owner(*rights, asked);
                    tree.directory(inside, mode, uid, gid);
                    self.empty.push(target.into());
                }
                Mount::Files { entries, sub_path, .. } => {
                    let whole = volumes::is_directory(entries, sub_path)?;
                    let shown: Vec<_> = match sub_path.as_str() {
                        "" => entries.clone(),
                        sub_path => volumes::below(entries, sub_path),
                    };
                    if whole {
                        self.empty.push(target.into());
                    }
                    volumes::lay_out(tree, inside, &shown, asked)?;
                }
                // Without mounts nothing becomes read-only; what is to be writable is by its rights.
                Mount::Itself { .. } => continue,
                Mount::Volume { .. } => self.directory(tree, flat, target, (0o755, 0, 0)),
                Mount::Bind { source, read_only: false, .. } => return Err(writable_bind(source, target)),
                Mount::Bind { source, .. } | Mount::Overlay { source, .. } => {
                    let what = || format!("failed to copy {} to {target}", source.display());
                    let kind = std::fs::metadata(source).map_err(|e| Error::io(what(), e))?.file_type();
                    if kind.is_dir() {
                        self.directory(tree, flat, target, (0o755, 0, 0));
                        self.empty.push(target.into());
                    } else if !kind.is_file() {
                        return Err(Error::new(ErrorKind::Setup, what()).with_hint(
                            "without mounts only files and directories can be there: they are copied",
                        ));
                    } else if !flat.has(target) {
                        tree.file(inside, 0o644, 0, 0, b"");
                    }
                }
            }
            self.hidden.push(target.into());
        }
        Ok(())
    }
}

fn writable_bind(source: &Path, target: &str) -> Error {
    Error::new(
        ErrorKind::Setup,
        format!("failed to bind {} on {target}: this host allows no mounts", source.display()),
    )
    .with_hint(
        "make it read-only (`:ro`), and it is copied; or give the container CAP_SYS_ADMIN and no seccomp profile, or user \
         namespaces (see `rootlet doctor`)",
    )
}

/// Copies what is to be bound, which may look different each time.
fn bring(skeleton: &Skeleton, spec: &Spec) -> Result<()> {
    for mount in &spec.mounts {
        if let Mount::Bind { source, target, .. } | Mount::Overlay { source, target, .. } = mount {
            let what = || format!("failed to copy {} to {target}", source.display());
            skeleton.bring(source, target).map_err(|e| Error::io(what(), e))?;
        }
    }
    Ok(())
}

/// A test of a fault that is not there would prove nothing.
fn refuse_faults(spec: &Spec) -> Result<()> {
    match spec.faults.iter().find(|fault| **fault != Fault::NoProc) {
        None => Ok(()),
        Some(fault) => Err(Error::new(
            ErrorKind::Host,
            format!("without mounts and namespaces there is no fault `{fault}`"),
        )
        .with_hint("`rootlet doctor` says what this host has to allow")),
    }
}

fn explain(error: SpawnError) -> Error {
    match error {
        SpawnError::Start(start) => host::explain(start),
        SpawnError::Clone(e) => Error::new(ErrorKind::Setup, "failed to start a process")
            .caused_by(e)
            .with_hint("the limits are in /proc/sys/kernel/pid_max, `ulimit -u`, and the container's cgroup"),
        SpawnError::Step { source, .. } => {
            Error::new(ErrorKind::Host, "failed to change the root directory").caused_by(source)
        }
        SpawnError::Io(e) => {
            Error::new(ErrorKind::Setup, "lost the nursery process while it made the root").caused_by(e)
        }
    }
}

/// What of this Spec a directory cannot give, a sentence each.
fn not_reproduced(spec: &Spec, pattern: &Pattern, is_root: bool) -> Result<Vec<String>> {
    let has = |mount: fn(&Mount) -> bool| spec.mounts.iter().any(mount);
    let lacking = spec.caps.mask()? & !capabilities(spec)?;
    let kept_back = KEPT_BACK.iter().fold(0, |set, (_, cap)| set | 1 << cap);
    let all = [
        (
            true,
            "processes: they are the container's, and a signal to all of a user's reaches those in other rootlets"
                .to_owned(),
        ),
        (true, "/proc: it cannot be mounted, so it is empty, and /dev/stdin, /dev/stdout and /dev/stderr lead nowhere".into()),
        (spec.net != Net::Host, format!("--net {}: the network is the container's, its ports too", spec.net)),
        (spec.hostname.is_some(), "--hostname: it is written in /etc/hostname, but the kernel's is the container's".into()),
        (spec.read_only, "--read-only: what the user may write by its rights is written".into()),
        (has(|m| matches!(m, Mount::Tmpfs { .. })), "tmpfs: they are directories on disk, of any size".into()),
        (
            has(|m| matches!(m, Mount::Bind { .. })),
            "read-only volumes: they are copies, made when the rootlet was, and their owner may write them".into(),
        ),
        (
            has(|m| matches!(m, Mount::Overlay { .. })),
            "copy-on-write volumes: they are copies, made when the rootlet was, with the owners that they have".into(),
        ),
        (
            has(|m| matches!(m, Mount::Files { .. } | Mount::Itself { .. })),
            "what a deployment mounts read-only or hides: its owner may write it, and it is seen".into(),
        ),
        (!spec.sysctls.is_empty(), "kernel parameters: they are the container's".into()),
        (spec.allow_new_privileges, "new privileges: setuid programs and file capabilities give none".into()),
        (
            is_root && lacking & kept_back != 0,
            "the capabilities SYS_CHROOT, SYS_PTRACE and MKNOD: they would lead out of the root".into(),
        ),
        (
            is_root && lacking & !kept_back != 0,
            format!("capabilities {:#x} (capabilities(7)): this process has none of them to give", lacking & !kept_back),
        ),
        (!pattern.has_devices(), "/dev: device nodes cannot be made, or do not work where the store lies".into()),
    ];
    Ok(all.into_iter().filter(|(applies, _)| *applies).map(|(_, what)| what).collect())
}
