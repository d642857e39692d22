//! Commands of containers: those that prepare, whose outcome the store keeps, and those that answer, which run every time.

use super::asked::Work;
use super::cache::Caches;
use super::capture::Capture;
use super::memo::key;
use super::state::{State, What};
use super::{Engine, Result};
use crate::commit::Commit;
use crate::functions::{ExecFailed, Failed, FailedKind, Outcome};
use crate::recipe::{self, authorities, inside};
use crate::{Builder, Error, ErrorKind, Identity, Rootlet, Stdio};
use rootlet_base::{Base, LayerWriter};
use rootlet_spec::pipeline::{ContainerStep, Exec, Expect};
use rootlet_spec::{
    Access, Content, Entry, Lenient, Mount, Net, Rights, Tier, UserSpec, Writable, printable,
};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Instant;

/// The form of a step's layer; another one is another step.
const VERSION: &str = "container 1";
/// What a runtime puts into each root, and no layer keeps.
pub(super) const LEAVE_OUT: [&str; 7] =
    ["/dev", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/proc", "/run/rootlet", "/sys"];
/// What is told of a command beside the base that it made.
const SAID: &str = "said";

/// A command that has run.
pub(super) struct Ran {
    /// Where it ran, as it left it; `None` for one that ran in another session.
    root: Option<Arc<Rootlet>>,
    pub command: Vec<String>,
    pub said: Said,
}

/// How a command ended, and what it said.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Said {
    pub exit_code: i32,
    pub stdout: String,
    pub stderr: String,
    pub combined: String,
}

impl Engine {
    /// The last command of these steps, run in this session.
    pub(super) fn verdict(&self, steps: &[ContainerStep]) -> Result<Arc<Ran>> {
        let last = steps.iter().rposition(|step| matches!(step, ContainerStep::WithExec(_)));
        let Some(last) = last else {
            return Err(Failed::query("no command was run in this container")
                .with_hint("`with_exec` runs one; its output is asked for afterwards"));
        };
        let (before, own) = (&steps[..last], &steps[..=last]);
        let ContainerStep::WithExec(exec) = &steps[last] else { unreachable!("it was looked for") };
        if exec.cache
            && let Some(note) = self.after(own)?.base.note(SAID)
            && let Ok(said) = serde_json::from_slice(&note)
        {
            return Ok(Arc::new(Ran { root: None, command: exec.args.clone(), said }));
        }
        self.0.verdicts.get_or(key(&own), || {
            let state = self.after(before)?;
            self.run(&state, exec, Writable::Memory).map(Arc::new)
        })
    }

    /// What a container is after a command: from the store where it ran before, unless it ran in this session to answer.
    pub(super) fn prepared(
        &self,
        steps: &[ContainerStep],
        before: &State,
        exec: &Exec,
    ) -> Result<Arc<State>> {
        let with = |base: Base| Arc::new(State { base, ..before.clone() });
        let ran = self.0.verdicts.get(key(&steps)).transpose()?;
        let Some(name) = self.step_name(before, exec)? else {
            // This machine's own root changes all the time: what stands on it lasts as long as the session.
            let ran = match ran {
                Some(ran) => ran,
                None => self.run(before, exec, Writable::Memory).map(Arc::new)?,
            };
            let root = ran.root.as_ref().ok_or_else(|| Failed::query("what the command left is gone"))?;
            return Ok(with(root.snapshot()?));
        };
        if let Some(ran) = ran.filter(|ran| ran.root.is_some()) {
            return self.committed(before, &ran, &name).map(with);
        }
        if let Some(base) = self.0.resolver.known(&name)? {
            self.0.told(&told(&exec.args), Outcome::Cached);
            return Ok(with(base));
        }
        let _turn = self.0.resolver.turn(&name)?;
        if let Some(base) = self.0.resolver.known(&name)? {
            return Ok(with(base));
        }
        let ran = self.run(before, exec, Writable::Disk)?;
        self.committed(before, &ran, &name).map(with)
    }

    fn committed(&self, before: &State, ran: &Ran, name: &str) -> Result<Base> {
        let root = ran.root.as_ref().ok_or_else(|| Failed::query("what the command left is gone"))?;
        let not_own = before.mounts.iter().filter(|mounted| !matches!(mounted.what, What::Copy { .. }));
        let leave_out = LEAVE_OUT.iter().map(|place| (*place).to_owned());
        let leave_out = leave_out.chain(not_own.map(|mounted| mounted.path.clone())).collect();
        let packed =
            root.commit(&Commit { epoch: 0, leave_out }, LayerWriter::begin(self.0.resolver.store())?)?;
        let how = told(&ran.command);
        let base = before.base.with_layers(vec![packed], before.base.defaults().clone(), name, &how, &[])?;
        if let Ok(json) = serde_json::to_vec(&ran.said) {
            base.set_note(SAID, &json);
        }
        Ok(base)
    }

    /// What the store knows a command's outcome by: all that it depends on. `None` on what changes all the time.
    fn step_name(&self, before: &State, exec: &Exec) -> Result<Option<String>> {
        let Some(parent) = before.base.fingerprint()? else { return Ok(None) };
        let config = &before.config;
        let how = (&config.user, before.workdir(), &config.env, &config.entrypoint, &config.cmd);
        // Of secrets the names alone: a new token is no other step.
        let secrets: Vec<&str> = before.secrets.iter().map(|(name, _)| name.as_str()).collect();
        let mounts: Vec<String> = before.mounts.iter().map(|mounted| format!("{mounted:?}")).collect();
        let parts =
            (VERSION, parent, how, secrets, mounts, &before.services, Exec { cache: false, ..exec.clone() });
        Ok(Some(format!("step:{}", key(&parts).hex())))
    }

    /// Runs a command, and looks whether it ended as it was to.
    fn run(&self, before: &State, exec: &Exec, writable: Writable) -> Result<Ran> {
        let command = words(before, exec)?;
        let began = Instant::now();
        let id = self.0.begin(&told(&command));
        let ran = self.run_in(before, exec, command, writable, id);
        let outcome = if ran.is_ok() { Outcome::Done } else { Outcome::Failed };
        self.0.hears.end(id, outcome, began.elapsed());
        ran
    }

    fn run_in(
        &self,
        before: &State,
        exec: &Exec,
        command: Vec<String>,
        writable: Writable,
        id: u64,
    ) -> Result<Ran> {
        let caches = self.caches(before)?;
        let root = Arc::new(self.builder(before, exec, &caches)?.writable(writable).spawn()?);
        self.0.lives(&root);
        let work = self.work({
            let root = root.clone();
            move || drop(root.signal_all(libc::SIGKILL))
        });
        work.check()?;
        self.fill_caches(&root, before)?;
        let _bound = self.bind_services(&root, &before.services)?;
        let said = self
            .write_secrets(&root, before)
            .and_then(|()| self.execute(&root, before, exec, &command, (id, &work)));
        self.remove_secrets(&root, before);
        work.check()?;
        let said = said?;
        let as_expected = match exec.expect {
            Expect::Success => said.exit_code == 0,
            Expect::Failure => (1..128).contains(&said.exit_code),
            Expect::Any => true,
        };
        if as_expected {
            return Ok(Ran { root: Some(root), command, said });
        }
        let secrets: Vec<String> = self.mounted_secrets(before).collect();
        let mut hints = self.why_refused(before, exec, &command);
        match root.keep_without(&|mount| secrets.iter().any(|path| path == mount.target())) {
            Ok(kept) => hints.push(format!("look at what it left: `rootlet enter {kept}`")),
            Err(e) => hints.push(format!("its root could not be kept: {e}")),
        }
        Err(Failed {
            kind: FailedKind::Exec,
            message: format!("{} ended with exit code {}", told(&command), said.exit_code),
            hint: Some(hints.join("\n")),
            traceback: None,
            exec: Some(Box::new(ExecFailed {
                command,
                exit_code: said.exit_code,
                stdout: said.stdout,
                stderr: said.stderr,
            })),
        })
    }

    fn execute(
        &self,
        root: &Rootlet,
        before: &State,
        exec: &Exec,
        words: &[String],
        (id, work): (u64, &Work),
    ) -> Result<Said> {
        let mut command = root.command(&words[0]);
        command.args(&words[1..]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(input(root, before, exec)?);
        command.envs(surroundings(before));
        for (name, secret) in &before.secrets {
            command.env(name, self.0.secrets.plaintext(secret, &self.0.directory)?);
        }
        let mut child = match command.spawn() {
            Ok(child) => child,
            // As a shell says it.
            Err(e) if matches!(e.kind(), ErrorKind::CommandNotFound | ErrorKind::CommandNotExecutable) => {
                let exit_code = if e.kind() == ErrorKind::CommandNotFound { 127 } else { 126 };
                let stderr = format!("{e}\n");
                return Ok(Said { exit_code, combined: stderr.clone(), stderr, stdout: String::new() });
            }
            Err(e) => return Err(e.into()),
        };
        // Only now all secrets are known that it has.
        let capture = Capture::begin(&mut child, &self.0.secrets.scrubber(), &self.0.hears, id);
        // One that was given up before there was anything to be ended is ended now, and waited for.
        let _ = work.check();
        let status = child.wait();
        // What it left running ends with it, or would hold on to its output.
        let _ = root.signal_all(libc::SIGKILL);
        let (stdout, stderr, combined) = capture.end();
        let exit_code = code(status?);
        let user = before.config.user.as_deref().filter(|user| !user.is_empty()).unwrap_or("0");
        for (path, text) in [(&exec.redirect_stdout, &stdout), (&exec.redirect_stderr, &stderr)] {
            if !path.is_empty() {
                let place = before.place(&before.expanded(path, exec.expand));
                let written = root.as_user(user)?.write(&place, text);
                written.map_err(|e| Error::io(format!("failed to write the output to {place}"), e))?;
            }
        }
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Said { exit_code, stdout: text(stdout), stderr: text(stderr), combined: text(combined) })
    }

    /// The way to a rootlet that is what a container says.
    pub(super) fn builder(&self, before: &State, exec: &Exec, caches: &Caches) -> Result<Builder> {
        let config = &before.config;
        let net = if before.services.is_empty() { Net::Host } else { Net::Private };
        let mut builder = Rootlet::builder(&before.base).net(net).lenient(Lenient::Workdir);
        let spec = &mut builder.spec;
        spec.user = Some(self.user(before)?);
        spec.workdir = Some(before.workdir().to_owned());
        spec.entrypoint = Some(Vec::new());
        spec.env.clone_from(&config.env);
        let unset = |name: &&String| !config.env.iter().any(|(known, _)| known == *name);
        let inherited = before.base.defaults().env.iter().map(|(name, _)| name);
        spec.env_remove = inherited.filter(unset).cloned().collect();
        spec.mounts = self.mounts(before, caches)?;
        if exec.insecure_root_capabilities {
            builder = builder.privileged();
        }
        let authorities = authorities().filter(|_| net == Net::Host);
        Ok(authorities.fold(builder, |builder, (name, file)| builder.bind_read_only(file, inside(name))))
    }

    /// Who runs commands. Nobody is made up, as `run --user sam` makes `sam` up.
    fn user(&self, before: &State) -> Result<UserSpec> {
        let said = before.config.user.as_deref().filter(|user| !user.is_empty());
        let Some(said) = said else { return Ok(UserSpec::Id(0, None)) };
        let user: UserSpec = said.parse().map_err(Error::from)?;
        if let UserSpec::Name(name, _) = &user
            && !self.reader(&before.base)?.accounts().has_user(name)
        {
            return Err(Failed::query(format!("the container has no user `{}`", printable(name)))
                .with_hint("make it first: `adduser` or `useradd` in a `with_exec`, or a preset such as `lib().alpine_user()`"));
        }
        Ok(user)
    }

    fn mounts(&self, before: &State, caches: &Caches) -> Result<Vec<Mount>> {
        let mut mounts = Vec::new();
        if self.mounted_secrets(before).next().is_some() {
            // Which tier there is, is known for sure once a root was made.
            self.reader(&before.base)?;
        }
        for mounted in &before.mounts {
            let target = mounted.path.clone();
            mounts.push(match &mounted.what {
                What::Copy { read_only: false } => continue,
                What::Copy { read_only: true } => {
                    Mount::Itself { target, access: Access::ReadOnly, optional: false }
                }
                What::Temp { size } => Mount::Tmpfs { target, size: *size, mode: 0o1777 },
                What::Cache { .. } => match caches.at(&target) {
                    Some(source) => Mount::Bind { source: source.to_owned(), target, read_only: false },
                    None => continue,
                },
                // Without mounts it would be part of a tree that the store keeps.
                What::Secret { .. } if without_mounts() => continue,
                What::Secret { secret, owner, mode } => {
                    let text = self.0.secrets.plaintext(secret, &self.0.directory)?.into_bytes();
                    let owner = self.owner_of_secret(before, owner.as_deref())?;
                    let rights = Rights { uid: Some(owner.uid), gid: Some(owner.gid), mode: *mode };
                    let name = Path::new(&target).file_name().unwrap_or_default();
                    let name = name.to_string_lossy().into_owned();
                    let file = Entry { path: name.clone(), content: Content::File(text), rights };
                    Mount::Files { target, entries: vec![file], sub_path: name }
                }
            });
        }
        Ok(mounts)
    }

    fn owner_of_secret(&self, before: &State, owner: Option<&str>) -> Result<Identity> {
        Ok(match owner {
            Some(owner) => self.reader(&before.base)?.identity(owner)?,
            None => Identity::default(),
        })
    }

    /// Where there are no mounts, secrets are files of the root while a command runs.
    pub(super) fn write_secrets(&self, root: &Rootlet, before: &State) -> Result<()> {
        for mounted in before.mounts.iter().filter(|_| without_mounts()) {
            let What::Secret { secret, owner, mode } = &mounted.what else { continue };
            let text = self.0.secrets.plaintext(secret, &self.0.directory)?;
            let owner = self.owner_of_secret(before, owner.as_deref())?;
            let path = Path::new(&mounted.path);
            let parent = path.parent().unwrap_or(path);
            let made = root.create_dir_all(parent).and_then(|()| root.write(path, ""));
            // Nobody else reads it, not even before it has its mode.
            let made = made.and_then(|()| root.set_permissions(path, 0));
            let made = made.and_then(|()| root.chown(path, Some(owner.uid), Some(owner.gid)));
            let made =
                made.and_then(|()| root.write(path, text)).and_then(|()| root.set_permissions(path, *mode));
            made.map_err(|e| Error::io(format!("failed to write the secret {}", mounted.path), e))?;
        }
        Ok(())
    }

    /// They go before anything is kept.
    fn remove_secrets(&self, root: &Rootlet, before: &State) {
        if without_mounts() {
            self.mounted_secrets(before).for_each(|path| drop(root.remove_file(path)));
        }
    }

    fn mounted_secrets(&self, state: &State) -> impl Iterator<Item = String> {
        let secret = |mounted: &&super::state::Mounted| matches!(mounted.what, What::Secret { .. });
        state.mounts.iter().filter(secret).map(|mounted| mounted.path.clone())
    }

    /// What a command that failed was refused, by running it once more, traced: of its own failure nobody would know. It reaches neither
    /// the network nor a cache then, since whatever it did there would be done twice.
    fn why_refused(&self, before: &State, exec: &Exec, words: &[String]) -> Vec<String> {
        const MOST: usize = 3;
        if !before.services.is_empty() {
            return Vec::new();
        }
        let explained = || -> Result<Vec<String>> {
            let root =
                self.builder(before, exec, &Caches::default())?.net(Net::None).explain(true).spawn()?;
            self.write_secrets(&root, before)?;
            let mut command = root.command(&words[0]);
            command.args(&words[1..]).stdin(input(&root, before, exec)?).timeout(WHY_TIME);
            for (name, secret) in &before.secrets {
                command.env(name, self.0.secrets.plaintext(secret, &self.0.directory)?);
            }
            let refusals = command.explain()?.why.refusals;
            Ok(refusals
                .iter()
                .filter(|refusal| !refusal.handled)
                .take(MOST)
                .map(ToString::to_string)
                .collect())
        };
        explained().unwrap_or_default()
    }
}

/// Whether rootlets are made without mounts here.
fn without_mounts() -> bool {
    crate::tier::likely().is_ok_and(|tier| tier == Tier::Chroot)
}

/// How long a command may take once more, to see what it was refused.
const WHY_TIME: std::time::Duration = std::time::Duration::from_secs(10);

/// What of the caller's surroundings the network needs, as far as the container says nothing else: of commands alone, and in no key.
fn surroundings(before: &State) -> impl Iterator<Item = (String, String)> {
    let said = |name: &String| before.config.env.iter().any(|(known, _)| known == name);
    let own = if before.services.is_empty() { recipe::surroundings() } else { Vec::new() };
    own.into_iter().filter(move |(name, _)| !said(name))
}

/// What is executed.
pub(super) fn words(before: &State, exec: &Exec) -> Result<Vec<String>> {
    let config = &before.config;
    let own = match exec.args.is_empty() {
        true => &config.cmd,
        false => &exec.args,
    };
    let entrypoint = (exec.use_entrypoint || exec.args.is_empty()).then_some(&config.entrypoint);
    let words = entrypoint.into_iter().flatten().chain(own);
    let words: Vec<String> = words.map(|word| before.expanded(word, exec.expand)).collect();
    match words.is_empty() {
        true => {
            Err(Failed::query("there is no command to run")
                .with_hint("`with_exec` takes its words as a list"))
        }
        false => Ok(words),
    }
}

/// What a command reads.
fn input(root: &Rootlet, before: &State, exec: &Exec) -> Result<Stdio> {
    if !exec.redirect_stdin.is_empty() {
        let place = before.place(&before.expanded(&exec.redirect_stdin, exec.expand));
        let file = root.open(&place);
        return Ok(file
            .map_err(|e| Error::io(format!("failed to open {place} as standard input"), e))?
            .into());
    }
    if exec.stdin.is_empty() {
        return Ok(Stdio::null());
    }
    let failed = |e| Error::io("failed to keep what a command reads", e);
    let fd = rustix::fs::memfd_create("rootlet-stdin", rustix::fs::MemfdFlags::CLOEXEC);
    let mut file = File::from(fd.map_err(|e| failed(e.into()))?);
    file.write_all(exec.stdin.as_bytes()).and_then(|()| file.rewind()).map_err(failed)?;
    Ok(file.into())
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// A command as a person would type it, cut short.
pub(super) fn told(words: &[String]) -> String {
    const LONGEST: usize = 120;
    let plain = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:,+@%^".contains(c))
    };
    let quoted = |word: &String| match plain(word) {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    };
    let line = words.iter().map(quoted).collect::<Vec<_>>().join(" ");
    let mut line = printable(&line).into_owned();
    if let Some((at, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(at);
        line.push('…');
    }
    line
}
