//! Finding the facts.

use rootlet_probe::errno::{name, outcome};
use rootlet_probe::{Can, Caps, Facts, Ids, Mount, Stat};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::UdpSocket;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Looks at everything. Without `/proc` there is nothing to say, hence the error.
pub fn facts() -> io::Result<Facts> {
    // First of all, before anything here opens a descriptor.
    let descriptors = descriptors()?;
    let status = fields(&fs::read_to_string("/proc/self/status")?);
    let text = |name: &str| status.get(name).map_or("", String::as_str);
    Ok(Facts {
        uids: four(text("Uid")),
        gids: four(text("Gid")),
        groups: numbers(text("Groups")),
        caps: Caps {
            inheritable: mask(text("CapInh")),
            permitted: mask(text("CapPrm")),
            effective: mask(text("CapEff")),
            bounding: mask(text("CapBnd")),
            ambient: mask(text("CapAmb")),
        },
        no_new_privs: text("NoNewPrivs") == "1",
        seccomp: text("Seccomp").parse().unwrap_or(0),
        umask: u32::from_str_radix(text("Umask"), 8).unwrap_or(0),
        limits: limits(&fs::read_to_string("/proc/self/limits")?),
        cwd: std::env::current_dir().map_or_else(|error| name(&error), |path| path.display().to_string()),
        env: std::env::vars_os().map(|(name, value)| (lossy(&name), lossy(&value))).collect(),
        arguments: std::env::args_os().map(|word| lossy(&word)).collect(),
        hostname: trimmed("/proc/sys/kernel/hostname")?,
        uname: format!(
            "{} {} {}",
            trimmed("/proc/sys/kernel/ostype")?,
            trimmed("/proc/sys/kernel/osrelease")?,
            std::env::consts::ARCH
        ),
        ids: ids()?,
        ignored: signals(mask(text("SigIgn")) & !(1 << 12)),
        blocked: signals(mask(text("SigBlk"))),
        descriptors,
        mounts: fs::read_to_string("/proc/self/mountinfo")?.lines().filter_map(mount).collect(),
        devices: names("/dev")?,
        namespaces: namespaces()?,
        interfaces: interfaces(&fs::read_to_string("/proc/net/dev")?),
        loopback: loopback().is_ok(),
        uid_map: map("/proc/self/uid_map")?,
        gid_map: map("/proc/self/gid_map")?,
    })
}

/// Open descriptors by number.
pub fn descriptors() -> io::Result<BTreeMap<u32, String>> {
    let mut open = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        open.insert(number.unwrap_or(u32::MAX), lossy(fs::read_link(&path)?.as_os_str()));
    }
    // The directory that is being read is open too. Its link was read while it was, so it leads back to itself.
    let itself = format!("/proc/{}/fd", std::process::id());
    open.retain(|_, target| *target != itself);
    Ok(open)
}

/// What may be done with `path`.
pub fn can(path: &str) -> Can {
    let metadata = fs::metadata(path);
    let directory = match &metadata {
        Ok(found) if found.is_dir() => Path::new(path),
        _ => Path::new(path).parent().unwrap_or(Path::new("/")),
    };
    let scratch = directory.join(format!(".probe-{}", std::process::id()));
    let created = File::create_new(&scratch);
    Can {
        read: outcome(&File::open(path)),
        write: outcome(&OpenOptions::new().write(true).open(path)),
        unlink: if created.is_ok() { outcome(&fs::remove_file(&scratch)) } else { "-".into() },
        create: outcome(&created),
        stat: metadata.ok().map(|found| Stat {
            uid: found.uid(),
            gid: found.gid(),
            mode: found.mode() & 0o7777,
        }),
    }
}

/// `name: value` lines.
fn fields(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.into(), value.trim().into())).collect()
}

fn numbers(text: &str) -> Vec<u32> {
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

fn four(text: &str) -> [u32; 4] {
    numbers(text).try_into().unwrap_or([u32::MAX; 4])
}

fn mask(hexadecimal: &str) -> u64 {
    u64::from_str_radix(hexadecimal, 16).unwrap_or(u64::MAX)
}

/// Signal n is bit n - 1.
fn signals(mask: u64) -> Vec<u32> {
    (1..=64).filter(|signal| mask >> (signal - 1) & 1 == 1).collect()
}

/// The columns of /proc/self/limits are as wide as they are: name, soft, hard, unit.
fn limits(table: &str) -> BTreeMap<String, (String, String)> {
    let rows = table.lines().skip(1).filter_map(|line| {
        let (name, rest) = line.split_at_checked(26)?;
        let mut values = rest.split_whitespace();
        Some((name.trim().to_owned(), (values.next()?.to_owned(), values.next()?.to_owned())))
    });
    rows.collect()
}

fn ids() -> io::Result<Ids> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let behind_the_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let field = |n: usize| behind_the_name.split(' ').nth(n).and_then(|word| word.parse().ok()).unwrap_or(0);
    Ok(Ids { pid: std::process::id(), ppid: field(1), pgid: field(2), sid: field(3) })
}

/// A line of mountinfo: the optional fields end with a lone `-`.
fn mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let (left, right): (Vec<&str>, Vec<&str>) = (left.split(' ').collect(), right.split(' ').collect());
    let options = format!("{},{}", left.get(5)?, right.get(2)?);
    Some(Mount { target: (*left.get(4)?).into(), kind: (*right.first()?).into(), options })
}

fn names(directory: &str) -> io::Result<Vec<String>> {
    let mut names: Vec<String> =
        fs::read_dir(directory)?.map(|entry| Ok(lossy(&entry?.file_name()))).collect::<io::Result<_>>()?;
    names.sort();
    Ok(names)
}

fn namespaces() -> io::Result<BTreeMap<String, String>> {
    let directory = Path::new("/proc/self/ns");
    let identity = |name: String| Ok((name.clone(), lossy(fs::read_link(directory.join(name))?.as_os_str())));
    names("/proc/self/ns")?.into_iter().map(identity).collect()
}

/// Two lines of headings, then `name: counters`.
fn interfaces(table: &str) -> Vec<String> {
    table.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect()
}

fn loopback() -> io::Result<usize> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.send_to(b"?", socket.local_addr()?)
}

fn map(file: &str) -> io::Result<Vec<[u32; 3]>> {
    Ok(fs::read_to_string(file)?.lines().filter_map(|line| numbers(line).try_into().ok()).collect())
}

fn trimmed(file: &str) -> io::Result<String> {
    Ok(fs::read_to_string(file)?.trim().to_owned())
}

fn lossy(text: &std::ffi::OsStr) -> String {
    text.to_string_lossy().into_owned()
}
