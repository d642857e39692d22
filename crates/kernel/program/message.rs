//! Messages over a `SOCK_SEQPACKET` pair, with descriptors; see `wire.rs` for their form.

use crate::sys::{self, Errno, Fd, MsgHdr, Result};
use crate::wire::{self, Reader, Stat};
use core::cell::UnsafeCell;

/// Room for one message in and one out. The program has one thread, and a clone has memory of its own.
struct Room(UnsafeCell<[u8; wire::DATAGRAM]>);

// SAFETY: there is one thread; `Inbox` and `Answer` below hand each room out to one user at a time.
unsafe impl Sync for Room {}

static IN: Room = Room(UnsafeCell::new([0; wire::DATAGRAM]));
static OUT: Room = Room(UnsafeCell::new([0; wire::DATAGRAM]));

const CONTROL: usize = 16 + wire::MAX_FDS * 4;

/// A message that has come. Its descriptors are closed with it, unless they were taken.
pub struct Message {
    pub kind: u32,
    fds: [Fd; wire::MAX_FDS],
    body: &'static [u8],
    mapped: bool,
}

impl Message {
    /// Waits for the next one; `None` when the other side is gone.
    pub fn receive(socket: Fd) -> Result<Option<Self>> {
        // SAFETY: one thread, and the previous message is dropped before the next is received (every loop in this
        // program holds one message at a time).
        let room: &'static mut [u8; wire::DATAGRAM] = unsafe { &mut *IN.0.get() };
        let mut fds = [-1; wire::MAX_FDS];
        let Some(n) = receive_into(socket, room, &mut fds)? else { return Ok(None) };
        let mut head = Reader::new(&room[..n]);
        let Some(kind) = head.u32() else { return Err(sys::EBADMSG) };
        let mut message = Message { kind: kind & !wire::IN_MEMFD, fds, body: head.rest(), mapped: false };
        if kind & wire::IN_MEMFD != 0 {
            message.map_last()?;
        }
        Ok(Some(message))
    }

    fn map_last(&mut self) -> Result<()> {
        let last = self.fds.iter().rposition(|&fd| fd >= 0).ok_or(sys::EBADMSG)?;
        let memfd = self.take(last);
        let size = sys::fstat(memfd)?.size as usize;
        let body = sys::map(memfd, size);
        sys::close(memfd);
        self.body = body?;
        self.mapped = true;
        Ok(())
    }

    pub fn fields(&self) -> Reader<'static> {
        Reader::new(self.body)
    }

    /// Descriptor `i`, which the caller of this now owns; -1 when it did not come.
    pub fn take(&mut self, i: usize) -> Fd {
        core::mem::replace(&mut self.fds[i], -1)
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        for &fd in self.fds.iter().filter(|&&fd| fd >= 0) {
            sys::close(fd);
        }
        if self.mapped {
            sys::unmap(self.body);
        }
    }
}

/// Wipes out what earlier messages left, filters above all; not the message that `kept` is a part of.
pub fn forget_all_but(kept: &[u8]) {
    // SAFETY: one thread, that of a child which never comes back to the loops of this program.
    let (inbox, outbox) = unsafe { (IN.0.get(), &mut *OUT.0.get()) };
    outbox.fill(0);
    let end = (kept.as_ptr() as usize + kept.len()).wrapping_sub(inbox as usize);
    // Elsewhere it lies in a mapping of its own.
    let end = if end <= wire::DATAGRAM { end } else { 0 };
    // SAFETY: as above, and the message, which is still read from, ends where this begins.
    unsafe { core::ptr::write_bytes(inbox.cast::<u8>().add(end), 0, wire::DATAGRAM - end) };
}

fn receive_into(socket: Fd, room: &mut [u8], fds: &mut [Fd; wire::MAX_FDS]) -> Result<Option<usize>> {
    let mut iov = [room.as_mut_ptr() as usize, room.len()];
    // u64 for the alignment that struct cmsghdr asks for.
    let mut control = [0u64; CONTROL / 8];
    let mut msg = MsgHdr {
        name: 0,
        namelen: 0,
        iov: &mut iov,
        iovlen: 1,
        control: control.as_mut_ptr().cast(),
        controllen: CONTROL,
        flags: 0,
    };
    let n = loop {
        match sys::recvmsg(socket, &mut msg) {
            Err(sys::EINTR) => {}
            r => break r?,
        }
    };
    // One cmsghdr: length, then level SOL_SOCKET (1) and type SCM_RIGHTS (1).
    if msg.controllen >= 16 && control[1] == 1 | 1 << 32 {
        let count = ((control[0] as usize).saturating_sub(16) / 4).min(wire::MAX_FDS);
        for (i, fd) in fds.iter_mut().enumerate().take(count) {
            *fd = (control[2 + i / 2] >> (32 * (i % 2))) as Fd;
        }
    }
    Ok((n > 0).then_some(n))
}

/// An answer being written: kind, errno, step, then fields.
pub struct Answer {
    room: &'static mut [u8; wire::DATAGRAM],
    len: usize,
}

impl Answer {
    pub fn new(kind: u32) -> Self {
        // SAFETY: one thread, and no function of this program holds two answers.
        let room: &'static mut [u8; wire::DATAGRAM] = unsafe { &mut *OUT.0.get() };
        let mut answer = Self { room, len: 0 };
        answer.u32(kind);
        answer.u32(0);
        answer.u32(0);
        answer
    }

    /// An answer that says what failed.
    pub fn failed(kind: u32, step: u32, errno: Errno) -> Self {
        let answer = Self::new(kind);
        answer.room[4..8].copy_from_slice(&errno.0.to_ne_bytes());
        answer.room[8..12].copy_from_slice(&step.to_ne_bytes());
        answer
    }

    pub fn room_left(&self) -> usize {
        self.room.len() - self.len
    }

    fn push(&mut self, bytes: &[u8]) -> bool {
        let Some(place) = self.room.get_mut(self.len..self.len + bytes.len()) else { return false };
        place.copy_from_slice(bytes);
        self.len += bytes.len();
        true
    }

    pub fn u32(&mut self, n: u32) {
        self.push(&n.to_ne_bytes());
    }

    pub fn u64(&mut self, n: u64) {
        self.push(&n.to_ne_bytes());
    }

    /// Overwrites the field at `at` bytes behind the head.
    pub fn patch_u64(&mut self, at: usize, n: u64) {
        self.room[12 + at..20 + at].copy_from_slice(&n.to_ne_bytes());
    }

    /// A string; it is left out where it does not fit, which the reader notices as a message cut short.
    pub fn bytes(&mut self, s: &[u8]) {
        if s.len() + 5 <= self.room_left() {
            self.u32(s.len() as u32);
            self.push(s);
            self.push(&[0]);
        }
    }

    pub fn stat(&mut self, stat: &Stat) {
        for w in stat.words() {
            self.u64(w);
        }
    }

    pub fn send(self, socket: Fd) -> Result {
        self.send_with(socket, None)
    }

    /// Sends it, with a descriptor, which stays the caller's.
    pub fn send_with(self, socket: Fd, fd: Option<Fd>) -> Result {
        let mut iov = [self.room.as_ptr() as usize, self.len];
        // struct cmsghdr: length 20, level SOL_SOCKET, type SCM_RIGHTS, the descriptor, padding.
        let mut control = [20u64, 1 | 1 << 32, u64::from(fd.unwrap_or(0) as u32)];
        let msg = MsgHdr {
            name: 0,
            namelen: 0,
            iov: &mut iov,
            iovlen: 1,
            control: if fd.is_some() { control.as_mut_ptr().cast() } else { core::ptr::null_mut() },
            controllen: if fd.is_some() { 24 } else { 0 },
            flags: 0,
        };
        sys::sendmsg(socket, &msg)
    }
}
