//! `rootlet run` as a whole process: as who runs the measurements, and where that is root also as an ordinary user.

use crate::Result;
use crate::contest::{Competitor, compete};
use crate::ground::{Ground, run};
use crate::peers::{self, Runtime, at_ordinary_priority, ordinary};
use crate::table::{Bound, Row};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The command, as one user, with a store of that user's.
struct Face {
    program: PathBuf,
    store: PathBuf,
    base: String,
    user: Option<(u32, u32)>,
}

impl Face {
    fn new(ground: &Ground, user: Option<(u32, u32)>) -> Result<Self> {
        let built = std::env::var_os("ROOTLET_BIN").ok_or("ROOTLET_BIN does not say where the command is")?;
        let base = ground.base(0).and(Ok(format!("tar:{}", ground.path("tree-0.tar").display())))?;
        let name = user.map_or_else(|| "own".into(), |(uid, _)| uid.to_string());
        let face = Self { program: ground.path("rootlet"), store: ground.path(&name), base, user };
        let made = fs::copy(built, &face.program)
            .and_then(|_| fs::set_permissions(&face.program, Permissions::from_mode(0o755)))
            .and_then(|()| fs::create_dir_all(&face.store))
            .and_then(|()| user.map_or(Ok(()), |(uid, gid)| chown(&face.store, Some(uid), Some(gid))));
        made.map_err(|e| format!("{}: {e}", face.program.display()))?;
        Ok(face)
    }

    fn run(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["run", "--quiet", "--user", "sam", "--base", &self.base, "--store"]).arg(&self.store);
        command.args(["--", "/bin/true"]);
        self.as_user(command)
    }

    /// As a file deploys it.
    fn like(&self, file: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["run", "--quiet", "--like"]).arg(file);
        command.args(["--base", &self.base, "--store"]).arg(&self.store).args(["--", "/bin/true"]);
        self.as_user(command)
    }

    fn as_user(&self, mut command: Command) -> Command {
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid).env("HOME", &self.store);
        }
        command.current_dir("/");
        command
    }

    /// Sub-ids own what is in the store: only its owner removes it.
    fn clear(&self) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.args(["gc", "--keep", "0", "--store"]).arg(&self.store);
        run(&mut self.as_user(command))
    }
}

/// Against bubblewrap, crun and runc.
pub fn rows(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    let is_root = rustix::process::geteuid().is_root();
    let bound = if is_root { 1.0 } else { 1.5 };
    let who = if is_root { "root" } else { "an ordinary user" };
    let mut rows = against_bwrap(ground, rounds, None, who, bound)?;
    rows.push(like_production(ground, rounds)?);
    rows.extend(against_runtimes(ground, rounds / 4)?);
    let name = "rootlet run, an ordinary user; bwrap";
    match (is_root, ordinary()) {
        (false, _) => {}
        (true, Some(user)) => {
            rows.extend(against_bwrap(ground, rounds, Some(user), "an ordinary user", 1.5)?);
        }
        (true, None) => rows.push(Row::not_measured(name, "ROOTLET_BENCH_USER names no uid:gid")),
    }
    Ok(rows)
}

/// A Pod with what is usual: users, groups, capabilities, volumes, a file of a ConfigMap.
const POD: &str = "\
kind: ConfigMap
metadata: {name: c}
data: {app.conf: hello}
---
kind: Pod
metadata: {name: p}
spec:
  securityContext: {runAsUser: 1000, runAsGroup: 3000, fsGroup: 2000, supplementalGroups: [4000]}
  containers:
  - name: main
    securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: tmp, mountPath: /tmp}, {name: conf, mountPath: /etc/app}]
  volumes: [{name: tmp, emptyDir: {}}, {name: conf, configMap: {name: c}}]
";

/// Against a bare run.
fn like_production(ground: &Ground, rounds: usize) -> Result<Row> {
    let face = Face::new(ground, None)?;
    let file = ground.path("pod.yaml");
    fs::write(&file, POD).map_err(|e| format!("{}: {e}", file.display()))?;
    let times = compete(
        rounds,
        vec![
            Competitor::new("rootlet run --like", || run(&mut face.like(&file))),
            Competitor::new("rootlet run", || run(&mut face.run())),
        ],
    );
    face.clear()?;
    let times = times?;
    Ok(Row::times("rootlet run --like a Pod; rootlet run", &times[0], &times[1], Bound::AtMost(1.5)))
}

fn against_bwrap(
    ground: &Ground,
    rounds: usize,
    user: Option<(u32, u32)>,
    who: &str,
    bound: f64,
) -> Result<Vec<Row>> {
    let name = format!("rootlet run, {who}; bwrap");
    let (face, tree) = (Face::new(ground, user)?, ground.tree(0)?);
    let bwrap = match peers::bwrap(ground) {
        Ok(bwrap) => bwrap,
        Err(why) => return Ok(vec![Row::not_measured(name, why)]),
    };
    let times = compete(
        rounds,
        vec![
            Competitor::new("rootlet run", || run(&mut face.run())),
            Competitor::new("bwrap", || run(&mut face.as_user(bwrap.command(&tree, &["/bin/true"])))),
        ],
    );
    face.clear()?;
    let times = times?;
    Ok(vec![Row::times(name, &times[0], &times[1], Bound::AtMost(bound))])
}

fn against_runtimes(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    let (face, tree) = (Face::new(ground, None)?, ground.tree(0)?);
    let mut rows = vec![];
    for (name, options) in [("crun", "--cgroup-manager=disabled"), ("runc", "")] {
        let title = format!("rootlet run; {name} with an overlay around it");
        let runtime = match Runtime::new(ground, name, options, &tree) {
            Ok(runtime) => runtime,
            Err(why) => {
                rows.push(Row::not_measured(title, why));
                continue;
            }
        };
        let ours = Competitor::new("rootlet run", || run(&mut at_ordinary_priority(face.run())));
        let times = compete(rounds.max(5), vec![ours, Competitor::new(name, || runtime.once())])?;
        rows.push(Row::times(title, &times[0], &times[1], Bound::AtMost(0.5)));
    }
    face.clear()?;
    Ok(rows)
}
