//! Real programs, and suites that others wrote: the same results inside as outside.

#[path = "programs/pjdfstest.rs"]
mod pjdfstest;

use rootlet::spec::Net;
use rootlet::{Base, Rootlet, Stdio, Store};
use std::io::{Read, Write};
use std::process::{Command, Output};
use std::time::Duration;

fn host() -> Base {
    Base::resolve("host", &Store::open(rootlet_tests::store()).unwrap()).unwrap()
}

/// Runs the test on Debian, or says loudly that it cannot.
macro_rules! debian {
    () => {
        match rootlet_tests::debian_tar() {
            Some(tar) => {
                let store = Store::open(rootlet_tests::store()).unwrap();
                Base::resolve(&format!("tar:{}", tar.display()), &store).unwrap()
            }
            None => {
                rootlet_tests::skipped("no tarball of debian");
                return;
            }
        }
    };
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn sh(root: &Rootlet, user: &str, script: &str) -> Output {
    root.command("sh").args(["-c", script]).user(user).output().unwrap()
}

#[test]
fn python_serves_on_port_80_of_a_network_of_its_own() {
    rootlet_tests::needs_namespaces!("a network of its own");
    if !std::path::Path::new("/usr/bin/python3").exists() {
        return rootlet_tests::skipped("python3 is not installed");
    }
    // As root inside, with docker's NET_BIND_SERVICE; the host's port 80 is another one.
    let root = Rootlet::builder(&host()).net(Net::Private).user("root").spawn().unwrap();
    root.create_dir("/tmp/www").unwrap();
    root.write("/tmp/www/hello", "from inside").unwrap();
    let mut server = root.command("/usr/bin/python3");
    server.args(["-m", "http.server", "80", "--bind", "127.0.0.1", "--directory", "/tmp/www"]);
    let _server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    root.wait_for_port(80, Duration::from_secs(60)).unwrap();
    let mut connection = root.connect(80).unwrap();
    connection.write_all(b"GET /hello HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("from inside"), "{answer}");
}

#[test]
fn a_low_port_is_refused_to_the_production_user() {
    let root = Rootlet::builder(&debian!()).net(Net::Private).user("sam").spawn().unwrap();
    let script = "import socket; socket.socket().bind(('127.0.0.1', 80))";
    let out = root.command("python3").args(["-c", script]).output().unwrap();
    assert!(
        text(&out).contains("PermissionError") || text(&out).contains("Permission denied"),
        "{}",
        text(&out)
    );
    let out = root.command("python3").args(["-c", &script.replace("80)", "8080)")]).output().unwrap();
    assert!(out.status.success(), "{}", text(&out));
}

#[test]
fn a_daemon_ends_with_its_rootlet() {
    let root = Rootlet::builder(&debian!()).user("sam").spawn().unwrap();
    let out = sh(
        &root,
        "sam",
        "(setsid sh -c 'trap \"\" HUP TERM; sleep 1000' >/dev/null 2>&1 </dev/null &) ; echo done",
    );
    assert_eq!(out.stdout, b"done\n");
    assert!(root.process_count().unwrap() >= 1);
    let pid = root.host_pid().unwrap();
    drop(root);
    // What has ended may still wait to be buried by the nursery.
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    assert!(status.is_empty() || status.contains("State:\tZ"), "{status}");
}

#[test]
fn tar_keeps_owners_as_root() {
    let root = Rootlet::builder(&debian!()).user("sam").spawn().unwrap();
    let script = "cd /tmp && mkdir t && echo x > t/f && chown 33:44 t/f && chmod 2751 t && tar cf t.tar t && rm -r t && \
                  tar xpf t.tar && stat -c '%u %g %a' t t/f";
    let out = sh(&root, "root", script);
    assert_eq!(String::from_utf8_lossy(&out.stdout), "0 0 2751\n33 44 644\n", "{}", text(&out));
}

#[test]
fn a_setuid_program_does_not_raise_anybody() {
    let base = debian!();
    let who = "cp /usr/bin/id /tmp/id && chmod 4755 /tmp/id";
    let root = Rootlet::builder(&base).user("sam").spawn().unwrap();
    assert!(sh(&root, "root", who).status.success());
    let out = root.command("/tmp/id").arg("-u").output().unwrap();
    assert_eq!(out.stdout, b"1000\n", "no_new_privs is the default");
    if rootlet_tests::one_id() || rootlet_tests::chroot() {
        // There is nobody else to become; or nothing but no_new_privs to keep a command inside.
        return;
    }
    // Where production allows it (allowPrivilegeEscalation), it works as there.
    let spec = rootlet::spec::Spec {
        allow_new_privileges: true,
        user: Some("sam".parse().unwrap()),
        ..Default::default()
    };
    let root = Rootlet::builder(&base).spec(spec).spawn().unwrap();
    assert!(sh(&root, "root", who).status.success());
    assert_eq!(root.command("/tmp/id").arg("-u").output().unwrap().stdout, b"0\n");
    let su = root.command("su").args(["-c", "id -un", "sam"]).user("root").output().unwrap();
    assert_eq!(su.stdout, b"sam\n", "{}", text(&su));
}

#[test]
fn apt_get_installs_a_package() {
    let root = Rootlet::builder(&debian!()).user("root").spawn().unwrap();
    let script = "export DEBIAN_FRONTEND=noninteractive; apt-get -q update && apt-get -q install -y --no-install-recommends hello && hello";
    let out = sh(&root, "root", script);
    assert!(out.status.success() && text(&out).contains("Hello, world!"), "{}", text(&out));
    assert!(root.changes().unwrap().iter().any(|c| c.to_string() == "A /usr/bin/hello"));
    let check = sh(&root, "root", "dpkg --verify hello");
    assert!(check.status.success() && check.stdout.is_empty(), "{}", text(&check));
}

/// CPython's own tests of files, processes and permissions: what fails, by name, inside and outside.
#[test]
fn cpython_sees_the_same_inside_as_outside() {
    let python = "/usr/bin/python3";
    let suite = ["-m", "test", "test_os", "test_posix", "test_shutil", "test_tempfile", "test_pathlib"];
    // It tries things out where it stands.
    let mut import = Command::new(python);
    import.args(["-c", "import test.test_os"]).current_dir(std::env::temp_dir());
    if !import.output().is_ok_and(|o| o.status.success()) {
        return rootlet_tests::skipped("CPython's tests (libpython3-testsuite) are not installed");
    }
    let failed = |output: &Output| -> Vec<String> {
        let text = text(output);
        let name = |line: &str| {
            let name = line.strip_prefix("FAIL: ").or_else(|| line.strip_prefix("ERROR: "))?;
            Some(name.split(' ').next()?.to_owned())
        };
        let mut names: Vec<_> = text.lines().filter_map(name).collect();
        names.sort();
        names.dedup();
        names
    };
    let builder = match rootlet_tests::chroot() {
        false => Rootlet::builder(&host()),
        // This machine's own root is too much to be copied; its tests are not.
        true => {
            let mut ask = Command::new(python);
            let library = ask.args(["-c", "import os; print(os.path.dirname(os.__file__), end='')"]).output();
            let library = text(&library.unwrap());
            Rootlet::builder(&debian!()).bind_read_only(&library, &library)
        }
    };
    let root = builder.user("sam").spawn().unwrap();
    let inside = root.command(python).args(suite).arg("-v").output().unwrap();
    let said = text(&inside);
    assert!(said.contains("Total duration"), "{said}");
    // docs/differences.md: the size of the file system is that of the writable layer, of which nothing is used yet; without
    // namespaces there is no /dev/ptmx.
    let known = if rootlet_tests::chroot() { ["test_openpty"] } else { ["test_disk_usage"] };
    let others: Vec<_> = failed(&inside).into_iter().filter(|name| !known.contains(&name.as_str())).collect();
    if others.is_empty() {
        return;
    }
    // Something else failed: is it this machine, or the rootlet? As an ordinary user outside, when this is one.
    let outside =
        Command::new(python).args(suite).arg("-v").current_dir(std::env::temp_dir()).output().unwrap();
    let outside = failed(&outside);
    let only_inside: Vec<_> = others.into_iter().filter(|name| !outside.contains(name)).collect();
    assert!(only_inside.is_empty(), "fail only inside: {only_inside:?}\n{said}");
}
