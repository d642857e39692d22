//! Who we are to a registry: passwords, helpers and tokens, from the files that docker and podman keep.

mod support;

use std::fs;
use support::registry::Setup;
use support::scene::{failed, scene, succeeded};
use support::{has, run, skip};

#[test]
fn a_password_is_asked_for_and_found() {
    let scene = scene!();
    if !has("htpasswd") {
        skip!("no htpasswd");
    }
    let passwords = scene.home.path().join("passwords");
    fs::write(&passwords, run("htpasswd", &["-Bbn", "sam", "secret"]).stdout).unwrap();
    let registry = scene.registry(&Setup { passwords: Some(&passwords), ..Setup::default() }).unwrap();
    registry.fill(&scene.source, "private:1", &["--dest-creds=sam:secret"]);
    let name = registry.image("private:1");
    failed(
        &scene.command(&[&name]).output().unwrap(),
        &["(Unauthorized)", "the registry refuses it", "docker login"],
    );
    // "sam:secret" and "sam:wrong" in base64.
    let auth = |secret: &str| format!(r#"{{"auths":{{"{}":{{"auth":"{secret}"}}}}}}"#, registry.address);
    let file = scene.home.path().join("auth.json");
    fs::write(&file, auth("c2FtOndyb25n")).unwrap();
    let output = scene.command(&[&name]).env("REGISTRY_AUTH_FILE", &file).output().unwrap();
    failed(&output, &["(Unauthorized)", "auth.json may be wrong"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains("wrong\"") && !text.contains("c2FtOndyb25n"), "no secrets in errors: {text}");
    fs::write(&file, "{").unwrap();
    let output = scene.command(&[&name]).env("REGISTRY_AUTH_FILE", &file).output().unwrap();
    failed(&output, &["(Configuration)", "auth.json"]);
    fs::write(&file, auth("c2FtOnNlY3JldA==")).unwrap();
    let first = succeeded(&scene.command(&[&name]).env("REGISTRY_AUTH_FILE", &file).output().unwrap());
    // Where docker keeps it, and by a helper.
    fs::create_dir(scene.home.path().join(".docker")).unwrap();
    let config = scene.home.path().join(".docker/config.json");
    fs::write(&config, auth("c2FtOnNlY3JldA==")).unwrap();
    assert_eq!(succeeded(&scene.command(&["--always", &name]).output().unwrap()), first);
    let bin = scene.home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let helper = bin.join("docker-credential-test");
    fs::write(&helper, "#!/bin/sh\ncat > /dev/null\necho '{\"Username\":\"sam\",\"Secret\":\"secret\"}'\n")
        .unwrap();
    run("chmod", &["+x", helper.to_str().unwrap()]);
    fs::write(&config, format!(r#"{{"credHelpers":{{"{}":"test"}}}}"#, registry.address)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    assert_eq!(succeeded(&scene.command(&["--always", &name]).env("PATH", path).output().unwrap()), first);
}
