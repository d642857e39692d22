//! What only Debian has: its adduser, sudo, Python, and presets that need no registry.

use super::{Scene, facts, says, text, users};
use rootlet_tests::{OwnStore, chroot, debian_tar, one_id, skipped};
use std::process::Command;

/// A project whose recipes begin with apt's packages; its store is that of all tests, so that Debian is made once. `None` where
/// there is no mirror.
pub(super) fn debian(recipes: &str) -> Option<Scene> {
    let base = rootlet_tests::packages_base("apt:trixie")?;
    let scene = Scene { project: tempfile::tempdir().unwrap(), store: OwnStore::shared(base.store().path()) };
    scene.write("rootlet.toml", recipes);
    Some(scene)
}

#[test]
fn the_tutorials_outputs_hold() {
    rootlet_tests::needs_namespaces!("/proc to read");
    let Some(scene) = debian("") else { return };
    let run = |words: &[&str]| {
        text(&scene.command(&[&["run", "--preset", "debian_user", "--"], words].concat()).output().unwrap())
    };
    assert_eq!(run(&["whoami"]), "sam\n");
    assert_eq!(run(&["pwd"]), "/home/sam\n");
    assert_eq!(run(&["id", "sam"]), "uid=1000(sam) gid=1000(sam) groups=1000(sam),100(users)\n");
    scene
        .write("rootlet.toml", "[root.a]\npreset = \"debian-user\"\nuser = { name = \"sam\", uid = 2000 }\n");
    assert_eq!(text(&scene.command(&["run", "-r", "a", "id", "-u"]).output().unwrap()), "2000\n");
    assert_eq!(facts(&scene.base()).uids, [2000; 4]);
}

#[test]
fn an_account_is_what_debians_adduser_makes() {
    if one_id() {
        return eprintln!("with one id adduser makes files of nobody else's");
    }
    let Some(tarball) = debian_tar() else { return skipped("no Debian root") };
    let from = format!("from = \"tar:{}\"", tarball.display());
    let scene = Scene { project: tempfile::tempdir().unwrap(), store: OwnStore::default() };
    scene.write(
        "rootlet.toml",
        &format!(
            "[root.plain]\n{from}\n[root.a]\n{from}\nuser = {{ name = \"sam\", shell = \"/bin/bash\" }}\n"
        ),
    );
    users::as_adduser_does(&scene, "adduser --quiet --disabled-password --gecos '' sam");
}

/// sudo is set-user-id root: it works where no_new_privs allows it, and only there.
#[test]
fn a_sudoer_becomes_root_where_it_may() {
    let Some(scene) = debian("[root.a]\nfrom = \"apt:trixie\"\nuser = { name = \"sam\", sudo = true }\n")
    else {
        return;
    };
    let sudo = |options: &[&str]| {
        let words = [
            &["run", "-r", "a"],
            options,
            &["--", "sudo", "-n", "/bin/sh", "-c", "id -u; touch /etc/root-was-here && echo wrote"],
        ]
        .concat();
        scene.command(&words).output().unwrap()
    };
    let refused = sudo(&[]);
    assert!(
        !refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("no new privileges"),
        "{refused:?}"
    );
    if one_id() || chroot() {
        return eprintln!("nobody gains rights on this tier");
    }
    assert_eq!(text(&sudo(&["--security-opt", "no-new-privileges:false"])), "0\nwrote\n");
    // The account itself is none of root's.
    assert_eq!(facts(&scene.base()).uids, [1000; 4]);
    assert_eq!(says(&scene.base(), "stat -c '%a %u' /usr/bin/sudo"), "4755 0\n");
}

/// A wheel, which is a zip of a module and three lines about it.
const WHEEL: &str = "import sys, zipfile\n\
    w = zipfile.ZipFile(sys.argv[1] + '/demo-1.0-py3-none-any.whl', 'w')\n\
    w.writestr('demo.py', 'print(42)\\n')\n\
    w.writestr('demo-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: demo\\nVersion: 1.0\\n')\n\
    w.writestr('demo-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
    w.writestr('demo-1.0.dist-info/RECORD', '')\n";

#[test]
fn packages_and_a_virtual_environment_of_the_users_own() {
    if one_id() {
        return eprintln!("with one id a step runs as root alone");
    }
    let recipes = r#"
        [root.a]
        from = "apt:trixie"
        packages = ["python3-venv"]
        user = "sam"
        copy = [{ from = "demo-1.0-py3-none-any.whl", to = "/srv/" }]
        python = { venv = "/app/venv", packages = ["/srv/demo-1.0-py3-none-any.whl"] }
        env = { PIP_NO_INDEX = "1" }
    "#;
    let Some(scene) = debian(recipes) else { return };
    let made = Command::new("python3").args(["-c", WHEEL]).arg(scene.path()).status();
    if !made.is_ok_and(|status| status.success()) {
        return skipped("no python3");
    }
    let base = scene.base();
    assert_eq!(
        says(
            &base,
            "/app/venv/bin/python3 -m demo; stat -c %u /app/venv /app/venv/bin/python3; touch /app/venv/mine"
        ),
        "42\n1000\n1000\n"
    );
    assert_eq!(scene.steps(), "ccccc");
    // apt left neither what it fetched nor its lists; dpkg finds all in order.
    assert_eq!(says(&base, "dpkg --audit; dpkg --verify python3-venv"), "");
    assert_eq!(
        says(&base, "find /var/cache/apt /var/lib/apt/lists /var/log/apt -type f 2>/dev/null | head -3"),
        ""
    );
}
