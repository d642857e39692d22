//! A Dockerfile or Containerfile: what the image that is built from it says of how it runs.
//!
//! Nothing is built: RUN, COPY and ADD are not done, which is a loss as long as no `--base` names the image that was built.

use super::error::{Error, Place};
use super::words::{expand, split};
use super::{Kind, Like, Loss, MOST_ENTRIES, Request, Room};
use crate::{ImageDefaults, mount};
use parse_dockerfile::{Command, Dockerfile, Instruction, JsonOrStringArray, Stage, UnescapedString};
use std::collections::BTreeMap;

/// Each stage may begin with the one before.
const MOST_STAGES: usize = 100;

/// A stage's instructions fill this.
struct Image {
    room: Room,
    defaults: ImageDefaults,
    /// `SHELL`, which goes before a command that is no list.
    shell: Option<Vec<String>>,
    /// `ARG`s of the stage, as far as they have values.
    args: BTreeMap<String, String>,
    /// What it is built on, outside of this file.
    from: Option<String>,
    losses: Vec<Loss>,
    instructions_left_out: Vec<(Place, &'static str, String)>,
}

impl Image {
    fn on(from: Option<String>) -> Self {
        Self {
            room: Room::new(),
            defaults: ImageDefaults::default(),
            shell: None,
            args: BTreeMap::new(),
            from,
            losses: Vec::new(),
            instructions_left_out: Vec::new(),
        }
    }
}

pub fn read(text: &str, request: &Request) -> Result<Like, Error> {
    let file = parse_dockerfile::parse(text).map_err(|e| {
        // The parser's own message ends in the place.
        let message = e.to_string();
        let message = message.split(" at line ").next().unwrap_or(&message).to_owned();
        Error::at(Place::new(e.line(), e.column()), format!("this is not a Dockerfile: {message}"))
            .with_hint("expected an instruction, such as FROM, RUN, USER or CMD, and its arguments")
    })?;
    if file.instructions.len() > MOST_ENTRIES {
        return Err(Error::new(format!("it has more than {MOST_ENTRIES} instructions")));
    }
    let stages: Vec<_> = file.stages().collect();
    let index = chosen(&stages, request.select)?;
    let reader = Reader { text, file: &file, stages: &stages };
    let image = reader.stage(index, 0)?;
    let what = match (&stages[index].from.as_, stages.len()) {
        (Some((_, name)), _) => format!("stage {} of {}", name.value, request.name),
        (None, 1) => request.name.to_owned(),
        (None, _) => format!("the last stage of {}", request.name),
    };
    let mut like = Like::new(Kind::Dockerfile, what);
    like.image = image.from;
    like.losses = image.losses;
    left_out(&mut like.losses, image.instructions_left_out);
    for port in &image.defaults.exposed_ports {
        like.low_ports
            .extend(port.split('/').next().and_then(|n| n.parse().ok()).filter(|&n: &u16| n < 1024));
    }
    let spec = std::mem::take(&mut like.spec);
    like.spec = spec.with_defaults(&image.defaults).map_err(|e| {
        let error = Error::new(e.to_string());
        e.hint().map(|hint| error.clone().with_hint(hint)).unwrap_or(error)
    })?;
    // What this file leaves open, the image that it begins with may say.
    if image.defaults.entrypoint.is_empty() && image.defaults.cmd.is_empty() {
        like.spec.entrypoint = None;
    }
    Ok(like)
}

fn chosen(stages: &[Stage], select: Option<&str>) -> Result<usize, Error> {
    let Some(name) = select else { return Ok(stages.len() - 1) };
    let named = |stage: &Stage| stage.from.as_.as_ref().is_some_and(|(_, known)| known.value == name);
    let by_number = || name.parse().ok().filter(|&n: &usize| n < stages.len());
    stages.iter().position(named).or_else(by_number).ok_or_else(|| {
        let names: Vec<_> = stages
            .iter()
            .enumerate()
            .map(|(i, stage)| {
                stage.from.as_.as_ref().map_or_else(|| i.to_string(), |(_, n)| n.value.to_string())
            })
            .collect();
        Error::new(format!("it has no stage {name}")).with_hint(format!("it has {}", names.join(", ")))
    })
}

/// One loss for each kind of instruction that changes files.
fn left_out(losses: &mut Vec<Loss>, all: Vec<(Place, &'static str, String)>) {
    for keyword in ["RUN", "COPY", "ADD"] {
        let mut of_kind = all.iter().filter(|(_, known, _)| *known == keyword);
        let Some((place, _, says)) = of_kind.next() else { continue };
        let more = of_kind.count();
        let more = if more > 0 { format!(" ({more} more)") } else { String::new() };
        let why =
            format!("not done, since nothing is built{more}: name the image that was built with --base");
        losses.push(Loss { place: *place, path: keyword.into(), says: brief(says), why });
    }
    losses.sort_by_key(|loss| loss.place);
}

fn brief(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}

struct Reader<'r, 'a> {
    text: &'r str,
    file: &'r Dockerfile<'a>,
    stages: &'r [Stage<'a, 'r>],
}

impl Reader<'_, '_> {
    fn place(&self, offset: usize) -> Place {
        Place::after(&self.text.as_bytes()[..offset.min(self.text.len())])
    }

    /// ARGs before the first FROM, which FROMs may use, and stages that ask for them by name.
    fn globals(&self) -> Result<BTreeMap<String, String>, Error> {
        let mut all = BTreeMap::new();
        for arg in self.file.global_args() {
            for (name, value) in self.pairs(&arg.arguments, false)? {
                let value = value.map(|value| self.expanded(&value, &arg.arguments, &all)).transpose()?;
                all.insert(name, value.unwrap_or_default());
            }
        }
        Ok(all)
    }

    fn stage(&self, index: usize, depth: usize) -> Result<Image, Error> {
        let stage = &self.stages[index];
        let globals = self.globals()?;
        let from = self.expanded(&stage.from.image.value, &stage.from.image, &globals)?;
        if from.is_empty() {
            return Err(Error::at(self.place(stage.from.image.span.start), "FROM names no image")
                .with_hint("its ARG has no default: write `ARG NAME=VALUE` before FROM"));
        }
        let earlier = self.stages[..index].iter().position(|other| {
            other.from.as_.as_ref().is_some_and(|(_, name)| name.value.eq_ignore_ascii_case(&from))
        });
        let mut image = match earlier {
            Some(_) if depth >= MOST_STAGES => {
                let place = self.place(stage.from.image.span.start);
                return Err(Error::at(place, format!("more than {MOST_STAGES} stages build on each other")));
            }
            Some(earlier) => {
                let base = self.stage(earlier, depth + 1)?;
                Image { args: BTreeMap::new(), ..base }
            }
            None => Image::on(Some(from).filter(|name| name != "scratch")),
        };
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
                    let value = match value {
                        Some(value) => Some(self.value(&value, &arg.arguments, image)?),
                        None => globals.get(&name).cloned(),
                    };
                    if let Some(value) = value {
                        let value =
                            image.room.take(value).map_err(|why| Error::at(at(arg.arg.span.start), why))?;
                        image.args.insert(name, value);
                    }
                }
            }
            Instruction::Env(env) => {
                for (name, value) in self.pairs(&env.arguments, true)? {
                    let value = self.value(&value.unwrap_or_default(), &env.arguments, image)?;
                    image.defaults.env.retain(|(known, _)| *known != name);
                    let value =
                        image.room.take(value).map_err(|why| Error::at(at(env.env.span.start), why))?;
                    image.defaults.env.push((name, value));
                }
            }
            Instruction::User(user) => {
                let value = self.value(&unquoted(&user.arguments.value), &user.arguments, image)?;
                if value.trim().is_empty() {
                    return Err(Error::at(at(user.arguments.span.start), "USER names nobody"));
                }
                image.defaults.user = Some(value.trim().to_owned());
            }
            Instruction::Workdir(dir) => {
                let dir = self.value(&unquoted(&dir.arguments.value), &dir.arguments, image)?;
                let before = image.defaults.workdir.as_deref().unwrap_or("/");
                let whole = if dir.starts_with('/') { dir } else { format!("{before}/{dir}") };
                image.defaults.workdir = Some(mount::lexical(&whole));
            }
            Instruction::Expose(ports) => {
                for port in &ports.arguments {
                    let port = self.value(&unquoted(&port.value), port, image)?;
                    image.defaults.exposed_ports.push(port);
                }
            }
            Instruction::Volume(volume) => {
                let (JsonOrStringArray::Json(parse_dockerfile::Spanned { value: places, .. })
                | JsonOrStringArray::String(places)) = &volume.arguments;
                for place in places {
                    let place = self.value(&unquoted(&place.value), place, image)?;
                    image.defaults.volumes.push(place);
                }
            }
            Instruction::Shell(shell) => {
                image.shell = Some(shell.arguments.iter().map(|word| word.value.to_string()).collect());
            }
            Instruction::Entrypoint(entrypoint) => {
                image.defaults.entrypoint = words(&entrypoint.arguments, image);
                // A new entrypoint sets the command of the image before it aside.
                image.defaults.cmd.clear();
            }
            Instruction::Cmd(cmd) => image.defaults.cmd = words(&cmd.arguments, image),
            Instruction::Run(run) => {
                let says = &self.text[run.run.span.end..];
                image.instructions_left_out.push((at(run.run.span.start), "RUN", says.trim().to_owned()));
            }
            Instruction::Copy(copy) => {
                let says = &self.text[copy.copy.span.end..];
                image.instructions_left_out.push((at(copy.copy.span.start), "COPY", says.trim().to_owned()));
            }
            Instruction::Add(add) => {
                let says = &self.text[add.add.span.end..];
                image.instructions_left_out.push((at(add.add.span.start), "ADD", says.trim().to_owned()));
            }
            // LABEL, HEALTHCHECK, STOPSIGNAL, MAINTAINER, ONBUILD: the process does not see them.
            _ => {}
        }
        Ok(())
    }

    /// With the stage's variables: ENV goes before ARG.
    fn value(&self, text: &str, at: &UnescapedString, image: &Image) -> Result<String, Error> {
        let known = |name: &str| {
            let env =
                image.defaults.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            // What the image that it begins with has is not known; every image has this.
            let default = || (name == "PATH").then(|| PATH.to_owned());
            env.or_else(|| image.args.get(name).cloned()).or_else(default)
        };
        self.with(text, at, &mut |name| known(name))
    }

    fn expanded(
        &self,
        text: &str,
        at: &UnescapedString,
        known: &BTreeMap<String, String>,
    ) -> Result<String, Error> {
        self.with(&unquoted(text), at, &mut |name| known.get(name).cloned())
    }

    fn with(
        &self,
        text: &str,
        at: &UnescapedString,
        known: &mut dyn FnMut(&str) -> Option<String>,
    ) -> Result<String, Error> {
        expand(text, '\\', known).map_err(|message| Error::at(self.place(at.span.start), message))
    }

    /// `NAME=VALUE …`, `NAME` alone, and `ENV NAME VALUE`, as it was written once.
    fn pairs(
        &self,
        arguments: &UnescapedString,
        is_env: bool,
    ) -> Result<Vec<(String, Option<String>)>, Error> {
        let text = arguments.value.trim();
        let wrong = |message: String| Error::at(self.place(arguments.span.start), message);
        let name_end = text.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(text.len());
        if let Some(rest) = text[name_end..].strip_prefix(char::is_whitespace).filter(|_| is_env) {
            return Ok(vec![(text[..name_end].to_owned(), Some(rest.trim().to_owned()))]);
        }
        // A backslash before a dollar is for the expansion.
        let words = split(&text.replace("\\$", "\\\\$")).map_err(wrong)?;
        let pair = |word: String| match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        Ok(words.into_iter().map(pair).collect())
    }
}

/// docker's own, where an image says none.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn unquoted(text: &str) -> String {
    text.replace(['"', '\''], "")
}

/// A list, or a line for the shell.
fn words(command: &Command, image: &Image) -> Vec<String> {
    match command {
        Command::Exec(list) => list.value.iter().map(|word| word.value.to_string()).collect(),
        Command::Shell(line) => {
            let shell = image.shell.clone().unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into()]);
            shell.into_iter().chain([line.value.to_string()]).collect()
        }
        _ => Vec::new(),
    }
}
