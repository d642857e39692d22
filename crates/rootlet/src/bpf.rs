//! Classic BPF, as far as system call filters need it: composing a program, and finding out what it answers.

use seccompiler::sock_filter;

// Instructions, as linux/bpf_common.h composes them.
pub const LOAD: u16 = 0x20;
pub const EQUAL: u16 = 0x15;
const GREATER: u16 = 0x25;
pub const GREATER_OR_EQUAL: u16 = 0x35;
pub const ANY_OF: u16 = 0x45;
const JUMP: u16 = 0x05;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;

/// AUDIT_ARCH_* of linux/audit.h.
pub const ARCHITECTURE: u32 = if cfg!(target_arch = "aarch64") { 0xc000_00b7 } else { 0xc000_003e };

pub fn jump(comparison: u16, k: u32, if_true: u8, if_false: u8) -> sock_filter {
    sock_filter { code: comparison, jt: if_true, jf: if_false, k }
}

pub fn and(k: u32) -> sock_filter {
    sock_filter { code: AND, jt: 0, jf: 0, k }
}

/// The lower half of the next instruction's address, in struct seccomp_data.
pub const INSTRUCTION: u32 = 8;

/// The lower half of an argument, in struct seccomp_data.
pub fn argument(number: u32) -> u32 {
    16 + 8 * number
}

/// Offsets in struct seccomp_data: number 0, architecture 4; the others see above.
pub fn load(offset: u32) -> sock_filter {
    sock_filter { code: LOAD, jt: 0, jf: 0, k: offset }
}

pub fn stop(action: u32) -> sock_filter {
    sock_filter { code: RETURN, jt: 0, jf: 0, k: action }
}

/// One program: where the first would give this action, the second is asked.
pub fn then(mut first: Vec<sock_filter>, action: u32, second: Vec<sock_filter>) -> Vec<sock_filter> {
    let length = first.len();
    for (at, instruction) in first.iter_mut().enumerate() {
        if *instruction == stop(action) {
            *instruction = sock_filter { code: JUMP, jt: 0, jf: 0, k: (length - at - 1) as u32 };
        }
    }
    first.extend(second);
    first
}

/// As an array of `struct sock_filter`.
pub fn bytes(program: &[sock_filter]) -> Vec<u8> {
    let instruction =
        |f: &sock_filter| [&f.code.to_ne_bytes()[..], &[f.jt, f.jf], &f.k.to_ne_bytes()].concat();
    program.iter().flat_map(instruction).collect()
}

/// What the kernel would answer to a call, for programs of the instructions above; those end, for they only jump forward.
pub fn answer(program: &[sock_filter], architecture: u32, call: u32, arguments: [u64; 6]) -> u32 {
    answer_from(0, program, architecture, call, arguments)
}

/// Likewise, where the lower half of the address of the next instruction is this.
pub fn answer_from(
    next: u32,
    program: &[sock_filter],
    architecture: u32,
    call: u32,
    arguments: [u64; 6],
) -> u32 {
    let mut data = [call, architecture, next, 0].to_vec();
    data.extend(arguments.iter().flat_map(|a| [*a as u32, (*a >> 32) as u32]));
    let (mut at, mut a) = (0, 0);
    while let Some(f) = program.get(at) {
        at += 1;
        let taken = match f.code {
            LOAD => {
                a = data.get(f.k as usize / 4).copied().unwrap_or_default();
                continue;
            }
            AND => {
                a &= f.k;
                continue;
            }
            JUMP => {
                at += f.k as usize;
                continue;
            }
            RETURN => return f.k,
            EQUAL => a == f.k,
            GREATER => a > f.k,
            GREATER_OR_EQUAL => a >= f.k,
            ANY_OF => a & f.k != 0,
            _ => break,
        };
        at += usize::from(if taken { f.jt } else { f.jf });
    }
    libc::SECCOMP_RET_KILL_PROCESS
}
