//! A real Debian root for the tests, made once from the machine's own package sources.

use crate::Result;
use crate::shell::{command, installed, is_root, quiet, target};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// Besides the essential packages: what the tests do inside.
const INCLUDED: &str = "adduser,python3-minimal,nginx-light";

const SERVICES_TAR: &str = "services.tar";
/// What explains refusals of real services.
const SERVICES: &str = "ant,default-jre-headless,git,nginx-light,postgresql,python3-pip";

/// What the measurements run inside.
const MEASURED: &str = "python3,git";

/// What a project is built and tested in: some fifty thousand files.
const LARGE: &str = "build-essential,cmake,git,npm,python3-dev,python3-pip";

/// The tests' tarball, made when it is not there; `None` where this machine cannot make one.
pub fn tarball() -> Result<Option<PathBuf>> {
    make("debian.tar", INCLUDED)
}

/// The tarball with services, likewise.
pub fn services() -> Result<Option<PathBuf>> {
    make(SERVICES_TAR, SERVICES)
}

/// The measurements' tarball, likewise.
pub fn with_programs() -> Result<Option<PathBuf>> {
    make("debian-programs.tar", MEASURED)
}

/// A larger one, to be compared with what others copy file by file.
pub fn large() -> Result<Option<PathBuf>> {
    make("debian-large.tar", LARGE)
}

fn make(name: &str, included: &str) -> Result<Option<PathBuf>> {
    let place = place(name);
    let list = place.with_extension("packages");
    if place.exists() && fs::read_to_string(&list).is_ok_and(|made| made == included) {
        return Ok(Some(place));
    }
    if !is_root() || !installed("mmdebstrap") {
        eprintln!("no Debian root: what uses one will be skipped (as root, with mmdebstrap, it is made)");
        return Ok(None);
    }
    eprintln!("making a Debian root (once)");
    let unfinished = place.with_extension("new.tar");
    fs::create_dir_all(target().join("tests")).map_err(|e| e.to_string())?;
    let mut bootstrap = command("mmdebstrap", &["--variant=minbase", "--format=tar", "--quiet"]);
    // Images have no device nodes, and no user namespace could make them.
    bootstrap.args(["--skip=output/mknod", &format!("--include={included}")]).args(proxies()?);
    let sources = sources()?;
    let suite = sources
        .first()
        .map(|source| source.codename.clone())
        .ok_or("apt has no source of Debian or Ubuntu")?;
    bootstrap.arg(suite).arg(&unfinished).args(sources.iter().map(Source::line));
    quiet(&mut bootstrap)?;
    fs::rename(&unfinished, &place).and_then(|()| fs::write(list, included)).map_err(|e| e.to_string())?;
    Ok(Some(place))
}

/// The tarballs made earlier: the tests', and the one with services.
pub fn cached() -> [Option<PathBuf>; 2] {
    ["debian.tar", SERVICES_TAR].map(|name| Some(place(name)).filter(|tarball| tarball.exists()))
}

fn place(name: &str) -> PathBuf {
    target().join("tests").join(name)
}

/// One component of one suite.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    codename: String,
    uri: String,
    component: String,
}

impl Source {
    fn line(&self) -> String {
        format!("deb {} {} {}", self.uri, self.codename, self.component)
    }
}

/// The distribution's own sources, as apt has them configured; third parties' are left out.
fn sources() -> Result<Vec<Source>> {
    let format = "$(ORIGIN)|$(CODENAME)|$(REPO_URI)|$(COMPONENT)";
    let listed =
        quiet(&mut command("apt-get", &["indextargets", "--format", format, "Created-By: Packages"]))?;
    let sources: BTreeSet<Source> = listed.lines().filter_map(parse_source).collect();
    Ok(sources.into_iter().collect())
}

fn parse_source(line: &str) -> Option<Source> {
    let [origin, codename, uri, component] = line.split('|').collect::<Vec<_>>().try_into().ok()?;
    matches!(origin, "Debian" | "Ubuntu").then(|| Source {
        codename: codename.into(),
        uri: uri.into(),
        component: component.into(),
    })
}

/// The machine's proxies: mmdebstrap does not read the configuration of the machine's apt.
fn proxies() -> Result<Vec<String>> {
    let dump = quiet(&mut command("apt-config", &["dump", "--no-empty", "--format", "%F %v;%n", "Acquire"]))?;
    Ok(dump.lines().filter(|line| line.contains("Proxy")).map(|line| format!("--aptopt={line}")).collect())
}
