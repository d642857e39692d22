//! From a base and a Spec to a live rootlet.

use crate::facts::{self, Facts};
use crate::ground::Ground;
use crate::host;
use crate::plan::{Inputs, Planned, describe, plan};
use crate::prepared::{self, Guards, Prepared, add_skin, places};
use crate::report::Report;
use crate::rootlet::{Live, Rootlet};
use crate::{Error, ErrorKind, Identity, Result, limits, privileged, seccomp, tier};
use rootlet_base::{Base, BaseKind};
use rootlet_kernel::{Bounds, Nursery, Op, Plan, SpawnError};
use rootlet_spec::{Fault, Lenient, Mount, Net, Require, Spec, Tier, User, UserSpec, Writable};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// What a rootlet is to be: a [`Spec`], field by field. Made by [`Rootlet::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `spawn`"]
pub struct Builder {
    pub(crate) base: Base,
    pub(crate) spec: Spec,
    wrong: Option<Arc<rootlet_spec::ParseError>>,
    privileged: bool,
    #[cfg(feature = "like")]
    like: Option<Arc<rootlet_spec::parity::Like>>,
    #[cfg(feature = "like")]
    init_containers: bool,
}

impl Builder {
    pub(crate) fn new(base: &Base) -> Self {
        Self {
            base: base.clone(),
            spec: Spec::default(),
            wrong: None,
            privileged: false,
            #[cfg(feature = "like")]
            like: None,
            #[cfg(feature = "like")]
            init_containers: false,
        }
    }

    /// The base that it is to stand on.
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// The whole Spec, in place of what was said before.
    pub fn spec(mut self, spec: Spec) -> Self {
        self.spec = spec;
        self
    }

    /// As production runs it, in place of the Spec so far; what is said after it goes before what the file says. Where
    /// neither the file nor the base names a user, it is root, and where production would refuse to start, [`spawn`](Self::spawn)
    /// fails. The report says what was not carried over.
    #[cfg(feature = "like")]
    pub fn like(mut self, like: &rootlet_spec::parity::Like) -> Self {
        self.spec = like.spec.clone();
        self.like = Some(Arc::new(like.clone()));
        self
    }

    /// The init containers of the pod that [`like`](Self::like) named run to their end before, each in a rootlet of its own on the same base;
    /// what they leave in the pod's volumes is there then.
    #[cfg(feature = "like")]
    pub fn init_containers(mut self, run: bool) -> Self {
        self.init_containers = run;
        self
    }

    /// Commands have all capabilities within the rootlet and no system call filter, as with `docker run --privileged`: they see /sys, and a
    /// cgroup that they may divide, where one can be made. That is enough for a daemon that makes containers, as docker's.
    #[cfg(feature = "functions")]
    pub(crate) fn privileged(mut self) -> Self {
        self.spec.caps.add.push("ALL".into());
        self.spec.seccomp_unconfined = true;
        self.spec.allow_new_privileges = true;
        self.privileged = true;
        self
    }

    /// Who runs commands: `sam`, `1000`, `1000:0`, or `NAME:UID:GID` for an account that is made. Not said: the image's
    /// user, else `sam:1000:1000`. `random`, `random:0`: a uid without an account, drawn once in each process.
    pub fn user(mut self, user: &str) -> Self {
        // The default account by its name alone: it is made where the base has none.
        match user.parse() {
            Ok(user) => self.spec.user = Some(user),
            Err(error) => self.wrong = Some(Arc::new(error)),
        }
        self
    }

    /// A supplementary group, by name or number.
    pub fn group(mut self, group: &str) -> Self {
        match group.parse() {
            Ok(group) => self.spec.groups.push(group),
            Err(error) => self.wrong = Some(Arc::new(error)),
        }
        self
    }

    /// A variable of every command.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec.env.push((name.into(), value.into()));
        self
    }

    /// The work directory of every command, absolute; made, as root's, where it is missing.
    pub fn workdir(mut self, path: impl Into<String>) -> Self {
        self.spec.workdir = Some(path.into());
        self
    }

    /// The host name inside.
    pub fn hostname(mut self, name: impl Into<String>) -> Self {
        self.spec.hostname = Some(name.into());
        self
    }

    /// Binds a directory or file of the host, writable, to a place inside.
    pub fn bind(self, source: impl AsRef<Path>, target: impl Into<String>) -> Self {
        self.mount(Mount::Bind { source: source.as_ref().into(), target: target.into(), read_only: false })
    }

    /// Binds a directory or file of the host, read-only, to a place inside.
    pub fn bind_read_only(self, source: impl AsRef<Path>, target: impl Into<String>) -> Self {
        self.mount(Mount::Bind { source: source.as_ref().into(), target: target.into(), read_only: true })
    }

    /// An empty file system in memory at a place inside.
    pub fn tmpfs(self, target: impl Into<String>) -> Self {
        self.mount(Mount::Tmpfs { target: target.into(), size: None, mode: 0o1777 })
    }

    /// Any mount.
    pub fn mount(mut self, mount: Mount) -> Self {
        self.spec.mounts.push(mount);
        self
    }

    /// Mounts the root read-only.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.spec.read_only = read_only;
        self
    }

    /// Adds a capability to docker's default set: `NET_ADMIN`.
    pub fn cap_add(mut self, name: impl Into<String>) -> Self {
        self.spec.caps.add.push(name.into());
        self
    }

    /// Drops a capability, or `ALL`.
    pub fn cap_drop(mut self, name: impl Into<String>) -> Self {
        self.spec.caps.drop.push(name.into());
        self
    }

    /// Every command is traced, and [`Rootlet::why`] says what they were refused, also by the system call filter, which is otherwise not
    /// seen. It slows calls that name paths or ids; where the host does not allow tracing, a command fails to start
    /// ([`ErrorKind::Host`]). See docs/why.md.
    pub fn explain(mut self, explain: bool) -> Self {
        self.spec.explain = explain;
        self
    }

    /// The network that commands see.
    pub fn net(mut self, net: Net) -> Self {
        self.spec.net = net;
        self
    }

    /// The file mode creation mask of every command.
    pub fn umask(mut self, umask: u32) -> Self {
        self.spec.umask = Some(umask);
        self
    }

    /// Where the writable layer lives.
    pub fn writable(mut self, writable: Writable) -> Self {
        self.spec.writable = writable;
        self
    }

    /// Where runtimes differ, to be as the milder ones are.
    pub fn lenient(mut self, lenient: Lenient) -> Self {
        self.spec.lenient.push(lenient);
        self
    }

    /// How the host is to give the identity. Not said: what the variable `ROOTLET_TIER` names, else the strongest that the host
    /// allows.
    pub fn tier(mut self, tier: Tier) -> Self {
        self.spec.tier = Some(tier);
        self
    }

    /// What must not be missing: where the host cannot give it, [`spawn`](Self::spawn) fails with [`ErrorKind::Host`].
    pub fn require(mut self, require: Require) -> Self {
        self.spec.require.push(require);
        self
    }

    /// Something that is wrong with the root on purpose. Where the host cannot make it so, [`spawn`](Self::spawn) fails.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.spec.faults.push(fault);
        self
    }

    /// Makes the rootlet: fresh, private, live.
    ///
    /// # Errors
    /// The Spec contradicts itself or the base ([`ErrorKind::Spec`]), the base cannot be unpacked ([`ErrorKind::Base`]), the
    /// host does not allow it ([`ErrorKind::Host`]), or a step failed ([`ErrorKind::Setup`]). Nothing is left behind then.
    pub fn spawn(mut self) -> Result<Rootlet> {
        if let Some(wrong) = self.wrong {
            return Err(Error::new(ErrorKind::Spec, wrong.to_string())
                .with_hint(wrong.hint().unwrap_or("see `rootlet run --help`")));
        }
        #[cfg(feature = "like")]
        if let Some(like) = &self.like {
            let complete = like.complete(std::mem::take(&mut self.spec), self.base.defaults());
            self.spec = complete.map_err(|e| crate::like::from_parity(&e))?;
        }
        if self.spec.faults.contains(&Fault::NoNetwork) {
            self.spec.net = Net::None;
        }
        #[cfg(feature = "like")]
        if let Some(mut like) = self.like.take_if(|like| self.init_containers && !like.init.is_empty()) {
            let volumes = crate::init_containers::run(&self, Arc::make_mut(&mut like))?;
            self.like = Some(like);
            volumes.show(&mut self.spec);
            let root = self.spawn_completed()?;
            return volumes.fill(&root).map(|()| root);
        }
        self.spawn_completed()
    }

    /// On the strongest tier that there is.
    fn spawn_completed(&self) -> Result<Rootlet> {
        let mut refused = Vec::new();
        for tier in tier::tiers(&self.spec)? {
            match self.spawn_on(tier) {
                // What the host refuses, it may allow in a weaker form, whose report says what was refused.
                Err(error) if error.kind() == ErrorKind::Host => {
                    tier::refuse(tier, &error);
                    refused.push((tier, error));
                }
                made => return made,
            }
        }
        Err(tier::none(refused))
    }

    fn spawn_on(&self, tier: Tier) -> Result<Rootlet> {
        if tier == Tier::Chroot {
            return self.spawn_by_chroot();
        }
        let mut spec = self.spec.clone().with_defaults(self.base.defaults())?;
        let facts = facts_of(&self.base, tier)?;
        facts::check(&facts)?;
        let who = Who::of(&spec, &facts)?;
        let map = host::caller().id_map(tier, self.base.kind(), &who.identity)?;
        let own = if self.privileged { privileged::show(&mut spec, &map) } else { None };
        let nursery = Nursery::shared(&map, bounds(&spec)?).map_err(host::explain)?;
        let prepared = Prepared::shared(&self.base, &nursery, &facts, &who, &spec)?;
        let (planned, guards) = prepared.plan(&nursery, &facts, &who, &spec)?;
        let made = Plan::new(planned.namespaces, &planned.ops);
        let made = if self.base.kind() == &BaseKind::Layers {
            prepared.spare.spawn(&nursery, made)
        } else {
            // A directory may change before the next one, which has to show it.
            nursery.spawn(&made)
        };
        let init = match made {
            Ok(init) => init,
            Err(error) if self.can_do_without(&error, &planned, &guards, &nursery) => {
                return self.spawn_on(tier);
            }
            // A step that failed may have missed what could not be made before it.
            Err(error) => {
                prepared.check()?;
                guards.check()?;
                return Err(explain(error, &planned));
            }
        };
        let mut report = Report::new(&self.base, &who.identity, tier);
        report.not_reproduced.extend(tier::not_reproduced(tier, init.proc_is_the_hosts(), &who.identity));
        report.not_reproduced.extend(prepared.ground.not_reproduced.iter().cloned());
        report.not_reproduced.extend(guards.not_reproduced.iter().cloned());
        if init.proc_is_the_hosts() && spec.require.contains(&Require::Proc) {
            return Err(tier::lacks(Require::Proc));
        }
        report.not_reproduced.extend(self.not_carried_over());
        limits::lower(&mut spec, &mut report);
        let cgroup = match own {
            Some(own) => privileged::enter(&own, &init).map(|()| Some(own))?,
            None => limits::keep(&init, &spec.limits, &mut report)?,
        };
        if spec.require.contains(&Require::Everything) && !report.not_reproduced.is_empty() {
            return Err(tier::lacks(Require::Everything).with_hint(report.not_reproduced.join("; ")));
        }
        let live = Live {
            init: Arc::new(init),
            cgroup,
            skeleton: None,
            _staging: guards.staging,
            _prepared: Some(prepared),
            _volumes: guards.held,
            areas: planned.areas,
            made: guards.made,
            map,
            base: self.base.clone(),
            spec,
            facts,
            identity: who.identity,
            report,
            makes_account: who.account.is_some(),
        };
        Rootlet::new(live)
    }

    /// What of production's file is left out, in one sentence.
    pub(crate) fn not_carried_over(&self) -> Option<String> {
        #[cfg(feature = "like")]
        if let Some(like) = self.like.as_ref().filter(|like| !like.losses.is_empty()) {
            const MOST: usize = 3;
            let names =
                like.losses.iter().take(MOST).map(|loss| format!("{} (line {})", loss.path, loss.place.line));
            let names = names.collect::<Vec<_>>().join(", ");
            let more = like.losses.len().saturating_sub(MOST);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            return Some(format!("{}: {names}{more}; `rootlet like` says why", like.what));
        }
        None
    }

    /// Whether what the host refused is something that can be done without, as the report then says. From now on it is.
    fn can_do_without(
        &self,
        error: &SpawnError,
        planned: &Planned,
        guards: &Guards,
        nursery: &Nursery,
    ) -> bool {
        let SpawnError::Step { index, source } = error else { return false };
        match (planned.ops.get(*index), source.raw_os_error()) {
            (Some(Op::RootOverlay(_) | Op::Overlay { .. }), Some(libc::EINVAL)) => {
                guards.give_up_disk(nursery, &self.base)
            }
            (Some(Op::Hostname(_)), Some(libc::EPERM)) => prepared::give_up_hostname(),
            _ => false,
        }
    }
}

/// What no command of a rootlet of this Spec gets beyond.
pub(crate) fn bounds(spec: &Spec) -> Result<Bounds> {
    // Where commands are traced, each brings the filter in another form (`why::filter`).
    let filter = (!spec.seccomp_unconfined && !spec.explain).then_some(seccomp::filter as _);
    Ok(Bounds { capabilities: spec.caps.mask()?, filter })
}

/// The user that stands for a uid which nobody knows, as OpenShift gives one to each project.
const RANDOM: &str = "random";

/// The same for all rootlets of a process, since each uid needs a user namespace of its own.
static RANDOM_UID: LazyLock<u32> = LazyLock::new(|| {
    use std::hash::{BuildHasher, RandomState};
    1_000_000_000 + (RandomState::new().hash_one(0) % 1_000_000_000) as u32
});

/// Who runs commands, and whether their account is made.
pub(crate) struct Who {
    pub identity: Identity,
    pub account: Option<User>,
}

impl Who {
    pub fn of(spec: &Spec, facts: &Facts) -> Result<Self> {
        let sam = User::sam();
        // `--user sam` on a base without a sam means the default account, not an error.
        let asked = match &spec.user {
            None => UserSpec::Account(sam),
            Some(UserSpec::Name(name, None)) if *name == sam.name && !facts.accounts.has_user(name) => {
                UserSpec::Account(sam)
            }
            Some(UserSpec::Name(name, group)) if name == RANDOM && !facts.accounts.has_user(name) => {
                UserSpec::Id(*RANDOM_UID, group.clone())
            }
            Some(user) => user.clone(),
        };
        let identity = facts.accounts.identify(&asked, &spec.groups, spec.memberships)?;
        let account = match asked {
            UserSpec::Account(user) => Some(user),
            // As Podman and CRI-O write it.
            _ if identity.name.is_none() && spec.lenient.contains(&Lenient::Passwd) => Some(User {
                home: "/".into(),
                shell: "/sbin/nologin".into(),
                ..User::new(&identity.uid.to_string(), identity.uid, identity.gid)
            }),
            _ => None,
        };
        Ok(Self { identity, account })
    }
}

/// What the facts are called that are kept beside a base.
const FACTS: &str = "facts";

/// Facts by the id of the base, of this process.
type Known = Vec<(String, Arc<Facts>)>;
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

/// The facts of a base: kept beside it, or read from a directory, or asked of a bare rootlet of it.
pub(crate) fn facts_of(base: &Base, tier: Tier) -> Result<Arc<Facts>> {
    // A directory may change at any time; what is on top of it, in a snapshot, may not.
    if base.layer_count() == 0 {
        match base.kind() {
            BaseKind::Directory(path) => {
                let facts = Facts::of_directory(path)?;
                return match host::caller().is_root() {
                    true => Ok(Arc::new(facts)),
                    // Whoever is mapped to root, all others are where they are for anybody.
                    false => {
                        let map = host::caller().id_map(tier, base.kind(), &Identity::default())?;
                        Ok(Arc::new(facts.seen_by(&map)))
                    }
                };
            }
            BaseKind::Host => return Facts::of_directory(Path::new("/")).map(Arc::new),
            BaseKind::Layers => {}
        }
    }
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, facts)) = known.iter().find(|(id, _)| id == base.id()) {
        return Ok(facts.clone());
    }
    drop(known);
    match base.note(FACTS).and_then(|bytes| Facts::from_json(&bytes)) {
        Some(facts) => Ok(remember(base, facts)),
        None if tier == Tier::Chroot => Ok(know(base, Facts::of_directory(base.flat()?.path())?)),
        None => Ok(know(base, ask_base(base, tier)?)),
    }
}

/// Keeps the facts of a base beside it.
pub(crate) fn know(base: &Base, facts: Facts) -> Arc<Facts> {
    base.set_note(FACTS, &facts.to_json());
    remember(base, facts)
}

fn remember(base: &Base, facts: Facts) -> Arc<Facts> {
    const MOST: usize = 64;
    let facts = Arc::new(facts);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= MOST {
        known.remove(0);
    }
    known.push((base.id().to_owned(), facts.clone()));
    facts
}

fn ask_base(base: &Base, tier: Tier) -> Result<Facts> {
    let map = host::caller().id_map(
        tier,
        base.kind(),
        &Identity { uid: 1000, gid: 1000, ..Identity::default() },
    )?;
    let nursery = Nursery::shared(&map, Bounds::NONE).map_err(host::explain)?;
    let ground = Ground::of(base, &nursery)?;
    let mut tree = rootlet_kernel::Tree::for_ids(&map);
    // Only the mount points that a plan relies on.
    tree.directory("", 0o755, 0, 0);
    let skin = add_skin(&nursery, &tree)?;
    let inputs = Inputs {
        skin: skin.place(),
        lowers: places(ground.snapshots.iter().chain(&ground.layers)),
        ..Inputs::default()
    };
    let mut planned = plan(&inputs);
    // No /proc, no /dev: what stands there is one of the facts.
    planned.ops.retain(|op| !matches!(op, Op::FileSystem { .. } | Op::Dev(_)));
    let made = nursery.spawn(&Plan::new(planned.namespaces, &planned.ops));
    Facts::of_rootlet(&made.map_err(|error| explain(error, &planned))?)
}

fn explain(error: SpawnError, planned: &Planned) -> Error {
    match error {
        SpawnError::Start(start) => host::explain(start),
        SpawnError::Clone(e) => {
            Error::new(ErrorKind::Setup, "failed to start a process in namespaces of its own")
                .caused_by(e)
                .with_hint("the limits are in /proc/sys/user/max_*_namespaces and `ulimit -u`")
        }
        SpawnError::Step { index, source } => {
            let what = planned.ops.get(index).map_or_else(|| "perform the plan".into(), describe);
            let hint = step_hint(&what, &source);
            let error = Error::new(ErrorKind::Setup, format!("failed to {what}")).caused_by(source);
            match hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        }
        SpawnError::Io(e) => {
            Error::new(ErrorKind::Setup, "lost the nursery process while it made the root").caused_by(e)
        }
    }
}

fn step_hint(what: &str, source: &std::io::Error) -> Option<&'static str> {
    match source.raw_os_error() {
        Some(libc::ENOSPC) => {
            Some("memory or disk for the writable layer is used up; try --writable disk, or free some")
        }
        Some(libc::EINVAL) if what.contains("overlay") => Some(
            "the kernel has no overlayfs in user namespaces (Linux 5.11), or the store lies on a file system that it cannot use: \
             set ROOTLET_STORE to a directory of another",
        ),
        Some(libc::EPERM) if what.contains("procfs") => {
            Some("this container hides parts of /proc; run `rootlet doctor`")
        }
        Some(libc::ENOENT | libc::EACCES) if what.contains("/src/") => Some(
            "something that the root stands on could not be mounted, a layer most likely: the store's directories must be ones that the \
             user may enter without the rights of a group; `rootlet doctor` says more",
        ),
        Some(libc::EINVAL | libc::EISDIR | libc::ENOTDIR)
            if what.contains("bind") || what.contains("bound") =>
        {
            Some("a directory is mounted on a directory, and a file on a file")
        }
        Some(libc::EROFS) if what.contains("bound") => Some(
            "nothing is made in /dev, nor where it is read-only: what is mounted there has to be there already",
        ),
        Some(libc::ELOOP) => Some("a symlink of the base leads in a circle"),
        _ => None,
    }
}
