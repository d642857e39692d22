//! Who hears how far it is.

use std::fmt;

/// Hears how far pulling and unpacking are. Calls come from several threads, often: an implementation is
/// quick.
pub trait Progress: Send + Sync {
    /// Something of `total` bytes begins; `None` when the size is not known. `id` is the same in the calls
    /// that follow.
    fn begin(&self, id: &str, step: Step, total: Option<u64>) {
        let _ = (id, step, total);
    }
    /// So many bytes of it are done, counted from its beginning.
    fn advance(&self, id: &str, step: Step, done: u64) {
        let _ = (id, step, done);
    }
    /// It is over: complete, or given up.
    fn end(&self, id: &str, step: Step) {
        let _ = (id, step);
    }
    /// Something a person should know: what was left out, another registry that was tried.
    fn note(&self, text: &str) {
        let _ = text;
    }
}

impl fmt::Debug for dyn Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A layer is downloaded; bytes are packed ones.
    Download,
    /// A layer is unpacked; bytes are packed ones.
    Unpack,
    /// A file is read to find its digest, or what it says.
    Read,
    /// A layer is packed for somebody else; bytes are those that it had before.
    Pack,
    /// A layer is uploaded; bytes are packed ones.
    Upload,
    /// A script runs in the root; nobody knows how much is left.
    SetUp,
}

/// Nobody hears.
pub(crate) struct Silent;

impl Progress for Silent {}

/// Something that is under way. Its end is told when it is dropped, so that a failure is not taken for work
/// that goes on.
pub(crate) struct Task<'a> {
    progress: &'a dyn Progress,
    id: &'a str,
    step: Step,
}

impl<'a> Task<'a> {
    pub(crate) fn begin(progress: &'a dyn Progress, id: &'a str, step: Step, total: Option<u64>) -> Self {
        progress.begin(id, step, total);
        Self { progress, id, step }
    }

    pub(crate) fn advance(&self, done: u64) {
        self.progress.advance(self.id, self.step, done);
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        self.progress.end(self.id, self.step);
    }
}
