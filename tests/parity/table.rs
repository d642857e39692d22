//! How a case is tried: as root, as production, and with the fix.

use crate::{Written, with_probe};
use rootlet::spec::Net;
use rootlet::{Base, Builder, Lenient, Rootlet};

/// A knob of production and the failure that it causes.
pub struct Case {
    pub name: &'static str,
    /// Name and text of production's file.
    pub file: (&'static str, &'static str),
    /// What the image has, made by its author.
    pub image: fn(&Rootlet),
    /// For `/bin/sh -c`, in the work directory of production.
    pub script: &'static str,
    /// What the program says when it is refused.
    pub refused: &'static str,
    pub fix: Fix,
}

/// What mends it.
pub enum Fix {
    /// Another file of production.
    File(&'static str),
    /// Another image.
    Image(fn(&Rootlet)),
    /// Another runtime.
    Runtime(Lenient),
}

pub fn nothing(_: &Rootlet) {}

/// How it ended, and what was said.
struct Ended {
    well: bool,
    said: String,
}

impl Case {
    /// Tries all three.
    #[track_caller]
    pub fn holds(&self, base: &Base) {
        let name = self.name;
        let as_root = self.run(with_probe(base).user("0:0").net(Net::Private), self.image);
        assert!(as_root.well, "{name}: root was refused: {}", as_root.said);
        let production = self.run(self.production(base, self.file.1), self.image);
        assert!(!production.well, "{name}: production let it pass: {}", production.said);
        assert!(production.said.contains(self.refused), "{name}: refused, but so: {}", production.said);
        let fixed = match &self.fix {
            Fix::File(text) => self.run(self.production(base, text), self.image),
            Fix::Image(image) => self.run(self.production(base, self.file.1), *image),
            Fix::Runtime(lenient) => {
                self.run(self.production(base, self.file.1).lenient(*lenient), self.image)
            }
        };
        assert!(fixed.well, "{name}: the fix does not mend it: {}", fixed.said);
    }

    fn production(&self, base: &Base, text: &str) -> Builder {
        let like = Written::new(self.file.0, text).like();
        crate::probed(base, &like).net(Net::Private)
    }

    #[track_caller]
    fn run(&self, builder: Builder, image: fn(&Rootlet)) -> Ended {
        let root = builder.spawn().unwrap();
        image(&root);
        let mut command = root.command("/bin/sh");
        let output = command.args(["-c", self.script]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        Ended { well: output.status.success(), said: said.into_owned() }
    }
}
