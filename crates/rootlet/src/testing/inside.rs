//! A test whose body runs in the rootlet: the test binary starts itself there, for this one test.
//!
//! ```text
//! outside                                              inside
//! libtest ─▶ Test::run_inside ──starts──▶ the same binary, --exact NAME ─▶ libtest ─▶ Test::run_inside, which finds INSIDE set
//!             │                                                                       │ BEGIN, the body's output, END and what came of it
//!             ◀─────────────── standard output, standard error ───────────────────────┘
//! ```

use super::run::text_of;
use super::{Test, told};
use crate::workspace::{Workspace, variables};
use crate::{Child, Error, Result, Rootlet};
use rootlet_base::BaseKind;
use serde::{Deserialize, Serialize};
use std::env;
use std::fmt;
use std::io::{self, BufRead, BufReader, PipeReader, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitStatus;

/// Names the test that a process is to run, inside.
const INSIDE: &str = "ROOTLET_INSIDE";
/// Lines between which libtest has nothing to say. A test that prints them fools itself alone.
const BEGIN: &str = "\u{1e}rootlet: the test begins";
const END: &str = "\u{1e}rootlet: the test ends: ";

/// What came of a body.
#[derive(Debug, Serialize, Deserialize)]
enum Outcome {
    Passed,
    /// It returned an error; as `Debug` writes it.
    Error(String),
    /// It panicked, with these words, and they were printed.
    Panic(String),
}

/// The error that a body returned inside. `Debug`, which libtest prints, is as the error itself has it.
pub struct Failed(String);

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a body returns.
pub trait Returned {
    /// The error, as `Debug` writes it.
    fn error(&self) -> Option<String>;
}

impl Returned for () {
    fn error(&self) -> Option<String> {
        None
    }
}

impl<E: fmt::Debug> Returned for std::result::Result<(), E> {
    fn error(&self) -> Option<String> {
        self.as_ref().err().map(|error| format!("{error:?}"))
    }
}

impl Test {
    /// Runs a body inside a fresh rootlet. `say` is given what there is to know of it after a failure, and all that it printed.
    ///
    /// # Panics
    /// As the body does, with the same words; where it cannot be run there, or was killed.
    #[track_caller]
    pub fn run_inside(&self, body: impl FnOnce(), say: impl Fn(&str)) {
        if let Err(error) = self.run_inside_to_result(body, say) {
            panic!("{error:?}")
        }
    }

    /// The same for a body that returns a `Result`.
    ///
    /// # Errors
    /// The body's.
    ///
    /// # Panics
    /// As [`Test::run_inside`].
    #[track_caller]
    pub fn run_inside_to_result<R: Returned>(
        &self,
        body: impl FnOnce() -> R,
        say: impl Fn(&str),
    ) -> std::result::Result<(), Failed> {
        if env::var(INSIDE).is_ok_and(|name| name == self.name) {
            if report(body) {
                return Ok(());
            }
            // Nobody listens any more: that the process fails is for who asks what it was refused.
            resume_unwind(Box::new(()))
        }
        let root = match self.spawn_inside() {
            Ok(root) => root,
            Err(error) => panic!("{error:?}"),
        };
        match self.start(&root).and_then(|child| follow(&root, child, &say)) {
            Ok((Some(Outcome::Passed), _)) => Ok(()),
            Ok((Some(Outcome::Error(told)), _)) => {
                say(&told::of(&root, self.name));
                Err(Failed(told))
            }
            Ok((Some(Outcome::Panic(told)), _)) => {
                say(&told::of(&root, self.name));
                // Its words were printed, inside.
                resume_unwind(Box::new(told))
            }
            Ok((None, status)) => {
                say(&told::of(&root, self.name));
                panic!("the test ended inside before it came to an end: {status}")
            }
            Err(error) => {
                say(&told::of(&root, self.name));
                panic!("{error:?}")
            }
        }
    }

    fn spawn_inside(&self) -> Result<Rootlet> {
        let mut builder = self.builder()?;
        let is_host = builder.base.kind() == &BaseKind::Host;
        let (program, workdir) = (program()?, workdir()?);
        Workspace::of(&program, &workdir, &|name| env::var_os(name)).add_to(&mut builder.spec);
        let mut all = variables(env::vars_os(), is_host);
        all.append(&mut builder.spec.env);
        builder.spec.env = all;
        builder.spawn()
    }

    fn start(&self, root: &Rootlet) -> Result<Child> {
        let mut command = root.command(program()?);
        command.args([self.path(), "--exact", "--nocapture", "--include-ignored", "--test-threads=1"]);
        command.env(INSIDE, self.name).stdin(crate::Stdio::null());
        command.stdout(crate::Stdio::piped()).stderr(crate::Stdio::piped());
        command.spawn()
    }
}

/// The test binary.
fn program() -> Result<std::path::PathBuf> {
    env::current_exe().map_err(|e| Error::io("failed to find the test binary", e))
}

fn workdir() -> Result<std::path::PathBuf> {
    env::current_dir().map_err(|e| Error::io("failed to find the directory that the test runs in", e))
}

/// Inside: runs the body, and tells what came of it; whether it passed.
fn report<R: Returned>(body: impl FnOnce() -> R) -> bool {
    tell(BEGIN);
    let outcome = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(returned) => returned.error().map_or(Outcome::Passed, Outcome::Error),
        Err(panic) => Outcome::Panic(text_of(&*panic).unwrap_or("a panic without words").to_owned()),
    };
    let told = serde_json::to_string(&outcome).unwrap_or_default();
    tell(&format!("{END}{told}"));
    matches!(outcome, Outcome::Passed)
}

/// On a line of its own, past whatever captures what a test prints. Who closed his standard output cannot be heard.
fn tell(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "\n{line}").and_then(|()| out.flush());
}

/// Outside: what came of it, when the process has ended; what was printed is said.
fn follow(root: &Rootlet, mut child: Child, say: &impl Fn(&str)) -> Result<(Option<Outcome>, ExitStatus)> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let all = |stderr: Option<PipeReader>| {
        let mut all = Vec::new();
        let _ = stderr.map(|mut stderr| stderr.read_to_end(&mut all));
        all
    };
    let (status, (outcome, printed), complained) = std::thread::scope(|scope| {
        let printed = scope.spawn(move || stdout.map(listen).unwrap_or_default());
        let complained = scope.spawn(move || all(stderr));
        let status = child.wait();
        // What the test left running may hold the pipes, and has nothing more to say.
        let _ = root.signal_all(libc::SIGKILL);
        (status, printed.join().unwrap_or_default(), complained.join().unwrap_or_default())
    });
    for text in [printed, complained] {
        if !text.is_empty() {
            say(&String::from_utf8_lossy(&text));
        }
    }
    Ok((outcome, status?))
}

/// What stands between the two lines, and what the second one says.
fn listen(stdout: impl Read) -> (Option<Outcome>, Vec<u8>) {
    let (mut began, mut outcome, mut printed) = (false, None, Vec::new());
    let mut reader = BufReader::new(stdout);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        let text = String::from_utf8_lossy(&line);
        if let Some(told) = text.strip_prefix(END).filter(|_| began) {
            outcome = serde_json::from_str(told.trim_end()).ok();
            // The empty line before it is ours.
            printed.pop();
        } else if text.trim_end() == BEGIN {
            began = true;
        } else if began && outcome.is_none() {
            printed.extend_from_slice(&line);
        }
        line.clear();
    }
    (outcome, printed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtests_own_words_are_left_out() {
        let said = format!(
            "\nrunning 1 test\ntest a ... \n{BEGIN}\nhello\nno newline\n{END}{{\"Panic\":\"x\"}}\nok\n"
        );
        let (outcome, printed) = listen(said.as_bytes());
        assert!(matches!(outcome, Some(Outcome::Panic(text)) if text == "x"));
        assert_eq!(String::from_utf8(printed).unwrap(), "hello\nno newline");
        assert!(matches!(listen(&b"running 1 test\n"[..]), (None, printed) if printed.is_empty()));
    }
}
