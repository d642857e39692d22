//! A process that was prepared once and does the same thing again for each byte that it is sent. It measures with its
//! own clock: what passes between it and us is not counted.

use crate::Result;
use std::io::{Read, Write, stdin, stdout};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Our end of it.
pub struct Server {
    name: String,
    child: Child,
    to: Option<ChildStdin>,
    from: ChildStdout,
}

impl Server {
    /// Starts it, and waits until it says that it is ready.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|e| format!("{name}: {e}"))?;
        let (to, from) = (child.stdin.take(), child.stdout.take().ok_or("a pipe was asked for")?);
        let mut server = Self { name: name.into(), child, to, from };
        server.receive()?;
        Ok(server)
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// One round: how long it took.
    pub fn round(&mut self) -> Result<Duration> {
        let to = self.to.as_mut().ok_or("it is being dropped")?;
        to.write_all(b"r").map_err(|e| format!("{}: {e}", self.name))?;
        self.receive()
    }

    fn receive(&mut self) -> Result<Duration> {
        let mut told = [0; 8];
        self.from.read_exact(&mut told).map_err(|e| format!("{} ended: {e}", self.name))?;
        Ok(Duration::from_nanos(u64::from_ne_bytes(told)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.to.take());
        let _ = self.child.wait();
    }
}

/// The other end, for this program itself: does `act` for each byte.
pub fn serve(mut act: impl FnMut() -> Result<()>) -> Result<()> {
    act()?;
    let mut took = Duration::ZERO;
    loop {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let told = stdout().write_all(&nanoseconds.to_ne_bytes()).and_then(|()| stdout().flush());
        if told.is_err() || stdin().read_exact(&mut [0]).is_err() {
            return Ok(());
        }
        let begin = Instant::now();
        act()?;
        took = begin.elapsed();
    }
}
