//! Calls that go well and stop nobody. A program makes most of its calls from a few places. Once such a place is known, it is changed
//! to jump to a few instructions that make the call and look at the result themselves; only a result of interest stops the thread:
//!
//! ```text
//! place:  mov $NUMBER,%eax     becomes  jmp slot                slot:  incl count
//!         mov …                         mov …                          mov …
//!         syscall                       syscall                        mov $NUMBER,%eax
//!         cmp …               ◀─────────────────────────────┐          syscall              runs, since the filter knows where it is
//!                                                           │          …is %eax an errno of interest?
//!                                                           │          shl $32,%rax; or $NUMBER,%rax
//!                                                           │          syscall              stops, and is not made
//!                                                           └───────── jmp behind the first
//! ```
//!
//! The C libraries load the number right before the instruction, or move some arguments in between. That leaves room for the jump;
//! whatever else comes by the instruction itself is traced as before. A call changes rax, rcx and r11, and no compiler keeps flags over one: nothing else is
//! touched, not even the stack. A fork takes its places and slots along; what a program executes has none.
//!
//! The slots lie in a page of their own, within reach of a jump. The filter knows them by the lower half of the address, the same in
//! all processes. Code of a program that lies at such an address by chance, with an instruction at the very byte, would be taken for
//! ours: that is once in some hundred thousand processes.

pub use super::interest::{Directory, Interest};
use super::registers::Registers;
use super::{Call, also_tell_exit, poke, read_memory};
use std::io;

/// What slots have in common, of the lower 31 bits of their addresses: a page, of which the second holds what is counted.
const PAGE: u64 = 0x5257_0000;
const HALF: u64 = 1 << 31;
const PAGE_SIZE: u64 = 4096;
const SLOT: u64 = 128;
const SLOTS: u64 = PAGE_SIZE / SLOT;
/// In a slot: what is next after the call, and after the one that stops.
const MADE: u64 = 33;
const STOPS: u64 = 111;
/// Where it begins to prepare for that.
const STOP: usize = STOPS as usize - 12;
const NOP: u8 = 0x90;
/// At the start of both pages.
const OURS: u64 = u64::from_le_bytes(*b"rootlet\0");
/// In the second page: calls (32 bits), and the next free slot.
const COUNT: u64 = 8;
const FREE: u64 = 16;
/// Of the instruction that loads the number, of those that may come before the one that calls, and of that.
const LOAD: usize = 5;
const MOVES: usize = 20;
const CALL: usize = 2;

/// How a filter tells calls from slots: bits of the lower half of the address of the next instruction, and their values where the
/// call is to be made, and where it is to stop.
pub const KNOWN_BY: Option<[u32; 3]> =
    Some([(HALF - PAGE_SIZE + SLOT - 1) as u32, (PAGE + MADE) as u32, (PAGE + STOPS) as u32]);

/// A thread before a call.
#[derive(Debug)]
pub struct Before(Registers);

impl Before {
    /// That call's.
    pub fn number(&self) -> u64 {
        self.0.call().number
    }
}

/// What became of an attempt.
#[derive(Debug)]
pub enum Attempt {
    /// The place makes its calls without a stop from now on. The page, for [`counted`].
    Done(u64),
    /// Another call is made first; [`made_room`] wants to see its end.
    MakesRoom,
    /// Here it cannot be.
    Not,
}

/// A thread that is stopped before a call, if it makes it from this place: the address of the instruction behind it.
pub fn at(tid: i32, next: u64) -> io::Result<Option<Before>> {
    let registers = Registers::read(tid)?;
    Ok((registers.next() == next).then_some(Before(registers)))
}

/// Changes the place. Nobody else may run there, and the memory must be the process' own.
pub fn attempt(tid: i32, Before(registers): &Before, interest: Interest) -> io::Result<Attempt> {
    let Some(place) = Place::find(tid, registers) else { return Ok(Attempt::Not) };
    for page in pages(registers.next()) {
        match (word(tid, page), word(tid, page + PAGE_SIZE)) {
            (Some(OURS), Some(OURS)) => return change(tid, *registers, &place, page, interest),
            (None, None) => return room(tid, *registers, page, libc::PROT_READ | libc::PROT_EXEC),
            (Some(OURS), None) => {
                return room(tid, *registers, page + PAGE_SIZE, libc::PROT_READ | libc::PROT_WRITE);
            }
            _ => {}
        }
    }
    Ok(Attempt::Not)
}

/// A place that calls.
struct Place {
    number: u32,
    /// Between the load of the number and the call.
    moves: Vec<u8>,
    /// Behind the call.
    next: u64,
}

impl Place {
    /// Of a thread that is before its call.
    fn find(tid: i32, registers: &Registers) -> Option<Self> {
        let mut code = [0; LOAD + MOVES + CALL];
        let (next, number) = (registers.next(), registers.call().number as u32);
        let n = read_memory(tid, next.checked_sub(code.len() as u64)?, &mut code).ok()?;
        let before = code.strip_suffix(&[0x0f, 0x05]).filter(|_| n == code.len())?;
        let load = [&[0xb8][..], &number.to_le_bytes()].concat();
        let moves = (0..=MOVES).find_map(|length| {
            let (before, moves) = before.split_at(before.len() - length);
            (before.ends_with(&load) && are_moves(moves)).then(|| moves.to_vec())
        })?;
        Some(Self { number, moves, next })
    }

    fn load(&self) -> u64 {
        self.next - (CALL + self.moves.len() + LOAD) as u64
    }
}

/// Whether these instructions move numbers and registers to registers, but for rax and rsp.
fn are_moves(mut code: &[u8]) -> bool {
    let free = |register: u8, high: u8| high != 0 || !matches!(register & 7, 0 | 4);
    while !code.is_empty() {
        let (length, only_free) = match *code {
            // mov %r,%r: two of the first or the last eight.
            [wide @ (0x48 | 0x49 | 0x4c | 0x4d), 0x89, operands, ..] if operands >> 6 == 3 => {
                (3, free(operands, wide & 1) && free(operands >> 3, wide & 4))
            }
            // mov $number,%r
            [0x41, 0xb8..=0xbf, ..] => (6, true),
            [register @ 0xb8..=0xbf, ..] => (5, free(register, 0)),
            [wide @ (0x48 | 0x49), 0xc7, register @ 0xc0..=0xc7, ..] => (7, free(register, wide & 1)),
            _ => return false,
        };
        if !only_free || code.len() < length {
            return false;
        }
        code = &code[length..];
    }
    true
}

/// Where slots may lie that this place can jump to.
fn pages(next: u64) -> impl Iterator<Item = u64> {
    let near = (next & !(HALF - 1)) | PAGE;
    let reach = HALF - 2 * PAGE_SIZE;
    [near.wrapping_sub(HALF), near, near + HALF]
        .into_iter()
        .filter(move |page| page.abs_diff(next) < reach && *page < (1 << 47) - 2 * PAGE_SIZE)
}

fn word(tid: i32, address: u64) -> Option<u64> {
    let mut word = [0; 8];
    (read_memory(tid, address, &mut word).ok()? == word.len()).then(|| u64::from_le_bytes(word))
}

/// Has the thread map a page in place of its call.
fn room(tid: i32, mut registers: Registers, page: u64, rights: i32) -> io::Result<Attempt> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    let arguments = [page, PAGE_SIZE, rights as u64, flags as u64, u64::MAX, 0];
    registers.replace(&Call { number: libc::SYS_mmap as u64, arguments });
    registers.write(tid)?;
    Ok(Attempt::MakesRoom)
}

/// The other call has been made: the thread goes back to its own. Whether there is room now.
pub fn made_room(tid: i32, Before(mut before): Before) -> io::Result<bool> {
    let now = Registers::read(tid)?;
    let page = now.call().arguments[0];
    let done = now.result() as u64 == page && prepare(tid, page).is_ok();
    before.call_again();
    before.write(tid)?;
    Ok(done)
}

/// The first slot of a page is taken by its name.
fn prepare(tid: i32, page: u64) -> io::Result<()> {
    if page % HALF != PAGE {
        poke(tid, page + FREE, &1u64.to_le_bytes())?;
    }
    poke(tid, page, &OURS.to_le_bytes())
}

fn change(
    tid: i32,
    mut registers: Registers,
    place: &Place,
    page: u64,
    interest: Interest,
) -> io::Result<Attempt> {
    let free = word(tid, page + PAGE_SIZE + FREE).unwrap_or(SLOTS);
    if !(1..SLOTS).contains(&free) {
        return Ok(Attempt::Not);
    }
    let slot = page + free * SLOT;
    poke(tid, slot, &code(slot, place, interest))?;
    poke(tid, page + PAGE_SIZE + FREE, &(free + 1).to_le_bytes())?;
    poke(tid, place.load(), &jump(place.load(), slot))?;
    also_tell_exit(tid)?;
    // The moves have been made.
    registers.go_on(slot + MADE - (CALL + LOAD) as u64);
    registers.write(tid)?;
    Ok(Attempt::Done(page))
}

/// `jmp`, with a distance from what comes behind it.
fn jump(from: u64, to: u64) -> [u8; LOAD] {
    let [a, b, c, d] = (to.wrapping_sub(from + LOAD as u64) as u32).to_le_bytes();
    [0xe9, a, b, c, d]
}

fn code(slot: u64, place: &Place, interest: Interest) -> Vec<u8> {
    let number = place.number.to_le_bytes();
    let mut code = Vec::with_capacity(SLOT as usize);
    let count = (slot & !(PAGE_SIZE - 1)) + PAGE_SIZE + COUNT;
    code.extend([0xff, 0x05]); // incl count(%rip)
    code.extend((count.wrapping_sub(slot + 6) as u32).to_le_bytes());
    code.extend(&place.moves);
    code.resize(MADE as usize - CALL - LOAD, NOP);
    code.push(0xb8); // mov $number,%eax
    code.extend(number);
    code.extend([0x0f, 0x05]); // syscall
    code.extend(interest.directory.iter().flat_map(found_directory));
    let test = code.len();
    code.extend([0x89, 0xc1, 0xf7, 0xd9]); // mov %eax,%ecx; neg %ecx
    code.extend([0x83, 0xf9, 31]); // cmp $31,%ecx
    code.extend([0x77, (STOPS as usize - test - 9) as u8]); // ja back
    code.extend([0x41, 0xbb]); // mov $errnos,%r11d
    code.extend(interest.errnos.to_le_bytes());
    code.extend([0x41, 0x0f, 0xa3, 0xcb]); // bt %ecx,%r11d
    code.extend([0x73, (STOPS as usize - test - 21) as u8]); // jnc back
    code.resize(STOP, NOP);
    code.extend([0x48, 0xc1, 0xe0, 32]); // stop: shl $32,%rax
    code.extend([0x48, 0x0d]); // or $number,%rax
    code.extend(number);
    code.extend([0x0f, 0x05]); // syscall
    code.extend(jump(slot + STOPS, place.next)); // back: jmp behind the call
    code
}

/// What comes after a call, of a slot that has to look at what was found.
fn found_directory(directory: &Directory) -> Vec<u8> {
    const START: usize = MADE as usize;
    let base = [7, 6, 2][directory.argument.min(2)]; // rdi, rsi, rdx
    let mut code = vec![0x85, 0xc0, 0x75, 40]; // test %eax,%eax; jne behind these
    code.extend([0x8b, 0x48 | base, std::mem::offset_of!(libc::stat, st_mode) as u8]); // mov st_mode(base),%ecx
    code.extend([0x41, 0x89, 0xcb]); // mov %ecx,%r11d
    code.extend([0x81, 0xe1]); // and $S_IFMT,%ecx
    code.extend(libc::S_IFMT.to_le_bytes());
    code.extend([0x81, 0xf9]); // cmp $S_IFDIR,%ecx
    code.extend(libc::S_IFDIR.to_le_bytes());
    code.extend([0x75, STOPS as u8 - (START + code.len() + 2) as u8]); // jne back
    code.extend([0x81, 0x78 | base, std::mem::offset_of!(libc::stat, st_uid) as u8]); // cmpl $not_of,st_uid(base)
    code.extend(directory.not_of.to_le_bytes());
    code.extend([0x75, STOP as u8 - (START + code.len() + 2) as u8]); // jne stop
    code.extend([0x41, 0xf7, 0xc3]); // test $mode,%r11d
    code.extend(directory.mode.to_le_bytes());
    code.extend([0x75, STOP as u8 - (START + code.len() + 2) as u8]); // jne stop
    code.extend([0xeb, STOPS as u8 - (START + code.len() + 2) as u8]); // jmp back
    code
}

/// The call that a slot has made, what it gave, and the page, for [`counted`]; the thread, stopped for that, goes on with it.
/// `None` where it was stopped elsewhere, whatever a filter says.
pub fn made(tid: i32) -> io::Result<Option<(Call, i64, u64)>> {
    let mut registers = Registers::read(tid)?;
    let page = registers.next() & !(PAGE_SIZE - 1);
    let from_slot = page % HALF == PAGE && registers.next() % SLOT == STOPS && word(tid, page) == Some(OURS);
    if !from_slot {
        return Ok(None);
    }
    let mut call = registers.call();
    let result = call.number as i64 >> 32;
    call.number = u64::from(call.number as u32);
    registers.give(result);
    registers.write(tid)?;
    Ok(Some((call, result, page)))
}

/// How many calls were made from the slots of a page, or were in the process that the thread's was forked from.
pub fn counted(tid: i32, page: u64) -> Option<u64> {
    word(tid, page + PAGE_SIZE + COUNT).map(|count| u64::from(count as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_laid_out_as_the_filter_knows_it() {
        let directory = |argument| Directory { argument, not_of: 1000, mode: 0o027 };
        for directory in [None, Some(directory(1)), Some(directory(2))] {
            let place = Place { number: 262, moves: vec![0x48, 0x89, 0xfe], next: 0x40_0000 };
            let code = code(PAGE + SLOT, &place, Interest { errnos: 1 << 13, directory });
            assert!(code.len() <= SLOT as usize);
            for end in [MADE as usize, STOPS as usize] {
                assert_eq!(code[end - 2..end], [0x0f, 0x05]);
            }
            assert_eq!(code.windows(2).filter(|pair| *pair == [0x0f, 0x05]).count(), 2);
        }
    }

    #[test]
    fn only_moves_between_free_registers_are_taken_along() {
        // As objdump(1) shows them in the C libraries.
        let glibc = [0x48, 0x89, 0xfe, 0xbf, 0x9c, 0xff, 0xff, 0xff]; // mov %rdi,%rsi; mov $-100,%edi
        let musl = [0x4c, 0x89, 0xe7, 0xba, 0x80, 0x01, 0, 0, 0x49, 0x89, 0xd1]; // mov %r12,%rdi; mov $0x180,%edx; mov %rdx,%r9
        assert!(are_moves(&[]) && are_moves(&glibc) && are_moves(&musl));
        let others: [&[u8]; 6] = [
            &[0x48, 0x89, 0xc7],             // mov %rax,%rdi
            &[0x48, 0x89, 0xe7],             // mov %rsp,%rdi
            &[0x48, 0x8b, 0x3f],             // mov (%rdi),%rdi
            &[0xb8, 1, 0, 0, 0],             // mov $1,%eax
            &[0x48, 0x83, 0xec, 0x08],       // sub $8,%rsp
            &[0x48, 0x89, 0xfe, 0xbf, 0x9c], // cut off
        ];
        for code in others {
            assert!(!are_moves(code), "{code:x?}");
        }
    }

    #[test]
    fn a_page_is_within_reach_wherever_a_program_lies() {
        for place in [0x40_1000, 0x5555_5555_0000, 0x7fff_f7d0_0000, PAGE, PAGE + HALF - 1, (1 << 46) - 1] {
            let pages: Vec<u64> = pages(place).collect();
            assert!(!pages.is_empty(), "{place:x}");
            for page in pages {
                assert_eq!(page % HALF, PAGE, "{place:x}");
                let jump = jump(place, page + SLOT);
                let distance = i32::from_le_bytes([jump[1], jump[2], jump[3], jump[4]]);
                assert_eq!((place + LOAD as u64).wrapping_add_signed(i64::from(distance)), page + SLOT);
            }
        }
    }
}
