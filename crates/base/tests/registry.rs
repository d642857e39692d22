//! A real registry (Debian's docker-registry, filled by skopeo): with and without password and TLS, whole and
//! damaged.

mod support;

use rootlet_base::{Base, ErrorKind, GcOptions, Platform, Pull, Resolver, Store};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::registry::{Flaky, Setup, other_address};
use support::scene::{failed, scene, succeeded};
use support::{map, run, skip};

#[test]
fn pulls_once_and_then_needs_no_network() {
    let scene = scene!();
    let Some(map) = map() else { skip!("no subordinate ids") };
    let registry = scene.registry(&Setup::default()).unwrap();
    registry.fill(&scene.source, "me/alpine:3.20", &[]);
    let name = registry.image("me/alpine:3.20");
    let offline = Resolver::new(&scene.home.store).offline(true);
    let error = offline.resolve(&name).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotInStore, "{error}");
    let base = Base::resolve(&name, &scene.home.store).unwrap();
    assert_eq!(base.name(), name);
    assert_eq!(base.defaults().workdir.as_deref(), Some("/srv"));
    let paths = base.layer_paths(&map).unwrap();
    assert_eq!(fs::read_to_string(paths[1].join("srv/app")).unwrap(), "hello");
    drop(registry);
    assert_eq!(offline.resolve(&name).unwrap().id(), base.id());
    assert_eq!(Base::resolve(&name, &scene.home.store).unwrap().layer_paths(&map).unwrap(), paths);
    assert_eq!(Resolver::new(&scene.home.store).pull(Pull::Never).resolve(&name).unwrap().id(), base.id());
    // The same image from the layout is the same base, and skopeo reads ours.
    assert_eq!(Base::resolve(&scene.source, &scene.home.store).unwrap().id(), base.id());
    let images = scene.home.store.path().join("images");
    let copy = format!("oci:{}:copy", scene.home.path().join("copy").display());
    run("skopeo", &["copy", "-q", &format!("oci:{}:{name}", images.display()), &copy]);
    let info = scene.home.store.show(&name).unwrap();
    assert!(info.how.contains("from http://127.0.0.1") && info.layers[0].packed > Some(1 << 20), "{info:?}");
    drop(base);
    let removed = scene.home.store.gc(GcOptions { keep_recent: Duration::ZERO }).unwrap();
    assert!(removed.blobs >= 4 && removed.layers == 2, "{removed:?}");
    assert_eq!(scene.home.list("images/blobs/sha256"), Vec::<String>::new());
    let index = fs::read_to_string(images.join("index.json")).unwrap();
    assert!(!index.contains("alpine"), "{index}");
}

/// Asked each time, of the registry alone: nothing is pulled, and what the store has is not what it is now.
#[test]
fn what_a_name_is_now() {
    let scene = scene!();
    let registry = scene.registry(&Setup::default()).unwrap();
    registry.fill(&scene.source, "x:1", &[]);
    let name = registry.image("x:1");
    let resolver = Resolver::new(&scene.home.store);
    let skopeo = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &format!("docker://{name}")];
    let told = String::from_utf8(run("skopeo", &skopeo).stdout).unwrap();
    let digest = resolver.image_digest(&name).unwrap();
    assert_eq!(digest.to_string(), told.trim());
    assert_eq!(scene.home.list("images/blobs/sha256"), Vec::<String>::new());
    assert_eq!(resolver.image_digest(&format!("{name}@{digest}")).unwrap(), digest);
    let error = resolver.image_digest(&registry.image("x:2")).unwrap_err();
    assert_eq!((error.kind(), error.hint()), (ErrorKind::NotFound, Some("it has `1`")), "{error}");
    assert!(resolver.image_digest("Not An Image").is_err());
    let error = resolver.offline(true).image_digest(&name).unwrap_err();
    assert!(error.to_string().contains("the network is not to be used"), "{error}");
}

#[test]
fn what_is_not_there_is_told_apart() {
    let scene = scene!();
    let registry = scene.registry(&Setup::default()).unwrap();
    registry.fill(&scene.source, "alpine:3.20", &[]);
    registry.fill(&scene.source, "alpine:edge", &[]);
    let resolve = |name: &str| Base::resolve(name, &scene.home.store).unwrap_err();
    let error = resolve(&registry.image("alpine:3.21"));
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("no tag `3.21`"), "{error}");
    assert_eq!(error.hint(), Some("it has `3.20`, `edge`"));
    let error = resolve(&registry.image("nowhere"));
    assert!(error.kind() == ErrorKind::NotFound && error.to_string().contains("no such image"), "{error}");
    let error = resolve(&registry.image(&format!("alpine@sha256:{}", "0".repeat(64))));
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let address = registry.address;
    drop(registry);
    let error = resolve(&format!("{address}/alpine:3.20"));
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
    assert!(error.to_string().contains("refused") && error.hint().unwrap().contains("--offline"), "{error}");
    let error = resolve("no-such-host.invalid/x");
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
    assert_eq!(scene.home.store.list().unwrap().len(), 0);
}

#[test]
fn a_tag_that_moves_is_followed_when_asked() {
    let scene = scene!();
    let registry = scene.registry(&Setup::default()).unwrap();
    registry.fill(&scene.source, "x:1", &[]);
    let name = registry.image("x:1");
    let first = Base::resolve(&name, &scene.home.store).unwrap();
    let manifest = run(
        "skopeo",
        &["inspect", "--tls-verify=false", "--format={{.Digest}}", &format!("docker://{name}")],
    );
    let manifest = String::from_utf8(manifest.stdout).unwrap();
    let layout = scene.source.strip_prefix("oci:").unwrap();
    run("umoci", &["config", "--image", layout, "--config.env", "MOVED=yes"]);
    registry.fill(&scene.source, "x:1", &[]);
    assert_eq!(Base::resolve(&name, &scene.home.store).unwrap().id(), first.id());
    let always = Resolver::new(&scene.home.store).pull(Pull::Always);
    let moved = always.resolve(&name).unwrap();
    assert_ne!(moved.id(), first.id());
    assert!(moved.defaults().env.contains(&("MOVED".into(), "yes".into())));
    assert_eq!(always.resolve(&name).unwrap().id(), moved.id());
    // By its digest it is what it was.
    let pinned = registry.image(&format!("x@{}", manifest.trim()));
    assert_eq!(Base::resolve(&pinned, &scene.home.store).unwrap().id(), first.id());
}

#[test]
fn every_format_of_an_image_is_one_root() {
    let scene = scene!();
    let Some(map) = map() else { skip!("no subordinate ids") };
    let registry = scene.registry(&Setup::default()).unwrap();
    registry.fill(&scene.source, "oci:1", &[]);
    registry.fill(&scene.source, "docker:1", &["--format=v2s2"]);
    registry.fill(&scene.source, "zstd:1", &["--dest-compress-format=zstd", "--dest-compress-level=3"]);
    let first = Base::resolve(&registry.image("oci:1"), &scene.home.store).unwrap();
    let paths = first.layer_paths(&map).unwrap();
    for name in ["docker:1", "zstd:1"] {
        let base = Base::resolve(&registry.image(name), &scene.home.store).unwrap();
        assert_eq!(base.layer_paths(&map).unwrap(), paths, "{name}");
    }
}

#[test]
fn an_index_gives_each_its_platform() {
    let scene = scene!();
    let registry = scene.registry(&Setup::default()).unwrap();
    let layout = PathBuf::from(scene.source.strip_prefix("oci:").unwrap().strip_suffix(":3.20").unwrap());
    add_index(&layout);
    registry.fill(&format!("oci:{}:multi", layout.display()), "multi:1", &["--all"]);
    let name = registry.image("multi:1");
    let mine =
        Resolver::new(&scene.home.store).platform("linux/amd64".parse().unwrap()).resolve(&name).unwrap();
    assert_eq!(mine.defaults().platform.as_deref(), Some("linux/amd64"));
    let other: Platform = "linux/arm64".parse().unwrap();
    let other = Resolver::new(&scene.home.store).platform(other).resolve(&name).unwrap();
    assert_eq!(other.defaults().platform.as_deref(), Some("linux/arm64"));
    let error =
        Resolver::new(&scene.home.store).platform("s390x".parse().unwrap()).resolve(&name).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hint().unwrap().contains("linux/amd64, linux/arm64"), "{error:?}");
}

/// Adds an index `multi` of the image that is there and of one for arm64 with the same layers.
fn add_index(layout: &Path) {
    use serde_json::{Value, json};
    let blob = |bytes: &[u8]| {
        let digest = rootlet_base::Digest::of(bytes);
        fs::write(layout.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        json!({ "digest": digest, "size": bytes.len() })
    };
    let read = |descriptor: &Value| -> Value {
        let hex = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        serde_json::from_slice(&fs::read(layout.join("blobs/sha256").join(hex)).unwrap()).unwrap()
    };
    let mut index: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let mut first = index["manifests"][0].clone();
    first.as_object_mut().unwrap().remove("annotations");
    first["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    let mut manifest = read(&first);
    let mut config = read(&manifest["config"]);
    config["architecture"] = json!("arm64");
    let media_type = manifest["config"]["mediaType"].clone();
    manifest["config"] = blob(&serde_json::to_vec(&config).unwrap());
    manifest["config"]["mediaType"] = media_type;
    let mut second = blob(&serde_json::to_vec(&manifest).unwrap());
    second["mediaType"] = first["mediaType"].clone();
    second["platform"] = json!({ "os": "linux", "architecture": "arm64", "variant": "v8" });
    let media_type = "application/vnd.oci.image.index.v1+json";
    let multi = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": [first, second] });
    let mut entry = blob(&serde_json::to_vec(&multi).unwrap());
    entry["mediaType"] = json!(media_type);
    entry["annotations"] = json!({ "org.opencontainers.image.ref.name": "multi" });
    index["manifests"].as_array_mut().unwrap().push(entry);
    fs::write(layout.join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
}

#[test]
fn a_certificate_is_checked() {
    let scene = scene!();
    // The loopback counts as insecure, as docker has it.
    let Some(address) = other_address() else { skip!("no address but the loopback's") };
    let file = |name: &str| scene.home.path().join(name);
    let text = |name: &str| file(name).to_str().unwrap().to_owned();
    let ca = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test authority"];
    run("openssl", &[&ca[..], &["-keyout", &text("ca.key"), "-out", &text("ca.crt")]].concat());
    let request = ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=registry"];
    run("openssl", &[&request[..], &["-keyout", &text("key"), "-out", &text("csr")]].concat());
    fs::write(file("ext"), format!("subjectAltName=IP:{address}\n")).unwrap();
    let sign = ["x509", "-req", "-days", "2", "-CAcreateserial"];
    let files = [
        "-in",
        &text("csr"),
        "-CA",
        &text("ca.crt"),
        "-CAkey",
        &text("ca.key"),
        "-extfile",
        &text("ext"),
        "-out",
        &text("crt"),
    ];
    run("openssl", &[&sign[..], &files].concat());
    let tls = Some((file("crt"), file("key")));
    let setup = Setup {
        tls: tls.as_ref().map(|(crt, key)| (crt.as_path(), key.as_path())),
        address: Some(address),
        ..Setup::default()
    };
    let registry = scene.registry(&setup).unwrap();
    registry.fill(&scene.source, "x:1", &[]);
    let name = registry.image("x:1");
    failed(&scene.command(&[&name]).output().unwrap(), &["(Network)", "ertificate", "SSL_CERT_FILE"]);
    let trusted = scene.command(&[&name]).env("SSL_CERT_FILE", file("ca.crt")).output().unwrap();
    let first = succeeded(&trusted);
    // As docker and podman keep it, for one registry.
    let certs = file(".config/containers/certs.d").join(registry.address.to_string());
    fs::create_dir_all(&certs).unwrap();
    fs::copy(file("ca.crt"), certs.join("ca.crt")).unwrap();
    assert_eq!(succeeded(&scene.command(&["--always", &name]).output().unwrap()), first);
    fs::remove_dir_all(&certs).unwrap();
    fs::write(
        file("registries.conf"),
        format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", registry.address),
    )
    .unwrap();
    let insecure = scene
        .command(&["--always", &name])
        .env("CONTAINERS_REGISTRIES_CONF", file("registries.conf"))
        .output()
        .unwrap();
    assert_eq!(succeeded(&insecure), first);
}

#[test]
fn a_machine_without_authorities_is_told() {
    let scene = scene!();
    let nowhere = scene.home.path().join("nowhere");
    let mut command = scene.command(&["127.0.0.1:1/x"]);
    command.env("SSL_CERT_FILE", &nowhere).env("SSL_CERT_DIR", &nowhere);
    failed(&command.output().unwrap(), &["(Configuration)", "no certificate authorities", "ca-certificates"]);
}

#[test]
fn mirrors_and_searches_follow_registries_conf() {
    let scene = scene!();
    let registry = scene.registry(&Setup::default()).unwrap();
    registry.fill(&scene.source, "hub/library/alpine:3.20", &[]);
    let conf = scene.home.path().join("registries.conf");
    let with = |text: String, name: &str| {
        fs::write(&conf, text).unwrap();
        scene.command(&[name]).env("CONTAINERS_REGISTRIES_CONF", &conf).output().unwrap()
    };
    let at = registry.address;
    let mirror =
        format!("[[registry]]\nlocation = \"docker.io\"\n[[registry.mirror]]\nlocation = \"{at}/hub\"\n");
    let output = with(mirror, "alpine:3.20");
    let first = succeeded(&output);
    assert_eq!(scene.home.store.show("alpine:3.20").unwrap().name, "docker.io/library/alpine:3.20");
    scene.home.store.remove("alpine:3.20").unwrap();
    // A mirror that is not there is passed over.
    let location = format!(
        "[[registry]]\nprefix = \"example.com/os\"\nlocation = \
            \"{at}/hub/library\"\n[[registry.mirror]]\nlocation = \"127.0.0.1:1/x\"\n"
    );
    assert_eq!(succeeded(&with(location, "example.com/os/alpine:3.20")), first);
    let search = format!("unqualified-search-registries = [\"127.0.0.1:1\", \"{at}/hub/library\"]\n");
    assert_eq!(succeeded(&with(search, "alpine:3.20")), first);
    // What a drop-in has an alias of is looked for nowhere else.
    let drop_ins = scene.home.path().join(".config/containers/registries.conf.d");
    fs::create_dir_all(&drop_ins).unwrap();
    let alias = format!("[aliases]\n\"my/alpine\" = \"{at}/hub/library/alpine\"\n");
    fs::write(drop_ins.join("my.conf"), alias).unwrap();
    let output =
        scene.command(&["my/alpine:3.20"]).env_remove("CONTAINERS_REGISTRIES_CONF").output().unwrap();
    assert_eq!(succeeded(&output), first);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("note: `docker.io/my/alpine:3.20` is `127.0.0.1:"), "{said}");
    let blocked = "[[registry]]\nlocation = \"evil.example.com\"\nblocked = true\n";
    failed(&with(blocked.into(), "evil.example.com/x"), &["(Configuration)", "blocks `evil.example.com`"]);
    failed(
        &with("[registries.search]\nregistry = 1\n[[registry]]\n]".into(), "x.example.com/x"),
        &["(Configuration)", "version 2"],
    );
}

#[test]
fn damage_is_found_and_not_kept() {
    let scene = scene!();
    let Some(map) = map() else { skip!("no subordinate ids") };
    let registry = scene.registry(&Setup::default()).unwrap();
    registry.fill(&scene.source, "x:1", &[]);
    let name = registry.image("x:1");
    let blob = registry.largest_blob();
    let whole = fs::read(&blob).unwrap();
    let mut bytes = whole.clone();
    bytes[1000] ^= 1;
    for (bytes, kind, words) in [
        (bytes, ErrorKind::Corrupt, "has the digest"),
        // The registry promises all of it, so this looks like a connection that breaks at the same byte every
        // time.
        (whole[..whole.len() / 2].to_vec(), ErrorKind::Network, "bytes of the layer"),
        ([&whole[..], b"more"].concat(), ErrorKind::Corrupt, "the layer"),
    ] {
        fs::write(&blob, bytes).unwrap();
        let error = Base::resolve(&name, &scene.home.store).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(scene.home.store.list().unwrap().len(), 0, "no name leads to half an image");
    }
    fs::write(&blob, &whole).unwrap();
    Base::resolve(&name, &scene.home.store).unwrap().layer_paths(&map).unwrap();
    assert_eq!(scene.home.list("images/partial"), Vec::<String>::new());
}

#[test]
fn a_blob_that_the_disk_damaged_is_fetched_again() {
    let scene = scene!();
    let Some(map) = map() else { skip!("no subordinate ids") };
    let registry = scene.registry(&Setup::default()).unwrap();
    registry.fill(&scene.source, "x:1", &[]);
    let name = registry.image("x:1");
    let base = Base::resolve(&name, &scene.home.store).unwrap();
    let blobs = scene.home.store.path().join("images/blobs/sha256");
    let size = |entry: &fs::DirEntry| entry.metadata().unwrap().len();
    let largest = blobs.read_dir().unwrap().flatten().max_by_key(size).unwrap().path();
    let mut bytes = fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&largest, bytes).unwrap();
    let error = base.layer_paths(&map).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(!largest.exists());
    Base::resolve(&name, &scene.home.store).unwrap().layer_paths(&map).unwrap();
    // One that is unpacked does not need its blobs, and `always` brings them back.
    fs::remove_file(&largest).unwrap();
    drop(Base::resolve(&name, &scene.home.store).unwrap());
    assert!(!largest.exists());
    Resolver::new(&scene.home.store).pull(Pull::Always).resolve(&name).unwrap();
    assert!(largest.exists());
}

#[test]
fn a_broken_connection_goes_on_where_it_stopped() {
    let scene = scene!();
    let registry = scene.registry(&Setup::default()).unwrap();
    registry.fill(&scene.source, "x:1", &[]);
    let flaky = Flaky::start(registry.address, 3, 600 << 10, Duration::ZERO);
    Base::resolve(&format!("{}/x:1", flaky.address), &scene.home.store).unwrap();
    let size = fs::metadata(registry.largest_blob()).unwrap().len();
    let came = flaky.bytes.load(Ordering::Relaxed);
    assert!(came < size + (600 << 10), "{came} bytes came for a layer of {size}");
}

#[test]
fn a_killed_pull_goes_on_and_leaves_nothing() {
    let scene = scene!();
    let registry = scene.registry(&Setup::default()).unwrap();
    registry.fill(&scene.source, "x:1", &[]);
    let slow = Flaky::start(registry.address, 0, 0, Duration::from_millis(10));
    let name = format!("{}/x:1", slow.address);
    let mut pull = scene.spawn(&[&name]);
    let partial = scene.home.store.path().join("images/partial");
    let begun = || partial.read_dir().unwrap().flatten().any(|e| e.metadata().unwrap().len() > 400 << 10);
    let since = std::time::Instant::now();
    while !begun() {
        assert!(since.elapsed() < Duration::from_secs(30), "nothing comes");
        support::pause(Duration::from_millis(5));
    }
    pull.kill().unwrap();
    pull.wait().unwrap();
    assert_eq!(scene.home.store.list().unwrap().len(), 0);
    let before = slow.bytes.load(Ordering::Relaxed);
    succeeded(&scene.command(&[&name]).output().unwrap());
    let size = fs::metadata(registry.largest_blob()).unwrap().len();
    let came = slow.bytes.load(Ordering::Relaxed) - before;
    assert!(came < size - (200 << 10), "{came} bytes came again for a layer of {size}");
    assert_eq!(scene.home.list("images/partial"), Vec::<String>::new());
    assert_eq!(scene.home.list("tmp"), Vec::<String>::new());
}

#[test]
fn killed_at_any_moment_the_store_stays_whole() {
    let scene = scene!();
    let Some(_) = map() else { skip!("no subordinate ids") };
    // Fresh each time, so that there is something to be killed in.
    let whole = succeeded(&scene.command(&[&scene.source]).output().unwrap());
    for round in 0..30 {
        scene.home.store.gc(GcOptions { keep_recent: Duration::ZERO }).unwrap();
        let mut killed = scene.spawn(&[&scene.source]);
        support::pause(Duration::from_millis(round * 7));
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert_eq!(succeeded(&scene.command(&[&scene.source]).output().unwrap()), whole, "round {round}");
        // What a killed process left goes with the next sweep, which a base that is complete does not wait for.
        scene.home.store.gc(GcOptions { keep_recent: Duration::from_secs(3600) }).unwrap();
        assert_eq!(scene.home.list("tmp"), Vec::<String>::new(), "round {round}");
    }
}

#[test]
fn several_pull_at_once() {
    let scene = scene!();
    let registry = scene.registry(&Setup::default()).unwrap();
    registry.fill(&scene.source, "x:1", &[]);
    registry.fill(&scene.source, "y:1", &[]);
    let through = Flaky::start(registry.address, 0, 0, Duration::from_millis(1));
    let names = ["x:1", "y:1", "x:1", "y:1"].map(|name| format!("{}/{name}", through.address));
    let pulls: Vec<_> = names.iter().map(|name| scene.spawn(&[name])).collect();
    let all: Vec<_> = pulls.into_iter().map(|pull| succeeded(&pull.wait_with_output().unwrap())).collect();
    assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
    let size = fs::metadata(registry.largest_blob()).unwrap().len();
    let came = through.bytes.load(Ordering::Relaxed);
    assert!(came < size + size / 2, "{came} bytes came for a layer of {size}");
}

#[test]
fn a_sweep_during_a_pull_takes_nothing_from_it() {
    let scene = scene!();
    let registry = scene.registry(&Setup::default()).unwrap();
    registry.fill(&scene.source, "x:1", &[]);
    let slow = Flaky::start(registry.address, 0, 0, Duration::from_millis(5));
    let name = format!("{}/x:1", slow.address);
    let mut pull = scene.spawn(&[&name]);
    let store = Store::open(scene.home.store.path()).unwrap();
    while pull.try_wait().unwrap().is_none() {
        let removed = store.gc(GcOptions { keep_recent: Duration::ZERO }).unwrap();
        // When it has a name the pull is over, and so may be its process.
        let nothing = (removed.blobs, removed.layers, removed.problems.len()) == (0, 0, 0);
        assert!(nothing || removed.names.len() == 1, "{removed:?}");
        support::pause(Duration::from_millis(3));
    }
    succeeded(&pull.wait_with_output().unwrap());
}

#[test]
fn it_works_within_an_asynchronous_program() {
    let scene = scene!();
    let registry = scene.registry(&Setup::default()).unwrap();
    registry.fill(&scene.source, "x:1", &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        Base::resolve(&registry.image("x:1"), &scene.home.store).unwrap();
    });
}
