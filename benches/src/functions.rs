//! What calling a function costs: beside the interpreter that runs it, beside a bare `rootlet run` of its command, and beside a container
//! engine's run of that.

use crate::Result;
use crate::contest::{Competitor, compete};
use crate::ground::{Ground, run};
use crate::table::{Bound, Row};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How many checks run at the same time.
const CHECKS: usize = 20;

/// The command, with a store and modules of its own.
struct Face {
    program: PathBuf,
    store: PathBuf,
    base: String,
    tarball: PathBuf,
}

impl Face {
    fn new(ground: &Ground) -> Result<Self> {
        let program =
            std::env::var_os("ROOTLET_BIN").ok_or("ROOTLET_BIN does not say where the command is")?;
        let tarball = ground.base(0).map(|_| ground.path("tree-0.tar"))?;
        let base = format!("tar:{}", tarball.display());
        Ok(Self { program: program.into(), store: ground.path("functions-store"), base, tarball })
    }

    fn command(&self, directory: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).current_dir(directory).env("ROOTLET_STORE", &self.store);
        command
    }

    fn run(&self) -> Command {
        self.command(Path::new("/"), &["run", "--quiet", "--base", &self.base, "--", "/bin/true"])
    }

    /// A module in Python, whose functions run the static program: a function, and checks that compute.
    fn python(&self, ground: &Ground) -> Result<PathBuf> {
        let directory = ground.path("python-module");
        let base = &self.base;
        let mut text = format!(
            "from rootlet import check, dag, function, object_type\n\n\
             @object_type\nclass Main:\n    @function\n    async def answer(self) -> str:\n        \
             return await dag.container().from_({base:?}).with_exec(['/bin/true']).stdout()\n"
        );
        for number in 0..CHECKS {
            text += &format!(
                "\n    @function\n    @check\n    async def computes_{number}(self) -> None:\n        \
                 [n * n for n in range(1_500_000)]\n        \
                 await dag.container().from_({base:?}).with_exec(['/bin/true']).sync()\n"
            );
        }
        let project = r#"{"name": "main", "sdk": {"source": "python"}, "source": "."}"#;
        write(&directory.join("rootlet.json"), project)?;
        write(&directory.join("src/main/__init__.py"), &text)?;
        Ok(directory)
    }

    /// The same function in Rust.
    fn rust(&self, ground: &Ground) -> Result<PathBuf> {
        let directory = ground.path("rust-module");
        let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/rootlet");
        let cargo = format!(
            "[package]\nname = \"main\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n\
             rootlet = {{ path = {library:?}, features = [\"module\"] }}\n\n[workspace]\n"
        );
        let text = format!(
            "use rootlet::functions::prelude::*;\n\n#[derive(Default)]\nstruct Main;\n\n#[rootlet::module]\nimpl Main {{\n    \
             #[function]\n    async fn answer(&self) -> Result<String> {{\n        \
             dag().container().from_({:?}).with_exec([\"/bin/true\"]).stdout().await\n    }}\n}}\n\n\
             fn main() -> Result<()> {{\n    serve::<Main>()\n}}\n",
            self.base
        );
        write(
            &directory.join("rootlet.json"),
            r#"{"name": "main", "sdk": {"source": "rust"}, "source": "."}"#,
        )?;
        write(&directory.join("Cargo.toml"), &cargo)?;
        write(&directory.join("src/main.rs"), &text)?;
        Ok(directory)
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    let parent = path.parent().unwrap_or(path);
    let written = fs::create_dir_all(parent).and_then(|()| fs::write(path, text));
    written.map_err(|e| format!("{}: {e}", path.display()))
}

/// Calls of functions, and checks.
pub fn rows(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    let face = Face::new(ground)?;
    let (python, rust) = (face.python(ground)?, face.rust(ground)?);
    let call = |directory: &Path| run(&mut face.command(directory, &["call", "--quiet", "answer"]));
    let interpreter = || run(Command::new("python3").args(["-c", "import asyncio"]));
    // What is built and described once is no part of it.
    call(&python)?;
    call(&rust)?;
    let engine = Engine::find(&face);
    let mut competitors = vec![
        Competitor::new("rootlet call, Python", || call(&python)),
        Competitor::new("python3 -c 'import asyncio'", interpreter),
        Competitor::new("rootlet call, Rust", || call(&rust)),
        Competitor::new("rootlet run", || run(&mut face.run())),
    ];
    if let Ok(engine) = &engine {
        competitors.push(Competitor::new(engine.name, || run(&mut engine.command())));
    }
    let times = compete(rounds, competitors)?;
    let mut rows = vec![
        Row::times(
            "rootlet call of a Python function; python3 -c 'import asyncio'",
            &times[0],
            &times[1],
            Bound::AtMost(2.0),
        ),
        Row::times("rootlet call of a Rust function; rootlet run", &times[2], &times[3], Bound::AtMost(3.0)),
    ];
    rows.push(match &engine {
        Ok(engine) => {
            let name = format!("rootlet call of a Python function; {} run", engine.name);
            Row::times(name, &times[0], &times[4], Bound::AtMost(1.0))
        }
        Err(why) => Row::not_measured("rootlet call of a Python function; docker run", why),
    });
    let check = |cpus: &str| {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", cpus]).arg(&face.program).args(["check", "--quiet"]);
        run(command.current_dir(&python).env("ROOTLET_STORE", &face.store))
    };
    let times = compete(
        (rounds / 10).max(2),
        vec![
            Competitor::new("checks on two processors", || check("0,1")),
            Competitor::new("checks on one", || check("0")),
        ],
    )?;
    let name = format!("{CHECKS} checks that compute, on two processors; on one");
    rows.push(Row::times(name, &times[0], &times[1], Bound::AtMost(0.7)));
    run(&mut face.command(Path::new("/"), &["gc", "--keep", "0"]))?;
    Ok(rows)
}

/// A container engine with the same root as an image.
struct Engine {
    name: &'static str,
}

const IMAGE: &str = "rootlet-bench:functions";

impl Engine {
    /// Docker, where its daemon answers, else podman.
    fn find(face: &Face) -> Result<Self> {
        for name in ["docker", "podman"] {
            let import = Command::new(name).arg("import").arg(&face.tarball).arg(IMAGE).output();
            if import.is_ok_and(|out| out.status.success()) {
                let engine = Self { name };
                run(&mut engine.command())?;
                return Ok(engine);
            }
        }
        Err("neither docker nor podman takes an image".into())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.name);
        command.args(["run", "--rm", "--network", "none", IMAGE, "/bin/true"]);
        command
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = Command::new(self.name).args(["rmi", "--force", IMAGE]).output();
    }
}
