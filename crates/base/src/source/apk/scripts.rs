//! What packages do when they are installed, as one script that runs in the root: of each package, in the order of installing,
//! what comes before its files and what comes behind them; then the triggers.
//!
//! All files are there from the beginning. Those of users whom only a script makes get their owner once that has run.

use super::contents::show;
use super::database::script_name;
use super::tree::{Part, Tree};
use crate::{Error, ErrorKind, PackKind, Result, Script};
use std::collections::BTreeSet;
use std::time::Duration;

/// Begins each script. Nothing but busybox is sure to be there, and its applets have no names yet.
const BEGIN: &str = r#"set -e
umask 022
cd /
b=/bin/busybox
[ -x $b ] || { echo "the root has no $b" >&2; exit 1; }
scripts=/lib/apk/exec/rootlet
$b mkdir -p $scripts
$b tar -xf /lib/apk/db/scripts.tar -C $scripts

# script FILE ARGUMENT...
script() {
    file=$1
    shift
    "$scripts/$file" "$@" || { echo "$file ended with $?" >&2; exit 1; }
}

# id TABLE NAME ELSE
id() {
    found=$($b sed -n "s/^$2:[^:]*:\([0-9]*\):.*/\1/p;s/^$2:[^:]*:\([0-9]*\)$/\1/p" /etc/$1 | $b head -n 1)
    echo "${found:-$3}"
}

# trigger FILE DIRECTORY...
trigger() {
    file=$1
    shift
    for directory do
        shift
        [ ! -d "$directory" ] || set -- "$@" "$directory"
    done
    [ $# -eq 0 ] || script "$file" "$@"
}

"#;

/// The script of all of them; `None` where no package has one.
///
/// Errors: a file whose owner a script makes has a name that is no text.
pub(super) fn script(
    parts: &[Part<'_>],
    tree: &Tree,
    name: &str,
    epoch: u64,
    time: Duration,
) -> Result<Option<Script>> {
    let mut text = String::new();
    for (at, part) in parts.iter().enumerate().filter(|(_, part)| part.is_installed) {
        if has(part, "pre-install") {
            text += &run(part, "pre-install");
        }
        text += &owners(part, at, tree)?;
        if has(part, "post-install") {
            text += &run(part, "post-install");
        }
    }
    text += &owners_in_database(parts);
    for part in parts.iter().filter(|part| has(part, "trigger") && part.is_installed) {
        // `+` asks to be told of directories that have new files: here all have.
        let patterns = part.opened.triggers.iter().map(|pattern| pattern.trim_start_matches('+'));
        let patterns: Vec<String> = patterns.map(unquoted).collect();
        text += &format!("trigger {} {}\n", quoted(&script_name(part, "trigger")), patterns.join(" "));
    }
    if text.is_empty() {
        return Ok(None);
    }
    Ok(Some(Script {
        what: format!("configure the packages of {name}"),
        text: format!("{BEGIN}{text}$b rm -rf $scripts\n"),
        env: Vec::new(),
        network: false,
        time,
        epoch,
        leave_out: Vec::new(),
    }))
}

fn has(part: &Part<'_>, kind: &str) -> bool {
    part.opened.scripts.iter().any(|script| script.kind == kind)
}

fn run(part: &Part<'_>, kind: &str) -> String {
    format!("script {} {}\n", quoted(&script_name(part, kind)), quoted(&part.package.version))
}

/// Gives a package's files to users that were not there when the files were laid out.
fn owners(part: &Part<'_>, at: usize, tree: &Tree) -> Result<String> {
    let mut text = String::new();
    for item in part.items.iter().filter(|item| item.owner.names.iter().any(|name| !name.is_empty())) {
        let owner = &item.owner;
        let is_here = match item.kind {
            PackKind::Directory => {
                tree.directories.get(&item.path).is_some_and(|found| found.owner == *owner)
            }
            _ => tree.others.get(&item.path) == Some(&at),
        };
        if !is_here {
            continue;
        }
        let path = std::str::from_utf8(&item.path).map_err(|_| {
            let what = format!(
                "`{}` belongs to a user that a script makes, and its name is no text",
                show(&item.path)
            );
            Error::new(ErrorKind::Unsupported, what)
        })?;
        let path = quoted(&format!("/{path}"));
        let [user, group] = &owner.names;
        let of = |table: &str, name: &str, id: u32| match name {
            "" => id.to_string(),
            name => format!("$(id {table} {name} {id})"),
        };
        let (user, group) = (of("passwd", user, owner.uid), of("group", group, owner.gid));
        text += &format!("$b chown -h {user}:{group} {path}\n");
        // The kernel takes these rights away from what changes hands.
        if owner.mode & 0o6000 != 0 {
            text += &format!("$b chmod {:o} {path}\n", owner.mode);
        }
    }
    Ok(text)
}

/// Puts ids in the place of names in apk's database.
fn owners_in_database(parts: &[Part<'_>]) -> String {
    let installed = parts.iter().filter(|part| part.is_installed);
    let owners: Vec<_> = installed.flat_map(|part| &part.items).map(|item| &item.owner).collect();
    let users: BTreeSet<_> = owners.iter().map(|owner| (&owner.names[0], owner.uid)).collect();
    let groups: BTreeSet<_> = owners.iter().map(|owner| (&owner.names[1], owner.gid)).collect();
    let line = |before: &str, table: &str, name: &str, id: u32| {
        format!(
            "$b sed -i \"s/^\\([aM]:{before}\\){name}:/\\1$(id {table} {name} {id}):/\" /lib/apk/db/installed\n"
        )
    };
    let named = |(name, _): &&(&String, u32)| !name.is_empty();
    let users = users.iter().filter(named).map(|(name, id)| line("", "passwd", name, *id));
    let groups = groups.iter().filter(named).map(|(name, id)| line("[^:]*:", "group", name, *id));
    users.chain(groups).collect()
}

/// A word for the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A pattern for the shell, in which nothing but `*`, `?` and sets means anything.
fn unquoted(pattern: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/*?[]._+-".contains(c);
    pattern.chars().map(|c| if plain(c) { c.to_string() } else { quoted(&c.to_string()) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_words() {
        assert_eq!(quoted("a'b $(x)"), r"'a'\''b $(x)'");
        assert_eq!(unquoted("/lib/*/$(x)"), "/lib/*/'$''('x')'");
    }
}
