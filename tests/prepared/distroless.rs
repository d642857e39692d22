//! The presets of images without a shell. Google's registry is not at hand: the image is made as theirs is, of the files of Debian's
//! packages and an account `nonroot`, and everything else is left out. The preset's `from` is the only thing that is not its own.

use super::{Scene, debian::debian, text};
use rootlet::base::{Defaults, ExportTarget};
use rootlet::{Base, ErrorKind, Rootlet, Store};
use rootlet_tests::{OwnStore, one_id, probe};
use std::fs;
use std::path::Path;

/// Writes a tar of the files of packages, as they are when nobody has run a script of theirs, and of an account.
const FILES: &str = r#"
    set -e
    mkdir -p /image/etc /image/home/nonroot /image/tmp /image/root
    dpkg --listfiles $@ | sort -u | grep -v '/\.$\|/usr/share/\(doc\|man\|lintian\)' > /list
    # The links of a merged /usr, which base-files makes.
    printf '/%s\n' bin sbin lib lib64 >> /list
    tar -C / --no-recursion --null -c $(tr '\n' ' ' < /list) 2>/dev/null | tar -C /image -x
    rm -f /image/bin/sh /image/usr/bin/sh
    printf 'root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' > /image/etc/passwd
    printf 'root:x:0:\nnobody:x:65534:\ntty:x:5:\nstaff:x:50:\nnonroot:x:65532:\n' > /image/etc/group
    chown 65532:65532 /image/home/nonroot
    chmod 0700 /image/home/nonroot
    chmod 1777 /image/tmp
    tar -C /image -cf /image.tar .
"#;

/// Packages of the image `static`, and what Google's Python has besides.
const STATIC: &[&str] = &["base-files", "media-types", "netbase", "tzdata"];
const PYTHON: &[&str] =
    &["libc6", "libexpat1", "libpython3.13-minimal", "libpython3.13-stdlib", "python3.13-minimal", "zlib1g"];

/// An image layout `image` beside the project.
fn image(scene: &Scene, packages: &[&str]) {
    let from = format!("apt:trixie+{}", [STATIC, PYTHON].concat().join("+"));
    let root = Rootlet::builder(&rootlet_tests::packages_base(&from).unwrap()).user("root").spawn().unwrap();
    let mut make = root.command("/bin/sh");
    text(&make.args(["-c", FILES, "sh"]).args(packages).output().unwrap());
    scene.write("rootlet.toml", "");
    fs::write(scene.path().join("image.tar"), root.read("/image.tar").unwrap()).unwrap();
    let own = OwnStore::default();
    let store = Store::open(own.path()).unwrap();
    let files = Base::resolve(&format!("tar:{}", scene.path().join("image.tar").display()), &store).unwrap();
    let defaults = Defaults {
        user: Some("65532".into()),
        workdir: Some("/home/nonroot".into()),
        env: vec![("PATH".into(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into())],
        ..Defaults::default()
    };
    let image = files.with_layers(Vec::new(), defaults, "image", "made by a test", &[]).unwrap();
    let to: ExportTarget = format!("oci:{}:nonroot", scene.path().join("image").display()).parse().unwrap();
    image.export(&to).unwrap();
}

const FROM: &str = "from = \"oci:image:nonroot\"";

fn run(scene: &Scene, words: &[&str]) -> String {
    text(&scene.command(&[&["run", "-r", "a", "--"], words].concat()).output().unwrap())
}

#[test]
fn the_static_image_runs_as_nonroot_and_has_nothing_to_break_in_with() {
    rootlet_tests::needs_namespaces!("/proc to read");
    let Some(scene) = debian("") else { return };
    image(&scene, STATIC);
    fs::copy(probe(), scene.path().join("probe")).unwrap();
    scene.write(
        "rootlet.toml",
        &format!(
            "[root.a]\npreset = \"distroless_debian\"\n{FROM}\ntimezone = \"Europe/Paris\"\n\
             copy = [{{ from = \"probe\", to = \"/app/probe\", mode = \"0755\" }}]\n"
        ),
    );
    let base = scene.base();
    let root = Rootlet::builder(&base).spawn().unwrap();
    for absent in ["/bin/sh", "/usr/bin/dpkg", "/usr/bin/apt-get", "/usr/sbin/adduser", "/usr/bin/id"] {
        assert!(!root.exists(absent), "{absent}");
    }
    let facts = super::facts(&base);
    assert_eq!((facts.uids, facts.gids), ([65532; 4], [65532; 4]));
    assert_eq!(facts.caps.effective, 0);
    assert!(root.read_link("/etc/localtime").unwrap().ends_with("zoneinfo/Europe/Paris"));
    let said: rootlet_tests::facts::Facts =
        serde_json::from_str(&run(&scene, &["/app/probe", "facts"])).unwrap();
    assert_eq!((said.uids, said.cwd.as_str()), ([65532; 4], "/home/nonroot"));

    // Another user is made without any program of the image's.
    scene.say("timezone", "user = { name = \"sam\", groups = [\"staff\"] }\ntimezone");
    let facts = super::facts(&scene.base());
    assert_eq!(facts.uids, [1000; 4]);
    assert!(one_id() || facts.groups == [50], "{:?}", facts.groups);
}

#[test]
fn what_needs_a_shell_or_a_package_manager_says_so() {
    let Some(scene) = debian("") else { return };
    image(&scene, STATIC);
    let told = |more: &str| {
        scene.write("rootlet.toml", &format!("[root.a]\npreset = \"distroless_debian\"\n{FROM}\n{more}\n"));
        let error = scene.build("a").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Recipe, "{error:?}");
        format!("{error:?} {error} {}", error.hint().unwrap_or_default())
    };
    let packages = told("packages = [\"curl\"]");
    assert!(
        packages.contains("the base has no package manager") && packages.contains("apt-get, apk"),
        "{packages}"
    );
    let command = told("run = [\"true\"]");
    assert!(command.contains("the base has no /bin/sh"), "{command}");
}

#[test]
fn the_image_of_python_runs_python_as_nonroot() {
    let Some(scene) = debian("") else { return };
    image(&scene, &[STATIC, PYTHON].concat());
    scene.write(
        "app.py",
        "import os, json, zlib\nprint(os.getuid(), os.getcwd(), os.path.exists('/bin/sh'))\n",
    );
    let recipe =
        "copy = [{ from = \"app.py\", to = \"/app/app.py\" }]\nentrypoint = [\"/usr/bin/python3.13\"]\n";
    scene.write(
        "rootlet.toml",
        &format!("[root.a]\npreset = \"distroless-python3-debian\"\n{FROM}\n{recipe}"),
    );
    assert!(Path::new(&scene.path().join("image/index.json")).exists());
    assert_eq!(run(&scene, &["/app/app.py"]), "65532 /home/nonroot False\n");
}
