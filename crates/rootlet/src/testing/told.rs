//! What there is to know of a rootlet when its test has failed.

use crate::Rootlet;
use rootlet_spec::printable;

/// So many changes are told.
const MOST: usize = 20;

/// How what was refused is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For who reads the output.
    Text,
    /// Annotations of a GitHub workflow.
    Annotations,
}

impl Form {
    /// What `ROOTLET_WHY` asks for: `1`, or `github`.
    pub fn asked() -> Option<Self> {
        let value = std::env::var_os("ROOTLET_WHY").filter(|_| is_set("ROOTLET_WHY"))?;
        Some(if value == "github" { Self::Annotations } else { Self::Text })
    }
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0")
}

/// Lines, for the output of the test of this name.
pub(super) fn of(root: &Rootlet, test: &str) -> String {
    let report = root.report();
    let mut text = format!("rootlet: the test ran as {} on {}\n", report.user, printable(&report.base));
    for sentence in &report.not_reproduced {
        text += &format!("rootlet: not as in production: {}\n", printable(sentence));
    }
    text += &changes(root);
    text += &refusals(root, test);
    if is_set("ROOTLET_KEEP") {
        text += &match root.keep() {
            Ok(id) => format!("rootlet: kept: rootlet enter {id}\n"),
            Err(error) => format!("rootlet: it cannot be kept: {error}\n"),
        };
    }
    text
}

fn changes(root: &Rootlet) -> String {
    let changes = match root.changes() {
        Ok(changes) if changes.is_empty() => return "rootlet: nothing was changed\n".into(),
        Ok(changes) => changes,
        Err(error) => return format!("rootlet: what was changed cannot be told: {error}\n"),
    };
    let mut text: String =
        changes.iter().take(MOST).map(|change| format!("rootlet: changed: {change:#}\n")).collect();
    if changes.len() > MOST {
        text += &format!("rootlet: and {} more changes\n", changes.len() - MOST);
    }
    text
}

fn refusals(root: &Rootlet, test: &str) -> String {
    match (root.why(), Form::asked()) {
        (None, _) => "rootlet: what was refused, and why: ROOTLET_WHY=1 says it\n".into(),
        (Some(why), Some(Form::Annotations)) => why.annotations(Some(test)),
        (Some(why), _) => format!("rootlet: what was refused:\n{why}"),
    }
}
