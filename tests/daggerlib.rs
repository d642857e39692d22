//! The functions of the tutorial's library, daggerlib, one by one, on rootlet's own presets: what its pages recorded.

use rootlet_tests::OwnStore;
use std::path::Path;
use std::process::Command;

#[path = "daggerlib/docker.rs"]
mod docker;
#[path = "daggerlib/real.rs"]
mod real;
#[path = "daggerlib/written_so.rs"]
mod written_so;

/// Calls a function of the presets; gives what is printed.
#[track_caller]
fn call(store: &OwnStore, words: &[&str]) -> String {
    let mut command: Command = rootlet_tests::rootlet_command();
    let presets = ["--mod", "rootlet:lib"];
    let module: &[&str] = if words[0].starts_with("--mod=") { &[] } else { &presets };
    command.args(["call", "--quiet"]).args(module).args(words).env("ROOTLET_STORE", store.path());
    let output = command.current_dir("/").output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a script says in what a function gives.
#[track_caller]
fn says(store: &OwnStore, function: &[&str], script: &str) -> String {
    // A comma would begin the next word.
    let script = format!("--args=sh,-c,{script}");
    call(store, &[function, &["with-exec", &script, "stdout"]].concat())
}

#[test]
fn on_alpine() {
    let Some(store) = rootlet_tests::alpine_image() else { rootlet_tests::skip!("no tarball of alpine") };
    let says = |function: &[&str], script: &str| says(&store, function, script);
    assert_eq!(says(&["alpine"], "id -u; cat /etc/timezone"), "0\nEurope/Paris\n");
    assert_eq!(says(&["alpine-user", "--uid=2000"], "id -u"), "2000\n");
    assert_eq!(says(&["alpine-user", "--groups=dialout"], "id -Gn"), "sam dialout\n");
    assert_eq!(call(&store, &["alpine-tz", "entries"]), "localtime\ntimezone\n");
    // Into any container.
    let ctr = "--ctr=alpine:3.23";
    for function in ["alpine-set-tz", "distroless-set-tz"] {
        assert_eq!(
            says(&[function, ctr], "cat /etc/timezone; date +%Z"),
            "Europe/Paris\nCET\n".replace("CET", &zone())
        );
    }
    let user = ["use-user", ctr, "--uid=3000", "--groups=dialout", "--sudoer"];
    assert_eq!(
        says(&user, "id; pwd; echo $HOME; echo $PATH | cut -d: -f1; touch ~/x"),
        "uid=3000(sam) gid=3000(sam) groups=20(dialout)\n/home/sam\n/home/sam\n/home/sam/.local/bin\n"
    );
    assert_eq!(says(&["setup-user", ctr, "--username=bob"], "id -u; id -u bob"), "0\n1000\n");
}

/// What the time zone is called today.
fn zone() -> String {
    let date = Command::new("date").arg("+%Z").env("TZ", "Europe/Paris").output().unwrap();
    String::from_utf8(date.stdout).unwrap().trim().to_owned()
}

/// The store that all tests share, where Debian is made of its packages.
fn debian() -> Option<OwnStore> {
    rootlet_tests::packages_base("apt:trixie")?;
    Some(OwnStore::shared(&rootlet_tests::store()))
}

#[test]
fn on_debian() {
    let Some(store) = debian() else { return };
    let says = |function: &[&str], script: &str| says(&store, function, script);
    assert_eq!(says(&["debian"], "id -u; cat /etc/timezone"), "0\nEurope/Paris\n");
    assert_eq!(
        says(&["debian-user"], "id; pwd"),
        "uid=1000(sam) gid=1000(sam) groups=1000(sam),100(users)\n/home/sam\n"
    );
    let ctr = "--ctr=apt:trixie";
    let recommends = says(&["debian-no-auto-install", ctr], "apt-config dump | grep -- Install-Recommends");
    assert_eq!(recommends, "APT::Install-Recommends \"0\";\n");
    assert_eq!(says(&["debian-apt-cleanup", ctr], "ls /var/lib/apt/lists"), "");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("localtime");
    call(&store, &["debian-localtime", "export", &format!("--path={}", file.display())]);
    assert!(std::fs::read(file).unwrap().starts_with(b"TZif"));
}

/// These ask PyPI, or what pip is told to ask.
#[test]
fn with_python() {
    let Some(store) = debian() else { return };
    if rootlet_tests::one_id() {
        return eprintln!("with one id there is no second user to whom a virtual environment could belong");
    }
    let prefix = "python3 -c \"import sys; print(sys.prefix)\"; stat -c %U /app/venv";
    assert_eq!(says(&store, &["debian-python-user-venv"], prefix), "/app/venv\nsam\n");
    // Theirs is in ~/.local/bin.
    assert_eq!(says(&store, &["pip-tools"], "command -v pip-compile"), "/app/venv/bin/pip-compile\n");
    let entries = call(&store, &["flask-venv", "directory", "--path=bin", "entries"]);
    assert!(entries.lines().any(|name| name == "flask"), "{entries}");
    let venv = ["python-venv", "--ctr=apt:trixie+python3-venv", "--base=/opt", "--pip-packages=six"];
    let imports = "python3 -c \"import six; print(six.__file__)\"";
    let file = says(&store, &venv, imports);
    assert!(Path::new(&file).starts_with("/opt/venv/lib"), "{file}");
}
