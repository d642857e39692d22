//! Which tests passed, failed and were skipped, from what the common runners print. What none of them prints is passed over.

use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What came of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It was not run: skipped, ignored.
    Skipped,
    /// It passed or was skipped: its runner names those that failed alone.
    NotFailed,
}

/// The tests of an output: what came of those that it names, and how many there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tests {
    /// A test that is named twice has the worst of it.
    pub named: BTreeMap<String, Verdict>,
    /// How many passed, named or counted by the runner's last line.
    pub passed: usize,
    /// How many failed.
    pub failed: usize,
    /// How many were skipped.
    pub skipped: usize,
    /// Whether there were others than those that are named.
    pub has_unnamed: bool,
}

impl Tests {
    /// Reads what the common runners print: libtest (`test a::b ... ok`), nextest (`PASS [   0.1s] crate a::b`), pytest (`a.py::b PASSED`,
    /// `FAILED a.py::b - why`), unittest (`test_a (m.C.test_a) ... ok`), Go (`--- PASS: TestA (0.00s)`), and TAP (`not ok 1 - a`), which bats
    /// and node print. Where pytest, unittest, libtest or Go name failures alone, their summaries say how many others there were.
    ///
    /// ```
    /// use rootlet::compare::{Tests, Verdict};
    /// let tests = Tests::read("FAILED test_a.py::test_b - PermissionError\n1 failed, 2 passed in 0.02s\n");
    /// assert_eq!((tests.passed, tests.failed), (2, 1));
    /// assert_eq!(tests.verdict("test_a.py::test_b"), Some(Verdict::Failed));
    /// assert_eq!(tests.verdict("test_a.py::test_c"), Some(Verdict::NotFailed));
    /// ```
    pub fn read(output: &str) -> Self {
        let (mut named, mut counted, mut before) = (BTreeMap::new(), Counted::default(), "");
        let output = without_colours(output);
        for line in output.lines().map(str::trim) {
            let known = [libtest, nextest, pytest, go, tap].iter().find_map(|read| read(line));
            if let Some((name, verdict)) = known.or_else(|| unittests_failure(before, line)) {
                let worst = named.entry(name.trim().to_owned()).or_insert(verdict);
                if verdict == Verdict::Failed {
                    *worst = verdict;
                }
            }
            counted.read(line);
            before = line;
        }
        let count = |verdict| named.values().filter(|known| **known == verdict).count();
        let passed = counted.passed.max(count(Verdict::Passed));
        let failed = counted.failed.max(count(Verdict::Failed));
        let skipped = counted.skipped.max(count(Verdict::Skipped));
        let has_unnamed = counted.go_names_failures || passed + failed + skipped > named.len();
        Self { named, passed, failed, skipped, has_unnamed }
    }

    /// What came of a test; `None` where it was not run, as far as can be known.
    pub fn verdict(&self, name: &str) -> Option<Verdict> {
        let named = self.named.get(name).copied();
        named.or(self.has_unnamed.then_some(Verdict::NotFailed))
    }
}

/// Without the escape sequences that colour it (`ESC [ … m`).
fn without_colours(output: &str) -> Cow<'_, str> {
    if !output.contains('\x1b') {
        return output.into();
    }
    let mut parts = output.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain += part
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == ';')
            .strip_prefix('m')
            .unwrap_or(part);
    }
    plain.into()
}

/// What summaries say; of several, together.
#[derive(Default)]
struct Counted {
    passed: usize,
    failed: usize,
    skipped: usize,
    /// How many tests unittest ran, of which the next line says how many did not pass.
    ran: usize,
    /// A package of Go's has ended, and no test was said to begin.
    go_names_failures: bool,
    go_names_all: bool,
}

impl Counted {
    fn read(&mut self, line: &str) {
        if let Some((counts, _)) = line.trim_matches('=').trim().rsplit_once(" in ") {
            // pytest: `1 failed, 2 passed, 1 skipped in 0.05s`; each a number and a word, or it is something else.
            let counts: Option<Vec<_>> = counts.split(", ").map(count).collect();
            counts.into_iter().flatten().for_each(|(word, number)| self.add(word, number));
        }
        if let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) {
            counts.split("; ").filter_map(count).for_each(|(word, number)| self.add(word, number));
        }
        if let Some(ran) = line.strip_prefix("Ran ").and_then(|rest| rest.split(' ').next()) {
            self.ran = ran.parse().unwrap_or(0);
        }
        if self.ran > 0 && (line.starts_with("OK") || line.starts_with("FAILED")) {
            let details = line.split_once('(').map_or("", |(_, rest)| rest.trim_end_matches(')'));
            let details = details.split(", ").filter_map(|detail| detail.split_once('='));
            let mut others = 0;
            for (word, number) in details {
                let number = number.parse().unwrap_or(0);
                others += number;
                self.add(word, number);
            }
            self.passed += std::mem::take(&mut self.ran).saturating_sub(others);
        }
        self.go_names_all |= line.starts_with("=== RUN ");
        self.go_names_failures |= line.starts_with("ok  \t") || line.starts_with("FAIL\t");
        self.go_names_failures &= !self.go_names_all;
    }

    fn add(&mut self, word: &str, number: usize) {
        match word {
            "passed" | "xpassed" | "unexpected successes" => self.passed += number,
            "failed" | "error" | "errors" | "failures" => self.failed += number,
            "skipped" | "ignored" | "xfailed" | "expected failures" => self.skipped += number,
            _ => {}
        }
    }
}

/// `2 passed` as a word and a number.
fn count(text: &str) -> Option<(&str, usize)> {
    let (number, word) = text.split_once(' ')?;
    Some((word, number.parse().ok()?))
}

type Read<'a> = Option<(&'a str, Verdict)>;

fn word(word: &str) -> Option<Verdict> {
    match word {
        "ok" | "PASS" | "PASSED" | "XPASS" => Some(Verdict::Passed),
        "FAILED" | "FAIL" | "ERROR" | "SIGABRT" | "SIGKILL" | "SIGSEGV" | "TIMEOUT" => Some(Verdict::Failed),
        "ignored" | "skipped" | "SKIP" | "SKIPPED" | "XFAIL" => Some(Verdict::Skipped),
        _ => None,
    }
}

/// libtest's, and unittest's with `-v`.
fn libtest(line: &str) -> Read<'_> {
    // With `-q` failures alone are named.
    let failed = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"));
    if let Some(name) = failed.or(line.strip_suffix(" --- FAILED")) {
        return Some((name, Verdict::Failed));
    }
    let (name, result) = line.rsplit_once(" ... ")?;
    let verdict = word(result.split([',', ' ', ':']).next()?)?;
    let name = name.strip_prefix("test ").unwrap_or(name);
    Some((name.strip_suffix(" - should panic").unwrap_or(name), verdict))
}

/// What unittest says without `-v`, below a line of its own: `FAIL: test_a (m.C.test_a) (i=1)`.
fn unittests_failure<'a>(before: &str, line: &'a str) -> Read<'a> {
    let ruled = before.len() == 70 && before.bytes().all(|b| b == b'=');
    let (_, name) =
        line.split_once(": ").filter(|(verdict, _)| ruled && matches!(*verdict, "FAIL" | "ERROR"))?;
    Some((name.split_inclusive(')').next()?, Verdict::Failed))
}

fn nextest(line: &str) -> Read<'_> {
    let (verdict, rest) = line.split_once(" [")?;
    let (_, name) = rest.split_once(']')?;
    // With how many are done before it: `( 1/21) `.
    let name = name.trim_start();
    let name = name.strip_prefix('(').and_then(|rest| rest.split_once(") ")).map_or(name, |(_, name)| name);
    Some((name, word(verdict.trim())?))
}

/// A line of `-v`, or of the summary. What stands in a name's brackets may be anything.
fn pytest(line: &str) -> Read<'_> {
    // pytest-xdist says before which worker it was: `[gw0] [ 11%] PASSED a.py::b`.
    let line = match line.strip_prefix("[gw") {
        Some(rest) => rest.split_once("%] ")?.1,
        None => line,
    };
    let whole = |name: &&str| name.matches('[').count() == name.matches(']').count();
    let (first, rest) = line.split_once(' ')?;
    if first.contains(".py::") {
        let mut ends =
            line.match_indices(' ').map(|(at, _)| line.split_at(at)).filter(|(name, _)| whole(name));
        return ends.find_map(|(name, rest)| Some((name, word(rest.split_whitespace().next()?)?)));
    }
    let mut reasons = rest.match_indices(" - ").map(|(at, _)| &rest[..at]);
    let name = reasons.find(whole).unwrap_or(rest);
    (name.contains(".py::") && first.chars().all(char::is_uppercase)).then_some((name, word(first)?))
}

fn go(line: &str) -> Read<'_> {
    let (verdict, rest) = line.strip_prefix("--- ")?.split_once(": ")?;
    Some((rest.split(" (").next()?, word(verdict)?))
}

/// Test Anything Protocol: the number says nothing, since it moves with the tests before.
fn tap(line: &str) -> Read<'_> {
    let (passed, rest) = match line.strip_prefix("not ok ") {
        Some(rest) => (false, rest),
        // Go says so of a package.
        None => (true, line.strip_prefix("ok ").filter(|rest| !rest.starts_with(" \t"))?),
    };
    let name = rest.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().trim_start_matches("- ");
    let (name, directive) = name.split_once(" # ").unwrap_or((name, ""));
    let skipped = directive.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("skip"));
    let verdict = match (skipped, passed) {
        (true, _) => Verdict::Skipped,
        (false, true) => Verdict::Passed,
        (false, false) => Verdict::Failed,
    };
    (!name.is_empty()).then_some((name, verdict))
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Failed, NotFailed, Passed, Skipped};
    use super::*;

    fn read(output: &str) -> Vec<(String, Verdict)> {
        Tests::read(output).named.into_iter().collect()
    }

    fn is(name: &str, verdict: Verdict) -> (String, Verdict) {
        (name.into(), verdict)
    }

    #[test]
    fn reads_what_runners_print() {
        let libtest = "running 3 tests\ntest a::b ... ok\ntest c - should panic ... FAILED\ntest d ... ignored, slow\n\ntest result: FAILED. 1 passed; 1 failed\n";
        assert_eq!(read(libtest), [is("a::b", Passed), is("c", Failed), is("d", Skipped)]);
        let nextest = "        PASS [   0.331s] ( 1/21) crate::bin a::b\n        FAIL [   0.1s] crate c\n     Summary [   6.504s] 21 tests run\n";
        assert_eq!(read(nextest), [is("crate c", Failed), is("crate::bin a::b", Passed)]);
        let pytest = "t.py::a PASSED   [ 33%]\nt.py::b[1] SKIPPED (root) [ 66%]\nFAILED t.py::c - PermissionError: x\n== 1 failed in 0.1s ==\n";
        assert_eq!(read(pytest), [is("t.py::a", Passed), is("t.py::b[1]", Skipped), is("t.py::c", Failed)]);
        let unittest = "test_a (m.C.test_a) ... ok\ntest_b (m.C.test_b) ... skipped 'as root'\n";
        assert_eq!(read(unittest), [is("test_a (m.C.test_a)", Passed), is("test_b (m.C.test_b)", Skipped)]);
        let go = "=== RUN   TestA\n--- FAIL: TestA (0.00s)\n    --- PASS: TestA/one (0.00s)\n--- SKIP: TestB (0.00s)\nFAIL\n";
        assert_eq!(read(go), [is("TestA", Failed), is("TestA/one", Passed), is("TestB", Skipped)]);
        let tap = "1..3\nok 1 - a\nnot ok 2 b\nok 3 c # SKIP as root\n";
        assert_eq!(read(tap), [is("a", Passed), is("b", Failed), is("c", Skipped)]);
    }

    fn counts(output: &str) -> (usize, usize, usize, bool) {
        let tests = Tests::read(output);
        (tests.passed, tests.failed, tests.skipped, tests.has_unnamed)
    }

    #[test]
    fn failures_alone_are_named_and_others_counted() {
        let pytest = "F.s\n= short test summary info =\nFAILED t.py::c - PermissionError: x in 1\n1 failed, 1 passed, 1 skipped, 2 warnings in 0.05s\n";
        assert_eq!(counts(pytest), (1, 1, 1, true));
        let tests = Tests::read(pytest);
        assert_eq!((tests.verdict("t.py::c"), tests.verdict("t.py::d")), (Some(Failed), Some(NotFailed)));
        let rule = "=".repeat(70);
        let unittest = format!(
            "E..sFx\n{rule}\nERROR: setUpClass (m.B)\n---\n{rule}\nFAIL: test_sub (m.C.test_sub) (i=1)\n---\nRan 5 tests in 0.002s\n\nFAILED (failures=1, errors=1, skipped=1, expected failures=1)\n"
        );
        assert_eq!(counts(&unittest), (1, 2, 2, true));
        assert_eq!(read(&unittest), [is("setUpClass (m.B)", Failed), is("test_sub (m.C.test_sub)", Failed)]);
        assert_eq!(counts("...\nRan 3 tests in 0.001s\n\nOK (skipped=1)\n"), (2, 0, 1, true));
        let libtest = "running 3 tests\n.i 2/3\nb --- FAILED\n\nfailures:\n\n---- b stdout ----\n\nfailures:\n    b\n\ntest result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.08s\n";
        assert_eq!((counts(libtest), read(libtest)), ((1, 1, 1, true), vec![is("b", Failed)]));
        let go = "--- FAIL: TestA (0.00s)\nFAIL\nFAIL\texample.com/x\t0.003s\n";
        assert_eq!(counts(go), (0, 1, 0, true));
        assert_eq!(Tests::read("ok  \texample.com/x\t0.003s\n").verdict("TestA"), Some(NotFailed));
    }

    #[test]
    fn names_have_anything_in_brackets_and_lines_have_colours() {
        let verbose = "t.py::p[a b] PASSED  [ 1%]\nt.py::p[c - d] SKIPPED (no - why) [ 2%]\n[gw0] [ 33%] PASSED t.py::p[[x]] \nFAILED t.py::p[e - f] - x - y\n";
        let expected = [
            is("t.py::p[[x]]", Passed),
            is("t.py::p[a b]", Passed),
            is("t.py::p[c - d]", Skipped),
            is("t.py::p[e - f]", Failed),
        ];
        assert_eq!(read(verbose), expected);
        let coloured = "\x1b[31mFAILED\x1b[0m t.py::\x1b[1mb\x1b[0m - assert 0\n\x1b[31m\x1b[31m\x1b[1m1 failed\x1b[0m, \x1b[32m4 passed\x1b[0m\x1b[31m in 0.04s\x1b[0m\n";
        assert_eq!((read(coloured), counts(coloured)), (vec![is("t.py::b", Failed)], (4, 1, 0, true)));
    }

    #[test]
    fn what_names_all_has_no_others() {
        let libtest = "test a ... ok\ntest b ... FAILED\n---- b stdout ----\ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured\n";
        assert_eq!(counts(libtest), (1, 1, 0, false));
        let go = "=== RUN   TestA\n--- PASS: TestA (0.00s)\nPASS\nok  \texample.com/x\t0.003s\n";
        assert_eq!((counts(go), Tests::read(go).verdict("TestB")), ((1, 0, 0, false), None));
        assert_eq!(counts("3 files changed in 2 places\nRan out of memory\nOK\n"), (0, 0, 0, false));
    }

    #[test]
    fn the_worst_counts() {
        assert_eq!(read("test a ... ok\ntest a ... FAILED\ntest a ... ok\n"), [is("a", Failed)]);
    }

    #[test]
    fn other_words_are_no_tests() {
        assert_eq!(
            read("all is ok\nok\nwaiting ... done\nERROR at 12:00::00 - x y\n[  OK  ] Started\n- a::b\n"),
            []
        );
    }
}
