//! Roots made of packages and by recipes: against mmdebstrap and debootstrap on the same mirror, and against a plain directory.

use crate::Result;
use crate::contest::{Competitor, compete};
use crate::ground::{Ground, run};
use crate::peers::{at_ordinary_priority, find};
use crate::table::{Bound, Row};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What memory a build may take, in MiB, whatever the size of the root.
const MEMORY: f64 = 200.0;

/// The command and a mirror, which the machine's own apt names.
struct Kitchen {
    rootlet: PathBuf,
    suite: String,
    mirror: String,
}

impl Kitchen {
    fn new() -> Result<Self> {
        let rootlet =
            std::env::var_os("ROOTLET_BIN").ok_or("ROOTLET_BIN does not say where the command is")?.into();
        let release = fs::read_to_string("/etc/os-release").map_err(|e| format!("/etc/os-release: {e}"))?;
        let suite =
            release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or_default();
        let format = "$(REPO_URI) $(RELEASE)";
        let told = Command::new("apt-get")
            .args(["indextargets", "--format", format, "Created-By: Packages"])
            .output();
        let told = String::from_utf8_lossy(&told.map_err(|e| format!("apt-get: {e}"))?.stdout).into_owned();
        let of_suite =
            told.lines().filter_map(|line| line.split_once(' ')).find(|(_, release)| *release == suite);
        let (mirror, _) = of_suite.ok_or("this machine's apt names no mirror of its own release")?;
        Ok(Self { rootlet, suite: suite.into(), mirror: mirror.trim_end_matches('/').into() })
    }

    fn rootlet(&self, words: &[&str], store: &Path) -> Command {
        let mut command = Command::new(&self.rootlet);
        command.args(words).arg("--store").arg(store);
        at_ordinary_priority(command)
    }

    fn base(&self, more: &str) -> String {
        format!("apt:{}{more}?mirror={}", self.suite, self.mirror)
    }

    fn mmdebstrap(&self, target: &Path, options: &[String]) -> Command {
        let mut command = Command::new("mmdebstrap");
        command.args(["--quiet", "--variant=minbase", "--format=directory"]).args(options);
        command.arg(&self.suite).arg(target).arg(&self.mirror);
        at_ordinary_priority(command)
    }
}

/// Minimal Debian systems: from nothing, and with all packages there.
pub fn bootstrap(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    let kitchen = Kitchen::new()?;
    find("mmdebstrap")?;
    let target = ground.path("bootstrapped");
    let clear = || run(Command::new("rm").arg("-rf").arg(&target));
    let fresh = Competitor::timed("rootlet base pull, from nothing", || {
        let took = timed(&mut kitchen.rootlet(&["base", "pull", "-q", &kitchen.base("")], &target))?;
        run(&mut kitchen.rootlet(&["gc", "--keep", "0"], &target))?;
        clear().map(|()| took)
    });
    let theirs = Competitor::timed("mmdebstrap, from nothing", || {
        let took = timed(&mut kitchen.mmdebstrap(&target, &[]))?;
        clear().map(|()| took)
    });
    let times = compete(rounds, vec![fresh, theirs])?;
    let name = "minbase from nothing; mmdebstrap --variant=minbase";
    let mut rows = vec![Row::times(name, &times[0], &times[1], Bound::AtMost(0.5))];
    rows.extend(cached(ground, &kitchen, rounds)?);
    rows.push(debootstrap(ground, &kitchen));
    Ok(rows)
}

/// Both have fetched all packages before. Ours is another root, of one package more: what was made stays made.
fn cached(ground: &Ground, kitchen: &Kitchen, rounds: usize) -> Result<Vec<Row>> {
    let (store, cache, target) =
        (ground.path("packages"), ground.path("archives"), ground.path("bootstrapped"));
    let (first, second) = (kitchen.base(""), kitchen.base("+sl"));
    run(&mut kitchen.rootlet(&["base", "pull", "-q", &first, &second], &store))?;
    fs::create_dir_all(&cache).map_err(|e| e.to_string())?;
    let there = cache.display();
    let keep = [
        "--skip=essential/unlink".into(),
        format!(
            "--setup-hook=mkdir -p \"$1\"/var/cache/apt/archives && cp {there}/*.deb \"$1\"/var/cache/apt/archives 2>/dev/null || true"
        ),
        format!("--customize-hook=cp -u \"$1\"/var/cache/apt/archives/*.deb {there}"),
    ];
    run(&mut kitchen.mmdebstrap(&target, &keep))?;
    run(Command::new("rm").arg("-rf").arg(&target))?;
    // What the second needs stays with a third, which is of it all and one more.
    run(&mut kitchen.rootlet(&["base", "pull", "-q", &kitchen.base("+sl+cowsay")], &store))?;
    run(&mut kitchen.rootlet(&["base", "rm", &second], &store))?;
    let peak = peak_of(&mut kitchen.rootlet(&["base", "pull", "-q", &second], &store))?;
    let ours = Competitor::timed("rootlet base pull, packages there", || {
        run(&mut kitchen.rootlet(&["base", "rm", &second], &store))?;
        timed(&mut kitchen.rootlet(&["base", "pull", "-q", &second], &store))
    });
    let theirs = Competitor::timed("mmdebstrap, packages there", || {
        let took = timed(&mut kitchen.mmdebstrap(&target, &keep[..2]))?;
        run(Command::new("rm").arg("-rf").arg(&target)).map(|()| took)
    });
    let times = compete(rounds, vec![ours, theirs])?;
    run(&mut kitchen.rootlet(&["gc", "--keep", "0"], &store))?;
    let name = "minbase, packages there; mmdebstrap --variant=minbase";
    Ok(vec![
        Row::times(name, &times[0], &times[1], Bound::AtMost(0.5)),
        Row::numbers("peak memory of a build, MiB; what is allowed", peak, MEMORY, Bound::AtMost(1.0)),
    ])
}

/// Slow enough that once will do.
fn debootstrap(ground: &Ground, kitchen: &Kitchen) -> Row {
    const NAME: &str = "minbase from nothing; debootstrap --variant=minbase";
    let target = ground.path("bootstrapped");
    let both = || -> Result<Row> {
        find("debootstrap")?;
        let ours = timed(&mut kitchen.rootlet(&["base", "pull", "-q", &kitchen.base("")], &target))?;
        run(&mut kitchen.rootlet(&["gc", "--keep", "0"], &target))?;
        run(Command::new("rm").arg("-rf").arg(&target))?;
        let mut command = Command::new("debootstrap");
        command.args(["--variant=minbase", &kitchen.suite]).arg(&target).arg(&kitchen.mirror);
        let theirs = timed(&mut at_ordinary_priority(command))?;
        run(Command::new("rm").arg("-rf").arg(&target))?;
        Ok(Row::numbers(NAME, ours.as_secs_f64() * 1e3, theirs.as_secs_f64() * 1e3, Bound::None))
    };
    both().unwrap_or_else(|why| Row::not_measured(NAME, why))
}

/// A recipe that was built, against the directory that it would be; and what a step costs on a large root and a small one.
pub fn recipes(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    let rootlet: PathBuf =
        std::env::var_os("ROOTLET_BIN").ok_or("ROOTLET_BIN does not say where the command is")?.into();
    let project = ground.path("project");
    fs::create_dir_all(&project).map_err(|e| e.to_string())?;
    let (small, large) = (10, 10_000);
    for files in [small, large] {
        ground.base(files)?;
    }
    let recipe = |files: usize, more: &str| {
        let tarball = ground.path(&format!("tree-{files}.tar"));
        format!(
            "[root.r{files}]\nfrom = \"tar:{}\"\nuser = \"sam\"\ncopy = [{{ from = \"file\", to = \"/srv/file\" }}]\n{more}\n",
            tarball.display()
        )
    };
    let write = |name: &str, text: &str| fs::write(project.join(name), text).map_err(|e| e.to_string());
    write("file", "x")?;
    write("rootlet.toml", &(recipe(small, "") + &recipe(large, "")))?;
    let store = ground.path("recipes");
    let command = |words: &[&str]| {
        let mut command = Command::new(&rootlet);
        command.args(words).arg("--store").arg(&store).current_dir(&project);
        at_ordinary_priority(command)
    };
    run(&mut command(&["build", "-q"]))?;
    let end = |mut command: Command| {
        command.args(["--", "/bin/true"]);
        run(&mut command)
    };
    let directory = format!("dir:{}", ground.path(&format!("tree-{large}")).display());
    let built = format!("r{large}");
    let ours = Competitor::new("rootlet run -r", || end(command(&["run", "-q", "-r", &built])));
    let plain =
        Competitor::new("rootlet run --base dir:", || end(command(&["run", "-q", "--base", &directory])));
    let times = compete(rounds, vec![ours, plain])?;
    let mut rows = vec![Row::times(
        "run -r of a built recipe; run --base dir:",
        &times[0],
        &times[1],
        Bound::AtMost(1.1),
    )];

    // Each time another content of the file: the copy is done again, on what is there.
    let mut turn = 0;
    let mut step = |files: usize| {
        turn += 1;
        write("file", &turn.to_string())?;
        run(&mut command(&["build", "-q", &format!("r{files}")]))
    };
    let step = &std::cell::RefCell::new(&mut step);
    let on = |files: usize| {
        Competitor::new(format!("a step on {files} files"), move || (step.borrow_mut())(files))
    };
    let times = compete(rounds / 2, vec![on(large), on(small)])?;
    rows.push(Row::times("a step on 10,000 files; on 10", &times[0], &times[1], Bound::AtMost(1.5)));
    run(&mut command(&["gc", "--keep", "0"]))?;
    Ok(rows)
}

fn timed(command: &mut Command) -> Result<Duration> {
    let begin = Instant::now();
    run(command)?;
    Ok(begin.elapsed())
}

/// Runs a command, and tells the most that its process had in memory, in MiB, as it says itself (proc_pid_status(5)).
fn peak_of(command: &mut Command) -> Result<f64> {
    let mut child = command.stdin(Stdio::null()).spawn().map_err(|e| e.to_string())?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0f64;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
        peak = kilobytes.map_or(peak, |kilobytes| peak.max(kilobytes / 1024.0));
        match child.try_wait().map_err(|e| e.to_string())? {
            Some(status) if status.success() => return Ok(peak),
            Some(status) => return Err(format!("{}: {status}", command.get_program().display())),
            None => std::thread::park_timeout(Duration::from_millis(10)),
        }
    }
}
