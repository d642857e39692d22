//! What a step may read, and nobody keeps.

use super::{Scene, says, scene, text};
use rootlet_tests::files_with;
use std::fs;

const FILE: &str = "the-t0ken-in-a-file";
const VARIABLE: &str = "the-t0ken-in-a-variable";
const PROXY: &str = "http://pr0xy.invalid:1/";

/// With two secrets, and this command.
fn with(command: &str) -> Option<Scene> {
    let recipes = format!(
        "[root.a]\nfrom = \"ALPINE\"\nsecrets = [{{ name = \"token\", file = \"token.txt\" }}, {{ name = \"KEY\", env = \"MY_KEY\" }}]\n\
         run = ['''{command}''']\n"
    );
    let scene = scene(&recipes)?;
    scene.write("token.txt", FILE);
    Some(scene)
}

fn build(scene: &Scene) -> std::process::Output {
    let mut command = scene.command(&["build", "a"]);
    command.env("MY_KEY", VARIABLE).env("http_proxy", PROXY).env("HTTPS_PROXY", PROXY).output().unwrap()
}

/// Nothing of them is anywhere in the store, packed or not.
#[track_caller]
fn nowhere(scene: &Scene) {
    for text in [FILE, VARIABLE, "pr0xy.invalid"] {
        assert_eq!(files_with(scene.store.path(), text), [""; 0], "{text}");
    }
}

#[test]
fn a_step_reads_secrets_and_no_layer_has_them() {
    let command = format!(
        r#"[ "$(cat /run/secrets/token)" = {FILE} ]; [ "$KEY" = {VARIABLE} ]; [ "$http_proxy" = {PROXY} ]; echo ok > /srv/ok"#
    );
    let Some(scene) = with(
        &command
            .replace(FILE, "$(cat /run/secrets/token)")
            .replace(VARIABLE, "the-t0ken-in-a-''variable")
            .replace("pr0xy", "pr''0xy"),
    ) else {
        return;
    };
    let output = build(&scene);
    text(&output);
    nowhere(&scene);
    assert_eq!(
        says(&scene.base(), "cat /srv/ok; [ ! -e /run/secrets ]; [ -z \"$KEY\" ] && echo none"),
        "ok\nnone\n"
    );
    // The way of looking finds what is there.
    assert!(!files_with(scene.store.path(), "''variable").is_empty());
    // A secret that changes redoes nothing: it is none of what a layer is made of.
    fs::write(scene.path().join("token.txt"), "another").unwrap();
    assert_eq!(scene.steps(), "cc");
}

#[test]
fn a_step_that_fails_keeps_none() {
    let Some(scene) = with("cat /run/secrets/token > /tmp/seen; false") else { return };
    assert!(!build(&scene).status.success());
    assert_eq!(files_with(scene.store.path(), VARIABLE), [""; 0]);
}

#[test]
fn a_secret_that_is_not_there_is_a_sentence() {
    let Some(scene) = with("true") else { return };
    scene.refused("the secret `KEY` is to be in the variable MY_KEY, which is not set");
    fs::remove_file(scene.path().join("token.txt")).unwrap();
    scene.refused("the secret `token` is to be in ");
}

#[test]
fn nobody_writes_a_secret() {
    rootlet_tests::needs_namespaces!("mount that is read-only");
    let Some(scene) = with("! echo x > /run/secrets/token") else { return };
    text(&build(&scene));
    assert_eq!(fs::read_to_string(scene.path().join("token.txt")).unwrap(), FILE);
}
