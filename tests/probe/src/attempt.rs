//! Things to try, and how each ends: `probe attempts FILE`.

use serde::{Deserialize, Serialize};

/// One thing to try, on paths of its own: what another attempt does leaves it as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// What.
    pub operation: Operation,
    /// On what; empty for what concerns the process alone.
    pub path: String,
    /// The second path of an operation that has two; of a symlink, what is in it.
    pub other: String,
    /// Whether the outcome says, too, whose the file of the last path is then and which mode it has.
    pub look: bool,
}

/// A system call, or the few that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Opens for reading.
    Read,
    /// Opens for reading without a trace in the time of access.
    ReadNoAtime,
    /// Opens for writing, and writes a byte, which takes setuid and setgid away.
    Write,
    /// Opens for appending.
    Append,
    /// Opens with O_TRUNC.
    Truncate,
    /// Opens for writing with O_CREAT what may be there.
    OpenOrCreate,
    /// Asks access(2): a sum of 4, 2 and 1.
    Access(u8),
    /// Reads the names in a directory.
    List,
    /// Asks for the attributes.
    Stat,
    /// Makes it the work directory.
    Chdir,
    /// Runs it. That ends in `ok N`, where N is what the program exited with.
    Exec,
    /// Makes a file that must not be there.
    Create,
    /// Makes a file without a name in a directory.
    Nameless,
    /// Makes a directory.
    Mkdir,
    /// Makes a FIFO.
    Mkfifo,
    /// Makes a symlink.
    Symlink,
    /// Gives the first path's file the second as another name.
    Link,
    /// Removes a name.
    Unlink,
    /// Removes a directory.
    Rmdir,
    /// Renames the first path to the second.
    Rename,
    /// Likewise, but replaces nothing.
    RenameNoReplace,
    /// Swaps the two.
    Exchange,
    /// Changes the mode.
    Chmod(u32),
    /// Opens for reading and changes the mode of what is open.
    Fchmod(u32),
    /// Changes owner and group; `None` stands for -1.
    Chown(Option<u32>, Option<u32>),
    /// Likewise, of a symlink itself.
    Lchown(Option<u32>, Option<u32>),
    /// utimensat(2) with NULL: the times become now.
    Touch,
    /// utimensat(2) with times of our own.
    SetTimes,
    /// Sets an extended attribute `user.*`.
    SetAttribute,
    /// Becomes another user.
    SetUid(u32),
    /// Becomes a member of another primary group.
    SetGid(u32),
    /// Takes on supplementary groups.
    SetGroups(Vec<u32>),
}
