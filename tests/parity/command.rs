//! `rootlet run --like` and `rootlet like`.

use crate::Written;
use rootlet_tests::{alpine_tar, rootlet_command};
use std::io::Write;
use std::process::{Output, Stdio};

const POD: &str = "\
kind: Deployment
metadata: {name: api}
spec:
  template:
    spec:
      securityContext: {runAsUser: 1234, runAsGroup: 50}
      containers:
      - {name: web, image: web:1, command: [/serve], args: [now], env: [{name: A, value: file}]}
      - name: side
        image: side:1
      volumes: [{name: v, hostPath: {path: /x}}]
";

/// The status, and what it said on standard output and standard error.
fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn run(file: &str, options: &[&str], command: &[&str]) -> Option<(Option<i32>, String, String)> {
    let Some(tarball) = alpine_tar() else {
        rootlet_tests::skipped("no tarball of Alpine");
        return None;
    };
    let base = format!("tar:{}", tarball.display());
    let mut rootlet = rootlet_command();
    rootlet.args(["run", "--like", file, "--base", &base]).args(options).arg("--").args(command);
    Some(told(&rootlet.output().unwrap()))
}

#[test]
fn options_go_before_the_file() {
    let file = Written::new("api.yaml", POD);
    let name = format!("{}#web", file.path().display());
    let script = ["sh", "-c", "echo $(id -u) $(id -g) $A"];
    let Some((status, out, err)) = run(&name, &[], &script) else { return };
    assert_eq!((status, out.as_str()), (Some(0), "1234 50 file\n"), "{err}");
    let (_, out, err) = run(&name, &["-u", "0:0", "-e", "A=own"], &script).unwrap();
    assert_eq!(out, "0 0 own\n", "{err}");
    // The command of production is another program than the one that is given, and that is run as it stands.
    let (status, _, err) = run(&name, &[], &[]).unwrap();
    assert_eq!(status, Some(127), "{err}");
    assert!(err.contains("/serve"), "{err}");
}

#[test]
fn a_failure_says_what_was_left_out() {
    let text =
        POD.replace("image: side:1", "image: side:1\n        volumeMounts: [{name: v, mountPath: /v}]");
    let file = Written::new("api.yaml", &text);
    let Some((status, _, err)) = run(&format!("{}#side", file.path().display()), &[], &["false"]) else {
        return;
    };
    assert_eq!(status, Some(1));
    let line = err.lines().find(|line| line.contains("Deployment api, container side")).unwrap();
    assert!(line.starts_with("rootlet: not as in production: "), "{err}");
    assert!(line.contains("spec.template.spec.volumes[0].hostPath (line 12)"), "{err}");
}

#[test]
fn a_table_and_json() {
    let file = Written::new("api.yaml", POD);
    let name = format!("{}#web", file.path().display());
    let (status, out, err) = told(&rootlet_command().args(["like", &name]).output().unwrap());
    assert_eq!(status, Some(0), "{err}");
    assert!(out.starts_with("Kubernetes: Deployment api, container web\n"), "{out}");
    assert!(
        out.contains("  user            1234:50\n") && out.ends_with("All of it is carried over.\n"),
        "{out}"
    );
    let (_, out, _) = told(&rootlet_command().args(["like", "--json", &name]).output().unwrap());
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["spec"]["command"][0], "now");
    assert_eq!(json["losses"].as_array().map(Vec::len), Some(0));
}

#[test]
fn what_is_wrong_says_where() {
    let file = Written::new("api.yaml", POD);
    let path = file.path().to_str().unwrap().to_owned();
    let like = |name: &str| told(&rootlet_command().args(["like", name]).output().unwrap());
    let (status, out, err) = like(&path);
    assert_eq!((status, out.as_str()), (Some(125), ""));
    assert!(
        err.contains("several containers: web, side") && err.contains("hint: say which one: FILE#NAME"),
        "{err}"
    );
    let tabs = Written::new("api.yaml", "kind: Pod\nspec:\n\tcontainers: []\n");
    let (_, _, err) = like(tabs.path().to_str().unwrap());
    assert!(err.contains("line 3, column") && err.contains("expected spaces"), "{err}");
    for (name, why) in
        [("/nonexistent/x.yaml", "ENOENT"), ("/", "it is a directory"), ("/dev/null", "it is no file")]
    {
        let (status, _, err) = like(name);
        assert_eq!(status, Some(125), "{name}");
        assert!(err.to_lowercase().contains(&why.to_lowercase()) || name == "/", "{name}: {err}");
    }
}

#[test]
fn fifty_megabytes_and_a_pipe() {
    let file = Written::new("big.yaml", "");
    let big = std::fs::File::create(file.path()).unwrap();
    big.set_len(50 << 20).unwrap();
    let (status, _, err) = told(&rootlet_command().arg("like").arg(file.path()).output().unwrap());
    assert_eq!(status, Some(125));
    assert!(err.contains("bytes") && err.contains("is it the right file?"), "{err}");
    let mut child = rootlet_command()
        .args(["like", "-#web"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(POD.as_bytes()).unwrap();
    let (status, out, err) = told(&child.wait_with_output().unwrap());
    assert_eq!(status, Some(0), "{err}");
    assert!(out.contains("container web"), "{out}");
}

#[test]
fn a_random_user_of_openshift() {
    let Some((status, out, err)) = run("openshift", &[], &["sh", "-c", "id; touch /x; whoami"]) else {
        return;
    };
    assert_ne!(status, Some(0));
    assert!(out.contains("gid=0(root)"), "{out}");
    assert!(out.split("uid=").nth(1).is_some_and(|uid| uid.starts_with('1')), "{out}");
    assert!(err.contains("unknown uid") && err.contains("Permission denied"), "{err}");
}

/// Nothing outside of the file's directory is bound because a file says so, by no way.
#[test]
fn a_file_binds_what_lies_beside_it_alone() {
    let text = "services: {web: {user: '0', volumes: ['./beside:/beside', './link:/link', '../..:/above']}}";
    let file = Written::new("compose.yaml", text);
    let directory = file.path().parent().unwrap();
    std::fs::create_dir(directory.join("beside")).unwrap();
    std::fs::write(directory.join("beside/file"), "").unwrap();
    std::os::unix::fs::symlink("/etc", directory.join("link")).unwrap();
    if rootlet_tests::chroot() {
        return;
    }
    let script = ["sh", "-c", "ls /beside; ls -A /link /above"];
    let Some((status, out, err)) = run(file.path().to_str().unwrap(), &[], &script) else { return };
    assert_eq!((status, out.as_str()), (Some(0), "file\n/above:\n\n/link:\n"), "{err}");
}
