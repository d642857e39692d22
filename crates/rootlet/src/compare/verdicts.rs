//! Which tests passed, failed and were skipped, from what the common runners print. What none of them prints is passed over.

use serde::Serialize;
use std::collections::BTreeMap;

/// What came of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It was not run: skipped, ignored.
    Skipped,
}

/// The tests that an output names, and what came of each. A test that is named twice has the worst of it.
///
/// Known are libtest (`test a::b ... ok`), nextest (`PASS [   0.1s] crate a::b`), pytest (`a.py::b PASSED`, `FAILED a.py::b - why`), unittest
/// (`test_a (m.C.test_a) ... ok`), Go (`--- PASS: TestA (0.00s)`), and TAP (`not ok 1 - a`), which bats and node print.
pub fn verdicts(output: &str) -> BTreeMap<String, Verdict> {
    let mut all = BTreeMap::new();
    for line in output.lines() {
        let line = line.trim();
        let known = [libtest, nextest, pytest, go, tap].iter().find_map(|read| read(line));
        if let Some((name, verdict)) = known {
            let worst = all.entry(name.trim().to_owned()).or_insert(verdict);
            if verdict == Verdict::Failed {
                *worst = verdict;
            }
        }
    }
    all
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
    let (name, result) = line.rsplit_once(" ... ")?;
    let verdict = word(result.split([',', ' ', ':']).next()?)?;
    let name = name.strip_prefix("test ").unwrap_or(name);
    Some((name.strip_suffix(" - should panic").unwrap_or(name), verdict))
}

fn nextest(line: &str) -> Read<'_> {
    let (verdict, rest) = line.split_once(" [")?;
    let (_, name) = rest.split_once(']')?;
    // With how many are done before it: `( 1/21) `.
    let name = name.trim_start();
    let name = name.strip_prefix('(').and_then(|rest| rest.split_once(") ")).map_or(name, |(_, name)| name);
    Some((name, word(verdict.trim())?))
}

/// A line of `-v`, or of the summary.
fn pytest(line: &str) -> Read<'_> {
    let (first, rest) = line.split_once(' ')?;
    if first.contains(".py::") {
        return Some((first, word(rest.split_whitespace().next()?)?));
    }
    let name = rest.split(" - ").next()?;
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
        None => (true, line.strip_prefix("ok ")?),
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
    use super::Verdict::{Failed, Passed, Skipped};
    use super::*;

    fn read(output: &str) -> Vec<(String, Verdict)> {
        verdicts(output).into_iter().collect()
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
