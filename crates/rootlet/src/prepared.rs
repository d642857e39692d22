//! What all rootlets that look alike share: the base's sources and the skin, made once in this process; and from them the
//! plan of one.

use crate::facts::Facts;
use crate::ground::{self, Ground, PartKind};
use crate::host;
use crate::identity::AccountFiles;
use crate::plan::{Inputs, Planned, PlannedPart, plan};
use crate::seccomp::{self, Asked};
use crate::skin::{self, Wanted, skin};
use crate::spare::Spare;
use crate::volumes;
use crate::who::Who;
use crate::{Error, ErrorKind, Result};
use rootlet_base::{Base, Staging, Store};
use rootlet_kernel::{Filters, IdRange, Nursery, Source, StartError, Tree};
use rootlet_spec::{Fault, Lenient, Net, Spec, Writable};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// What is the same for all rootlets that look alike: the base's sources and the skin.
#[derive(Debug)]
pub(crate) struct Prepared {
    key: String,
    nursery: Arc<Nursery>,
    pub ground: Ground,
    skin: Source,
    asking: Option<Filters>,
    pub spare: Spare,
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

/// Ends the rootlets that nobody has asked for yet.
pub(crate) fn end_spares() {
    let known = KNOWN_PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
    known.iter().for_each(|prepared| prepared.spare.end());
}

/// What lives as long as the rootlet, and what the plan makes besides the run.
#[derive(Default)]
pub(crate) struct Guards {
    pub staging: Option<Staging>,
    pub made: Vec<String>,
    pub not_reproduced: Vec<String>,
    /// What is bound, by its name: until the rootlet is made, whose own mounts hold it afterwards.
    pub volumes: Vec<(String, Source)>,
    /// What is bound and lies in the nursery's memory, where it is gone with its source.
    pub held: Vec<Source>,
}

impl Guards {
    pub fn check(&self) -> Result<()> {
        let check = |(what, source): &(String, Source)| {
            source.ready().map_err(|e| Error::io(format!("failed to bind {what}"), e))
        };
        self.volumes.iter().try_for_each(check)?;
        let filled = |source: &Source| {
            source.ready().map_err(|e| Error::io("failed to make the files of a volume", e))
        };
        self.held.iter().try_for_each(filled)
    }

    /// Whether the writable layer, with which the overlay was refused, can be in memory instead; from now on it is.
    pub fn give_up_disk(&self, nursery: &Nursery, base: &Base) -> bool {
        let can = self.staging.is_some() && nursery.upper_in_memory().unwrap_or(false);
        if can {
            let mut refused = REFUSED_ON.lock().unwrap_or_else(PoisonError::into_inner);
            refused.push(base.store().path().to_owned());
        }
        can
    }
}

/// The system call filter around this process refuses sethostname(2), as podman's does by default.
static HOSTNAME_REFUSED: AtomicBool = AtomicBool::new(false);

pub(crate) fn give_up_hostname() -> bool {
    HOSTNAME_REFUSED.store(true, Ordering::Relaxed);
    true
}

/// Stores on whose file systems the kernel refused a writable layer: found by trying, and not tried again in this process.
static REFUSED_ON: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn holds_no_writable_layer(store: &Store) -> bool {
    let refused = REFUSED_ON.lock().unwrap_or_else(PoisonError::into_inner);
    refused.iter().any(|path| path == store.path())
}

impl Prepared {
    /// The one of this process for these wishes. Few are remembered: each holds mounts in the nursery.
    pub fn shared(
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
        // The same content of another store lies elsewhere.
        let place = base.store().path();
        let key =
            format!("{} {place:?} {accounts:x} {account:?} {groups:?} {hostname} {:?}", base.id(), spec.net);
        {
            let mut known = lock();
            // What was prepared in a nursery that is gone is gone with it.
            known.retain(|p| !nursery.replaces(&p.nursery));
            if let Some(i) = known.iter().position(|p| p.key == key && Arc::ptr_eq(&p.nursery, nursery)) {
                // The one that nobody asked for longest is the first.
                let prepared = known.remove(i);
                known.push(prepared.clone());
                return Ok(prepared);
            }
        }
        let ground = Ground::of(base, nursery)?;
        let read = |path: &str| std::fs::read_to_string(path).ok();
        let (resolv_conf, hosts) = match spec.net {
            Net::Host => (read("/etc/resolv.conf"), read("/etc/hosts")),
            _ => (None, None),
        };
        let tree = skin(&Wanted {
            map: nursery.map(),
            facts,
            identity: &who.identity,
            account: who.account.as_ref(),
            hostname: &hostname,
            resolv_conf: resolv_conf.as_deref(),
            hosts: hosts.as_deref(),
            parts: &ground.parts,
        });
        let skin = add_skin(nursery, &tree)?;
        let prepared = Arc::new(Self {
            key,
            nursery: nursery.clone(),
            asking: asking(base, nursery),
            ground,
            skin,
            spare: Spare::default(),
            _base: base.clone(),
        });
        let mut known = lock();
        if known.len() >= MOST {
            known.remove(0);
        }
        known.push(prepared.clone());
        Ok(prepared)
    }

    pub fn check(&self) -> Result<()> {
        // What is not as it should be is not to be found again.
        let mut known = KNOWN_PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|p| !std::ptr::eq(&**p, self));
        drop(known);
        self.ground.check(&self._base)?;
        self.skin.ready().map_err(skin_failed)
    }

    pub fn plan(
        &self,
        nursery: &Arc<Nursery>,
        facts: &Facts,
        who: &Who,
        spec: &Spec,
    ) -> Result<(Planned, Guards)> {
        let mut guards = Guards::default();
        let can_be_in_memory = nursery.upper_in_memory().map_err(host::explain)?;
        let disk = match spec.writable {
            Writable::Memory if can_be_in_memory => None,
            Writable::Disk if can_be_in_memory && holds_no_writable_layer(self._base.store()) => {
                let what = "the writable layer on disk: the store's file system cannot hold one, as overlayfs in a container \
                     cannot, so it is in memory; set ROOTLET_STORE to a directory of a volume";
                guards.not_reproduced.push(what.into());
                None
            }
            _ => Some(self.on_disk(nursery, &mut guards)?),
        };
        if disk.is_some() && spec.faults.contains(&Fault::FullDisk) {
            return Err(Error::new(ErrorKind::Spec, "only a writable layer in memory can be a full disk")
                .with_hint("leave out --writable disk; memory needs Linux 6.6"));
        }
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
                PartKind::Directory(_) | PartKind::Copy(..) | PartKind::Symlink(_) => return None,
            })
        });
        let refused = HOSTNAME_REFUSED.load(Ordering::Relaxed);
        if refused {
            let what = "the host name: it cannot be set under the system call filter around this, so the kernel's is the caller's";
            guards.not_reproduced.push(what.into());
        }
        let inputs = Inputs {
            skin: self.skin.place(),
            lowers: places(ground.layers.iter().chain(&ground.snapshots)),
            parts: parts.collect(),
            disk,
            mounts: volumes::planned(nursery, who, spec, &mut guards)?,
            directories: directories(facts, who, spec, &mut guards),
            hostname: (!refused).then(|| hostname(spec)),
            net: spec.net,
            sysctls: sysctls(spec, &nursery.map().gids, &mut guards),
            read_only: spec.read_only,
            faults: spec.faults.clone(),
            asking: self.asking.clone(),
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

/// Where one id stands for all, the filters that have pid 1 asked about the others.
fn asking(base: &Base, nursery: &Nursery) -> Option<Filters> {
    let one = nursery.map().one.as_ref()?;
    // The kernel cannot be told the user's groups, and knows the caller's.
    let groups = !one.groups.is_empty() || host::caller().has_groups();
    let filter = |asked| seccomp::asking(asked, nursery.pass());
    let user = Asked { groups, ..Asked::default() };
    Some(match one.uid {
        0 => Filters { user: filter(Asked { root: true, ..user }), ..Filters::default() },
        _ => Filters {
            user: filter(user),
            user_beside_others: filter(Asked { sticky: true, ..user }),
            beside_others: base.fills_sticky(),
            root: filter(Asked { root: true, nested: true, ..user }),
        },
    })
}

pub(crate) fn add_skin(nursery: &Arc<Nursery>, tree: &Tree) -> Result<Source> {
    nursery.add_tree(tree).map_err(skin_failed)
}

fn skin_failed(e: std::io::Error) -> Error {
    let failed =
        |e| Error::new(ErrorKind::Setup, "failed to make the account files and mount points").caused_by(e);
    e.downcast::<StartError>().map_or_else(failed, host::explain)
}

/// Topmost first, as overlayfs wants them.
pub(crate) fn places<'a>(sources: impl DoubleEndedIterator<Item = &'a Source>) -> Vec<String> {
    sources.rev().map(Source::place).collect()
}

pub(crate) fn hostname(spec: &Spec) -> String {
    spec.hostname.clone().unwrap_or_else(|| "rootlet".into())
}

/// Kernel parameters by their paths. Those of a network that is the host's stay as they are.
fn sysctls(spec: &Spec, groups: &[IdRange], guards: &mut Guards) -> Vec<(String, String)> {
    let mut planned = Vec::new();
    for (name, value) in &spec.sysctls {
        if name.starts_with("net.") && spec.net == Net::Host {
            guards
                .not_reproduced
                .push(format!("{name}: the network is the host's; --net private has one of its own"));
        } else {
            let value = match name.as_str() {
                "net.ipv4.ping_group_range" => known_groups(value, groups).unwrap_or_else(|| value.clone()),
                _ => value.clone(),
            };
            planned.push((format!("proc/sys/{}", name.replace('.', "/")), value));
        }
    }
    planned
}

/// A range of groups, which Pods like to give as `0 2147483647`: as much of it as there are groups here. The kernel takes only ends that
/// it knows (icmp(7), user_namespaces(7)). `None` where it names none.
fn known_groups(range: &str, groups: &[IdRange]) -> Option<String> {
    let ends: Vec<u32> =
        range.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>().ok()?;
    let &[low, high] = &ends[..] else { return None };
    let last = |range: &IdRange| range.inside + (range.count - 1);
    let low = groups.iter().find(|range| last(range) >= low).map(|range| low.max(range.inside))?;
    let high = groups.iter().rfind(|range| range.inside <= high).map(|range| high.min(last(range)))?;
    (low <= high).then(|| format!("{low} {high}"))
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
        let (uid, gid) = match spec.lenient.contains(&Lenient::Workdir) {
            true => (who.identity.uid, who.identity.gid),
            false => (0, 0),
        };
        all.push((workdir.clone(), 0o755, uid, gid));
    }
    guards.made.extend(all.iter().map(|(path, ..)| path.trim_end_matches('/').to_owned()));
    all
}
