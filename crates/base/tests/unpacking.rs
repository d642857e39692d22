//! When layers are unpacked, who hears of it, and what is left when that is cut short.

mod support;

use rootlet_base::{Base, ErrorKind, GcOptions, Progress, Resolver, Step};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::registry::{Gate, Setup};
use support::scene::{scene, succeeded};
use support::{Home, alpine, map, skip};

/// Writes down what began and what ended.
#[derive(Default)]
struct Heard {
    all: Mutex<Vec<(&'static str, Step)>>,
    gate: Option<Gate>,
}

impl Heard {
    fn take(&self) -> Vec<(&'static str, Step)> {
        std::mem::take(&mut self.all.lock().unwrap())
    }
}

impl Progress for Heard {
    fn begin(&self, _: &str, step: Step, _: Option<u64>) {
        self.all.lock().unwrap().push(("begin", step));
    }
    fn end(&self, _: &str, step: Step) {
        self.all.lock().unwrap().push(("end", step));
        if let (Some(gate), Step::Unpack) = (&self.gate, step) {
            gate.open();
        }
    }
}

/// The digests of the packed layers of an OCI layout's only image, bottom first.
fn layers(source: &str) -> Vec<String> {
    let layout = Path::new(source.strip_prefix("oci:").unwrap().strip_suffix(":3.20").unwrap());
    let read = |path: &Path| -> serde_json::Value {
        serde_json::from_slice(&fs::read(layout.join(path)).unwrap()).unwrap()
    };
    let digest = |descriptor: &serde_json::Value| descriptor["digest"].as_str().unwrap().to_owned();
    let manifest = digest(&read(Path::new("index.json"))["manifests"][0]);
    let manifest = read(&Path::new("blobs/sha256").join(manifest.strip_prefix("sha256:").unwrap()));
    manifest["layers"].as_array().unwrap().iter().map(digest).collect()
}

#[test]
fn a_layer_is_unpacked_while_the_next_is_on_its_way() {
    let scene = scene!();
    let Some(map) = map() else { skip!("no subordinate ids") };
    let registry = scene.registry(&Setup::default()).unwrap();
    registry.fill(&scene.source, "x:1", &[]);
    // The second layer comes when the first is unpacked, or never.
    let gate = Gate::start(registry.address, &format!("/blobs/{}", layers(&scene.source)[1]));
    let name = format!("{}/x:1", gate.address);
    let heard = Arc::new(Heard { gate: Some(gate), ..Heard::default() });
    let resolver = Resolver::new(&scene.home.store).progress(heard.clone()).unpack_for(map.clone());
    let base = resolver.resolve(&name).unwrap();
    let all = heard.take();
    assert_eq!(all.iter().filter(|one| **one == ("end", Step::Unpack)).count(), 2, "{all:?}");
    let paths = base.layer_paths(&map).unwrap();
    assert_eq!(fs::read_to_string(paths[1].join("srv/app")).unwrap(), "hello");
    assert_eq!(heard.take(), [], "nothing is left to be done");
}

#[test]
fn a_pull_whose_download_fails_keeps_what_is_unpacked() {
    let scene = scene!();
    let Some(map) = map() else { skip!("no subordinate ids") };
    let registry = scene.registry(&Setup::default()).unwrap();
    registry.fill(&scene.source, "x:1", &[]);
    let second = layers(&scene.source).remove(1);
    let hex = second.strip_prefix("sha256:").unwrap();
    let blob = registry.storage.join(format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]));
    let whole = fs::read(&blob).unwrap();
    let mut damaged = whole.clone();
    damaged[20] ^= 1;
    fs::write(&blob, damaged).unwrap();
    let gate = Gate::start(registry.address, &format!("/blobs/{second}"));
    let name = format!("{}/x:1", gate.address);
    let heard = Arc::new(Heard { gate: Some(gate), ..Heard::default() });
    let resolver = Resolver::new(&scene.home.store).progress(heard.clone()).unpack_for(map.clone());
    let error = resolver.resolve(&name).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let all = heard.take();
    for step in [Step::Download, Step::Unpack] {
        let count = |what| all.iter().filter(|one| **one == (what, step)).count();
        assert_eq!(count("begin"), count("end"), "what failed has ended, too: {all:?}");
    }
    assert_eq!(scene.home.store.list().unwrap().len(), 0);
    assert_eq!(scene.home.list("tmp"), Vec::<String>::new());
    fs::write(&blob, whole).unwrap();
    resolver.resolve(&name).unwrap().layer_paths(&map).unwrap();
    let (download, unpack) = (("begin", Step::Download), ("begin", Step::Unpack));
    let again: Vec<_> = heard.take().into_iter().filter(|(what, _)| *what == "begin").collect();
    assert_eq!(again, [download, unpack], "only what was damaged is done again");
}

#[test]
fn an_image_that_is_not_what_it_says_is_no_base() {
    let scene = scene!();
    let Some(map) = map() else { skip!("no subordinate ids") };
    let registry = scene.registry(&Setup::default()).unwrap();
    let layout = scene.source.strip_prefix("oci:").unwrap().strip_suffix(":3.20").unwrap();
    swap_diff_ids(Path::new(layout));
    registry.fill(&scene.source, "x:1", &[]);
    let resolver = Resolver::new(&scene.home.store).unpack_for(map);
    let error = resolver.resolve(&registry.image("x:1")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("its diff id is"), "{error}");
    assert_eq!(scene.home.store.list().unwrap().len(), 0);
    assert_eq!(scene.home.list("tmp"), Vec::<String>::new());
}

/// The config promises each layer to be the other one.
fn swap_diff_ids(layout: &Path) {
    use serde_json::{Value, json};
    let read = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let file = |descriptor: &Value| {
        let hex = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        layout.join("blobs/sha256").join(hex)
    };
    let rewrite = |descriptor: &mut Value, value: &Value| {
        let bytes = serde_json::to_vec(value).unwrap();
        descriptor["digest"] = json!(rootlet_base::Digest::of(&bytes));
        descriptor["size"] = json!(bytes.len());
        fs::write(file(descriptor), bytes).unwrap();
    };
    let mut index = read(&layout.join("index.json"));
    let mut manifest = read(&file(&index["manifests"][0]));
    let mut config = read(&file(&manifest["config"]));
    config["rootfs"]["diff_ids"].as_array_mut().unwrap().reverse();
    rewrite(&mut manifest["config"], &config);
    rewrite(&mut index["manifests"][0], &manifest);
    fs::write(layout.join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
}

#[test]
fn unpacking_is_heard_of_when_it_is_put_off() {
    let (Some(map), Some(alpine)) = (map(), alpine()) else { skip!("no subordinate ids, or no Alpine") };
    let home = Home::new();
    let heard = Arc::new(Heard::default());
    let resolver = Resolver::new(&home.store).progress(heard.clone());
    let base = resolver.resolve(&format!("tar:{}", alpine.display())).unwrap();
    assert_eq!(heard.take(), [("begin", Step::Read), ("end", Step::Read)]);
    base.layer_paths(&map).unwrap();
    assert_eq!(heard.take(), [("begin", Step::Unpack), ("end", Step::Unpack)]);
    let again = Base::resolve(base.name(), &home.store).unwrap();
    again.layer_paths(&map).unwrap();
    assert_eq!(heard.take(), []);
}

#[test]
fn a_pull_killed_at_any_step_leaves_a_whole_store() {
    let scene = scene!();
    if map().is_none() {
        skip!("no subordinate ids");
    }
    let registry = scene.registry(&Setup::default()).unwrap();
    registry.fill(&scene.source, "x:1", &[]);
    let name = registry.image("x:1");
    let whole = succeeded(&scene.command(&[&name]).output().unwrap());
    // It says what it begins: two downloads, two layers to unpack. It is killed upon each, and a little later.
    for round in 0..12 {
        scene.home.store.gc(GcOptions { keep_recent: Duration::ZERO }).unwrap();
        let mut killed = scene.spawn(&[&name]);
        let mut said = BufReader::new(killed.stderr.take().unwrap()).lines();
        (0..round % 4).for_each(|_| drop(said.next()));
        // A spin rather than a sleep: it is the work of the other process that passes the time.
        (0..round * 50).for_each(|_| drop(fs::metadata(scene.home.store.path())));
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert_eq!(succeeded(&scene.command(&[&name]).output().unwrap()), whole, "round {round}");
        scene.home.store.gc(GcOptions { keep_recent: Duration::from_secs(3600) }).unwrap();
        assert_eq!(scene.home.list("tmp"), Vec::<String>::new(), "round {round}");
        assert_eq!(scene.home.list("images/partial"), Vec::<String>::new(), "round {round}");
    }
}
