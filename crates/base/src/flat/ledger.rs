//! What was copied for a root, so that a copy nobody has touched need not be made again. Whatever is done to a file changes the time of
//! its last change, which nobody inside can set: so of which file it is a copy, its number and that time are proof.

use rustix::fs::Stat;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Numbers of the original and of the copy, and when the copy was last changed.
type Record = (u64, u64, i64, i64);

#[derive(Debug)]
pub(super) struct Ledger {
    /// When somebody began to act. The kernel's clock has ticks: what was copied in that very one could have been changed in
    /// it, too.
    since: (i64, i64),
    known: HashSet<Record>,
    made: Mutex<Vec<Record>>,
    /// How many of the known are as they were.
    unchanged: Mutex<Vec<Record>>,
}

impl Default for Ledger {
    /// That of a root which is being made.
    fn default() -> Self {
        Self { since: (0, 0), known: HashSet::new(), made: Mutex::default(), unchanged: Mutex::default() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Now, as the kernel stamps files.
pub(super) fn now() -> (i64, i64) {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::RealtimeCoarse);
    (tv_sec, tv_nsec)
}

fn record(original: &Stat, copy: &Stat) -> Record {
    (original.st_ino, copy.st_ino, copy.st_ctime, copy.st_ctime_nsec as i64)
}

impl Ledger {
    /// Reads one, of a root in which nobody has acted before `since`, without the copies that are `distrusted`. What cannot be read
    /// is not known.
    pub fn read(path: &Path, since: (i64, i64), distrusted: &HashSet<u64>) -> Self {
        let bytes = std::fs::read(path).unwrap_or_default();
        let number = |at: &[u8]| at.try_into().map_or(0, u64::from_ne_bytes);
        let (records, _) = bytes.as_chunks::<32>();
        let read = |r: &[u8; 32]| {
            (number(&r[..8]), number(&r[8..16]), number(&r[16..24]) as i64, number(&r[24..]) as i64)
        };
        let known = records.iter().map(read).filter(|record| !distrusted.contains(&record.1)).collect();
        Self { since, known, ..Self::default() }
    }

    /// Writes what is known now, beside `path` first, unless that is there already.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let (made, unchanged) = (lock(&self.made), lock(&self.unchanged));
        if made.is_empty() && unchanged.len() == self.known.len() {
            return Ok(());
        }
        let words = made.iter().chain(unchanged.iter()).flat_map(|r| [r.0, r.1, r.2 as u64, r.3 as u64]);
        let bytes: Vec<u8> = words.flat_map(u64::to_ne_bytes).collect();
        let beside = path.with_extension("new");
        std::fs::write(&beside, bytes)?;
        std::fs::rename(beside, path)
    }

    /// A copy was made.
    pub fn note(&self, original: &Stat, copy: &Stat) {
        lock(&self.made).push(record(original, copy));
    }

    /// Whether this is the copy that was made of the original, and nobody has changed it.
    pub fn is_untouched(&self, original: &Stat, copy: &Stat) -> bool {
        let record = record(original, copy);
        let untouched = (record.2, record.3) < self.since && self.known.contains(&record);
        if untouched {
            lock(&self.unchanged).push(record);
        }
        untouched
    }

    /// Whether there is anything to be compared with.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}
