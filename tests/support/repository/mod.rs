//! A small repository of Debian packages, made and signed by the test that uses it.
//!
//! Its packages are enough of a system to be built without the network: this machine's shell, a static busybox for the rest, and a
//! `dpkg` of a few lines that configures what waits.

mod deb;
mod server;
mod signer;

pub use deb::Deb;
pub use server::{Asked, Manner, Server};
pub use signer::Signer;

use rootlet::base::{Digest, Platform};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

const BUSYBOX: &str = "/bin/busybox";
/// busybox would be one, too, but it takes its own applet for dpkg.
const SHELL: &str = "/bin/dash";
/// What dpkg does here: runs each postinst, and writes down that all is well.
const DPKG: &str = "#!/bin/sh\n\
    set -e\n\
    [ \"$1 $2\" = '--configure --pending' ]\n\
    cd /var/lib/dpkg\n\
    for name in $(sed -n 's/^Package: //p' status); do\n\
        [ ! -e info/$name.postinst ] || info/$name.postinst configure\n\
    done\n\
    sed -i 's/^Status: install ok unpacked/Status: install ok installed/' status\n";
const APPLETS: [&str; 12] =
    ["cat", "chmod", "env", "id", "ln", "ls", "mkdir", "mv", "rm", "sed", "sleep", "stat"];

/// A directory that a mirror could have.
#[derive(Debug)]
pub struct Repository {
    directory: TempDir,
    /// How its index is packed: an end that Debian has for it.
    pub index: &'static str,
    stanzas: Vec<Stanza>,
}

/// What its index says of a package.
#[derive(Debug)]
struct Stanza {
    control: String,
    /// Below the repository.
    place: String,
    /// Its size and digest.
    promise: String,
}

impl Repository {
    /// One with what any system needs; `None` where this machine has not the means.
    pub fn new() -> Option<Self> {
        for program in [SHELL, "dpkg-deb", "gpg", "gpgconf", "xz"] {
            let (input, output) = (Stdio::null(), Stdio::null());
            if Command::new(program)
                .arg("--version")
                .stdin(input)
                .stdout(output)
                .stderr(Stdio::null())
                .status()
                .is_err()
            {
                crate::skipped(&format!("no {program}"));
                return None;
            }
        }
        let is_static = Path::new(BUSYBOX).exists() && libraries(BUSYBOX).is_empty();
        if !is_static {
            crate::skipped("no static busybox");
            return None;
        }
        let mut repository = Self::empty();
        for (deb, bytes) in system() {
            repository.put(deb, bytes);
        }
        Some(repository)
    }

    /// One without packages.
    pub fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Others than the caller may have to look, as who is root of a user namespace.
        fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        fs::create_dir(directory.path().join("pool")).unwrap();
        Self { directory, index: ".xz", stanzas: Vec::new() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// As a mirror of this machine.
    pub fn url(&self) -> String {
        format!("file:{}", self.path().display())
    }

    /// Puts a package into it, and says where it lies.
    pub fn add(&mut self, deb: &Deb) -> PathBuf {
        self.put(deb, &deb.build())
    }

    fn put(&mut self, deb: &Deb, bytes: &[u8]) -> PathBuf {
        let place = format!("pool/{}_{}.deb", deb.name, deb.version);
        let file = self.path().join(&place);
        fs::write(&file, bytes).unwrap();
        self.stanzas.push(Stanza { control: deb.control(), place, promise: promise(&file) });
        file
    }

    /// Has the index promise a file as it is now.
    pub fn promise(&mut self, file: &Path) {
        let stanza = self.stanzas.iter_mut().find(|stanza| file.ends_with(&stanza.place)).unwrap();
        stanza.promise = promise(file);
    }

    /// The index of its packages, which a Release names.
    pub fn index_path(&self) -> String {
        format!("main/binary-{}/Packages{}", Platform::default().architecture, self.index)
    }

    /// Writes the index and signs the suite.
    pub fn publish(&self, suite: &str, signer: &Signer) {
        self.publish_as(suite, |release| signer.clear(release));
    }

    /// Writes the index, and InRelease as `sign` makes it of its text.
    pub fn publish_as(&self, suite: &str, sign: impl FnOnce(&str) -> Vec<u8>) {
        let release = self.release(suite);
        fs::write(self.in_release(suite), sign(&release)).unwrap();
    }

    /// Where the signed document of a suite lies.
    pub fn in_release(&self, suite: &str) -> PathBuf {
        self.suite(suite).join("InRelease")
    }

    /// Where the documents of a suite lie.
    pub fn suite(&self, suite: &str) -> PathBuf {
        self.path().join("dists").join(suite)
    }

    /// Writes the index, and gives the text that is to be signed.
    pub fn release(&self, suite: &str) -> String {
        let stanzas = self
            .stanzas
            .iter()
            .map(|stanza| format!("{}Filename: {}\n{}\n", stanza.control, stanza.place, stanza.promise));
        let bytes = packed(stanzas.collect::<String>().as_bytes(), self.index);
        let index = self.index_path();
        let file = self.suite(suite).join(&index);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &bytes).unwrap();
        format!(
            "Origin: Tests\nSuite: {suite}\nCodename: {suite}\nDate: Sat, 21 Nov 2020 09:15:44 UTC\n\
             Architectures: {}\nComponents: main\nSHA256:\n {} {} {index}\n",
            Platform::default().architecture,
            Digest::of(&bytes).hex(),
            bytes.len(),
        )
    }

    /// The name of a base of it.
    pub fn name(&self, suite: &str, signer: &Signer) -> String {
        self.name_at(&self.url(), suite, signer)
    }

    /// Likewise, from somewhere else.
    pub fn name_at(&self, mirror: &str, suite: &str, signer: &Signer) -> String {
        format!("apt:{suite}?mirror={mirror}&keyring={}", signer.keyring().display())
    }
}

/// The packages that make a system, made once.
fn system() -> &'static [(Deb, Vec<u8>)] {
    static SYSTEM: OnceLock<Vec<(Deb, Vec<u8>)>> = OnceLock::new();
    SYSTEM.get_or_init(|| {
        let mut base = Deb::new("base-files")
            .field("Essential", "yes")
            .bytes("bin/busybox", &fs::read(BUSYBOX).unwrap(), 0o755)
            .bytes("bin/sh", &fs::read(SHELL).unwrap(), 0o755)
            .file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0o644)
            .file("etc/group", "root:x:0:\n", 0o644)
            .directory("usr/sbin", 0o755)
            .directory("tmp", 0o1777)
            .directory("var/log", 0o755)
            .packed("none");
        for name in APPLETS {
            base = base.symlink(&format!("bin/{name}"), "busybox");
        }
        for library in libraries(SHELL) {
            base = base.bytes(&library[1..], &fs::read(&library).unwrap(), 0o755);
        }
        let dpkg = Deb::new("dpkg").field("Essential", "yes").file("usr/bin/dpkg", DPKG, 0o755);
        [base, dpkg.packed("gzip")].map(|deb| (deb.clone(), deb.build())).into()
    })
}

/// What a program is linked to.
fn libraries(program: &str) -> Vec<String> {
    let output = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned).collect()
}

fn promise(file: &Path) -> String {
    let bytes = fs::read(file).unwrap();
    format!("Size: {}\nSHA256: {}\n", bytes.len(), Digest::of(&bytes).hex())
}

fn packed(bytes: &[u8], end: &str) -> Vec<u8> {
    match end {
        ".xz" => piped(Command::new("xz").arg("-c"), bytes),
        ".gz" => piped(Command::new("gzip").args(["-n", "-c"]), bytes),
        ".zst" => zstd::encode_all(bytes, 3).unwrap(),
        _ => bytes.to_vec(),
    }
}

/// What a program makes of its input.
fn piped(command: &mut Command, input: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
