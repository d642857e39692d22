//! Init containers: they run before, in order, on the pod's volumes.

use crate::{Written, alpine};
use rootlet::{ErrorKind, Rootlet};
use rootlet_tests::rootlet_command;

const POD: &str = r#"
kind: Pod
metadata: {name: p}
spec:
  securityContext: {runAsUser: 1000, runAsGroup: 1000}
  initContainers:
  - name: prepare
    image: main:1
    command: [sh, -ec, "id -u > /prep/who; mkdir -m 0700 /prep/state; chown 1000:1000 /prep/state; ln -s who /prep/link; echo hush > /prep/secret; chmod 0600 /prep/secret"]
    securityContext: {runAsUser: 0, runAsGroup: 0}
    volumeMounts: [{name: data, mountPath: /prep}, {name: other, mountPath: /other}]
  - name: sidecar
    restartPolicy: Always
    image: main:1
  - name: second
    image: busybox:1
    command: [sh, -ec, "cat /in/link > /in/state/seen; ls /other > /in/state/other; test ! -e /prep"]
    volumeMounts: [{name: data, mountPath: /in}, {name: other, mountPath: /other, readOnly: true}]
  containers:
  - name: main
    image: main:1
    volumeMounts: [{name: data, mountPath: /data}, {name: data, mountPath: /state, subPath: state, readOnly: true}]
  volumes: [{name: data, emptyDir: {}}, {name: other, emptyDir: {}}]
"#;

#[test]
fn they_run_before_on_the_same_volumes() {
    rootlet_tests::needs_namespaces!("volumes that are mounted");
    let Some(base) = alpine() else { return };
    let like = Written::new("pod.yaml", POD).like();
    let names: Vec<_> = like.init.iter().map(|init| init.what.as_str()).collect();
    assert_eq!(names, ["Pod p, init container prepare", "Pod p, init container second"]);
    let without = Rootlet::builder(&base).like(&like).spawn().unwrap();
    assert!(!without.exists("/data/who"));
    let root = Rootlet::builder(&base).like(&like).init_containers(true).spawn().unwrap();
    let script = "cat /data/who /data/state/seen /state/seen; ls -ln /data | sed 1d | awk '{print $1, $3, $4, $9}'; \
                  cat /data/secret; touch /data/state/mine; touch /state/mine";
    let output = root.command("sh").args(["-c", script]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let (lines, rest): (Vec<_>, Vec<_>) = out.lines().partition(|line| line.len() == 1);
    assert_eq!(lines, ["0", "0", "0"], "{out}{err}");
    if !rootlet_tests::one_id() {
        assert_eq!(
            rest,
            [
                "lrwxrwxrwx 0 0 link",
                "-rw------- 0 0 secret",
                "drwx------ 1000 1000 state",
                "-rw-r--r-- 0 0 who"
            ]
        );
    }
    // Root's file stays root's, and the second mount stays read-only.
    assert!(err.contains("/data/secret': Permission denied"), "{err}");
    assert!(err.contains("/state/mine: Read-only file system") && !err.contains("/data/state/mine"), "{err}");
    let told = root.report().not_reproduced.join("\n");
    assert!(!told.contains("--init-containers"), "{told}");
    assert!(told.contains("spec.initContainers"), "the image of the second: {told}");
}

#[test]
fn one_that_fails_keeps_the_container_from_starting() {
    let Some(base) = alpine() else { return };
    let pod = POD.replace("id -u > /prep/who", "cat /etc/nothing");
    let like = Written::new("pod.yaml", &pod).like();
    let e = Rootlet::builder(&base).like(&like).init_containers(true).spawn().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Command, "{e:?}");
    assert!(
        e.to_string().contains("init container prepare") && e.hint().unwrap().contains("/etc/nothing"),
        "{e:?}"
    );
    let unknown = POD.replace("image: busybox:1\n    command:", "image: busybox:1\n    args:");
    let like = Written::new("pod.yaml", &unknown).like();
    let e = Rootlet::builder(&base).like(&like).init_containers(true).spawn().unwrap_err();
    assert!(e.to_string().contains("it names no command"), "{e:?}");
}

#[test]
fn the_command_runs_them_when_asked() {
    rootlet_tests::needs_namespaces!("volumes that are mounted");
    let Some(tar) = rootlet_tests::alpine_tar() else { return };
    let file = Written::new("pod.yaml", POD);
    let base = format!("tar:{}", tar.display());
    let run = |more: &[&str]| {
        let mut command = rootlet_command();
        command.args(["run", "--like", file.path().to_str().unwrap(), "--base", &base]).args(more);
        command.args(["--", "cat", "/data/who"]).output().unwrap()
    };
    assert_eq!(run(&[]).status.code(), Some(1));
    let output = run(&["--init-containers"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n", "{}", String::from_utf8_lossy(&output.stderr));
}
