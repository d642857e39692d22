//! How the failure of a function is told: where in the module, what the command said, what to do.

use crate::failure::Failure;
use rootlet::functions::Failed;

/// Lines of a command's output, or of a traceback, that are shown: its end says why.
const LINES: usize = 100;

/// As a failure of the command.
pub fn failure(failed: &Failed) -> Failure {
    let mut failure = Failure::new(failed.message.trim_end());
    if let Some(traceback) = &failed.traceback {
        // It ends with the message once more, and what follows that.
        let lines: Vec<&str> = traceback.trim_end().lines().collect();
        let message = failed.message.lines().next().unwrap_or_default();
        let end = lines.iter().rposition(|line| !message.is_empty() && line.contains(message));
        let shown = &lines[..end.unwrap_or(lines.len())];
        if !shown.is_empty() {
            failure = failure.caused_by(end_of(&shown.join("\n")));
        }
    }
    if let Some(exec) = &failed.exec {
        for text in [&exec.stdout, &exec.stderr].into_iter().filter(|text| !text.trim().is_empty()) {
            failure = failure.caused_by(end_of(text));
        }
    }
    match &failed.hint {
        Some(hint) => failure.hint(hint.clone()),
        None => failure,
    }
}

fn end_of(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    match lines.len().checked_sub(LINES) {
        None | Some(0) => lines.join("\n"),
        Some(left) => format!("({left} lines before)\n{}", lines[left..].join("\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rootlet::functions::ExecFailed;

    #[test]
    fn the_end_of_a_long_output_is_shown() {
        let text: String = (0..1000).map(|n| format!("line {n}\n")).collect();
        let shown = end_of(&text);
        assert!(
            shown.starts_with("(900 lines before)\nline 900\n") && shown.ends_with("line 999"),
            "{shown}"
        );
        assert_eq!(end_of("a\nb\n"), "a\nb");
    }

    #[test]
    fn a_command_tells_what_it_said() {
        let exec = ExecFailed {
            command: vec!["x".into()],
            exit_code: 3,
            stdout: "out\n".into(),
            stderr: "err\n".into(),
        };
        let failed = Failed {
            exec: Some(Box::new(exec)),
            hint: Some("rootlet enter 1".into()),
            ..Failed::query("it failed")
        };
        let text = failure(&failed).to_string();
        assert_eq!(text, "error: it failed\n  caused by: out\n  caused by: err\nhint: rootlet enter 1\n");
    }
}
