//! A step is done: a rootlet on what is there so far, what the step says, and a layer of what it changed.

use super::packages::Installed;
use super::{Step, account, copy, packages};
use crate::commit::Commit;
use crate::setup::{Job, Said, shell};
use crate::{Error, ErrorKind, Result, Rootlet};
use rootlet_base::{Base, LayerWriter, PackedLayer, Resolver};
use rootlet_spec::recipe::{Python, Recipe, RunIn, Secret, StepNetwork};
use rootlet_spec::{GroupSpec, Net, UserSpec, Writable};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// What no step leaves behind, whoever wrote it: what belongs to a run or to this host, logs, what was fetched, and histories of
/// package managers, which tell the hour.
const LEAVE_OUT: [&str; 42] = [
    "/dev",
    "/etc/apt/preferences.d/rootlet",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/proc",
    "/run",
    "/sys",
    "/tmp",
    "/usr/lib/sysimage/libdnf5/transaction_history.sqlite",
    "/usr/lib/sysimage/libdnf5/transaction_history.sqlite-shm",
    "/usr/lib/sysimage/libdnf5/transaction_history.sqlite-wal",
    "/usr/sbin/policy-rc.d",
    "/var/cache/apk",
    "/var/cache/apt",
    "/var/cache/dnf",
    "/var/cache/ldconfig/aux-cache",
    "/var/cache/libdnf5",
    "/var/cache/pacman/pkg",
    "/var/cache/yum",
    "/var/cache/zypp",
    "/var/lib/apt/lists",
    "/var/lib/dnf/history.sqlite",
    "/var/lib/dnf/history.sqlite-shm",
    "/var/lib/dnf/history.sqlite-wal",
    "/var/lib/dnf/plugins/local",
    "/var/lib/dnf/plugins/local-nogpgcheck",
    "/var/lib/pacman/sync",
    "/var/lib/zypp/AnonymousUniqueId",
    "/var/lib/zypp/AutoInstalled",
    "/var/log/alternatives.log",
    "/var/log/apt",
    "/var/log/dnf.librepo.log",
    "/var/log/dnf.log",
    "/var/log/dnf.rpm.log",
    "/var/log/dnf5.log",
    "/var/log/dpkg.log",
    "/var/log/hawkey.log",
    "/var/log/pacman.log",
    "/var/log/zypp",
    "/var/log/zypper.log",
    "/var/tmp",
];
/// What the caller's network needs, and no layer keeps.
const PASSED_ON: [&str; 12] = [
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
];
/// Variables that name a file of certificate authorities: behind a mirror of one's own nothing is trusted without.
const AUTHORITIES: [&str; 5] =
    ["CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"];
/// Files that tell when a root was last made: whatever a step writes is given a time no later.
const CLOCKS: [&str; 4] = ["/var/lib/dpkg/status", "/lib/apk/db/installed", "/etc/os-release", "/etc/passwd"];

/// Where steps are done.
pub(super) struct Kitchen<'a> {
    pub resolver: &'a Resolver,
    pub directory: &'a Path,
    pub recipe: &'a Recipe,
    pub parent: &'a Base,
}

/// A step that was done.
pub(super) struct Done {
    pub packed: PackedLayer,
    pub installed: Installed,
}

impl Kitchen<'_> {
    pub(super) fn perform(&self, step: &Step) -> Result<Done> {
        let (network, secrets) = match step {
            Step::Packages(..) | Step::Python(..) => (self.recipe.network, &[][..]),
            Step::Run(_, _, secrets, network) => (*network, secrets.as_slice()),
            _ => (StepNetwork::None, &[][..]),
        };
        let root = self.rootlet(network, secrets)?;
        let epoch = self.epoch(&root);
        let surroundings = if network == StepNetwork::Host { surroundings() } else { Vec::new() };
        let runner = Runner { root: &root, surroundings, epoch, time: self.resolver.bounds().script_time };
        let mut installed = Installed::default();
        match step {
            Step::Packages(names, pins) => {
                installed = packages::install(self.resolver, &runner, names, pins)?;
            }
            Step::Timezone(zone) => copy::timezone(&root, zone)?,
            Step::User(user) => account::make(&root, user)?,
            Step::Copy(what) => copy::into(&root, what, self.directory)?,
            Step::Python(python, user) => self.python(&runner, python, user.as_deref())?,
            Step::Run(run, env, secrets, _) => run_in(&runner, run, env, secrets)?,
        }
        let commit = Commit { epoch, leave_out: LEAVE_OUT.map(str::to_owned).into() };
        let packed = root.commit(&commit, LayerWriter::begin(self.resolver.store())?)?;
        Ok(Done { packed, installed })
    }

    fn rootlet(&self, network: StepNetwork, secrets: &[Secret]) -> Result<Rootlet> {
        let net = if network == StepNetwork::Host { Net::Host } else { Net::None };
        // On disk: what is installed may be larger than memory.
        let mut builder = Rootlet::builder(self.parent).net(net).workdir("/").writable(Writable::Disk);
        // What the base says is for those who run it later.
        builder.spec.user = Some(UserSpec::Id(0, Some(GroupSpec::Id(0))));
        builder.spec.entrypoint = Some(Vec::new());
        for secret in secrets.iter().filter(|secret| secret.file.is_some()) {
            let file = self.directory.join(secret.file.as_deref().unwrap_or_default());
            if !file.is_file() {
                return Err(Error::new(
                    ErrorKind::Recipe,
                    format!(
                        "the secret `{}` is to be in {}, which is not a file",
                        secret.name,
                        file.display()
                    ),
                ));
            }
            builder = builder.bind_read_only(file, format!("/run/secrets/{}", secret.name));
        }
        for (name, file) in authorities().filter(|_| network == StepNetwork::Host) {
            builder = builder.bind_read_only(file, inside(name));
        }
        builder.spawn()
    }

    /// Two builds give the same bytes: nothing is younger than what it was made from.
    fn epoch(&self, root: &Rootlet) -> u64 {
        let of = |path: &&str| root.metadata(path).ok().map(|m| m.modified());
        let time = CLOCKS.iter().find_map(of).and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        time.map_or(1, |time| time.as_secs().max(1))
    }

    /// As the user, who could not change it later otherwise.
    fn python(&self, runner: &Runner<'_>, python: &Python, user: Option<&str>) -> Result<()> {
        let root = runner.root;
        const REQUIREMENTS: &str = "/tmp/rootlet-requirements.txt";
        let failed = |e| Error::io(format!("failed to make {}", python.venv), e);
        if let Some(parent) = Path::new(&python.venv).parent()
            && !root.exists(parent)
        {
            root.create_dir_all(parent).map_err(failed)?;
            if let Some(user) = user {
                let identity = root.identity(user)?;
                root.chown(parent, Some(identity.uid), Some(identity.gid)).map_err(failed)?;
            }
        }
        let mut wanted = String::new();
        if let Some(file) = &python.requirements {
            let path = self.directory.join(file);
            let text = std::fs::read(&path)
                .map_err(|e| Error::io(format!("failed to read {}", path.display()), e))?;
            root.write(REQUIREMENTS, text).map_err(failed)?;
            wanted += &format!(" -r {REQUIREMENTS}");
        }
        python.packages.iter().for_each(|name| wanted += &format!(" {}", quoted(name)));
        let venv = quoted(&python.venv);
        let mut text = format!("set -e\npython3 -m venv --system-site-packages {venv}\n");
        if !wanted.is_empty() {
            text += &format!(
                "{venv}/bin/python3 -m pip install --no-cache-dir --disable-pip-version-check{wanted}\n"
            );
        }
        runner.script(&text, user, &[])
    }
}

/// Who runs the scripts of a step.
pub(super) struct Runner<'a> {
    pub root: &'a Rootlet,
    /// What of the caller's surroundings the network needs: of the script alone, since a rootlet that is kept is written down.
    surroundings: Vec<(String, String)>,
    epoch: u64,
    time: Duration,
}

impl Runner<'_> {
    /// Runs a script; where it fails, the rootlet is kept to be looked at.
    pub(super) fn script(&self, text: &str, user: Option<&str>, env: &[(String, String)]) -> Result<()> {
        let Some(Said { end, last_words }) = self.shell(text, user, env)? else { return Ok(()) };
        let kept = self.root.keep().map_or_else(
            |e| format!("its root could not be kept: {e}"),
            |id| format!("look at what it left: `rootlet enter --user root {id}`"),
        );
        Err(Error::new(ErrorKind::Recipe, format!("the command {end}{last_words}")).with_hint(kept))
    }

    /// Runs a script as root that may fail; `None` when it did well.
    pub(super) fn attempt(&self, text: &str) -> Result<Option<Said>> {
        self.shell(text, None, &[])
    }

    fn shell(&self, text: &str, user: Option<&str>, env: &[(String, String)]) -> Result<Option<Said>> {
        if !self.root.exists("/bin/sh") {
            return Err(Error::new(ErrorKind::Recipe, "the base has no /bin/sh to run a command")
                .with_hint("copy files in instead, or begin with another base"));
        }
        let env = [&self.surroundings, env].concat();
        shell(self.root, &Job { text, user, env: &env, epoch: self.epoch, time: self.time })
    }
}

fn run_in(
    runner: &Runner<'_>,
    run: &RunIn,
    env: &BTreeMap<String, String>,
    secrets: &[Secret],
) -> Result<()> {
    let mut env: Vec<(String, String)> = env.clone().into_iter().collect();
    for secret in secrets {
        let Some(variable) = &secret.env else { continue };
        let value = std::env::var(variable).map_err(|_| {
            let what =
                format!("the secret `{}` is to be in the variable {variable}, which is not set", secret.name);
            Error::new(ErrorKind::Recipe, what)
        })?;
        env.push((secret.name.clone(), value));
    }
    runner.script(&format!("set -e\n{}", run.command), run.user.as_deref(), &env)
}

/// What of the caller's surroundings the network needs.
pub(crate) fn surroundings() -> Vec<(String, String)> {
    let said = PASSED_ON.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    said.chain(authorities().map(|(name, _)| (name.to_owned(), inside(name)))).collect()
}

/// The caller's files of certificate authorities, by the variables that name them.
pub(crate) fn authorities() -> impl Iterator<Item = (&'static str, PathBuf)> {
    let file = |name: &'static str| Some((name, PathBuf::from(std::env::var_os(name)?)));
    AUTHORITIES.into_iter().filter_map(file).filter(|(_, file)| file.is_file())
}

/// Where a file of authorities is seen.
pub(crate) fn inside(name: &str) -> String {
    format!("/run/rootlet/{name}")
}

/// A word for a shell.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
