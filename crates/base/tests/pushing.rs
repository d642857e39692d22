//! Pushing to a real registry (Debian's docker-registry), and what comes back from there.

mod support;

use rootlet_base::{Base, ErrorKind, Progress, Pull, Resolver, Step, Store};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use support::registry::{Setup, flaky_uploads};
use support::rich::{export, flat, rich};
use support::scene::{failed, scene, succeeded};
use support::tokens::{IDENTITY, Tokens};
use support::{Home, has, run, skip};

/// Writes down what is uploaded.
#[derive(Default)]
struct Uploads(Mutex<Vec<String>>);

impl Progress for Uploads {
    fn end(&self, id: &str, step: Step) {
        if step == Step::Upload {
            self.0.lock().unwrap().push(id.to_owned());
        }
    }
}

#[test]
fn what_is_pushed_is_pulled_by_skopeo_and_rootlet() {
    let scene = scene!();
    let registry = scene.registry(&Setup::default()).unwrap();
    let heard = Arc::new(Uploads::default());
    let resolver = Resolver::new(&scene.home.store).progress(heard.clone());
    let base = rich!(scene.home);
    let heard_of = resolver.resolve(&scene.source).unwrap();
    let (first, second) = (registry.image("me/rich:1"), registry.image("me/layout:2"));
    let digest = export(&base, &format!("docker://{first}"));
    let inspected = run(
        "skopeo",
        &["inspect", "--tls-verify=false", "--format={{.Digest}}", &format!("docker://{first}")],
    );
    assert_eq!(String::from_utf8_lossy(&inspected.stdout).trim(), digest.to_string());
    let layout = scene.home.path().join("copy");
    let copy = format!("oci:{}:1", layout.display());
    run("skopeo", &["copy", "-q", "--src-tls-verify=false", &format!("docker://{first}"), &copy]);
    let whole = flat(&base, &scene.home);
    let other = Home::new();
    for name in [copy, first.clone()] {
        let back = Base::resolve(&name, &other.store).unwrap();
        assert!(flat(&back, &other) == whole, "{name}");
        assert_eq!(back.defaults(), base.defaults());
    }
    // A layout has the same digests.
    assert_eq!(export(&base, &format!("oci:{}:1", scene.home.path().join("own").display())), digest);
    // What the registry has is not sent again; the two layers of this one, and its config, are new.
    export(&heard_of, &second);
    assert_eq!(heard.0.lock().unwrap().len(), 3, "{heard:?}", heard = heard.0);
    export(&heard_of, &second);
    assert_eq!(heard.0.lock().unwrap().len(), 3, "{heard:?}", heard = heard.0);
    // A tag moves.
    assert_ne!(export(&heard_of, &first), digest);
    let again = Resolver::new(&other.store).pull(Pull::Always).resolve(&first).unwrap();
    assert_eq!(again.layer_count(), 2);
}

#[test]
fn credentials_are_those_for_pulling_and_a_refusal_is_told() {
    let scene = scene!();
    if !has("htpasswd") {
        skip!("no htpasswd");
    }
    let home = scene.home.path();
    let passwords = home.join("passwords");
    let made = run("htpasswd", &["-Bbn", "sam", "secret"]).stdout;
    fs::write(&passwords, made).unwrap();
    let registry = scene.registry(&Setup { passwords: Some(&passwords), ..Setup::default() }).unwrap();
    let target = format!("docker://{}", registry.image("me/x:1"));
    let push = |auth: Option<&PathBuf>| {
        let mut command = scene.command(&[&scene.source, "--to", &target]);
        command.envs(auth.map(|file| ("REGISTRY_AUTH_FILE", file)));
        command.output().unwrap()
    };
    let refused = push(None);
    failed(&refused, &["error (Unauthorized): failed to export to", "failed to push", "docker login"]);
    assert!(!String::from_utf8_lossy(&refused.stderr).contains("Read "), "it was packed all the same");
    let write = |name: &str, user: &str| {
        let file = home.join(name);
        // `sam:secret`, `sam:wrong`
        fs::write(&file, format!("{{\"auths\":{{\"{}\":{{\"auth\":\"{user}\"}}}}}}", registry.address))
            .unwrap();
        file
    };
    failed(&push(Some(&write("wrong.json", "c2FtOndyb25n"))), &["error (Unauthorized)", "right to push"]);
    let right = write("right.json", "c2FtOnNlY3JldA==");
    let digest = succeeded(&push(Some(&right)));
    let auth = format!("--authfile={}", right.display());
    let inspected = run("skopeo", &["inspect", "--tls-verify=false", &auth, "--format={{.Digest}}", &target]);
    assert_eq!(String::from_utf8_lossy(&inspected.stdout), digest);
}

#[test]
fn an_identity_token_is_exchanged_for_the_right_to_push() {
    let scene = scene!();
    let registry = scene.registry(&Setup::default()).unwrap();
    let tokens = Tokens::start(registry.address, 3600);
    let auth = scene.home.path().join("auth.json");
    let auths = serde_json::json!({ &tokens.address.to_string(): { "identitytoken": IDENTITY } });
    fs::write(&auth, serde_json::json!({ "auths": auths }).to_string()).unwrap();
    let target = format!("docker://{}/x:1", tokens.address);
    let mut push = scene.command(&[&scene.source, "--to", &target]);
    let digest = succeeded(&push.env("REGISTRY_AUTH_FILE", auth).output().unwrap());
    let pushed = format!("docker://{}", registry.image("x:1"));
    let inspected = run("skopeo", &["inspect", "--tls-verify=false", "--format={{.Digest}}", &pushed]);
    assert_eq!(String::from_utf8_lossy(&inspected.stdout), digest);
}

#[test]
fn a_broken_upload_is_done_again_and_not_for_ever() {
    let scene = scene!();
    let registry = scene.registry(&Setup::default()).unwrap();
    let base = Resolver::new(&scene.home.store).resolve(&scene.source).unwrap();
    let (address, broke) = flaky_uploads(registry.address, 3, 600 << 10);
    let digest = export(&base, &format!("docker://{address}/x:1"));
    assert_eq!(broke.load(Ordering::Relaxed), 3);
    let pushed = format!("docker://{}", registry.image("x:1"));
    let inspected = run("skopeo", &["inspect", "--tls-verify=false", "--format={{.Digest}}", &pushed]);
    assert_eq!(String::from_utf8_lossy(&inspected.stdout).trim(), digest.to_string());
    // What came is whole: another store has it.
    let other = Home::new();
    let back = Base::resolve(&registry.image("x:1"), &other.store).unwrap();
    assert!(flat(&back, &other) == flat(&base, &scene.home));

    let (address, broke) = flaky_uploads(registry.address, usize::MAX, 600 << 10);
    let error = base.export(&format!("docker://{address}/y:1").parse().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{error:?}");
    assert!(broke.load(Ordering::Relaxed) >= 4);
}

#[test]
fn a_registry_that_is_not_there_is_told_before_anything_is_packed() {
    let home = Home::new();
    let base = Base::resolve("host", &home.store).unwrap();
    let offline = Resolver::new(&home.store).offline(true).resolve("host").unwrap();
    // This base cannot be exported at all: that is said later.
    let error = base.export(&"docker://127.0.0.1:1/x:1".parse().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
    assert!(error.to_string().contains("failed to push `127.0.0.1:1/x:1` to http://127.0.0.1:1"), "{error}");
    assert!(error.hint().unwrap().contains("host and port"), "{error:?}");
    let error = offline.export(&"docker://127.0.0.1:1/x:1".parse().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotInStore, "{error}");
    let _: &Store = base.store();
}
