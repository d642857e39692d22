//! `rootlet doctor`: what this host allows, what each missing piece costs, and the command that mends it.

use crate::args::Doctor;
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::output::print;
use crate::style::Style;
use rootlet::Tier;
use rootlet::doctor::{Check, Examination, examine};
use rootlet::spec::printable;
use std::io::stdout;

/// Tries, and tells.
pub fn doctor(args: &Doctor) -> Result<Outcome, Failure> {
    let examination = examine();
    print(&match args.json {
        true => serde_json::to_string_pretty(&examination).expect("an examination is plain data") + "\n",
        false => text(&examination, Style::of(&stdout())),
    })?;
    Ok(if examination.tier.is_some() { Outcome::SUCCESS } else { Outcome::Failed })
}

fn text(examination: &Examination, style: Style) -> String {
    let mut text: String = examination.checks.iter().map(|check| told(check, style)).collect();
    text += "\n";
    text += &match examination.tier {
        Some(Tier::Exact) => "Rootlets run here, exactly as in production.\n".into(),
        Some(tier) => format!("Rootlets run here, in the tier {tier}.\n"),
        None => style.error("No rootlet can be made here: mend what is marked with ✗ first.") + "\n",
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
        };
        let checks = vec![check(true, ""), check(false, "much")];
        let text = text(&Examination { tier: None, checks }, Style::plain());
        assert!(
            text.starts_with("✓ cgroups: found\n! cgroups: found\n    costs: much\n\nNo rootlet"),
            "{text}"
        );
    }
}
