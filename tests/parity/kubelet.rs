//! What a real kubelet gives, fact by fact. The numbers were read inside pods of Kubernetes 1.20.2 and 1.33 with containerd.

use crate::{Written, alpine, ask, probed};
use rootlet::Rootlet;
use rootlet_tests::facts::{Can, Facts, Stat};
use std::collections::BTreeMap;

pub const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: facts}
spec:
  securityContext:
    runAsUser: 1000
    runAsGroup: 3000
    fsGroup: 2000
    supplementalGroups: [4000]
    seccompProfile: {type: RuntimeDefault}
  containers:
  - name: main
    image: localhost/rootlet-test:1
    command: [/probe, facts]
    securityContext:
      readOnlyRootFilesystem: true
      allowPrivilegeEscalation: false
      capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}
    volumeMounts:
    - {name: work, mountPath: /scratch}
  volumes:
  - {name: work, emptyDir: {}}
";

#[track_caller]
fn can(root: &Rootlet, path: &str) -> Can {
    let mut answers: BTreeMap<String, Can> = ask(root, &["can", path]);
    answers.remove(path).unwrap()
}

#[test]
fn a_hardened_pod() {
    rootlet_tests::needs_own_proc!();
    let Some(base) = alpine() else { return };
    let root = probed(&base, &Written::new("pod.yaml", POD).like()).spawn().unwrap();
    let facts: Facts = ask(&root, &["facts"]);
    assert_eq!((facts.uids, facts.gids), ([1000; 4], [3000; 4]));
    let mut groups = facts.groups.clone();
    groups.sort_unstable();
    // With one id the kernel knows one group; what the others may do, the user may (fidelity.rs).
    if !rootlet_tests::one_id() {
        assert_eq!(groups, [2000, 3000, 4000]);
    }
    assert_eq!(root.user().groups, [3000, 2000, 4000]);
    assert_eq!(facts.env.get("HOME").map(String::as_str), Some("/"));
    assert_eq!((facts.caps.effective, facts.caps.permitted, facts.caps.ambient), (0, 0, 0));
    assert_eq!(facts.caps.bounding, 0x400);
    assert!(facts.no_new_privs);
    assert_eq!(facts.seccomp, 2);
    assert_eq!(facts.hostname, "facts");
    for path in ["/", "/tmp"] {
        assert_eq!(can(&root, path).create, "EROFS", "{path}");
    }
}

#[test]
fn an_empty_dir_is_the_groups() {
    let Some(base) = alpine() else { return };
    let root = probed(&base, &Written::new("pod.yaml", POD).like()).spawn().unwrap();
    let told = root.metadata("/scratch").unwrap();
    assert_eq!((told.uid(), told.gid(), told.mode() & 0o7777), (0, 2000, 0o2777));
    assert_eq!(can(&root, "/scratch").create, "ok");
    assert!(root.command("sh").args(["-c", "echo > /scratch/file"]).status().unwrap().success());
    let file = root.metadata("/scratch/file").unwrap();
    // With one id the group of a directory is not inherited.
    assert_eq!((file.uid(), file.gid()), (1000, if rootlet_tests::one_id() { 3000 } else { 2000 }));
}

/// runAsUser without runAsGroup: group 0 where the image's passwd has no line for it; an image's line gives its group and
/// memberships (`daemon` of Alpine).
#[test]
fn a_user_without_a_group() {
    rootlet_tests::needs_own_proc!();
    let Some(base) = alpine() else { return };
    let identity = |uid: u32| {
        let pod = format!(
            "{{kind: Pod, metadata: {{name: p}}, spec: {{securityContext: {{runAsUser: {uid}}}, containers: [{{name: m}}]}}}}"
        );
        let root = probed(&base, &Written::new("pod.yaml", &pod).like()).spawn().unwrap();
        let facts: Facts = ask(&root, &["facts"]);
        let mut groups = root.user().groups.clone();
        groups.sort_unstable();
        (facts.gids[0], groups, facts.env["HOME"].clone())
    };
    assert_eq!(identity(12345), (0, vec![0], "/".to_owned()));
    assert_eq!(identity(2), (2, vec![1, 2, 4], "/sbin".to_owned()));
}

#[test]
fn what_nobody_says_is_not_hardened() {
    rootlet_tests::needs_own_proc!();
    let Some(base) = alpine() else { return };
    let pod = "{kind: Pod, metadata: {name: p}, spec: {containers: [{name: m}]}}";
    let root = probed(&base, &Written::new("pod.yaml", pod).like()).spawn().unwrap();
    let facts: Facts = ask(&root, &["facts"]);
    assert_eq!((facts.uids[0], facts.gids[0]), (0, 0));
    assert_eq!(facts.caps.bounding, 0xa804_25fb, "containerd's default, which is docker's");
    assert!(!facts.no_new_privs);
}

#[test]
fn files_of_a_volume_are_links_into_a_dated_directory() {
    let Some(base) = alpine() else { return };
    let pod = "kind: ConfigMap\nmetadata: {name: c}\ndata: {app.conf: hello}\n---\n{kind: Pod, metadata: {name: p}, spec: \
               {securityContext: {runAsUser: 1000}, containers: [{name: m, volumeMounts: [{name: v, mountPath: /etc/app}, {name: v, \
               mountPath: /etc/one.conf, subPath: app.conf}]}], volumes: [{name: v, configMap: {name: c}}]}}";
    let root = probed(&base, &Written::new("pod.yaml", pod).like()).spawn().unwrap();
    assert_eq!(root.read_to_string("/etc/app/app.conf").unwrap(), "hello");
    assert_eq!(root.read_to_string("/etc/one.conf").unwrap(), "hello");
    if rootlet_tests::chroot() {
        return;
    }
    let link = root.read_link("/etc/app/app.conf").unwrap();
    assert_eq!(link.to_str(), Some("..data/app.conf"));
    let said = root.command("sh").args(["-c", "echo x > /etc/app/app.conf"]).output().unwrap();
    assert!(String::from_utf8_lossy(&said.stderr).contains("Read-only file system"));
    // Root neither.
    let mut as_root = root.command("sh");
    let said = as_root.user("0").args(["-c", "echo x > /etc/one.conf"]).output().unwrap();
    assert!(String::from_utf8_lossy(&said.stderr).contains("Read-only file system"));
    let _: Stat = can(&root, "/etc/one.conf").stat.unwrap();
}

#[test]
fn volumes_are_fresh_each_time_and_shared_where_they_are_one() {
    let Some(base) = alpine() else { return };
    let pod = "{kind: Pod, metadata: {name: p}, spec: {securityContext: {runAsUser: 1000, fsGroup: 1000}, containers: [{name: m, \
               volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /b, readOnly: true}, {name: v, mountPath: /c, subPath: x/y}]}], \
               volumes: [{name: v, emptyDir: {}}]}}";
    let like = Written::new("pod.yaml", pod).like();
    for _ in 0..2 {
        let root = probed(&base, &like).spawn().unwrap();
        let script = "set -e; ls /a | grep -v '^x$' && exit 9; echo 1 > /a/f; echo 2 > /c/g";
        let output = root.command("sh").args(["-c", script]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        if rootlet_tests::chroot() {
            continue;
        }
        let script = "set -e; cat /b/f; cat /b/x/y/g; echo 3 > /b/h";
        let output = root.command("sh").args(["-c", script]).output().unwrap();
        assert_eq!(output.stdout, b"1\n2\n");
        assert!(String::from_utf8_lossy(&output.stderr).contains("Read-only file system"));
    }
}
