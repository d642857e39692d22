//! A Dockerfile or Containerfile: what the image that is built from it says of how it runs.
//!
//! Nothing is built: RUN, COPY and ADD are not done, which is a loss as long as no `--base` names the image that was built.

mod heredoc;
mod lex;
pub mod open;
mod stage;

use super::error::{Error, Place};
use super::{Kind, Like, Loss, MOST_ENTRIES, Request};
use parse_dockerfile::{Dockerfile, Stage};
use stage::{Image, Reader};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// `--build-arg`, by name.
pub type Arguments = BTreeMap<String, String>;

/// `arguments` go before the defaults of the file's ARGs.
pub fn read(text: &str, request: &Request, arguments: &Arguments) -> Result<Like, Error> {
    let text = &*without_nothing(text);
    let instructions = heredoc::blanked(text, escape(text))?;
    let file = parsed(&instructions)?;
    let stages: Vec<_> = file.stages().collect();
    let index = chosen(&stages, request.select)?;
    let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
    let lines = std::iter::once(0).chain(ends).collect();
    let escape = escape(text);
    let reader = Reader { text, lines, file: &file, stages: &stages, escape, arguments };
    let image = reader.stage(index, 0)?;
    let what = match (&stages[index].from.as_, stages.len()) {
        (Some((_, name)), _) => format!("stage {} of {}", name.value, request.name),
        (None, 1) => request.name.to_owned(),
        (None, _) => format!("the last stage of {}", request.name),
    };
    let mut like = Like::new(Kind::Dockerfile, what);
    finish(&mut like, text, image)?;
    Ok(like)
}

/// What `# escape=` says, among the directives that begin a file.
fn escape(text: &str) -> char {
    let directives = text.lines().map_while(|line| line.trim().strip_prefix('#')?.split_once('='));
    let said = directives.filter(|(name, _)| name.trim().eq_ignore_ascii_case("escape"));
    said.map(|(_, value)| value.trim()).find(|value| *value == "`").map_or('\\', |_| '`')
}

fn parsed(text: &str) -> Result<Dockerfile<'_>, Error> {
    if let Some(at) = text.find('\0') {
        return Err(Error::at(Place::after(&text.as_bytes()[..at]), "a Dockerfile cannot hold a NUL byte"));
    }
    let file = parse_dockerfile::parse(text).map_err(|e| {
        // The parser's own message ends in the place.
        let message = e.to_string();
        let message = message.split(" at line ").next().unwrap_or(&message).to_owned();
        Error::at(Place::new(e.line(), e.column()), format!("this is not a Dockerfile: {message}"))
            .with_hint("expected an instruction, such as FROM, RUN, USER or CMD, and its arguments")
    })?;
    match file.instructions.len() > MOST_ENTRIES {
        true => Err(Error::new(format!("it has more than {MOST_ENTRIES} instructions"))),
        false => Ok(file),
    }
}

/// `ENTRYPOINT []`, which takes back that of the image, is one that the parser does not know: it is read as a list of nothing.
fn without_nothing(text: &str) -> Cow<'_, str> {
    let takes_back = |line: &str| {
        let line = line.trim();
        let keyword = line.get(..10).is_some_and(|word| word.eq_ignore_ascii_case("ENTRYPOINT"));
        keyword && line[10..].split_whitespace().collect::<String>() == "[]"
    };
    if !text.lines().any(takes_back) {
        return Cow::Borrowed(text);
    }
    let line = |line: &str| match takes_back(line) {
        true => line.replace('[', "[\"\""),
        false => line.to_owned(),
    };
    Cow::Owned(text.split_inclusive('\n').map(line).collect())
}

/// What the image that is built says, as far as the file tells.
fn finish(like: &mut Like, text: &str, mut image: Image) -> Result<(), Error> {
    like.image = image.from;
    like.losses = image.losses;
    left_out(&mut like.losses, text, image.instructions_left_out);
    let defaults = &mut image.defaults;
    for port in &defaults.exposed_ports {
        like.low_ports
            .extend(port.split('/').next().and_then(|n| n.parse().ok()).filter(|&n: &u16| n < 1024));
    }
    like.open.user = defaults.user.take_if(|user| open::is_open(user));
    like.open.workdir = defaults.workdir.take_if(|dir| open::is_open(dir));
    like.open.env = defaults.env.iter().filter(|(_, value)| open::is_open(value)).cloned().collect();
    for (_, value) in &mut defaults.env {
        *value = open::fill(value, &|_| None);
    }
    let spec = std::mem::take(&mut like.spec);
    like.spec = spec.with_defaults(defaults).map_err(|e| {
        let error = Error::new(e.to_string());
        e.hint().map(|hint| error.clone().with_hint(hint)).unwrap_or(error)
    })?;
    // What this file leaves open, the image that it begins with may say.
    if !image.says_entrypoint {
        like.spec.entrypoint = None;
    }
    Ok(())
}

fn chosen(stages: &[Stage], select: Option<&str>) -> Result<usize, Error> {
    let Some(name) = select else { return Ok(stages.len() - 1) };
    let named = |stage: &Stage| {
        stage.from.as_.as_ref().is_some_and(|(_, known)| known.value.eq_ignore_ascii_case(name))
    };
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
fn left_out(losses: &mut Vec<Loss>, text: &str, all: Vec<(usize, &'static str, String)>) {
    for keyword in ["RUN", "COPY", "ADD"] {
        let mut of_kind = all.iter().filter(|(_, known, _)| *known == keyword);
        let Some((offset, _, says)) = of_kind.next() else { continue };
        let more = of_kind.count();
        let more = if more > 0 { format!(" ({more} more)") } else { String::new() };
        let why =
            format!("not done, since nothing is built{more}: name the image that was built with --base");
        let place = Place::after(&text.as_bytes()[..*offset]);
        losses.push(Loss { place, path: keyword.into(), says: says.clone(), why });
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
