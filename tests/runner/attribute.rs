//! `#[rootlet::test]` in a project of somebody else's: under libtest and under nextest.

use crate::{cargo, compiles, text, write};
use rootlet_tests::{kept, manifest_directory};

const TESTS: &str = r#"
use rootlet::{assert_changes, assert_refused, Rootlet};

#[rootlet::test(users = ["root", "sam"])]
fn writes_where_it_may(root: &Rootlet) -> rootlet::Result<()> {
    let done = root.command("touch").arg("/etc/made").output()?;
    match root.user().uid {
        0 => assert_changes!(root, ["A /etc/made 0644 0:0"]),
        _ => assert_refused!(done),
    }
    Ok(())
}

#[rootlet::test(inside)]
fn is_inside() {
    assert_refused!(std::fs::write("/etc/made", "x"));
}

#[rootlet::test(inside)]
#[should_panic(expected = "as it should")]
fn panics_inside() {
    panic!("as it should");
}
"#;

#[test]
fn a_project_of_ones_own_uses_the_attribute() {
    if !compiles() {
        return;
    }
    let project = tempfile::tempdir().unwrap();
    let library = manifest_directory().join("../crates/rootlet").canonicalize().unwrap();
    let manifest = format!(
        "[package]\nname = \"own\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[dev-dependencies]\n\
         rootlet = {{ path = \"{}\", features = [\"testing\"] }}\n\n[workspace]\n",
        library.display()
    );
    write(project.path().join("Cargo.toml"), manifest);
    write(project.path().join("src/lib.rs"), "");
    write(project.path().join("tests/own.rs"), TESTS);
    let target = kept("runner-attribute");
    let run = |words: &[&str]| {
        let out = cargo(project.path(), &target).args(words).output().unwrap();
        assert!(out.status.success(), "{}", text(&out));
        text(&out)
    };
    assert!(run(&["test"]).contains("4 passed; 0 failed"));
    if crate::has("cargo-nextest") {
        assert!(run(&["nextest", "run"]).contains("4 tests run: 4 passed"));
    } else {
        rootlet_tests::skipped("no cargo-nextest");
    }
}
