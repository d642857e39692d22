//! Work that makes more work, on every processor.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

struct Queue<J> {
    jobs: Vec<J>,
    /// Threads that may add to it.
    busy: usize,
    failed: Option<io::Error>,
}

/// Does `first` and every job that comes of it; stops at the first error.
pub(super) fn in_parallel<J: Send>(
    first: J,
    act: impl Fn(J, &mut Vec<J>) -> io::Result<()> + Sync,
) -> io::Result<()> {
    const MOST: usize = 8;
    let queue = Mutex::new(Queue { jobs: vec![first], busy: 0, failed: None });
    let changed = Condvar::new();
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(MOST));
    let work = || work(&queue, &changed, &act);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Where no thread can be had, this one does it all.
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    queue.into_inner().unwrap_or_else(PoisonError::into_inner).failed.map_or(Ok(()), Err)
}

fn work<J>(queue: &Mutex<Queue<J>>, changed: &Condvar, act: &impl Fn(J, &mut Vec<J>) -> io::Result<()>) {
    let lock = || -> MutexGuard<'_, Queue<J>> { queue.lock().unwrap_or_else(PoisonError::into_inner) };
    let mut held = lock();
    loop {
        if held.failed.is_some() || (held.jobs.is_empty() && held.busy == 0) {
            return changed.notify_all();
        }
        let Some(job) = held.jobs.pop() else {
            held = changed.wait(held).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        held.busy += 1;
        drop(held);
        let mut more = Vec::new();
        let done = act(job, &mut more);
        held = lock();
        held.busy -= 1;
        held.jobs.append(&mut more);
        if let Err(e) = done {
            held.failed.get_or_insert(e);
        }
        changed.notify_all();
    }
}
