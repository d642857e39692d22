//! Programs that bring a runtime of their own: the JVM, node with npm, Go.

use crate::services::{is_traced, mended, services, told, with_volumes};
use crate::{explained, only};
use rootlet::spec::Net;
use rootlet::why::Cause;
use rootlet::{Base, Rootlet};

/// What a build makes of a temporary file, as the JVM's own library does.
const BUILD: &str = r#"<project><target name="t"><tempfile property="f" destdir="${java.io.tmpdir}" createfile="true"/></target></project>"#;

#[test]
fn a_jvm_with_a_temporary_file_and_a_read_only_root() {
    rootlet_tests::needs_namespaces!("a root that is mounted");
    let Some(base) = services() else { return };
    let build = tempfile::tempdir().unwrap();
    std::fs::write(build.path().join("build.xml"), BUILD).unwrap();
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(build.path(), readable).unwrap();
    let ant = "ant -q -f /srv/build/build.xml t";
    let with_build = |builder: rootlet::Builder| builder.bind_read_only(build.path(), "/srv/build");
    let root = with_build(Rootlet::builder(&base)).user("root").spawn().unwrap();
    assert!(root.command("sh").args(["-c", ant]).output().unwrap().status.success());
    // That the JVM has no place for its own file there, either, it says to nobody.
    assert_eq!(with_volumes(&base, |builder| with_build(builder).user("sam"), ant), ["/tmp"]);
}

/// A package that is there as a file comes through the cache all the same.
const NPM: &str = r#"mkdir -p /tmp/package /tmp/app && cd /tmp && echo '{"name":"dep","version":"1.0.0"}' > package/package.json &&
    tar -czf dep.tgz package && cd app && echo '{"name":"app","version":"1.0.0"}' > package.json &&
    /opt/node/bin/node /opt/node/lib/node_modules/npm/bin/npm-cli.js install --offline --no-audit /tmp/dep.tgz"#;

fn with_node(base: &Base, user: &str) -> Option<Rootlet> {
    let Some(node) = rootlet_tests::node() else {
        rootlet_tests::skipped("no node: `cargo xtask test` fetches it");
        return None;
    };
    let builder = Rootlet::builder(base).bind_read_only(node, "/opt/node").env("HOME", "/");
    Some(builder.user(user).explain(!rootlet_tests::chroot()).spawn().unwrap())
}

#[test]
fn npm_without_a_home() {
    let Some(base) = services() else { return };
    let Some(root) = with_node(&base, "root") else { return };
    let output = root.command("sh").args(["-c", NPM]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let Some(root) = with_node(&base, "12345:12345") else { return };
    let Some(failed) = explained(root.command("sh").args(["-c", NPM])) else { return };
    // npm itself says that its cache has files of root's.
    assert!(!failed.output.status.success());
    let refusal = only(&failed);
    assert_eq!((refusal.cause, refusal.path.as_deref()), (Cause::Mode, Some("/.npm")), "{}", failed.why);
    // It tried io_uring as well, and did without.
    let ring = failed.why.refusals.iter().find(|refusal| refusal.call.starts_with("io_uring_setup"));
    assert!(rootlet_tests::chroot() || ring.is_some_and(|ring| ring.handled), "{}", failed.why);
    let refusals = mended(&root, NPM);
    assert_eq!(refusals[0].fixes.dockerfile, "ENV HOME=/tmp");
    assert_eq!(told(&refusals), [(Cause::Mode, "/")], "{refusals:#?}");
}

#[test]
fn a_static_server_in_go() {
    rootlet_tests::needs_namespaces!("a network of its own");
    let Some(base) = services() else { return };
    let Some(server) = rootlet_tests::server() else { return rootlet_tests::skipped("no server in Go") };
    let spawn = |user: &str, ports: &str| {
        let spec = rootlet::spec::Spec {
            sysctls: vec![("net.ipv4.ip_unprivileged_port_start".into(), ports.into())],
            ..Default::default()
        };
        let builder = Rootlet::builder(&base).spec(spec).user(user).net(Net::Private);
        let root = builder.bind_read_only(&server, "/usr/local/bin/server").spawn().unwrap();
        root.write("/etc/server.conf", "x").unwrap();
        root.set_permissions("/etc/server.conf", 0o600).unwrap();
        root
    };
    assert!(spawn("root", "1024").command("server").status().unwrap().success());
    let refusals = mended(&spawn("sam", "1024"), "server");
    if !is_traced(&refusals) {
        return;
    }
    assert_eq!(told(&refusals), [(Cause::Mode, "/etc/server.conf"), (Cause::Port, "")], "{refusals:#?}");
    assert!(refusals[1].fixes.kubernetes.contains("ip_unprivileged_port_start, value: \"0\""));
    let refusals = mended(&spawn("sam", "0"), "server");
    assert_eq!(told(&refusals)[1..], [(Cause::Mode, "/run")], "{refusals:#?}");
    assert_eq!(refusals[1].fixes.dockerfile, "RUN install -m 0644 -o 1000 /dev/null /run/server.pid");
    assert!(refusals[1].program.ends_with("/server"));
}
