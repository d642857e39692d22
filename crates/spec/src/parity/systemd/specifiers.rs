//! Specifiers (systemd.unit(5)): `%i`, `%n`, `%t` and so on.

use super::super::Loss;
use super::unit::Assignment;
use super::{loss, names};

/// What the name of the unit gives: `%n`, `%p`, `%i`.
pub struct Specifiers {
    full: String,
    pub prefix: String,
    pub instance: String,
}

impl Specifiers {
    pub fn of(file: &str) -> Self {
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        let (prefix, instance) = stem.split_once('@').unwrap_or((stem, ""));
        Self { full: file.into(), prefix: prefix.into(), instance: instance.into() }
    }

    /// Specifiers (systemd.unit(5)). Those of the machine stay as they stand, which is a loss.
    pub fn expand(&self, a: &mut Assignment, losses: &mut Vec<Loss>) {
        if !a.value.contains('%') {
            return;
        }
        let mut out = String::new();
        let mut chars = a.value.chars();
        // A line is taken apart before its specifiers are expanded, so what they give is not taken apart.
        let whole = ["User", "Group", "WorkingDirectory", "EnvironmentFile"].contains(&a.key.as_str());
        let kept = |name: &str| if whole { name.to_owned() } else { name.replace('\\', "\\\\") };
        let (mut unknown, mut nameless) = (false, false);
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some('%') | None => out.push('%'),
                Some('n') => out.push_str(&kept(&self.full)),
                Some('N') => {
                    out.push_str(&kept(self.full.rsplit_once('.').map_or(&self.full, |(stem, _)| stem)));
                }
                Some('p') => out.push_str(&kept(&self.prefix)),
                Some('P') => out.push_str(&unescaped(&self.prefix)),
                Some('i' | 'I') if self.is_template() => nameless = true,
                Some('i') => out.push_str(&kept(&self.instance)),
                Some('I') => out.push_str(&unescaped(&self.instance)),
                Some('j' | 'J') => out.push_str(&kept(self.prefix.rsplit('-').next().unwrap_or_default())),
                Some('t') => out.push_str("/run"),
                Some('S') => out.push_str("/var/lib"),
                Some('C') => out.push_str("/var/cache"),
                Some('L') => out.push_str("/var/log"),
                Some('E') => out.push_str("/etc"),
                Some('T') => out.push_str("/tmp"),
                Some('V') => out.push_str("/var/tmp"),
                Some('H' | 'l' | 'q') => out.push_str("rootlet"),
                // Of who runs the manager, not of `User=`.
                Some('u' | 'g') => out.push_str("root"),
                Some('U' | 'G') => out.push('0'),
                Some('h') => out.push_str("/root"),
                Some('f') if !self.is_template() => {
                    let name = if self.instance.is_empty() { &self.prefix } else { &self.instance };
                    out.push_str(&format!("/{}", unescaped(name)));
                }
                Some(other) => {
                    unknown = true;
                    out.extend(['%', other]);
                }
            }
        }
        let exec = a.key.starts_with("Exec") || a.section != "Service";
        let unseen = exec && a.key != "ExecStart" || names::SUPERVISION.contains(&a.key.as_str());
        if unknown && !unseen {
            losses.push(loss(a, "it has a specifier that only the machine knows"));
        }
        if nameless && !unseen {
            losses.push(loss(
                a,
                "the instance has no name here, so it is empty: name the file (or a link to it) NAME@INSTANCE.service",
            ));
        }
        a.value = out;
    }

    /// `NAME@.service`, of which instances are started.
    fn is_template(&self) -> bool {
        self.instance.is_empty() && self.full.contains('@')
    }
}

/// `a-b\x2dc` as `a/b-c` (systemd-escape(1)).
fn unescaped(name: &str) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some(at) = rest.find(['-', '\\']) {
        out.push_str(&rest[..at]);
        let found = &rest[at..];
        let byte = found.strip_prefix("\\x").and_then(|hex| u8::from_str_radix(hex.get(..2)?, 16).ok());
        rest = match byte.filter(u8::is_ascii) {
            Some(byte) => {
                out.push(char::from(byte));
                &found[4..]
            }
            None => {
                out.push(if found.starts_with('-') { '/' } else { '\\' });
                &found[1..]
            }
        };
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_instances() {
        assert_eq!(unescaped(r"dev-disk-by\x2did"), "dev/disk/by-id");
        assert_eq!(unescaped(r"a\xZZ\"), r"a\xZZ\");
    }
}
