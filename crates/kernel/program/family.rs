//! The nursery without namespaces. Where the kernel does not end a rootlet together with its first process, somebody must
//! outlive that one: the orphans of a first process that was killed come to the nursery, which ends them. It stays until all
//! that it has cloned has ended.

use crate::message::{Answer, Message};
use crate::nursery::{SOCKET, Step, at, confine, null_streams, spawn, worker};
use crate::plain;
use crate::sys::{self, Fd, PollFd};
use crate::wire::{ask, tell};
use core::cell::UnsafeCell;

/// First processes and workers that live at the same time.
const MAX_CHILDREN: usize = 4096;

struct Table(UnsafeCell<[i32; MAX_CHILDREN]>);

// SAFETY: one thread.
unsafe impl Sync for Table {}

static TABLE: Table = Table(UnsafeCell::new([0; MAX_CHILDREN]));

/// What the nursery has cloned, and which still lives.
struct Children {
    table: &'static mut [i32; MAX_CHILDREN],
    len: usize,
}

/// Makes the nursery ready; `false` when the library went away meanwhile.
pub fn prepare() -> Step<bool> {
    at(12, plain::begin())?;
    null_streams()?;
    match Message::receive(SOCKET) {
        Ok(Some(m)) if m.kind == ask::CONFINE => confine(m.fields())?,
        _ => return Ok(false),
    }
    Ok(matches!(Message::receive(SOCKET), Ok(Some(m)) if m.kind == ask::MAPPED))
}

pub fn serve() -> ! {
    // What has ended is to be seen, so that the orphans it leaves are.
    sys::set_signal(sys::SIGCHLD as i32, 0);
    sys::set_signal_mask(u64::MAX);
    let Ok(signals) = sys::signalfd(1 << (sys::SIGCHLD - 1)) else { sys::exit(1) };
    // SAFETY: one thread, which comes here once.
    let mut children = Children { table: unsafe { &mut *TABLE.0.get() }, len: 0 };
    let mut library = SOCKET;
    while library >= 0 || children.len > 0 {
        let mut fds =
            [PollFd { fd: library, events: 1, revents: 0 }, PollFd { fd: signals, events: 1, revents: 0 }];
        match sys::poll(&mut fds) {
            Ok(_) | Err(sys::EINTR) => {}
            Err(_) => sys::exit(1),
        }
        if fds[1].revents != 0 {
            let _ = sys::read(signals, &mut [0u8; 128]);
            children.reap(signals);
        }
        if fds[0].revents != 0 {
            match Message::receive(SOCKET) {
                Ok(Some(message)) => children.answer(message),
                _ => library = -1,
            }
        }
    }
    sys::exit(0)
}

impl Children {
    fn answer(&mut self, mut message: Message) {
        if self.len == MAX_CHILDREN {
            let socket = message.take(0);
            let _ = Answer::failed(tell::READY, u32::MAX, sys::EAGAIN).send(socket);
            return sys::close(socket);
        }
        let fields = message.fields();
        let cloned = match message.kind {
            ask::SPAWN => spawn(&mut message, fields),
            ask::WORKER => worker(&mut message),
            // There is no tree of its own that a source could be put into.
            _ => return drop(Answer::failed(tell::ANSWER, 0, sys::ENOSYS).send(SOCKET)),
        };
        if let Some(pid) = cloned {
            self.table[self.len] = pid;
            self.len += 1;
        }
    }

    fn reap(&mut self, signals: Fd) {
        let mut orphans = false;
        while let Ok(Some((pid, code, status))) = sys::reap() {
            orphans |= self.forget(pid, code, status);
        }
        // Those who come while others are ended may have lost their first process just now.
        while orphans {
            orphans = false;
            let mut ended = [(0, 0, 0); 64];
            let mut count = 0;
            let table = &self.table[..self.len];
            plain::end_children(
                signals,
                |pid| table.contains(&pid),
                |pid, code, status| {
                    if let Some(place) = ended.get_mut(count).filter(|_| table.contains(&pid)) {
                        *place = (pid, code, status);
                        count += 1;
                    }
                },
            );
            for &(pid, code, status) in &ended[..count] {
                orphans |= self.forget(pid, code, status);
            }
        }
    }

    /// Whether it may have left orphans: one that ends by itself has ended all before.
    fn forget(&mut self, pid: i32, code: i32, status: i32) -> bool {
        const CLD_EXITED: i32 = 1;
        let Some(i) = self.table[..self.len].iter().position(|&known| known == pid) else { return false };
        self.len -= 1;
        self.table[i] = self.table[self.len];
        (code, status) != (CLD_EXITED, 0)
    }
}
