//! A program that the kernel starts in place of the one that was named, which may be what refuses.

use super::look::{self, Walk};
use super::rights::No;
use super::watch::Watch;
use crate::interpreter;
use rootlet_kernel::Who;
use std::io::Read;

impl Watch {
    /// What the kernel starts in place of a script, and in place of that: its names, too, are for who executes the first.
    pub fn interpreters(&self, walks: &mut Vec<Walk>, process: u32) {
        // As many as the kernel follows.
        const MOST: usize = 5;
        while let Some(last) = walks.last().and_then(Walk::last).filter(|_| walks.len() <= MOST) {
            if last.component.kind != "file" {
                return;
            }
            let program = last.component.path.as_bytes();
            let Ok(file) = self.init.open(&Who::default(), 0, program, libc::O_RDONLY as u32, 0) else {
                return;
            };
            let mut head = Vec::new();
            let _ = file.take(interpreter::HEAD).read_to_end(&mut head);
            let Some(name) = interpreter::named(&head) else { return };
            // One that is named from where the program stands is looked for there, which is not worth a sentence here.
            if !name.starts_with(b"/") {
                return;
            }
            walks.push(look::walk(&self.init, b"/", &name, false, process));
        }
    }
}

/// Whether it was not the program itself that refused, but what is started in its place.
pub fn refused(no: &No, walks: &[Walk]) -> bool {
    let of =
        |walk: &Walk| no.by.as_ref().is_some_and(|by| walk.parts.iter().any(|part| part.component == **by));
    walks.split_first().is_some_and(|(program, others)| !of(program) && others.iter().any(of))
}
