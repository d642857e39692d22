//! The exit status of the command: all of it in one place.
//!
//! | status | meaning | as in |
//! |---|---|---|
//! | N | the command's own | |
//! | 128 + N | signal N ended the command | sh(1), docker |
//! | 124 | `--timeout` passed, and everything was ended | timeout(1) |
//! | 125 | rootlet itself failed; the command did not run, or how it ended is not known | docker |
//! | 126 | the command is there but could not be executed | sh(1), docker |
//! | 127 | there is no such command | sh(1), docker |

use std::process::ExitCode;

/// How an invocation of `rootlet` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The command ended by itself with this code; 0 also where there was no command to run.
    Exited(u8),
    /// This signal ended the command.
    Signaled(u8),
    /// `--timeout` passed.
    TimedOut,
    /// rootlet itself failed.
    Failed,
    /// The command could not be executed.
    NotExecutable,
    /// There is no such command.
    NotFound,
}

impl Outcome {
    /// All is well.
    pub const SUCCESS: Self = Self::Exited(0);

    /// The status that the caller sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            // Linux has 64 signals.
            Self::Signaled(signal) => 128 | (signal & 0x7f),
            Self::TimedOut => 124,
            Self::Failed => 125,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        outcome.code().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds() {
        let table = [
            (Outcome::SUCCESS, 0),
            (Outcome::Exited(3), 3),
            (Outcome::Signaled(9), 137),
            (Outcome::Signaled(15), 143),
            (Outcome::TimedOut, 124),
            (Outcome::Failed, 125),
            (Outcome::NotExecutable, 126),
            (Outcome::NotFound, 127),
        ];
        for (outcome, code) in table {
            assert_eq!(outcome.code(), code, "{outcome:?}");
        }
    }
}
