//! Who we are to a registry: passwords, helpers and tokens, from the files that docker and podman keep.

mod support;

use std::fs;
use support::registry::Setup;
use support::scene::{failed, scene, succeeded};
use support::tokens::{IDENTITY, Tokens};
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

#[test]
fn an_identity_token_is_exchanged() {
    let scene = scene!();
    let registry = scene.registry(&Setup::default()).unwrap();
    registry.fill(&scene.source, "x:1", &[]);
    fs::create_dir(scene.home.path().join(".docker")).unwrap();
    let config = scene.home.path().join(".docker/config.json");
    let tokens = Tokens::start(registry.address, 3600);
    let name = format!("{}/x:1", tokens.address);
    let write = |token: &str| {
        let auths = serde_json::json!({ &tokens.address.to_string(): {
            // What docker writes beside it: an empty password.
            "auth": "MDAwMDAwMDAtMDAwMDo=", "identitytoken": token,
        }});
        fs::write(&config, serde_json::json!({ "auths": auths }).to_string()).unwrap();
    };
    failed(&scene.command(&[&name]).output().unwrap(), &["(Unauthorized)"]);
    write("worn out");
    let output = scene.command(&[&name]).output().unwrap();
    failed(&output, &["(Unauthorized)", "the registry refuses it", "config.json"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("worn"), "no secrets in errors");
    write(IDENTITY);
    let first = succeeded(&scene.command(&[&name]).output().unwrap());
    let given = || tokens.given.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(given(), 1, "one opens the repository for the whole pull");
    // A store keeps it, too; what it has for a user is then no name.
    let bin = scene.home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let helper = bin.join("docker-credential-store");
    let told = serde_json::json!({ "Username": "<token>", "Secret": IDENTITY });
    let script = format!(
        "#!/bin/sh\nread -r server\n[ \"$server\" = {} ] && echo '{told}' && exit\n\
         echo credentials not found in native keychain\nexit 1\n",
        tokens.address
    );
    fs::write(&helper, script).unwrap();
    run("chmod", &["+x", helper.to_str().unwrap()]);
    fs::write(&config, r#"{"credsStore":"store"}"#).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    assert_eq!(succeeded(&scene.command(&["--always", &name]).env("PATH", path).output().unwrap()), first);
    assert_eq!(given(), 2);
}

#[test]
fn an_access_token_that_ends_is_replaced() {
    let scene = scene!();
    let registry = scene.registry(&Setup::default()).unwrap();
    registry.fill(&scene.source, "x:1", &[]);
    let tokens = Tokens::start(registry.address, 1);
    let file = scene.home.path().join("auth.json");
    let auths = serde_json::json!({ &tokens.address.to_string(): { "identitytoken": IDENTITY } });
    fs::write(&file, serde_json::json!({ "auths": auths }).to_string()).unwrap();
    let name = format!("{}/x:1", tokens.address);
    succeeded(&scene.command(&[&name]).env("REGISTRY_AUTH_FILE", &file).output().unwrap());
    // The manifest, the config and two layers, each with a fresh one.
    let given = tokens.given.load(std::sync::atomic::Ordering::Relaxed);
    assert!(given >= 4, "{given}");
}
