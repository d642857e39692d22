//! Modules in repositories that are served over https and over ssh, on this machine.

use crate::dependencies::{LIBRARY, USER, git, manifest};
use crate::{Place, finish};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// A process that ends with the test.
struct Server {
    process: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A module that uses one of a repository, which is served: `owner/repo.git`, with the module at its top at `v1` and below `sub` as well.
/// Gives the commit, too.
fn place() -> (Place, String) {
    let place = Place::with(USER);
    let repository = "served/owner/repo.git";
    place.module(repository, "library", LIBRARY);
    place.module(&format!("{repository}/sub"), "library", LIBRARY);
    for words in
        [&["init", "-q", "-b", "main"][..], &["add", "-A"], &["commit", "-qm", "one"], &["tag", "v1"]]
    {
        git(&place, repository, words);
    }
    let commit = git(&place, repository, &["rev-parse", "HEAD"]);
    (place, commit)
}

/// It is installed and called, with variables of git's own.
#[track_caller]
fn installs(place: &Place, commit: &str, source: &str, environment: &[(&str, String)]) {
    let does = |words: &[&str]| {
        let mut command = place.command(words);
        command.env("ROOTLET_STORE", place.at("store")).envs(environment.iter().map(|(n, v)| (n, v)));
        let ran = finish(&mut command);
        assert_eq!(ran.status, Some(0), "{words:?}: {}", ran.stderr);
        ran.stdout
    };
    assert_eq!(does(&["install", source]), format!("library installed: {source} ({})\n", &commit[..12]));
    assert_eq!(manifest(place)["dependencies"][0]["pin"], commit);
    assert_eq!(does(&["call", "greet"]), "good day sam\n");
    does(&["uninstall", "library"]);
    // From the server again.
    fs::remove_dir_all(place.at("store/made/modules")).unwrap();
}

fn https(place: &Place) -> Option<Server> {
    let key = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"];
    let made = Command::new("openssl")
        .args(key)
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(place.path())
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        rootlet_tests::skipped("no openssl, which makes a certificate");
        return None;
    }
    place.write("server.py", include_str!("git_server.py"));
    let mut command = Command::new("/usr/bin/python3");
    command.args(["server.py", "served", "certificate.pem", "key.pem"]).current_dir(place.path());
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut port = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
    Some(Server { process, port: port.trim().parse().unwrap() })
}

#[test]
fn over_https() {
    let (place, commit) = place();
    let Some(server) = https(&place) else { return };
    let host = format!("https://localhost:{}", server.port);
    let trusted = [("GIT_SSL_CAINFO", place.at("certificate.pem").display().to_string())];
    for source in ["owner/repo.git@v1", "owner/repo.git/sub@v1", "owner/repo.git@main"] {
        installs(&place, &commit, &format!("{host}/{source}"), &trusted);
    }
    // Without a scheme, as repositories of github.com are said, which git is told to find here.
    let mut elsewhere = trusted.to_vec();
    elsewhere.push(("GIT_CONFIG_COUNT", "1".into()));
    elsewhere.push(("GIT_CONFIG_KEY_0", format!("url.{host}/.insteadOf")));
    elsewhere.push(("GIT_CONFIG_VALUE_0", "https://git.example/".into()));
    for source in ["git.example/owner/repo.git/sub@v1", "https://git.example/owner/repo.git@v1"] {
        installs(&place, &commit, source, &elsewhere);
    }
    // `host/owner/repo/sub`, where the server itself finds the repository without `.git`.
    fs::rename(place.at("served/owner/repo.git"), place.at("served/owner/repo")).unwrap();
    for source in
        [&format!("{host}/owner/repo/sub@v1"), "git.example/owner/repo/sub@v1", "git.example/owner/repo@v1"]
    {
        installs(&place, &commit, source, &elsewhere);
    }
    // A certificate that nobody trusts, and what is not there.
    let source = format!("{host}/owner/repo@v1");
    place.fails(125, &["install", &source], &["failed to get the repository", "certificate", "hint: "]);
    let mut missing = place.command(&["install", &format!("{host}/owner/none.git")]);
    let missing = finish(missing.envs(trusted.iter().map(|(n, v)| (n, v))));
    assert_eq!(missing.status, Some(125), "{missing:?}");
    assert!(missing.stderr.contains("failed to get the repository"), "{}", missing.stderr);
}

/// An sshd of the user's own, and the configuration that reaches it as `git.example`.
fn ssh(place: &Place, user: &str) -> Option<Server> {
    if Command::new("/usr/sbin/sshd").arg("-V").output().is_err() {
        rootlet_tests::skipped("no sshd");
        return None;
    }
    if rustix::process::geteuid().is_root() {
        fs::create_dir_all("/run/sshd").unwrap();
    }
    for name in ["host", "user"] {
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(place.at(name));
        assert!(keygen.status().unwrap().success());
    }
    // A port that is free may be somebody else's a moment later.
    for _ in 0..10 {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (at, port) = (place.path().display(), address.port());
        place.write(
            "sshd_config",
            &format!(
                "ListenAddress {address}\nHostKey {at}/host\nAuthorizedKeysFile {at}/user.pub\nPidFile none\n\
                 StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n"
            ),
        );
        let key = fs::read_to_string(place.at("host.pub")).unwrap();
        place.write("known_hosts", &format!("git.example {key}"));
        place.write(
            "ssh_config",
            &format!(
                "Host *\nHostName 127.0.0.1\nHostKeyAlias git.example\nPort {port}\nUser {user}\nIdentityFile {at}/user\n\
                 IdentitiesOnly yes\nUserKnownHostsFile {at}/known_hosts\nBatchMode yes\n"
            ),
        );
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(place.at("sshd_config")).stdin(Stdio::null());
        let mut process = command.stderr(Stdio::null()).spawn().unwrap();
        while process.try_wait().unwrap().is_none() {
            if TcpStream::connect(address).is_ok_and(|to| to.local_addr().unwrap() != address) {
                return Some(Server { process, port });
            }
            std::thread::yield_now();
        }
    }
    panic!("sshd ends at once: see `/usr/sbin/sshd -t -f sshd_config`");
}

#[test]
fn over_ssh() {
    let (place, commit) = place();
    let user = Command::new("id").arg("-un").output().unwrap();
    let user = String::from_utf8(user.stdout).unwrap().trim().to_owned();
    let Some(server) = ssh(&place, &user) else { return };
    let at = place.at("served/owner").display().to_string();
    let ssh = format!("ssh -F {}", place.at("ssh_config").display());
    let environment = [("GIT_SSH_COMMAND", ssh)];
    for source in [
        format!("ssh://{user}@git.example:{}{at}/repo.git@v1", server.port),
        format!("ssh://{user}@git.example{at}/repo.git/sub@v1"),
        format!("{user}@git.example:{at}/repo.git/sub@v1"),
        format!("{user}@git.example:{at}/repo.git@main"),
        // git finds `repo.git` by itself.
        format!("{user}@git.example:{at}/repo@v1"),
    ] {
        installs(&place, &commit, &source, &environment);
    }
    // Nobody is asked for a password, or whether a host is known.
    place.write("known_hosts", "");
    let mut unknown = place.command(&["install", &format!("{user}@git.example:{at}/repo.git@v1")]);
    let unknown = finish(unknown.envs(environment.iter().map(|(n, v)| (n, v))));
    assert_eq!(unknown.status, Some(125), "{unknown:?}");
    assert!(unknown.stderr.contains("Host key verification failed"), "{}", unknown.stderr);
}
