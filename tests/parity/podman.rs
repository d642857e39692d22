//! The same Pod files given to `podman kube play`, with the same probe inside: where podman follows Kubernetes, the facts are those
//! of a rootlet; each difference is listed here, and docs/like.md says which source of Kubernetes it is held against.

use crate::kubelet::POD;
use crate::{Written, alpine, probed};
use rootlet::Rootlet;
use rootlet_tests::facts::{Can, Facts};
use rootlet_tests::{alpine_tar, probe};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What is asked of each, and the answers by their names.
type Told = BTreeMap<&'static str, String>;

const SCRIPT: &str = "/probe facts && /probe can / /tmp /scratch";

/// Where podman 4.3 is not as a kubelet: the fact, podman's answer, a rootlet's.
const HARDENED: &[(&str, &str, &str)] = &[
    // pkg/kubelet/kuberuntime/security_context.go gives fsGroup to the container as a supplementary group.
    ("groups", "[3000, 4000]", "[2000, 3000, 4000]"),
    // pkg/volume/volume_linux.go: the group, setgid, and rw for the group; pkg/volume/emptydir: 0777 before that.
    ("/scratch", "1000:3000 755", "0:2000 2777"),
    // containerd and CRI-O set no ambient capabilities: what is added is in the bounding set alone.
    ("effective", "0x400", "0x0"),
    ("permitted", "0x400", "0x0"),
    ("ambient", "0x400", "0x0"),
];

/// A Pod that says nothing about security.
const PLAIN: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: facts}
spec:
  containers:
  - name: main
    image: localhost/rootlet-test:1
    volumeMounts:
    - {name: work, mountPath: /scratch}
  volumes:
  - {name: work, emptyDir: {}}
";

const PLAINS: &[(&str, &str, &str)] = &[
    // pkg/volume/emptydir: 0777.
    ("/scratch", "0:0 755", "0:0 777"),
];

#[test]
fn podman_plays_the_same_pods() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    rootlet_tests::needs_own_proc!();
    let (Some(base), Some(tarball)) = (alpine(), alpine_tar()) else { return };
    let Some(podman) = Podman::start(&tarball) else { return };
    for (text, expected) in [(POD, HARDENED), (PLAIN, PLAINS)] {
        let theirs = podman.play(text);
        let root = probed(&base, &Written::new("pod.yaml", text).like()).spawn().unwrap();
        let ours = ask(&root);
        let different = |(name, theirs): (&&'static str, &String)| {
            let ours = &ours[name];
            (theirs != ours).then(|| (name.to_string(), theirs.clone(), ours.clone()))
        };
        let found: Vec<_> = theirs.iter().filter_map(different).collect();
        let mut expected: Vec<_> = expected
            .iter()
            .map(|(name, theirs, ours)| (name.to_string(), theirs.to_string(), ours.to_string()))
            .collect();
        expected.sort();
        assert_eq!(found, expected, "\n{text}");
    }
}

fn ask(root: &Rootlet) -> Told {
    let output = root.command("/bin/sh").args(["-c", SCRIPT]).output().unwrap();
    told(&output)
}

#[track_caller]
fn told(output: &Output) -> Told {
    let text = String::from_utf8_lossy(&output.stdout);
    let wrong = || format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    let (facts, can) = text.trim().split_once('\n').unwrap_or_else(|| panic!("{}", wrong()));
    let facts: Facts = serde_json::from_str(facts).unwrap_or_else(|e| panic!("{e}: {}", wrong()));
    let can: BTreeMap<String, Can> = serde_json::from_str(can).unwrap_or_else(|e| panic!("{e}: {}", wrong()));
    let mut groups = facts.groups.clone();
    groups.sort_unstable();
    let work = can["/scratch"].stat.unwrap();
    let caps = facts.caps;
    BTreeMap::from([
        ("uids", format!("{:?}", facts.uids)),
        ("gids", format!("{:?}", facts.gids)),
        ("groups", format!("{groups:?}")),
        ("effective", format!("{:#x}", caps.effective)),
        ("permitted", format!("{:#x}", caps.permitted)),
        ("ambient", format!("{:#x}", caps.ambient)),
        ("bounding", format!("{:#x}", caps.bounding)),
        ("no_new_privs", facts.no_new_privs.to_string()),
        ("seccomp", facts.seccomp.to_string()),
        ("umask", format!("{:o}", facts.umask)),
        ("cwd", facts.cwd),
        ("HOME", facts.env.get("HOME").cloned().unwrap_or_default()),
        ("hostname", facts.hostname),
        ("create in /", can["/"].create.clone()),
        ("create in /tmp", can["/tmp"].create.clone()),
        ("create in /scratch", can["/scratch"].create.clone()),
        ("/scratch", format!("{}:{} {:o}", work.uid, work.gid, work.mode)),
    ])
}

/// A podman with a store of its own.
struct Podman {
    directory: tempfile::TempDir,
}

impl Podman {
    /// With Alpine as an image; `None`, said loudly, where there is none.
    fn start(tarball: &Path) -> Option<Self> {
        for program in ["podman", "runc", "catatonit"] {
            let script =
                format!("command -v {program} || ls /usr/libexec/{program} /usr/libexec/*/{program}");
            let found = Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).output().unwrap();
            if found.stdout.is_empty() {
                rootlet_tests::skipped(&format!("no {program}"));
                return None;
            }
        }
        let podman = Self {
            // It takes no longer path than one of 50 characters.
            directory: tempfile::tempdir_in("/tmp").unwrap(),
        };
        // Debian's crun refuses a machine of both kinds of cgroups, and the caller may have lower limits than podman's own.
        let settings = "[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nruntime = \"runc\"\n[containers]\n\
                        default_ulimits = [\"nofile=1024:1024\", \"nproc=1000:1000\"]\n";
        std::fs::write(podman.directory.path().join("containers.conf"), settings).unwrap();
        let imported = podman.run(&["import", "-q", tarball.to_str().unwrap(), "localhost/rootlet-test:1"]);
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
        Some(podman)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let below = |name: &str| self.directory.path().join(name);
        let mut command = Command::new("podman");
        command.env("CONTAINERS_CONF", below("containers.conf")).arg("--root").arg(below("store"));
        command.arg("--runroot").arg(below("run")).args(["--storage-driver", "vfs"]).args(arguments);
        command.output().unwrap()
    }

    /// What the probe says in the pod.
    #[track_caller]
    fn play(&self, text: &str) -> Told {
        let script = format!("command: [/bin/sh, -c, '{SCRIPT}']");
        let probe = probe().display();
        let text = text
            .replace("command: [/probe, facts]\n    ", "")
            .replace("localhost/rootlet-test:1\n", &format!("localhost/rootlet-test:1\n    {script}\n"))
            .replace("    volumeMounts:\n", "    volumeMounts:\n    - {name: probe, mountPath: /probe}\n")
            .replace("  volumes:\n", &format!("  restartPolicy: Never\n  volumes:\n  - {{name: probe, hostPath: {{path: {probe}, type: File}}}}\n"));
        let file = self.directory.path().join("pod.yaml");
        std::fs::write(&file, text).unwrap();
        let played = self.run(&["kube", "play", "--network", "none", file.to_str().unwrap()]);
        assert!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));
        let waited = self.run(&["wait", "facts-main"]);
        assert!(waited.status.success(), "{}", String::from_utf8_lossy(&waited.stderr));
        let logs = self.run(&["logs", "facts-main"]);
        self.run(&["pod", "rm", "--force", "--time", "0", "facts"]);
        told(&logs)
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.run(&["pod", "rm", "--all", "--force", "--time", "0"]);
    }
}
