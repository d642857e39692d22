//! The tutorial *Running CI tests like production*, as it is written: its commands, its module, and what it recorded.
//!
//! Its text is not in this tree; where it is at hand, the commands and the module are held against it.

use rootlet_tests::OwnStore;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const INIT: &str = "dagger init --sdk=python";
const INSTALL: &str = "dagger install github.com/Konubinix/daggerlib";
const LOCAL: &str = r#"sed -i '/pin/d; s|"github.com/Konubinix/daggerlib@main"|"../.."|; s|"\.\./\.\.",|"../.."|' dagger.json"#;
/// With its indentation, which the text has lost.
const MODULE: &str = include_str!("tutorial/module.py");
const ON_ALPINE: [(&str, &str); 3] = [
    ("dagger call whoami-check", "sam\n"),
    ("dagger call home-check", "/home/sam\n"),
    ("dagger call uid-check", "uid=1000(sam) gid=1000(sam) groups=1000(sam),1000(sam)\n"),
];
const ON_DEBIAN: (&str, &str) =
    ("dagger call debian-uid-check", "uid=1000(sam) gid=1000(sam) groups=1000(sam),100(users)\n");

/// A project two directories below one in which nothing is, and the command under the name `dagger`.
struct Project {
    above: tempfile::TempDir,
    store: OwnStore,
}

impl Project {
    fn new(store: OwnStore) -> Self {
        let project = Self { above: tempfile::tempdir().unwrap(), store };
        fs::create_dir_all(project.directory()).unwrap();
        let bin = project.above.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let command = rootlet_tests::rootlet_command();
        std::os::unix::fs::symlink(command.get_program(), bin.join("dagger")).unwrap();
        project
    }

    fn directory(&self) -> PathBuf {
        self.above.path().join("examples/ci_like_production")
    }

    /// A line, as the reader of the tutorial types it; gives what it prints.
    #[track_caller]
    fn types(&self, line: &str) -> String {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("sh");
        shell.args(["-ec", line]).current_dir(self.directory()).env("ROOTLET_STORE", self.store.path());
        shell.env("PATH", format!("{}/bin:{path}", self.above.path().display()));
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn prepare(&self) {
        self.types(INIT);
        self.types(INSTALL);
        let installed = fs::read_to_string(self.directory().join("dagger.json")).unwrap();
        assert!(installed.contains("\"source\": \"github.com/Konubinix/daggerlib@main\""), "{installed}");
        self.types(LOCAL);
        let local = fs::read_to_string(self.directory().join("dagger.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&local).unwrap_or_else(|e| panic!("{e}: {local}"));
        assert_eq!(json["dependencies"], serde_json::json!([{"name": "lib", "source": "../.."}]));
        fs::write(self.directory().join(".dagger/src/ci_like_production/main.py"), MODULE).unwrap();
    }
}

#[test]
fn it_works_as_it_is_written_on_alpine() {
    let Some(store) = rootlet_tests::alpine_image() else { rootlet_tests::skip!("no tarball of alpine") };
    let project = Project::new(store);
    project.prepare();
    for (line, recorded) in ON_ALPINE {
        assert_eq!(project.types(line), recorded, "{line}");
    }
    let listed = project.types("dagger functions");
    assert!(
        listed.contains("whoami-check      Check that the container runs as a regular user."),
        "{listed}"
    );
}

#[test]
fn it_works_as_it_is_written_on_debian() {
    if rootlet_tests::packages_base("apt:trixie").is_none() {
        return;
    }
    let project = Project::new(OwnStore::shared(&rootlet_tests::store()));
    project.prepare();
    let (line, recorded) = ON_DEBIAN;
    assert_eq!(project.types(line), recorded, "{line}");
}

/// What cargo starts is the same for everybody; only who owns these sources has a cargo here.
fn compiles() -> bool {
    use std::os::unix::fs::MetadataExt;
    let owner = fs::metadata(env!("CARGO_MANIFEST_DIR")).map(|metadata| metadata.uid());
    owner.is_ok_and(|owner| owner == rustix::process::geteuid().as_raw())
}

#[test]
fn the_same_in_rust() {
    if !compiles() {
        return eprintln!("these sources are somebody else's");
    }
    let Some(store) = rootlet_tests::alpine_image() else { rootlet_tests::skip!("no tarball of alpine") };
    let project = Project::new(store);
    // The library as it is here, built once for all runs of the tests.
    let library = rootlet_tests::manifest_directory().join("../crates/rootlet").canonicalize().unwrap();
    let target = rootlet_tests::kept("rust-module");
    project.types("dagger init --sdk=rust && dagger install github.com/Konubinix/daggerlib");
    let manifest = project.directory().join(".dagger/Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let version = format!("version = \"{}\", features", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&version), "{text}");
    fs::write(&manifest, text.replace(&version, &format!("path = \"{}\", features", library.display())))
        .unwrap();
    let called =
        |line: &str| project.types(&format!("export CARGO_TARGET_DIR='{}'; {line}", target.display()));
    // The code to begin with compiles, and is called.
    let line = "dagger call whoami --base=alpine:3.23";
    assert_eq!(called(line), "uid=1000 gid=0(root)\n", "{line}");
    fs::write(project.directory().join(".dagger/src/main.rs"), include_str!("tutorial/module.rs")).unwrap();
    for (line, recorded) in ON_ALPINE {
        assert_eq!(called(line), recorded, "{line}");
    }
    for (file, runs) in [("a", "1\n"), ("a", "1\n"), ("b", "1\n")] {
        let file = project.directory().join(file);
        assert_eq!(called(&format!("dagger call runs --counted-in={}", file.display())), runs);
        assert_eq!(fs::read_to_string(file).unwrap(), ".");
    }
    // Cargo is not asked again: what is not built anew needs none.
    let (line, recorded) = ON_ALPINE[0];
    assert_eq!(called(&format!("CARGO=/no/cargo {line}")), recorded);
}

#[test]
fn the_text_says_the_same() {
    let shared = std::env::var_os("ROOTLET_SHARED").map(PathBuf::from);
    let text = shared.and_then(|data| {
        fs::read_to_string(data.parent().unwrap_or(Path::new("/")).join("seeds/000_506a2640127b5152.txt"))
            .ok()
    });
    let Some(text) = text else { return eprintln!("the tutorial's text is not at hand") };
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let module: Vec<&str> = MODULE.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert!(lines.windows(module.len()).any(|window| window == module), "the module is another one");
    let calls = ON_ALPINE.iter().chain([&ON_DEBIAN]).map(|(line, _)| *line);
    for line in [INIT, INSTALL, LOCAL].into_iter().chain(calls) {
        assert!(lines.contains(&line), "{line}");
    }
}
