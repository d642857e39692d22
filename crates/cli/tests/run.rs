//! `rootlet run` on the `host` base, with the real engine: streams, statuses, identity, files, limits, reports.
//!
//! `cargo xtask test` runs these as root and as an ordinary user; both see the same.

mod support;

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{Ran, finish, rootlet, run};

#[track_caller]
fn stdout_of(args: &[&str]) -> String {
    let ran = run(args, "");
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{args:?}: {}", ran.stdout);
    ran.stdout
}

fn sh(script: &str) -> Ran {
    run(&["--", "sh", "-c", script], "")
}

#[test]
fn runs_as_sam_unless_told() {
    let facts = "id -u; id -g; id -un; echo $HOME; touch ~/x && echo home; pwd";
    assert_eq!(stdout_of(&["--", "sh", "-c", facts]), "1000\n1000\nsam\n/home/sam\nhome\n/home/sam\n");
    assert_eq!(stdout_of(&["-u", "root", "--", "id", "-u"]), "0\n");
    assert_eq!(
        stdout_of(&["-u", "app:1234:2345", "--", "sh", "-c", "id -u; id -g; id -un"]),
        "1234\n2345\napp\n"
    );
    assert_eq!(stdout_of(&["-u", "54321", "--", "sh", "-c", "id -u; id -g; echo $HOME"]), "54321\n0\n/\n");
    assert!(stdout_of(&["-u", "1000:1000", "--group-add", "4321", "--", "id", "-G"]).contains("4321"));
}

#[test]
fn what_the_user_may_not_do_is_refused_and_what_it_may_stays_inside() {
    let ran = sh("echo x > /etc/rootlet-test-motd");
    assert_ne!(ran.status, Some(0));
    assert!(ran.stderr.contains("ermission denied"), "{}", ran.stderr);
    stdout_of(&[
        "-u",
        "root",
        "--",
        "sh",
        "-c",
        "echo x > /etc/rootlet-test-motd && test -s /etc/rootlet-test-motd",
    ]);
    assert!(!std::path::Path::new("/etc/rootlet-test-motd").exists());
}

#[test]
fn streams_pass_through_untouched() {
    let ran = run(&["--", "sh", "-c", "cat; echo err >&2"], "one\0two\n");
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "one\0two\n", "err\n"));
    // The very descriptors: a file's offset moves with what the command reads.
    let file = tempfile::tempfile().unwrap();
    let mut copy = file.try_clone().unwrap();
    copy.write_all(b"seven chars").unwrap();
    std::io::Seek::rewind(&mut copy).unwrap();
    let mut command = rootlet(&["run", "--", "dd", "bs=5", "count=1", "status=none"]);
    command.stdin(Stdio::from(file));
    assert_eq!(command.output().unwrap().stdout, b"seven");
    let mut rest = String::new();
    copy.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, " chars");
}

#[test]
fn closed_streams_are_no_surprise() {
    let script = "\"$0\" run -- sh -c 'exit 3' <&- >&- 2>&-; echo $?";
    let ran = finish(Command::new("sh").args(["-c", script]).arg(rootlet(&[]).get_program()), "");
    assert_eq!(ran.stdout, "3\n");
}

#[test]
fn the_status_is_the_commands_own() {
    assert_eq!(sh("exit 0").status, Some(0));
    assert_eq!(sh("exit 3").status, Some(3));
    assert_eq!(sh("exit 255").status, Some(255));
    assert_eq!(sh("kill -TERM $$").status, Some(143));
    assert_eq!(sh("kill -KILL $$").status, Some(137));
}

#[test]
fn not_found_and_not_executable_are_told_apart() {
    let ran = run(&["--", "no-such-program"], "");
    assert_eq!(ran.status, Some(127));
    assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains("no-such-program"), "{}", ran.stderr);
    assert_eq!(run(&["--", "/no/such/program"], "").status, Some(127));
    assert_eq!(run(&["--", "/etc/passwd"], "").status, Some(126));
    assert_eq!(run(&["--", "/etc"], "").status, Some(126));
}

#[test]
fn a_program_of_the_callers_own_path_is_named() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("rootlet-test-only-here"), "").unwrap();
    let path = format!("{}:{}", std::env::var("PATH").unwrap(), place.path().display());
    let ran = finish(rootlet(&["run", "--", "rootlet-test-only-here"]).env("PATH", path), "");
    assert_eq!(ran.status, Some(127));
    let hint = format!(
        "hint: on this machine it is {}/rootlet-test-only-here: `--env PATH` ",
        place.path().display()
    );
    assert!(ran.stderr.contains(&hint), "{}", ran.stderr);
}

#[test]
fn rootlets_own_failures_are_125_with_a_hint() {
    for args in [
        &["-u", "no-such-user", "--", "true"][..],
        &["-v", "/no/such/source:/x", "--", "true"],
        &["--base", "dir:/no/such/dir", "--", "true"],
        &["--env-file", "/no/such/file", "--", "true"],
        &["--base", "dir:", "--", "true"],
        &["--env-file", "/dev/zero", "--", "true"],
        &["-v", "/:/", "--", "true"],
        &["--tmpfs", "/./", "--", "true"],
        &["-v", "/:/etc/passwd", "--", "true"],
        &[],
    ] {
        let ran = run(args, "");
        assert_eq!(ran.status, Some(125), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{args:?}: {}", ran.stderr);
    }
    assert!(run(&[], "").stderr.contains("hint: "));
}

#[test]
fn variables_and_work_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vars");
    std::fs::write(&file, "# comment\nA=file\nB=file\n").unwrap();
    let file = file.to_str().unwrap();
    let args = [
        "--env-file",
        file,
        "-e",
        "B=option",
        "-e",
        "C=",
        "-w",
        "/usr",
        "--",
        "sh",
        "-c",
        "echo $A $B ${C+set}; pwd",
    ];
    assert_eq!(stdout_of(&args), "file option set\n/usr\n");
    let mut command = rootlet(&[
        "run",
        "-e",
        "HAVE",
        "-e",
        "LACK",
        "--",
        "sh",
        "-c",
        "echo $HAVE ${LACK-none} ${SECRET-none}",
    ]);
    let ran = finish(command.env("HAVE", "it").env("SECRET", "x").env_remove("LACK"), "");
    assert_eq!(ran.stdout, "it none none\n", "{}", ran.stderr);
}

#[test]
fn arguments_need_not_be_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let odd = std::ffi::OsStr::from_bytes(b"a\xffb");
    let mut command = rootlet(&[]);
    let output = command.args(["run", "--", "printf", "%s"]).arg(odd).output().unwrap();
    assert_eq!(output.stdout, b"a\xffb", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn volumes_and_tmpfs() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in"), "from the host\n").unwrap();
    let volume = |options: &str| format!("{}:/mnt/v{options}", dir.path().display());
    assert_eq!(stdout_of(&["-v", &volume(""), "--", "cat", "/mnt/v/in"]), "from the host\n");
    let ran = run(&["-u", "root", "-v", &volume(":ro"), "--", "touch", "/mnt/v/out"], "");
    assert_eq!(ran.status, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("Read-only"), "{}", ran.stderr);
    let script = "echo x > /mnt/t/x; stat -f -c %T /mnt/t; stat -c %a /mnt/t";
    let args = ["--tmpfs", "/mnt/t:size=1m,mode=1777", "--", "sh", "-c", script];
    assert_eq!(stdout_of(&args), "tmpfs\n1777\n");
    // Relative to where the caller stands.
    let mut command = rootlet(&["run", "-v", "./:/mnt/v", "--", "cat", "/mnt/v/in"]);
    assert_eq!(finish(command.current_dir(dir.path()), "").stdout, "from the host\n");
}

#[test]
fn a_read_only_root() {
    let ran = run(&["-u", "root", "--read-only", "--", "touch", "/x"], "");
    assert!(ran.stderr.contains("Read-only"), "{}", ran.stderr);
}

#[test]
fn names_masks_and_limits() {
    assert_eq!(stdout_of(&["--", "uname", "-n"]), "rootlet\n");
    assert_eq!(stdout_of(&["-h", "box", "--", "uname", "-n"]), "box\n");
    assert_eq!(stdout_of(&["--umask", "077", "--", "sh", "-c", "umask"]), "0077\n");
    let args = ["--ulimit", "nofile=64:128", "--", "sh", "-c", "ulimit -Sn; ulimit -Hn"];
    assert_eq!(stdout_of(&args), "64\n128\n");
}

#[test]
fn capabilities_are_what_was_asked_for() {
    let bounding = |args: &[&str]| {
        let all = [&["-u", "root"], args, &["--", "grep", "CapEff", "/proc/self/status"]].concat();
        let text = stdout_of(&all);
        u64::from_str_radix(text.split_whitespace().nth(1).unwrap(), 16).unwrap()
    };
    assert_eq!(bounding(&[]), 0xa804_25fb);
    assert_eq!(bounding(&["--cap-drop", "ALL"]), 0);
    assert_eq!(bounding(&["--cap-drop", "all", "--cap-add", "net_bind_service"]), 1 << 10);
}

#[test]
fn a_private_network_has_only_loopback() {
    let script = "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '";
    assert_eq!(stdout_of(&["--net", "private", "--", "sh", "-c", script]), "lo\n");
}

#[test]
fn a_timeout_ends_everything() {
    let start = Instant::now();
    let ran = run(&["--timeout", "500ms", "--", "sh", "-c", "sleep 100 & sleep 100"], "");
    assert_eq!(ran.status, Some(124), "{}", ran.stderr);
    assert!(start.elapsed() < Duration::from_secs(20));
    assert!(ran.stderr.contains("500ms"), "{}", ran.stderr);
}

#[test]
fn signals_are_passed_on() {
    for (name, signal) in [("TERM", 15), ("INT", 2), ("HUP", 1), ("USR1", 10)] {
        // A shell starts what runs in its background with SIGINT ignored, and that would be passed on.
        let mut command = Command::new("env");
        command.arg("--default-signal").arg(rootlet(&[]).get_program());
        let script = format!("trap 'echo got; exit 7' {name}; echo ready; while :; do sleep 0.05; done");
        command.args(["run", "--", "sh", "-c", &script]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let mut ready = [0; 6];
        out.read_exact(&mut ready).unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        let signal = rustix::process::Signal::from_named_raw(signal).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(7), "{name}");
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "got\n", "{name}");
    }
}

#[test]
fn a_download_can_be_interrupted() {
    // A registry that takes the call and never answers.
    let registry = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let image = format!("{}/app:1", registry.local_addr().unwrap());
    let store = tempfile::tempdir().unwrap();
    let mut command = Command::new("env");
    command
        .arg("--default-signal")
        .arg(rootlet(&[]).get_program())
        .args(["run", "--base", &image, "--store"]);
    command.arg(store.path()).args(["--", "true"]).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let _call = registry.accept().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(2));
}

#[test]
fn what_the_caller_ignores_stays_ignored() {
    let script =
        "\"$0\" run -- sh -c 'echo ready; sleep 1; exit 6' & sleep 0.5; kill -HUP $!; wait $!; echo $?";
    let script = format!("trap '' HUP; {script}");
    let ran = finish(Command::new("sh").args(["-c", &script]).arg(rootlet(&[]).get_program()), "");
    assert_eq!(ran.stdout, "ready\n6\n", "{}", ran.stderr);
}

#[test]
fn the_report_comes_after_a_failure_and_only_then() {
    assert_eq!(sh("true").stderr, "");
    let ran = sh("exit 3");
    assert!(ran.stderr.contains("uid=1000(sam) gid=1000"), "{}", ran.stderr);
    assert!(ran.stderr.contains("3"), "{}", ran.stderr);
    assert_eq!(run(&["--quiet", "--", "sh", "-c", "exit 3"], "").stderr, "");
    // What the command sees, and not what its account says.
    let ran = run(&["-e", "HOME=/elsewhere", "--", "sh", "-c", "exit 3"], "");
    assert!(ran.stderr.contains("HOME=/elsewhere"), "{}", ran.stderr);
}

#[test]
fn a_full_report_for_machines() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("report.json");
    let path = file.to_str().unwrap();
    for (script, status) in [("exit 0", 0), ("exit 3", 3)] {
        let ran = run(&["--json", path, "--", "sh", "-c", script], "");
        assert_eq!(ran.status, Some(status));
        let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(report["status"], status, "{report:#}");
        assert_eq!(report["user"]["uid"], 1000, "{report:#}");
        assert_eq!(report["base"], "host", "{report:#}");
    }
    run(&["--json", path, "--", "sh", "-c", "kill -9 $$"], "");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!((&report["status"], &report["signal"]), (&137.into(), &9.into()), "{report:#}");
    let report: serde_json::Value =
        serde_json::from_str(&stdout_of(&["--json", "-", "--", "sh", "-c", ":"])).unwrap();
    assert_eq!(report["status"], 0, "{report:#}");
    let ran = run(&["--json", "/no/such/dir/x", "--", "true"], "");
    assert_eq!(ran.status, Some(125), "a report that was asked for and not written: {}", ran.stderr);
}

#[test]
fn nothing_is_left_of_what_the_command_started() {
    let start = Instant::now();
    // Whatever lives on has the pipe of standard output open, which is read to its end.
    let ran = sh("sleep 1000 & setsid sleep 1000 & echo done");
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "done\n"), "{}", ran.stderr);
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_shell_reads_what_is_piped_to_it() {
    let mut command = rootlet(&[]);
    let ran = finish(command.args(["shell", "-e", "A=b"]), "echo $A; id -un; exit 5\n");
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(5), "b\nsam\n"), "{}", ran.stderr);
}

#[test]
fn the_doctor_finds_this_host_well() {
    let mut command = rootlet(&[]);
    let ran = finish(command.arg("doctor"), "");
    assert_eq!(ran.status, Some(0), "{}", ran.stdout);
    assert!(ran.stdout.contains("Rootlets run here"), "{}", ran.stdout);
    let json = finish(&mut rootlet(&["doctor", "--json"]), "");
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(json["checks"].as_array().unwrap().iter().any(|check| check["name"] == "store"));
}

#[test]
fn faults_and_copies_are_what_they_say() {
    let broken = |fault: &str, script: &str| run(&["--fault", fault, "--", "sh", "-c", script], "");
    let full = broken("full-disk", "echo x > ~/x");
    assert_eq!(full.status, Some(1), "{}", full.stderr);
    let refused = broken("read-only:/home,no-network", "touch ~/x; cat /proc/net/dev | grep -c eth");
    assert!(refused.stderr.contains("Read-only file system"), "{}", refused.stderr);
    assert_eq!(broken("no-proc", "ls /proc").stdout, "");
    let unknown = run(&["--fault", "full", "--", "true"], "");
    assert_eq!(unknown.status, Some(125));
    assert!(unknown.stderr.contains("expected full-disk"), "{}", unknown.stderr);

    let here = tempfile::tempdir().unwrap();
    let volume = format!("{}:/copy:O", here.path().display());
    stdout_of(&["-u", "root", "-v", &volume, "--", "sh", "-c", "echo x > /copy/new && test -s /copy/new"]);
    assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 0);
}

#[test]
fn a_random_user_has_no_account() {
    let told = stdout_of(&["-u", "random:0", "--", "sh", "-c", "id -u; id -g; echo $HOME"]);
    let (uid, rest) = told.split_once('\n').unwrap();
    assert!(uid.parse::<u32>().unwrap() >= 1_000_000_000, "{told}");
    assert_eq!(rest, "0\n/\n");
}
