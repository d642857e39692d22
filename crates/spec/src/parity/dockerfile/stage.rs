//! A stage of a Dockerfile: what its instructions say of the image, one upon the other.

use super::super::error::{Error, Place};
use super::super::{Loss, Room};
use super::lex::{self, Lex};
use super::{Arguments, brief, open};
use crate::{ImageDefaults, UserSpec, mount};
use parse_dockerfile::{Command, Dockerfile, Instruction, JsonOrStringArray, Stage, UnescapedString};
use std::collections::BTreeMap;

/// Each stage may begin with the one before.
const MOST_STAGES: usize = 100;

/// A stage's instructions fill this.
pub struct Image {
    room: Room,
    /// Values may be left open.
    pub defaults: ImageDefaults,
    /// Whether the stage itself says a command, and whether any says an entrypoint.
    says_cmd: bool,
    pub says_entrypoint: bool,
    /// `SHELL`, which goes before a command that is no list.
    shell: Option<Vec<String>>,
    /// `ARG`s of the stage, as far as they have values.
    args: BTreeMap<String, String>,
    /// What it is built on, outside of this file.
    pub from: Option<String>,
    pub losses: Vec<Loss>,
    /// Where each begins, its keyword, and what it says.
    pub instructions_left_out: Vec<(usize, &'static str, String)>,
}

impl Image {
    fn on(from: Option<String>) -> Self {
        Self {
            room: Room::new(),
            defaults: ImageDefaults::default(),
            says_cmd: false,
            says_entrypoint: false,
            shell: None,
            args: BTreeMap::new(),
            from,
            losses: Vec::new(),
            instructions_left_out: Vec::new(),
        }
    }
}

pub struct Reader<'r, 'a> {
    pub text: &'r str,
    /// Where each line begins.
    pub lines: Vec<usize>,
    pub file: &'r Dockerfile<'a>,
    pub stages: &'r [Stage<'a, 'r>],
    pub escape: char,
    pub arguments: &'r Arguments,
}

impl Reader<'_, '_> {
    fn place(&self, offset: usize) -> Place {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|&begin| begin <= offset);
        let begin = line.checked_sub(1).map_or(0, |line| self.lines[line]);
        let before = String::from_utf8_lossy(&self.text.as_bytes()[begin..offset]);
        Place::new(line, before.chars().count() + 1)
    }

    /// What FROMs may use, and stages that ask for it by name: ARGs before the first FROM, and those of the platform, which is
    /// this machine's.
    fn globals(&self) -> Result<Arguments, Error> {
        let mut all = Arguments::new();
        for of in ["BUILD", "TARGET"] {
            all.insert(format!("{of}PLATFORM"), format!("linux/{}", architecture()));
            all.insert(format!("{of}OS"), "linux".into());
            all.insert(format!("{of}ARCH"), architecture().into());
            all.insert(format!("{of}VARIANT"), String::new());
        }
        for arg in self.file.global_args() {
            for (name, value) in self.pairs(&arg.arguments, false)? {
                let value = value.map(|value| self.expanded(&value, &arg.arguments, &all)).transpose()?;
                all.extend(self.arguments.get(&name).cloned().or(value).map(|value| (name, value)));
            }
        }
        Ok(all)
    }

    pub fn stage(&self, index: usize, depth: usize) -> Result<Image, Error> {
        let stage = &self.stages[index];
        let globals = self.globals()?;
        let from = self.expanded(&stage.from.image.value, &stage.from.image, &globals)?;
        let place = self.place(stage.from.image.span.start);
        let is_open = open::is_open(&from);
        if from.is_empty() {
            return Err(Error::at(place, "FROM names no image")
                .with_hint("its ARG is empty: write `ARG NAME=VALUE` before FROM"));
        }
        let earlier = self.stages[..index].iter().position(|other| {
            other.from.as_.as_ref().is_some_and(|(_, name)| name.value.eq_ignore_ascii_case(&from))
        });
        let mut image = match earlier {
            Some(_) if depth >= MOST_STAGES => {
                return Err(Error::at(place, format!("more than {MOST_STAGES} stages build on each other")));
            }
            Some(earlier) => {
                let base = self.stage(earlier, depth + 1)?;
                Image { args: BTreeMap::new(), says_cmd: false, ..base }
            }
            None => Image::on(Some(from.clone()).filter(|name| name != "scratch" && !is_open)),
        };
        if is_open {
            let why = format!("{}: name the image that was built with --base", no_value(&from));
            let says = stage.from.image.value.to_string();
            image.losses.push(Loss { place, path: "FROM".into(), says, why });
        }
        // What the stage before left for whoever builds on it comes first.
        for instruction in earlier.map_or(&[][..], |earlier| self.stages[earlier].instructions) {
            if let Instruction::Onbuild(trigger) = instruction {
                self.instruction(&mut image, &trigger.instruction, &globals)?;
            }
        }
        for instruction in stage.instructions {
            self.instruction(&mut image, instruction, &globals)?;
        }
        Ok(image)
    }

    fn instruction(
        &self,
        image: &mut Image,
        instruction: &Instruction,
        globals: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let at = |offset: usize| self.place(offset);
        match instruction {
            Instruction::Arg(arg) => {
                for (name, value) in self.pairs(&arg.arguments, false)? {
                    let value = match (self.arguments.get(&name), value) {
                        (Some(value), _) => Some(value.clone()),
                        (None, Some(value)) => Some(self.value(&value, &arg.arguments, image)?),
                        (None, None) => globals.get(&name).cloned(),
                    };
                    if let Some(value) = value {
                        let value =
                            image.room.take(value).map_err(|why| Error::at(at(arg.arg.span.start), why))?;
                        image.args.insert(name, value);
                    }
                }
            }
            Instruction::Env(env) => {
                // All values are those of before the instruction.
                let mut pairs = Vec::new();
                for (name, value) in self.pairs(&env.arguments, true)? {
                    let name = self.value(&name, &env.arguments, image)?;
                    let value = self.value(&value.unwrap_or_default(), &env.arguments, image)?;
                    pairs.push((name, value));
                }
                for (name, value) in pairs {
                    image.defaults.env.retain(|(known, _)| *known != name);
                    let value =
                        image.room.take(value).map_err(|why| Error::at(at(env.env.span.start), why))?;
                    image.defaults.env.push((name, value));
                }
            }
            Instruction::User(user) => {
                let value = self.value(&user.arguments.value, &user.arguments, image)?;
                self.lose_open("USER", "user", &value, &user.arguments, image);
                // An empty one takes back the image's.
                let value = if value.trim().is_empty() { "0" } else { value.trim() };
                if !open::is_open(value) {
                    let place = at(user.arguments.span.start);
                    value.parse::<UserSpec>().map_err(|e| Error::at(place, e.to_string()))?;
                }
                image.defaults.user = Some(value.to_owned());
            }
            Instruction::Workdir(dir) => {
                let dir_at = &dir.arguments;
                let dir = self.value(&dir_at.value, dir_at, image)?;
                self.lose_open("WORKDIR", "work directory", &dir, dir_at, image);
                let before = image.defaults.workdir.as_deref().unwrap_or("/");
                let whole = if dir.starts_with(['/', '\0']) { dir } else { format!("{before}/{dir}") };
                image.defaults.workdir =
                    Some(if open::is_open(&whole) { whole } else { mount::lexical(&whole) });
            }
            Instruction::Expose(ports) => {
                for port in &ports.arguments {
                    let port = self.value(&port.value, port, image)?;
                    image.defaults.exposed_ports.push(port);
                }
            }
            Instruction::Volume(volume) => {
                let (JsonOrStringArray::Json(parse_dockerfile::Spanned { value: places, .. })
                | JsonOrStringArray::String(places)) = &volume.arguments;
                let is_list = matches!(&volume.arguments, JsonOrStringArray::Json(_));
                for place in places {
                    let target = self.value(&place.value, place, image)?;
                    if open::is_open(&target) {
                        let why = format!("{}: no volume is there", no_value(&target));
                        let says = place.value.to_string();
                        let place = at(place.span.start);
                        image.losses.push(Loss { place, path: "VOLUME".into(), says, why });
                    } else if !target.is_empty() || is_list {
                        image.defaults.volumes.push(target);
                    }
                }
            }
            Instruction::Shell(shell) => {
                image.shell = Some(shell.arguments.iter().map(|word| word.value.to_string()).collect());
            }
            Instruction::Entrypoint(entrypoint) => {
                image.defaults.entrypoint = self.words(&entrypoint.arguments, image);
                image.defaults.entrypoint.retain(|word| !word.is_empty());
                image.says_entrypoint = true;
                // A new entrypoint sets the command of the image before it aside, not one of the same stage.
                if !image.says_cmd {
                    image.defaults.cmd.clear();
                }
            }
            Instruction::Cmd(cmd) => {
                image.defaults.cmd = self.words(&cmd.arguments, image);
                image.says_cmd = true;
            }
            Instruction::Run(run) => self.leave_out(image, run.run.span.clone(), "RUN"),
            Instruction::Copy(copy) => self.leave_out(image, copy.copy.span.clone(), "COPY"),
            Instruction::Add(add) => self.leave_out(image, add.add.span.clone(), "ADD"),
            // LABEL, HEALTHCHECK, STOPSIGNAL, MAINTAINER, and ONBUILD here: the process does not see them.
            _ => {}
        }
        Ok(())
    }

    fn leave_out(&self, image: &mut Image, keyword: std::ops::Range<usize>, name: &'static str) {
        let says = brief(self.text[keyword.end..].trim_start());
        image.instructions_left_out.push((keyword.start, name, says));
    }

    /// Whose value is known only when there is a base.
    fn lose_open(
        &self,
        keyword: &str,
        what: &str,
        value: &str,
        argument: &UnescapedString,
        image: &mut Image,
    ) {
        if open::is_open(value) {
            let why =
                format!("{}: it is what the base says, its variable or its own {what}", no_value(value));
            let (place, says) = (self.place(argument.span.start), argument.value.to_string());
            image.losses.push(Loss { place, path: keyword.into(), says, why });
        }
    }

    /// With the stage's variables: ENV goes before ARG.
    fn value(&self, text: &str, at: &UnescapedString, image: &Image) -> Result<String, Error> {
        let of_env = |name: &str| image.defaults.env.iter().find(|(known, _)| known == name);
        let known = |name: &str| match of_env(name) {
            Some((_, value)) => Some(value.clone()),
            None => image.args.get(name).cloned(),
        };
        self.with(text, at, &known)
    }

    fn expanded(&self, text: &str, at: &UnescapedString, known: &Arguments) -> Result<String, Error> {
        self.with(text, at, &|name| known.get(name).cloned())
    }

    fn with(
        &self,
        text: &str,
        at: &UnescapedString,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<String, Error> {
        let lex = Lex { escape: self.escape, variable };
        lex.word(text).map_err(|message| Error::at(self.place(at.span.start), message))
    }

    /// A list, or a line for the shell.
    fn words(&self, command: &Command, image: &Image) -> Vec<String> {
        match command {
            Command::Exec(list) => list.value.iter().map(|word| word.value.to_string()).collect(),
            Command::Shell(line) => {
                let shell = image.shell.clone().unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into()]);
                shell.into_iter().chain([self.joined(line.value)]).collect()
            }
            _ => Vec::new(),
        }
    }

    /// A line that goes on in further ones, between which comments stand, as one.
    fn joined(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for (i, line) in text.lines().enumerate() {
            let is_comment = line.trim_start().starts_with('#') || line.trim().is_empty();
            if i == 0 || !is_comment {
                out.push_str(line.trim_end().strip_suffix(self.escape).unwrap_or(line));
            }
        }
        out
    }

    /// `NAME=VALUE …`, `NAME` alone for an ARG, and `ENV NAME VALUE`, as it was written once. Values have their quotes.
    fn pairs(
        &self,
        arguments: &UnescapedString,
        is_env: bool,
    ) -> Result<Vec<(String, Option<String>)>, Error> {
        let text = arguments.value.trim();
        let wrong = |message: &str| {
            Error::at(self.place(arguments.span.start), message).with_hint("expected NAME=VALUE")
        };
        let name_end = text.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(text.len());
        if let Some(rest) = text[name_end..].strip_prefix(char::is_whitespace).filter(|_| is_env) {
            return Ok(vec![(text[..name_end].to_owned(), Some(rest.trim().to_owned()))]);
        }
        let pair = |word: String| match word.split_once('=') {
            Some(("", _)) => Err(wrong("a variable without a name")),
            Some((name, value)) => Ok((name.to_owned(), Some(value.to_owned()))),
            None if is_env => Err(wrong(&format!("`{word}` has no value"))),
            None => Ok((word, None)),
        };
        lex::split(text, self.escape).into_iter().map(pair).collect()
    }
}

/// Which variables of a value nothing in the file sets.
fn no_value(text: &str) -> String {
    let names: Vec<_> =
        open::names(text).filter(|name| !name.is_empty()).map(|name| format!("${name}")).collect();
    let names = if names.is_empty() { "its variable".to_owned() } else { names.join(", ") };
    format!("{names} has no value in this file")
}

/// As Go calls it, and so docker.
fn architecture() -> &'static str {
    if cfg!(target_arch = "x86_64") {
        "amd64"
    } else if cfg!(target_arch = "aarch64") {
        "arm64"
    } else if cfg!(target_arch = "x86") {
        "386"
    } else if cfg!(target_arch = "riscv64") {
        "riscv64"
    } else {
        "unknown"
    }
}
