//! From the arguments as typed to what is run. Pure: what it needs of the caller's surroundings is handed in.

use crate::args::Root;
use crate::failure::Failure;
use rootlet_spec::{Capabilities, EnvArg, Limits, Mount, Spec, Volume, env};
use std::ffi::OsString;
use std::io;
use std::path::Path;

/// The surroundings of the caller that options refer to.
pub struct Caller<'a> {
    /// Where relative paths start.
    pub cwd: &'a Path,
    /// A variable of the caller.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The contents of a file.
    pub read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
}

impl Root {
    /// The Spec that these options say, without a command.
    pub fn spec(self, caller: &Caller) -> Result<Spec, Failure> {
        let (env, env_remove) = variables(self.env, &self.env_file, caller)?;
        let mut spec = Spec {
            user: self.user,
            groups: self.group_add,
            env,
            env_remove,
            workdir: self.workdir,
            hostname: self.hostname,
            mounts: mounts(self.volume, self.tmpfs, caller.cwd)?,
            read_only: self.read_only,
            caps: Capabilities { add: self.cap_add, drop: self.cap_drop },
            net: self.net,
            limits: Limits {
                memory: self.memory.flatten(),
                pids: self.pids_limit.flatten(),
                cpus: self.cpus.flatten(),
            },
            ulimits: self.ulimit,
            umask: self.umask,
            lenient: self.lenient,
            // As timeout(1): 0 is no limit.
            timeout: self.timeout.filter(|time| !time.is_zero()),
            tier: self.tier,
            require: self.require,
            faults: self.fault,
            entrypoint: self
                .entrypoint
                .map(|program| if program.is_empty() { vec![] } else { vec![program] }),
            ..Spec::default()
        };
        for option in self.security_opt {
            option.apply(&mut spec);
        }
        Ok(spec)
    }
}

/// As docker: files first, then options, and a later one wins. What the caller does not have is removed.
#[expect(clippy::type_complexity, reason = "the two fields of a Spec")]
pub fn variables(
    options: Vec<EnvArg>,
    files: &[impl AsRef<Path>],
    caller: &Caller,
) -> Result<(Vec<(String, String)>, Vec<String>), Failure> {
    let mut all = Vec::new();
    for file in files {
        all.extend(read_env_file(file.as_ref(), caller)?);
    }
    all.extend(options);
    let (mut set, mut removed) = (Vec::new(), Vec::new());
    for variable in all {
        set.retain(|(name, _)| *name != variable.name());
        removed.retain(|name| *name != variable.name());
        match variable {
            EnvArg::Set(name, value) => set.push((name, value)),
            EnvArg::Caller(name) => match (caller.variable)(&name).map(OsString::into_string) {
                Some(Ok(value)) => set.push((name, value)),
                Some(Err(_)) => {
                    return Err(Failure::new(format!("the caller's variable {name} is not UTF-8")));
                }
                None => removed.push(name),
            },
        }
    }
    Ok((set, removed))
}

fn read_env_file(file: &Path, caller: &Caller) -> Result<Vec<EnvArg>, Failure> {
    let what = || format!("failed to read the variables in {}", file.display());
    let bytes = (caller.read)(&caller.cwd.join(file)).map_err(|e| Failure::new(what()).caused_by(e))?;
    let text = String::from_utf8(bytes).map_err(|_| Failure::new(what()).caused_by("it is not UTF-8"))?;
    env::parse_file(&text).map_err(|e| Failure::from(e).while_doing(what()))
}

/// As docker: a place below another one is mounted after it, in whichever order they were given.
fn mounts(volumes: Vec<Volume>, tmpfs: Vec<Mount>, cwd: &Path) -> Result<Vec<Mount>, Failure> {
    let mut mounts: Vec<_> = volumes.into_iter().map(|volume| volume.into_mount(cwd)).chain(tmpfs).collect();
    let parts = |mount: &Mount| mount.target().split('/').filter(|p| !matches!(*p, "" | ".")).count();
    mounts.sort_by_key(parts);
    let place = |mount: &Mount| Path::new(mount.target()).components().collect::<std::path::PathBuf>();
    for (n, mount) in mounts.iter().enumerate() {
        if mounts[..n].iter().any(|earlier| place(earlier) == place(mount)) {
            return Err(Failure::new(format!("two things are mounted at {}", mount.target()))
                .hint("leave out one of the --volume and --tmpfs options"));
        }
    }
    Ok(mounts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;
    use rootlet_spec::{Net, UserSpec};
    use std::time::Duration;

    fn try_spec(words: &[&str]) -> Result<Spec, Failure> {
        let Command::Run(run) = Cli::try_parse_from(["rootlet", "run"].iter().chain(words)).unwrap().command
        else {
            panic!("not a run");
        };
        run.0.root.spec(&Caller {
            cwd: Path::new("/here"),
            variable: &|name| (name == "HAVE").then(|| "it".into()),
            read: &|path| match path.to_str() {
                Some("/here/vars") => Ok(b"A=file\nB=file\nHAVE\nLACK\n".to_vec()),
                Some("/here/bad") => Ok(b"export A=1".to_vec()),
                _ => Err(io::ErrorKind::NotFound.into()),
            },
        })
    }

    fn spec(words: &[&str]) -> Spec {
        try_spec(words).unwrap()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect()
    }

    #[test]
    fn nothing_said_is_nothing_said() {
        assert_eq!(spec(&["x"]), Spec::default());
    }

    #[test]
    fn carries_everything_over() {
        let spec = spec(&[
            "-u",
            "app:10001:0",
            "--group-add",
            "20",
            "-w",
            "/w",
            "-h",
            "box",
            "--read-only",
            "--cap-drop",
            "all",
            "--cap-add",
            "cap_net_bind_service",
            "--net",
            "private",
            "-m",
            "64m",
            "--pids-limit",
            "10",
            "--cpus",
            ".5",
            "--ulimit",
            "nofile=10",
            "--umask",
            "077",
            "--timeout",
            "2",
            "--entrypoint",
            "/e",
            "--security-opt",
            "no-new-privileges:false",
            "--security-opt",
            "seccomp=unconfined",
            "x",
        ]);
        assert_eq!(spec.user, Some("app:10001:0".parse::<UserSpec>().unwrap()));
        assert_eq!(spec.caps.mask(), Ok(1 << 10));
        assert_eq!(spec.net, Net::Private);
        assert_eq!(spec.limits, Limits { memory: Some(64 << 20), pids: Some(10), cpus: Some(0.5) });
        assert_eq!(spec.umask, Some(0o077));
        assert_eq!(spec.timeout, Some(Duration::from_secs(2)));
        assert_eq!(spec.entrypoint, Some(vec!["/e".into()]));
        assert!(spec.read_only && spec.allow_new_privileges && spec.seccomp_unconfined);
        assert_eq!((spec.groups.len(), spec.ulimits.len()), (1, 1));
        assert_eq!((spec.workdir.as_deref(), spec.hostname.as_deref()), (Some("/w"), Some("box")));
    }

    #[test]
    fn zero_lifts_a_limit_and_an_empty_entrypoint_removes_it() {
        let spec = spec(&["--timeout", "0", "-m", "0", "--pids-limit", "-1", "--entrypoint", "", "x"]);
        assert_eq!(spec, Spec { entrypoint: Some(vec![]), ..Spec::default() });
    }

    #[test]
    fn options_win_over_files() {
        let spec = spec(&["-e", "B=option", "--env-file", "vars", "-e", "C=1", "-e", "C=2", "x"]);
        assert_eq!(spec.env, pairs(&[("A", "file"), ("HAVE", "it"), ("B", "option"), ("C", "2")]));
        assert_eq!(spec.env_remove, ["LACK"]);
        assert!(try_spec(&["--env-file", "missing", "x"]).unwrap_err().to_string().contains("missing"));
        assert!(try_spec(&["--env-file", "bad", "x"]).unwrap_err().to_string().contains("line 1"));
    }

    #[test]
    fn mounts_go_from_the_outside_in() {
        let spec = spec(&["-v", "./s:/a/b/c:ro", "--tmpfs", "/a/b", "-v", "/a", "x"]);
        let targets: Vec<_> = spec.mounts.iter().map(Mount::target).collect();
        assert_eq!(targets, ["/a", "/a/b", "/a/b/c"]);
        let source = Path::new("/here/./s").into();
        assert_eq!(spec.mounts[2], Mount::Bind { source, target: "/a/b/c".into(), read_only: true });
        assert!(
            try_spec(&["-v", "/a", "--tmpfs", "/a/", "x"]).unwrap_err().to_string().contains("two things")
        );
    }
}
