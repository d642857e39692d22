//! What a real user of a real file system is allowed. Only real root can become anybody: it finds out, and hands on what it
//! found to those who cannot. Nothing of it is ever written by hand.

use crate::people::{PEOPLE, ROOT};
use crate::table::Table;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Names the file in which real root hands the reference on to whoever runs the same tests afterwards.
const VARIABLE: &str = "ROOTLET_REFERENCE";

/// How each line of the table ended for each person.
#[derive(Serialize, Deserialize)]
pub struct Reference {
    /// Of which lines: a reference of another table is none.
    lines: Vec<String>,
    outcomes: BTreeMap<String, Vec<String>>,
}

impl Reference {
    /// Found out, or read; why not, where neither can be.
    pub fn find(table: &Table) -> Result<Self, String> {
        let lines: Vec<_> = table.combinations.iter().map(|line| line.name.clone()).collect();
        let file = std::env::var_os(VARIABLE).map(PathBuf::from);
        if rustix::process::geteuid().is_root() {
            let all = PEOPLE.iter().chain([&ROOT]);
            let outcomes = all.map(|person| (person.to_string(), person.on_this_machine(table))).collect();
            let reference = Self { lines, outcomes };
            if let Some(file) = file {
                std::fs::write(file, serde_json::to_vec(&reference).unwrap()).unwrap();
            }
            return Ok(reference);
        }
        let file = file.filter(|file| file.exists());
        let file = file.ok_or("only root can make the reference, and none handed one on")?;
        let reference: Self = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        assert!(reference.lines == lines, "{VARIABLE} is of another table");
        Ok(reference)
    }

    /// How the lines end for this person, in their order.
    pub fn of(&self, person: &str) -> &[String] {
        &self.outcomes[person]
    }
}
