//! `rootlet runner`: what cargo starts instead of a test binary, bench or program, and Go instead of a test.

use crate::args::{From, Runner};
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::report::Reporter;
use crate::run::{Job, perform, rootlet, with_caller};
use rootlet::spec::Spec;
use rootlet::workspace::{Workspace, variables};
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// `rootlet runner PROGRAM [ARGUMENT]...`.
pub fn runner(mut args: Runner) -> Result<Outcome, Failure> {
    let mut reporter = Reporter::new(args.quiet, None)?;
    let here = here()?;
    let program = program(&args.command[0], &here)?;
    args.command[0] = program.clone().into();
    let job = Job { command: std::mem::take(&mut args.command), keep: args.keep, ..Job::default() };
    let done = perform(&job, &mut reporter, || {
        let mut spec = with_caller(|caller| args.root.spec(caller))?;
        show_project(&mut spec, &args.from, &program, &args.writable)?;
        rootlet(spec, &args.from, args.quiet)
    });
    reporter.finish(done)
}

/// Shows a program what is around it: its project, with the caller's variables.
pub fn show_project(
    spec: &mut Spec,
    from: &From,
    program: &Path,
    writable: &[PathBuf],
) -> Result<(), Failure> {
    let mut workspace = Workspace::of(program, &here()?, &|name| env::var_os(name));
    for directory in writable {
        std::fs::create_dir_all(directory)
            .map_err(|e| Failure::new(format!("failed to make {}", directory.display())).caused_by(e))?;
        workspace.lasting(directory);
    }
    workspace.add_to(spec);
    let named = from.base.is_none() && from.like.is_empty() || from.base.as_deref() == Some("host");
    let is_host = named && from.recipe.is_none() && from.preset.is_none();
    let mut env = variables(env::vars_os(), is_host);
    env.retain(|(name, _)| !spec.env.iter().any(|(said, _)| said == name) && !spec.env_remove.contains(name));
    env.append(&mut spec.env);
    spec.env = env;
    // An image's entrypoint is for its own program.
    spec.entrypoint.get_or_insert_with(Vec::new);
    Ok(())
}

pub fn here() -> Result<PathBuf, Failure> {
    env::current_dir()
        .map_err(|e| Failure::new("failed to find the directory that this runs in").caused_by(e))
}

/// Where the program is, inside as well.
pub fn program(named: &OsStr, here: &Path) -> Result<PathBuf, Failure> {
    let named = Path::new(named);
    let program = here.join(named);
    match program.is_file() {
        true => Ok(program),
        false => Err(Failure::new(format!("there is no program {}", named.display()))
            .hint("the runner is for programs that were just built; `rootlet run` runs those of the root")),
    }
}
