//! The thread that traces a command and all that comes from it. It does little for a call that goes well: two stops, and the
//! result is looked at.

use super::Shared;
use super::calls::opens_directory;
use super::insist::Insists;
use super::log::Log;
use super::watch::Watch;
use rootlet_kernel::trace::{self, Call, Stop};
use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What is known of a thread that is traced.
#[derive(Clone, Copy, Debug, Default)]
pub struct Task {
    /// How many calls were handed to us.
    pub calls: u64,
    /// Where its registers will not tell any more.
    call: Option<Call>,
    /// What its program looks at itself.
    insists: Option<&'static Insists>,
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
            Stop::Signal(signal) => trace::resume(tid, signal),
            Stop::Group => trace::listen(tid),
            Stop::New => trace::resume(tid, 0),
            Stop::Executed(was) => {
                if was != tid {
                    // A thread that executes takes its process' number.
                    let task = self.tasks.remove(&was).unwrap_or_default();
                    self.tasks.insert(tid, task);
                }
                self.first = None;
                self.tasks.entry(tid).or_default().insists = self.watch.insists(tid);
                self.watch.executed(tid, &mut lock(&self.shared.log));
                trace::resume(tid, 0)
            }
            Stop::Ended(status) => {
                let calls = self.tasks.remove(&tid).map_or(0, |task| task.calls);
                let mut log = lock(&self.shared.log);
                log.ended(tid, calls, status != 0);
                if tid == self.command {
                    log.end(|tid| self.tasks.get(&tid).map(|task| task.calls));
                    self.shared.over.notify_all();
                }
                Ok(())
            }
        }
    }

    fn call(&mut self, tid: i32) -> io::Result<()> {
        let task = self.tasks.entry(tid).or_default();
        task.calls += 1;
        let calls = task.calls;
        if self.foreign || self.watch.is_bounded() {
            match self.verdict(tid)? {
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
        trace::resume_to_end(tid, 0)
    }

    /// What is to become of a call that is about to be made. A filter that the program brought may tell us what ours would: then
    /// the bounds are asked themselves.
    fn verdict(&self, tid: i32) -> io::Result<Verdict> {
        let told = trace::told(tid)?;
        if told == trace::REFUSED || self.foreign {
            let call = trace::call(tid)?;
            if self.watch.is_refused(&call) {
                return Ok(Verdict::Refused(call));
            }
        }
        Ok(if told == trace::OURS { Verdict::Made } else { Verdict::NotOurs })
    }

    fn made(&mut self, tid: i32) -> io::Result<()> {
        let (call, result) = trace::made(tid)?;
        let Some(task) = self.tasks.get_mut(&tid) else { return Ok(()) };
        let call = task.call.take().unwrap_or(call);
        if result > 0 && opens_directory(call.number, &call.arguments) {
            self.watch.opened(tid, &call, result, task.calls, &self.shared.log);
        }
        if !self.watch.wants(result) {
            return Ok(());
        }
        if result == 0 && [libc::SYS_seccomp, libc::SYS_prctl].contains(&(call.number as i64)) {
            self.foreign = true;
            return Ok(());
        }
        let log = &mut lock(&self.shared.log);
        match task.insists.filter(|_| result == 0) {
            Some(insists) => self.watch.looked(tid, insists, &call, task.calls, log),
            None => self.watch.refused(tid, &call, result, task.calls, log),
        }
        Ok(())
    }
}

pub fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
