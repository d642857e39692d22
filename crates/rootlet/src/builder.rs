//! From a base and a Spec to a live rootlet.

use crate::facts::{self, Facts};
use crate::ground::{self, Ground, PartKind};
use crate::host;
use crate::identity::AccountFiles;
use crate::limits::Cgroup;
use crate::plan::{Inputs, Planned, PlannedMount, PlannedPart, describe, plan};
use crate::report::Report;
use crate::rootlet::{Live, Rootlet};
use crate::skin::{self, Wanted, skin};
use crate::{Error, ErrorKind, Identity, Result, seccomp};
use rootlet_base::{Base, BaseKind, Staging};
use rootlet_kernel::{Init, Nursery, Plan, Source, SpawnError};
use rootlet_spec::{Mount, Net, Spec, User, UserSpec, Writable};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// What a rootlet is to be: a [`Spec`], field by field. Made by [`Rootlet::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `spawn`"]
pub struct Builder {
    pub(crate) base: Base,
    pub(crate) spec: Spec,
    wrong: Option<Arc<rootlet_spec::ParseError>>,
}

impl Builder {
    pub(crate) fn new(base: &Base) -> Self {
        Self { base: base.clone(), spec: Spec::default(), wrong: None }
    }

    /// The whole Spec, in place of what was said before.
    pub fn spec(mut self, spec: Spec) -> Self {
        self.spec = spec;
        self
    }

    /// Who runs commands: `sam`, `1000`, `1000:0`, or `NAME:UID:GID` for an account that is made. Not said: the image's
    /// user, else `sam:1000:1000`.
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

    /// Makes the rootlet: fresh, private, live.
    ///
    /// # Errors
    /// The Spec contradicts itself or the base ([`ErrorKind::Spec`]), the base cannot be unpacked ([`ErrorKind::Base`]), the
    /// host does not allow it ([`ErrorKind::Host`]), or a step failed ([`ErrorKind::Setup`]). Nothing is left behind then.
    pub fn spawn(self) -> Result<Rootlet> {
        if let Some(wrong) = self.wrong {
            return Err(Error::new(ErrorKind::Spec, wrong.to_string())
                .with_hint(wrong.hint().unwrap_or("see `rootlet run --help`")));
        }
        let spec = self.spec.with_defaults(self.base.defaults())?;
        let facts = facts_of(&self.base)?;
        facts::check(&facts)?;
        let who = Who::of(&spec, &facts)?;
        let map = host::caller().id_map(self.base.kind(), who.identity.uid, who.identity.gid)?;
        let filter = if spec.seccomp_unconfined { None } else { Some(seccomp::filter(spec.caps.mask()?)) };
        let nursery = Nursery::shared(&map, filter).map_err(host::explain)?;
        let prepared = Prepared::shared(&self.base, &nursery, &facts, &who, &spec)?;
        let (planned, guards) = prepared.plan(&nursery, &facts, &who, &spec)?;
        let init = match spawn_plan(&nursery, &planned) {
            Ok(init) => init,
            // A step that failed may have missed what could not be made before it.
            Err(error) => {
                prepared.check()?;
                guards.check()?;
                return Err(error);
            }
        };
        let mut report = Report::new(&self.base, &who.identity, host::caller().tier());
        report.not_reproduced.extend(prepared.ground.not_reproduced.iter().cloned());
        report.not_reproduced.extend(guards.not_reproduced.iter().cloned());
        let cgroup = Cgroup::around(&init, &spec.limits, &mut report)?;
        let live = Live {
            init: Arc::new(init),
            cgroup,
            _staging: guards.staging,
            areas: planned.areas,
            made: guards.made,
            map,
            base: self.base,
            spec,
            facts,
            identity: who.identity,
            report,
            makes_account: who.account.is_some(),
        };
        Rootlet::new(live)
    }
}

/// Who runs commands, and whether their account is made.
struct Who {
    identity: Identity,
    account: Option<User>,
}

impl Who {
    fn of(spec: &Spec, facts: &Facts) -> Result<Self> {
        let sam = User::sam();
        // `--user sam` on a base without a sam means the default account, not an error.
        let asked = match &spec.user {
            None => UserSpec::Account(sam),
            Some(UserSpec::Name(name, None)) if *name == sam.name && !facts.accounts.has_user(name) => {
                UserSpec::Account(sam)
            }
            Some(user) => user.clone(),
        };
        let identity = facts.accounts.identify(&asked, &spec.groups)?;
        let account = match asked {
            UserSpec::Account(user) => Some(user),
            _ => None,
        };
        Ok(Self { identity, account })
    }
}

/// Facts by the id of the base, of this process.
type Known = Vec<(String, Arc<Facts>)>;
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

/// The facts of a base: kept beside it, or read from a directory, or asked of a bare rootlet of it.
fn facts_of(base: &Base) -> Result<Arc<Facts>> {
    // A directory may change at any time; what is on top of it, in a snapshot, may not.
    if base.layer_count() == 0 {
        match base.kind() {
            BaseKind::Directory(path) => return Facts::of_directory(path).map(Arc::new),
            BaseKind::Host => return Facts::of_directory(Path::new("/")).map(Arc::new),
            BaseKind::Layers => {}
        }
    }
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, facts)) = known.iter().find(|(id, _)| id == base.id()) {
        return Ok(facts.clone());
    }
    drop(known);
    match base.cached_facts().and_then(|bytes| Facts::from_json(&bytes)) {
        Some(facts) => Ok(remember(base, facts)),
        None => Ok(know(base, ask_base(base)?)),
    }
}

/// Keeps the facts of a base beside it.
pub(crate) fn know(base: &Base, facts: Facts) -> Arc<Facts> {
    base.cache_facts(&facts.to_json());
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

fn ask_base(base: &Base) -> Result<Facts> {
    let map = host::caller().id_map(base.kind(), 1000, 1000)?;
    let nursery = Nursery::shared(&map, None).map_err(host::explain)?;
    let ground = Ground::of(base, &nursery)?;
    let mut tree = rootlet_kernel::Tree::new();
    // Only the mount points that a plan relies on.
    tree.directory("", 0o755, 0, 0);
    let skin = add_skin(&nursery, &tree)?;
    let inputs = Inputs {
        skin: skin.place(),
        lowers: places(ground.snapshots.iter().chain(&ground.layers)),
        hostname: "rootlet".into(),
        ..Inputs::default()
    };
    let mut planned = plan(&inputs);
    // No /proc, no /dev: what stands there is one of the facts.
    planned
        .ops
        .retain(|op| !matches!(op, rootlet_kernel::Op::FileSystem { .. } | rootlet_kernel::Op::Dev(_)));
    Facts::of_rootlet(&spawn_plan(&nursery, &planned)?)
}

fn add_skin(nursery: &Arc<Nursery>, tree: &rootlet_kernel::Tree) -> Result<Source> {
    nursery.add_tree(tree).map_err(skin_failed)
}

fn skin_failed(e: std::io::Error) -> Error {
    Error::new(ErrorKind::Setup, "failed to make the account files and mount points").caused_by(e)
}

/// Topmost first, as overlayfs wants them.
fn places<'a>(sources: impl DoubleEndedIterator<Item = &'a Source>) -> Vec<String> {
    sources.rev().map(Source::place).collect()
}

fn spawn_plan(nursery: &Nursery, planned: &Planned) -> Result<Init> {
    nursery.spawn(&Plan::new(planned.namespaces, &planned.ops)).map_err(|error| match error {
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
    })
}

fn step_hint(what: &str, source: &std::io::Error) -> Option<&'static str> {
    match source.raw_os_error() {
        Some(libc::ENOSPC) => {
            Some("memory or disk for the writable layer is used up; try --writable disk, or free some")
        }
        Some(libc::EINVAL) if what.contains("overlay") => Some(
            "the kernel has no overlayfs in user namespaces (Linux 5.11), or a layer lies on a file system it cannot use",
        ),
        Some(libc::EPERM) if what.contains("procfs") => {
            Some("this container hides parts of /proc; run `rootlet doctor`")
        }
        Some(libc::ELOOP) => Some("a symlink of the base leads in a circle"),
        _ => None,
    }
}

/// What is the same for all rootlets that look alike: the base's sources and the skin.
struct Prepared {
    key: String,
    nursery: Arc<Nursery>,
    ground: Ground,
    skin: Source,
    /// Layers that are in use must stay in the store.
    _base: Base,
}

/// A directory's account files may change from one rootlet to the next, and the skin with them.
fn hash(accounts: &AccountFiles) -> u64 {
    let mut hasher = DefaultHasher::new();
    accounts.hash(&mut hasher);
    hasher.finish()
}

static KNOWN_PREPARED: LazyLock<Mutex<Vec<Arc<Prepared>>>> = LazyLock::new(Mutex::default);

/// What lives as long as the rootlet, and what the plan makes besides the run.
#[derive(Default)]
struct Guards {
    staging: Option<Staging>,
    made: Vec<String>,
    not_reproduced: Vec<String>,
    /// What is bound, by its name: until the rootlet is made, whose own mounts hold it afterwards.
    volumes: Vec<(String, Source)>,
}

impl Guards {
    fn check(&self) -> Result<()> {
        let check = |(what, source): &(String, Source)| {
            source.ready().map_err(|e| Error::io(format!("failed to bind {what}"), e))
        };
        self.volumes.iter().try_for_each(check)
    }
}

impl Prepared {
    /// The one of this process for these wishes. Few are remembered: each holds mounts in the nursery.
    fn shared(
        base: &Base,
        nursery: &Arc<Nursery>,
        facts: &Facts,
        who: &Who,
        spec: &Spec,
    ) -> Result<Arc<Self>> {
        const MOST: usize = 16;
        let lock = || KNOWN_PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
        let hostname = hostname(spec);
        let accounts = hash(&facts.accounts);
        let (account, groups) = (&who.account, &who.identity.groups);
        let key = format!("{} {accounts:x} {account:?} {groups:?} {hostname} {:?}", base.id(), spec.net);
        {
            let mut known = lock();
            // What was prepared in a nursery that is gone is gone with it.
            known.retain(|p| p.nursery.map() != nursery.map() || Arc::ptr_eq(&p.nursery, nursery));
            if let Some(prepared) = known.iter().find(|p| p.key == key && Arc::ptr_eq(&p.nursery, nursery)) {
                return Ok(prepared.clone());
            }
        }
        let ground = Ground::of(base, nursery)?;
        let read = |path: &str| std::fs::read_to_string(path).ok();
        let (resolv_conf, hosts) = match spec.net {
            Net::Host => (read("/etc/resolv.conf"), read("/etc/hosts")),
            _ => (None, None),
        };
        let tree = skin(&Wanted {
            facts,
            identity: &who.identity,
            account: who.account.as_ref(),
            hostname: &hostname,
            resolv_conf: resolv_conf.as_deref(),
            hosts: hosts.as_deref(),
            parts: &ground.parts,
        });
        let skin = add_skin(nursery, &tree)?;
        let prepared = Arc::new(Self { key, nursery: nursery.clone(), ground, skin, _base: base.clone() });
        let mut known = lock();
        if known.len() >= MOST {
            known.remove(0);
        }
        known.push(prepared.clone());
        Ok(prepared)
    }

    fn check(&self) -> Result<()> {
        // What is not as it should be is not to be found again.
        let mut known = KNOWN_PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|p| !std::ptr::eq(&**p, self));
        drop(known);
        self.ground.check(&self._base)?;
        self.skin.ready().map_err(skin_failed)
    }

    fn plan(
        &self,
        nursery: &Arc<Nursery>,
        facts: &Facts,
        who: &Who,
        spec: &Spec,
    ) -> Result<(Planned, Guards)> {
        let mut guards = Guards::default();
        let in_memory = nursery.upper_in_memory().map_err(host::explain)?;
        let disk = if in_memory && spec.writable == Writable::Memory {
            None
        } else {
            Some(self.on_disk(nursery, &mut guards)?)
        };
        let ground = &self.ground;
        let snapshots = places(ground.snapshots.iter());
        let parts = ground.parts.iter().filter_map(|part| {
            let target = part.target.clone();
            Some(match &part.kind {
                PartKind::Overlay(source) => {
                    let mut lowers = Vec::new();
                    if matches!(target.as_str(), "/etc" | "/home") {
                        lowers.push(format!("{}{target}", self.skin.place()));
                    }
                    lowers.extend(snapshots.iter().map(|place| format!("{place}{target}")));
                    lowers.push(source.place());
                    PlannedPart::Overlay(target, lowers)
                }
                PartKind::File(source) => PlannedPart::File(target, source.place()),
                PartKind::Tmpfs(mode) => PlannedPart::Tmpfs(target, *mode),
                PartKind::Directory(_) | PartKind::Symlink(_) => return None,
            })
        });
        let inputs = Inputs {
            skin: self.skin.place(),
            lowers: places(ground.layers.iter().chain(&ground.snapshots)),
            parts: parts.collect(),
            disk,
            mounts: planned_mounts(nursery, spec, &mut guards)?,
            directories: directories(facts, who, spec, &mut guards),
            hostname: hostname(spec),
            net: spec.net,
            read_only: spec.read_only,
        };
        Ok((plan(&inputs), guards))
    }

    /// A writable layer below the store, which is removed with the rootlet, or by the next process after a kill.
    fn on_disk(&self, nursery: &Arc<Nursery>, guards: &mut Guards) -> Result<String> {
        let staging = self._base.store().stage_layer(nursery.map())?;
        let source = ground::upper(nursery, staging.path()).map_err(|e| {
            Error::new(ErrorKind::Setup, "failed to mount the writable layer on disk").caused_by(e)
        })?;
        let place = source.place();
        guards.volumes.push(("the writable layer on disk".into(), source));
        guards.staging = Some(staging);
        Ok(place)
    }
}

pub(crate) fn hostname(spec: &Spec) -> String {
    spec.hostname.clone().unwrap_or_else(|| "rootlet".into())
}

fn planned_mounts(nursery: &Arc<Nursery>, spec: &Spec, guards: &mut Guards) -> Result<Vec<PlannedMount>> {
    let mut planned = Vec::new();
    for mount in &spec.mounts {
        guards.made.push(mount.target().trim_end_matches('/').to_owned());
        planned.push(match mount.clone() {
            Mount::Bind { source, target, read_only } => {
                let what = || format!("failed to bind {} on {target}", source.display());
                let is_directory = std::fs::metadata(&source).map_err(|e| Error::io(what(), e))?.is_dir();
                let (bound, exact) = ground::volume(nursery, &source).map_err(|e| Error::io(what(), e))?;
                if !exact {
                    let note =
                        format!("owners in {target}: its file system cannot be mounted with other ids");
                    guards.not_reproduced.push(note);
                }
                let place = bound.place();
                guards.volumes.push((source.display().to_string(), bound));
                PlannedMount::Bind { target, place, is_directory, read_only }
            }
            Mount::Tmpfs { target, size, mode } => PlannedMount::Tmpfs { target, size, mode },
            Mount::Volume { target } => PlannedMount::Volume { target },
        });
    }
    Ok(planned)
}

/// The home of an account where the skin cannot hold it, and a work directory: root's, as the strictest production has
/// it.
fn directories(facts: &Facts, who: &Who, spec: &Spec, guards: &mut Guards) -> Vec<(String, u32, u32, u32)> {
    let mut all = Vec::new();
    if let Some(user) = &who.account
        && skin::usual_home(user, facts).is_none()
    {
        all.push((user.home.clone(), 0o755, user.uid, user.gid));
    }
    if let Some(workdir) = &spec.workdir {
        all.push((workdir.clone(), 0o755, 0, 0));
    }
    guards.made.extend(all.iter().map(|(path, ..)| path.trim_end_matches('/').to_owned()));
    all
}
