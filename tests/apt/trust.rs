//! Whose signature is good, and for how long.

use super::{SUITE, Scene, scene};
use rootlet::base::ErrorKind;
use rootlet_tests::repository::Signer;
use rootlet_tests::{Host, rootlet_command, skipped};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Output;

#[track_caller]
fn distrusted(scene: &Scene, why: &str) {
    let told = scene.refused(&scene.name(), ErrorKind::Untrusted, why);
    assert!(told.contains(&format!("failed to trust the suite `{SUITE}` of file:")), "{told}");
}

#[test]
fn a_signature_of_the_key_that_is_named_is_good() {
    let Some(scene) = scene() else { return };
    scene.resolve(&scene.name()).unwrap();
    // The same key as text.
    let armored = scene
        .name()
        .replace(scene.signer.keyring().to_str().unwrap(), scene.signer.armored().to_str().unwrap());
    scene.resolve(&armored).unwrap();
}

#[test]
fn a_detached_signature_does_as_well() {
    let Some(scene) = scene() else { return };
    let text = scene.repository.release(SUITE);
    let suite = scene.repository.suite(SUITE);
    fs::remove_file(suite.join("InRelease")).unwrap();
    fs::write(suite.join("Release"), &text).unwrap();
    distrusted(&scene, "it is not signed");
    fs::write(suite.join("Release.gpg"), scene.signer.detached("another text\n")).unwrap();
    distrusted(&scene, "its signature is wrong");
    fs::write(suite.join("Release.gpg"), scene.signer.detached(&text)).unwrap();
    scene.resolve(&scene.name()).unwrap();
}

#[test]
fn a_stranger_is_not_trusted() {
    let Some(scene) = scene() else { return };
    scene.repository.publish(SUITE, &Signer::new());
    distrusted(&scene, "which is not known");
    // One good signature of two is enough, as for apt.
    let stranger = Signer::new();
    let secret = stranger.gpg(&["--export-secret-keys"], b"");
    scene.signer.gpg(&["--import"], &secret);
    scene.repository.publish_as(SUITE, |text| {
        scene.signer.clear_with(
            &["--local-user", &fingerprint(&stranger), "--local-user", &fingerprint(&scene.signer)],
            text,
        )
    });
    scene.resolve(&scene.name()).unwrap();
}

/// The first key of a signer.
fn fingerprint(signer: &Signer) -> String {
    let keys = signer.gpg(&["--show-keys", "--with-colons", signer.keyring().to_str().unwrap()], b"");
    let keys = String::from_utf8(keys).unwrap();
    keys.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap().trim_end_matches(':').to_owned()
}

#[test]
fn a_key_ends_when_it_says_so() {
    let Some(mut scene) = scene() else { return };
    scene.signer = Signer::expired();
    scene.repository.publish(SUITE, &scene.signer);
    distrusted(&scene, "has expired");
}

#[test]
fn a_key_that_was_revoked_is_refused() {
    let Some(scene) = scene() else { return };
    scene.signer.revoke();
    distrusted(&scene, "was revoked");
}

#[test]
fn a_broken_digest_proves_nothing() {
    let Some(scene) = scene() else { return };
    scene.repository.publish_as(SUITE, |text| scene.signer.clear_with(&["--digest-algo", "SHA1"], text));
    distrusted(&scene, "made with a digest that is broken");
}

#[test]
fn what_was_signed_is_what_is_read() {
    let Some(scene) = scene() else { return };
    let document = scene.repository.in_release(SUITE);
    let good = fs::read_to_string(&document).unwrap();
    for (bad, why) in [
        (good.replace("Origin: Tests", "Origin: Others"), "its signature is wrong"),
        (format!("Origin: Others\n{good}"), "not a signed document"),
        (format!("{good}Origin: Others\n"), "not a signed document"),
        (good.replacen("\n\n", "\nOrigin: Others\n\n", 1), "not a signed document"),
        (good.replace("-----END PGP SIGNATURE-----", ""), "not a signed document"),
        (good[..good.len() / 2].to_owned(), "not a signed document"),
        (String::new(), "not a signed document"),
    ] {
        fs::write(&document, bad).unwrap();
        distrusted(&scene, why);
    }
}

#[test]
fn a_suite_is_refused_after_its_time_and_in_anothers_place() {
    let Some(scene) = scene() else { return };
    let publish = |change: &dyn Fn(&str) -> String| {
        scene.repository.publish_as(SUITE, |text| scene.signer.clear(&change(text)));
    };
    publish(&|text| format!("Valid-Until: Sat, 28 Nov 2020 09:15:44 UTC\n{text}"));
    distrusted(&scene, "it was valid until Sat, 28 Nov 2020 09:15:44 UTC");
    let late = format!("{}&check-valid-until=", scene.name());
    let told = scene.refused(&format!("{late}perhaps"), ErrorKind::InvalidName, "is `yes` or `no`");
    assert!(told.contains("`perhaps`"), "{told}");
    // Another suite of the same key, which somebody in between hands out.
    publish(&|text| text.replace(": test\n", ": stable\n"));
    distrusted(&scene, "it says that it is `stable`");
    publish(&|text| format!("Valid-Until: Sat, 28 Nov 2120 09:15:44 UTC\n{text}"));
    scene.resolve(&scene.name()).unwrap();
    // A name may say that its time need not be looked at, and then the base is called so, in a lock file, too.
    publish(&|text| format!("Valid-Until: Sat, 28 Nov 2020 09:15:44 UTC\n{text}"));
    let base = scene.resolve(&format!("{late}no")).unwrap();
    assert!(base.name().contains("check-valid-until=no"), "{}", base.name());
}

#[test]
fn a_suite_that_is_not_there_is_a_sentence() {
    let Some(scene) = scene() else { return };
    let name = scene.name().replacen(SUITE, "testing", 1);
    let told = scene.refused(&name, ErrorKind::NotFound, "has no suite `testing`");
    assert!(told.contains("hint: look at the spelling"), "{told}");
    let told = scene.refused(
        &format!("{}&components=main,contrib", scene.name()),
        ErrorKind::NotFound,
        "has no component `contrib`",
    );
    assert!(told.contains("hint: it has main"), "{told}");
}

/// `rootlet base pull` where of these programs alone the PATH knows.
fn pull(scene: &Scene, programs: &[&str]) -> Output {
    let path = tempfile::tempdir().unwrap();
    fs::set_permissions(path.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for name in programs {
        symlink(Path::new("/usr/bin").join(name), path.path().join(name)).unwrap();
    }
    let mut command = rootlet_command();
    command.args(["base", "pull", &scene.name()]).env("PATH", path.path());
    command.env("ROOTLET_STORE", scene.store.path()).output().unwrap()
}

#[test]
fn gpgv_or_sqv_is_enough() {
    const HELPERS: [&str; 2] = ["newuidmap", "newgidmap"];
    if !Path::new("/usr/bin/sqv").exists() {
        return skipped("no sqv");
    }
    let Some(mut scene) = scene() else { return };
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let none = pull(&scene, &HELPERS);
    assert!(!none.status.success() && said(&none).contains("neither gpgv nor sqv"), "{}", said(&none));
    assert!(said(&none).contains("hint: install the package `gpgv` or `sqv`"), "{}", said(&none));
    for verifier in ["sqv", "gpgv"] {
        scene.store = Default::default();
        let programs = [&HELPERS[..], &[verifier]].concat();
        let good = pull(&scene, &programs);
        assert!(good.status.success(), "{verifier}: {}", said(&good));
        // In a store that knows nothing, nor what was good before.
        scene.store = Default::default();
        let document = scene.repository.in_release(SUITE);
        let text = fs::read_to_string(&document).unwrap();
        fs::write(&document, text.replace("Origin: Tests", "Origin: Others")).unwrap();
        let wrong = pull(&scene, &programs);
        assert!(!wrong.status.success() && said(&wrong).contains("failed to trust"), "{}", said(&wrong));
        fs::write(&document, text).unwrap();
    }
    // sqv has its own words for the rest; what it refuses is refused. (A key that has expired is good to it for what was signed
    // before, and so to an apt that asks it.)
    let programs = [&HELPERS[..], &["sqv"]].concat();
    let refused = |scene: &mut Scene| {
        scene.store = Default::default();
        let told = said(&pull(scene, &programs));
        assert!(told.contains("failed to trust"), "{told}");
    };
    scene.repository.publish(SUITE, &Signer::new());
    refused(&mut scene);
    scene.repository.publish_as(SUITE, |text| scene.signer.clear_with(&["--digest-algo", "SHA1"], text));
    refused(&mut scene);
    scene.repository.publish(SUITE, &scene.signer);
    scene.signer.revoke();
    refused(&mut scene);
}

/// apt's own sources say where packages are from, and whose they are.
#[test]
fn keys_stand_in_the_machines_sources() {
    if !rustix::process::geteuid().is_root() || !Path::new("/etc/apt/sources.list.d").is_dir() {
        return;
    }
    let sources = tempfile::tempdir().unwrap();
    let host = Host::apt_sources(sources.path());
    let Some(mut scene) = scene() else { return };
    let write = |scene: &Scene, signed_by: &str| {
        let url = scene.repository.url();
        let text = format!("Types: deb\nURIs: {url}\nSuites: {SUITE}\nComponents: main\n{signed_by}\n");
        fs::write(sources.path().join("tests.sources"), text).unwrap();
    };
    let pull = |scene: &mut Scene| {
        scene.store = Default::default();
        let mut command = host.command(rootlet_command().get_program());
        command.args(["base", "pull", &format!("apt:{SUITE}")]).env("ROOTLET_STORE", scene.store.path());
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let inline = |signer: &Signer| {
        let armored = fs::read_to_string(signer.armored()).unwrap();
        let lines =
            armored.lines().map(|line| if line.is_empty() { " .".into() } else { format!(" {line}") });
        format!("Signed-By:\n{}", lines.collect::<Vec<_>>().join("\n"))
    };
    let stranger = Signer::new();
    let keyring = format!("Signed-By: {}", scene.signer.keyring().display());
    for (signed_by, good) in [
        (inline(&scene.signer), true),
        (inline(&stranger), false),
        (keyring, true),
        (format!("Signed-By: {}", fingerprint(&scene.signer)), false),
        ("Trusted: yes".into(), true),
        (String::new(), false),
    ] {
        write(&scene, &signed_by);
        let (done, told) = pull(&mut scene);
        assert_eq!(done, good, "{signed_by}\n{told}");
        assert!(good || told.contains("failed to trust"), "{told}");
    }
}
