//! The config of an image: as the OCI image specification has it, and as `docker inspect` and `podman inspect` print it.

use super::error::Error;
use super::fields::{At, Fields};
use super::yaml::Node;
use super::{Kind, Like, Request};
use crate::{Spec, image::ImageDefaults};

pub fn read(documents: &[Node], request: &Request) -> Result<Like, Error> {
    let document = &documents[0];
    let top = match document.list() {
        Some([one]) => At::new(one, "[0]"),
        Some(_) => return Err(Error::at(document.place, "expected one image, found several or none")),
        None => At::new(document, ""),
    };
    let mut outer = top.map()?;
    let inner = outer.get("config").or_else(|| outer.get("Config"));
    let mut config = inner.as_ref().unwrap_or(&top).map()?;
    let mut like = Like::new(Kind::Image, format!("the config of an image, {}", request.name));
    let image = defaults(&mut config)?;
    for port in &image.exposed_ports {
        let number = port.split('/').next().and_then(|number| number.parse().ok());
        like.low_ports.extend(number.filter(|&port: &u16| port < 1024));
    }
    like.spec = Spec::default().with_defaults(&image).map_err(|e| Error::at(config.place, e.to_string()))?;
    config.ignore(&[
        "ArgsEscaped",
        "AttachStderr",
        "AttachStdin",
        "AttachStdout",
        "Domainname",
        "Healthcheck",
        "Hostname",
        "Image",
        "Labels",
        "MacAddress",
        "NetworkDisabled",
        "OnBuild",
        "OpenStdin",
        "Shell",
        "StdinOnce",
        "StopSignal",
        "StopTimeout",
        "Tty",
        "Memory",
        "MemorySwap",
        "CpuShares",
    ]);
    config.rest(&mut like.losses);
    Ok(like)
}

fn defaults(config: &mut Fields) -> Result<ImageDefaults, Error> {
    let texts = |at: Option<At>| at.map_or(Ok(Vec::new()), |at| at.texts());
    let names = |at: Option<At>| -> Result<Vec<String>, Error> {
        let Some(at) = at else { return Ok(Vec::new()) };
        Ok(at.entries()?.into_iter().map(|(key, _)| key.name.clone()).collect())
    };
    let mut env = Vec::new();
    if let Some(at) = config.get("Env") {
        for one in at.list()? {
            let (name, value) =
                one.text()?.split_once('=').ok_or_else(|| one.error("expected NAME=VALUE"))?;
            env.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(ImageDefaults {
        user: config.get("User").map(|at| at.scalar()).transpose()?.map(str::to_owned),
        env,
        workdir: config.text("WorkingDir")?.map(str::to_owned),
        entrypoint: texts(config.get("Entrypoint"))?,
        cmd: texts(config.get("Cmd"))?,
        volumes: names(config.get("Volumes"))?,
        exposed_ports: names(config.get("ExposedPorts"))?,
        ..ImageDefaults::default()
    })
}
