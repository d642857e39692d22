//! What the library, the nursery, a rootlet's pid 1 and a worker say to each other; compiled into both sides.
//!
//! A message is one datagram of a `SOCK_SEQPACKET` pair: a `u32` kind, then its fields. Numbers are in the machine's
//! byte order (both ends are on one machine); a string is a `u32` length, the bytes, and a NUL that is not counted, so
//! that the receiver can hand it to the kernel where it lies. Descriptors travel beside (`SCM_RIGHTS`). A message that
//! is larger than a datagram lies in a memfd, which is then its last descriptor, and its kind bears [`IN_MEMFD`].

/// The largest message that travels as a datagram.
pub const DATAGRAM: usize = 32 * 1024;
/// The most descriptors in one message (the kernel's own limit is 253).
pub const MAX_FDS: usize = 16;
/// Flag of a kind: the fields are in the memfd that is the last descriptor.
pub const IN_MEMFD: u32 = 0x8000_0000;

/// What the library asks of the nursery.
pub mod ask {
    /// capabilities `u64`, pass `u64`, filter (a string of `sock_filter`s): put all that comes after under the filter, and
    /// let no command have other capabilities. Not answered.
    pub const CONFINE: u32 = 9;
    /// The id maps are written: become the namespace's root, build the small tree. Answered by `HELLO`. Where one id stands for all:
    /// uid, gid, number of groups, groups.
    pub const MAPPED: u32 = 1;
    /// `id`, `path`: make the host's directory or file `path` available as source `id`. Answered.
    pub const SOURCE_PATH: u32 = 2;
    /// `id`; a detached mount as descriptor: make it available as source `id`. Answered.
    pub const SOURCE_MOUNT: u32 = 3;
    /// `id`, entries: make a small tree in memory as source `id`. Answered.
    pub const SOURCE_TREE: u32 = 4;
    /// `namespaces`, `last`, plan; the socket of the new rootlet as descriptor, then what the plan refers to. Answered there.
    /// After its last rootlet the nursery ends.
    pub const SPAWN: u32 = 5;
    /// The socket of the new worker as descriptor. Answered there.
    pub const WORKER: u32 = 6;
    /// `id`, `from`, `whiteouts`: a copy of the source `from`, in memory, as source `id`; where `whiteouts` is 1, of them alone.
    /// Answered.
    pub const SOURCE_COPY: u32 = 8;
    /// `id`: forget a source. Not answered.
    pub const SOURCE_DROP: u32 = 7;
}

/// What comes back. Every answer is: kind, `i32` errno (0 is success), `u32` step, then what the question defines.
pub mod tell {
    /// The nursery has made its user namespace and waits for the maps.
    pub const UNSHARED: u32 = 101;
    /// The nursery is ready; fields: flags.
    pub const HELLO: u32 = 102;
    /// Answer to a question.
    pub const ANSWER: u32 = 103;
    /// pid 1 stands; its pidfd as descriptor. Fields: whether /proc is the host's. With an errno: the step of the plan that failed.
    pub const READY: u32 = 104;
}

/// Flags of `HELLO`.
pub mod hello {
    /// tmpfs takes `user.*` attributes here, so that the upper layer can be in memory (Linux 6.6).
    pub const TMPFS_XATTRS: u32 = 1;
    /// What failed on the way is told by the step; nothing works then.
    pub const STEP_NAMES: [&str; 13] = [
        "make a user namespace",
        "make a mount namespace",
        "become root of the user namespace",
        "clone the mount of /proc",
        "mount a tmpfs",
        "change to the small tree",
        "clone a device node",
        "build /dev",
        "make a directory",
        "close descriptors",
        "install the system call filter",
        "drop capabilities",
        "prepare to work without namespaces",
    ];
}

/// Operations of a plan, which a new pid 1 walks. All paths outside the root are in the nursery's small tree; a `target`
/// is resolved inside the new root.
pub mod op {
    /// `data`: a tmpfs at `/up`, for the writable layer.
    pub const UPPER_TMPFS: u32 = 1;
    /// `data`: an overlay is mounted as the new root.
    pub const ROOT_OVERLAY: u32 = 3;
    /// `target`, `data`: an overlay at a place of the new root.
    pub const OVERLAY: u32 = 5;
    /// `target`, `source` (a place of the small tree), recursive, attributes (`MOUNT_ATTR_*`): bind it there.
    pub const BIND: u32 = 6;
    /// `target`, attributes, number of options, each key and value: a tmpfs.
    pub const TMPFS: u32 = 7;
    /// The same fields: a new procfs.
    pub const PROC: u32 = 8;
    /// `target`: the prepared /dev.
    pub const DEV: u32 = 9;
    /// The same fields: a new devpts.
    pub const DEVPTS: u32 = 10;
    /// `path`, `mode`, `uid`, `gid`: a directory, made if it is missing, its missing parents as root's.
    pub const MKDIR: u32 = 11;
    /// `path`: an empty file, made if it is missing, for a file to be bound on.
    pub const TOUCH: u32 = 12;
    /// `name`: sethostname.
    pub const HOSTNAME: u32 = 13;
    /// Bring loopback up.
    pub const LOOPBACK: u32 = 14;
    /// Make the new root `/`; at the end of the plan, everything else is let go of.
    pub const ENTER: u32 = 15;
    /// The root itself becomes read-only, and what is held.
    pub const READ_ONLY: u32 = 16;
    /// `target`: hold what is mounted there, for `READ_ONLY`.
    pub const HOLD: u32 = 17;
    /// `path`: keep this directory of the small tree open, as the next of the trees that questions can name.
    pub const KEEP_OPEN: u32 = 18;
    /// `path`, `mode`: a directory of the small tree.
    pub const MKDIR_OUTSIDE: u32 = 19;
    /// `path`, `to`: copy what the root has in directory `path` into the directory `to` of the small tree, owners and all.
    pub const COPY_OUT: u32 = 20;
    /// Whether sticky directories hold what is somebody else's, then three filters (strings of `sock_filter`s): for the user's
    /// commands, for those where that is so, and for root's. pid 1 answers what they ask.
    pub const SUPERVISE: u32 = 21;
    /// `path` (the host's), uid, gid, number of groups, the groups: that directory becomes `/`, by chroot(2). Files that
    /// the others may reach by other names are copied before anybody but this user changes them.
    pub const CHROOT: u32 = 22;
    /// Whether `path` is of the small tree, `path`, `mode`, `uid`, `gid`: whose something is that the plan has made.
    pub const OWN: u32 = 23;
    /// `target`, access (0 writable, 1 read-only, 2 hidden), whether it may be missing, a directory and a file of the small tree
    /// that hide: mount it on itself, or one of the two on it.
    pub const ITSELF: u32 = 24;
    /// `path`, `value`: write a kernel parameter of the new root's /proc.
    pub const SYSCTL: u32 = 25;
    /// `path`, `like`: a directory of the small tree, with the owner and mode of another one.
    pub const MKDIR_LIKE: u32 = 26;
    /// The tmpfs at `/up` gets no more room than it uses.
    pub const FILL: u32 = 27;
}

/// What the library asks of a rootlet's pid 1.
pub mod init {
    /// Start a command; its fields are at [`super::exec`]. Answer: its number.
    pub const EXEC: u32 = 1;
    /// `number`, `signal`, `group`: send a signal to a command that pid 1 started (`group`: 1 for its process group).
    pub const KILL: u32 = 2;
    /// `signal`: to every process of the rootlet but pid 1.
    pub const KILL_ALL: u32 = 3;
    /// `who`, `tree`, `path`, `flags`, `mode`: a file, as descriptor.
    pub const OPEN: u32 = 4;
    /// `who`, `tree`, `path`, `follow`: answer: a `Stat`.
    pub const STAT: u32 = 5;
    /// `who`, `path`, `mode`, `parents`.
    pub const MKDIR: u32 = 6;
    /// `who`, `path`, `flags` (AT_REMOVEDIR).
    pub const UNLINK: u32 = 7;
    /// `who`, `path`: and all below.
    pub const REMOVE_ALL: u32 = 8;
    /// `who`, `from`, `to`.
    pub const RENAME: u32 = 9;
    /// `who`, `path`, `target`.
    pub const SYMLINK: u32 = 10;
    /// `who`, `path`, `existing`.
    pub const LINK: u32 = 11;
    /// `who`, `tree`, `path`: answer: the target.
    pub const READLINK: u32 = 12;
    /// `who`, `path`, `mode`.
    pub const CHMOD: u32 = 13;
    /// `who`, `path`, `uid`, `gid`, `follow`.
    pub const CHOWN: u32 = 14;
    /// `who`, `tree`, `path`, `cookie`: answer: next cookie (0 at the end), then entries: name and `Stat` each.
    pub const LIST: u32 = 15;
    /// `port`, family: a socket that connects to the port on loopback; connecting goes on, not blocking.
    pub const CONNECT: u32 = 16;
    /// A new pty: the master as descriptor. The answer's number is the slave's.
    pub const PTY: u32 = 17;
    /// `tree`; a directory's descriptor: copy the tree there, owners and all.
    pub const COPY_TREE: u32 = 18;
    /// `who`, `path`, atime, mtime (seconds, nanoseconds each).
    pub const UTIMES: u32 = 19;
    /// `who`, `tree`, `path`, `name`: an extended attribute's value.
    pub const GETXATTR: u32 = 21;
    /// Answer: how many processes the rootlet has besides pid 1.
    pub const COUNT: u32 = 22;
    /// `port`, IPv4 address: a socket that listens there.
    pub const LISTEN: u32 = 23;
    /// All commands are traced: their tracers are to hear of the calls that pid 1 refuses (see [`super::TOLD_BY`]).
    pub const TELL_TRACERS: u32 = 24;
}

/// The signal by which a tracer hears that pid 1 has refused the call which has just ended: tkill(2) sends it, and no process can
/// have it blocked. Who is not traced would stop.
pub const TOLD_BY: i32 = 19;

/// Fields of `EXEC`, in order: `flags` (see [`exec`]), uid, gid, number of groups, the groups, umask, effective
/// capabilities `u64`, number of rlimits, each (resource, soft `u64`, hard `u64`), work directory, pty number, number of
/// arguments, the arguments, number of variables, the variables. Descriptors: status pipe, then stdin, stdout, stderr where the flags say that they come.
///
/// Here are its flags, and the steps that a failure names.
pub mod exec {
    /// The command runs on the pty whose number is given.
    pub const PTY: u32 = 2;
    /// PR_SET_NO_NEW_PRIVS.
    pub const NO_NEW_PRIVS: u32 = 4;
    /// pid 1 ends when the command has.
    pub const LAST: u32 = 8;
    /// The command is to be traced: a filter (a string of `sock_filter`s) comes after the variables, and a socket as last
    /// descriptor. The answer comes at once, with the child's pidfd. The child sends a byte on the socket when it
    /// can be traced, waits for one, comes under the filter, and
    /// executes; where it cannot, it writes step and errno there.
    pub const TRACED: u32 = 16;

    /// Steps of a failed start.
    pub const STEP_CLONE: u32 = 1;
    /// Opening or taking the terminal.
    pub const STEP_TTY: u32 = 2;
    /// setrlimit(2).
    pub const STEP_RLIMIT: u32 = 3;
    /// setgroups, setresgid, setresuid.
    pub const STEP_IDENTITY: u32 = 4;
    /// Capabilities.
    pub const STEP_CAPABILITIES: u32 = 5;
    /// chdir(2).
    pub const STEP_WORKDIR: u32 = 6;
    /// PR_SET_NO_NEW_PRIVS.
    pub const STEP_PRIVILEGES: u32 = 7;
    /// execve(2).
    pub const STEP_EXEC: u32 = 8;
    /// The message could not be read: a bug, or more arguments than fit.
    pub const STEP_MESSAGE: u32 = 9;
    /// Waiting for the tracer, and coming under its filter.
    pub const STEP_TRACE: u32 = 10;
}

/// Entries of a stream that makes a tree (`SOURCE_TREE`, and what a worker reads).
pub mod tree {
    /// `path`, mode, uid, gid: a directory.
    pub const DIRECTORY: u32 = 1;
    /// `path`, mode, uid, gid, mtime, size `u64`; the bytes follow as `DATA`.
    pub const FILE: u32 = 2;
    /// Bytes of the file that was named last.
    pub const DATA: u32 = 3;
    /// `path`, `target`, uid, gid, mtime, atime.
    pub const SYMLINK: u32 = 4;
    /// `path`, `existing`.
    pub const HARD_LINK: u32 = 5;
    /// `path`, mode with the type bits (FIFO, socket, or a character device: a whiteout), uid, gid, mtime,
    /// atime.
    pub const NODE: u32 = 6;
    /// `path`, `name`, `value`: an extended attribute.
    pub const XATTR: u32 = 7;
    /// `path`, mtime.
    pub const TIMES: u32 = 8;
    /// The end of the stream; a worker answers.
    pub const END: u32 = 9;
    /// A worker: begin below the directory whose descriptor comes along.
    pub const BEGIN: u32 = 10;
    /// A worker: remove all that is in the directory whose descriptor comes along. Answered.
    pub const EMPTY: u32 = 11;
    /// A worker: `path`, flags: open it below the directory whose descriptor comes along. Answer: it as descriptor, then name and
    /// value of each attribute.
    pub const OPEN: u32 = 12;
}

/// What `STAT` and `LIST` tell of a file: eleven `u64`s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Device.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Type and permission bits.
    pub mode: u64,
    /// Hard links.
    pub nlink: u64,
    /// Owner, seen from inside.
    pub uid: u64,
    /// Group, seen from inside.
    pub gid: u64,
    /// Bytes.
    pub size: u64,
    /// Device of a device node.
    pub rdev: u64,
    /// Blocks of 512 bytes.
    pub blocks: u64,
    /// Seconds of the modification time.
    pub mtime: u64,
    /// Nanoseconds of it.
    pub mtime_nsec: u64,
}

impl Stat {
    /// The numbers in their order.
    pub fn words(&self) -> [u64; 11] {
        let s = self;
        [s.dev, s.ino, s.mode, s.nlink, s.uid, s.gid, s.size, s.rdev, s.blocks, s.mtime, s.mtime_nsec]
    }

    /// Back from the numbers.
    pub fn from_words(w: [u64; 11]) -> Self {
        let [dev, ino, mode, nlink, uid, gid, size, rdev, blocks, mtime, mtime_nsec] = w;
        Self { dev, ino, mode, nlink, uid, gid, size, rdev, blocks, mtime, mtime_nsec }
    }
}

/// Reads the fields of a message; every read is checked against its end.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of these bytes.
    pub fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(n)?;
        self.rest = tail;
        Some(head)
    }

    /// A number of four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_ne_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A number of eight bytes.
    pub fn u64(&mut self) -> Option<u64> {
        Some(u64::from_ne_bytes(self.take(8)?.try_into().ok()?))
    }

    /// A string, with the NUL that ends it.
    pub fn c_str(&mut self) -> Option<&'a [u8]> {
        let n = self.u32()? as usize;
        let s = self.take(n.checked_add(1)?)?;
        (s[n] == 0).then_some(s)
    }

    /// A string without its NUL.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let s = self.c_str()?;
        Some(&s[..s.len() - 1])
    }

    /// A `Stat`.
    pub fn stat(&mut self) -> Option<Stat> {
        let mut words = [0; 11];
        for w in &mut words {
            *w = self.u64()?;
        }
        Some(Stat::from_words(words))
    }
}
