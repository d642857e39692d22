//! The table: one row for each knob of production and the failure that it causes.

use crate::alpine;
use crate::table::{Case, Fix, nothing};
use rootlet::{Lenient, Rootlet};

/// A Pod of one container, from the members of its spec and of its container.
macro_rules! pod {
    ($pod:literal, $container:literal) => {
        concat!(
            "{kind: Pod, metadata: {name: p}, spec: {",
            $pod,
            " containers: [{name: main, ",
            $container,
            "}]}}"
        )
    };
}

macro_rules! service {
    ($text:literal) => {
        concat!("[Service]\n", $text, "\n")
    };
}

const USER: &str = pod!("securityContext: {runAsUser: 1000, runAsGroup: 1000},", "");

#[track_caller]
fn hold(case: &Case) {
    if let Some(base) = alpine() {
        case.holds(&base);
    }
}

fn secret(root: &Rootlet, mode: u32) {
    root.write("/srv/secret", "hush").unwrap();
    root.set_permissions("/srv/secret", mode).unwrap();
}

#[test]
fn a_file_that_only_root_may_read() {
    hold(&Case {
        name: "0600 root file",
        file: ("pod.yaml", USER),
        image: |root| secret(root, 0o600),
        script: "cat /srv/secret",
        refused: "Permission denied",
        fix: Fix::Image(|root| secret(root, 0o644)),
    });
}

#[test]
fn a_parent_that_only_root_may_enter() {
    fn parent(root: &Rootlet, mode: u32) {
        root.create_dir("/srv/private").unwrap();
        root.write("/srv/private/file", "").unwrap();
        root.set_permissions("/srv/private", mode).unwrap();
    }
    hold(&Case {
        name: "0700 parent",
        file: ("pod.yaml", USER),
        image: |root| parent(root, 0o700),
        script: "cat /srv/private/file",
        refused: "Permission denied",
        fix: Fix::Image(|root| parent(root, 0o711)),
    });
}

#[test]
fn a_home_that_is_the_root() {
    hold(&Case {
        name: "random uid, HOME=/",
        file: ("pod.yaml", pod!("securityContext: {runAsUser: 12345},", "")),
        image: nothing,
        script: "mkdir \"$HOME/.cache\"",
        refused: "Permission denied",
        fix: Fix::File(pod!("securityContext: {runAsUser: 12345},", "env: [{name: HOME, value: /tmp}]")),
    });
}

#[test]
fn a_uid_without_an_account() {
    hold(&Case {
        name: "random uid, getpwuid",
        file: ("pod.yaml", pod!("securityContext: {runAsUser: 12345},", "")),
        image: nothing,
        script: "whoami",
        refused: "unknown uid 12345",
        fix: Fix::Runtime(Lenient::Passwd),
    });
}

#[test]
fn a_read_only_root_has_a_read_only_tmp() {
    rootlet_tests::needs_namespaces!("read-only root");
    const READ_ONLY: &str = pod!("", "securityContext: {runAsUser: 1000, readOnlyRootFilesystem: true}");
    hold(&Case {
        name: "read-only root",
        file: ("pod.yaml", READ_ONLY),
        image: nothing,
        script: "echo > /tmp/file",
        refused: "Read-only file system",
        fix: Fix::File(pod!(
            "volumes: [{name: tmp, emptyDir: {}}],",
            "securityContext: {runAsUser: 1000, readOnlyRootFilesystem: true}, volumeMounts: [{name: tmp, mountPath: /tmp}]"
        )),
    });
    hold(&Case {
        name: "read-only root, another runtime",
        file: ("pod.yaml", READ_ONLY),
        image: nothing,
        script: "echo > /tmp/file && echo > /var/tmp/file",
        refused: "Read-only file system",
        fix: Fix::Runtime(Lenient::Tmp),
    });
}

#[test]
fn a_claim_without_the_pods_group() {
    hold(&Case {
        name: "fsGroup on a claim",
        file: (
            "pod.yaml",
            pod!(
                "securityContext: {runAsUser: 1000, runAsGroup: 1000}, volumes: [{name: v, persistentVolumeClaim: {claimName: c}}],",
                "volumeMounts: [{name: v, mountPath: /data}]"
            ),
        ),
        image: |root| root.create_dir_all("/data").unwrap(),
        script: "echo > /data/file",
        refused: "Permission denied",
        fix: Fix::File(pod!(
            "securityContext: {runAsUser: 1000, runAsGroup: 1000, fsGroup: 2000}, volumes: [{name: v, persistentVolumeClaim: \
             {claimName: c}}],",
            "volumeMounts: [{name: v, mountPath: /data}]"
        )),
    });
}

#[test]
fn a_path_of_the_node_has_no_group() {
    hold(&Case {
        name: "fsGroup on a hostPath",
        file: (
            "pod.yaml",
            pod!(
                "securityContext: {runAsUser: 1000, fsGroup: 2000}, volumes: [{name: v, hostPath: {path: /data}}],",
                "volumeMounts: [{name: v, mountPath: /data}]"
            ),
        ),
        image: |root| root.create_dir_all("/data").unwrap(),
        script: "echo > /data/file",
        refused: "Permission denied",
        fix: Fix::File(pod!(
            "securityContext: {runAsUser: 1000, fsGroup: 2000}, volumes: [{name: v, emptyDir: {}}],",
            "volumeMounts: [{name: v, mountPath: /data}]"
        )),
    });
}

#[test]
fn a_secret_without_the_pods_group() {
    hold(&Case {
        name: "fsGroup on a secret of mode 0400",
        file: (
            "pod.yaml",
            concat!(
                "kind: Secret\nmetadata: {name: s}\nstringData: {key: hush}\n---\n",
                pod!(
                    "securityContext: {runAsUser: 1000}, volumes: [{name: v, secret: {secretName: s, defaultMode: 0400}}],",
                    "volumeMounts: [{name: v, mountPath: /secret}]"
                )
            ),
        ),
        image: |root| {
            // Root alone has it from elsewhere.
            let _mounted = root.create_dir("/secret").and_then(|()| root.write("/secret/key", "hush"));
        },
        script: "cat /secret/key",
        refused: "Permission denied",
        fix: Fix::File(concat!(
            "kind: Secret\nmetadata: {name: s}\nstringData: {key: hush}\n---\n",
            pod!(
                "securityContext: {runAsUser: 1000, fsGroup: 2000}, volumes: [{name: v, secret: {secretName: s, defaultMode: 0400}}],",
                "volumeMounts: [{name: v, mountPath: /secret}]"
            )
        )),
    });
}

fn groups_file(root: &Rootlet) {
    root.write("/srv/shared", "").unwrap();
    root.chown("/srv/shared", Some(0), Some(4000)).unwrap();
    root.set_permissions("/srv/shared", 0o660).unwrap();
}

#[test]
fn a_supplementary_group_that_is_missing() {
    hold(&Case {
        name: "supplementary groups",
        file: ("pod.yaml", USER),
        image: groups_file,
        script: "echo > /srv/shared",
        refused: "Permission denied",
        fix: Fix::File(pod!(
            "securityContext: {runAsUser: 1000, runAsGroup: 1000, supplementalGroups: [4000]},",
            ""
        )),
    });
}

/// `daemon` (2) is a member of adm (4) in Alpine's own /etc/group.
#[test]
fn groups_of_the_image_are_merged_or_not() {
    hold(&Case {
        name: "supplementalGroupsPolicy",
        file: (
            "pod.yaml",
            pod!("securityContext: {runAsUser: 2, runAsGroup: 7777, supplementalGroupsPolicy: Strict},", ""),
        ),
        image: |root| {
            root.write("/srv/log", "").unwrap();
            root.chown("/srv/log", Some(0), Some(4)).unwrap();
            root.set_permissions("/srv/log", 0o640).unwrap();
        },
        script: "cat /srv/log",
        refused: "Permission denied",
        fix: Fix::File(pod!(
            "securityContext: {runAsUser: 2, runAsGroup: 7777, supplementalGroupsPolicy: Merge},",
            ""
        )),
    });
}

#[test]
fn port_80() {
    rootlet_tests::needs_namespaces!("a network of its own");
    const LISTEN: &str = "/probe listen 80 2>&1 | { read line; echo \"$line\"; [ \"$line\" = ready ] && /probe connect 80 < /dev/null; }";
    hold(&Case {
        name: "all capabilities dropped, and port 80",
        file: (
            "pod.yaml",
            pod!(
                "",
                "securityContext: {runAsUser: 1000, capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}"
            ),
        ),
        image: nothing,
        script: LISTEN,
        refused: "EACCES",
        fix: Fix::File(pod!(
            "securityContext: {sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: '80'}]},",
            "securityContext: {runAsUser: 1000, capabilities: {drop: [ALL]}}"
        )),
    });
    hold(&Case {
        name: "port 80, another runtime",
        file: ("compose.yaml", "services: {web: {user: '1000:1000', ports: ['80:80']}}"),
        image: nothing,
        script: LISTEN,
        refused: "EACCES",
        fix: Fix::Runtime(Lenient::Ports),
    });
}

#[test]
fn everybody_may_ping() {
    rootlet_tests::needs_namespaces!("a network of its own");
    hold(&Case {
        name: "all capabilities dropped, and ping",
        file: ("pod.yaml", pod!("", "securityContext: {runAsUser: 1000, capabilities: {drop: [ALL]}}")),
        image: nothing,
        script: "ping -c 1 127.0.0.1",
        refused: "permission denied",
        // As charts write it, with more groups than a user namespace has.
        fix: Fix::File(pod!(
            "securityContext: {sysctls: [{name: net.ipv4.ping_group_range, value: '0 2147483647'}]},",
            "securityContext: {runAsUser: 1000, capabilities: {drop: [ALL]}}"
        )),
    });
}

#[test]
fn root_without_capabilities_is_not_root() {
    hold(&Case {
        name: "all capabilities dropped, as root",
        file: ("pod.yaml", pod!("", "securityContext: {runAsUser: 0, capabilities: {drop: [ALL]}}")),
        image: nothing,
        script: "echo > /tmp/file && chown 1000 /tmp/file",
        refused: "Operation not permitted",
        fix: Fix::File(pod!(
            "",
            "securityContext: {runAsUser: 0, capabilities: {drop: [ALL], add: [CHOWN]}}"
        )),
    });
}

#[test]
fn no_new_privileges_and_a_setuid_program() {
    rootlet_tests::needs_namespaces!("setuid programs");
    if rootlet_tests::one_id() {
        return eprintln!("with one id nobody becomes another");
    }
    fn setuid(root: &Rootlet) {
        let probe = root.read("/probe").unwrap();
        root.write("/srv/suid", probe).unwrap();
        root.set_permissions("/srv/suid", 0o4755).unwrap();
        secret(root, 0o600);
    }
    hold(&Case {
        name: "no_new_privs",
        file: ("pod.yaml", pod!("", "securityContext: {runAsUser: 1000, allowPrivilegeEscalation: false}")),
        image: setuid,
        script: "/srv/suid can /srv/secret; /srv/suid can /srv/secret | grep -q '\"read\":\"ok\"'",
        refused: "EACCES",
        fix: Fix::File(pod!("", "securityContext: {runAsUser: 1000, allowPrivilegeEscalation: true}")),
    });
}

#[test]
fn a_work_directory_that_the_image_does_not_have() {
    hold(&Case {
        name: "work directory",
        file: (
            "pod.yaml",
            pod!("", "workingDir: /made, securityContext: {runAsUser: 1000, runAsGroup: 1000}"),
        ),
        image: |root| root.create_dir_all("/made").unwrap(),
        script: "cd /made && echo > file",
        refused: "Permission denied",
        fix: Fix::Runtime(Lenient::Workdir),
    });
}

#[test]
fn a_mask_that_hides_from_others() {
    hold(&Case {
        name: "umask",
        file: ("app.service", service!("User=1000\nUMask=0077")),
        image: nothing,
        script: "echo > /tmp/file; stat -c %a /tmp/file; [ \"$(stat -c %a /tmp/file)\" = 644 ]",
        refused: "600",
        fix: Fix::File(service!("User=1000\nUMask=0022")),
    });
}

#[test]
fn a_dynamic_user_without_a_state_directory() {
    rootlet_tests::needs_namespaces!("read-only root");
    hold(&Case {
        name: "DynamicUser",
        file: ("app.service", service!("DynamicUser=yes")),
        image: nothing,
        script: "mkdir -p /var/lib/app && echo > /var/lib/app/state",
        refused: "Read-only file system",
        fix: Fix::File(service!("DynamicUser=yes\nStateDirectory=app")),
    });
}

#[test]
fn places_that_a_service_may_not_write() {
    rootlet_tests::needs_namespaces!("read-only places");
    hold(&Case {
        name: "ProtectSystem",
        file: ("app.service", service!("ProtectSystem=full")),
        image: nothing,
        script: "echo > /etc/file",
        refused: "Read-only file system",
        fix: Fix::File(service!("ProtectSystem=full\nReadWritePaths=/etc")),
    });
    hold(&Case {
        name: "ProtectSystem=strict",
        file: ("app.service", service!("ProtectSystem=strict")),
        image: nothing,
        script: "echo > /srv/file",
        refused: "Read-only file system",
        fix: Fix::File(service!("ProtectSystem=strict\nReadWritePaths=/srv")),
    });
    hold(&Case {
        name: "InaccessiblePaths",
        file: ("app.service", service!("User=1000\nInaccessiblePaths=/etc/passwd /media")),
        image: nothing,
        script: "cat /etc/passwd > /dev/null && ls /media",
        refused: "Permission denied",
        fix: Fix::File(service!("User=1000")),
    });
}

#[test]
fn a_read_only_service_of_compose() {
    rootlet_tests::needs_namespaces!("read-only root");
    hold(&Case {
        name: "read_only",
        file: ("compose.yaml", "services: {web: {user: '1000:1000', read_only: true}}"),
        image: nothing,
        script: "echo > /run/app.pid",
        refused: "Read-only file system",
        fix: Fix::File(
            "services: {web: {user: '1000:1000', read_only: true, tmpfs: '/run:mode=700,uid=1000'}}",
        ),
    });
}

#[test]
fn a_directory_of_the_image_that_is_not_the_users() {
    hold(&Case {
        name: "USER of a Dockerfile",
        file: ("Dockerfile", "FROM scratch\nWORKDIR /srv\nUSER 1000\n"),
        image: nothing,
        script: "cd /srv && echo > file",
        refused: "Permission denied",
        fix: Fix::Image(|root| root.chown("/srv", Some(1000), Some(0)).unwrap()),
    });
}

#[test]
fn a_user_of_openshift() {
    hold(&Case {
        name: "a group that a random uid is in",
        file: ("pod.yaml", pod!("securityContext: {runAsUser: 1000680000, runAsGroup: 0},", "")),
        image: |root| root.create_dir_all("/srv/data").unwrap(),
        script: "echo > /srv/data/file",
        refused: "Permission denied",
        fix: Fix::Image(|root| {
            root.create_dir_all("/srv/data").unwrap();
            root.set_permissions("/srv/data", 0o775).unwrap();
        }),
    });
}
