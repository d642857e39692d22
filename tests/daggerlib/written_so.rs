//! A module that is written as the tutorial's library is: each thing of Dagger's that the library needs, in a few lines of our own.

use rootlet_tests::OwnStore;
use std::fs;
use std::path::Path;
use std::process::Command;

const CHANGE: &str = "#!/bin/sh -e\ncat src/one.py\nls -A . src\necho x >> .cache/x\necho 2 > src/two.py\necho \"$*\" > said\n";

/// The library, one module that uses it, and Alpine's image.
struct Scene {
    directory: tempfile::TempDir,
    store: OwnStore,
}

impl Scene {
    fn new() -> Option<Self> {
        let store = rootlet_tests::alpine_image()?;
        let scene = Self { directory: tempfile::tempdir().unwrap(), store };
        scene.write(
            "dagger.json",
            r#"{"name": "library", "engineVersion": "v0.21.7", "sdk": {"source": "python"}}"#,
        );
        scene.write("src/library/__init__.py", "from .main import Library as Library\n");
        scene.write("src/library/main.py", include_str!("library.py"));
        scene.write("src/pins.json", "{\"other:1\": \"sha256:0\"}");
        scene.write("src/one.py", "1\n");
        scene.write("kept/deep/file", "");
        scene.write("left.txt", "");
        scene.write("change.sh", CHANGE);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(scene.directory.path().join("change.sh"), mode).unwrap();
        scene.write(
            "examples/user/dagger.json",
            r#"{"name": "user", "sdk": {"source": "python"}, "dependencies": [{"name": "library", "source": "../.."}], "source": ".dagger"}"#,
        );
        let user = "from dagger import dag, function, object_type\n\n@object_type\nclass User:\n    @function\n    \
            async def whoami(self) -> str:\n        return await dag.library(default_username='bob').user3().with_exec(['whoami']).stdout()\n";
        scene.write("examples/user/.dagger/src/user/main.py", user);
        Some(scene)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// What a call prints.
    #[track_caller]
    fn call(&self, directory: &str, words: &[&str]) -> String {
        let mut command: Command = rootlet_tests::rootlet_command();
        command.args(["call", "--quiet"]).args(words).env("ROOTLET_STORE", self.store.path());
        command.env("LIBRARY_SECRET", "hush").current_dir(self.path().join(directory));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

#[test]
fn classes_that_are_mixed_together() {
    let Some(scene) = Scene::new() else { rootlet_tests::skip!("no tarball of alpine") };
    let id = ["with-exec", "--args=sh,-c,id -un; pwd; id -Gn; echo $PATH | cut -d: -f1", "stdout"];
    let of = |words: &[&str]| scene.call(".", &[words, &id].concat());
    assert_eq!(of(&["user3"]), "sam\n/home/sam\nsam\n/home/sam/.local/bin\n");
    // As Dagger has it typed.
    assert_eq!(of(&["user-3", "--groups=dialout"]), "sam\n/home/sam\nsam dialout\n/home/sam/.local/bin\n");
    assert_eq!(of(&["--default-username=bob", "user-3"]), "bob\n/home/bob\nbob\n/home/bob/.local/bin\n");
    assert_eq!(
        of(&["named", "--ctr=alpine:3.23", "--username=eve"]),
        "eve\n/home/eve\neve\n/home/eve/.local/bin\n"
    );
    let tags = scene.call(".", &["tags", "contents"]);
    assert!(tags.starts_with("{\"alpine:3.23\": \""), "{tags}");
    assert_eq!(scene.call("examples/user", &["whoami"]), "bob\n");
    assert_eq!(scene.call(".", &["owners"]), "sam\nsam\nsam\nroot\nroot\n");
}

#[test]
fn sources_and_what_is_changed_in_them() {
    let Some(scene) = Scene::new() else { rootlet_tests::skip!("no tarball of alpine") };
    if rootlet_tests::chroot() {
        return eprintln!("without mounts there are no caches");
    }
    assert_eq!(
        scene.call(".", &["changed", "--files=a,b", "glob", "--pattern=**"]),
        "said\nsrc/\nsrc/two.py\n"
    );
    assert_eq!(scene.call(".", &["changed", "--files=a,b", "file", "--path=said", "contents"]), "a b\n");
    let seen = scene.call(".", &["changed", "glob", "--pattern=**"]);
    assert!(!seen.contains("left.txt") && !seen.contains(".cache"), "{seen}");
    let own = scene.call(".", &["own-source"]);
    assert!(own.contains("change.sh") && own.contains("left.txt"), "{own}");
    assert_eq!(scene.call(".", &["addressed"]), "True\nhush\nalpine-release\nx\n");
}

/// All capabilities, no filter, privileges that can be gained, and /sys.
#[test]
fn a_service_with_all_capabilities() {
    let Some(scene) = Scene::new() else { rootlet_tests::skip!("no tarball of alpine") };
    if rootlet_tests::chroot() {
        return eprintln!("without namespaces there are no services");
    }
    let said = scene.call(".", &["asked"]);
    let line = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name}: {said}")).trim().to_owned()
    };
    let last: u32 = fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap().trim().parse().unwrap();
    assert_eq!(line("CapEff:"), format!("{:016x}", (1_u64 << (last + 1)) - 1), "{said}");
    assert_eq!((line("Seccomp:"), line("NoNewPrivs:")), ("0".into(), "0".into()));
    assert!(said.contains("/sys/kernel"), "{said}");
}
