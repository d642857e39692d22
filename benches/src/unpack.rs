//! An image from a local registry: our `base pull`, which downloads and unpacks, against tools that do the same.

use crate::Result;
use crate::contest::{Competitor, compete};
use crate::ground::{Ground, run};
use crate::peers::find;
use crate::table::{Bound, Row};
use std::fs;
use std::net::{TcpListener, TcpStream};
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

/// Against umoci (filled by skopeo) and podman.
pub fn rows(ground: &Ground) -> Result<Vec<Row>> {
    let tarball = std::env::var_os("ROOTLET_BENCH_DEBIAN").ok_or("ROOTLET_BENCH_DEBIAN names no tarball")?;
    let rootlet = std::env::var_os("ROOTLET_BIN").ok_or("ROOTLET_BIN does not say where the command is")?;
    let registry = Registry::start(ground, &tarball)?;
    let image = registry.image.clone();
    let pull = || {
        let store = ground.path("pulled");
        run(Command::new(&rootlet).args(["base", "pull", "--quiet", &image, "--store"]).arg(&store))?;
        Ok::<_, String>(store)
    };
    let ours = Competitor::timed("rootlet base pull", || {
        let begin = Instant::now();
        let store = pull()?;
        let took = begin.elapsed();
        run(Command::new("rm").arg("-rf").arg(store))?;
        Ok(took)
    });
    let umoci = find("umoci")?;
    let theirs = Competitor::timed("skopeo copy and umoci unpack", || {
        let begin = Instant::now();
        let (layout, bundle) = (ground.path("layout"), ground.path("bundle"));
        let target = format!("oci:{}:bench", layout.display());
        let source = format!("docker://{image}");
        run(Command::new("skopeo").args(["copy", "--src-tls-verify=false", &source, &target]))?;
        let from = format!("{}:bench", layout.display());
        run(Command::new(&umoci).args(["unpack", "--rootless", "--image", &from]).arg(&bundle))?;
        let took = begin.elapsed();
        run(Command::new("rm").arg("-rf").arg(layout).arg(bundle))?;
        Ok(took)
    });
    let times = compete(4, vec![ours, theirs])?;
    let name = "base pull; skopeo copy and umoci unpack --rootless";
    let mut rows = vec![Row::times(name, &times[0], &times[1], Bound::AtMost(1.0))];
    if find("podman").is_err() {
        rows.push(Row::not_measured("base pull; podman pull", "there is no podman here"));
    }
    Ok(rows)
}
