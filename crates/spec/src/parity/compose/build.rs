//! What the Dockerfile of a service says of the image that is built.

use super::super::error::{Error, Place};
use super::super::fields::{At, Fields};
use super::super::{Kind, Like, Request, dockerfile};
use super::interpolate::Variables;
use super::{environment, read_text};
use std::path::Path;

/// What says how it is built, and where what is built goes.
const BUILDING: &[&str] = &[
    "additional_contexts",
    "cache_from",
    "cache_to",
    "entitlements",
    "extra_hosts",
    "isolation",
    "labels",
    "network",
    "no_cache",
    "platforms",
    "privileged",
    "provenance",
    "pull",
    "sbom",
    "secrets",
    "shm_size",
    "ssh",
    "tags",
    "ulimits",
];

pub fn read(build: &At, image: Option<&str>, project: &Variables, request: &Request) -> Result<Like, Error> {
    let mut losses = vec![build.loss("nothing is built: name the image that was built with --base")];
    let mut arguments = dockerfile::Arguments::new();
    let (context, file, target, inline) = match build.node.text() {
        Some(text) => (text, "Dockerfile", None, None),
        None => {
            let mut fields = build.map()?;
            arguments = given(&mut fields, project)?;
            let context = fields.text("context")?.unwrap_or(".");
            let file = fields.text("dockerfile")?.unwrap_or("Dockerfile");
            let (target, inline) = (fields.text("target")?, fields.text("dockerfile_inline")?);
            fields.ignore(BUILDING);
            fields.ignore_prefix("x-");
            fields.rest(&mut losses);
            (context, file, target.filter(|target| !target.is_empty()), inline)
        }
    };
    let path = Path::new(context).join(file);
    let is_elsewhere = context.contains("://") || context.starts_with("git@");
    let text = match inline {
        Some(text) => Some(text.to_owned()),
        None if is_elsewhere => None,
        None => read_text(build, &path, request)?,
    };
    let mut like = match &text {
        Some(text) => {
            let request = Request { name: "the Dockerfile", select: target, ..*request };
            dockerfile::read(text, &request, &arguments)
                .map_err(|e| build.error(format!("{}: {e}", path.display())))?
        }
        None => Like::new(Kind::Compose, ""),
    };
    // What is not done is said already; the places of the others are those of another file.
    like.losses.retain(|loss| !["RUN", "COPY", "ADD"].contains(&loss.path.as_str()));
    for loss in &mut like.losses {
        loss.place = Place::default();
        loss.path = format!("{}: {}", path.display(), loss.path);
    }
    like.losses.extend(losses);
    if let Some(image) = image {
        like.image = Some(image.to_owned());
    }
    Ok(like)
}

/// `args`: a name alone has the value that the project has.
fn given(fields: &mut Fields, project: &Variables) -> Result<dockerfile::Arguments, Error> {
    let mut all = dockerfile::Arguments::new();
    if let Some(at) = fields.get("args") {
        for (name, value, _) in environment::pairs(&at)? {
            if let Some(value) = value.or_else(|| project.get(&name)) {
                all.insert(name, value);
            }
        }
    }
    Ok(all)
}
