//! What differs from the reference, and what may.

use rootlet::Tier;
use rootlet_tests::matches;
use std::collections::BTreeMap;
use std::fmt;

/// A difference that there may be.
pub struct Explained {
    pub tiers: &'static [Tier],
    /// The line of the table, the reference's outcome, the rootlet's. A `*` stands for anything.
    line: &'static str,
    there: &'static str,
    here: &'static str,
    /// What docs/differences.md says of it.
    pub documented: &'static str,
}

/// Every difference that there may be, each with its reason in docs/differences.md.
pub const EXPLAINED: &[Explained] = &[
    Explained {
        tiers: &[Tier::Exact, Tier::OneId],
        line: "*/e /new: Rename",
        there: "ok",
        here: "EXDEV",
        documented: "renaming a directory of the base",
    },
    Explained {
        tiers: &[Tier::Exact],
        line: "file *: Write, and look",
        there: "ok * ?7??",
        here: "ok * 07??",
        documented: "root writes to a setuid or setgid program",
    },
    Explained {
        tiers: &[Tier::Exact],
        line: "file *: Truncate, and look",
        there: "ok * ?7??",
        here: "ok * 07??",
        documented: "root writes to a setuid or setgid program",
    },
    Explained {
        tiers: &[Tier::OneId],
        line: "*, and look",
        there: "ok*",
        here: "ok*",
        documented: "owners and modes that `stat` shows with one id",
    },
];

impl Explained {
    fn explains(&self, difference: &Difference) -> bool {
        self.tiers.contains(&difference.tier)
            && matches(self.line, &difference.line)
            && matches(self.there, &difference.there)
            && matches(self.here, &difference.here)
    }
}

/// A line that ends differently.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    pub tier: Tier,
    pub person: String,
    pub line: String,
    pub there: String,
    pub here: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { person, line, there, here, .. } = self;
        write!(f, "{person:18} {line:80} {there:22} {here}")
    }
}

/// The lines that end differently in a rootlet (`here`) than on the machine itself (`there`).
pub fn differences(
    tier: Tier,
    person: &str,
    lines: &[String],
    there: &[String],
    here: &[String],
) -> Vec<Difference> {
    assert!(there.len() == lines.len() && here.len() == lines.len(), "an outcome for each line");
    let all = lines.iter().zip(there).zip(here);
    let differ = all.filter(|((_, there), here)| there != here);
    let difference = |((line, there), here): ((&String, &String), &String)| Difference {
        tier,
        person: person.to_owned(),
        line: line.clone(),
        there: there.clone(),
        here: here.clone(),
    };
    differ.map(difference).collect()
}

/// Those that nothing explains.
pub fn strange(differences: &[Difference]) -> Vec<&Difference> {
    differences.iter().filter(|one| !EXPLAINED.iter().any(|known| known.explains(one))).collect()
}

/// A table for a person: sums first, since one cause has many lines.
pub fn table(differences: &[&Difference]) -> String {
    const MOST: usize = 60;
    let mut sums: BTreeMap<String, usize> = BTreeMap::new();
    for one in differences {
        let operation = one.line.rsplit_once(": ").map_or("", |(_, operation)| operation);
        *sums.entry(format!("{operation:40} {:22} {}", one.there, one.here)).or_default() += 1;
    }
    let sums = sums.iter().map(|(what, count)| format!("{count:6}  {what}\n"));
    let lines = differences.iter().take(MOST).map(|one| format!("{one}\n"));
    let rest = differences.len().saturating_sub(MOST);
    let rest = if rest > 0 { format!("… and {rest} more\n") } else { String::new() };
    format!(
        "{}\n{:18} {:80} {:22} {}\n{}{rest}",
        sums.collect::<String>(),
        "who",
        "what",
        "real user",
        "in a rootlet",
        lines.collect::<String>()
    )
}
