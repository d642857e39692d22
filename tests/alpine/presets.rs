//! The presets of Alpine with Python, on Alpine's small root. Its mirror is not at hand, so `python3` is a script that makes what
//! `-m venv` and `-m pip` are asked for: what is seen is what the presets ask, and as whom; no Python runs.

use super::support::{Apk, RELEASE, directory, entry};
use super::{Scene, has_openssl};
use rootlet::recipe::Project;
use rootlet::{Base, Rootlet};
use rootlet_tests::one_id;
use rootlet_tests::repository::Server;
use std::fs;

const PYTHON: &str = r#"#!/bin/sh
case "$1 $2" in
"-m venv")
    for venv; do :; done
    mkdir -p "$venv/bin"
    ln -s /usr/bin/python3 "$venv/bin/python3"
    echo "$(id -un): $*" > "$venv/made" ;;
"-m pip")
    echo "$(id -un): $*" > "$(dirname "$0")/../pip" ;;
*)
    echo "$0 $*" ;;
esac
"#;

fn python() -> [Apk; 2] {
    let python3 = Apk::new("python3", "3.12.0-r0").says("D:busybox").with(directory("usr"));
    let python3 = python3.with(directory("usr/bin")).with(entry("usr/bin/python3", b'0', PYTHON, 0o755));
    [python3, Apk::new("py3-pip", "24.0-r0").says("D:python3")]
}

/// As whoever the base says.
fn says(base: &Base, script: &str) -> String {
    let output =
        Rootlet::builder(base).spawn().unwrap().command("sh").args(["-ec", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn python_and_a_virtual_environment_of_the_users_own() {
    if one_id() {
        return eprintln!("with one id a step runs as root alone");
    }
    let mut scene = scene!();
    python().into_iter().for_each(|apk| scene.repository.add(apk));
    scene.repository.publish();
    let server = Server::new(&scene.repository.root.join("mirror"));
    let (keys, url) = (scene.repository.keys(), server.url());
    let from = format!("from = \"apk:{RELEASE}?keys={}&mirror={url}&repositories=main\"", keys.display());
    let project = tempfile::tempdir().unwrap();
    let recipes = format!(
        "[root.plain]\npreset = \"alpine_python\"\n{from}\n\
         [root.venv]\npreset = \"alpine-python-user-venv\"\n{from}\n\
         [root.more]\npreset = \"alpine_python_user_venv\"\n{from}\n\
         python = {{ venv = \"/app/venv\", packages = [\"flask\"] }}\n"
    );
    fs::write(project.path().join("rootlet.toml"), recipes).unwrap();
    let resolver = rootlet::resolver(&scene.store());
    let build = |name: &str| Project::find(project.path()).unwrap().base(name, &resolver).unwrap();

    assert_eq!(
        says(&build("plain"), "python3 x; apk info -e python3 py3-pip"),
        "/usr/bin/python3 x\npython3\npy3-pip\n"
    );
    let venv = build("venv");
    let who = "id -un; pwd; echo $VIRTUAL_ENV; which python3; stat -c '%U %a' /app /app/venv /app/venv/bin; touch /app/venv/mine";
    assert_eq!(says(&venv, who), "sam\n/app\n/app/venv\n/app/venv/bin/python3\nsam 755\nsam 755\nsam 755\n");
    assert_eq!(says(&venv, "cat /app/venv/made"), "sam: -m venv --system-site-packages /app/venv\n");
    assert_eq!(
        says(&build("more"), "cat /app/venv/pip"),
        "sam: -m pip install --no-cache-dir --disable-pip-version-check flask\n"
    );
    // Each package came once, for all three.
    assert_eq!(
        server
            .counts()
            .iter()
            .filter(|(path, _)| path.contains("/py"))
            .map(|(_, count)| count)
            .sum::<usize>(),
        2
    );
}
