//! What there is to know of a rootlet when its test has failed.

use crate::Rootlet;
use rootlet_spec::printable;

/// So many changes are told.
const MOST: usize = 20;

/// Lines, for the output of the test.
pub(super) fn of(root: &Rootlet) -> String {
    let report = root.report();
    let mut text = format!("rootlet: the test ran as {} on {}\n", report.user, printable(&report.base));
    for sentence in &report.not_reproduced {
        text += &format!("rootlet: not as in production: {}\n", printable(sentence));
    }
    match root.changes() {
        Ok(changes) if changes.is_empty() => text += "rootlet: nothing was changed\n",
        Ok(changes) => {
            let told = changes.iter().take(MOST).map(|change| format!("rootlet: changed: {change:#}\n"));
            text.extend(told);
            if changes.len() > MOST {
                text += &format!("rootlet: and {} more changes\n", changes.len() - MOST);
            }
        }
        Err(error) => text += &format!("rootlet: what was changed cannot be told: {error}\n"),
    }
    if std::env::var_os("ROOTLET_KEEP").is_some_and(|value| !value.is_empty() && value != "0") {
        text += &match root.keep() {
            Ok(id) => format!("rootlet: kept: rootlet enter {id}\n"),
            Err(error) => format!("rootlet: it cannot be kept: {error}\n"),
        };
    }
    text
}
