//! Docker in a rootlet: its daemon as a service, which makes containers, for root and for everybody else.

use super::{call, debian};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const MODULE: &str = r#"
import dagger
from dagger import dag, function, object_type


@object_type
class Inside:
    @function
    async def runs(self, tar: dagger.File, cmd: str) -> str:
        lib = dag.lib()
        ctr = lib.dind_container().with_file("/alpine.tar.gz", tar)
        return await lib.dind_with_docker(cmd=cmd, ctr=ctr).stdout()
"#;

/// A container, an image that is built of it with a command that runs, and what is left.
const SCRIPT: &str = "set -eo pipefail
docker info --format '{{.CgroupDriver}}'
docker import /alpine.tar.gz alpine:own > /dev/null
docker run --rm alpine:own sh -c 'id -u; ip route | grep -c eth0; test -e /alpine.tar.gz || echo apart'
mkdir /context && cd /context
printf 'FROM alpine:own\\nRUN echo built > /x\\nCMD cat /x\\n' > Dockerfile
DOCKER_BUILDKIT=0 docker build --quiet --tag built:1 . > /dev/null 2>&1
docker run --rm --user 1000 built:1
docker ps --all --quiet | wc -l
docker rmi --force $(docker images --quiet) > /dev/null
";

#[test]
fn containers_run_in_it() {
    let Some(store) = debian() else { return };
    let Some(tar) = rootlet_tests::alpine_tar() else { rootlet_tests::skip!("no tarball of alpine") };
    if rootlet_tests::one_id() || rootlet_tests::chroot() {
        return eprintln!("with one id, or without namespaces, nobody can be root of containers");
    }
    let directory = tempfile::tempdir().unwrap();
    let dependency =
        r#"{"name": "inside", "sdk": "python", "dependencies": [{"name": "lib", "source": "rootlet:lib"}]}"#;
    fs::write(directory.path().join("rootlet.json"), dependency).unwrap();
    fs::write(directory.path().join("main.py"), MODULE).unwrap();
    let mut command: Command = rootlet_tests::rootlet_command();
    command.args(["call", "--quiet", "runs"]).arg(format!("--tar={}", tar.display()));
    command.arg(format!("--cmd={SCRIPT}")).env("ROOTLET_STORE", store.path()).current_dir(directory.path());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let prefix = format!("rootlet-{}-", child.id());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("iptables") && !output.status.success() {
        rootlet_tests::skip!("this kernel has not what docker's networks want: {said}");
    }
    assert!(output.status.success(), "{said}");
    let driver = if may_make_cgroups() { "cgroupfs" } else { "none" };
    let expected = format!("{driver}\n0\n2\napart\nbuilt\n0\n");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    let tops = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].into_iter().flat_map(fs::read_dir);
    let names = tops.flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    assert_eq!(names.filter(|name| name.starts_with(&prefix)).collect::<Vec<_>>(), Vec::<String>::new());
}

/// Root may, but where they are hidden or only to be read.
fn may_make_cgroups() -> bool {
    let mine = format!("test-{}", std::process::id());
    let tops = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
    let top = tops.into_iter().find(|top| top.join("cgroup.controllers").exists());
    let made = top.is_some_and(|top| fs::create_dir(top.join(&mine)).is_ok());
    made && fs::remove_dir(top.unwrap().join(&mine)).is_ok()
}

#[test]
fn the_command_is_put_into_any_container() {
    let Some(store) = debian() else { return };
    let version = ["with-exec", "--args=sh,-c,docker --version | cut -d' ' -f1-2", "stdout"];
    for function in [&["dind-container"][..], &["dind-container", "--base=apt:trixie"]] {
        assert_eq!(call(&store, &[function, &version].concat()), "Docker version\n");
    }
}
