//! What a Dockerfile leaves open: values with variables that it does not set. The image that it begins with may have them, or an
//! argument of the build, and both are known only once there is a base.

use super::super::Like;
use crate::{ImageDefaults, UserSpec, mount};

/// What an image without a PATH of its own is given by docker.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The values that are open. In each, names of variables stand between two of these marks, which no text has.
#[derive(Clone, Debug, Default)]
pub struct Open {
    /// ENV.
    pub env: Vec<(String, String)>,
    /// USER.
    pub user: Option<String>,
    /// WORKDIR.
    pub workdir: Option<String>,
}

const MARK: char = '\0';

pub fn mark(name: &str) -> String {
    format!("{MARK}{name}{MARK}")
}

pub fn is_open(text: &str) -> bool {
    text.contains(MARK)
}

/// The names that are left open, of each the first.
pub fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(MARK).skip(1).step_by(2)
}

/// With the variables that are known now; the others are empty, and PATH is docker's.
pub fn fill(text: &str, known: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    for (i, part) in text.split(MARK).enumerate() {
        match i % 2 {
            0 => out.push_str(part),
            _ => out.push_str(
                &known(part).unwrap_or_else(|| if part == "PATH" { PATH.into() } else { String::new() }),
            ),
        }
    }
    out
}

/// Whether a value is what this text gives for some values of its variables.
fn gives(text: &str, value: &str) -> bool {
    let parts: Vec<&str> = text.split(MARK).step_by(2).collect();
    let [first, middle @ .., last] = &parts[..] else { return text == value };
    let Some(rest) = value.strip_prefix(first) else { return false };
    let Some(mut rest) = rest.strip_suffix(last) else { return false };
    middle.iter().all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

impl Open {
    /// Completes `spec` by what the base says. A base that was built from the file has the values already; one that the
    /// file begins with has the variables that they are made of.
    pub fn complete(&self, like: &Like, spec: &mut crate::Spec, image: &ImageDefaults) {
        let of_image = |name: &str| {
            image.env.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        };
        for (name, text) in &self.env {
            // Whoever says another value means it.
            let as_read = |all: &[(String, String)]| all.iter().position(|(known, _)| known == name);
            let (Some(at), Some(read)) = (as_read(&spec.env), as_read(&like.spec.env)) else { continue };
            if spec.env[at].1 != like.spec.env[read].1 || fill(text, &|_| None) != spec.env[at].1 {
                continue;
            }
            match of_image(name).filter(|value| gives(text, value)) {
                Some(_) => drop(spec.env.remove(at)),
                None => spec.env[at].1 = fill(text, &of_image),
            }
        }
        let all_known = |text: &&String| names(text).all(|name| of_image(name).is_some());
        if spec.user.is_none()
            && let Some(text) = self.user.as_ref().filter(all_known)
        {
            spec.user = fill(text, &of_image).trim().parse::<UserSpec>().ok();
        }
        if spec.workdir.is_none()
            && let Some(text) = self.workdir.as_ref().filter(all_known)
        {
            spec.workdir = Some(mount::lexical(&format!("/{}", fill(text, &of_image))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_open() {
        let path = format!("/app/bin:{}:/x", mark("PATH"));
        assert_eq!(names(&path).collect::<Vec<_>>(), ["PATH"]);
        assert_eq!(fill(&path, &|_| Some("/bin".into())), "/app/bin:/bin:/x");
        assert_eq!(fill(&mark("A"), &|_| None), "");
        assert!(gives(&path, "/app/bin:/usr/bin:/x") && gives(&path, "/app/bin::/x"));
        assert!(!gives(&path, "/usr/bin:/x") && !gives(&path, "/app/bin:/x"));
        let two = format!("{}/a/{}", mark("A"), mark("B"));
        assert!(gives(&two, "/x/a/y") && !gives(&two, "/x/b/y"));
    }
}
