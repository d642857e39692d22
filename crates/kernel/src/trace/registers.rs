//! The registers of a stopped thread.

use super::{Call, ptrace};
use std::io;

/// All of them (struct user_regs_struct).
#[derive(Clone, Copy, Debug)]
pub struct Registers(libc::user_regs_struct);

impl Registers {
    pub fn read(tid: i32) -> io::Result<Self> {
        // SAFETY: a struct of numbers, for which zeros are a value.
        let mut registers = Self(unsafe { std::mem::zeroed() });
        ptrace(libc::PTRACE_GETREGS, tid, 0, (&raw mut registers.0) as usize)?;
        Ok(registers)
    }

    pub fn write(mut self, tid: i32) -> io::Result<()> {
        ptrace(libc::PTRACE_SETREGS, tid, 0, (&raw mut self.0) as usize).map(drop)
    }

    /// The call that is about to be made, or has been. Its number has only 32 bits to the kernel; the others are kept here.
    pub fn call(&self) -> Call {
        let r = &self.0;
        Call { number: r.orig_rax, arguments: [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9] }
    }

    /// What a call has given.
    pub fn result(&self) -> i64 {
        self.0.rax as i64
    }

    /// The instruction that is next; after a call, the one behind it.
    pub fn next(&self) -> u64 {
        self.0.rip
    }

    /// Another call in place of the one that is about to be made.
    pub fn replace(&mut self, call: &Call) {
        let r = &mut self.0;
        r.orig_rax = call.number;
        [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9] = call.arguments;
    }

    /// No call, but this result.
    pub fn give(&mut self, result: i64) {
        self.0.orig_rax = u64::MAX;
        self.0.rax = result as u64;
    }

    /// No call, but back to the instruction that makes it.
    pub fn call_again(&mut self) {
        self.0.rax = self.0.orig_rax;
        self.go_on(self.0.rip - 2);
    }

    /// No call, but on from this instruction.
    pub fn go_on(&mut self, at: u64) {
        self.0.orig_rax = u64::MAX;
        self.0.rip = at;
    }
}
