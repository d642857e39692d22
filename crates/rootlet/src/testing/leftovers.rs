//! What a test leaves behind.

use crate::{Change, Error, Result, Rootlet};
use rootlet_spec::{Net, Tier, printable};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

/// Something that is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leftover {
    /// A process.
    Process {
        /// Its number inside.
        pid: u32,
        /// Its user.
        uid: u32,
        /// Its program and arguments; its name in brackets where it has none.
        command: String,
    },
    /// Processes of which no more is known: where there is no /proc of the rootlet's own.
    Processes(u32),
    /// A TCP socket that listens, in a network of the rootlet's own.
    Socket(SocketAddr),
    /// A file.
    Change(Change),
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { pid, uid, command } => {
                write!(f, "process {pid}, of uid {uid}: {}", printable(command))
            }
            Self::Processes(count) => write!(f, "processes: {count}"),
            Self::Socket(address) => write!(f, "a socket that listens on {address}"),
            Self::Change(change) => write!(f, "{change:#}"),
        }
    }
}

/// How long a process may take to end after the command that started it.
const GRACE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(5);

impl Rootlet {
    /// What is still there and is not allowed: processes, sockets that listen (in a network of the rootlet's own), and changes other than at
    /// `allowed` paths or below them. A process that is just ending is waited for, half a second at most.
    ///
    /// # Errors
    /// The rootlet has ended.
    pub fn leftovers(&self, allowed: &[&str]) -> Result<Vec<Leftover>> {
        let deadline = Instant::now() + GRACE;
        let mut left = loop {
            let running = self.running()?;
            if running.is_empty() || Instant::now() > deadline {
                break running;
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "nobody but a parent is told when a process ends: it is looked at again"
            )]
            std::thread::sleep(PAUSE);
        };
        if self.spec().net != Net::Host {
            left.extend(self.listening().into_iter().map(Leftover::Socket));
        }
        let is_allowed = |change: &Change| allowed.iter().any(|path| change.path.starts_with(path));
        left.extend(self.changes()?.into_iter().filter(|change| !is_allowed(change)).map(Leftover::Change));
        Ok(left)
    }

    fn running(&self) -> Result<Vec<Leftover>> {
        let failed = |e| Error::io("failed to count the processes of a rootlet", e);
        let count = self.process_count().map_err(failed)?;
        if count == 0 {
            return Ok(Vec::new());
        }
        let own_proc = self.report().tier != Tier::Chroot
            && self.read("/proc/1/comm").is_ok_and(|name| name == b"rootlet-init\n");
        if !own_proc {
            return Ok(vec![Leftover::Processes(count)]);
        }
        let entries = self.read_dir("/proc").map_err(failed)?;
        let pids = entries.iter().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Ok(pids.filter(|pid| *pid != 1).filter_map(|pid| self.process(pid)).collect())
    }

    /// `None`: it has ended.
    fn process(&self, pid: u32) -> Option<Leftover> {
        let directory = Path::new("/proc").join(pid.to_string());
        let status = self.read_to_string(directory.join("status")).ok()?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if field("State:").is_none_or(|state| state.starts_with(['Z', 'X'])) {
            return None;
        }
        let uid = field("Uid:")?.split_whitespace().next()?.parse().ok()?;
        let words = self.read(directory.join("cmdline")).ok()?;
        let words = String::from_utf8_lossy(&words).trim_end_matches('\0').replace('\0', " ");
        let command = if words.is_empty() { format!("[{}]", field("Name:")?) } else { words };
        Some(Leftover::Process { pid, uid, command })
    }

    fn listening(&self) -> Vec<SocketAddr> {
        let tables =
            ["/proc/1/net/tcp", "/proc/1/net/tcp6"].map(|path| self.read_to_string(path).unwrap_or_default());
        tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(listener).collect()
    }
}

/// A line of /proc/net/tcp (proc_pid_net(5)): number, local address, remote address, state, of which 0A is listening.
fn listener(line: &str) -> Option<SocketAddr> {
    let mut fields = line.split_whitespace().skip(1);
    let (local, _, state) = (fields.next()?, fields.next()?, fields.next()?);
    let (address, port) = local.split_once(':').filter(|_| state == "0A")?;
    let port = u16::from_str_radix(port, 16).ok()?;
    // Words of 32 bits in the machine's byte order.
    let words = (0..address.len() / 8).map(|n| u32::from_str_radix(address.get(n * 8..n * 8 + 8)?, 16).ok());
    let words: Vec<u32> = words.collect::<Option<_>>()?;
    match words[..] {
        [word] => Some((Ipv4Addr::from(word.to_ne_bytes()), port).into()),
        [a, b, c, d] => {
            let mut bytes = [0; 16];
            for (place, word) in bytes.chunks_exact_mut(4).zip([a, b, c, d]) {
                place.copy_from_slice(&word.to_ne_bytes());
            }
            Some((Ipv6Addr::from(bytes), port).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_tables() {
        let told = |line| listener(line).map(|address| address.to_string());
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 0 1 1 0 100 0 0 10 0";
        assert_eq!(told(line).as_deref(), Some("127.0.0.1:8080"));
        let line = "   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 1";
        assert_eq!(told(line).as_deref(), Some("[::1]:80"));
        assert_eq!(told("   1: 0100007F:1F90 0100007F:C000 01 0:0 00:0 0 0 0 1"), None);
        assert_eq!(told("nonsense"), None);
    }
}
