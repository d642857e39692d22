//! The thread that traces a command and all that comes from it. It does little for a call that goes well: two stops, and the
//! result is looked at; none, where the program makes it from the same place again and again (`detours`).

use super::Shared;
use super::detours::{Detours, Instead};
use super::insist::Insists;
use super::log::Log;
use super::process;
use super::watch::Watch;
use rootlet_kernel::trace::{self, Call, Stop};
use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Their numbers mean others, so nobody looks at them.
const FOREIGN: &str = "the calls of 32-bit programs";

/// What is known of a thread that is traced.
#[derive(Debug, Default)]
struct Task {
    /// How many calls were handed to us.
    stops: u64,
    /// Where its registers will not tell any more.
    call: Option<Call>,
    /// What its program looks at itself.
    insists: Option<&'static Insists>,
    detours: Detours,
}

impl Task {
    /// How many calls it has made of those that are looked at.
    fn calls(&self) -> u64 {
        self.stops + self.detours.calls()
    }
}

/// Traces the waiting process `pid` in a thread of its own, until it and all that comes from it has ended.
pub fn start(pid: i32, watch: Watch, shared: Arc<Shared>) -> io::Result<()> {
    let (tell, told) = sync_channel(1);
    thread::Builder::new().name("rootlet-why".into()).spawn(move || {
        let over = Over(shared.clone());
        let tracer =
            Tracer { command: pid, first: Some(pid), tasks: HashMap::new(), foreign: false, watch, shared };
        tracer.run(&tell);
        drop(over);
    })?;
    told.recv().unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
}

/// Whatever ends the thread, nobody waits for it in vain.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        lock(&self.0.log).end(|_| None);
        self.0.over.notify_all();
    }
}

/// What is to become of a call.
enum Verdict {
    Made,
    Refused(Call),
    /// A filter of the program's own hands it to a tracer, and there is none that it knows.
    NotOurs,
}

struct Tracer {
    command: i32,
    /// The command's process, until it executes: what it does before is ours.
    first: Option<i32>,
    tasks: HashMap<i32, Task>,
    /// Somebody brought a filter of its own, which may hand calls to a tracer, too.
    foreign: bool,
    watch: Watch,
    shared: Arc<Shared>,
}

impl Tracer {
    fn run(mut self, tell: &SyncSender<io::Result<()>>) {
        let seized = trace::seize(self.command);
        let failed = seized.is_err();
        // Whoever waits for it may have gone.
        let _ = tell.send(seized);
        if failed {
            return;
        }
        while let Ok(Some((tid, stop))) = trace::wait() {
            // ESRCH: it was killed while it was stopped. Its end is told later.
            let _gone = self.stopped(tid, stop);
        }
    }

    fn stopped(&mut self, tid: i32, stop: Stop) -> io::Result<()> {
        match stop {
            Stop::Call => self.call(tid),
            Stop::Made => {
                self.made(tid)?;
                trace::resume(tid, 0)
            }
            Stop::Signal(signal) => {
                let told = signal == libc::SIGSTOP && trace::was_told(tid)?;
                if told {
                    let done = trace::done(tid)?;
                    self.look(tid, &done.call, done.result);
                }
                trace::resume(tid, if told { 0 } else { signal })
            }
            Stop::Group => trace::listen(tid),
            Stop::New => trace::resume(tid, 0),
            Stop::Began(new, shares) => {
                // It may have been stopped before.
                let begun = self.tasks.get(&tid).map(|task| task.detours.begun(shares));
                self.tasks.entry(new).or_default().detours = begun.unwrap_or_default();
                trace::resume(tid, 0)
            }
            Stop::Executed(was) => {
                self.executed(tid, was);
                trace::resume(tid, 0)
            }
            Stop::Exits => {
                if let Some(task) = self.tasks.get_mut(&tid) {
                    task.detours.count(tid);
                }
                trace::resume(tid, 0)
            }
            Stop::Ended(status) => {
                let calls = self.tasks.remove(&tid).map_or(0, |task| task.calls());
                let mut log = lock(&self.shared.log);
                log.ended(tid, calls, status != 0);
                if tid == self.command {
                    self.tasks.iter_mut().for_each(|(tid, task)| task.detours.count(*tid));
                    log.end(|tid| self.tasks.get(&tid).map(Task::calls));
                    self.shared.over.notify_all();
                }
                Ok(())
            }
        }
    }

    fn executed(&mut self, tid: i32, was: i32) {
        if was != tid {
            // A thread that executes takes its process' number.
            let task = self.tasks.remove(&was).unwrap_or_default();
            self.tasks.insert(tid, task);
        }
        self.first = None;
        let task = self.tasks.entry(tid).or_default();
        task.insists = self.watch.insists(tid);
        task.stops = task.calls();
        task.detours = Detours::default();
        let log = &mut lock(&self.shared.log);
        if process::is_32_bit(tid) {
            log.not_seen(FOREIGN.to_owned());
        }
        self.watch.executed(tid, log);
    }

    fn call(&mut self, tid: i32) -> io::Result<()> {
        let told = trace::told(tid)?;
        let task = self.tasks.entry(tid).or_default();
        task.detours.count(tid);
        // A filter of the program's own may tell us anything.
        if (told == trace::MADE || self.foreign)
            && let Some((call, result)) = task.detours.made(tid)?
        {
            self.made_before(tid, &call, result);
            return trace::resume(tid, 0);
        }
        task.stops += 1;
        let calls = task.calls();
        if self.foreign || self.watch.is_bounded() {
            match self.verdict(tid, told)? {
                Verdict::Made => {}
                Verdict::Refused(call) => {
                    trace::refuse(tid, libc::EPERM)?;
                    self.watch.bounded(tid, &call, calls, &mut lock(&self.shared.log));
                    return trace::resume(tid, 0);
                }
                Verdict::NotOurs => {
                    // What it would get without a tracer.
                    trace::refuse(tid, libc::ENOSYS)?;
                    return trace::resume(tid, 0);
                }
            }
        }
        let task = self.tasks.entry(tid).or_default();
        if trace::LOSES_ARGUMENTS || self.first.is_some() {
            let call = trace::call(tid)?;
            task.call = trace::LOSES_ARGUMENTS.then_some(call);
            if self.first == Some(tid) {
                if call.number == libc::SYS_execve as u64 {
                    self.first = None
                } else {
                    return trace::resume(tid, 0);
                }
            }
        }
        let instead = if self.foreign {
            Instead::Nothing
        } else {
            task.detours.begin(tid, &self.watch, task.insists)?
        };
        if instead != Instead::Nothing {
            // It comes back to its call.
            task.stops -= 1;
        }
        match instead {
            Instead::Detour => trace::resume(tid, 0),
            _ => trace::resume_to_end(tid, 0),
        }
    }

    /// What is to become of a call that is about to be made. A filter that the program brought may tell us what ours would: then
    /// the bounds are asked themselves.
    fn verdict(&self, tid: i32, told: u16) -> io::Result<Verdict> {
        if told == trace::REFUSED || self.foreign {
            let call = trace::call(tid)?;
            if self.watch.is_refused(&call) {
                return Ok(Verdict::Refused(call));
            }
        }
        Ok(if told == trace::OURS { Verdict::Made } else { Verdict::NotOurs })
    }

    fn made(&mut self, tid: i32) -> io::Result<()> {
        let Some(task) = self.tasks.get_mut(&tid) else { return Ok(()) };
        if task.detours.made_room(tid)? {
            return Ok(());
        }
        let done = trace::done(tid)?;
        let call = task.call.take().unwrap_or(done.call);
        task.detours.seen(done.next);
        if !self.watch.wants(done.result) {
            return Ok(());
        }
        if done.result == 0 && [libc::SYS_seccomp, libc::SYS_prctl].contains(&(call.number as i64)) {
            self.foreign = true;
            return Ok(());
        }
        self.look(tid, &call, done.result);
        Ok(())
    }

    /// A call was made that did not stop, and gave what is worth a look. What the bounds refuse has been told.
    fn made_before(&self, tid: i32, call: &Call, result: i64) {
        let told =
            self.watch.is_bounded() && result == -i64::from(libc::EPERM) && self.watch.is_refused(call);
        if !told {
            self.look(tid, call, result);
        }
    }

    fn look(&self, tid: i32, call: &Call, result: i64) {
        let Some(task) = self.tasks.get(&tid) else { return };
        let log = &mut lock(&self.shared.log);
        match task.insists.filter(|_| result == 0) {
            Some(insists) => self.watch.looked(tid, insists, call, task.calls(), log),
            None => self.watch.refused(tid, call, result, task.calls(), log),
        }
    }
}

pub fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
