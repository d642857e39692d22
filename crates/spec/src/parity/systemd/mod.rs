//! A service of systemd and its drop-ins, as systemd.exec(5) runs it.

mod capabilities;
mod env;
mod files;
mod limits;
mod names;
mod specifiers;
mod unit;
mod words;

use super::error::{Error, Place};
use super::{Kind, Like, Loss, Request, Room};
use crate::{GroupSpec, Memberships, Net, User, UserSpec, caps, mode};
use specifiers::Specifiers;
use std::path::Path;
use unit::{Assignment, Settings};

pub fn read(text: &str, request: &Request) -> Result<Like, Error> {
    let mut all = unit::parse(text, None)?;
    let file = request.name.rsplit('/').next().unwrap_or(request.name);
    // Beside the unit, in the order of their names.
    let directory = format!("{file}.d");
    for name in request.around.list(Path::new(&directory)) {
        if !name.ends_with(".conf") {
            continue;
        }
        let name = format!("{directory}/{name}");
        let bytes =
            request.around.read(Path::new(&name)).map_err(|why| Error::new(format!("{name}: {why}")))?;
        let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
        all.extend(unit::parse(&text, Some(&name))?);
    }
    if let Some(name) = request.select {
        return Err(Error::new(format!("a unit has no part {name}")).with_hint("leave `#` and the name out"));
    }
    let specifiers = Specifiers::of(file);
    let mut losses = Vec::new();
    for assignment in &mut all {
        specifiers.expand(assignment, &mut losses);
    }
    let known = ["Unit", "Service", "Install"];
    if !all.iter().any(|assignment| assignment.section == "Service") {
        return Err(Error::new("the unit has no [Service]")
            .with_hint("expected a unit that runs a program: NAME.service"));
    }
    for assignment in
        all.iter().filter(|a| !known.contains(&a.section.as_str()) && !a.section.starts_with("X-"))
    {
        losses.push(loss(assignment, "no such section is known, so it has no effect"));
    }
    if request.around.directory().ends_with("systemd/user") {
        let why = "a unit of a user's own manager, which runs it as whoever is logged in: give that user with --user";
        losses.push(Loss {
            place: Place::default(),
            path: file.to_owned(),
            says: String::new(),
            why: why.into(),
        });
    }
    let mut settings = Settings::of("Service", all);
    let mut like = Like::new(Kind::Systemd, file.to_owned());
    like.losses = losses;
    service(&mut like, &mut settings, &specifiers, request)?;
    for key in names::SUPERVISION.iter().chain(names::SO_ALREADY) {
        settings.take(key);
    }
    let nearest = |key: &str| crate::similar::nearest(key, names::KNOWN.iter().copied()).map(str::to_owned);
    like.losses.extend(settings.rest().map(|a| {
        let why = match (names::not_applied(&a.key), nearest(&a.key)) {
            (Some(why), _) => why.to_owned(),
            (None, Some(name)) => format!("no such setting is known; did you mean {name}?"),
            (None, None) => "no such setting is known, so it has no effect".into(),
        };
        loss(&a, why)
    }));
    like.losses.sort_by(|a, b| (a.place, &a.path).cmp(&(b.place, &b.path)));
    Ok(like)
}

fn loss(a: &Assignment, why: impl Into<String>) -> Loss {
    let path = a.file.as_ref().map_or(a.key.clone(), |file| format!("{file}: {}", a.key));
    let says: String = a.value.chars().take(60).collect();
    Loss { place: a.place, path, says, why: why.into() }
}

fn service(
    like: &mut Like,
    settings: &mut Settings,
    specifiers: &Specifiers,
    request: &Request,
) -> Result<(), Error> {
    let spec = &mut like.spec;
    // A service has no filter, all capabilities, and may raise its rights, unless it says otherwise.
    spec.seccomp_unconfined = true;
    spec.allow_new_privileges = true;
    spec.memberships = Memberships::Merge;
    let dynamic = settings.truth("DynamicUser")?.unwrap_or(false);
    identity(like, settings, specifiers, dynamic)?;
    capabilities::read(like, settings)?;
    // What a dynamic user implies cannot be taken back (systemd.exec(5)).
    let no_new = settings.truth("NoNewPrivileges")?.unwrap_or(false);
    like.spec.allow_new_privileges = !(no_new || dynamic);
    if let Some(a) = settings.last("UMask") {
        like.spec.umask = Some(mode::parse_umask(&a.value).map_err(|e| a.error(e.reason()))?);
    }
    env::read(like, settings, request)?;
    files::read(like, settings, dynamic)?;
    limits::read(like, settings)?;
    if settings.truth("PrivateNetwork")? == Some(true) {
        like.spec.net = Net::Private;
    }
    command(like, settings)
}

/// A dynamic user's numbers are of this range (systemd's own constants).
const DYNAMIC: std::ops::Range<u32> = 61184..65520;

fn identity(
    like: &mut Like,
    settings: &mut Settings,
    specifiers: &Specifiers,
    dynamic: bool,
) -> Result<(), Error> {
    let group = settings.last("Group");
    let parsed = |a: &Assignment| a.value.parse::<GroupSpec>().map_err(|e| a.error(e.reason()));
    let group = group.as_ref().map(parsed).transpose()?;
    let user = settings.last("User");
    like.spec.user = match &user {
        None if dynamic => Some(dynamic_user(&specifiers.prefix)),
        None => Some(UserSpec::Id(0, group.clone())),
        Some(a) => match a.value.parse::<UserSpec>().map_err(|e| a.error(e.reason()))? {
            // A name that the machine has is that user, and each has these.
            UserSpec::Name(name, _) if dynamic && !matches!(&*name, "root" | "nobody") => {
                Some(dynamic_user(&name))
            }
            UserSpec::Name(name, _) => Some(UserSpec::Name(name, group.clone())),
            UserSpec::Id(uid, _) => Some(UserSpec::Id(uid, group.clone())),
            UserSpec::Account(_) => return Err(a.error("expected a name or a number")),
        },
    };
    login(like, group.as_ref());
    for a in settings.take("SupplementaryGroups") {
        for word in a.words()? {
            like.spec.groups.push(word.parse().map_err(|e: crate::ParseError| a.error(e.reason()))?);
        }
    }
    Ok(())
}

/// What comes with an account: its memberships and variables. systemd looks for neither where no `User=` is said (systemd.exec(5),
/// "Environment variables in spawned processes"), nor for memberships where the group is root's.
fn login(like: &mut Like, group: Option<&GroupSpec>) {
    let is_roots = |group: &GroupSpec| match group {
        GroupSpec::Id(gid) => *gid == 0,
        GroupSpec::Name(name) => name == "root",
    };
    let (name, is_root) = match &like.spec.user {
        Some(UserSpec::Name(name, _)) => (Some(name.clone()), name == "root"),
        Some(UserSpec::Account(user)) => (Some(user.name.clone()), false),
        Some(UserSpec::Id(uid, _)) => (None, *uid == 0),
        None => (None, true),
    };
    if group.map_or(is_root, is_roots) {
        like.spec.memberships = Memberships::Strict;
    }
    // docker's own.
    like.spec.env_remove.push("HOSTNAME".into());
    if matches!(like.spec.user, Some(UserSpec::Account(_) | UserSpec::Id(0, _))) {
        like.spec.env_remove.push("HOME".into());
    }
    for variable in ["USER", "LOGNAME"] {
        like.spec.env.extend(name.clone().map(|name| (variable.to_owned(), name)));
    }
}

/// Made while it runs, and known by name to who asks nss-systemd(8): here by a line in `/etc/passwd`.
fn dynamic_user(name: &str) -> UserSpec {
    // Any number of the range, but the same one each time.
    let mixed =
        name.bytes().fold(2_166_136_261_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619));
    let uid = DYNAMIC.start + mixed % (DYNAMIC.end - DYNAMIC.start);
    UserSpec::Account(User {
        home: "/".into(),
        shell: "/usr/sbin/nologin".into(),
        ..User::new(name, uid, uid)
    })
}

/// The last ExecStart, without what its first characters ask of systemd.
fn command(like: &mut Like, settings: &mut Settings) -> Result<(), Error> {
    let mut all = settings.take("ExecStart");
    let Some(a) = all.pop() else { return Ok(()) };
    for earlier in &all {
        like.losses.push(loss(earlier, "one command runs: the last one"));
    }
    let line = a.value.trim_start_matches(['@', '-', ':', '+', '!', '|']);
    let prefix = &a.value[..a.value.len() - line.len()];
    if prefix.contains(['+', '!']) {
        like.losses.push(loss(&a, "it runs as the user all the same, without more rights"));
    }
    let mut commands = words::commands(line).map_err(|why| a.error(why))?;
    let mut words = commands.pop().unwrap_or_default();
    if !commands.is_empty() {
        like.losses.push(loss(&a, "one command runs: the last one"));
    }
    if prefix.contains('@') && words.len() > 1 {
        words.remove(1);
    }
    let env = &like.spec.env;
    let known = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    if !prefix.contains(':') {
        let mut room = Room::new();
        let mut expanded = Vec::new();
        for word in words {
            for word in in_place_of(word, &known) {
                expanded.push(room.take(word).map_err(|why| a.error(why))?);
            }
        }
        words = expanded;
    }
    like.spec.entrypoint = Some(Vec::new());
    like.spec.command = words;
    Ok(())
}

/// The words that stand in place of one: `$NAME` for none or several, as systemd.service(5) has it, anything else for one.
fn in_place_of(word: String, known: &impl Fn(&str) -> Option<String>) -> Vec<String> {
    let name = word
        .strip_prefix('$')
        .filter(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    if let Some(name) = name {
        let value = known(name).unwrap_or_default();
        let blank = || value.split_whitespace().map(str::to_owned).collect();
        return words::split(&value).unwrap_or_else(|_| blank());
    }
    // What names no variable of the unit is the shell's affair.
    vec![super::words::expand(&word, '$', &mut |name| known(name)).unwrap_or(word)]
}

/// A capability by its name, for the settings that list them.
fn capability(a: &Assignment, name: &str) -> Result<String, Error> {
    caps::parse(name).map_err(|e| {
        let error = a.error(e.to_string());
        e.hint().map(|hint| error.clone().with_hint(hint)).unwrap_or(error)
    })
}
