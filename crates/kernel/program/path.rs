//! Short paths with a number in them.

use crate::sys::{self, Fd, Result, Str};

/// `/proc/self/fd/7`, `/src/3`.
pub struct Numbered {
    bytes: [u8; 64],
    len: usize,
}

impl Numbered {
    pub fn new(before: &[u8], number: u32, after: &[u8]) -> Self {
        let mut path = Self { bytes: [0; 64], len: 0 };
        path.push(before);
        path.number(number);
        path.push(after);
        path
    }

    /// Two numbers, one behind each piece.
    pub fn nested(before: &[u8], first: u32, between: &[u8], second: u32) -> Self {
        let mut path = Self::new(before, first, between);
        path.number(second);
        path
    }

    fn number(&mut self, number: u32) {
        let (mut digits, mut n, mut at) = ([0u8; 10], number, 10);
        while n > 0 || at == 10 {
            at -= 1;
            digits[at] = b'0' + (n % 10) as u8;
            n /= 10;
        }
        self.push(&digits[at..]);
    }

    /// What an open descriptor of ours names, whatever it may not be used for itself.
    pub fn of_fd(fd: Fd) -> Self {
        Self::new(b"/proc/self/fd/", fd as u32, b"")
    }

    /// What does not fit is cut, and `get` then refuses it: the last byte stays a NUL in a path that fits.
    fn push(&mut self, part: &[u8]) {
        for &byte in part {
            if let Some(place) = self.bytes.get_mut(self.len) {
                *place = byte;
                self.len += 1;
            }
        }
    }

    pub fn get(&self) -> Result<Str<'_>> {
        self.bytes.get(..=self.len).ok_or(sys::ENAMETOOLONG).and_then(Str::new)
    }
}
