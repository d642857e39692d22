//! The nursery, from outside: started once for each id map, asked for rootlets and workers.

use crate::begun::{Begun, died, failed_step};
use crate::descriptor::Own;
use crate::init::Init;
use crate::plan::Plan;
use crate::socket::{self, Message};
use crate::wire::{ask, hello, tell};
use crate::{IdMap, StartError, Tree, Worker};
use rustix::net::RecvFlags;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// What no command of a nursery gets beyond.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The capabilities that there are, bit n is capability n.
    pub capabilities: u64,
    /// Makes the system call filter for (`capabilities`, a word): an array of `struct sock_filter`. It must let a call
    /// through whose sixth argument is the word: those are rootlet's own.
    pub filter: Option<fn(u64, u64) -> Vec<u8>>,
}

impl Bounds {
    /// None: for what is rootlet's own.
    pub const NONE: Self = Self { capabilities: u64::MAX, filter: None };

    pub(crate) fn key(self) -> (u64, bool) {
        (self.capabilities, self.filter.is_some())
    }
}

/// A process in a user namespace, from which rootlets are cloned. It ends when the last handle of it does, or the
/// process that made it.
#[derive(Debug)]
pub struct Nursery {
    begun: Begun,
    key: Key,
    /// None without namespaces.
    user_namespace: Option<File>,
    answers: Mutex<Answers>,
    next_source: AtomicU32,
    /// The first rootlet that it is asked for is the last, and takes its place.
    for_one: bool,
    /// It was asked for its last rootlet.
    spent: AtomicBool,
}

/// Answers come in the order of the questions. Nobody waits for them one by one: a new source is asked for, and used by
/// the next question; what became of it is looked up when something failed.
#[derive(Debug, Default)]
struct Answers {
    /// What `HELLO` said, once it came.
    hello: Option<u32>,
    /// Sources whose answers have not been read.
    waiting: VecDeque<u32>,
    /// Sources that could not be made.
    failed: HashMap<u32, io::Error>,
}

/// A rootlet that was begun. Dropping it ends it.
#[derive(Debug)]
pub struct Coming {
    socket: Own,
}

/// Something of the host that rootlets of one nursery can mount: a layer, a directory, a small tree in memory.
#[derive(Debug)]
pub struct Source {
    nursery: Arc<Nursery>,
    id: u32,
}

impl Source {
    /// Where it lies for the operations of a plan.
    pub fn place(&self) -> String {
        format!("/src/{}", self.id)
    }

    /// Waits until it is there; why it is not, once.
    pub fn ready(&self) -> io::Result<()> {
        let mut answers = lock(&self.nursery.answers);
        self.nursery.read_answers(&mut answers)?;
        answers.failed.remove(&self.id).map_or(Ok(()), Err)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if !self.nursery.begun.is_ours() {
            return;
        }
        // When the nursery is gone, so is the source.
        let _ = Message::new(ask::SOURCE_DROP).u32(self.id).send(self.nursery.begun.socket(), &[]);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The nurseries of this process. A forked child of it (Python's multiprocessing) must not talk over its parent's
/// sockets, hence the process number.
#[derive(Default)]
struct Family {
    process: u32,
    here: HashMap<Key, Arc<Nursery>>,
    foreseen: HashMap<Key, JoinHandle<Result<Nursery, StartError>>>,
}

static FAMILY: LazyLock<Mutex<Family>> = LazyLock::new(Mutex::default);

impl Family {
    fn of_this_process() -> MutexGuard<'static, Self> {
        let (mut family, process) = (lock(&FAMILY), std::process::id());
        if family.process != process {
            *family = Self { process, ..Self::default() };
        }
        family
    }
}

/// What one nursery differs by from another.
type Key = (IdMap, (u64, bool));

impl Nursery {
    /// The nursery of this process for `map` and `bounds`: started at the first call, and again when it has been killed.
    pub fn shared(map: &IdMap, bounds: Bounds) -> Result<Arc<Self>, StartError> {
        let key = (map.clone(), bounds.key());
        let mut family = Family::of_this_process();
        if let Some(nursery) = family.here.get(&key) {
            if nursery.is_alive() {
                return Ok(nursery.clone());
            }
            family.here.remove(&key);
        }
        let nursery = match family.foreseen.remove(&key) {
            Some(thread) => thread.join().expect("it does not panic")?,
            None => Self::start(map, bounds, false)?,
        };
        let nursery = Arc::new(nursery);
        family.here.insert(key, nursery.clone());
        Ok(nursery)
    }

    /// Starts the nursery that the next call of [`Nursery::shared`] with this map and these bounds will give, in a thread:
    /// while the caller finds out what is wanted of it. It is for one rootlet, which takes its place: the kernel has only
    /// one mount namespace to make and to remove. Where it fails, that call says why.
    pub fn foresee(map: &IdMap, bounds: Bounds) {
        let key = (map.clone(), bounds.key());
        let mut family = Family::of_this_process();
        if let Entry::Vacant(place) = family.foreseen.entry(key) {
            let map = map.clone();
            // Without namespaces, it has to outlive its rootlet.
            let for_one = !map.is_identity();
            let start = move || Self::start(&map, bounds, for_one);
            if let Ok(thread) = std::thread::Builder::new().spawn(start) {
                place.insert(thread);
            }
        }
    }

    /// Ends all nurseries of this process and waits until they are gone; the next call of [`Nursery::shared`] starts another
    /// one. Rootlets live on, without a parent: whoever adopts orphans (`PR_SET_CHILD_SUBREAPER`, prctl(2)) has to wait for
    /// them in the end.
    pub fn end_all() {
        let family = std::mem::take(&mut *Family::of_this_process());
        family.here.values().for_each(|nursery| nursery.begun.end());
        // One that nobody asked for ends when it is dropped.
        family.foreseen.into_values().for_each(|thread| drop(thread.join()));
    }

    fn start(map: &IdMap, bounds: Bounds, for_one: bool) -> Result<Self, StartError> {
        let begun = Begun::new(bounds, map.is_identity())?;
        let user_namespace = begun.map(map).map_err(|error| begun.blame(error))?;
        Ok(Self {
            key: (map.clone(), bounds.key()),
            user_namespace,
            answers: Mutex::default(),
            next_source: AtomicU32::new(1),
            for_one,
            spent: AtomicBool::new(false),
            begun,
        })
    }

    /// The id map of its user namespace.
    pub fn map(&self) -> &IdMap {
        &self.key.0
    }

    /// Its user namespace, for idmapped mounts; `EINVAL` when it is in none of its own.
    pub fn user_namespace(&self) -> io::Result<BorrowedFd<'_>> {
        let none = || io::Error::from_raw_os_error(libc::EINVAL);
        self.user_namespace.as_ref().map(AsFd::as_fd).ok_or_else(none)
    }

    /// The word that lets rootlet's own calls through filters: in the sixth argument.
    pub fn pass(&self) -> u64 {
        self.begun.pass()
    }

    fn is_alive(&self) -> bool {
        !self.spent.load(Ordering::Relaxed) && self.begun.is_alive()
    }

    /// Whether this one was started because `other` had been killed.
    pub fn replaces(&self, other: &Self) -> bool {
        self.key == other.key && !std::ptr::eq(self, other)
    }

    /// The process number of the nursery, on the host.
    pub fn pid(&self) -> u32 {
        self.begun.pid()
    }

    /// Whether the writable layer can be in memory: tmpfs takes user attributes (Linux 6.6 and later). Waits until the
    /// nursery is ready; the error says which of its first steps failed.
    pub fn upper_in_memory(&self) -> Result<bool, StartError> {
        let mut answers = lock(&self.answers);
        Ok(self.hello(&mut answers)? & hello::TMPFS_XATTRS != 0)
    }

    fn hello(&self, answers: &mut Answers) -> Result<u32, StartError> {
        if let Some(flags) = answers.hello {
            return Ok(flags);
        }
        let message = socket::receive(self.begun.socket(), RecvFlags::empty());
        let message = message.map_err(|error| self.begun.blame(died(error)))?;
        if message.errno != 0 {
            return Err(failed_step(&message));
        }
        let flags = message.fields().u32().unwrap_or(0);
        answers.hello = Some(flags);
        Ok(flags)
    }

    fn read_answers(&self, answers: &mut Answers) -> io::Result<()> {
        self.hello(answers).map_err(io::Error::other)?;
        while let Some(id) = answers.waiting.front().copied() {
            let answer = socket::receive(self.begun.socket(), RecvFlags::empty())?;
            answers.waiting.pop_front();
            if answer.errno != 0 {
                answers.failed.insert(id, io::Error::from_raw_os_error(answer.errno));
            }
        }
        Ok(())
    }

    fn ask(&self, source: &Source, message: &Message, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut answers = lock(&self.answers);
        // The nursery must not be made to wait for us to read, while we wait for it to read.
        const UNREAD: usize = 64;
        if answers.waiting.len() >= UNREAD {
            self.read_answers(&mut answers)?;
        }
        if let Err(error) = message.send(self.begun.socket(), fds) {
            // One that could not start tells why when it is asked.
            return Err(self.hello(&mut answers).err().map_or(error, io::Error::other));
        }
        answers.waiting.push_back(source.id);
        Ok(())
    }

    fn new_source(self: &Arc<Self>) -> Source {
        Source { nursery: self.clone(), id: self.next_source.fetch_add(1, Ordering::Relaxed) }
    }

    // A source is asked for at once and there when something needs it: [`Source::ready`] waits, and tells what failed.

    /// The host's directory or file `path` (absolute), as the nursery's user namespace sees it: with `recursive`, also
    /// what is mounted below it. An ordinary user is refused (`EINVAL`) a directory that has mounts below it, unless it
    /// is `recursive`. Not for real root (`ENOSYS`), who hands mounts over.
    pub fn add_path(self: &Arc<Self>, path: &Path, recursive: bool) -> io::Result<Source> {
        let source = self.new_source();
        let mut message = Message::new(ask::SOURCE_PATH);
        message.u32(source.id).u32(recursive.into()).bytes(path.as_os_str().as_bytes());
        self.ask(&source, &message, &[])?;
        Ok(source)
    }

    /// A detached mount (see [`crate::mount::clone_idmapped`]).
    pub fn add_mount(self: &Arc<Self>, mount: BorrowedFd<'_>) -> io::Result<Source> {
        let source = self.new_source();
        self.ask(&source, Message::new(ask::SOURCE_MOUNT).u32(source.id), &[mount])?;
        Ok(source)
    }

    /// A small tree, made in the nursery's memory.
    pub fn add_tree(self: &Arc<Self>, tree: &Tree) -> io::Result<Source> {
        let source = self.new_source();
        let mut message = Message::new(ask::SOURCE_TREE);
        message.u32(source.id).raw(tree.records());
        self.ask(&source, &message, &[])?;
        Ok(source)
    }

    /// A copy in the nursery's memory of another source: for what lies inside of something that it is to be laid upon, which
    /// overlayfs refuses (`ELOOP`).
    pub fn add_copy(self: &Arc<Self>, of: &Source) -> io::Result<Source> {
        let source = self.new_source();
        self.ask(&source, Message::new(ask::SOURCE_COPY).u32(source.id).u32(of.id).u32(0), &[])?;
        Ok(source)
    }

    /// The whiteouts of another source in the nursery's memory, to be laid right upon it: for a source where they are files
    /// ([`holds_whiteout_files`]).
    pub fn add_whiteouts(self: &Arc<Self>, of: &Source) -> io::Result<Source> {
        let source = self.new_source();
        self.ask(&source, Message::new(ask::SOURCE_COPY).u32(source.id).u32(of.id).u32(1), &[])?;
        Ok(source)
    }

    /// Makes a rootlet: clones a process that performs `plan` and then stays, as pid 1 of a new rootlet.
    ///
    /// # Errors
    /// [`SpawnError::Step`] names the operation of the plan that failed by its index, and the errno.
    pub fn spawn(&self, plan: &Plan) -> Result<Init, SpawnError> {
        let coming = self.begin(plan)?;
        self.finish(coming)
    }

    /// Begins a rootlet without waiting for it.
    pub fn begin(&self, plan: &Plan) -> Result<Coming, SpawnError> {
        let (ours, theirs) = socket::pair().map_err(SpawnError::Io)?;
        let mut message = Message::new(ask::SPAWN);
        message.u64(plan.namespaces()).u32(self.for_one.into()).raw(plan.operations());
        self.spent.store(self.for_one, Ordering::Relaxed);
        message.send(self.begun.socket(), &[theirs.as_fd()]).map_err(SpawnError::Io)?;
        Ok(Coming { socket: ours.into() })
    }

    /// Waits for what this nursery began.
    ///
    /// # Errors
    /// As those of [`Nursery::spawn`].
    pub fn finish(&self, coming: Coming) -> Result<Init, SpawnError> {
        let ready = socket::receive(&coming.socket, RecvFlags::empty()).map_err(|e| self.why_gone(e))?;
        let proc_is_the_hosts = ready.fields().u32() == Some(1);
        match (ready.errno, ready.kind, ready.fd) {
            (0, tell::READY, Some(pidfd)) => {
                let all_at_once = self.user_namespace.is_some();
                Ok(Init::new(coming.socket, pidfd.into(), all_at_once, proc_is_the_hosts))
            }
            (0, _, _) => Err(SpawnError::Io(io::ErrorKind::InvalidData.into())),
            (errno, _, _) if ready.step == u32::MAX => {
                Err(SpawnError::Clone(io::Error::from_raw_os_error(errno)))
            }
            (errno, _, _) => Err(SpawnError::Step {
                index: ready.step as usize,
                source: io::Error::from_raw_os_error(errno),
            }),
        }
    }

    /// A nursery that could not start tells why when it is asked.
    fn why_gone(&self, error: io::Error) -> SpawnError {
        match self.upper_in_memory() {
            Err(start) => SpawnError::Start(start),
            Ok(_) => SpawnError::Io(error),
        }
    }

    /// A worker in this nursery's user namespace.
    pub(crate) fn worker(self: &Arc<Self>) -> io::Result<Worker> {
        let (ours, theirs) = socket::pair()?;
        Message::new(ask::WORKER).send(self.begun.socket(), &[theirs.as_fd()])?;
        drop(theirs);
        match socket::receive(&ours, RecvFlags::empty()) {
            Ok(ready) => ready.ok()?,
            Err(error) => return Err(self.upper_in_memory().err().map_or(error, io::Error::other)),
        };
        Ok(Worker::new(ours, self.clone()))
    }
}

/// Whether whiteouts of this layer, or some of them, are files, because it lies where nobody may make what overlayfs
/// otherwise takes for one (on overlayfs, see program/whiteout.rs).
pub fn holds_whiteout_files(layer: &Path) -> bool {
    rustix::fs::getxattr(layer, "user.overlay.opaque", &mut [0u8; 1]).is_ok()
}

/// Why a rootlet did not come to be.
#[derive(Debug)]
pub enum SpawnError {
    /// The nursery itself could not start.
    Start(StartError),
    /// The nursery could not clone: too many processes or namespaces (user_namespaces(7), `/proc/sys/user`).
    Clone(io::Error),
    /// An operation of the plan failed.
    Step {
        /// Which, counted from 0.
        index: usize,
        /// The errno.
        source: io::Error,
    },
    /// The nursery was lost, or there are no descriptors left.
    Io(io::Error),
}
