//! Hosts that forbid things: a locked container, a kernel without user namespaces, a masked /proc, a store without room. What
//! is played is really refused there, and `rootlet run` ends in a right run of the strongest tier that the host allows, or in
//! a sentence with a hint; nothing is left of it.

#[path = "hosts/allowed.rs"]
mod allowed;
#[path = "hosts/changes.rs"]
mod changes;
#[path = "hosts/doctor.rs"]
mod doctor;
#[path = "hosts/overlayfs.rs"]
mod overlayfs;
#[path = "hosts/places.rs"]
mod places;
#[path = "hosts/refused.rs"]
mod refused;

use rootlet::Tier;
use rootlet_tests::{Host, Leftovers, assert_nothing_left, rootlet_command, skipped};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// How `rootlet run` ended.
#[derive(Debug, PartialEq)]
enum Ended {
    /// As production has it, on this tier.
    Right(Tier),
    /// In an error with a hint; this is all that was said.
    Refused(String),
}

/// What every run must show: who one is, what is refused to him and what is not.
const SCRIPT: &str = "id -u; id -g; touch /etc/x 2>/dev/null || echo refused; echo mine > ~/x && cat ~/x; cat /etc/shadow 2>/dev/null || echo hidden";
const RIGHT: &str = "1000\n1000\nrefused\nmine\nhidden\n";

/// Runs the script on Alpine, and sees that nothing is left.
#[track_caller]
fn run_on(host: &Host) -> Ended {
    let alpine = rootlet_tests::alpine_tar().expect("looked for before");
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report.json");
    let before = Leftovers::before();
    let mut command = host.command(rootlet_command().get_program());
    command.args(["run", "--base"]).arg(format!("tar:{}", alpine.display()));
    command.arg("--json").arg(&report).args(["--", "sh", "-c", SCRIPT]);
    let output = command.output().unwrap();
    assert_nothing_left(&before);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match output.status.code() {
        Some(0) => {
            assert_eq!(out, RIGHT, "{err}");
            Ended::Right(tier_of(&report))
        }
        Some(125) => {
            assert!(out.is_empty() && err.contains("error: ") && err.contains("hint: "), "{out}{err}");
            Ended::Refused(err.into())
        }
        other => panic!("{other:?}: {out}{err}"),
    }
}

fn tier_of(report: &Path) -> Tier {
    // The umask of a host may leave it unreadable.
    std::fs::set_permissions(report, std::fs::Permissions::from_mode(0o600)).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    serde_json::from_value(report["tier"].clone()).unwrap()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Of two tiers, that of whoever runs the tests: root, or an ordinary user.
fn by_caller<T>(root: T, ordinary: T) -> T {
    if is_root() { root } else { ordinary }
}

/// Asserts that the run ends on this tier, or is refused where that is what is expected.
#[track_caller]
fn ends(host: impl FnOnce() -> Option<Host>, expected: Option<Tier>) {
    if rootlet_tests::alpine_tar().is_none() {
        return skipped("no tarball of alpine");
    }
    let Some(host) = host() else { return skipped("no copy of docker's profile") };
    rootlet_tests::alone(|| {
        let ended = run_on(&host);
        let (examined, said) = doctor::examine(&host);
        let got = if let Ended::Right(tier) = ended { Some(tier) } else { None };
        assert_eq!(examined, got, "the doctor says otherwise: {said}");
        match (ended, expected) {
            (Ended::Refused(said), Some(tier)) => skipped(&format!("{tier} is refused: {said}")),
            (Ended::Refused(said), None) => println!("{said}"),
            (Ended::Right(tier), expected) => assert_eq!(Some(tier), expected),
        }
    });
}
