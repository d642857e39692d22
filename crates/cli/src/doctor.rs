//! `rootlet doctor`: what this host allows, what each missing piece costs, and the command that mends it.

use crate::args::Doctor;
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::output::print;
use crate::style::Style;
use rootlet::Tier;
use rootlet::doctor::{Check, Examination, examine};
use rootlet::spec::printable;
use std::io::{stderr, stdout};
use std::process::Command;

/// Tries, and tells; with `--fix`, mends what a command can mend, and tries again.
pub fn doctor(args: &Doctor) -> Result<Outcome, Failure> {
    let mut examination = examine();
    if args.fix {
        mend(&examination.checks)?;
        examination = examine();
    }
    print(&match args.json {
        true => serde_json::to_string_pretty(&examination).expect("an examination is plain data") + "\n",
        false => text(&examination, Style::of(&stdout())),
    })?;
    Ok(if examination.tier.is_some() { Outcome::SUCCESS } else { Outcome::Failed })
}

/// Runs what mends each thing, once, and shows it before. Whether it helped is seen afterwards.
fn mend(checks: &[Check]) -> Result<(), Failure> {
    let mut done = Vec::new();
    for check in checks.iter().filter(|check| !check.ok && check.is_command) {
        // Root needs nobody's leave.
        let command = match rustix::process::geteuid().is_root() {
            true => check.mend.replace("sudo ", ""),
            false => check.mend.clone(),
        };
        if done.contains(&command) {
            continue;
        }
        eprintln!("{} {}", Style::of(&stderr()).hint("+"), printable(&command));
        let status = Command::new("sh").args(["-c", &command]).status();
        let status = status.map_err(|e| Failure::new(format!("failed to run `{command}`")).caused_by(e))?;
        if !status.success() {
            return Err(Failure::new(format!("`{command}` did not succeed ({status})"))
                .hint("run it by hand to see why; what was mended before it stays so"));
        }
        done.push(command);
    }
    Ok(())
}

fn text(examination: &Examination, style: Style) -> String {
    let mut text: String = examination.checks.iter().map(|check| told(check, style)).collect();
    text += "\n";
    text += &match (examination.tier, examination.own_proc) {
        (Some(Tier::Exact), true) => "Rootlets run here in the tier exact: as in production.\n".into(),
        (Some(Tier::Exact), false) => {
            "Rootlets run here in the tier exact: as in production, but for /proc, which is the host's.\n"
                .into()
        }
        (Some(Tier::OneId), own_proc) => format!(
            "Rootlets run here in the tier one-id: refusals are production's, `stat` shows other owners.{}\n",
            if own_proc { "" } else { " /proc is the host's." }
        ),
        (Some(Tier::Chroot), _) => {
            "Rootlets run here in the tier chroot: owners and refusals are production's; processes, \
                                    /proc and the network are the host's.\n"
                .into()
        }
        (None, _) => style.error("No rootlet can be made here: mend what is marked with ✗ first.") + "\n",
    };
    text
}

fn told(check: &Check, style: Style) -> String {
    let mark = match (check.ok, check.required) {
        (true, _) => style.good("✓"),
        (false, true) => style.error("✗"),
        (false, false) => style.hint("!"),
    };
    let mut text = format!("{mark} {}: {}\n", check.name, printable(&check.found));
    for (what, said) in [("costs", &check.cost), ("mend", &check.mend)] {
        if !said.is_empty() {
            text += &format!("    {what}: {}\n", printable(said));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_it_costs_and_what_mends_it() {
        let check = |ok, cost: &str| Check {
            name: "cgroups",
            ok,
            required: false,
            found: "found".into(),
            cost: cost.into(),
            mend: String::new(),
            is_command: false,
        };
        let checks = vec![check(true, ""), check(false, "much")];
        let text = text(&Examination { tier: None, own_proc: false, checks }, Style::plain());
        assert!(
            text.starts_with("✓ cgroups: found\n! cgroups: found\n    costs: much\n\nNo rootlet"),
            "{text}"
        );
    }
}
