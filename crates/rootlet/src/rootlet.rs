//! A live rootlet.

use crate::builder::{self, Builder};
use crate::cgroup::Cgroup;
use crate::chroot;
use crate::command::Command;
use crate::facts::Facts;
use crate::files::Files;
use crate::host;
use crate::limits;
use crate::plan::Area;
use crate::prepared::{self, Prepared};
use crate::report::Report;
use crate::tier;
use crate::why::{Gathered, Why};
use crate::{Error, Identity, Result};
use rootlet_base::flat::Skeleton;
use rootlet_base::{Base, BaseKind, BaseName, Staging};
use rootlet_kernel::{Exec, IdMap, Init, Nursery, Source, Who};
use rootlet_spec::{GroupSpec, Memberships, Spec, Tier, User, UserSpec};
use std::ffi::OsStr;
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// A fresh, private root with a live pid 1, in which commands run and files can be touched. When it is dropped, every
/// process of it ends and everything written in it is gone.
///
/// File operations ([`Files`], to which this dereferences) are those of the test's author: made as root inside, unless
/// [`Rootlet::as_user`] says otherwise. Commands run as the asked user. It can be used from many threads at once.
///
/// ```no_run
/// use rootlet::{Base, Rootlet, Store};
/// # fn main() -> rootlet::Result<()> {
/// let store = Store::open_default()?;
/// let root = Rootlet::builder(&Base::resolve("host", &store)?).user("sam").spawn()?;
/// let out = root.command("id").arg("-un").output()?;
/// assert_eq!(out.stdout, b"sam\n");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Rootlet {
    files: Files,
    live: Live,
    exec: Exec,
    /// Where commands are traced.
    gathered: Option<Gathered>,
}

/// What a rootlet consists of. Dropped in this order: first the processes, then what they used.
#[derive(Debug)]
pub(crate) struct Live {
    pub init: Arc<Init>,
    pub cgroup: Option<Cgroup>,
    /// The root itself, without mounts; and the places whose changes are not its own.
    pub skeleton: Option<(Skeleton, Vec<String>)>,
    /// The writable layer on disk, removed when it is dropped.
    pub _staging: Option<Staging>,
    /// The skin is a tree in the nursery's memory, and gone with the last that holds it.
    pub _prepared: Option<Arc<Prepared>>,
    /// The files of volumes likewise.
    pub _volumes: Vec<Source>,
    pub areas: Vec<Area>,
    /// Places that the plan made, which are no changes of the run.
    pub made: Vec<String>,
    pub map: IdMap,
    pub base: Base,
    pub spec: Spec,
    pub facts: Arc<Facts>,
    pub identity: Identity,
    pub report: Report,
    /// The account was asked for, so that its home and its `~/.local/bin` are.
    pub makes_account: bool,
}

impl Drop for Live {
    fn drop(&mut self) {
        // A command or a file handle may still hold pid 1: it ends all the same, before what it uses is removed.
        self.init.end();
        let Some((skeleton, _)) = &self.skeleton else { return };
        // What anybody but its user wrote may lie anywhere in it.
        if self.init.writers().iter().any(|who| who != skeleton.user()) {
            skeleton.touched();
        }
        skeleton.distrust(self.init.opened());
    }
}

impl Live {
    /// What root inside may have.
    pub fn capabilities(&self) -> Result<u64> {
        match self.report.tier {
            Tier::Chroot => chroot::capabilities(&self.spec),
            _ => Ok(self.spec.caps.mask()?),
        }
    }

    /// Lets an identity run commands.
    pub fn admit(&self, who: &Who) -> Result<()> {
        let Some((skeleton, _)) = &self.skeleton else { return Ok(()) };
        if skeleton.is_for(who) {
            return Ok(());
        }
        let failed = |e| Error::io("failed to copy what the user could change", e);
        // Nobody moves a file meanwhile from where it was not looked for yet to where it was.
        let mut running = 0;
        loop {
            match self.init.count().map_err(failed)? {
                more if more > running => running = more,
                _ => break,
            }
            self.init.kill_all(libc::SIGSTOP).map_err(failed)?;
        }
        let separated = skeleton.separate(who);
        if running > 0 {
            self.init.kill_all(libc::SIGCONT).map_err(failed)?;
        }
        separated.map_err(failed)
    }
}

impl Rootlet {
    /// The way to a rootlet on this base.
    pub fn builder(base: &Base) -> Builder {
        Builder::new(base)
    }

    /// Begins, in a thread, what the next rootlet of this Spec on a base of this name waits for, while the caller resolves
    /// that base. Of use to a program that makes one rootlet and ends: it serves no second one. What fails here fails again
    /// where it is needed; a guess that was wrong, of the user that an image names above all, costs what it began.
    pub fn foresee(base: &str, spec: &Spec) {
        let kind = match base.parse() {
            Ok(BaseName::Directory(path)) => BaseKind::Directory(path),
            _ => BaseKind::Layers,
        };
        let sam = User::sam();
        let (uid, gid) = match &spec.user {
            Some(UserSpec::Account(user)) => (user.uid, user.gid),
            Some(UserSpec::Id(uid, Some(GroupSpec::Id(gid)))) => (*uid, *gid),
            _ => (sam.uid, sam.gid),
        };
        let who = Identity { uid, gid, ..Identity::default() };
        let Some(tier) = tier::tiers(spec).ok().and_then(|tiers| tiers.first().copied()) else { return };
        let bounds = if tier == Tier::Chroot { chroot::bounds(spec) } else { builder::bounds(spec) };
        if let (Ok(map), Ok(bounds)) = (host::caller().id_map(tier, &kind, &who), bounds) {
            Nursery::foresee(&map, bounds);
        }
    }

    /// Ends the processes of this one from which rootlets come, and waits until they are gone; they are started again where
    /// they are needed. They would end with this process all the same, but then as orphans, and not every container has an
    /// init that waits for orphans. So do rootlets that live on: end them first, or adopt and wait for them
    /// (`PR_SET_CHILD_SUBREAPER`, prctl(2)).
    pub fn end_helpers() {
        prepared::end_spares();
        Nursery::end_all();
    }

    pub(crate) fn new(live: Live) -> Result<Self> {
        let exec = exec_of(&live)?;
        let gathered = live.spec.explain.then(Gathered::default);
        if live.spec.explain && live.map.one.is_some() {
            live.init
                .tell_tracers()
                .map_err(|e| Error::new(crate::ErrorKind::Host, "failed to trace commands").caused_by(e))?;
        }
        Ok(Self { files: Files::new(live.init.clone(), Who::default()), live, exec, gathered })
    }

    /// Where commands are traced, what they were refused.
    pub(crate) fn gathered(&self) -> Option<&Gathered> {
        self.gathered.as_ref()
    }

    pub(crate) fn init(&self) -> &Arc<Init> {
        &self.live.init
    }

    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    /// Everything about a command but what it is.
    pub(crate) fn exec(&self) -> &Exec {
        &self.exec
    }

    /// A command to be run in this rootlet, again and again; as `std::process::Command::new`, with the `PATH` of inside.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command<'_> {
        Command::new(self, program.as_ref())
    }

    /// The command that the Spec or the image names; `None` when neither does.
    pub fn default_command(&self) -> Option<Command<'_>> {
        let argv = self.live.spec.argv();
        let (program, args) = argv.split_first()?;
        let mut command = self.command(program);
        command.args(args);
        Some(command)
    }

    /// The identity that a user has in this root: `sam`, `1000`, `root`.
    ///
    /// # Errors
    /// No such user in the root's own `/etc/passwd`.
    pub fn identity(&self, user: &str) -> Result<Identity> {
        let user: rootlet_spec::UserSpec = user.parse()?;
        if let rootlet_spec::UserSpec::Name(name, None) = &user
            && self.live.identity.name.as_deref() == Some(name)
        {
            return Ok(self.live.identity.clone());
        }
        self.live.facts.accounts.identify(&user, &[], Memberships::UnlessSaid)
    }

    /// The account files as the base has them.
    #[cfg(feature = "recipes")]
    pub(crate) fn accounts(&self) -> crate::identity::AccountFiles {
        self.live.facts.accounts.clone()
    }

    /// File operations as a user of this root: what production would refuse that user, is refused.
    pub fn as_user(&self, user: &str) -> Result<Files> {
        Ok(Files::new(self.live.init.clone(), who(&self.identity(user)?)))
    }

    /// Who commands run as.
    pub fn user(&self) -> &Identity {
        &self.live.identity
    }

    /// The Spec it was made from, the base's defaults filled in.
    pub fn spec(&self) -> &Spec {
        &self.live.spec
    }

    /// The base it stands on.
    pub fn base(&self) -> &Base {
        &self.live.base
    }

    /// The variables of a command, `NAME=value` each.
    pub fn environment(&self) -> impl Iterator<Item = &OsStr> {
        self.exec.env.iter().map(|variable| OsStr::from_bytes(variable))
    }

    /// Who ran, on what, and what could not be reproduced.
    pub fn report(&self) -> &Report {
        &self.live.report
    }

    /// What its commands were refused so far, all together: first what made one fail, that of the last one before the others, then
    /// what they were prepared for. `None` unless [`Builder::explain`] asked for it.
    pub fn why(&self) -> Option<Why> {
        self.gathered.as_ref().map(Gathered::why)
    }

    /// How many processes there are besides pid 1: daemons that a command left, for instance.
    pub fn process_count(&self) -> std::io::Result<u32> {
        self.live.init.count()
    }

    /// Sends a signal to every process of the rootlet.
    pub fn signal_all(&self, signal: i32) -> std::io::Result<()> {
        self.live.init.kill_all(signal)
    }

    /// The number of pid 1 on the host.
    pub fn host_pid(&self) -> std::io::Result<u32> {
        self.live.init.host_pid()
    }
}

impl Deref for Rootlet {
    type Target = Files;

    fn deref(&self) -> &Files {
        &self.files
    }
}

pub(crate) fn who(identity: &Identity) -> Who {
    Who { uid: identity.uid, gid: identity.gid, groups: identity.groups.clone() }
}

pub(crate) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What all commands of a rootlet have in common.
fn exec_of(live: &Live) -> Result<Exec> {
    let spec = &live.spec;
    let mut rlimits: Vec<_> = spec.ulimits.iter().map(|u| (u.resource, u.soft, u.hard)).collect();
    if live.cgroup.is_none() {
        // With one id: the nursery, pid 1, and the thread that commands start from.
        let ours = if live.map.one.is_some() { 3 } else { 0 };
        rlimits.extend(limits::rlimits(&spec.limits, ours));
    }
    let mut exec = Exec {
        umask: spec.umask.unwrap_or(0o022),
        rlimits,
        no_new_privs: !spec.allow_new_privileges,
        workdir: match &spec.workdir {
            Some(workdir) => workdir.clone(),
            None if live.makes_account => live.identity.home.clone(),
            None => "/".into(),
        },
        ..Exec::default()
    };
    take_identity(&mut exec, &live.identity, live)?;
    exec.env = environment(live, &live.identity);
    Ok(exec)
}

/// The rights of an identity: root has what is allowed, anyone else has none, though they could be gained by a setuid
/// program where that is allowed (a real kubelet does the same with added capabilities).
pub(crate) fn take_identity(exec: &mut Exec, identity: &Identity, live: &Live) -> Result<()> {
    let allowed = live.capabilities()?;
    exec.who = who(identity);
    exec.effective = match identity.uid {
        0 => allowed,
        // No more than the bounds.
        _ if *identity == live.identity => {
            allowed & rootlet_spec::caps::mask(live.spec.ambient.iter().map(String::as_str))
        }
        _ => 0,
    };
    Ok(())
}

/// docker's variables, then the image's and the Spec's.
pub(crate) fn environment(live: &Live, identity: &Identity) -> Vec<Vec<u8>> {
    let spec = &live.spec;
    let hostname = crate::prepared::hostname(spec);
    let mut env: Vec<(String, String)> = vec![
        ("PATH".into(), DEFAULT_PATH.into()),
        ("HOSTNAME".into(), hostname),
        ("HOME".into(), identity.home.clone()),
    ];
    // Without a PATH nothing is found.
    env.retain(|(name, _)| name == "PATH" || !spec.env_remove.contains(name));
    for (name, value) in &spec.env {
        env.retain(|(known, _)| known != name);
        env.push((name.clone(), value.clone()));
    }
    let own_path = spec.env.iter().any(|(name, _)| name == "PATH")
        && !live.base.defaults().env.iter().any(|(n, _)| n == "PATH");
    // A service's account has no home of its own.
    let at_home = live.makes_account && *identity == live.identity && identity.home != "/";
    if at_home && !own_path {
        for (_, path) in env.iter_mut().filter(|(name, _)| name == "PATH") {
            *path = format!("{}/.local/bin:{path}", identity.home.trim_end_matches('/'));
        }
    }
    env.into_iter().map(|(name, value)| format!("{name}={value}").into_bytes()).collect()
}
