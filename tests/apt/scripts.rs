//! Maintainer scripts that do not do well.

use super::{says, scene_with};
use rootlet::base::{ErrorKind, Limits};
use rootlet_tests::repository::Deb;
use std::time::Duration;

fn with(script: &str, text: &str) -> Deb {
    Deb::new("bad").field("Essential", "yes").script(script, &format!("#!/bin/sh\n{text}\n"))
}

#[test]
fn the_last_words_of_a_script_are_told() {
    let Some(scene) = scene_with(&[with("postinst", "echo 'no \x1b[2J such \"thing\"' >&2; exit 3")]) else {
        return;
    };
    let told = scene.refused(&scene.name(), ErrorKind::SetUp, "failed to configure the packages of");
    assert!(told.contains("such \"thing\"") && !told.contains('\x1b'), "{told}");
    let Some(scene) = scene_with(&[with("preinst", "exit 1")]) else { return };
    scene.refused(&scene.name(), ErrorKind::SetUp, "the preinst script of bad has failed");
}

#[test]
fn a_script_that_hangs_is_ended() {
    let Some(scene) = scene_with(&[with("postinst", "echo waiting for nobody; sleep 1000")]) else { return };
    let limits = Limits { script_time: Duration::from_secs(1), ..Limits::default() };
    let error = scene.resolve_within(&scene.name(), limits).unwrap_err();
    let told = error.to_string();
    assert!(error.kind() == ErrorKind::SetUp && told.contains("was ended after 1 seconds"), "{told}");
    assert!(told.contains("waiting for nobody"), "{told}");
    scene.assert_nothing_made();
}

#[test]
fn nothing_that_a_script_started_lives_on() {
    let text = "(sleep 1000; echo late > /var/late) &\n( while :; do echo x >> /var/log/grows; done ) >/dev/null 2>&1 &\n:";
    let Some(scene) = scene_with(&[with("postinst", text)]) else { return };
    let base = scene.resolve(&scene.name()).unwrap();
    assert_eq!(says(&base, "[ ! -e /var/late ]; [ -e /var/lib/dpkg/info/bad.postinst ]"), "");
}

#[test]
fn scripts_run_in_the_order_of_what_depends() {
    let note = |name: &str| format!("#!/bin/sh\necho {name} $1 $DPKG_MAINTSCRIPT_NAME >> /var/order\n");
    let one = Deb::new("a-first").field("Depends", "z-last").script("preinst", &note("a-first"));
    let two = Deb::new("z-last").script("preinst", &note("z-last"));
    let Some(scene) = scene_with(&[one, two]) else { return };
    let base = scene.resolve(&scene.name_with("a-first")).unwrap();
    assert_eq!(says(&base, "cat /var/order"), "z-last install preinst\na-first install preinst\n");
}

#[test]
fn a_script_has_no_network() {
    let text = "ls /sys/class/net 2>/dev/null; cat /proc/net/dev > /var/net";
    let Some(scene) = scene_with(&[with("postinst", text)]) else { return };
    let base = scene.resolve(&scene.name()).unwrap();
    let devices = says(&base, "sed -n 's/^ *\\([a-z0-9]*\\):.*/\\1/p' /var/net");
    if !rootlet_tests::chroot() {
        assert_eq!(devices, "lo\n");
    }
}
