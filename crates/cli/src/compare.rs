//! `rootlet compare` and `rootlet writes`.

use crate::args::compare::{Compare, Format, Writes as WritesArgs};
use crate::args::{From, Root};
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::output::{create, print, table};
use crate::run::{builder, with_caller};
use crate::runner;
use rootlet::compare::{Difference, Ran, Side, Tests, Verdict, Writes, compare as run};
use rootlet::spec::printable;
use rootlet::why::{Refusal, Why};
use rootlet::{Builder, Change, ErrorKind};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{Write as _, stderr};
use std::os::unix::process::ExitStatusExt;

/// So many lines of a list are shown.
const MOST: usize = 20;

/// `rootlet compare`.
pub fn compare(mut args: Compare) -> Result<Outcome, Failure> {
    let project = args.project.then_some(&mut args.command);
    let production = asked(args.root, &args.from, project, args.quiet)?.explain(args.why);
    let wanted = |side: &Side| args.side.is_empty() || args.side.iter().any(|name| name.text() == side.name);
    let sides: Vec<Side> = Side::usual(&production).into_iter().filter(wanted).collect();
    let Some(ran) = in_time(run(&sides, &args.command))? else { return Ok(Outcome::TimedOut) };
    let first = &ran[0];
    let differences: Vec<Difference> = ran[1..].iter().map(|other| Difference::of(first, other)).collect();
    let mut text = overview(&ran);
    for (other, difference) in ran[1..].iter().zip(&differences) {
        text += &told(first, other, difference);
    }
    if !args.why && differences.iter().any(Difference::matters) {
        text += "\nwith --why it is said what was refused, and what to change\n";
    }
    print(&text)?;
    if let Some(file) = &args.json {
        let all = as_json(&ran, &differences).to_string() + "\n";
        create(file)
            .and_then(|mut file| file.write_all(all.as_bytes()))
            .map_err(|e| Failure::new(format!("failed to write {}", file.display())).caused_by(e))?;
    }
    // Production is what counts; where it was not asked for, whatever was.
    let production = ran[1..].iter().position(|side| side.name == "production");
    let differs = match production {
        Some(at) => differences[at].matters(),
        None => differences.iter().any(Difference::matters),
    };
    Ok(Outcome::Exited(differs.into()))
}

/// `rootlet writes`.
pub fn writes(mut args: WritesArgs) -> Result<Outcome, Failure> {
    let project = args.project.then_some(&mut args.command);
    let builder = asked(args.root, &args.from, project, args.quiet)?.read_only(false);
    let ran = run(&[Side { name: "root", builder }], &args.command);
    let Some(ran) = in_time(ran)? else { return Ok(Outcome::TimedOut) };
    let ran = &ran[0];
    // What the command says is for a person who looks on; the list alone is the output.
    let _ = stderr().write_all(&[ran.stdout.as_slice(), ran.stderr.as_slice()].concat());
    let writes = Writes::of(&ran.changes);
    print(&match args.format {
        Format::Text => all_formats(&writes, ran),
        Format::Kubernetes => writes.kubernetes(),
        Format::Compose => writes.compose(),
        Format::Docker => writes.docker(),
        Format::Systemd => writes.systemd(),
        Format::Json => json!({ "directories": writes.directories, "files": writes.files, "changes": changes(&ran.changes) }).to_string() + "\n",
    })?;
    Ok(outcome(ran))
}

/// `None` where `--timeout` passed, which is told.
fn in_time(ran: rootlet::Result<Vec<Ran>>) -> Result<Option<Vec<Ran>>, Failure> {
    match ran {
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            let _ = writeln!(stderr(), "rootlet: {}", printable(&error.to_string()));
            Ok(None)
        }
        ran => Ok(Some(ran?)),
    }
}

/// What is asked for; with `project`, a command that is one of a project.
fn asked(
    root: Root,
    from: &From,
    project: Option<&mut Vec<OsString>>,
    quiet: bool,
) -> Result<Builder, Failure> {
    let mut spec = with_caller(|caller| root.spec(caller))?;
    if let Some(command) = project {
        let program = command.first_mut().ok_or_else(|| Failure::new("--project needs a program"))?;
        let path = runner::program(program, &runner::here()?)?;
        *program = path.clone().into();
        runner::show_project(&mut spec, from, &path, &[])?;
    }
    builder(spec, from, quiet, false)
}

fn outcome(ran: &Ran) -> Outcome {
    match (ran.status.code(), ran.status.signal()) {
        (Some(code), _) => Outcome::Exited(code as u8),
        (None, Some(signal)) => Outcome::Signaled(signal as u8),
        (None, None) => Outcome::Failed,
    }
}

fn status(ran: &Ran) -> String {
    match (ran.status.code(), ran.status.signal()) {
        (Some(code), _) => code.to_string(),
        (None, signal) => format!("signal {}", signal.unwrap_or_default()),
    }
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn overview(ran: &[Ran]) -> String {
    let traced = ran.iter().any(|side| side.why.is_some());
    let mut heading = ["SIDE", "STATUS", "TESTS", "WROTE", "AS"].map(str::to_owned).to_vec();
    if traced {
        heading.insert(3, "REFUSED".into());
    }
    let rows = ran.iter().map(|side| {
        let Tests { passed, failed, skipped, .. } = Tests::read(&side.text());
        let tests = match passed + failed + skipped {
            0 => "-".into(),
            _ => format!("{passed} passed, {failed} failed, {skipped} skipped"),
        };
        let mut row = vec![
            side.name.into(),
            status(side),
            tests,
            counted(side.changes.len(), "path"),
            side.user.to_string(),
        ];
        if traced {
            let calls = |why: &Why| counted(why.refusals.len(), "call");
            row.insert(3, side.why.as_ref().map_or("-".into(), calls));
        }
        row
    });
    table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
}

/// What differs of one side from the first.
fn told(first: &Ran, other: &Ran, difference: &Difference) -> String {
    let mut text = String::new();
    if !difference.matters() {
        return text;
    }
    let _ = writeln!(text, "\n{} differs from {}", other.name, first.name);
    if difference.status {
        let _ = writeln!(text, "  exit status {}, not {}", status(other), status(first));
    }
    let of = |one: Option<Verdict>, two: Option<Verdict>| {
        difference.tests.iter().filter(move |(_, pair)| **pair == (one, two)).map(|(name, _)| name.as_str())
    };
    use Verdict::{Failed, NotFailed, Passed, Skipped};
    let groups = [
        (Some(Passed), Some(Failed), format!("passes only as {}", first.name)),
        (Some(Failed), Some(Passed), format!("fails only as {}", first.name)),
        (Some(NotFailed), Some(Failed), format!("fails as {}, not as {}", other.name, first.name)),
        (Some(Failed), Some(NotFailed), format!("fails as {}, not as {}", first.name, other.name)),
        (Some(Skipped), Some(Passed), format!("skipped as {}", first.name)),
        (Some(Skipped), Some(Failed), format!("skipped as {}, fails as {}", first.name, other.name)),
        (Some(Passed), Some(Skipped), format!("skipped as {}", other.name)),
        (Some(Failed), Some(Skipped), format!("fails as {}, skipped as {}", first.name, other.name)),
    ];
    for (one, two, what) in groups {
        let reasons = |test: &&str| difference.refusals_of(test, other).into_iter().map(reason).collect();
        let tests: Vec<(&str, Vec<String>)> = of(one, two).map(|test| (test, reasons(&test))).collect();
        list_with(&mut text, &what, &tests);
    }
    let alone = |first_has: bool| {
        difference
            .tests
            .iter()
            .filter(move |(_, (one, two))| if first_has { two.is_none() } else { one.is_none() })
            .map(|(name, _)| name.as_str())
    };
    list(&mut text, &format!("not run as {}", other.name), alone(true));
    list(&mut text, &format!("not run as {}", first.name), alone(false));
    if let Some((one, two)) = difference.skipped {
        let which = "with -v most runners name which";
        let _ = writeln!(text, "  skipped: {one} as {}, {two} as {}; {which}", first.name, other.name);
    }
    if difference.tests.is_empty() {
        list(
            &mut text,
            &format!("said as {} alone", other.name),
            difference.only_second.iter().map(String::as_str),
        );
    }
    text + &refused(first, other, difference)
}

/// What the first was not refused: what made it fail, with what to change; then what programs went on from.
fn refused(first: &Ran, other: &Ran, difference: &Difference) -> String {
    let (handled, failed): (Vec<_>, Vec<_>) = difference.refusals.iter().partition(|refusal| refusal.handled);
    let mut text = String::new();
    if !failed.is_empty() {
        let _ = writeln!(text, "  refused as {}, not as {}:", other.name, first.name);
    }
    for refusal in failed.iter().take(MOST) {
        refusal.to_string().lines().for_each(|line| {
            let _ = writeln!(text, "    {line}");
        });
    }
    let more = failed.iter().skip(MOST).chain(&handled).map(|refusal| reason(refusal)).collect::<Vec<_>>();
    list(&mut text, "refused as well, and gone on from", more.iter().map(String::as_str));
    let not_seen = other.why.iter().flat_map(|why| &why.not_seen);
    list(&mut text, "not seen", not_seen.map(String::as_str));
    text
}

/// In a line.
fn reason(refusal: &Refusal) -> String {
    format!("{} {}: {}", refusal.call, refusal.errno, refusal.reason())
}

fn list<'a>(text: &mut String, what: &str, items: impl Iterator<Item = &'a str>) {
    list_with(text, what, &items.map(|item| (item, Vec::new())).collect::<Vec<_>>());
}

/// A list, with some lines below each item.
fn list_with(text: &mut String, what: &str, items: &[(&str, Vec<String>)]) {
    if items.is_empty() {
        return;
    }
    let _ = writeln!(text, "  {what}:");
    for (item, below) in items.iter().take(MOST) {
        let _ = writeln!(text, "    {}", printable(item));
        for line in below {
            let _ = writeln!(text, "      {}", printable(line));
        }
    }
    if items.len() > MOST {
        let _ = writeln!(text, "    and {} more", items.len() - MOST);
    }
}

fn all_formats(writes: &Writes, ran: &Ran) -> String {
    let failed = if ran.status.success() {
        String::new()
    } else {
        format!(" before it failed (status {})", status(ran))
    };
    if writes.is_empty() {
        return match failed.is_empty() {
            true => "nothing is written: it runs with a read-only root as it is\n".into(),
            false => format!("nothing was written{failed}\n"),
        };
    }
    let mut text = String::new();
    list(
        &mut text,
        &format!("written{failed}"),
        ran.changes.iter().map(ToString::to_string).collect::<Vec<_>>().iter().map(String::as_str),
    );
    let files: Vec<String> = writes.files.iter().map(|path| path.display().to_string()).collect();
    list(&mut text, "at the top, which no mount can grant", files.iter().map(String::as_str));
    if writes.directories.is_empty() {
        return text;
    }
    text + &format!(
        "\nKubernetes (what the image has there is hidden):\n{}\nCompose:\n{}\ndocker run:\n{}\nsystemd:\n{}",
        writes.kubernetes(),
        writes.compose(),
        writes.docker(),
        writes.systemd()
    )
}

fn changes(changes: &[Change]) -> Value {
    let one = |change: &Change| {
        let kind = change.to_string().chars().next().unwrap_or_default().to_string();
        json!({ "kind": kind, "path": change.path, "mode": change.mode & 0o7777, "uid": change.uid, "gid": change.gid })
    };
    changes.iter().map(one).collect()
}

fn as_json(ran: &[Ran], differences: &[Difference]) -> Value {
    let sides = ran.iter().enumerate().map(|(n, side)| {
        let difference = n.checked_sub(1).map(|n| {
            let difference = &differences[n];
            json!({
                "matters": difference.matters(), "status": difference.status, "tests": difference.tests,
                "only_first": difference.only_first, "only_here": difference.only_second,
                "refusals": difference.refusals,
            })
        });
        let tests = Tests::read(&side.text());
        json!({
            "side": side.name, "user": side.user, "status": side.status.code(), "signal": side.status.signal(),
            "seconds": side.took.as_secs_f64(), "changes": changes(&side.changes),
            "stdout": String::from_utf8_lossy(&side.stdout), "stderr": String::from_utf8_lossy(&side.stderr),
            "tests": tests.named, "counts": { "passed": tests.passed, "failed": tests.failed, "skipped": tests.skipped },
            "not_reproduced": side.not_reproduced,
            "why": side.why, "difference": difference,
        })
    });
    json!({ "sides": sides.collect::<Vec<_>>() })
}
