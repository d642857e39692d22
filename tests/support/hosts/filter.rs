//! System call filters of hosts that forbid things, compiled to classic BPF: one rule after the other, for a test has time.

use std::collections::BTreeMap;
use std::process::Command;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Allow,
    /// This errno.
    Errno(u32),
}

/// What a rule looks at besides the call's number: an argument, as libseccomp's comparisons have it.
#[derive(Clone, Copy, Debug)]
pub enum Test {
    Less(u32, u32),
    Equal(u32, u32),
    Greater(u32, u32),
    /// Argument, mask, what is left.
    Masked(u32, u32, u32),
}

/// The first rule that fits a call answers it.
pub struct Rule {
    pub call: u32,
    pub test: Option<Test>,
    pub answer: Answer,
}

pub const EPERM: Answer = Answer::Errno(1);
pub const EACCES: Answer = Answer::Errno(13);
pub const ENOSPC: Answer = Answer::Errno(28);
pub const ENOSYS: Answer = Answer::Errno(38);

/// The machine's calls by name.
pub fn calls() -> BTreeMap<String, u32> {
    let output = Command::new(crate::confine()).arg("calls").output().expect("confine runs");
    let text = String::from_utf8(output.stdout).expect("names are ASCII");
    let call = |line: &str| {
        line.split_once(' ').and_then(|(name, number)| Some((name.to_owned(), number.parse().ok()?)))
    };
    text.lines().filter_map(call).collect()
}

// Instructions of classic BPF, as linux/bpf_common.h composes them; actions and architectures of linux/seccomp.h and
// linux/audit.h.
const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const EQUAL: u16 = 0x15;
const GREATER: u16 = 0x25;
const GREATER_OR_EQUAL: u16 = 0x35;
const RETURN: u16 = 0x06;
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;
const THIS: u32 = if cfg!(target_arch = "aarch64") { 0xc000_00b7 } else { 0xc000_003e };

/// An array of struct sock_filter. Programs of other architectures are told that there are no such calls.
pub fn compile(rules: &[Rule], otherwise: Answer) -> Vec<u8> {
    let mut code = vec![(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, THIS), give(ENOSYS)];
    for rule in rules {
        let test = rule.test.map(look).unwrap_or_default();
        // The number, whatever the rule before this one has loaded; to the next rule from wherever this one does not fit.
        code.extend([(LOAD, 0, 0, NUMBER), (EQUAL, 0, test.len() as u8 + 1, rule.call)]);
        code.extend(test);
        code.push(give(rule.answer));
    }
    code.push(give(otherwise));
    code.into_iter().flat_map(bytes).collect()
}

type Instruction = (u16, u8, u8, u32);

fn give(answer: Answer) -> Instruction {
    (
        RETURN,
        0,
        0,
        match answer {
            Answer::Allow => 0x7fff_0000,
            Answer::Errno(errno) => 0x0005_0000 | errno,
        },
    )
}

/// Goes on behind its own end where the argument fits, and behind the one instruction there where not. Arguments are of 64
/// bits, the values here of 32.
fn look(test: Test) -> Vec<Instruction> {
    let half = |index: u32, high: u32| (LOAD, 0, 0, ARGUMENTS + 8 * index + 4 * high);
    match test {
        Test::Less(index, value) => {
            vec![half(index, 1), (EQUAL, 0, 3, 0), half(index, 0), (GREATER_OR_EQUAL, 1, 0, value)]
        }
        Test::Equal(index, value) => {
            vec![half(index, 1), (EQUAL, 0, 3, 0), half(index, 0), (EQUAL, 0, 1, value)]
        }
        Test::Greater(index, value) => {
            vec![half(index, 1), (EQUAL, 0, 2, 0), half(index, 0), (GREATER, 0, 1, value)]
        }
        Test::Masked(index, mask, left) => vec![half(index, 0), (AND, 0, 0, mask), (EQUAL, 0, 1, left)],
    }
}

fn bytes((code, jt, jf, k): Instruction) -> [u8; 8] {
    let ([a, b], [c, d, e, f]) = (code.to_ne_bytes(), k.to_ne_bytes());
    [a, b, jt, jf, c, d, e, f]
}
