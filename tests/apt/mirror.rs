//! Mirrors that are slow, go away, or have not what they promise; and a disk that is full.

use super::{SUITE, Scene, scene_with};
use rootlet::base::{ErrorKind, Limits};
use rootlet_tests::repository::{Asked, Deb, Manner, Server};
use rootlet_tests::{Host, OwnStore, rootlet_command};
use std::time::Duration;

/// More than one read brings.
fn large() -> Deb {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let bytes: Vec<u8> = (0..600_000).map(|_| noise()).collect();
    Deb::new("large").field("Essential", "yes").bytes("usr/share/large", &bytes, 0o644)
}

const LARGE: &str = "pool/large_1.deb";

fn scene() -> Option<Scene> {
    scene_with(&[large()])
}

fn serve(scene: &Scene, manner: impl Fn(&Asked) -> Manner + Send + Sync + 'static) -> (Server, String) {
    let server = Server::with(scene.repository.path(), manner);
    let name = scene.repository.name_at(&server.url(), SUITE, &scene.signer);
    (server, name)
}

/// From where on the large one was asked for.
fn offsets(server: &Server) -> Vec<Option<u64>> {
    server.asked().into_iter().filter(|asked| asked.path == LARGE).map(|asked| asked.from).collect()
}

#[test]
fn what_breaks_off_goes_on() {
    let Some(scene) = scene() else { return };
    let (server, name) = serve(&scene, |asked| match (asked.path.as_str(), asked.before) {
        (LARGE, 0) => Manner::Cut(100_000),
        (LARGE, 1) => Manner::Cut(200_000),
        _ => Manner::Well,
    });
    scene.resolve(&name).unwrap();
    assert_eq!(offsets(&server), [None, Some(100_000), Some(300_000)]);
}

#[test]
fn what_stalls_is_begun_again() {
    let Some(scene) = scene() else { return };
    let (server, name) = serve(&scene, |asked| match (asked.path.as_str(), asked.before) {
        (LARGE, 0) => Manner::Stall(100_000),
        _ => Manner::Well,
    });
    let limits = Limits { silence: Duration::from_millis(200), ..Limits::default() };
    scene.resolve_within(&name, limits).unwrap();
    assert_eq!(offsets(&server), [None, Some(100_000)]);
}

#[test]
fn a_mirror_without_ranges_sends_it_all_again() {
    let Some(scene) = scene() else { return };
    let (server, name) = serve(&scene, |asked| match (asked.path.as_str(), asked.before) {
        (LARGE, 0) => Manner::Cut(100_000),
        (LARGE, _) => Manner::Whole,
        _ => Manner::Well,
    });
    scene.resolve(&name).unwrap();
    assert_eq!(offsets(&server), [None, Some(100_000)]);
}

#[test]
fn who_goes_away_for_good_leaves_nothing_half_made() {
    let Some(scene) = scene() else { return };
    let (server, name) = serve(&scene, |asked| match (asked.path.as_str(), asked.before) {
        (LARGE, 0) => Manner::Cut(100_000),
        (LARGE, _) => Manner::Code(503),
        _ => Manner::Well,
    });
    let told = scene.refused(&name, ErrorKind::Network, "only 100000 of ");
    assert!(
        told.contains("bytes of the package large 1 came") && told.contains("the mirror answers 503"),
        "{told}"
    );
    drop(server);
    // Another one has it; what came is not fetched again.
    let (server, name) = serve(&scene, |_| Manner::Well);
    scene.resolve(&name).unwrap();
    assert_eq!(offsets(&server), [Some(100_000)]);
    assert_eq!(server.counts().keys().filter(|path| path.starts_with("pool/")).count(), 1);
}

#[test]
fn who_is_not_there_is_a_sentence() {
    let Some(scene) = scene() else { return };
    let (server, name) = serve(&scene, |_| Manner::Well);
    drop(server);
    let told = scene.refused(&name, ErrorKind::Network, "Connection refused");
    assert!(told.contains("http://127.0.0.1:"), "{told}");
    scene.refused("apt:test?mirror=gopher://h", ErrorKind::Configuration, "it begins with `http://`");
    scene.refused("apt:test?mirror=file:/nowhere", ErrorKind::NotFound, "has no suite `test`");
}

#[test]
fn each_answer_has_its_sentence() {
    let Some(scene) = scene() else { return };
    for (path, code, kind, why) in [
        (LARGE, 404, ErrorKind::NotFound, "hint: the mirror has moved on"),
        (LARGE, 403, ErrorKind::Unauthorized, "the mirror refuses it"),
        ("dists/test/InRelease", 401, ErrorKind::Unauthorized, "https://USER:PASSWORD@HOST"),
        ("dists/test/InRelease", 500, ErrorKind::Network, "the mirror answers 500"),
        ("dists/test/InRelease", 404, ErrorKind::NotFound, "has no suite `test`"),
    ] {
        let (_server, name) = serve(&scene, move |asked| match asked.path == path {
            true => Manner::Code(code),
            false => Manner::Well,
        });
        scene.refused(&name, kind, why);
    }
    // What it has is less than what it promised, and it was asked to go on behind its end.
    let (_server, name) = serve(&scene, |asked| match (asked.path.as_str(), asked.before) {
        (LARGE, 0) => Manner::Cut(100_000),
        (LARGE, _) => Manner::Code(416),
        _ => Manner::Well,
    });
    scene.refused(&name, ErrorKind::Corrupt, "fewer bytes of it than were promised");
}

#[test]
fn an_index_is_had_by_its_digest_or_by_its_name() {
    let Some(scene) = scene() else { return };
    scene.repository.publish_as(SUITE, |text| scene.signer.clear(&format!("Acquire-By-Hash: yes\n{text}")));
    // It says so, and has none.
    let (server, name) = serve(&scene, |_| Manner::Well);
    scene.resolve(&name).unwrap();
    let asked: Vec<String> = server.asked().into_iter().map(|asked| asked.path).collect();
    assert!(asked[1].contains("/by-hash/SHA256/") && asked[2].ends_with("Packages.xz"), "{asked:?}");
}

#[test]
fn a_document_without_end_is_given_up() {
    let Some(scene) = scene() else { return };
    let limits = Limits { document_bytes: 200, ..Limits::default() };
    let error = scene.resolve_within(&scene.name(), limits).unwrap_err();
    assert!(
        error.kind() == ErrorKind::Limit && error.to_string().contains("InRelease is larger than 200 bytes"),
        "{error}"
    );
}

/// At each size something else does not fit any more: an index, a package, a layer, what is unpacked.
#[test]
fn a_full_disk_is_a_sentence() {
    let Some(scene) = scene() else { return };
    let build = |size: &str| {
        let store = OwnStore::default();
        std::fs::create_dir(store.path()).unwrap();
        let host = Host::store_in_memory(store.path(), &format!("size={size}"));
        let mut command = host.command(rootlet_command().get_program());
        let output = command.args(["base", "pull", &scene.name()]).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for size in ["64k", "1m", "3m", "4m"] {
        let (done, told) = build(size);
        assert!(!done && told.contains("ENOSPC") && told.contains("rootlet gc"), "{size}: {told}");
    }
    let (done, told) = build("64m");
    assert!(done, "{told}");
}
