//! What production would not start is not started here, either.

use crate::{Written, alpine};
use rootlet::{ErrorKind, Require, Rootlet};

const NON_ROOT: &str = "{kind: Pod, metadata: {name: p}, spec: {securityContext: {runAsNonRoot: true}, containers: [{name: m}]}}";

#[test]
fn run_as_non_root_refuses_root() {
    let Some(base) = alpine() else { return };
    let like = Written::new("pod.yaml", NON_ROOT).like();
    let e = Rootlet::builder(&base).like(&like).spawn().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Spec);
    assert_eq!(
        e.to_string(),
        "production would refuse to start this: container has runAsNonRoot and image will run as root"
    );
    // Another user is not what the file says, so it is let be; and the fix.
    assert!(Rootlet::builder(&base).like(&like).user("0:0").spawn().is_ok());
    let fixed = NON_ROOT.replace("runAsNonRoot: true", "runAsNonRoot: true, runAsUser: 1000");
    let root = Rootlet::builder(&base).like(&Written::new("pod.yaml", &fixed).like()).spawn().unwrap();
    assert_eq!(root.user().uid, 1000);
}

#[test]
fn without_a_user_it_is_root_not_sam() {
    let Some(base) = alpine() else { return };
    for (name, text) in [
        ("pod.yaml", "{kind: Pod, metadata: {name: p}, spec: {containers: [{name: m}]}}"),
        ("compose.yaml", "services: {web: {image: i}}"),
        ("Dockerfile", "FROM scratch\n"),
        ("app.service", "[Service]\nExecStart=/x\n"),
    ] {
        let root = Rootlet::builder(&base).like(&Written::new(name, text).like()).spawn().unwrap();
        assert_eq!((root.user().uid, root.user().gid), (0, 0), "{name}");
    }
}

#[test]
fn what_is_not_carried_over_is_reported_and_can_be_required() {
    let Some(base) = alpine() else { return };
    let text = "services: {web: {user: '1000', devices: [/dev/kvm], dns: 1.1.1.1}}";
    let like = Written::new("compose.yaml", text).like();
    let root = Rootlet::builder(&base).like(&like).spawn().unwrap();
    let told: Vec<_> =
        root.report().not_reproduced.iter().filter(|what| what.contains("service web")).collect();
    assert_eq!(
        told,
        ["service web: services.web.devices (line 1), services.web.dns (line 1); `rootlet like` says why"]
    );
    let refused = Rootlet::builder(&base).like(&like).require(Require::Everything).spawn().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Host);
}

#[test]
fn a_hostile_image_cannot_lead_a_volume_elsewhere() {
    rootlet_tests::needs_namespaces!("mounts");
    let Some(base) = alpine() else { return };
    if rootlet_tests::one_id() {
        return eprintln!("with one id a snapshot serves the user alone that it was made for");
    }
    let root = Rootlet::builder(&base).user("root").spawn().unwrap();
    // What a deployment mounts on, an image's author may have made a link to anywhere.
    for (link, to) in [
        ("/scratch", "/proc/1/root/../../../tmp"),
        ("/claim", "../../../../../etc"),
        ("/secret", "/proc/self/fd"),
    ] {
        root.symlink(to, link).unwrap();
    }
    let hostile = root.snapshot().unwrap();
    drop(root);
    let pod = "{kind: Pod, metadata: {name: p}, spec: {securityContext: {runAsUser: 1000}, volumes: [{name: v, emptyDir: {}}], containers: \
               [{name: m, volumeMounts: [{name: v, mountPath: /claim}]}]}}";
    let like = Written::new("pod.yaml", pod).like();
    // It lies over the root's own /etc, as runc would have it, not over anything outside.
    let root = Rootlet::builder(&hostile).like(&like).spawn().unwrap();
    assert_eq!(root.read_dir("/etc").unwrap().len(), 0);
    let unit = "[Service]\nInaccessiblePaths=/claim\nReadWritePaths=/scratch\n";
    let like = Written::new("app.service", unit).like();
    match Rootlet::builder(&hostile).like(&like).spawn() {
        Ok(root) => assert_eq!(root.metadata("/etc").unwrap().mode() & 0o777, 0),
        Err(e) => assert_eq!(e.kind(), ErrorKind::Setup, "{e:?}"),
    }
}
