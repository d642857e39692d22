//! `rootlet doctor`: a real rootlet is tried, and what stands in its way is told with what mends it.

use crate::args::Doctor;
use crate::failure::Failure;
use crate::output::print;
use crate::style::Style;
use rootlet::spec::printable;
use rootlet::{Base, Report, Rootlet, Store, Tier};
use std::io::stdout;

/// Runs `true` on a copy of this machine, and says how well that is isolated here.
pub fn doctor(args: &Doctor) -> Result<(), Failure> {
    let store = Store::open_default()?;
    let root = Rootlet::builder(&Base::resolve("host", &store)?).spawn()?;
    root.command("true").status()?;
    let report = root.report();
    match args.json {
        true => print(&(serde_json::to_string_pretty(report).expect("a report is plain data") + "\n")),
        false => print(&text(report, Style::of(&stdout()))),
    }
}

fn text(report: &Report, style: Style) -> String {
    let identity = match report.tier {
        Tier::Root => "as root, each rootlet has a range of ids that belongs to nobody on this host",
        Tier::SubordinateIds => "the production user is mapped to you, all others to your subordinate ids",
    };
    let mut text = format!("{} rootlets run here: {identity}\n", style.good("ok"));
    for sentence in &report.not_reproduced {
        text += &format!("{} not as in production: {}\n", style.hint("note"), printable(sentence));
    }
    text
}
