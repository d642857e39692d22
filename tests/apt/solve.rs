//! Which packages, and what is said where there is no answer.

use super::{says, scene_with};
use rootlet::base::ErrorKind;
use rootlet_tests::repository::Deb;

#[test]
fn who_is_not_there_is_asked_after() {
    let Some(scene) = scene_with(&[Deb::new("postgresql"), Deb::new("nginx-light")]) else { return };
    let told = scene.refused(
        &scene.name_with("postgresq"),
        ErrorKind::Unsolvable,
        "there is no package `postgresq`",
    );
    assert!(told.contains("hint: did you mean `postgresql`?"), "{told}");
    let told = scene.refused(
        &scene.name_with("wholly-other"),
        ErrorKind::Unsolvable,
        "there is no package `wholly-other`",
    );
    assert!(!told.contains("did you mean"), "{told}");
    scene.refused(&scene.name_with("-x"), ErrorKind::InvalidName, "`-x` is not the name of a package");
}

#[test]
fn what_is_wanted_in_vain_is_said_and_by_whom() {
    let debs = [
        Deb::new("app").field("Depends", "middle"),
        Deb::new("middle").field("Depends", "gone | lost (>= 3)"),
        Deb::new("newer").field("Depends", "app (>= 2)"),
    ];
    let Some(scene) = scene_with(&debs) else { return };
    let told = scene.refused(
        &scene.name_with("app"),
        ErrorKind::Unsolvable,
        "the package `middle` wants `gone | lost (>= 3)`, which nobody has",
    );
    assert!(told.contains("(wanted by `app`)"), "{told}");
    let told = scene.refused(
        &scene.name_with("newer"),
        ErrorKind::Unsolvable,
        "the package `newer` wants `app (>= 2)`",
    );
    assert!(told.contains("hint: there is `app` of the version 1"), "{told}");
}

#[test]
fn who_cannot_be_together_is_said() {
    let debs = [
        Deb::new("app").field("Depends", "one, two"),
        Deb::new("one").field("Conflicts", "mta").field("Provides", "mta"),
        Deb::new("two").field("Provides", "mta"),
    ];
    let Some(scene) = scene_with(&debs) else { return };
    let told = scene.refused(&scene.name_with("app"), ErrorKind::Unsolvable, "contradict each other");
    assert!(told.contains("`one` (wanted by `app`)") && told.contains("`two` (wanted by `app`)"), "{told}");
}

#[test]
fn alternatives_and_those_who_provide_are_taken() {
    let debs = [
        Deb::new("app").field("Depends", "gone | second, virtual, versioned (>= 2)"),
        Deb::new("second").file("usr/share/second", "", 0o644),
        Deb::new("provider").field("Provides", "virtual").file("usr/share/provider", "", 0o644),
        Deb::new("old").field("Provides", "versioned (= 1)").file("usr/share/old", "", 0o644),
        Deb::new("young").field("Provides", "versioned (= 2)").file("usr/share/young", "", 0o644),
        Deb::new("loop-a").field("Depends", "loop-b").file("usr/share/a", "", 0o644),
        Deb::new("loop-b").field("Depends", "loop-a").file("usr/share/b", "", 0o644),
    ];
    let Some(scene) = scene_with(&debs) else { return };
    let base = scene.resolve(&scene.name_with("app+loop-b")).unwrap();
    assert_eq!(says(&base, "ls /usr/share"), "a\nb\nprovider\nsecond\nyoung\n");
}
