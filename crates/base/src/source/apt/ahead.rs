//! Packages are unpacked side by side, and handed over one after the other.

use super::database::Control;
use super::deb::Deb;
use crate::{Error, ErrorKind, Result};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Bytes that are handed over at once, and how many such parts of a package may wait for their turn.
const PART: usize = 256 << 10;
const PARTS_AHEAD: usize = 8;

/// Hands over the packages in their order, while others unpack those that come next.
pub(super) fn ahead(
    debs: &[PathBuf],
    mut each: impl FnMut(usize, Result<Control>, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let (senders, receivers): (Vec<_>, Vec<_>) = debs.iter().map(|_| sync_channel(PARTS_AHEAD)).unzip();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (senders, next) = (senders.clone(), &next);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(path) = debs.get(at) else { return };
                    // Nobody wants it: the others have failed.
                    if feed(path, &senders[at]).is_none() {
                        return;
                    }
                }
            });
        }
        drop(senders);
        for (at, parts) in receivers.into_iter().enumerate() {
            let control = match parts.recv() {
                Ok(Part::Control(control)) => control,
                _ => Err(Error::new(ErrorKind::Io, "nobody reads it")),
            };
            let mut data = Parts { parts, current: Vec::new(), at: 0, ended: false };
            each(at, control, &mut data)?;
            // What stands behind the end of the tar, too: its packer's checksum, and a reader that is not to be taken for one given up.
            io::copy(&mut data, &mut io::sink()).map_err(|e| Error::io("failed to read a package", e))?;
        }
        Ok(())
    })
}

enum Part {
    Control(Result<Control>),
    Data(io::Result<Vec<u8>>),
    End,
}

/// Reads one package; `None` when nobody wants it.
fn feed(path: &Path, to: &SyncSender<Part>) -> Option<()> {
    let opened = Deb::open(path).and_then(|mut deb| Ok((Control::read(deb.control()?)?, deb)));
    let deb = match opened {
        Ok((control, deb)) => {
            to.send(Part::Control(Ok(control))).ok()?;
            deb
        }
        Err(e) => return to.send(Part::Control(Err(e))).ok(),
    };
    let mut data = match deb.data() {
        Ok(data) => data,
        Err(e) => return to.send(Part::Data(Err(e.into()))).ok(),
    };
    loop {
        let mut part = Vec::with_capacity(PART);
        match (&mut data).take(PART as u64).read_to_end(&mut part) {
            Ok(0) => return to.send(Part::End).ok(),
            Ok(_) => to.send(Part::Data(Ok(part))).ok()?,
            Err(e) => return to.send(Part::Data(Err(e))).ok(),
        }
    }
}

/// What one package's reader sends.
struct Parts {
    parts: Receiver<Part>,
    current: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.current.len() && !self.ended {
            match self.parts.recv() {
                Ok(Part::Data(part)) => (self.current, self.at) = (part?, 0),
                Ok(Part::End) => self.ended = true,
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let read = buffer.len().min(self.current.len() - self.at);
        buffer[..read].copy_from_slice(&self.current[self.at..self.at + read]);
        self.at += read;
        Ok(read)
    }
}
