//! Precedence, defaults and admission are those of Kubernetes' own documents and sources.

use super::{at, like, lost, try_read, wrong};
use crate::parity::{Request, read};
use crate::{Content, GroupSpec, ImageDefaults, Memberships, Mount, Rights, Spec, UserSpec};

/// A Pod of one container; `pod` and `container` are JSON members.
fn pod(pod: &str, container: &str) -> String {
    let comma = |text: &str| if text.is_empty() { String::new() } else { format!(", {text}") };
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: web, labels: {{app: x}}}}, spec: {{containers: [{{name: main{}}}]{}}}}}",
        comma(container),
        comma(pod)
    )
}

fn read_pod(of_pod: &str, container: &str) -> crate::parity::Like {
    like("pod.yaml", &pod(of_pod, container))
}

#[track_caller]
fn refused(of_pod: &str, container: &str) -> String {
    let e = try_read("pod.yaml", &pod(of_pod, container)).unwrap_err();
    assert!(e.is_refusal(), "{e}");
    e.to_string()
}

#[test]
fn nothing_said_is_kubernetes_default() {
    let like = read_pod("", "");
    let expected = Spec {
        memberships: Memberships::Merge,
        allow_new_privileges: true,
        hostname: Some("web".into()),
        ..Spec::default()
    };
    assert_eq!(like.spec, expected);
    assert_eq!(like.what, "Pod web, container main");
    assert_eq!(like.losses, []);
}

#[test]
fn the_container_goes_before_the_pod() {
    let like = read_pod(
        "securityContext: {runAsUser: 1, runAsGroup: 2, runAsNonRoot: true, seccompProfile: {type: Unconfined}}",
        "securityContext: {runAsUser: 3, runAsNonRoot: false, seccompProfile: {type: RuntimeDefault}}",
    );
    assert_eq!(like.spec.user, Some(UserSpec::Id(3, Some(GroupSpec::Id(2)))));
    assert!(!like.non_root && !like.spec.seccomp_unconfined);
    let pods = read_pod("securityContext: {seccompProfile: {type: Unconfined}}", "");
    assert!(pods.spec.seccomp_unconfined);
}

#[test]
fn groups() {
    let like = read_pod(
        "securityContext: {fsGroup: 2000, supplementalGroups: [4000, 5000], supplementalGroupsPolicy: Strict, \
         fsGroupChangePolicy: OnRootMismatch}",
        "",
    );
    assert_eq!(like.spec.groups, [2000, 4000, 5000].map(GroupSpec::Id));
    assert_eq!(like.spec.memberships, Memberships::Strict);
}

#[test]
fn capabilities_are_written_in_many_ways() {
    let caps = |text: &str| {
        read_pod("", &format!("securityContext: {{capabilities: {text}}}")).spec.caps.mask().unwrap()
    };
    assert_eq!(caps("{drop: [all]}"), 0);
    assert_eq!(caps("{drop: [ALL], add: [CAP_NET_BIND_SERVICE]}"), 1 << 10);
    // containerd drops last.
    assert_eq!(caps("{drop: [ALL, CHOWN], add: [chown, KILL]}"), 1 << 5);
    assert_eq!(caps("{drop: [CHOWN]}"), crate::caps::mask(crate::caps::DOCKER_DEFAULT) & !1);
    let e = wrong("pod.yaml", &pod("", "securityContext: {capabilities: {add: [BIND_SERVICE]}}"));
    assert!(e.contains("NET_BIND_SERVICE"), "{e}");
}

#[test]
fn what_the_api_refuses() {
    let both = "securityContext: {allowPrivilegeEscalation: false, ";
    assert!(refused("", &format!("{both}privileged: true}}")).contains("`privileged` to true"));
    assert!(refused("", &format!("{both}capabilities: {{add: [SYS_ADMIN]}}}}")).contains("CAP_SYS_ADMIN"));
    assert!(refused("", "securityContext: {runAsUser: -1}").contains("between 0 and 2147483647"));
    assert!(refused("", "volumeMounts: [{name: x, mountPath: /x}]").contains("Not found: \"x\""));
    let volume = "volumes: [{name: v, emptyDir: {}}]";
    assert!(
        refused(volume, "volumeMounts: [{name: v, mountPath: /x}, {name: v, mountPath: /x/}]")
            .contains("unique")
    );
    assert!(
        refused(volume, "volumeMounts: [{name: v, mountPath: /x, subPath: ../y}]").contains("without `..`")
    );
    assert!(
        refused(
            "volumes: [{name: v, secret: {secretName: s, defaultMode: 01000}}]",
            "volumeMounts: [{name: v, mountPath: /x}]"
        )
        .contains("0777")
    );
}

#[test]
fn root_is_refused_in_the_kubelets_words() {
    let named = |user: &str| ImageDefaults { user: Some(user.into()), ..ImageDefaults::default() };
    let non_root = read_pod("securityContext: {runAsNonRoot: true}", "");
    let said = |image: &ImageDefaults| non_root.complete(non_root.spec.clone(), image).map(|spec| spec.user);
    let e = |image: &ImageDefaults| said(image).unwrap_err().to_string();
    assert!(e(&ImageDefaults::default()).ends_with("container has runAsNonRoot and image will run as root"));
    assert!(e(&named("0:1000")).ends_with("image will run as root"));
    assert!(
        e(&named("nginx")).ends_with("image has non-numeric user (nginx), cannot verify user is non-root")
    );
    assert_eq!(
        said(&named("101:102")),
        Ok(Some(UserSpec::Id(101, None))),
        "the kubelet hands on the uid alone"
    );
    let root = read_pod("securityContext: {runAsNonRoot: true, runAsUser: 0}", "");
    let e = root.complete(root.spec.clone(), &named("5")).unwrap_err();
    assert!(e.is_refusal() && e.to_string().ends_with("container's runAsUser breaks non-root policy"));
    // Who asks for root gets it.
    let asked = Spec { user: Some(UserSpec::Id(0, None)), ..non_root.spec.clone() };
    assert!(non_root.complete(asked, &named("nginx")).is_ok());
}

#[test]
fn the_images_user_where_none_is_said() {
    let plain = read_pod("", "");
    let user = |image: &ImageDefaults| plain.complete(plain.spec.clone(), image).unwrap().user;
    assert_eq!(user(&ImageDefaults::default()), Some(UserSpec::Id(0, None)));
    let image = ImageDefaults { user: Some("nginx:101".into()), ..ImageDefaults::default() };
    assert_eq!(user(&image), Some(UserSpec::Name("nginx".into(), None)));
    let group = read_pod("", "securityContext: {runAsGroup: 7}");
    let with_group = group.complete(group.spec.clone(), &image).unwrap().user;
    assert_eq!(with_group, Some(UserSpec::Name("nginx".into(), Some(GroupSpec::Id(7)))));
}

#[test]
fn commands_and_variables() {
    let like = read_pod(
        "",
        "command: [/run, $(A)], args: ['$(B)', '$$(A)', $(NO)], workingDir: /srv, env: [{name: A, value: a}, {name: B, value: \
         $(A)b}, {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, {name: APP, valueFrom: {fieldRef: {fieldPath: \
         \"metadata.labels['app']\"}}}, {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}, {name: A, value: last}], \
         resources: {limits: {cpu: 1500m, memory: 1Gi}, requests: {cpu: 1}}",
    );
    assert_eq!(like.spec.entrypoint, Some(vec!["/run".into(), "last".into()]));
    assert_eq!(like.spec.command, ["ab", "$(A)", "$(NO)"]);
    let env: Vec<_> = like.spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["B=ab", "POD=web", "APP=x", "CPU=2", "A=last"]);
    assert_eq!((like.spec.limits.memory, like.spec.limits.cpus), (Some(1 << 30), Some(1.5)));
    assert_eq!(like.spec.workdir.as_deref(), Some("/srv"));
    assert!(like.losses.is_empty(), "{:?}", like.losses);
    let e = wrong("pod.yaml", &pod("", "env: [{name: A, value: 5}]"));
    assert!(e.contains("expected text, found a number `5` (put it in quotes: \"5\")"), "{e}");
}

const OBJECTS: &str = "\
kind: ConfigMap
metadata: {name: conf}
data: {a.conf: hello, b: '2'}
---
kind: Secret
metadata: {name: hush}
data: {key: aHVzaA==}
stringData: {other: x}
---
";

fn with_objects(of_pod: &str, container: &str) -> crate::parity::Like {
    like("all.yaml", &format!("{OBJECTS}{}", pod(of_pod, container)))
}

#[test]
fn variables_of_the_same_file() {
    let like = with_objects(
        "",
        "envFrom: [{configMapRef: {name: conf}, prefix: C_}, {secretRef: {name: missing, optional: true}}, {secretRef: {name: gone}}], \
         env: [{name: KEY, valueFrom: {secretKeyRef: {name: hush, key: key}}}]",
    );
    let env: Vec<_> = like.spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["C_a.conf=hello", "C_b=2", "KEY=hush"]);
    assert_eq!(lost(&like), ["[2].spec.containers[0].envFrom[2]"]);
}

fn rights(mount: &Mount) -> Rights {
    match mount {
        Mount::Directory { rights, .. } => *rights,
        other => panic!("{other:?}"),
    }
}

/// The rights of each entry by its name, and what a file holds.
fn files(mount: &Mount) -> Vec<String> {
    let Mount::Files { entries, .. } = mount else { panic!("{mount:?}") };
    entries
        .iter()
        .map(|entry| {
            let Rights { uid, gid, mode } = entry.rights;
            let content = match &entry.content {
                Content::Directory => "directory".into(),
                Content::File(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Content::Symlink(to) => format!("-> {to}"),
            };
            let path = entry.path.replace("..2000_01_01_00_00_00.000000000", "DATE");
            format!(
                "{path} {}:{} {mode:o} {}",
                uid.unwrap(),
                gid.unwrap(),
                content.replace("..2000_01_01_00_00_00.000000000", "DATE")
            )
        })
        .collect()
}

const VOLUMES: &str = "volumes: [{name: empty, emptyDir: {}}, {name: memory, emptyDir: {medium: Memory, sizeLimit: 1Mi}}, \
                       {name: claim, persistentVolumeClaim: {claimName: c}}, {name: host, hostPath: {path: /var/x}}, {name: file, \
                       hostPath: {path: /x, type: FileOrCreate}}, {name: conf, configMap: {name: conf}}, {name: hush, secret: \
                       {secretName: hush, defaultMode: 0400, items: [{key: key, path: d/k}]}}]";
const MOUNTS: &str = "volumeMounts: [{name: empty, mountPath: /empty}, {name: memory, mountPath: /memory}, {name: claim, mountPath: \
                      /claim, subPath: a}, {name: host, mountPath: /host, readOnly: true}, {name: file, mountPath: /file}, {name: \
                      conf, mountPath: /conf}, {name: hush, mountPath: /hush}, {name: conf, mountPath: /one, subPath: b}]";

#[test]
fn volumes_without_a_group() {
    let like = with_objects(VOLUMES, MOUNTS);
    let mode = |target| rights(at(&like, target)).mode;
    assert_eq!(
        (mode("/empty"), mode("/memory"), mode("/claim"), mode("/host")),
        (0o777, 0o777, 0o755, 0o755)
    );
    assert!(matches!(at(&like, "/memory"), Mount::Directory { size: Some(0x10_0000), .. }));
    assert!(matches!(at(&like, "/claim"), Mount::Directory { sub_path, .. } if sub_path == "a"));
    assert!(matches!(at(&like, "/host"), Mount::Directory { read_only: true, .. }));
    assert_eq!(
        files(at(&like, "/conf")),
        [
            " 0:0 777 directory",
            "DATE 0:0 755 directory",
            "..data 0:0 777 -> DATE",
            "a.conf 0:0 777 -> ..data/a.conf",
            "b 0:0 777 -> ..data/b",
            "DATE/a.conf 0:0 644 hello",
            "DATE/b 0:0 644 2",
        ]
    );
    let hush = files(at(&like, "/hush"));
    assert_eq!(hush[3..], ["d 0:0 777 -> ..data/d", "DATE/d 0:0 755 directory", "DATE/d/k 0:0 400 hush"]);
    assert!(matches!(at(&like, "/one"), Mount::Files { sub_path, .. } if sub_path.ends_with("/b")));
    assert_eq!(lost(&like), ["[2].spec.volumes[3].hostPath", "[2].spec.volumes[4].hostPath"]);
}

#[test]
fn a_group_changes_each_kind_in_its_way() {
    let like = with_objects(&format!("securityContext: {{fsGroup: 7}}, {VOLUMES}"), MOUNTS);
    let all = ["/empty", "/memory", "/claim", "/host"].map(|target| rights(at(&like, target)));
    let of_group = |mode| Rights { uid: Some(0), gid: Some(7), mode };
    assert_eq!(all, [of_group(0o2777), of_group(0o2777), of_group(0o2775), Rights::root(0o755)]);
    let conf = files(at(&like, "/conf"));
    assert_eq!(conf[0], " 0:7 2777 directory");
    assert_eq!(conf[1], "DATE 0:7 2755 directory");
    assert_eq!(conf[5], "DATE/a.conf 0:7 644 hello");
    assert_eq!(files(at(&like, "/hush"))[5], "DATE/d/k 0:7 440 hush");
}

#[test]
fn every_kind_of_workload() {
    let template = "template: {metadata: {}, spec: {containers: [{name: main, image: i}]}}";
    for kind in ["Deployment", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "Rollout"] {
        let like = like("x.yaml", &format!("{{kind: {kind}, metadata: {{name: w}}, spec: {{{template}}}}}"));
        assert_eq!(like.what, format!("{kind} w, container main"));
    }
    let cron =
        format!("{{kind: CronJob, metadata: {{name: w}}, spec: {{jobTemplate: {{spec: {{{template}}}}}}}}}");
    assert_eq!(like("x.yaml", &cron).what, "CronJob w, container main");
    let list = format!(
        "{{\"kind\": \"List\", \"items\": [{{kind: Deployment, metadata: {{name: w}}, spec: {{{template}}}}}]}}"
    );
    assert_eq!(like("x.json", &list).image.as_deref(), Some("i"));
    let set = "{kind: StatefulSet, metadata: {name: w}, spec: {volumeClaimTemplates: [{metadata: {name: d}}], template: {spec: \
               {securityContext: {fsGroup: 9}, containers: [{name: main, volumeMounts: [{name: d, mountPath: /d}]}]}}}}";
    let like = like("x.yaml", set);
    assert_eq!(rights(at(&like, "/d")), Rights { uid: Some(0), gid: Some(9), mode: 0o2775 });
    assert_eq!(like.spec.hostname.as_deref(), Some("w-0"));
}

#[test]
fn which_container() {
    let two = "{kind: Pod, metadata: {name: p}, spec: {initContainers: [{name: prepare}], containers: [{name: a}, {name: b}]}}";
    assert!(wrong("p.yaml", two).contains("several containers: a, b (say which one: FILE#NAME"));
    assert!(wrong("p.yaml#c", two).contains("no container c (it has a, b, prepare (init))"));
    assert_eq!(like("p.yaml#b", two).what, "Pod p, container b");
    assert_eq!(like("p.yaml#p/a", two).what, "Pod p, container a");
    assert_eq!(like("p.yaml#prepare", two).what, "Pod p, init container prepare");
    let annotated =
        two.replace("name: p}", "name: p, annotations: {kubectl.kubernetes.io/default-container: b}}");
    assert_eq!(like("p.yaml", &annotated).what, "Pod p, container b");
    let pods = format!("{two}\n---\n{}", two.replace("name: p}", "name: q}"));
    assert!(wrong("p.yaml", &pods).contains("p/a, p/b, q/a, q/b"));
    assert_eq!(like("p.yaml#q/a", &pods).what, "Pod q, container a");
}

#[test]
fn nothing_is_dropped_in_silence() {
    let like = read_pod(
        "securityContext: {seLinuxOptions: {level: s0}, runAsUsr: 1}, hostPID: true, initContainers: [{name: x}], frobnicate: 1",
        "securityContext: {privileged: true}, lifecycle: {postStart: {exec: {}}}, livenessProbe: {}",
    );
    let expected = [
        "spec.containers[0].securityContext.privileged",
        "spec.containers[0].lifecycle.postStart",
        "spec.securityContext.seLinuxOptions",
        "spec.securityContext.runAsUsr",
        "spec.hostPID",
        "spec.initContainers",
        "spec.frobnicate",
    ];
    assert_eq!(lost(&like), expected);
    assert!(like.losses[3].why.contains("did you mean `runAsUser`?"), "{}", like.losses[3]);
    assert!(like.losses.iter().all(|loss| loss.place.line == 1 && loss.place.column > 1));
}

#[test]
fn openshift_on_top() {
    let files = super::Files::default();
    let on_top = |text: &str| {
        read(
            text.as_bytes(),
            &Request { name: "p.yaml", select: None, openshift: Some(1_000_680_000), around: &files },
        )
    };
    let like = on_top(&pod("volumes: [{name: v, emptyDir: {}}]", "volumeMounts: [{name: v, mountPath: /v}]"))
        .unwrap();
    assert_eq!(like.spec.user, Some(UserSpec::Id(1_000_680_000, Some(GroupSpec::Id(0)))));
    assert_eq!(like.spec.groups, [GroupSpec::Id(1_000_680_000)]);
    assert_eq!(like.spec.caps.mask(), Ok(0));
    assert!(!like.spec.allow_new_privileges && like.non_root);
    assert_eq!(rights(at(&like, "/v")).gid, Some(1_000_680_000));
    let e = on_top(&pod("", "securityContext: {runAsUser: 1000}")).unwrap_err();
    assert!(
        e.is_refusal() && e.to_string().contains("must be in the ranges: [1000680000, 1000689999]"),
        "{e}"
    );
}

#[test]
fn the_kernels_places_stay_the_rootlets_own() {
    let like = read_pod(
        "volumes: [{name: d, hostPath: {path: /dev}}, {name: m, emptyDir: {medium: Memory}}]",
        "volumeMounts: [{name: d, mountPath: /dev}, {name: d, mountPath: /dev/kvm}, {name: m, mountPath: /dev/shm}]",
    );
    assert_eq!(like.spec.mounts.iter().map(Mount::target).collect::<Vec<_>>(), ["/dev/shm"]);
    assert!(lost(&like).contains(&"spec.containers[0].volumeMounts[1]"));
}

#[test]
fn configuration_is_of_a_namespace() {
    let text = "kind: ConfigMap\nmetadata: {name: c, namespace: a}\ndata: {k: of-a}\n---\nkind: ConfigMap\nmetadata: {name: c, namespace: b}\ndata: {k: \
                of-b}\n---\nkind: Pod\nmetadata: {name: p, namespace: NS}\nspec: {containers: [{name: main, env: [{name: A, valueFrom: {configMapKeyRef: \
                {name: c, key: k}}}]}]}\n";
    for (namespace, expected) in [("a", Some("of-a")), ("b", Some("of-b")), ("other", None)] {
        let like = like("pod.yaml", &text.replace("NS", namespace));
        assert_eq!(like.spec.env.first().map(|(_, value)| value.as_str()), expected, "{namespace}");
        assert_eq!(like.losses.is_empty(), expected.is_some());
    }
    assert_eq!(like("pod.yaml", &text.replace(", namespace: NS", "")).spec.env.len(), 1);
}

#[test]
fn what_looks_like_a_workload() {
    let knative = "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: hello}\nspec: {template: {spec: {containerConcurrency: 1, timeoutSeconds: 3, \
                   containers: [{image: i}]}}}\n";
    let knative = like("x.yaml", knative);
    assert_eq!((knative.what.as_str(), knative.losses.len()), ("Service hello, container user-container", 0));
    let job = "kind: ScaledJob\nmetadata: {name: j}\nspec: {jobTargetRef: {template: {spec: {containers: [{name: c, image: i}]}}}}\n";
    assert_eq!(like("x.yaml", job).what, "ScaledJob j, container c");
    assert!(
        wrong("x.yaml", "kind: Pod\nspec: {containers: [{image: i}]}\n").contains("`name` is missing here")
    );
    let many: String = (0..12).map(|n| format!("kind: Role\nmetadata: {{name: r{n}}}\n---\n")).collect();
    assert!(wrong("x.yaml", &many).contains("Role r9 and 2 more"), "{}", wrong("x.yaml", &many));
}

#[test]
fn annotations_and_tags_and_limits_of_nothing() {
    let text = "kind: Pod\nmetadata:\n  name: p\n  annotations:\n    container.apparmor.security.beta.kubernetes.io/main: localhost/x\n    \
                container.apparmor.security.beta.kubernetes.io/other: localhost/x\n    seccomp.security.alpha.kubernetes.io/pod: unconfined\nspec:\n  containers:\n  \
                - name: main\n    env: [{name: A, value: !!str 8080}]\n    resources: {limits: {cpu: 0, memory: \"0\"}}\n";
    let like = like("pod.yaml", text);
    assert_eq!(like.losses.iter().map(|loss| loss.place.line).collect::<Vec<_>>(), [5, 7]);
    assert_eq!(like.spec.env, [("A".into(), "8080".into())]);
    assert_eq!((like.spec.limits.cpus, like.spec.limits.memory), (None, None));
}

#[test]
fn quotes_make_text() {
    let runs_as = |value: &str| pod("", &format!("securityContext: {{runAsUser: {value}}}"));
    let quoted = wrong("pod.yaml", &runs_as("\"1000\""));
    assert!(
        quoted.contains("runAsUser: expected a whole number, found text `1000` (leave the quotes out: 1000)"),
        "{quoted}"
    );
    let huge = wrong("pod.yaml", &runs_as("99999999999999999999"));
    assert!(huge.contains("expected a whole number, found a number `99999999999999999999`"), "{huge}");
    let truth = wrong("pod.yaml", &pod("", "securityContext: {readOnlyRootFilesystem: 'true'}"));
    assert!(truth.contains("expected true or false, found text `true`"), "{truth}");
    assert!(
        like("pod.yaml", &pod("", "securityContext: {readOnlyRootFilesystem: yes}")).spec.read_only,
        "as kubectl has it"
    );
    assert!(wrong("pod.yaml", &pod("", "args: [\"a\\0b\"]")).contains("cannot hold a NUL"));
    let kind = wrong("x.yaml", "kind: Depolyment\nmetadata: {name: x}\nspec: {}\n");
    assert!(kind.contains("did you mean `kind: Deployment`?"), "{kind}");
}
