//! Which calls of a thread need not stop it any more: those from a place that has made many, where only some results matter
//! ([`rootlet_kernel::trace::detour`]).

use super::calls::{self, Does};
use super::insist::Insists;
use super::watch::Watch;
use rootlet_kernel::trace::Call;
use rootlet_kernel::trace::detour::{self, Attempt, Before, Interest};
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;

/// Calls from one place after which it is worth changing, which takes as long as some of them.
const MANY: u8 = 4;
/// In place of their number: the place has been changed, or cannot be.
const DONE: u8 = u8::MAX;

/// Of one thread, since its program was executed.
#[derive(Debug, Default)]
pub struct Detours {
    /// Calls by place, up to where it matters.
    places: HashMap<u64, u8>,
    /// The place that is to be changed.
    next: Option<u64>,
    /// The thread makes room.
    before: Option<Before>,
    /// Where the calls are counted that stopped nobody, and how many there were.
    page: Option<u64>,
    calls: u64,
    /// Instructions that may be changed, as far as known.
    text: Range<u64>,
    /// Others may run in the same memory, which are no threads of the process.
    shares: bool,
}

/// What a thread that is about to make a call does instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    Nothing,
    /// Another call, then its own.
    AnotherCall,
    /// The same, in a way that does not stop it.
    Detour,
}

impl Detours {
    /// How many calls had stopped nobody when they were counted last.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    pub fn count(&mut self, tid: i32) {
        let counted = self.page.and_then(|page| detour::counted(tid, page));
        self.calls = counted.unwrap_or(self.calls);
    }

    /// What a thread or a process has that was begun by this one's; whose memory others may share is left as it is.
    pub fn begun(&self, shares: bool) -> Self {
        Self { page: self.page, shares, ..Self::default() }
    }

    /// A call has been made from a place, which stopped the thread twice.
    pub fn seen(&mut self, place: u64) {
        let many = self.places.entry(place).or_default();
        if *many < DONE - 1 {
            *many += 1;
        }
        if (MANY..DONE).contains(many) && !self.shares {
            self.next = Some(place);
        }
    }

    /// A call is about to be made: changes its place, if that is due and nobody else runs there.
    pub fn begin(&mut self, tid: i32, watch: &Watch, insists: Option<&Insists>) -> io::Result<Instead> {
        let Some(place) = self.next else { return Ok(Instead::Nothing) };
        let Some(before) = detour::at(tid, place)? else { return Ok(Instead::Nothing) };
        let possible = has_one_thread(tid) && self.is_own_text(tid, place);
        let attempt = match interest(tid, before.number(), watch, insists).filter(|_| possible) {
            // Where it fails, the call is made as ever.
            Some(interest) => detour::attempt(tid, &before, interest).unwrap_or(Attempt::Not),
            None => Attempt::Not,
        };
        if matches!(attempt, Attempt::MakesRoom) {
            self.before = Some(before);
            return Ok(Instead::AnotherCall);
        }
        self.leave(place);
        let Attempt::Done(page) = attempt else { return Ok(Instead::Nothing) };
        self.page = Some(page);
        Ok(Instead::Detour)
    }

    /// Whether a place lies in a program or a library, of which a process that changes something gets a copy. What programs write
    /// themselves may be shared, and written again.
    fn is_own_text(&mut self, tid: i32, place: u64) -> bool {
        if !self.text.contains(&place) {
            let maps = std::fs::read_to_string(format!("/proc/{tid}/maps")).unwrap_or_default();
            let mut texts = maps.lines().filter_map(own_text);
            self.text = texts.find(|text| text.contains(&place)).unwrap_or_default();
        }
        self.text.contains(&place)
    }

    /// Whatever became of a place: it stays so.
    fn leave(&mut self, place: u64) {
        self.places.insert(place, DONE);
        self.next = None;
    }

    /// Whether it was not its own call that has been made.
    pub fn made_room(&mut self, tid: i32) -> io::Result<bool> {
        let Some(before) = self.before.take() else { return Ok(false) };
        if !detour::made_room(tid, before)?
            && let Some(place) = self.next
        {
            self.leave(place);
        }
        Ok(true)
    }

    /// The call that was made and did not stop, and its result, which is of interest; `None` where there was none.
    pub fn made(&mut self, tid: i32) -> io::Result<Option<(Call, i64)>> {
        let Some((call, result, page)) = detour::made(tid)? else { return Ok(None) };
        self.page = Some(page);
        Ok(Some((call, result)))
    }
}

fn has_one_thread(tid: i32) -> bool {
    std::fs::metadata(format!("/proc/{tid}/task")).is_ok_and(|tasks| tasks.nlink() == 3)
}

/// The addresses of a line of /proc/PID/maps that can be executed, not written, and are private.
fn own_text(line: &str) -> Option<Range<u64>> {
    let mut words = line.split(' ');
    let (from, to) = words.next()?.split_once('-')?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    words.next().filter(|rights| *rights == "r-xp").and(Some(address(from)?..address(to)?))
}

/// Which results of a call matter; `None` where it matters that it was made.
fn interest(tid: i32, number: u64, watch: &Watch, insists: Option<&Insists>) -> Option<Interest> {
    let does = calls::known(number)?.does;
    let looks = does == Does::Look;
    match does {
        // Of /etc/passwd, by whom it does not know.
        Does::Open if watch.nobody.is_some() => return None,
        Does::Open | Does::Look | Does::ReadAttribute | Does::Access => {}
        // With one id, pid 1 is asked about some of these: it would be asked twice.
        Does::Make | Does::Remove | Does::Write | Does::WriteAttribute | Does::Own | Does::Chown
            if watch.groups.is_none() => {}
        _ => return None,
    }
    let errnos =
        (1..32).filter(|&errno| watch.wants(-i64::from(errno))).fold(0, |bits, errno: i32| bits | 1 << errno);
    let directory = insists.filter(|_| looks).and_then(|insists| insists.interest(tid, number));
    Some(Interest { errnos, directory })
}
