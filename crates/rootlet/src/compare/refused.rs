//! What one side was refused and the other was not, and the tests that it belongs to.

use super::verdicts;
use crate::why::{Refusal, Why};

/// Refusals of `second` that `first` has not, as they come; nothing where either was not traced.
pub fn beyond(first: Option<&Why>, second: Option<&Why>) -> Vec<Refusal> {
    let (Some(first), Some(second)) = (first, second) else { return Vec::new() };
    let is_same = |one: &Refusal, other: &Refusal| {
        (&one.program, &one.call, &one.errno, &one.path)
            == (&other.program, &other.call, &other.errno, &other.path)
    };
    let known = |refusal: &Refusal| first.refusals.iter().any(|of_first| is_same(of_first, refusal));
    second.refusals.iter().filter(|refusal| !known(refusal)).cloned().collect()
}

/// The kernel keeps so many bytes of a thread's name.
const KEPT: usize = 15;

/// Whether a refusal belongs to a test: the thread is called as the test is (libtest), or the line that has the test's verdict names what was
/// refused (pytest's summary).
pub fn belongs(refusal: &Refusal, test: &str, output: &str) -> bool {
    let mut end = test.len().min(KEPT);
    while !test.is_char_boundary(end) {
        end -= 1;
    }
    if refusal.name == test[..end] {
        return true;
    }
    let path = refusal.path.as_deref().filter(|path| path.len() > 1);
    let says = |line: &str, path: &str| {
        line.contains(test) && line.contains(path) && verdicts(line).contains_key(test)
    };
    path.is_some_and(|path| output.lines().any(|line| says(line, path)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::why::{Asker, Cause, Fixes};

    fn refusal(name: &str, path: &str) -> Refusal {
        Refusal {
            program: "/bin/tests".into(),
            name: name.into(),
            pid: 2,
            call: format!("mkdir(\"{path}\", 0777)"),
            errno: "EACCES".into(),
            path: Some(path.into()),
            components: Vec::new(),
            refused_by: None,
            who: Asker::default(),
            missing: "write".into(),
            cause: Cause::Mode,
            root_would_pass: Some(true),
            count: 1,
            handled: false,
            fixes: Fixes::default(),
        }
    }

    #[test]
    fn what_both_are_refused_is_no_difference() {
        let of = |paths: &[&str]| Why {
            refusals: paths.iter().map(|path| refusal("tests", path)).collect(),
            not_seen: Vec::new(),
        };
        let (root, sam) = (of(&["/a"]), of(&["/a", "/b"]));
        let paths: Vec<_> = beyond(Some(&root), Some(&sam)).into_iter().map(|refusal| refusal.path).collect();
        assert_eq!(paths, [Some("/b".into())]);
        assert!(beyond(None, Some(&sam)).is_empty());
    }

    #[test]
    fn a_refusal_is_of_the_test_whose_thread_asked_or_whose_line_says_it() {
        assert!(belongs(&refusal("store::writes_i", "/a"), "store::writes_it", ""));
        assert!(!belongs(&refusal("tests", "/a"), "store::writes_it", "test store::writes_it ... FAILED"));
        let summary =
            "FAILED t.py::a - PermissionError: [Errno 13] Permission denied: '/etc/new'\nFAILED t.py::b - x";
        assert!(belongs(&refusal("python3", "/etc/new"), "t.py::a", summary));
        assert!(!belongs(&refusal("python3", "/etc/new"), "t.py::b", summary));
        assert!(!belongs(&refusal("cat", "/etc/new"), "a", "cat: /etc/new: Permission denied\nnot ok 1 - a"));
    }
}
