//! Small worlds, and what is chosen in them.

use super::*;
use crate::source::apk::index;

/// `NAME VERSION|D:…|p:…`, one for each line.
fn packages(text: &str) -> Vec<Package> {
    let stanza = |line: &str| {
        let mut parts = line.trim().split('|');
        let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
        let more: String = parts.map(|part| format!("{part}\n")).collect();
        format!("C:Q1{name}\nP:{name}\nV:{version}\nS:1\n{more}\n")
    };
    let text: String = text.lines().filter(|line| !line.trim().is_empty()).map(stanza).collect();
    index::parse(&text, "d", 0).unwrap()
}

fn solve_text(text: &str, world: &str) -> std::result::Result<String, String> {
    let packages = packages(text);
    let world: Vec<String> = world.split(' ').map(str::to_owned).collect();
    match solve(&packages, &world) {
        Ok(chosen) => Ok(chosen.iter().map(|package| package.id()).collect::<Vec<_>>().join(" ")),
        Err(error) => Err(format!("{error:?}")),
    }
}

#[track_caller]
fn gives(text: &str, world: &str, chosen: &str) {
    assert_eq!(solve_text(text, world).as_deref(), Ok(chosen));
}

#[track_caller]
fn fails(text: &str, world: &str, words: &[&str]) {
    let error = solve_text(text, world).unwrap_err();
    words.iter().for_each(|word| assert!(error.contains(word), "no `{word}` in: {error}"));
}

#[test]
fn what_is_wanted_comes_first_and_cycles_are_fine() {
    gives("a 1|D:b c\nb 1|D:c\nc 1|D:a", "a", "c-1 b-1 a-1");
    gives("a 1|D:a", "a", "a-1");
    gives("a 1|D:so:x\nx 1|p:so:x=1 cmd:x=1", "a", "x-1 a-1");
}

#[test]
fn the_youngest_that_fits_is_taken() {
    let three = "a 1\na 2-r10\na 2-r9\n";
    gives(three, "a", "a-2-r10");
    gives(&format!("{three}b 1|D:a<2\n"), "b a", "a-1 b-1");
    gives(&format!("{three}b 1|D:a=2-r9\nc 1|D:a>1\n"), "a c b", "a-2-r9 b-1 c-1");
    // The younger of the wanted packages fits nothing else: it goes back.
    gives(&format!("{three}b 2|D:a<2\nb 1\nc 1|D:a~2\n"), "b c", "a-2-r10 b-1 c-1");
}

#[test]
fn who_provides_is_chosen_by_version_then_priority() {
    gives("a 1|D:v\nx 1|p:v=1\ny 1|p:v=2", "a", "y-1 a-1");
    gives("a 1|D:/bin/sh\nx 1|p:/bin/sh\ny 1|p:/bin/sh|k:100", "a", "y-1 a-1");
    gives("a 1|D:v\nx 1|p:v", "a", "x-1 a-1");
    fails("a 1|D:v\nx 1|p:v\ny 1|p:v", "a", &["`a-1` wants `v`", "`x-1`, `y-1`", "hint: say which"]);
    gives("a 1|D:v\nx 1|p:v\ny 1|p:v", "a y", "y-1 a-1");
    gives("a 1|D:v\nx 1|p:v\ny 1|p:v\nz 1|D:y", "a z", "y-1 a-1 z-1");
    // `v` itself wants who is `v` as well.
    fails("a 1|D:v=2\nx 1|p:v=1\nv 2|D:x", "a", &["`v-2` wants `x`", "`v-2` is `v` already"]);
}

#[test]
fn a_name_with_a_version_is_one_packages() {
    fails("x 1|p:v=1\ny 1|p:v=1", "x y", &["`y` is wanted", "`x-1` is `v` already"]);
    gives("x 1|p:v\ny 1|p:v", "x y", "x-1 y-1");
}

#[test]
fn conflicts_are_kept_from_both_sides() {
    fails("a 1|D:!b\nb 1", "a b", &["`b` is wanted", "`a-1` does not bear `b-1` (it says `!b`)"]);
    fails("b 1\na 1|D:!b", "b a", &["does not bear"]);
    gives("a 1|D:!b<2\nb 1\nb 3", "a b", "a-1 b-3");
    // Nobody refuses himself.
    gives("a 1|D:!v|p:v", "a", "a-1");
}

#[test]
fn what_comes_of_itself_comes() {
    let doc = "a 1\ndocs 1\na-doc 1|i:a=1 docs|D:man\nman 1\n";
    gives(doc, "a", "a-1");
    gives(doc, "a docs", "a-1 man-1 docs-1 a-doc-1");
    // And stays away where it cannot be.
    gives("a 1\nd 1|i:a|D:gone", "a", "a-1");
    gives("a 1|D:!d\nd 1|i:a", "a", "a-1");
    gives("a 1\nd 1|i:a !b\nb 1", "a b", "a-1 b-1");
    // One brings the next.
    gives("a 1\nb 1|i:a\nc 1|i:b", "a", "a-1 b-1 c-1");
}

#[test]
fn says_who_wants_what_is_not_there() {
    fails("a 1|D:b\nb 1|D:gone>=2", "a", &["`b-1` wants `gone>=2`", "no package of these repositories"]);
    fails("a 1|D:b>=2\nb 1", "a", &["`a-1` wants `b>=2`", "there is only `b-1`"]);
    fails("a 1", "a nothing", &["`nothing` is wanted"]);
    fails("python3 1", "pyhton3", &["`pyhton3` is wanted", "hint: did you mean `python3`?"]);
}

#[test]
fn a_long_chain_needs_no_deep_stack() {
    let chain: String = (0..3000).map(|at| format!("p{at} 1|D:p{}\n", at + 1)).collect();
    let chosen = solve_text(&format!("{chain}p3000 1"), "p0").unwrap();
    assert!(chosen.starts_with("p3000-1 p2999-1 ") && chosen.ends_with(" p0-1"));
}
