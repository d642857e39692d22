//! Opening for the caller what others own. What is said of a file comes along: to read its attributes is a right of its own,
//! which the descriptor does not bring.

use crate::message::Answer;
use crate::setup::INSIDE;
use crate::sys::{self, Errno, Fd, Result, Str};
use crate::wire::{Reader, tell};

/// Opens the path that the question names, below `root`, and answers.
pub fn open(socket: Fd, root: Fd, mut fields: Reader) {
    match try_open(root, &mut fields) {
        Ok(fd) => {
            let mut answer = Answer::new(tell::ANSWER);
            match attributes(fd, &mut answer) {
                Ok(()) => drop(answer.send_with(socket, Some(fd))),
                Err(errno) => failed(socket, errno),
            }
            sys::close(fd);
        }
        Err(errno) => failed(socket, errno),
    }
}

fn failed(socket: Fd, errno: Errno) {
    let _ = Answer::failed(tell::ANSWER, 0, errno).send(socket);
}

fn try_open(root: Fd, fields: &mut Reader) -> Result<Fd> {
    let (Some(path), Some(flags)) = (fields.c_str(), fields.u32()) else { return Err(sys::EBADMSG) };
    sys::openat2(root, Str::new(path)?, flags as usize, 0, INSIDE)
}

/// Name and value of each attribute that a layer may have, or that overlayfs wrote.
fn attributes(fd: Fd, answer: &mut Answer) -> Result<()> {
    let (mut names, mut value) = ([0u8; 16 * 1024], [0u8; 32 * 1024]);
    let n = match sys::flistxattr(fd, &mut names) {
        // A descriptor of a place alone, and a file system without any.
        Err(sys::EBADF | sys::EOPNOTSUPP) => 0,
        n => n?,
    };
    for name in names[..n].split_inclusive(|&b| b == 0) {
        let name = Str::new(name)?;
        if !name.bytes().starts_with(b"user.") && name.bytes() != b"security.capability" {
            continue;
        }
        let value_len = sys::fgetxattr(fd, name, &mut value)?;
        // Each string has its length before it, and a NUL behind.
        if answer.room_left() < name.bytes().len() + value_len + 10 {
            return Err(sys::E2BIG);
        }
        answer.bytes(name.bytes());
        answer.bytes(&value[..value_len]);
    }
    Ok(())
}
