//! A new rootlet's first process walks the plan: every operation is one or two system calls. The first that fails ends
//! it, and the library, which still owns the plan, says what it was.

use crate::init;
use crate::launch;
use crate::links;
use crate::message::Answer;
use crate::one_id::Owner;
use crate::owner;
use crate::path::Numbered;
use crate::plain;
use crate::sys::{self, Fd, Result, Str, lit};
use crate::tree;
use crate::wire::{Reader, op, tell};
use core::cell::UnsafeCell;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;

/// Descriptors that are kept: a host has as many parts as it has mounts, and each of them some trees.
struct Kept {
    room: &'static mut [Fd; MAX_KEPT],
    count: usize,
}

const MAX_KEPT: usize = 4096;

/// Only what is used of it ever becomes memory.
struct Room(UnsafeCell<[Fd; MAX_KEPT]>);

// SAFETY: one thread.
unsafe impl Sync for Room {}

static TREES: Room = Room(UnsafeCell::new([0; MAX_KEPT]));
static HELD: Room = Room(UnsafeCell::new([0; MAX_KEPT]));

impl Kept {
    fn of(room: &'static Room) -> Self {
        // SAFETY: one thread, which asks for each room once.
        Self { room: unsafe { &mut *room.0.get() }, count: 0 }
    }

    fn push(&mut self, fd: Fd) -> Result<()> {
        *self.room.get_mut(self.count).ok_or(sys::EMFILE)? = fd;
        self.count += 1;
        Ok(())
    }

    fn get(&self) -> &[Fd] {
        &self.room[..self.count]
    }
}

/// What the operations share.
struct Setup {
    /// The new root, once there is one.
    root: Fd,
    /// Directories of the small tree that questions can name.
    trees: Kept,
    /// Parts of the new root that become read-only with it.
    held: Kept,
    /// The new root is `/`, and the old tree still there.
    entered: bool,
}

pub fn run(socket: Fd, plan: Reader) -> ! {
    sys::set_name(lit(c"rootlet-init"));
    let mut setup = Setup { root: -1, trees: Kept::of(&TREES), held: Kept::of(&HELD), entered: false };
    let mut rest = plan;
    let mut step = 0;
    while !rest.is_empty() {
        if let Err(errno) = setup.perform(&mut rest) {
            let _ = Answer::failed(tell::READY, step, errno).send(socket);
            sys::exit(1);
        }
        step += 1;
    }
    if setup.root >= 0 {
        sys::close(setup.root);
    }
    // pid 1 is never to be looked into, whatever right somebody inside has been given.
    let _ = sys::prctl(4, 0, 0);
    let pidfd = sys::pidfd_open(sys::getpid());
    let mut ready = Answer::new(tell::READY);
    ready.u32(proc_is_the_hosts().into());
    if ready.send_with(socket, pidfd.ok()).is_err() {
        sys::exit(1);
    }
    if let Ok(fd) = pidfd {
        sys::close(fd);
    }
    init::block_signals();
    // The kernel takes its time for this, which the library needs to ask for a command.
    if setup.let_go().is_err() {
        sys::exit(1);
    }
    init::run(socket, setup.trees.get())
}

/// From here on pid 1 is asked about what commands call.
fn supervise(fields: &mut Reader) -> Result<()> {
    if number(fields)? != 0 {
        launch::set_beside_others();
    }
    let mut filters = [&b""[..]; 3];
    for filter in &mut filters {
        *filter = fields.bytes().ok_or(sys::EBADMSG)?;
    }
    init::block_signals();
    launch::supervise(filters)
}

fn make_directory_like(path: Str, like: Str) -> Result<()> {
    let directory = sys::O_PATH | sys::O_DIRECTORY;
    let model = sys::openat(sys::AT_FDCWD, like, directory, 0)?;
    let stat = sys::fstat(model);
    sys::close(model);
    let stat = stat?;
    let mode = u32::from(stat.mode) & 0o7777;
    sys::mkdirat(sys::AT_FDCWD, path, mode)?;
    if owner::one().is_some() {
        return Ok(());
    }
    let made = sys::openat(sys::AT_FDCWD, path, directory, 0)?;
    let given = owner::give(made, Owner { uid: stat.uid, gid: stat.gid, mode });
    sys::close(made);
    given
}

/// Takes away the room that the tmpfs at `/up` has beyond what is in use. One block is, since no limit is written as 0.
fn fill() -> Result<()> {
    let file = sys::openat(sys::AT_FDCWD, lit(c"/up/full"), sys::O_CREAT | sys::O_WRONLY, 0o600)?;
    let used = sys::write_all(file, &[1]).and_then(|()| sys::blocks_in_use(file));
    sys::close(file);
    let limit = Numbered::new(b"nr_blocks=", used? as u32, b"");
    let flags = sys::MS_REMOUNT | sys::MS_NOSUID | sys::MS_NODEV;
    sys::mount(lit(c"rootlet"), lit(c"/up"), lit(c"tmpfs"), flags, limit.get()?).map(|_| ())
}

fn text<'a>(fields: &mut Reader<'a>) -> Result<Str<'a>> {
    fields.c_str().ok_or(sys::EBADMSG).and_then(Str::new)
}

fn number(fields: &mut Reader) -> Result<u32> {
    fields.u32().ok_or(sys::EBADMSG)
}

/// Key and value pairs of a file system's options.
fn options<'a>(fields: &mut Reader<'a>, room: &mut [(Str<'a>, Str<'a>); 8]) -> Result {
    let n = number(fields)? as usize;
    for pair in room.get_mut(..n).ok_or(sys::EBADMSG)? {
        *pair = (text(fields)?, text(fields)?);
    }
    Ok(n)
}

impl Setup {
    fn perform(&mut self, fields: &mut Reader) -> Result<()> {
        let here = sys::AT_FDCWD;
        match number(fields)? {
            op::UPPER_TMPFS => {
                let data = text(fields)?;
                sys::mount(
                    lit(c"rootlet"),
                    lit(c"/up"),
                    lit(c"tmpfs"),
                    sys::MS_NOSUID | sys::MS_NODEV,
                    data,
                )?;
            }
            op::MKDIR_OUTSIDE => {
                let (path, mode) = (text(fields)?, number(fields)?);
                // What nobody else enters needs no owner.
                match mode & 0o077 {
                    0 => drop(sys::mkdirat(here, path, mode)?),
                    _ => owner::make_directory(here, path, mode)?,
                }
            }
            op::MKDIR_LIKE => make_directory_like(text(fields)?, text(fields)?)?,
            op::ROOT_OVERLAY => {
                let data = text(fields)?;
                sys::mount(lit(c"rootlet"), lit(c"/root"), lit(c"overlay"), 0, data)?;
                self.open_root()?;
            }
            op::OVERLAY => self.overlay(fields)?,
            op::BIND => self.bind(fields)?,
            op::TMPFS => self.tmpfs(fields)?,
            op::PROC => self.proc(fields)?,
            op::DEVPTS => self.file_system(lit(c"devpts"), fields)?,
            op::DEV => {
                let target = self.target(text(fields)?)?;
                sys::move_mount_path(lit(c"/dev"), target)?;
                sys::close(target);
            }
            op::MKDIR => {
                let path = text(fields)?;
                let (mode, uid, gid) = (number(fields)?, number(fields)?, number(fields)?);
                self.mkdir(path, mode, uid, gid)?;
            }
            op::TOUCH => {
                let path = text(fields)?;
                tree::make_parents(self.root, path)?;
                let flags = sys::O_CREAT | sys::O_WRONLY | sys::O_NONBLOCK | sys::O_NOCTTY;
                sys::close(sys::openat2(self.root, path, flags, 0o644, INSIDE)?);
            }
            op::OWN => {
                let (outside, path) = (number(fields)?, text(fields)?);
                let (mode, uid, gid) = (number(fields)?, number(fields)?, number(fields)?);
                let made = match outside {
                    0 => self.target(path)?,
                    _ => sys::openat(here, path, sys::O_PATH | sys::O_NOFOLLOW, 0)?,
                };
                let given = owner::give(made, Owner { uid, gid, mode });
                sys::close(made);
                given?;
            }
            op::ITSELF => self.itself(fields)?,
            op::SYSCTL => {
                let (path, value) = (text(fields)?, text(fields)?);
                let file = sys::openat2(self.root, path, sys::O_WRONLY, 0, INSIDE)?;
                let written = sys::write(file, value.bytes());
                sys::close(file);
                written?;
            }
            op::HOSTNAME => drop(sys::sethostname(text(fields)?.bytes())?),
            op::LOOPBACK => loopback_up()?,
            op::ENTER => self.enter()?,
            op::HOLD => {
                let target = self.target(text(fields)?)?;
                self.held.push(target)?;
            }
            op::READ_ONLY => self.read_only()?,
            op::KEEP_OPEN => {
                let path = text(fields)?;
                self.trees.push(sys::openat(here, path, sys::O_PATH | sys::O_DIRECTORY, 0)?)?;
            }
            op::COPY_OUT => self.copy_out(fields)?,
            op::FILL => fill()?,
            op::SUPERVISE => supervise(fields)?,
            op::CHROOT => self.chroot(fields)?,
            _ => return Err(sys::ENOSYS),
        }
        Ok(())
    }

    fn open_root(&mut self) -> Result<()> {
        self.root = sys::openat(sys::AT_FDCWD, lit(c"/root"), sys::O_PATH | sys::O_DIRECTORY, 0)?;
        Ok(())
    }

    /// A place of the new root, however hostile its symlinks: it is never outside.
    fn target(&self, path: Str) -> Result<Fd> {
        sys::openat2(self.root, path, sys::O_PATH, 0, INSIDE)
    }

    fn overlay(&mut self, fields: &mut Reader) -> Result<()> {
        let target = self.target(text(fields)?)?;
        let data = text(fields)?;
        // The overlay is made where nobody can interfere, and moved to its place by descriptor.
        sys::mount(lit(c"rootlet"), lit(c"/src"), lit(c"overlay"), 0, data)?;
        let moved = sys::move_mount_path(lit(c"/src"), target);
        sys::close(target);
        moved.map(|_| ())
    }

    fn bind(&mut self, fields: &mut Reader) -> Result<()> {
        let target = self.target(text(fields)?)?;
        let source = text(fields)?;
        let (recursive, attributes) = (number(fields)?, number(fields)?);
        let flags = if recursive != 0 { sys::AT_RECURSIVE } else { 0 };
        let mount = sys::open_tree_clone(sys::AT_FDCWD, source, flags)?;
        if attributes != 0 {
            sys::mount_setattr(mount, flags, u64::from(attributes))?;
        }
        sys::move_mount(mount, target, lit(c""))?;
        if source.bytes().starts_with(b"/src/") {
            owner::add_the_hosts(mount)?;
        }
        sys::close(mount);
        sys::close(target);
        Ok(())
    }

    /// What lies in the new root, by descriptor, so that no symlink of it leads elsewhere.
    fn itself(&mut self, fields: &mut Reader) -> Result<()> {
        let path = text(fields)?;
        let (access, optional) = (number(fields)?, number(fields)?);
        let (directory, file) = (text(fields)?, text(fields)?);
        let target = match self.target(path) {
            Err(sys::ENOENT) if optional != 0 => return Ok(()),
            r => r?,
        };
        let mount = match access {
            2 => {
                let is_directory = u32::from(sys::fstat(target)?.mode) & sys::S_IFMT == sys::S_IFDIR;
                sys::open_tree_clone(sys::AT_FDCWD, if is_directory { directory } else { file }, 0)?
            }
            _ => sys::open_tree_clone(target, lit(c""), sys::AT_EMPTY_PATH | sys::AT_RECURSIVE)?,
        };
        if access == 1 {
            sys::mount_setattr(mount, sys::AT_RECURSIVE, sys::MOUNT_ATTR_RDONLY)?;
        }
        sys::move_mount(mount, target, lit(c""))?;
        sys::close(mount);
        sys::close(target);
        Ok(())
    }

    fn file_system(&mut self, fstype: Str, fields: &mut Reader) -> Result<()> {
        let target = self.target(text(fields)?)?;
        let attributes = number(fields)?;
        let mut room = [(lit(c""), lit(c"")); 8];
        let n = options(fields, &mut room)?;
        let mount = sys::fs_mount(fstype, &room[..n], u64::from(attributes))?;
        sys::move_mount(mount, target, lit(c""))?;
        sys::close(mount);
        sys::close(target);
        Ok(())
    }

    /// A /proc of its own; where parts of the host's are hidden, as in most containers, the kernel refuses one that would show
    /// them (`mount_too_revealing` of fs/namespace.c), and the host's has to do.
    fn proc(&mut self, fields: &mut Reader) -> Result<()> {
        let mut again = *fields;
        match self.file_system(lit(c"proc"), fields) {
            Err(sys::EPERM) => {}
            r => return r,
        }
        let target = self.target(text(&mut again)?)?;
        let proc = sys::open_tree_clone(sys::AT_FDCWD, lit(c"/proc"), sys::AT_RECURSIVE)?;
        let moved = sys::move_mount(proc, target, lit(c""));
        sys::close(proc);
        sys::close(target);
        PROC_IS_THE_HOSTS.store(true, Relaxed);
        moved.map(|_| ())
    }

    /// A directory that is there keeps its owner and mode.
    fn mkdir(&mut self, path: Str, mode: u32, uid: u32, gid: u32) -> Result<()> {
        match self.target(path) {
            Ok(fd) => {
                sys::close(fd);
                return Ok(());
            }
            Err(sys::ENOENT) => {}
            Err(e) => return Err(e),
        }
        tree::make_parents(self.root, path)?;
        tree::with_parent(self.root, path, |dir, name| {
            sys::mkdirat(dir, name, mode)?;
            let made = sys::openat(dir, name, sys::O_PATH | sys::O_NOFOLLOW, 0)?;
            let given = owner::give(made, Owner { uid, gid, mode });
            sys::close(made);
            given
        })
    }

    /// It belongs to whoever mounts it: to root, then.
    fn tmpfs(&mut self, fields: &mut Reader) -> Result<()> {
        let mut ahead = *fields;
        let path = text(&mut ahead)?;
        self.file_system(lit(c"tmpfs"), fields)?;
        if owner::acts_as_another_root() {
            let root = self.target(path)?;
            let mode = u32::from(sys::fstat(root)?.mode) & 0o7777;
            let given = owner::give(root, Owner { uid: 0, gid: 0, mode });
            sys::close(root);
            given?;
        }
        Ok(())
    }

    fn copy_out(&mut self, fields: &mut Reader) -> Result<()> {
        let (path, to) = (text(fields)?, text(fields)?);
        let from = sys::openat2(self.root, path, sys::O_RDONLY | sys::O_DIRECTORY, 0, INSIDE)?;
        let to = sys::openat(sys::AT_FDCWD, to, sys::O_RDONLY | sys::O_DIRECTORY, 0)?;
        let copied = tree::copy(from, to);
        sys::close(from);
        sys::close(to);
        copied
    }

    fn chroot(&mut self, fields: &mut Reader) -> Result<()> {
        sys::chdir(text(fields)?)?;
        sys::chroot(lit(c"."))?;
        links::belongs_to(fields)?;
        plain::adopt_orphans()
    }

    fn enter(&mut self) -> Result<()> {
        sys::fchdir(self.root)?;
        sys::pivot_root(lit(c"."), lit(c"."))?;
        self.entered = true;
        Ok(())
    }

    fn read_only(&mut self) -> Result<()> {
        sys::mount_setattr(self.root, 0, sys::MOUNT_ATTR_RDONLY)?;
        for &part in self.held.get() {
            sys::mount_setattr(part, 0, sys::MOUNT_ATTR_RDONLY)?;
            sys::close(part);
        }
        Ok(())
    }

    /// The old tree lies on the new one; without it, nothing of the host has a name here. Nothing is asked of pid 1 before.
    fn let_go(&self) -> Result<()> {
        if self.entered {
            sys::umount(lit(c"."), sys::MNT_DETACH)?;
            sys::chdir(lit(c"/"))?;
        }
        Ok(())
    }
}

static PROC_IS_THE_HOSTS: AtomicBool = AtomicBool::new(false);

/// Whether /proc is the host's, and its processes have the host's numbers.
pub fn proc_is_the_hosts() -> bool {
    PROC_IS_THE_HOSTS.load(Relaxed)
}

/// How every path of a root is resolved.
pub const INSIDE: u64 = sys::RESOLVE_IN_ROOT | sys::RESOLVE_NO_MAGICLINKS;

fn loopback_up() -> Result<()> {
    let fd = sys::socket(2, 2)?;
    // struct ifreq: the name, then the flags IFF_UP | IFF_RUNNING.
    let mut request = [0u8; 40];
    request[..2].copy_from_slice(b"lo");
    request[16..18].copy_from_slice(&0x41u16.to_ne_bytes());
    let done = sys::ioctl(fd, 0x8914, &mut request);
    sys::close(fd);
    done.map(|_| ())
}
