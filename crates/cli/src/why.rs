//! How an explanation is written: for people, for programs, for reviews.

mod html;
mod sarif;

use crate::args::Format;
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::output::create;
use rootlet::why::Why;
use std::fs::File;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};

/// Where it goes, and how it is written.
#[derive(Default)]
pub struct Target {
    format: Format,
    to: Option<(PathBuf, File)>,
}

impl Target {
    /// The file is made at once, as that of a report is.
    pub fn new(format: Format, to: Option<PathBuf>) -> Result<Self, Failure> {
        let make = |path: PathBuf| match create(&path) {
            Ok(file) => Ok((path, file)),
            Err(e) => Err(failed(&path, e)),
        };
        Ok(Self { format, to: to.map(make).transpose()? })
    }

    pub fn write(&mut self, why: &Why, command: &[String], outcome: Outcome) -> Result<(), Failure> {
        let text = match self.format {
            Format::Text => text(why, outcome),
            Format::Json => serde_json::to_string_pretty(why).expect("an explanation is plain data") + "\n",
            Format::Github => why.annotations(None),
            Format::Sarif => sarif::log(why),
            Format::Html => html::page(why, command),
        };
        match &mut self.to {
            Some((path, file)) => file.write_all(text.as_bytes()).map_err(|e| failed(path, e)),
            None => {
                // Without standard error nobody is there to be told that.
                let _ = stderr().write_all(text.as_bytes());
                Ok(())
            }
        }
    }
}

fn failed(path: &Path, e: std::io::Error) -> Failure {
    Failure::new(format!("failed to write the explanation {}", path.display())).caused_by(e)
}

fn text(why: &Why, outcome: Outcome) -> String {
    let failed = outcome != Outcome::SUCCESS && why.refusals.iter().all(|refusal| refusal.handled);
    let note = if failed { "nothing that was refused explains the failure\n" } else { "" };
    format!("\n{note}{why}")
}
