//! Signatures of Release files, verified by gpgv(1) or sqv(1): by the one that apt uses on this machine.

use super::sources::Keys;
use crate::store::TmpDir;
use crate::{Error, ErrorKind, Result, Store};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where apt looks for keys that no source names.
const TRUSTED: [&str; 2] = ["/etc/apt/trusted.gpg", "/etc/apt/trusted.gpg.d"];
/// Where the distributions put their own.
const ARCHIVES: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/ubuntu-archive-keyring.gpg"];

/// A signed document, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signed {
    pub text: String,
    pub signature: Vec<u8>,
}

impl Signed {
    /// A clear-signed document (RFC 9580, 7): what is outside of the signed part is refused, so nobody reads it.
    pub(super) fn clear(bytes: &[u8]) -> Option<Self> {
        let whole = std::str::from_utf8(bytes).ok()?;
        let rest = whole.strip_prefix("-----BEGIN PGP SIGNED MESSAGE-----")?;
        let (head, rest) = rest.split_once("\n\n").or_else(|| rest.split_once("\r\n\r\n"))?;
        if head.lines().any(|line| !line.is_empty() && !line.starts_with("Hash:")) {
            return None;
        }
        let (body, signature) = rest.split_once("\n-----BEGIN PGP SIGNATURE-----")?;
        let end = signature.find("-----END PGP SIGNATURE-----")? + "-----END PGP SIGNATURE-----".len();
        if !signature[end..].trim().is_empty() || body.contains("-----BEGIN PGP") {
            return None;
        }
        let lines = body.split('\n').map(|line| line.strip_prefix("- ").unwrap_or(line).trim_end());
        let text = lines.collect::<Vec<_>>().join("\n");
        Some(Self { text, signature: format!("-----BEGIN PGP SIGNATURE-----{}\n", &signature[..end]).into() })
    }

    /// Errors unless one of the keys has signed it: a wrong signature, an unknown, expired or revoked key, an algorithm that
    /// nobody should trust any more; or neither program is there.
    pub(super) fn verify(&self, keys: &Keys, store: &Store) -> Result<()> {
        let (files, wanted) = match keys {
            Keys::Anything => return Ok(()),
            Keys::Machine => (machine_keys(), None),
            Keys::Fingerprints(wanted) => (machine_keys(), Some(wanted)),
            Keys::Files(files) => (files.clone(), None),
            Keys::Inline(_) => (Vec::new(), None),
        };
        let directory = store.stage()?;
        let write = |name: &str, bytes: &[u8]| {
            let path = directory.path().join(name);
            fs::write(&path, bytes)
                .map_err(|e| Error::io(format!("failed to write {}", path.display()), e))?;
            Ok(path)
        };
        let (text, signature) = (write("text", self.text.as_bytes())?, write("signature", &self.signature)?);
        let mut rings = Vec::new();
        for file in files {
            let bytes = fs::read(&file)
                .map_err(|e| Error::io(format!("failed to read the keys in {}", file.display()), e))?;
            rings.push(match dearmored(&bytes) {
                Some(binary) => write(&format!("ring{}", rings.len()), &binary)?,
                None => file,
            });
        }
        if let Keys::Inline(armored) = keys {
            rings.push(write("inline", &dearmored(armored.as_bytes()).unwrap_or_default())?);
        }
        if rings.is_empty() {
            return Err(untrusted("this machine has no keys of a distribution").with_hint(
                "install the package `debian-archive-keyring`, or name a file of keys with `?keyring=`",
            ));
        }
        let signers = ask(&directory, &rings, &signature, &text)?;
        match wanted {
            Some(wanted) if !signers.iter().any(|by| wanted.iter().any(|end| by.ends_with(end))) => {
                Err(untrusted("it is signed, but not by the key that the source names"))
            }
            _ => Ok(()),
        }
    }
}

fn machine_keys() -> Vec<PathBuf> {
    let ring = |path: &Path| path.extension().is_some_and(|end| end == "gpg" || end == "asc");
    let mut files = Vec::new();
    for path in TRUSTED.map(Path::new) {
        match path.read_dir() {
            Ok(entries) => {
                files.extend(entries.flatten().map(|entry| entry.path()).filter(|path| ring(path)))
            }
            Err(_) if path.is_file() => files.push(path.into()),
            Err(_) => {}
        }
    }
    files.extend(ARCHIVES.map(PathBuf::from).into_iter().filter(|path| path.is_file()));
    files.sort();
    files
}

/// The fingerprints of those who signed it.
fn ask(directory: &TmpDir, rings: &[PathBuf], signature: &Path, text: &Path) -> Result<Vec<String>> {
    let run = |program: &str, first: &[&str]| -> std::io::Result<Output> {
        let mut command = Command::new(program);
        // gpgv makes a home where it has none; nothing of the caller's is read.
        command.args(first).env("GNUPGHOME", directory.path()).env("LC_ALL", "C").stdin(Stdio::null());
        command.args(rings.iter().flat_map(|ring| [Path::new("--keyring"), ring.as_path()]));
        command.arg(signature).arg(text).output()
    };
    match run("gpgv", &["--status-fd", "1"]) {
        Ok(output) => return gpgv(&output),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(Error::io("failed to run gpgv", e)),
    }
    match run("sqv", &[]) {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|line| line.trim().to_uppercase())
            .collect()),
        Ok(output) => Err(untrusted(&said(&output.stderr))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(untrusted("neither gpgv nor sqv is there to verify its signature")
                .with_hint("install the package `gpgv` or `sqv`"))
        }
        Err(e) => Err(Error::io("failed to run sqv", e)),
    }
}

/// What gpgv reports (doc/DETAILS of GnuPG): a key that is known, alive and not revoked, and a digest that holds.
fn gpgv(output: &Output) -> Result<Vec<String>> {
    const BROKEN_DIGESTS: [&str; 4] = ["1", "2", "3", "11"];
    let status = String::from_utf8_lossy(&output.stdout);
    let (mut signers, mut good, mut why) = (Vec::new(), false, None);
    for line in status.lines().filter_map(|line| line.strip_prefix("[GNUPG:] ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["GOODSIG", ..] => good = true,
            ["VALIDSIG", key, _, _, _, _, _, _, digest, ..] if good => {
                match BROKEN_DIGESTS.contains(&digest) {
                    true => why = Some("its signature is made with a digest that is broken".to_owned()),
                    false => {
                        signers.push(key.to_uppercase());
                        signers.extend(words.get(10).map(|primary| primary.to_uppercase()));
                    }
                }
                good = false;
            }
            ["BADSIG", ..] => {
                return Err(untrusted("its signature is wrong: it was changed after it was signed"));
            }
            ["EXPKEYSIG", key, ..] => why = Some(format!("the key {key} that signed it has expired")),
            ["EXPSIG", ..] => why = Some("its signature has expired".into()),
            ["REVKEYSIG", key, ..] => why = Some(format!("the key {key} that signed it was revoked")),
            ["NO_PUBKEY", key] if why.is_none() => {
                why = Some(format!("it is signed by the key {key}, which is not known"))
            }
            _ => {}
        }
    }
    match signers.is_empty() {
        false => Ok(signers),
        true => Err(untrusted(&why.unwrap_or_else(|| said(&output.stderr))).with_hint(
            "newer keys are in the package `debian-archive-keyring`; `?keyring=FILE` names others",
        )),
    }
}

fn said(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("its signature is wrong");
    rootlet_spec::printable(last).into_owned()
}

pub(super) fn untrusted(why: &str) -> Error {
    Error::new(ErrorKind::Untrusted, why)
}

/// The bytes of an armored file (RFC 9580, 6.2); `None` when it is not armored.
fn dearmored(file: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(file).ok()?;
    let mut all = Vec::new();
    for block in text.split("-----BEGIN PGP PUBLIC KEY BLOCK-----").skip(1) {
        let body = block.split("-----END PGP").next()?;
        // Headers end with an empty line; the line that begins with `=` is a checksum of the others.
        let body =
            body.split_once("\n\n").or_else(|| body.split_once("\r\n\r\n")).map_or(body, |(_, body)| body);
        let digits = body.lines().map(str::trim).take_while(|line| !line.starts_with('='));
        all.extend(STANDARD.decode(digits.collect::<String>()).ok()?);
    }
    Some(all).filter(|all| !all.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_clear_signed_documents_apart() {
        let document = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSuite: x\n- -dash\n\n-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n";
        let signed = Signed::clear(document.as_bytes()).unwrap();
        assert_eq!(signed.text, "Suite: x\n-dash\n");
        assert!(signed.signature.starts_with(b"-----BEGIN PGP SIGNATURE-----\n\nabc"));
        for bad in [
            format!("Suite: evil\n{document}"),
            format!("{document}Suite: evil\n"),
            document.replace("Hash: SHA256", "Suite: evil"),
            document.replace("-----BEGIN PGP SIGNATURE-----", ""),
            document.replace("Suite: x", "-----BEGIN PGP SIGNED MESSAGE-----"),
        ] {
            assert_eq!(Signed::clear(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn reads_armor() {
        let armored = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: x\n\naGVsbG8g\nd29ybGQ=\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(dearmored(armored.as_bytes()).unwrap(), b"hello world");
        assert_eq!(dearmored(b"\x99\x01binary"), None);
    }

    #[test]
    fn what_gpgv_says_is_understood() {
        let says = |status: &str| {
            gpgv(&Output {
                status: Default::default(),
                stdout: status.as_bytes().to_vec(),
                stderr: b"x\n".to_vec(),
            })
        };
        let valid = "[GNUPG:] GOODSIG AB x\n[GNUPG:] VALIDSIG aaAB 2026-11-21 1 0 4 0 1 8 01 ffFF\n";
        assert_eq!(says(valid).unwrap(), ["AAAB", "FFFF"]);
        for (status, why) in [
            ("[GNUPG:] BADSIG AB x\n", "wrong"),
            ("[GNUPG:] EXPKEYSIG AB x\n[GNUPG:] VALIDSIG aaAB 2026 1 0 4 0 1 8 01 FF\n", "expired"),
            ("[GNUPG:] REVKEYSIG AB x\n[GNUPG:] VALIDSIG aaAB 2026 1 0 4 0 1 8 01 FF\n", "revoked"),
            ("[GNUPG:] NO_PUBKEY AB\n", "not known"),
            (&valid.replace(" 8 01", " 2 01"), "broken"),
            ("", "x"),
        ] {
            let error = says(status).unwrap_err();
            assert!(error.kind() == ErrorKind::Untrusted && error.to_string().contains(why), "{error}");
        }
        // One that is known is enough, as for apt.
        assert!(says(&format!("[GNUPG:] NO_PUBKEY CD\n{valid}")).is_ok());
    }
}
