//! Where commands are started from, when pid 1 is asked about their calls: threads of pid 1, for the user's and for root's, each
//! under a filter of its own. Filters are of a thread and of all that comes from it, so a command costs no filter,
//! and pid 1 itself, which answers, is under none. The threads share everything else with it, and only ever work while it waits.

use crate::exec::{self, Exec};
use crate::sys::{self, Errno, Fd, Result};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Ordering};

const STACK: usize = 16 * 1024;
const FILTER: usize = 4096;

/// No thread yet; it has nothing to do; it has; it has done it.
const ABSENT: u32 = 0;
const IDLE: u32 = 1;
const WORK: u32 = 2;
const DONE: u32 = 3;

/// Only what is used of it ever becomes memory.
#[repr(align(16))]
pub struct Launcher {
    state: AtomicU32,
    /// Where the questions of its commands are heard; an errno, negated, where there is no filter.
    listener: AtomicI32,
    job: AtomicPtr<u8>,
    filter: UnsafeCell<([u8; FILTER], usize)>,
    stack: UnsafeCell<[u8; STACK]>,
}

// SAFETY: `filter` is written before the thread is made, `stack` is the thread's alone, and the rest is atomic.
unsafe impl Sync for Launcher {}

impl Launcher {
    const fn new() -> Self {
        Self {
            state: AtomicU32::new(ABSENT),
            listener: AtomicI32::new(-1),
            job: AtomicPtr::new(core::ptr::null_mut()),
            filter: UnsafeCell::new(([0; FILTER], 0)),
            stack: UnsafeCell::new([0; STACK]),
        }
    }

    /// Keeps the filter that its commands are to be under.
    pub fn set_filter(&self, filter: &[u8]) -> Result<()> {
        // SAFETY: the thread that reads it is not there yet, and pid 1 has no other that comes here.
        let kept = unsafe { &mut *self.filter.get() };
        kept.0.get_mut(..filter.len()).ok_or(sys::EINVAL)?.copy_from_slice(filter);
        kept.1 = filter.len();
        Ok(())
    }

    fn is_wanted(&self) -> bool {
        // SAFETY: nobody writes it any more once commands are started.
        unsafe { (*self.filter.get()).1 > 0 }
    }

    /// Makes the thread, if it is not there. Nobody waits for it.
    pub fn begin(&'static self) -> Result<()> {
        if self.state.load(Ordering::Acquire) != ABSENT {
            return Ok(());
        }
        self.state.store(WORK, Ordering::Release);
        // SAFETY: there is one thread for each launcher, and this is where it is made.
        let stack = unsafe { &mut *self.stack.get() };
        let arg = core::ptr::from_ref(self).cast_mut().cast();
        sys::spawn_thread(stack, thread, arg).map(|_| ())
    }

    /// Has the thread start a command, and waits until it has executed.
    pub fn start(&'static self, exec: &mut Exec) -> Result<()> {
        self.begin()?;
        self.wait_while(WORK);
        let listener = self.listener.load(Ordering::Acquire);
        if listener < 0 {
            return Err(Errno(-listener));
        }
        self.job.store((&raw mut *exec).cast(), Ordering::Release);
        self.tell(WORK);
        self.wait_while(WORK);
        self.state.store(IDLE, Ordering::Release);
        Ok(())
    }

    /// Where the questions are heard; negative as long as there is nothing to be heard.
    pub fn listener(&self) -> Fd {
        self.listener.load(Ordering::Acquire)
    }

    fn tell(&self, state: u32) {
        self.state.store(state, Ordering::Release);
        sys::futex_wake(&self.state);
    }

    fn wait_while(&self, state: u32) {
        while self.state.load(Ordering::Acquire) == state {
            sys::futex_wait(&self.state, state);
        }
    }
}

extern "C" fn thread(arg: *mut u8) -> ! {
    // SAFETY: `begin` passes a launcher, which is static.
    let launcher: &'static Launcher = unsafe { &*arg.cast::<Launcher>() };
    // SAFETY: it was written before this thread was made.
    let (filter, len) = unsafe { &*launcher.filter.get() };
    let listener = match sys::install_listener(&filter[..*len]) {
        Ok(fd) => fd,
        Err(Errno(errno)) => -errno,
    };
    launcher.listener.store(listener, Ordering::Release);
    launcher.tell(IDLE);
    loop {
        launcher.wait_while(IDLE);
        launcher.wait_while(DONE);
        let job = launcher.job.load(Ordering::Acquire).cast::<Exec>();
        // SAFETY: pid 1 waits until this is done, and uses its `Exec` no sooner.
        exec::clone_and_execute(unsafe { &mut *job });
        launcher.tell(DONE);
    }
}

static USERS: Launcher = Launcher::new();
static USERS_BESIDE_OTHERS: Launcher = Launcher::new();
static ROOTS: Launcher = Launcher::new();

/// All of them, and whether their commands are root's.
pub static ALL: [(&Launcher, bool); 3] = [(&USERS, false), (&USERS_BESIDE_OTHERS, false), (&ROOTS, true)];

/// Something of somebody else's may lie in a sticky directory, so that removing and renaming is asked about, too. It costs
/// each removal several times itself, and is rare.
static BESIDE_OTHERS: AtomicBool = AtomicBool::new(false);

pub fn set_beside_others() {
    BESIDE_OTHERS.store(true, Ordering::Relaxed);
}

/// Where the user's commands, or root's, start from; `None` where nobody is asked.
pub fn launcher(nested_root: bool) -> Option<&'static Launcher> {
    if nested_root {
        // What it makes may lie anywhere.
        set_beside_others();
    }
    let launcher = match (nested_root, BESIDE_OTHERS.load(Ordering::Relaxed)) {
        (true, _) => &ROOTS,
        (false, true) if USERS_BESIDE_OTHERS.is_wanted() => &USERS_BESIDE_OTHERS,
        (false, _) => &USERS,
    };
    launcher.is_wanted().then_some(launcher)
}
