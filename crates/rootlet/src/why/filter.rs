//! The filter that hands the calls of `calls` to the tracer, and lets all others run as if nobody was there.

use super::calls::CALLS;
use crate::bpf::{
    ANY_OF, ARCHITECTURE, EQUAL, GREATER_OR_EQUAL, INSTRUCTION, and, argument, bytes, jump, load, stop, then,
};
use rootlet_kernel::trace;
use seccompiler::sock_filter;

const TRACE: u32 = libc::SECCOMP_RET_TRACE | trace::OURS as u32;

/// An argument, and the value that it has in the calls that are traced, where not all of this number are.
fn sometimes(call: i64) -> Option<(u32, u32)> {
    (call == libc::SYS_prctl).then_some((0, libc::PR_SET_SECCOMP as u32))
}

/// Which argument has the flags, of those that may be about an open descriptor, as fstat(3) is: nobody is refused that.
fn flags(call: i64) -> Option<u32> {
    match call {
        libc::SYS_newfstatat => Some(3),
        libc::SYS_statx => Some(2),
        _ => None,
    }
}

/// As an array of `struct sock_filter`; with `bounds`, the filter that refuses, in front.
pub fn filter(bounds: Vec<sock_filter>) -> Vec<u8> {
    bytes(&then(bounds, libc::SECCOMP_RET_ALLOW, program()))
}

fn program() -> Vec<sock_filter> {
    let mut numbers: Vec<i64> = CALLS.iter().map(|call| call.number).collect();
    numbers.sort_unstable();
    let mut program = vec![load(4), jump(EQUAL, ARCHITECTURE, 1, 0), stop(libc::SECCOMP_RET_ALLOW), load(0)];
    search(&numbers, &mut program);
    match trace::detour::KNOWN_BY {
        Some(known_by) => then(program, TRACE, detours(known_by)),
        None => program,
    }
}

/// Of the calls that are traced, those that look at their results themselves.
fn detours([bits, made, stops]: [u32; 3]) -> Vec<sock_filter> {
    vec![
        load(INSTRUCTION),
        and(bits),
        jump(EQUAL, made, 0, 1),
        stop(libc::SECCOMP_RET_ALLOW),
        jump(EQUAL, stops, 0, 1),
        stop(libc::SECCOMP_RET_TRACE | u32::from(trace::MADE)),
        stop(TRACE),
    ]
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
        if let Some(flags) = flags(number) {
            program.extend([jump(EQUAL, number as u32, 0, 6), load(argument(0))]);
            program.extend([jump(EQUAL, libc::AT_FDCWD as u32, 2, 0), load(argument(flags))]);
            program.extend([jump(ANY_OF, libc::AT_EMPTY_PATH as u32, 1, 0), stop(TRACE)]);
            program.push(stop(libc::SECCOMP_RET_ALLOW));
        } else if number == libc::SYS_prlimit64 {
            // Who only asks for a limit gives no new one.
            program.extend([jump(EQUAL, number as u32, 0, 4), load(argument(2))]);
            program.extend([jump(EQUAL, 0, 0, 1), stop(libc::SECCOMP_RET_ALLOW), stop(TRACE)]);
        } else if let Some((known, value)) = sometimes(number) {
            program.extend([jump(EQUAL, number as u32, 0, 4), load(argument(known))]);
            program.extend([jump(EQUAL, value, 1, 0), stop(libc::SECCOMP_RET_ALLOW), stop(TRACE)]);
        } else {
            program.extend([jump(EQUAL, number as u32, 0, 1), stop(TRACE)]);
        }
    }
    program.push(stop(libc::SECCOMP_RET_ALLOW));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::{answer, answer_from};

    #[test]
    fn known_calls_are_traced_and_no_others() {
        let program = program();
        for call in 0..1000 {
            let known = CALLS.iter().any(|known| known.number == i64::from(call));
            let known =
                known && sometimes(i64::from(call)).is_none() && i64::from(call) != libc::SYS_prlimit64;
            let wanted = if known { TRACE } else { libc::SECCOMP_RET_ALLOW };
            assert_eq!(answer(&program, ARCHITECTURE, call, [0; 6]), wanted, "call {call}");
            let other = answer(&program, ARCHITECTURE ^ 1, call, [0; 6]);
            assert_eq!(other, libc::SECCOMP_RET_ALLOW, "call {call}");
        }
        let of = |call: i64, arguments| answer(&program, ARCHITECTURE, call as u32, arguments);
        assert_eq!(of(libc::SYS_prctl, [libc::PR_SET_SECCOMP as u64, 0, 0, 0, 0, 0]), TRACE);
        assert_eq!(of(libc::SYS_prlimit64, [0, 7, 0x7fff_0000_1000, 0, 0, 0]), TRACE);
        let (here, empty) = (libc::AT_FDCWD as u32 as u64, libc::AT_EMPTY_PATH as u64);
        for (dir, flags, wanted) in
            [(here, 0, TRACE), (here, empty, TRACE), (5, 0, TRACE), (5, empty, libc::SECCOMP_RET_ALLOW)]
        {
            assert_eq!(of(libc::SYS_newfstatat, [dir, 0, 0, flags, 0, 0]), wanted);
            assert_eq!(of(libc::SYS_statx, [dir, 0, flags, 0, 0, 0]), wanted);
        }
    }

    #[test]
    fn calls_from_slots_are_made_unless_a_bound_refuses_them() {
        let all = then(crate::seccomp::traced(0, trace::REFUSED), libc::SECCOMP_RET_ALLOW, program());
        let Some([_, made, stops]) = trace::detour::KNOWN_BY else { return };
        let of = |next: u32, call: i64| answer_from(next, &all, ARCHITECTURE, call as u32, [0; 6]);
        // In either half of what a process has, and in any slot.
        for next in [made, made + 128, made | 1 << 31] {
            assert_eq!(of(next, libc::SYS_openat), libc::SECCOMP_RET_ALLOW);
            assert_eq!(of(next, libc::SYS_mount), libc::SECCOMP_RET_TRACE | u32::from(trace::REFUSED));
        }
        assert_eq!(of(stops, libc::SYS_openat), libc::SECCOMP_RET_TRACE | u32::from(trace::MADE));
        for next in [made + 1, made - 1, made + 4096, stops - 4096] {
            assert_eq!(of(next, libc::SYS_openat), TRACE);
        }
    }

    #[test]
    fn what_the_bounds_refuse_is_told_as_that() {
        let all = then(crate::seccomp::traced(0, trace::REFUSED), libc::SECCOMP_RET_ALLOW, program());
        let of = |call: i64| answer(&all, ARCHITECTURE, call as u32, [0; 6]);
        assert_eq!(of(libc::SYS_mount), libc::SECCOMP_RET_TRACE | u32::from(trace::REFUSED));
        assert_eq!(of(libc::SYS_keyctl), libc::SECCOMP_RET_TRACE | u32::from(trace::REFUSED));
        assert_eq!(of(libc::SYS_openat), TRACE);
        assert_eq!(of(libc::SYS_getpid), libc::SECCOMP_RET_ALLOW);
    }
}
