//! What a command says, while it says it.

use super::secret::Scrubber;
use crate::Child;
use crate::functions::Hears;
use std::io::{PipeReader, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Hears both streams of a command.
pub(super) struct Capture {
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    combined: Arc<Mutex<Vec<u8>>>,
}

impl Capture {
    /// Begins to hear; secrets are taken out.
    pub fn begin(child: &mut Child, scrubber: &Scrubber, hears: &Arc<dyn Hears>, id: u64) -> Self {
        let combined = Arc::new(Mutex::new(Vec::new()));
        let hear = |pipe: Option<PipeReader>| {
            let (scrubber, hears, combined) = (scrubber.clone(), hears.clone(), combined.clone());
            pipe.map(|pipe| {
                std::thread::spawn(move || {
                    listen(pipe, &scrubber, |bytes| {
                        combined.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
                        hears.said(id, bytes);
                    })
                })
            })
        };
        let (stdout, stderr) = (hear(child.stdout.take()), hear(child.stderr.take()));
        Self { stdout, stderr, combined }
    }

    /// Standard output, standard error, and both in the order in which they were heard.
    pub fn end(self) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let whole =
            |thread: Option<JoinHandle<Vec<u8>>>| thread.and_then(|t| t.join().ok()).unwrap_or_default();
        let (stdout, stderr) = (whole(self.stdout), whole(self.stderr));
        let combined = std::mem::take(&mut *self.combined.lock().unwrap_or_else(PoisonError::into_inner));
        (stdout, stderr, combined)
    }
}

fn listen(mut pipe: PipeReader, scrubber: &Scrubber, mut hears: impl FnMut(&[u8])) -> Vec<u8> {
    let (mut all, mut held, mut room) = (Vec::new(), Vec::new(), vec![0; 64 << 10]);
    loop {
        let read = match pipe.read(&mut room) {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            read => read.unwrap_or(0),
        };
        held.extend_from_slice(&room[..read]);
        let (out, looked_at) = scrubber.scrub(&held, read == 0);
        held.drain(..looked_at);
        if !out.is_empty() {
            hears(&out);
            all.extend(out);
        }
        if read == 0 {
            return all;
        }
    }
}
