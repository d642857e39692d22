//! Where commands are started from, when pid 1 is asked about their calls. Filters are of a thread and of all that comes from it,
//! so that a command costs no filter:
//!
//! ```text
//! pid 1 ── main thread                under the user's filter: serves, and starts the user's commands
//!      ├── answering thread           under none: hears what is asked, and makes the threads below when they are wanted
//!      ├── users beside others        under a filter that asks more: starts the user's commands
//!      └── roots                      under root's filter: starts root's commands
//! ```
//!
//! The last two only ever work while the main thread waits for them. Pid 1's own calls pass all filters by their word.

use crate::exec::{self, Exec};
use crate::supervise;
use crate::sys::{self, Errno, Fd, PollFd, Result};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Ordering};

const FILTER: usize = 4096;

/// A filter, and where the questions of those under it are heard. Only what is used of it ever becomes memory.
pub struct Asked {
    filter: UnsafeCell<([u8; FILTER], usize)>,
    /// An errno, negated, where it could not be installed.
    listener: AtomicI32,
}

// SAFETY: `filter` is written before there is another thread.
unsafe impl Sync for Asked {}

impl Asked {
    const fn new() -> Self {
        Self { filter: UnsafeCell::new(([0; FILTER], 0)), listener: AtomicI32::new(-1) }
    }

    fn set_filter(&self, filter: &[u8]) -> Result<()> {
        // SAFETY: there is one thread as yet.
        let kept = unsafe { &mut *self.filter.get() };
        kept.0.get_mut(..filter.len()).ok_or(sys::EINVAL)?.copy_from_slice(filter);
        kept.1 = filter.len();
        Ok(())
    }

    fn filter(&self) -> &[u8] {
        // SAFETY: nobody writes it any more when it is read.
        let (filter, len) = unsafe { &*self.filter.get() };
        &filter[..*len]
    }

    /// Puts the calling thread under the filter.
    fn install(&self) {
        let listener = match sys::install_listener(self.filter()) {
            Ok(fd) => fd,
            Err(Errno(errno)) => -errno,
        };
        self.listener.store(listener, Ordering::Release);
    }

    fn listener(&self) -> Result<Fd> {
        match self.listener.load(Ordering::Acquire) {
            fd if fd >= 0 => Ok(fd),
            errno => Err(Errno(-errno)),
        }
    }
}

static USERS: Asked = Asked::new();
static USERS_BESIDE_OTHERS: Launcher = Launcher::new();
static ROOTS: Launcher = Launcher::new();

/// Readable when the answering thread is to look what is wanted.
static WANTED: AtomicI32 = AtomicI32::new(-1);

/// Something of somebody else's may lie in a sticky directory, so that removing and renaming is asked about, too. It costs
/// each removal several times itself, and is rare.
static BESIDE_OTHERS: AtomicBool = AtomicBool::new(false);

pub fn set_beside_others() {
    BESIDE_OTHERS.store(true, Ordering::Relaxed);
}

/// From now on the calling thread, and all commands that it starts, ask. `filters`: the user's, the user's beside others, root's.
pub fn supervise(filters: [&[u8]; 3]) -> Result<()> {
    for (asked, filter) in [&USERS, &USERS_BESIDE_OTHERS.asked, &ROOTS.asked].into_iter().zip(filters) {
        asked.set_filter(filter)?;
    }
    WANTED.store(sys::eventfd()?, Ordering::Release);
    static STACK: Stack<{ 128 * 1024 }> = Stack::new();
    sys::spawn_thread(STACK.take(), answer, core::ptr::null_mut())?;
    USERS.install();
    USERS.listener().map(|_| look())
}

/// Starts a command where its calls are asked about; whether that was somewhere else.
pub fn start_elsewhere(exec: &mut Exec, nested_root: bool) -> Result<bool> {
    if nested_root {
        // What it makes may lie anywhere.
        set_beside_others();
    }
    let launcher = match (nested_root, BESIDE_OTHERS.load(Ordering::Relaxed)) {
        (true, _) => &ROOTS,
        (false, true) => &USERS_BESIDE_OTHERS,
        (false, false) => return Ok(false),
    };
    if launcher.asked.filter().is_empty() {
        return Ok(false);
    }
    launcher.start(exec).map(|()| true)
}

/// Wipes out the filters in the memory of a child.
pub fn forget() {
    for asked in [&USERS, &USERS_BESIDE_OTHERS.asked, &ROOTS.asked] {
        // SAFETY: a child has one thread, and memory of its own.
        unsafe { (*asked.filter.get()).0.fill(0) };
    }
}

fn look() {
    let _ = sys::write(WANTED.load(Ordering::Acquire), &1u64.to_ne_bytes());
}

extern "C" fn answer(_: *mut u8) -> ! {
    const POLLIN: i16 = 1;
    let all = [(&USERS, false), (&USERS_BESIDE_OTHERS.asked, false), (&ROOTS.asked, true)];
    loop {
        let wanted = WANTED.load(Ordering::Acquire);
        let mut fds = [PollFd { fd: wanted, events: POLLIN, revents: 0 }; 4];
        for (place, (asked, _)) in fds[1..].iter_mut().zip(all) {
            // Negative descriptors are not looked at.
            place.fd = asked.listener().unwrap_or(-1);
        }
        match sys::poll(&mut fds) {
            Ok(_) | Err(sys::EINTR) => {}
            Err(_) => sys::exit(1),
        }
        if fds[0].revents != 0 {
            let _ = sys::read(wanted, &mut [0; 8]);
            [&USERS_BESIDE_OTHERS, &ROOTS].into_iter().for_each(Launcher::make);
        }
        for (place, (_, root)) in fds[1..].iter().zip(all) {
            if place.revents & POLLIN != 0 {
                supervise::answer(place.fd, root);
            }
        }
    }
}

/// The stack of a thread that never ends.
#[repr(align(16))]
struct Stack<const N: usize>(UnsafeCell<[u8; N]>);

// SAFETY: one thread, the one that it is given to, uses it.
unsafe impl<const N: usize> Sync for Stack<N> {}

impl<const N: usize> Stack<N> {
    const fn new() -> Self {
        Self(UnsafeCell::new([0; N]))
    }

    /// Asked for once.
    fn take(&'static self) -> &'static mut [u8] {
        // SAFETY: whoever makes a thread takes its stack, and makes it once.
        unsafe { &mut *self.0.get() }
    }
}

/// There is no thread yet; it is asked for; it has nothing to do; it has; it has done it.
const ABSENT: u32 = 0;
const ASKED: u32 = 1;
const IDLE: u32 = 2;
const WORK: u32 = 3;
const DONE: u32 = 4;

struct Launcher {
    asked: Asked,
    state: AtomicU32,
    job: AtomicPtr<u8>,
    stack: Stack<{ 16 * 1024 }>,
}

impl Launcher {
    const fn new() -> Self {
        Self {
            asked: Asked::new(),
            state: AtomicU32::new(ABSENT),
            job: AtomicPtr::new(core::ptr::null_mut()),
            stack: Stack::new(),
        }
    }

    /// Makes the thread, if it is asked for: from the thread that is under no filter itself.
    fn make(&'static self) {
        if self.state.load(Ordering::Acquire) != ASKED {
            return;
        }
        let arg = core::ptr::from_ref(self).cast_mut().cast();
        if let Err(Errno(errno)) = sys::spawn_thread(self.stack.take(), launch, arg) {
            self.asked.listener.store(-errno, Ordering::Release);
            self.tell(IDLE);
        }
    }

    /// Has the thread start a command, and waits until it has executed.
    fn start(&'static self, exec: &mut Exec) -> Result<()> {
        if self.state.load(Ordering::Acquire) == ABSENT {
            self.state.store(ASKED, Ordering::Release);
            look();
        }
        self.wait_while(ASKED);
        self.asked.listener()?;
        // There is something new to be heard.
        look();
        self.job.store((&raw mut *exec).cast(), Ordering::Release);
        self.tell(WORK);
        self.wait_while(WORK);
        self.state.store(IDLE, Ordering::Release);
        Ok(())
    }

    fn tell(&self, state: u32) {
        self.state.store(state, Ordering::Release);
        sys::futex_wake(&self.state);
    }

    /// What was done becomes idle between any two looks at it: only work is work.
    fn wait_for_work(&self) {
        loop {
            match self.state.load(Ordering::Acquire) {
                WORK => return,
                other => sys::futex_wait(&self.state, other),
            }
        }
    }

    fn wait_while(&self, state: u32) {
        while self.state.load(Ordering::Acquire) == state {
            sys::futex_wait(&self.state, state);
        }
    }
}

extern "C" fn launch(arg: *mut u8) -> ! {
    // SAFETY: `make` passes a launcher, which is static.
    let launcher: &'static Launcher = unsafe { &*arg.cast::<Launcher>() };
    launcher.asked.install();
    launcher.tell(IDLE);
    loop {
        launcher.wait_for_work();
        let job = launcher.job.load(Ordering::Acquire).cast::<Exec>();
        // SAFETY: the main thread waits until this is done, and uses its `Exec` no sooner.
        exec::clone_and_execute(unsafe { &mut *job });
        launcher.tell(DONE);
    }
}
