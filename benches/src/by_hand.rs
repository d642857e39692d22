//! The hand-written sequence of system calls (`c/by_hand.c`).

use crate::Result;
use crate::ground::{Ground, run};
use crate::server::Server;
use rootlet::{Base, Rootlet};
use rootlet_kernel::{IdMap, IdRange};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Starts the prepared process: on the same layer, with the same ids and as the same user as rootlets of `base`; on these
/// processors only (as taskset(1) writes them).
pub fn start(ground: &Ground, base: &Base, program: &str, processors: Option<&str>) -> Result<Server> {
    let map = map(base)?;
    let layer = layer(base)?;
    let by_hand = ground.compile("by_hand", &["-static", "-O2"])?;
    let mut command = match processors {
        Some(processors) => {
            let mut command = Command::new("taskset");
            command.args(["-c", processors]).arg(by_hand);
            command
        }
        None => Command::new(by_hand),
    };
    let mut server = Server::start("by_hand", command.arg(layer).args(["1000", "1000", program]))?;
    write_map(server.id(), &map)?;
    // Its second word is that it is ready.
    server.round()?;
    Ok(server)
}

/// The one unpacked layer of `base`, for this caller's ids.
pub fn layer(base: &Base) -> Result<std::path::PathBuf> {
    let paths = base.layer_paths(&map(base)?).map_err(|e| e.to_string())?;
    paths.last().cloned().ok_or_else(|| "the base has no layer".into())
}

/// The ids that rootlets of `base` have.
pub fn map(base: &Base) -> Result<IdMap> {
    let root = Rootlet::builder(base).user("sam").spawn().map_err(|e| e.to_string())?;
    let directory = format!("/proc/{}", root.host_pid().map_err(|e| e.to_string())?);
    let read = |file: &str| ranges(&Path::new(&directory).join(file));
    Ok(IdMap::new(read("uid_map")?, read("gid_map")?))
}

fn ranges(file: &Path) -> Result<Vec<IdRange>> {
    let text = fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let range = |line: &str| {
        let mut fields = line.split_whitespace().map(|f| f.parse::<u32>().ok());
        Some(IdRange { inside: fields.next()??, outside: fields.next()??, count: fields.next()?? })
    };
    text.lines().map(range).collect::<Option<_>>().ok_or_else(|| format!("{} cannot be read", file.display()))
}

fn write_map(pid: u32, map: &IdMap) -> Result<()> {
    for (file, tool, ranges) in [("uid_map", "newuidmap", &map.uids), ("gid_map", "newgidmap", &map.gids)] {
        let lines = ranges.iter().fold(String::new(), |mut lines, r| {
            let _ = writeln!(lines, "{} {} {}", r.inside, r.outside, r.count);
            lines
        });
        if rustix::process::geteuid().is_root() {
            fs::write(format!("/proc/{pid}/{file}"), lines).map_err(|e| format!("{file}: {e}"))?;
        } else {
            run(Command::new(tool).arg(pid.to_string()).args(lines.split_whitespace()))?;
        }
    }
    Ok(())
}
