//! What this host allows, found by trying; and the exact command that mends what it does not.

mod mend;

use crate::cgroup::Why;
use crate::host::{self, caller};
use crate::tier;
use mend::Mend;
use rootlet_base::{BaseKind, Store};
use rootlet_kernel::{Bounds, Nursery, mount};
use rootlet_spec::{Limits, Tier};
use serde::Serialize;
use std::path::Path;

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What: `user namespaces`.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// Whether nothing works without it.
    pub required: bool,
    /// What was found.
    pub found: String,
    /// What its lack costs; empty when it is there.
    pub cost: String,
    /// What mends it; empty when it is there, or when nothing can.
    pub mend: String,
    /// [`mend`](Self::mend) is a command that can be run here.
    pub is_command: bool,
}

/// What this host allows.
#[derive(Clone, Debug, Serialize)]
pub struct Examination {
    /// Which row of the table of identities applies; `None` when rootlets cannot be made here.
    pub tier: Option<Tier>,
    /// Whether rootlets have a /proc of their own.
    pub own_proc: bool,
    /// Everything that was looked at.
    pub checks: Vec<Check>,
}

/// Looks at this host: makes a rootlet of each tier that this caller may be given. Nothing is left of it.
pub fn examine() -> Examination {
    let mut checks = Vec::new();
    if !caller().is_root() {
        checks.extend([sub_ids(), tools()]);
    }
    let tried: Vec<(Tier, crate::Result<bool>)> =
        tier::possible().into_iter().map(|tier| (tier, whole(tier))).collect();
    let best = tried.iter().find_map(|(tier, tried)| Some((*tier, *tried.as_ref().ok()?)));
    for (tier, tried) in &tried {
        checks.push(tier_check(*tier, tried, best.is_some()));
    }
    if let Some((tier, own_proc)) = best.filter(|(tier, _)| *tier != Tier::Chroot) {
        checks.push(match own_proc {
            true => good("a /proc of its own", false, "mounted".into()),
            false => bad(
                "a /proc of its own",
                false,
                "refused (EPERM): parts of the host's are hidden".into(),
                "processes of the host are seen, and numbers in /proc are the host's",
                mend::proc(),
            ),
        });
        checks.extend(memory_and_mounts(tier));
    }
    checks.extend(best.map(|(tier, _)| cgroup(tier)));
    checks.push(store());
    let (tier, own_proc) = best.map_or((None, false), |(tier, own_proc)| (Some(tier), own_proc));
    Examination { tier, own_proc, checks }
}

/// What allows user namespaces where they are refused; empty when that is not known.
pub(crate) fn user_namespaces(errno: Option<i32>) -> String {
    mend::user_namespaces(errno).text
}

/// What gives the caller subordinate ids.
pub(crate) fn how_to_get_sub_ids() -> String {
    mend::sub_ids().text
}

/// A whole rootlet of this tier, with a command in it; whether it has a /proc of its own.
fn whole(tier: Tier) -> crate::Result<bool> {
    with_rootlet(tier, |root| match tier {
        // An empty root has nothing to be run.
        Tier::Chroot => Ok(false),
        _ => root.command("/bin/sh").args(["-c", ":"]).output().map(|_| !root.init().proc_is_the_hosts()),
    })
}

/// Does something with a rootlet of this tier: of this machine's own root, or where that would have to be copied, of an empty
/// one.
fn with_rootlet<T>(tier: Tier, act: impl FnOnce(&crate::Rootlet) -> crate::Result<T>) -> crate::Result<T> {
    let empty = std::env::temp_dir().join(format!("rootlet-doctor-{}", std::process::id()));
    let name = match tier {
        Tier::Chroot => {
            std::fs::create_dir(&empty)
                .map_err(|e| crate::Error::io(format!("failed to make {}", empty.display()), e))?;
            format!("dir:{}", empty.display())
        }
        _ => "host".into(),
    };
    let base = Store::open_default().and_then(|store| rootlet_base::Base::resolve(&name, &store));
    let made = base.map_err(Into::into).and_then(|base| crate::Rootlet::builder(&base).tier(tier).spawn());
    let done = made.and_then(|root| act(&root));
    let _ = std::fs::remove_dir(&empty);
    done
}

/// `works`: rootlets can be made here, in this tier or another.
fn tier_check(tier: Tier, tried: &crate::Result<bool>, works: bool) -> Check {
    let (name, cost) = match tier {
        Tier::Exact => {
            ("tier exact: all ids", "owners or processes are not production's; see docs/differences.md")
        }
        Tier::OneId => ("tier one-id: a user namespace", "an ordinary user can make no rootlet"),
        Tier::Chroot => {
            ("tier chroot: root without namespaces", "root can make no rootlet without namespaces")
        }
    };
    let error = match tried {
        Ok(_) => return good(name, false, "a rootlet was made, used and removed".into()),
        Err(error) => error,
    };
    let mut mended = match tier {
        Tier::Chroot => mend::chroot(),
        _ => mend::user_namespaces(error.raw_os_error()),
    };
    if tier == Tier::Exact && !caller().is_root() && whole(Tier::OneId).is_ok() {
        // Namespaces are allowed: it is the ids.
        mended = match (caller().sub_ids(), mend::no_new_privileges()) {
            (None, _) => mend::sub_ids(),
            (_, Some(mended)) => mended,
            _ => mend::id_tools(has_tools()),
        };
    }
    if mended.text.is_empty() {
        mended.text = error.hint().unwrap_or_default().into();
    }
    let cost = if works { cost } else { "no rootlet can be made" };
    bad(name, !works, causes(error), cost, mended)
}

/// What a tier with namespaces does better or worse.
fn memory_and_mounts(tier: Tier) -> Vec<Check> {
    let who = crate::Identity { uid: 1000, gid: 1000, ..Default::default() };
    let nursery = caller()
        .id_map(tier, &BaseKind::Layers, &who)
        .and_then(|map| Nursery::shared(&map, Bounds::NONE).map_err(host::explain));
    let Ok(nursery) = nursery else { return Vec::new() };
    let memory = match nursery.upper_in_memory() {
        Ok(true) => good("writable layer in memory", false, "tmpfs has user attributes".into()),
        _ => bad(
            "writable layer in memory",
            false,
            "tmpfs has no user attributes (before Linux 6.6)".into(),
            "the writable layer is on disk, which is several times slower to make and remove",
            Mend::default(),
        ),
    };
    let mut checks = vec![memory];
    if caller().is_root() {
        let cloned = nursery.user_namespace().and_then(|ns| mount::clone_idmapped(Path::new("/"), ns, false));
        checks.push(match cloned {
            Ok(_) => good("idmapped mounts", false, "the root file system has them".into()),
            Err(e) => bad(
                "idmapped mounts",
                false,
                e.to_string(),
                "files of the host and of volumes show as nobody's, and root inside cannot change them",
                Mend::default(),
            ),
        });
    }
    checks
}

fn good(name: &'static str, required: bool, found: String) -> Check {
    Check { name, ok: true, required, found, cost: String::new(), mend: String::new(), is_command: false }
}

fn bad(name: &'static str, required: bool, found: String, cost: &str, mend: Mend) -> Check {
    let Mend { text: mend, is_command } = mend;
    Check { name, ok: false, required, found, cost: cost.into(), mend, is_command }
}

fn advice(hint: Option<&str>) -> Mend {
    Mend { text: hint.unwrap_or_default().into(), is_command: false }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        // Most sentences name the errno below them.
        let errno = cause.downcast_ref::<std::io::Error>().and_then(crate::error::errno_name);
        if errno.is_none_or(|name| !text.contains(name)) {
            text = format!("{text}: {cause}");
        }
        next = cause.source();
    }
    text
}

fn sub_ids() -> Check {
    let name = "subordinate ids";
    let cost = "there is one id: `stat` shows what others own as the user's";
    match caller().sub_ids() {
        Some((uids, gids)) => {
            let found = format!(
                "uids from {} ({}), gids from {} ({})",
                uids.first, uids.count, gids.first, gids.count
            );
            match uids.count.min(gids.count) >= 65536 {
                true => good(name, false, found),
                false => bad(name, false, found, "files with higher ids cannot be unpacked", mend::sub_ids()),
            }
        }
        None => bad(name, false, "none in /etc/subuid and /etc/subgid".into(), cost, mend::sub_ids()),
    }
}

fn tools() -> Check {
    let name = "newuidmap and newgidmap";
    let cost = "subordinate ids cannot be used";
    match (has_tools(), mend::no_new_privileges()) {
        (true, None) => good(name, false, "found".into()),
        (true, Some(mend)) => bad(name, false, "no_new_privs takes their rights".into(), cost, mend),
        (false, _) => bad(name, false, "not in PATH".into(), cost, mend::id_tools(false)),
    }
}

fn has_tools() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |tool: &str| std::env::split_paths(&path).any(|dir| dir.join(tool).is_file());
    found("newuidmap") && found("newgidmap")
}

/// Each limit by itself, since an ordinary user is often given only some controllers.
fn cgroup(tier: Tier) -> Check {
    let name = "limits of the whole tree";
    let none = Limits::default;
    let each = [
        ("--memory", Limits { memory: Some(1 << 30), ..none() }),
        ("--pids-limit", Limits { pids: Some(1000), ..none() }),
        ("--cpus", Limits { cpus: Some(1.0), ..none() }),
    ];
    let cost = "--memory holds in each process, --pids-limit for each user in all rootlets of one calling process, --cpus \
                not at all; likewise where one that cannot be kept is asked for with others";
    let mut refused = None;
    let mut kept = Vec::new();
    for (option, limits) in each {
        match limited(tier, &limits) {
            Ok(Ok(())) => kept.push(option),
            Ok(Err(why)) => refused = refused.or(Some((option, why))),
            Err(e) => return bad(name, false, causes(&e), cost, advice(e.hint())),
        }
    }
    let Some((option, why)) = refused else {
        return good(name, false, format!("{} are kept by a cgroup", kept.join(", ")));
    };
    let found = match kept.is_empty() {
        true => format!("no cgroup can be made: {why}"),
        false => format!("a cgroup keeps {}, but not {option}: {why}", kept.join(", ")),
    };
    bad(name, false, found, cost, Mend { text: mend_cgroup(&why), is_command: false })
}

fn limited(tier: Tier, limits: &Limits) -> crate::Result<Result<(), Why>> {
    let mut made = None;
    // What runs in a cgroup goes before the cgroup.
    with_rootlet(tier, |root| {
        made = Some(crate::limits::cgroup(root.init(), limits)?);
        Ok(())
    })?;
    Ok(made.map_or(Ok(()), |made| made.map(drop)))
}

fn mend_cgroup(why: &Why) -> String {
    let there = |path: &str| Path::new(path).exists();
    let (uid, name) = (caller().uid, &caller().name);
    match (why, caller().is_root()) {
        // Controllers are of one version or the other.
        (Why::NotMounted | Why::Lacks(..), _) if !there("/sys/fs/cgroup/cgroup.controllers") => {
            "boot with `cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1` on the kernel's command line"
                .into()
        }
        (Why::Lacks(..), false) if there("/run/systemd/system") => format!(
            "sudo sh -c 'd=/etc/systemd/system/user@.service.d; mkdir -p $d; printf \"[Service]\\nDelegate=cpu memory \
             pids\\n\" > $d/delegate.conf; systemctl daemon-reload; systemctl restart user@{uid}'"
        ),
        (_, false) if there("/run/systemd/system") => {
            let run = "systemd-run --user --scope -p Delegate=yes rootlet run …";
            match there(&format!("/run/user/{uid}/systemd")) {
                true => run.into(),
                false => format!(
                    "sudo loginctl enable-linger {name}; export XDG_RUNTIME_DIR=/run/user/{uid}; {run}"
                ),
            }
        }
        // A container, whose processes are in the only cgroup that it sees.
        (Why::Populated(path), true) => {
            let path = path.display();
            format!("mkdir {path}/init && xargs -rn1 < {path}/cgroup.procs > {path}/init/cgroup.procs")
        }
        (Why::Refused(_, e), true) if e.raw_os_error() == Some(libc::EROFS) => {
            "start this container with --privileged, or with its cgroup writable".into()
        }
        _ => String::new(),
    }
}

fn store() -> Check {
    match Store::open_default() {
        Ok(store) => good("store", true, store.path().display().to_string()),
        Err(e) => bad("store", true, causes(&e), "no base can be kept", advice(e.hint())),
    }
}
