//! What one side was refused and the other was not, and the tests that it belongs to.

use super::Tests;
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

/// Whether a refusal belongs to a test: the thread is called as the test is (libtest), or what was refused is named in the line that has the
/// test's verdict, or in what is told of its failure (pytest, libtest).
pub fn belongs(refusal: &Refusal, test: &str, output: &str) -> bool {
    let mut end = test.len().min(KEPT);
    while !test.is_char_boundary(end) {
        end -= 1;
    }
    if refusal.name == test[..end] {
        return true;
    }
    let Some(path) = refusal.path.as_deref().filter(|path| path.len() > 1) else { return false };
    let mut within = false;
    output.lines().any(|line| {
        if let Some(header) = header(line) {
            within = is_of(header, test);
        }
        line.contains(path) && (within || line.contains(test) && Tests::read(line).named.contains_key(test))
    })
}

/// The test that the next lines are about: `____ C.test_a ____` and `---- a::b stdout ----`; what ends them is of none.
fn header(line: &str) -> Option<&str> {
    if let Some(name) = line.strip_prefix("---- ") {
        return name.strip_suffix(" stdout ----");
    }
    if line.starts_with("==") || line == "failures:" {
        return Some("");
    }
    // Underscores alone separate what is told of one test.
    let name = line.strip_prefix('_')?.strip_suffix('_')?.trim_matches('_');
    let name = name.strip_prefix(' ')?.strip_suffix(' ')?;
    name.contains(|c| c != '_' && c != ' ').then_some(name)
}

/// Whether a header names a test; pytest leaves the file's name out there.
fn is_of(header: &str, test: &str) -> bool {
    header == test || test.split_once(".py::").is_some_and(|(_, name)| header == name.replace("::", "."))
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
    fn what_is_told_of_a_failure_is_of_its_test() {
        let told = "=== FAILURES ===\n____ C.a ____\n>   write()\n_ _ _ _ _\nE  PermissionError: '/etc/new'\n----- Captured -----\n\
                    ____ b ____\ntouch: '/usr/x'\n=== short test summary info ===\nFAILED t.py::d - Permission…\n/usr/y";
        let of = |path: &str, test: &str| belongs(&refusal("python3", path), test, told);
        assert!(of("/etc/new", "t.py::C::a") && of("/usr/x", "t.py::b"));
        assert!(!of("/usr/x", "t.py::C::a") && !of("/usr/y", "t.py::b"));
        let libtest =
            "failures:\n\n---- a::b stdout ----\ncannot write /etc/new\n\nfailures:\n    a::b\n/usr/y";
        let of = |path: &str, test: &str| belongs(&refusal("sh", path), test, libtest);
        assert!(of("/etc/new", "a::b") && !of("/usr/y", "a::b") && !of("/etc/new", "a::c"));
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
