//! Running one test in a process of its own, be it on a host that forbids things.

use crate::Host;
use std::env;
use std::io::Write;
use std::process::{Command, Stdio};

/// Runs `body` in a fresh process that does nothing else: the test binary is started again for the calling test only.
///
/// For tests that look at the whole process (its descriptors, children, directory, environment), which other tests on
/// other threads would disturb. Call it first in the test; the test must have the name of its thread, as libtest
/// gives it.
///
/// ```no_run
/// // #[test]
/// fn nothing_is_left() {
///     rootlet_tests::alone(|| { /* nobody else is here */ });
/// }
/// ```
#[track_caller]
pub fn alone(body: impl FnOnce()) {
    again(Command::new, body);
}

/// Likewise, on this host.
#[track_caller]
pub fn alone_on(host: &Host, body: impl FnOnce()) {
    again(|program| host.command(program), body);
}

#[track_caller]
fn again(command: impl FnOnce(std::path::PathBuf) -> Command, body: impl FnOnce()) {
    const MARK: &str = "ROOTLET_TEST_ALONE";
    let thread = std::thread::current();
    let name = thread.name().expect("libtest names its threads");
    if env::var_os(MARK).is_some() {
        return body();
    }
    let mut command = command(env::current_exe().expect("a process has a program"));
    // A thread for the test is what the library meets in practice, so the harness may start one: two, with its own.
    command.args([name, "--exact", "--nocapture", "--test-threads=2"]).env(MARK, "1").stdin(Stdio::null());
    let output = command.output().expect("a test binary runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && out.contains("1 passed"),
        "{name}, alone: {}\n{out}{err}",
        output.status
    );
    // libtest would keep it from the reader that something was skipped.
    let (skipped, rest): (Vec<&str>, Vec<&str>) = err.lines().partition(|line| line.starts_with("SKIPPED "));
    skipped.iter().for_each(|line| drop(writeln!(std::io::stderr(), "{line}")));
    rest.iter().for_each(|line| eprintln!("{line}"));
}
