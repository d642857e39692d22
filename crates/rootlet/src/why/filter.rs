//! The filter that hands the calls of `calls` to the tracer, and lets all others run as if nobody was there.

use super::calls::CALLS;
use seccompiler::sock_filter;

const LOAD: u16 = 0x20;
const EQUAL: u16 = 0x15;
const GREATER_OR_EQUAL: u16 = 0x35;
const RETURN: u16 = 0x06;
const TRACE: u32 = libc::SECCOMP_RET_TRACE | rootlet_kernel::trace::OURS as u32;
#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;

fn jump(comparison: u16, k: u32, if_true: usize, if_false: usize) -> sock_filter {
    sock_filter { code: comparison, jt: if_true as u8, jf: if_false as u8, k }
}

fn load(offset: u32) -> sock_filter {
    sock_filter { code: LOAD, jt: 0, jf: 0, k: offset }
}

fn stop(action: u32) -> sock_filter {
    sock_filter { code: RETURN, jt: 0, jf: 0, k: action }
}

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

/// An array of `struct sock_filter`.
pub fn filter() -> Vec<u8> {
    let mut numbers: Vec<i64> = CALLS.iter().map(|call| call.number).collect();
    numbers.sort_unstable();
    // Offsets in struct seccomp_data: number 0, architecture 4.
    let mut program = vec![load(4), jump(EQUAL, ARCH, 1, 0), stop(libc::SECCOMP_RET_ALLOW), load(0)];
    search(&numbers, &mut program);
    program
        .iter()
        .flat_map(|f| [&f.code.to_ne_bytes()[..], &[f.jt, f.jf], &f.k.to_ne_bytes()].concat())
        .collect()
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

    /// What the kernel would do.
    fn answer(program: &[u8], arch: u32, call: u32, arguments: [u32; 6]) -> u32 {
        let mut data = [call, arch, 0, 0].to_vec();
        data.extend(arguments.iter().flat_map(|a| [*a, 0]));
        let (mut at, mut a) = (0, 0);
        loop {
            let f = &program[at * 8..at * 8 + 8];
            let (code, k) = (u16::from_ne_bytes([f[0], f[1]]), u32::from_ne_bytes([f[4], f[5], f[6], f[7]]));
            at += 1;
            let taken = match code {
                LOAD => {
                    a = data[k as usize / 4];
                    continue;
                }
                RETURN => return k,
                EQUAL => a == k,
                GREATER_OR_EQUAL => a >= k,
                other => panic!("instruction {other:#x}"),
            };
            at += usize::from(if taken { f[2] } else { f[3] });
        }
    }

    #[test]
    fn known_calls_are_traced_and_no_others() {
        let program = filter();
        for call in 0..1000 {
            let known = CALLS.iter().any(|known| known.number == i64::from(call));
            let known = known && sometimes(i64::from(call)).is_none();
            let wanted = if known { TRACE } else { libc::SECCOMP_RET_ALLOW };
            assert_eq!(answer(&program, ARCH, call, [0; 6]), wanted, "call {call}");
            assert_eq!(answer(&program, ARCH ^ 1, call, [0; 6]), libc::SECCOMP_RET_ALLOW, "call {call}");
        }
        let confines =
            answer(&program, ARCH, libc::SYS_prctl as u32, [libc::PR_SET_SECCOMP as u32, 0, 0, 0, 0, 0]);
        assert_eq!(confines, TRACE);
        for (dir, wanted) in [(libc::AT_FDCWD, TRACE), (5, libc::SECCOMP_RET_ALLOW)] {
            assert_eq!(
                answer(&program, ARCH, libc::SYS_newfstatat as u32, [dir as u32, 0, 0, 0, 0, 0]),
                wanted
            );
        }
    }
}
