//! What is taken out of the store, and what is left in it.

mod support;

use rootlet_base::{Base, ErrorKind, GcOptions, Store};
use rootlet_kernel::{IdMap, SubIds};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use support::{Home, alpine, map, map_with, skip, tar_of};

const ALL: GcOptions = GcOptions { keep_recent: Duration::ZERO };

/// One test at a time: what another thread is starting has copies of our locks' descriptors until it executes.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn what_is_in_use_is_not_collected() {
    let _alone = alone();
    let (Some(map), Some(alpine)) = (map(), alpine()) else { skip!("no subordinate ids, or no Alpine") };
    let home = Home::new();
    let name = format!("tar:{}", alpine.display());
    let base = Base::resolve(&name, &home.store).unwrap();
    let root = base.layer_paths(&map).unwrap().remove(0);
    base.set_note("facts", b"facts");
    assert_eq!(base.note("facts").as_deref(), Some(&b"facts"[..]));
    // Another handle of the same store, as another process would have it.
    let other = Store::open(home.store.path()).unwrap();
    assert!(other.show(&name).unwrap().in_use);
    assert_eq!(other.gc(ALL).unwrap().layers, 0);
    assert_eq!(other.remove(&name).unwrap_err().kind(), ErrorKind::InUse);
    assert!(root.join("bin/busybox").exists());
    drop(base);
    assert!(!other.show(&name).unwrap().in_use);
    assert_eq!(other.gc(GcOptions::default()).unwrap().names, Vec::<String>::new(), "it was used just now");
    let removed = other.gc(ALL).unwrap();
    assert_eq!((removed.names.len(), removed.layers), (1, 1));
    assert!(removed.bytes > 7 << 20, "{removed:?}");
    for directory in ["bases", "contents", "layers", "tmp"] {
        assert_eq!(home.list(directory), Vec::<String>::new(), "{directory}");
    }
    assert_eq!(other.show(&name).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(Base::resolve(&name, &home.store).unwrap().note("facts").is_none());
}

/// Until it is another program, a child has all that its parent has open, and so the lock of a base that nobody uses any more.
#[test]
fn a_child_on_its_way_uses_nothing() {
    let _alone = alone();
    let home = Home::new();
    let name = tar_of(&home, "x.tar", &[("a", b'0', "x", 0)]);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::process::Command::new("true").status().unwrap();
                }
            });
        }
        let removed = (0..300).try_for_each(|_| {
            drop(Base::resolve(&name, &home.store)?);
            home.store.remove(&name).map(drop)
        });
        over.store(true, Ordering::Relaxed);
        removed.unwrap();
    });
}

#[test]
fn removing_a_name_keeps_what_others_need() {
    let _alone = alone();
    let Some(map) = map() else { skip!("no subordinate ids") };
    let home = Home::new();
    let one = tar_of(&home, "one.tar", &[("a", b'0', "x", 0)]);
    let two = tar_of(&home, "two.tar", &[("a", b'0', "x", 0)]);
    let base = Base::resolve(&one, &home.store).unwrap();
    base.layer_paths(&map).unwrap();
    assert_eq!(base.id(), Base::resolve(&two, &home.store).unwrap().id(), "the same bytes are the same base");
    drop(base);
    assert_eq!(home.store.remove(&one).unwrap().layers, 0);
    assert_eq!(home.store.list().unwrap().len(), 1);
    assert_eq!(home.store.remove(&two).unwrap().layers, 1);
    assert_eq!(home.store.remove(&two).unwrap_err().kind(), ErrorKind::NotFound);
}

/// Two maps that do not agree on the ids of a layer with files of the user 1000.
fn two_maps() -> Option<[IdMap; 2]> {
    if !support::is_root() {
        return Some([map_with(1000)?, map_with(2000)?]);
    }
    let other = SubIds { first: 1_100_000_000, count: 65_536 }.ranges(None);
    Some([map()?, IdMap::new(other.clone(), other)])
}

/// Makes it look as if it was last used so long ago.
fn age(tree: &Path, days: u64) {
    let long_ago = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
    let projection = fs::File::open(tree.parent().unwrap()).unwrap();
    projection.set_times(fs::FileTimes::new().set_modified(long_ago)).unwrap();
}

#[test]
fn a_tree_for_ids_of_long_ago_is_removed() {
    let _alone = alone();
    let Some([then, now]) = two_maps() else { skip!("no subordinate ids") };
    let home = Home::new();
    let name = tar_of(&home, "x.tar", &[("home/", b'5', "", 0), ("home/f", b'0', "x", 1000)]);
    let base = Base::resolve(&name, &home.store).unwrap();
    let old = base.layer_paths(&then).unwrap().remove(0);
    let new = base.layer_paths(&now).unwrap().remove(0);
    assert_ne!(old, new);
    age(&old, 30);
    age(&new, 20);
    let gc = || home.store.gc(GcOptions::default()).unwrap().layers;
    assert_eq!(gc(), 0, "the base is in use, and nobody knows with which ids");
    drop(base);
    assert_eq!(gc(), 1);
    assert!(!old.exists());
    assert!(new.join("home/f").exists(), "the last one that was used stays");
    assert_eq!(gc(), 0);
    assert_eq!(home.list("tmp"), Vec::<String>::new());
    // What is needed again is made again.
    let base = Base::resolve(&name, &home.store).unwrap();
    assert_eq!(base.layer_paths(&then).unwrap(), [old.as_path()]);
    // Using one is what makes it recent.
    age(&old, 30);
    drop(base);
    let base = Base::resolve(&name, &home.store).unwrap();
    base.layer_paths(&then).unwrap();
    drop(base);
    assert_eq!(gc(), 1);
    assert!(old.exists() && !new.exists());
}

#[test]
fn a_kept_rootlet_goes_with_its_snapshot() {
    let _alone = alone();
    let Some(map) = map() else { skip!("no subordinate ids") };
    let home = Home::new();
    let parent = Base::resolve(&tar_of(&home, "p.tar", &[("a", b'0', "x", 0)]), &home.store).unwrap();
    for id in ["one", "two"] {
        let staging = home.store.stage_layer(&map).unwrap();
        let snapshot = staging.adopt(&parent, Some(id)).unwrap();
        let record = format!(r#"{{"base":"{}","spec":{{}}}}"#, snapshot.name());
        home.store.write_kept(id, record.as_bytes()).unwrap();
    }
    home.store.write_kept("damaged", b"{").unwrap();
    home.store.gc(GcOptions::default()).unwrap();
    assert_eq!(home.list("kept"), ["one.json", "two.json"]);
    home.store.remove("snapshot:one").unwrap();
    assert_eq!(home.list("kept"), ["two.json"]);
    assert_eq!(home.store.read_kept("one").unwrap_err().kind(), ErrorKind::NotFound);
    drop(parent);
    home.store.gc(ALL).unwrap();
    assert_eq!(home.list("kept"), Vec::<String>::new());
}
