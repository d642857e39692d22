//! Short paths with numbers in them, put together without an allocator.

use crate::sys::{self, Result, Str};

/// A path that is being put together.
pub struct Path {
    room: [u8; 64],
    len: usize,
}

impl Path {
    pub fn new() -> Self {
        Self { room: [0; 64], len: 0 }
    }

    pub fn text(&mut self, text: &[u8]) -> &mut Self {
        // What does not fit leaves no room for the NUL either, and `get` refuses it.
        for &byte in text {
            if let Some(place) = self.room.get_mut(self.len) {
                *place = byte;
            }
            self.len += 1;
        }
        self
    }

    pub fn number(&mut self, n: i32) -> &mut Self {
        let (mut digits, mut left, mut at) = ([0u8; 10], n.unsigned_abs(), 10);
        while left > 0 || at == 10 {
            at -= 1;
            digits[at] = b'0' + (left % 10) as u8;
            left /= 10;
        }
        self.text(&digits[at..])
    }

    pub fn get(&self) -> Result<Str<'_>> {
        Str::new(self.room.get(..=self.len).ok_or(sys::ENAMETOOLONG)?)
    }
}
