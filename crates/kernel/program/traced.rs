//! A command that the library traces. It is a fork with memory of its own, since pid 1 must go on serving while the child waits
//! for its tracer: without one, the calls that the filter hands to it would fail with ENOSYS. The filter comes while the child has
//! the rights to install it, so what the child does before it executes is seen by the tracer, too, which knows that.

use crate::exec::{Exec, Failure};
use crate::sys::{self, Fd, Result};
use crate::{launch, message};

/// The gate's number in the child: right behind its streams.
const GATE: Fd = 3;

/// Makes the child, which executes by `run`.
pub fn fork(namespaces: u64, gate: Fd, filter: &[u8], exec: &Exec, run: fn(&Exec) -> Failure) -> Result<i32> {
    if gate < 0 || filter.is_empty() {
        return Err(sys::EBADMSG);
    }
    let pid = sys::clone(namespaces)?;
    if pid != 0 {
        return Ok(pid as i32);
    }
    let (step, errno) = run(exec);
    let mut told = [0u8; 8];
    told[..4].copy_from_slice(&step.to_ne_bytes());
    told[4..].copy_from_slice(&errno.0.to_ne_bytes());
    // The gate has its number from `wait`, or none yet where that was not reached.
    let _ = sys::write(GATE, &told).or_else(|_| sys::write(gate, &told));
    sys::exit(127)
}

/// Waits until the tracer is there, and comes under the filter.
pub fn wait(gate: Fd, filter: &[u8]) -> Result<()> {
    if gate != GATE {
        sys::dup_to(gate, GATE, sys::O_CLOEXEC)?;
    }
    sys::close_from(GATE + 1)?;
    forget(filter);
    show()?;
    // From here on it can be seized by whoever owns the user namespace.
    sys::write(GATE, &[1])?;
    match sys::read(GATE, &mut [0u8; 1])? {
        1 => sys::install_tracing(filter),
        // Whoever wanted to trace it is gone.
        _ => Err(sys::ESRCH),
    }
}

/// Who traces it may look into it, though it was made by a program that nobody may look into, and has changed its ids.
pub fn show() -> Result<()> {
    const PR_SET_DUMPABLE: usize = 4;
    sys::prctl(PR_SET_DUMPABLE, 1, 0).map(|_| ())
}

/// Others inside could look into it, too, and are not to find the word that lets pid 1's calls through.
fn forget(filter: &[u8]) {
    sys::forget_pass();
    launch::forget();
    message::forget_all_but(filter);
}
