//! What of a call that did not stop is worth a stop.

/// Which results are of interest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// A bit for each errno below 32.
    pub errnos: u32,
    /// 0 is of interest, too, where a directory like this was found.
    pub directory: Option<Directory>,
}

/// A directory that is of interest: somebody else's, or with a mode that has one of these bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directory {
    /// The argument that points to a `struct stat`: 0, 1 or 2.
    pub argument: usize,
    /// Whose are not of interest.
    pub not_of: u32,
    /// Bits of 07777.
    pub mode: u32,
}
