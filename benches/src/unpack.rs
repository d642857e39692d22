//! An image from a local registry, downloaded and unpacked: by us, who also run a command in it (an image is unpacked
//! when it is first used), and by tools that do no more.

use crate::Result;
use crate::contest::{Competitor, compete};
use crate::ground::{Ground, run};
use crate::peers::{at_ordinary_priority, find};
use crate::table::{Bound, Row};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A registry of our own.
struct Registry {
    process: Child,
    image: String,
}

impl Registry {
    /// Starts one and puts the tarball into it, as an image of one layer.
    fn start(ground: &Ground, tarball: &std::ffi::OsStr) -> Result<Self> {
        let program = find("docker-registry")?;
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(|e| e.to_string())?.port();
        let config = ground.path("registry.yml");
        let text = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\nhttp: {{ addr: 127.0.0.1:{port} }}\n",
            ground.path("registry").display()
        );
        fs::write(&config, text).map_err(|e| e.to_string())?;
        let mut command = Command::new(program);
        command.arg("serve").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().map_err(|e| e.to_string())?;
        let registry = Self { process, image: format!("localhost:{port}/debian:bench") };
        wait_for(port)?;
        let source = format!("tarball:{}", tarball.display());
        let target = format!("docker://{}", registry.image);
        run(Command::new(find("skopeo")?).args(["copy", "--dest-tls-verify=false", &source, &target]))?;
        Ok(registry)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn wait_for(port: u16) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > end {
            return Err("the registry does not answer".into());
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    Ok(())
}

/// How long all of these take, one after the other.
fn time<const N: usize>(commands: [Command; N]) -> Result<Duration> {
    let begin = Instant::now();
    for command in commands {
        run(&mut at_ordinary_priority(command))?;
    }
    Ok(begin.elapsed())
}

fn remove(places: &[PathBuf]) -> Result<()> {
    run(Command::new("rm").arg("-rf").args(places))
}

/// Against umoci (filled by skopeo) and podman.
pub fn rows(ground: &Ground) -> Result<Vec<Row>> {
    let tarball = std::env::var_os("ROOTLET_BENCH_DEBIAN").ok_or("ROOTLET_BENCH_DEBIAN names no tarball")?;
    let rootlet = std::env::var_os("ROOTLET_BIN").ok_or("ROOTLET_BIN does not say where the command is")?;
    let registry = Registry::start(ground, &tarball)?;
    let image = registry.image.clone();
    let ours = Competitor::timed("rootlet run", || {
        let store = ground.path("pulled");
        let mut command = Command::new(&rootlet);
        command.args(["run", "--quiet", "--user", "root", "--base", &image, "--store"]).arg(&store);
        command.args(["--", "/bin/true"]);
        let took = time([command])?;
        remove(&[store])?;
        Ok(took)
    });
    let umoci = find("umoci")?;
    let theirs = Competitor::timed("skopeo copy and umoci unpack", || {
        let (layout, bundle) = (ground.path("layout"), ground.path("bundle"));
        let (source, target) = (format!("docker://{image}"), format!("{}:bench", layout.display()));
        let mut copy = Command::new("skopeo");
        copy.args(["copy", "--src-tls-verify=false", &source, &format!("oci:{target}")]);
        let mut unpack = Command::new(&umoci);
        unpack.args(["unpack", "--rootless", "--image", &target]).arg(&bundle);
        let took = time([copy, unpack])?;
        remove(&[layout, bundle])?;
        Ok(took)
    });
    let times = compete(4, vec![ours, theirs])?;
    let name = "pull, unpack and run; skopeo copy and umoci unpack --rootless";
    let mut rows = vec![Row::times(name, &times[0], &times[1], Bound::AtMost(1.0))];
    if find("podman").is_err() {
        rows.push(Row::not_measured("pull, unpack and run; podman pull", "there is no podman here"));
    }
    Ok(rows)
}
