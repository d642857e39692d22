//! Assertions that read well and fail well.

use crate::{Change, Rootlet};
use std::io;
use std::path::Path;
use std::process::Output;

/// Asserts what was changed in a rootlet since it was made: all of it, in any order, times left out.
///
/// Each line is as `docker diff` writes it (`A` added, `C` changed, `D` deleted); mode, owner and type are compared where they are written.
///
/// ```ignore
/// assert_changes!(root, []);
/// assert_changes!(root, ["A /etc/app.conf", "C /etc/motd 0644", "A /srv 0755 1000:1000 directory"]);
/// assert_changes!(root, golden = "tests/install.changes");    // with ROOTLET_UPDATE=1 the file is written
/// ```
///
/// A golden file has a line for each change; empty lines and those that begin with `#` are passed over. Its path begins in the package's
/// directory.
///
/// # Panics
/// They differ, and the panic says which lines are missing and which are not expected.
#[macro_export]
macro_rules! assert_changes {
    ($root:expr, golden = $file:expr $(,)?) => {
        if let Err(told) = $crate::testing::expect_golden(&$root, ::core::env!("CARGO_MANIFEST_DIR"), $file) {
            ::core::panic!("{told}")
        }
    };
    ($root:expr, [$($line:expr),* $(,)?] $(,)?) => {
        if let Err(told) = $crate::testing::expect_changes(&$root, &[$($line),*] as &[&str]) {
            ::core::panic!("{told}")
        }
    };
}

/// Asserts that something was refused as production refuses: EACCES, EPERM or EROFS; or one errno of `libc`'s.
///
/// It takes the result of a file operation, or the output of a command: one that failed and says so in the words of
/// strerror(3).
///
/// ```ignore
/// assert_refused!(root.as_user("sam")?.write("/etc/motd", "x"));
/// assert_refused!(root.command("touch").arg("/etc/motd").output());
/// assert_refused!(root.write("/var/lib/x", "y"), libc::EROFS);
/// ```
///
/// # Panics
/// It was not.
#[macro_export]
macro_rules! assert_refused {
    ($attempt:expr $(,)?) => {
        if let Err(told) = $crate::testing::expect_refused(&$attempt, ::core::option::Option::None) {
            ::core::panic!("{} was not refused: {told}", ::core::stringify!($attempt))
        }
    };
    ($attempt:expr, $errno:expr $(,)?) => {
        if let Err(told) = $crate::testing::expect_refused(&$attempt, ::core::option::Option::Some($errno)) {
            ::core::panic!("{} was not refused: {told}", ::core::stringify!($attempt))
        }
    };
}

/// What [`assert_changes!`](crate::assert_changes) does. `Err`: what is not as expected, for a person.
pub fn expect_changes(root: &Rootlet, expected: &[&str]) -> Result<(), String> {
    compare(&root.changes().map_err(|e| format!("{e:?}"))?, expected)
}

/// What [`assert_changes!`](crate::assert_changes) does with a golden file, whose path begins in `directory`.
pub fn expect_golden(root: &Rootlet, directory: &str, file: impl AsRef<Path>) -> Result<(), String> {
    let file = super::run::package(directory).join(file);
    let changes = root.changes().map_err(|e| format!("{e:?}"))?;
    let failed = |what: &str, e: io::Error| format!("failed to {what} {}: {e}", file.display());
    if std::env::var_os("ROOTLET_UPDATE").is_some_and(|value| !value.is_empty() && value != "0") {
        let lines: String = changes.iter().map(|change| format!("{change:#}\n")).collect();
        return std::fs::write(&file, lines).map_err(|e| failed("write", e));
    }
    let text = std::fs::read_to_string(&file)
        .map_err(|e| failed("read", e) + "\nhint: ROOTLET_UPDATE=1 writes it")?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    compare(&changes, &lines.collect::<Vec<_>>())
        .map_err(|told| format!("{told}\nhint: {} is written anew with ROOTLET_UPDATE=1", file.display()))
}

fn compare(changes: &[Change], expected: &[&str]) -> Result<(), String> {
    let mut missing: Vec<&str> = expected.to_vec();
    let mut unexpected = Vec::new();
    for change in changes {
        match missing.iter().position(|line| change.is_written_as(line)) {
            Some(at) => drop(missing.remove(at)),
            None => unexpected.push(format!("  not expected  {change:#}")),
        }
    }
    if missing.is_empty() && unexpected.is_empty() {
        return Ok(());
    }
    let missing = missing.iter().map(|line| format!("  missing       {line}"));
    let lines: Vec<String> = missing.chain(unexpected).collect();
    Err(format!("the changes are not as expected:\n{}", lines.join("\n")))
}

/// What can be refused.
pub trait Refusal {
    /// `Err`: it was not, and what it was instead. With `errno`: not for that reason.
    fn refused(&self, errno: Option<i32>) -> Result<(), String>;
}

/// What [`assert_refused!`](crate::assert_refused) does.
pub fn expect_refused(attempt: &impl Refusal, errno: Option<i32>) -> Result<(), String> {
    attempt.refused(errno)
}

const REFUSALS: [i32; 3] = [libc::EACCES, libc::EPERM, libc::EROFS];

fn judge(found: Option<i32>, errno: Option<i32>, told: String) -> Result<(), String> {
    let wanted = |found| errno.map_or(REFUSALS.contains(&found), |errno| errno == found);
    match found {
        Some(found) if wanted(found) => Ok(()),
        _ => Err(told),
    }
}

impl<T> Refusal for io::Result<T> {
    fn refused(&self, errno: Option<i32>) -> Result<(), String> {
        match self {
            Ok(_) => Err("it was done".into()),
            // An error of rootlet's own has it further below.
            Err(e) => {
                let own = e.get_ref().and_then(|e| e.downcast_ref::<crate::Error>());
                judge(own.map_or(e.raw_os_error(), crate::Error::raw_os_error), errno, e.to_string())
            }
        }
    }
}

impl<T: Refusal> Refusal for crate::Result<T> {
    fn refused(&self, errno: Option<i32>) -> Result<(), String> {
        match self {
            Ok(done) => done.refused(errno),
            Err(e) => judge(e.raw_os_error(), errno, e.to_string()),
        }
    }
}

/// By its words: a program tells nobody its errno.
impl Refusal for Output {
    fn refused(&self, errno: Option<i32>) -> Result<(), String> {
        let said = String::from_utf8_lossy(&self.stderr);
        let wanted = REFUSALS.iter().copied().filter(|_| errno.is_none()).chain(errno);
        let words = wanted.map(words_of).collect::<Vec<_>>();
        match self.status.success() {
            true => Err("the command succeeded".into()),
            false if words.iter().any(|words| said.contains(words)) => Ok(()),
            false => Err(format!("{}, and it does not say `{}`:\n{said}", self.status, words.join("` or `"))),
        }
    }
}

/// Something that was done.
impl Refusal for () {
    fn refused(&self, _: Option<i32>) -> Result<(), String> {
        Err("it was done".into())
    }
}

/// As strerror(3) has it: what the standard library says, less the number.
fn words_of(errno: i32) -> String {
    let said = io::Error::from_raw_os_error(errno).to_string();
    said.split(" (os error").next().unwrap_or_default().to_owned()
}
