//! The recipes for others' CI (examples/ci): they parse, and what they have a shell do is done here, on the host that each is
//! meant for.
//!
//! What would change the machine is played: `cargo`, `sudo` and what they are asked for is written down instead.

use rootlet::Tier;
use rootlet_tests::{Host, manifest_directory, rootlet_command, skipped};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

fn tree(file: &str) -> String {
    std::fs::read_to_string(manifest_directory().join("..").join(file)).unwrap()
}

fn documents(file: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&tree(&format!("examples/ci/{file}"))).unwrap()
}

/// All that is a list of strings or a string under this key, wherever it is.
fn scripts(value: &Value, key: &str) -> Vec<String> {
    let lines = |value: &Value| match value {
        Value::String(line) => vec![line.clone()],
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, inner)| if name == key { lines(inner) } else { scripts(inner, key) })
            .collect(),
        Value::Array(items) => items.iter().flat_map(|item| scripts(item, key)).collect(),
        _ => Vec::new(),
    }
}

fn github() -> Vec<String> {
    scripts(&documents("github.yml")[0], "run")
}

fn gitlab() -> Vec<String> {
    scripts(&documents("gitlab.yml")[0], "script")
}

fn pod(name: &str) -> Vec<String> {
    let pods = documents("kubernetes.yaml");
    let pod = pods.iter().find(|pod| pod["metadata"]["name"] == name).unwrap();
    scripts(&pod["spec"]["containers"], "args")
}

/// Programs that come before the machine's own.
struct Played(TempDir);

impl Played {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        // Others than the caller may have to look, as who is root of a user namespace.
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        for name in ["cargo", "sudo"] {
            let script = "#!/bin/sh\ncat > \"$(dirname \"$0\")/input\"\necho \"$(basename \"$0\") $*\" >&2\n";
            std::fs::write(path.join(name), script).unwrap();
            std::fs::set_permissions(path.join(name), PermissionsExt::from_mode(0o755)).unwrap();
        }
        let command = rootlet_command();
        std::os::unix::fs::symlink(command.get_program(), path.join("rootlet")).unwrap();
        Self(directory)
    }

    fn input(&self) -> String {
        std::fs::read_to_string(self.0.path().join("input")).unwrap()
    }

    /// As a CI's runner has a shell do it.
    fn run(&self, host: Option<&Host>, script: &str, base: &str) -> Output {
        let mut shell = host.map_or_else(|| Command::new("/bin/sh"), |host| host.command("/bin/sh"));
        shell.args(["-ec", script]).env("BASE", base).stdin(Stdio::null());
        let path = std::env::var("PATH").unwrap();
        shell.env("PATH", format!("{}:{path}", self.0.path().display()));
        shell.env("ROOTLET_STORE", rootlet_tests::store()).output().unwrap()
    }
}

/// Does every line of a recipe on its host, where the one that runs something is to end on this tier. Where the host does not
/// give that yet, the lines are only read.
#[track_caller]
fn is_followed(lines: &[String], host: Option<&Host>, tier: Tier) {
    assert!(lines.iter().any(|line| line.contains("rootlet run")));
    let Some(alpine) = rootlet_tests::alpine_tar() else { return skipped("no tarball of alpine") };
    let (base, played) = (format!("tar:{}", alpine.display()), Played::new());
    for line in lines {
        let output = played.run(host, line, &base);
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let refused = ["hint: ", "No rootlet can be made here"].iter().any(|words| said.contains(words));
        if !output.status.success() && refused {
            return skipped(&format!("{tier} is refused: {said}"));
        }
        assert!(output.status.success(), "{line}\n{said}");
        assert!(!line.contains("rootlet run") || said.contains("uid=1000(sam)"), "{line}\n{said}");
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn every_line_is_a_shells() {
    let lines = [github(), gitlab(), pod("tests"), pod("tests-with-own-ids")].concat();
    assert!(lines.len() > 10, "{lines:?}");
    for line in lines {
        let output = Command::new("sh").args(["-nc", &line]).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn githubs_is_followed_by_an_ordinary_user() {
    if !is_root() {
        is_followed(&github(), None, Tier::Exact);
    }
}

#[test]
fn gitlabs_is_followed_by_root_in_dockers_container() {
    let Some(docker) = Host::docker() else { return skipped("no copy of docker's profile") };
    if is_root() {
        is_followed(&gitlab(), Some(&docker), Tier::Chroot);
    }
}

#[test]
fn a_plain_pods_is_followed_by_root_under_a_filter() {
    let Some(docker) = Host::docker() else { return skipped("no copy of docker's profile") };
    if is_root() {
        is_followed(&pod("tests"), Some(&docker), Tier::Chroot);
    }
}

#[test]
fn a_pods_with_own_ids_is_followed_by_its_root() {
    if !is_root() {
        is_followed(&pod("tests-with-own-ids"), Some(&Host::own_ids()), Tier::Exact);
    }
}

/// What remains of a profile without its comments and empty lines.
fn rules(profile: &str) -> Vec<&str> {
    profile.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect()
}

#[test]
fn githubs_profile_is_the_one_that_we_ship() {
    let (played, shipped) = (Played::new(), tree("packaging/apparmor/rootlet"));
    let install = github().into_iter().find(|line| line.contains("apparmor.d")).unwrap();
    let tee = install.split_once("sudo apparmor_parser").unwrap().0;
    assert!(played.run(None, tee, "").status.success());
    assert_eq!(rules(&played.input()), rules(&shipped));
}

#[test]
fn apparmor_reads_the_profile() {
    let parser = ["/usr/sbin/apparmor_parser", "/sbin/apparmor_parser"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    let Some(parser) = parser else { return skipped("no apparmor_parser") };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rootlet");
    let read = |text: &str| {
        std::fs::write(&file, text).unwrap();
        Command::new(parser).args(["--skip-kernel-load", "--skip-cache"]).arg(&file).output().unwrap()
    };
    let shipped = tree("packaging/apparmor/rootlet");
    // Before version 4 the parser knows neither the rule nor its abi: then all the rest is read.
    let old = !Path::new("/etc/apparmor.d/abi/4.0").exists();
    let known = shipped.replace("abi/4.0", "abi/3.0").replace("  userns,\n", "");
    let output = read(if old { &known } else { &shipped });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!read(&known.replace("profile rootlet", "profile rootlet {")).status.success());
}
