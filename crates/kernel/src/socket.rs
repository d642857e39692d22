//! The library's end of a conversation: see `wire.rs` for the form of a message.

use crate::wire::{self, Reader};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A message being written: the kind, then fields.
#[derive(Debug)]
pub(crate) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    pub fn new(kind: u32) -> Self {
        let mut message = Self { bytes: Vec::with_capacity(256) };
        message.u32(kind);
        message
    }

    pub fn u32(&mut self, n: u32) -> &mut Self {
        self.bytes.extend_from_slice(&n.to_ne_bytes());
        self
    }

    pub fn u64(&mut self, n: u64) -> &mut Self {
        self.bytes.extend_from_slice(&n.to_ne_bytes());
        self
    }

    /// A string. A NUL inside ends it early for the kernel, so callers refuse such names before.
    pub fn bytes(&mut self, s: &[u8]) -> &mut Self {
        self.u32(u32::try_from(s.len()).unwrap_or(u32::MAX));
        self.bytes.extend_from_slice(s);
        self.bytes.push(0);
        self
    }

    /// Fields that are encoded already.
    pub fn raw(&mut self, fields: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(fields);
        self
    }

    pub fn fields_so_far(&self) -> &[u8] {
        &self.bytes[4..]
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Keeps the kind and takes the fields out.
    pub fn clear(&mut self) {
        self.bytes.truncate(4);
    }

    pub fn send(&self, socket: impl AsFd, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        if self.bytes.len() <= wire::DATAGRAM {
            return send(socket.as_fd(), &self.bytes, fds);
        }
        let memfd = in_memfd(&self.bytes[4..])?;
        let kind = u32::from_ne_bytes([self.bytes[0], self.bytes[1], self.bytes[2], self.bytes[3]]);
        let mut all = fds.to_vec();
        all.push(memfd.as_fd());
        send(socket.as_fd(), &(kind | wire::IN_MEMFD).to_ne_bytes(), &all)
    }
}

fn in_memfd(bytes: &[u8]) -> io::Result<OwnedFd> {
    let fd = memfd_create("rootlet-message", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = std::fs::File::from(fd);
    file.write_all(bytes)?;
    // The receiver maps it: it must not become shorter.
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    Ok(file.into())
}

fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(wire::MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Errno::TOOBIG.into());
    }
    loop {
        match sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            r => return Ok(r.map(drop)?),
        }
    }
}

/// A message that has come.
#[derive(Debug)]
pub(crate) struct Received {
    pub kind: u32,
    /// 0 is success.
    pub errno: i32,
    pub step: u32,
    pub fd: Option<OwnedFd>,
    body: Vec<u8>,
}

impl Received {
    pub fn fields(&self) -> Reader<'_> {
        Reader::new(&self.body)
    }

    /// The errno as an error.
    pub fn ok(self) -> io::Result<Self> {
        if self.errno == 0 { Ok(self) } else { Err(io::Error::from_raw_os_error(self.errno)) }
    }
}

/// Waits for a message. `UnexpectedEof` when the other side is gone.
pub(crate) fn receive(socket: impl AsFd, flags: RecvFlags) -> io::Result<Received> {
    // On the stack of the caller's thread, whose size is not ours to know: half of what a message may have, and answers
    // with data are read with `receive_large`.
    let mut room = [0u8; 1024];
    receive_into(socket.as_fd(), &mut room, flags)
}

/// As [`receive`], for answers that may fill a datagram.
pub(crate) fn receive_large(socket: impl AsFd, flags: RecvFlags) -> io::Result<Received> {
    let mut room = vec![0u8; wire::DATAGRAM];
    receive_into(socket.as_fd(), &mut room, flags)
}

fn receive_into(socket: BorrowedFd<'_>, room: &mut [u8], flags: RecvFlags) -> io::Result<Received> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut was_reset = false;
    let n = loop {
        let mut iov = [IoSliceMut::new(room)];
        match recvmsg(socket, &mut iov, &mut control, flags | RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            // The other side ended and had not read everything. That is told once, before what it said last.
            Err(Errno::CONNRESET) if !was_reset => was_reset = true,
            r => break r?.bytes,
        }
    };
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    if n == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut head = Reader::new(&room[..n]);
    match (head.u32(), head.u32(), head.u32()) {
        (Some(kind), Some(errno), Some(step)) => {
            Ok(Received { kind, errno: errno as i32, step, fd, body: head.rest().to_vec() })
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Two connected ends that keep messages apart.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}
