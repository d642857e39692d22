//! Docker in a container: its daemon as a service, and its command, which is told where that is.

use super::steps::{file_of, made, variable};
use rootlet_spec::pipeline::{CacheSharing, CacheVolume, Container, ContainerStep, Exec, FileStep, Service};
use rootlet_spec::recipe::Recipe;

const DEBIAN: &str = "apt:trixie";
/// Without TLS, as the tutorial's library has it: nobody but the containers that are bound to it gets there.
const PORT: u16 = 2375;
const COMMAND: &str = "/usr/local/bin/docker";

/// Where there is a cgroup of its own, the daemon divides it, and moves out of its way first: processes are in leaves only (cgroups(7)).
/// Elsewhere it runs as what it calls rootless, without limits of its containers; it then looks for a program that it does not use.
const SERVE: &str = "set -e
cgroup=/sys/fs/cgroup
set -- --host=unix:///run/docker.sock --host=tcp://0.0.0.0:2375 --tls=false --log-level=warn
if [ -w $cgroup/cgroup.procs ]; then
    mkdir -p $cgroup/init
    while read -r pid; do echo \"$pid\" > $cgroup/init/cgroup.procs || :; done < $cgroup/cgroup.procs
    sed 's/ / +/g; s/^./+&/' $cgroup/cgroup.controllers > $cgroup/cgroup.subtree_control || :
    exec dockerd \"$@\"
fi
ln -sf /bin/true /usr/local/bin/rootlesskit-docker-proxy
mkdir -p /run/rootlesskit
export HOME=/root XDG_RUNTIME_DIR=/run ROOTLESSKIT_STATE_DIR=/run/rootlesskit
exec dockerd --rootless --userland-proxy=false --data-root=/var/lib/docker --exec-root=/run/docker \\
    --pidfile=/run/docker.pid \"$@\"
";

fn engine() -> Container {
    let recipe = Recipe { from: Some(DEBIAN.into()), ..Recipe::default() };
    made(recipe.packages(["docker.io", "docker-cli", "iptables", "ca-certificates"]))
}

/// The daemon.
pub(super) fn service() -> Service {
    let mut container = engine();
    container.steps.extend([
        ContainerStep::WithMountedCache {
            path: "/var/lib/docker".into(),
            cache: CacheVolume { key: "dind-docker".into() },
            source: None,
            // Two daemons would write the same files.
            sharing: CacheSharing::Locked,
            owner: None,
        },
        ContainerStep::WithExposedPort { port: PORT, protocol: "TCP".into(), description: None },
    ]);
    Service {
        container,
        args: Some(["sh", "-c", SERVE].map(str::to_owned).to_vec()),
        use_entrypoint: false,
        insecure_root_capabilities: true,
        expand: false,
        hostname: None,
    }
}

/// A container, with the command in it.
pub(super) fn with_command(mut base: Container) -> Container {
    base.steps.push(ContainerStep::Files(FileStep::WithFile {
        path: COMMAND.into(),
        source: Box::new(file_of(engine(), "/usr/bin/docker")),
        permissions: None,
        owner: None,
        expand: false,
    }));
    base
}

/// A script runs in a container, with the daemon at hand.
pub(super) fn with_docker(mut container: Container, script: &str) -> Container {
    let args = ["bash", "-c", script].map(str::to_owned).to_vec();
    container.steps.extend([
        ContainerStep::WithServiceBinding { alias: "docker".into(), service: Box::new(service()) },
        variable("DOCKER_HOST", &format!("tcp://docker:{PORT}"), false),
        ContainerStep::WithExec(Exec { args, ..Exec::default() }),
    ]);
    container
}
