//! Reading a tree whose files only a user namespace may open.

use crate::Worker;
use crate::socket::{self, Message};
use crate::wire::tree as record;
use rustix::fs::OFlags;
use rustix::net::RecvFlags;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Something that a [`Worker`] has opened, with its extended attributes: those of users, and `security.capability`, as
/// they are inside.
#[derive(Debug)]
pub struct Opened {
    /// A descriptor of it. Its owner is that of outside.
    pub fd: OwnedFd,
    /// Names and values; none where it was opened as a place alone (`O_PATH`).
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Worker {
    /// Opens `path` below `directory`, whoever of the namespace owns it; `.` is the directory itself. It is resolved inside.
    ///
    /// Errors: those of openat2(2); `E2BIG` when its attributes do not fit into a message.
    pub fn open(&mut self, directory: impl AsFd, path: &[u8], flags: OFlags) -> io::Result<Opened> {
        let mut message = Message::new(record::OPEN);
        message.bytes(path).u32(flags.bits());
        message.send(self.socket(), &[directory.as_fd()])?;
        let answer = socket::receive_large(self.socket(), RecvFlags::empty())?.ok()?;
        let mut attributes = Vec::new();
        let mut fields = answer.fields();
        while let (Some(name), Some(value)) = (fields.bytes(), fields.bytes()) {
            attributes.push((name.to_vec(), value.to_vec()));
        }
        let fd = answer.fd.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Opened { fd, attributes })
    }
}
