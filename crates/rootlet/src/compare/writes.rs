//! What a program really needs to write, and how each kind of deployment grants it.

use crate::{Change, ChangeKind, words};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Directories that must be writable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writes {
    /// Absolute, sorted; none is inside another.
    pub directories: Vec<PathBuf>,
    /// Files at the top of the root, for which no directory could be granted without granting all.
    pub files: Vec<PathBuf>,
}

impl Writes {
    /// From what a run changed. A directory that the program made is granted itself, since a mount makes it; for a file it is the directory
    /// that the base has.
    pub fn of(changes: &[Change]) -> Self {
        let added: BTreeSet<&Path> = changes
            .iter()
            .filter(|change| change.kind == ChangeKind::Added && change.is_dir())
            .map(|change| change.path.as_path())
            .collect();
        let (mut directories, mut files) = (BTreeSet::new(), Vec::new());
        for change in changes {
            let path = change.path.as_path();
            // The outermost directory that is new, which is a change of its own.
            let made = path.ancestors().filter(|above| added.contains(above)).last();
            match made.or(path.parent()) {
                Some(directory) if directory != Path::new("/") => {
                    directories.insert(directory.to_owned());
                }
                _ => files.push(path.to_owned()),
            }
        }
        let all: Vec<PathBuf> = directories.into_iter().collect();
        let inner = |path: &PathBuf| all.iter().any(|other| other != path && path.starts_with(other));
        let directories = all.iter().filter(|path| !inner(path)).cloned().collect();
        Self { directories, files }
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.directories.is_empty() && self.files.is_empty()
    }

    /// For a container of a Pod: `volumeMounts` and `volumes`.
    ///
    /// Source: Kubernetes' API reference, `Volume` and `VolumeMount`.
    pub fn kubernetes(&self) -> String {
        let mut text = "        volumeMounts:\n".to_owned();
        for (name, path) in self.named() {
            text += &format!("        - {{ name: {name}, mountPath: {} }}\n", quoted(path));
        }
        text += "      volumes:\n";
        text.extend(self.named().map(|(name, _)| format!("      - {{ name: {name}, emptyDir: {{}} }}\n")));
        text
    }

    /// For a service of Compose.
    pub fn compose(&self) -> String {
        let paths = self.directories.iter().map(|path| format!("      - {}\n", quoted(path)));
        format!("    tmpfs:\n{}", paths.collect::<String>())
    }

    /// Options of `docker run` and `podman run`.
    pub fn docker(&self) -> String {
        let options =
            self.directories.iter().map(|path| format!("--tmpfs {}", words::shell(&path.to_string_lossy())));
        options.collect::<Vec<_>>().join(" ") + "\n"
    }

    /// For a unit (systemd.exec(5)): a path is quoted where it has white space, and `%` is doubled.
    pub fn systemd(&self) -> String {
        let paths = self.directories.iter().map(|path| words::unit(&path.to_string_lossy()));
        format!("ReadWritePaths={}\n", paths.collect::<Vec<_>>().join(" "))
    }

    /// Each with a name that Kubernetes takes: letters of a DNS label.
    fn named(&self) -> impl Iterator<Item = (String, &Path)> {
        self.directories.iter().enumerate().map(|(n, path)| {
            let text = path.display().to_string().to_lowercase();
            let label: String =
                text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
            let label = label.trim_matches('-');
            // Others may read the same; a label has 63 characters at most.
            let label: String = label.chars().take(50).collect();
            (format!("{}-{n}", label.trim_end_matches('-')), path.as_path())
        })
    }
}

/// A double-quoted string of YAML.
fn quoted(path: &Path) -> String {
    words::quoted(&path.to_string_lossy(), '"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &str, kind: ChangeKind, mode: u32) -> Change {
        Change { path: path.into(), kind, mode, uid: 0, gid: 0 }
    }

    fn some() -> Writes {
        const DIRECTORY: u32 = libc::S_IFDIR | 0o755;
        const FILE: u32 = libc::S_IFREG | 0o644;
        Writes::of(&[
            change("/var/lib/app", ChangeKind::Added, DIRECTORY),
            change("/var/lib/app/a/b", ChangeKind::Added, DIRECTORY),
            change("/var/lib/app/a/b/c", ChangeKind::Added, FILE),
            change("/run/app.pid", ChangeKind::Added, FILE),
            change("/run/lock/x", ChangeKind::Added, FILE),
            change("/etc/motd", ChangeKind::Removed, 0),
            change("/core", ChangeKind::Added, FILE),
        ])
    }

    #[test]
    fn the_least_that_must_be_writable() {
        let writes = some();
        assert_eq!(writes.directories, ["/etc", "/run", "/var/lib/app"].map(PathBuf::from));
        assert_eq!(writes.files, [PathBuf::from("/core")]);
        assert!(Writes::of(&[]).is_empty());
    }

    #[test]
    fn as_each_deployment_writes_it() {
        let writes = some();
        assert_eq!(writes.systemd(), "ReadWritePaths=/etc /run /var/lib/app\n");
        assert_eq!(writes.docker(), "--tmpfs /etc --tmpfs /run --tmpfs /var/lib/app\n");
        assert_eq!(
            writes.compose(),
            "    tmpfs:\n      - \"/etc\"\n      - \"/run\"\n      - \"/var/lib/app\"\n"
        );
        assert!(
            writes.kubernetes().contains("- { name: var-lib-app-2, mountPath: \"/var/lib/app\" }\n"),
            "{}",
            writes.kubernetes()
        );
        let odd = Writes { directories: vec!["/a \"b\"/100%".into()], files: vec![] };
        assert_eq!(odd.systemd(), "ReadWritePaths='/a \"b\"/100%%'\n");
        assert!(odd.kubernetes().contains("mountPath: \"/a \\\"b\\\"/100%\""), "{}", odd.kubernetes());
    }
}
