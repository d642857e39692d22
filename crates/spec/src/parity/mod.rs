//! From the files that deploy a program to a [`Spec`]: Kubernetes, Dockerfile, Compose, systemd, image config. Pure: the
//! text comes in, and what else a file refers to is asked of a closure.
//!
//! Every reader goes by one rule: what it does not carry over, it lists as a [`Loss`], with the place in the file. So each
//! mapping is read through a cursor (`Fields`) that knows which of its fields nobody has asked for.

mod compose;
mod detect;
mod dockerfile;
mod error;
mod fields;
mod image_config;
mod kubernetes;
mod openshift;
mod over;
mod systemd;
mod words;
mod yaml;

pub use error::{Error, Place};
pub use kubernetes::quantity;

use crate::{GroupSpec, ImageDefaults, Spec, UserSpec};
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// The largest file that is read. Operators are installed by files of five million bytes, most of which are definitions of resources.
pub const MOST_BYTES: usize = 16 << 20;

/// The largest Dockerfile or unit.
const MOST_BYTES_OF_LINES: usize = 4 << 20;

/// The most that one list, mapping or file of lines may hold: what follows looks each up among the others.
const MOST_ENTRIES: usize = 10_000;

/// The most bytes that all values of a file may become, once variables stand for what they hold.
const MOST_TEXT: usize = 16 << 20;

/// The most mounts: each is looked up among the others, and has a copy of its files.
const MOST_MOUNTS: usize = 500;

/// How much of [`MOST_TEXT`] is left: values that name values multiply.
struct Room(usize);

impl Room {
    fn new() -> Self {
        Self(MOST_TEXT)
    }

    fn take(&mut self, text: String) -> Result<String, String> {
        match self.0.checked_sub(text.len() + 1) {
            Some(left) => {
                self.0 = left;
                Ok(text)
            }
            None => Err(format!("the values of this file unfold to more than {MOST_TEXT} bytes")),
        }
    }
}

/// Which kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Objects of Kubernetes, as YAML or JSON; what Helm and Kustomize render.
    Kubernetes,
    /// A Dockerfile or Containerfile.
    Dockerfile,
    /// A file of Docker Compose.
    Compose,
    /// A unit of systemd.
    Systemd,
    /// The config of an OCI image, or what `docker inspect` says of one.
    Image,
    /// OpenShift's restricted profile, without a file.
    OpenShift,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kubernetes => "Kubernetes",
            Self::Dockerfile => "Dockerfile",
            Self::Compose => "Compose",
            Self::Systemd => "systemd",
            Self::Image => "image config",
            Self::OpenShift => "OpenShift",
        })
    }
}

/// What production says of how a program runs, and what of it could not be carried over.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Like {
    /// What kind of file said it.
    pub kind: Kind,
    /// What of the file it is: `Deployment api, container web`.
    pub what: String,
    /// How the program runs there. Its command is production's own.
    pub spec: Spec,
    /// The image that it runs on, where the file names one.
    pub image: Option<String>,
    /// The group that goes with the image's user, where the file names one and no user.
    pub group: Option<GroupSpec>,
    /// Refuses to start as root (`runAsNonRoot`).
    pub non_root: bool,
    /// Ports below 1024 that are said, which the capability NET_BIND_SERVICE, or a milder runtime, is needed for.
    pub low_ports: Vec<u16>,
    /// What a pod runs to its end before, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub init: Vec<Self>,
    /// What was not carried over.
    pub losses: Vec<Loss>,
    /// What only the base tells.
    #[serde(skip)]
    open: dockerfile::open::Open,
}

/// Something of a file that is not carried over, or not just so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// Where it stands.
    pub place: Place,
    /// Its name in the file: `spec.containers[0].securityContext.seLinuxOptions`.
    pub path: String,
    /// What the file says there, in short.
    pub says: String,
    /// Why it is not carried over, and what happens instead.
    pub why: String,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, path, says, why } = self;
        write!(f, "{place}: {}", crate::printable(path))?;
        if !says.is_empty() {
            write!(f, ": {}", crate::printable(says))?;
        }
        write!(f, ": {}", crate::printable(why))
    }
}

impl Like {
    fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            spec: Spec::default(),
            image: None,
            group: None,
            non_root: false,
            low_ports: Vec::new(),
            init: Vec::new(),
            losses: Vec::new(),
            open: dockerfile::open::Open::default(),
        }
    }

    /// Completes `spec`, which began as this one's, by what the base says, as production would: where nobody names a user it
    /// is root, and root is refused where the file says so.
    ///
    /// # Errors
    /// What the kubelet would say in place of starting the container.
    pub fn complete(&self, mut spec: Spec, image: &ImageDefaults) -> Result<Spec, Error> {
        // Whoever asks for another user than the file's does it to see what happens.
        if self.non_root && spec.user == self.spec.user {
            self.check_non_root(image)?;
        }
        self.open.complete(self, &mut spec, image);
        // Another user than the unit's is one that is named, and who is named has a home.
        if self.kind == Kind::Systemd && spec.user != self.spec.user {
            spec.env_remove.retain(|name| name != "HOME");
            spec.env.retain(|(name, _)| name != "USER" && name != "LOGNAME");
        }
        let images_own = image.user.as_deref().filter(|user| !user.is_empty());
        match (&spec.user, images_own) {
            (None, None) => spec.user = Some(UserSpec::Id(0, self.group.clone())),
            // The kubelet hands on the user's name or number alone.
            (None, Some(user)) if self.kind == Kind::Kubernetes => {
                let user = user.split(':').next().unwrap_or_default();
                let parsed: UserSpec =
                    user.parse().map_err(|e: crate::ParseError| Error::new(e.to_string()))?;
                spec.user = Some(match parsed {
                    UserSpec::Id(uid, _) => UserSpec::Id(uid, self.group.clone()),
                    UserSpec::Name(name, _) => UserSpec::Name(name, self.group.clone()),
                    UserSpec::Account(_) => parsed,
                });
            }
            _ => {}
        }
        Ok(spec)
    }

    /// The kubelet's check, in its words (`pkg/kubelet/kuberuntime/security_context.go`).
    fn check_non_root(&self, image: &ImageDefaults) -> Result<(), Error> {
        let refused = |what: String| Err(Error::refused(what));
        let as_root = || "container has runAsNonRoot and image will run as root".to_owned();
        match (&self.spec.user, image.user.as_deref().unwrap_or_default().split(':').next()) {
            (Some(UserSpec::Id(0, _)), _) => refused("container's runAsUser breaks non-root policy".into()),
            (Some(_), _) => Ok(()),
            (None, None | Some("")) => refused(as_root()),
            (None, Some(name)) => match name.parse::<u32>() {
                Ok(0) => refused(as_root()),
                Ok(_) => Ok(()),
                Err(_) => refused(format!(
                    "container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root"
                )),
            },
        }
    }
}

/// What is asked of a reader.
pub struct Request<'a> {
    /// The file as the caller names it, for messages and for its kind; `-` is standard input.
    pub name: &'a str,
    /// Which container, service or stage.
    pub select: Option<&'a str>,
    /// OpenShift's restricted profile on top: the uid that a namespace gives.
    pub openshift: Option<u32>,
    /// What else the file refers to.
    pub around: &'a dyn Surroundings,
}

/// What is around a file: paths are absolute, or start at the file's own directory.
pub trait Surroundings {
    /// The absolute path of the directory that the file lies in.
    fn directory(&self) -> &Path;

    /// A file; `Ok(None)`: there is none.
    ///
    /// # Errors
    /// Why it cannot be read, in a clause.
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, String>;

    /// The names of what lies in a directory, sorted; empty where there is none.
    fn list(&self, path: &Path) -> Vec<String>;

    /// Whether something lies there.
    fn exists(&self, path: &Path) -> bool;

    /// A variable of the caller.
    fn variable(&self, name: &str) -> Option<String>;
}

/// Reads a file of production.
///
/// # Errors
/// The file is none that is known, is damaged, or does not say which of several containers is meant; and what Kubernetes'
/// own validation would refuse. With the line and column where there is one.
pub fn read(text: &[u8], request: &Request) -> Result<Like, Error> {
    if text.len() > MOST_BYTES {
        return Err(Error::new(format!("it has more than {MOST_BYTES} bytes"))
            .with_hint("no deployment is so large: is it the right file?"));
    }
    let text = std::str::from_utf8(text).map_err(|e| {
        let before = &text[..e.valid_up_to()];
        let hint = match before.is_empty() && (text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff"))
        {
            true => "it is UTF-16: save it as UTF-8",
            false => "expected a text file: YAML, JSON, a Dockerfile or a unit of systemd",
        };
        Error::at(Place::after(before), "this is not UTF-8").with_hint(hint)
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let found = detect::kind(request.name, text)?;
    if !matches!(found, detect::Found::Tree(..)) && text.len() > MOST_BYTES_OF_LINES {
        return Err(Error::new(format!("it has more than {MOST_BYTES_OF_LINES} bytes"))
            .with_hint("no Dockerfile or unit is so large: is it the right file?"));
    }
    match found {
        detect::Found::Dockerfile => dockerfile::read(text, request, &dockerfile::Arguments::new()),
        detect::Found::Unit => systemd::read(text, request),
        detect::Found::Tree(kind, documents) => match kind {
            Kind::Compose => compose::read(&documents, request),
            Kind::Image => image_config::read(&documents, request),
            _ => kubernetes::read(&documents, request),
        },
    }
}

/// OpenShift's restricted profile alone, for a program that has no file yet. `uid` is what the namespace gives.
pub fn openshift(uid: u32) -> Like {
    openshift::profile(uid)
}

/// Where no deployment's directory may stand: without its own /dev and /proc nothing runs, and nothing can be made in them.
fn of_the_kernel(target: &str) -> bool {
    let target = crate::mount::lexical(target);
    let below =
        |place: &str| target.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    target == "/" || ["/dev", "/proc", "/sys"].into_iter().any(below) && target != "/dev/shm"
}

#[cfg(test)]
mod tests;
