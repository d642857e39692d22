//! The filter that hands the calls of `calls` to the tracer, and lets all others run as if nobody was there.

use super::calls::CALLS;
use crate::bpf::{ARCHITECTURE, EQUAL, GREATER_OR_EQUAL, bytes, jump, load, stop, then};
use rootlet_kernel::trace;
use seccompiler::sock_filter;

const TRACE: u32 = libc::SECCOMP_RET_TRACE | trace::OURS as u32;

/// An argument, and the value that it has in the calls that are traced, where not all of this number are.
fn sometimes(call: i64) -> Option<(u32, u32)> {
    match call {
        // By a descriptor: of what is open already (fstat(3)), or of one name after another in a directory, as walks through trees do.
        // These are a good part of all calls of such programs, and what is refused there, the right to search that directory, is
        // refused again when the name is used.
        libc::SYS_newfstatat | libc::SYS_statx => Some((0, libc::AT_FDCWD as u32)),
        libc::SYS_prctl => Some((0, libc::PR_SET_SECCOMP as u32)),
        _ => None,
    }
}

/// As an array of `struct sock_filter`; with `bounds`, the filter that refuses, in front.
pub fn filter(bounds: Vec<sock_filter>) -> Vec<u8> {
    bytes(&then(bounds, program()))
}

fn program() -> Vec<sock_filter> {
    let mut numbers: Vec<i64> = CALLS.iter().map(|call| call.number).collect();
    numbers.sort_unstable();
    let mut program = vec![load(4), jump(EQUAL, ARCHITECTURE, 1, 0), stop(libc::SECCOMP_RET_ALLOW), load(0)];
    search(&numbers, &mut program);
    program
}

/// Finds a number in halves.
fn search(numbers: &[i64], program: &mut Vec<sock_filter>) {
    if let [_, _, _, _, ..] = numbers {
        let (below, above) = numbers.split_at(numbers.len() / 2);
        let fork = program.len();
        program.push(jump(GREATER_OR_EQUAL, above[0] as u32, 0, 0));
        search(below, program);
        program[fork].jt = (program.len() - fork - 1) as u8;
        return search(above, program);
    }
    for &number in numbers {
        let Some((argument, value)) = sometimes(number) else {
            program.extend([jump(EQUAL, number as u32, 0, 1), stop(TRACE)]);
            continue;
        };
        program.extend([jump(EQUAL, number as u32, 0, 4), load(16 + 8 * argument), jump(EQUAL, value, 1, 0)]);
        program.extend([stop(libc::SECCOMP_RET_ALLOW), stop(TRACE)]);
    }
    program.push(stop(libc::SECCOMP_RET_ALLOW));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::answer;

    #[test]
    fn known_calls_are_traced_and_no_others() {
        let program = program();
        for call in 0..1000 {
            let known = CALLS.iter().any(|known| known.number == i64::from(call));
            let known = known && sometimes(i64::from(call)).is_none();
            let wanted = if known { TRACE } else { libc::SECCOMP_RET_ALLOW };
            assert_eq!(answer(&program, ARCHITECTURE, call, [0; 6]), wanted, "call {call}");
            let other = answer(&program, ARCHITECTURE ^ 1, call, [0; 6]);
            assert_eq!(other, libc::SECCOMP_RET_ALLOW, "call {call}");
        }
        let of = |call: i64, argument: i32| {
            answer(&program, ARCHITECTURE, call as u32, [argument as u32 as u64, 0, 0, 0, 0, 0])
        };
        assert_eq!(of(libc::SYS_prctl, libc::PR_SET_SECCOMP), TRACE);
        for (dir, wanted) in [(libc::AT_FDCWD, TRACE), (5, libc::SECCOMP_RET_ALLOW)] {
            assert_eq!(of(libc::SYS_newfstatat, dir), wanted);
        }
    }

    #[test]
    fn what_the_bounds_refuse_is_told_as_that() {
        let all = then(crate::seccomp::traced(0, trace::REFUSED), program());
        let of = |call: i64| answer(&all, ARCHITECTURE, call as u32, [0; 6]);
        assert_eq!(of(libc::SYS_mount), libc::SECCOMP_RET_TRACE | u32::from(trace::REFUSED));
        assert_eq!(of(libc::SYS_keyctl), libc::SECCOMP_RET_TRACE | u32::from(trace::REFUSED));
        assert_eq!(of(libc::SYS_openat), TRACE);
        assert_eq!(of(libc::SYS_getpid), libc::SECCOMP_RET_ALLOW);
    }
}
