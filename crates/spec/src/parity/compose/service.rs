//! A service of Compose, as docker runs it.

use super::super::error::Error;
use super::super::fields::{At, Fields};
use super::super::words::split;
use super::super::yaml::Value;
use super::super::{Kind, Like, Request, dockerfile};
use super::interpolate::dotenv;
use super::{Named, one_or_many, read_text, volumes};
use crate::{Net, SecurityOpt, Ulimit, caps, limits, mount, net};
use std::path::{Path, PathBuf};

/// What the process does not see.
const SUPERVISION: &[&str] = &[
    "annotations",
    "attach",
    "container_name",
    "cpu_shares",
    "depends_on",
    "develop",
    "domainname",
    "expose",
    "extends",
    "healthcheck",
    "init",
    "labels",
    "label_file",
    "links",
    "logging",
    "mem_reservation",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "platform",
    "post_stop",
    "pre_stop",
    "profiles",
    "pull_policy",
    "restart",
    "scale",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "tty",
];

pub fn read(at: &At, name: &str, named: &Named, request: &Request) -> Result<Like, Error> {
    let mut service = at.map()?;
    let image = service.text("image")?.map(str::to_owned);
    let mut like = match service.get("build") {
        Some(build) => built(&build, image.as_deref(), request)?,
        None => Like { image, ..Like::new(Kind::Compose, "") },
    };
    like.kind = Kind::Compose;
    like.what = format!("service {name}");
    like.spec.allow_new_privileges = true;
    user(&mut like, &mut service)?;
    rights(&mut like, &mut service)?;
    variables(&mut like, &mut service, request)?;
    command(&mut like, &mut service)?;
    limits_of(&mut like, &mut service)?;
    network(&mut like, &mut service)?;
    volumes::read(&mut like, &mut service, named, request)?;
    service.ignore(SUPERVISION);
    service.ignore_prefix("x-");
    for (name, why) in [
        ("cgroup", "a rootlet's cgroup is its own"),
        ("cgroup_parent", "a rootlet's cgroup is its own"),
        ("device_cgroup_rules", "the host's devices are not here"),
        ("devices", "the host's devices are not here"),
        ("dns", "/etc/resolv.conf is the host's"),
        ("extra_hosts", "/etc/hosts is rootlet's own"),
        ("gpus", "the host's devices are not here"),
        ("ipc", "a rootlet has IPC of its own"),
        ("pid", "a rootlet has processes of its own"),
        ("post_start", "it is not run"),
        ("runtime", "the runtime is rootlet"),
        ("shm_size", "/dev/shm has 64 MB"),
        ("userns_mode", "a rootlet has a user namespace of its own"),
        ("volumes_from", "volumes of other services are not here"),
    ] {
        service.lose(name, &mut like.losses, why);
    }
    service.rest(&mut like.losses);
    Ok(like)
}

/// What the Dockerfile says of the image that is built.
fn built(build: &At, image: Option<&str>, request: &Request) -> Result<Like, Error> {
    let (context, file, target) = match build.node.text() {
        Some(text) => (text, "Dockerfile", None),
        None => {
            let mut fields = build.map()?;
            let context = fields.text("context")?.unwrap_or(".");
            (context, fields.text("dockerfile")?.unwrap_or("Dockerfile"), fields.text("target")?)
        }
    };
    let path = Path::new(context).join(file);
    let text = match context.contains("://") {
        true => None,
        false => read_text(build, &path, request)?,
    };
    let why = "nothing is built: name the image that was built with --base";
    let mut like = match &text {
        Some(text) => {
            let request = Request { name: "the Dockerfile", select: target, ..*request };
            let mut like = dockerfile::read(text, &request)
                .map_err(|e| build.error(format!("{}: {e}", path.display())))?;
            // Their places are those of another file.
            like.losses.clear();
            like
        }
        None => Like::new(Kind::Compose, ""),
    };
    like.losses.push(build.loss(why));
    if let Some(image) = image {
        like.image = Some(image.to_owned());
    }
    Ok(like)
}

fn user(like: &mut Like, service: &mut Fields) -> Result<(), Error> {
    if let Some(at) = service.get("user") {
        like.spec.user = Some(at.scalar()?.parse().map_err(|e: crate::ParseError| at.error(e.to_string()))?);
    }
    for at in service.list("group_add")? {
        let group = at.scalar()?.parse().map_err(|e: crate::ParseError| at.error(e.to_string()))?;
        like.spec.groups.push(group);
    }
    if let Some(at) = service.get("working_dir") {
        like.spec.workdir = Some(mount::parse_workdir(at.text()?).map_err(|e| at.error(e.reason()))?);
    }
    if let Some(at) = service.get("hostname") {
        like.spec.hostname = Some(net::parse_hostname(at.text()?).map_err(|e| at.error(e.reason()))?);
    }
    Ok(())
}

fn rights(like: &mut Like, service: &mut Fields) -> Result<(), Error> {
    let name = |at: &At| caps::parse(at.text()?).map_err(|e| at.error(e.to_string()));
    let names = |list: Vec<At>| list.iter().map(name).collect::<Result<Vec<_>, _>>();
    like.spec.caps.add = names(service.list("cap_add")?)?;
    like.spec.caps.drop = names(service.list("cap_drop")?)?;
    like.spec.read_only = service.truth("read_only")?.unwrap_or(false);
    for at in service.list("security_opt")? {
        match at.text()?.parse::<SecurityOpt>() {
            Ok(option) => option.apply(&mut like.spec),
            Err(_) => like.losses.push(
                at.loss("rootlet's own filter stands in its place, and no label or profile is applied"),
            ),
        }
    }
    if let Some(at) = service.get("privileged")
        && at.truth()?
    {
        like.spec.caps.add = vec![caps::ALL.into()];
        like.spec.seccomp_unconfined = true;
        like.losses.push(at.loss(
            "all capabilities and no filter, but in a user namespace: the host's devices are out of reach",
        ));
    }
    Ok(())
}

fn variables(like: &mut Like, service: &mut Fields, request: &Request) -> Result<(), Error> {
    let mut all: Vec<(String, String)> = Vec::new();
    for at in one_or_many(service, "env_file")? {
        let (path, required) = match at.node.text() {
            Some(path) => (PathBuf::from(path), true),
            None => {
                let mut fields = at.map()?;
                let path = PathBuf::from(fields.required("path")?.text()?);
                (path, fields.truth("required")?.unwrap_or(true))
            }
        };
        match read_text(&at, &path, request)? {
            Some(text) => all.extend(dotenv(&text)),
            None if required => return Err(at.error(format!("{} is not there", path.display()))),
            None => {}
        }
    }
    if let Some(at) = service.get("environment") {
        let pairs: Vec<(String, Option<String>, At)> = match &at.node.value {
            Value::List(_) => at
                .list()?
                .into_iter()
                .map(|at| {
                    let text = at.scalar()?;
                    let (name, value) = text.split_once('=').map_or((text, None), |(n, v)| (n, Some(v)));
                    Ok((name.to_owned(), value.map(str::to_owned), at))
                })
                .collect::<Result<_, Error>>()?,
            _ => at
                .entries()?
                .into_iter()
                .map(|(k, at)| (k.name.clone(), at.node.text().map(str::to_owned), at))
                .collect(),
        };
        for (name, value, at) in pairs {
            if name.is_empty() || value.as_deref().unwrap_or_default().contains('\0') {
                return Err(at.error("expected NAME=VALUE"));
            }
            // A name alone is the caller's.
            match value.or_else(|| request.around.variable(&name)) {
                Some(value) => all.push((name, value)),
                None => like
                    .losses
                    .push(at.loss("the variable is not set where this is read, so it is not set inside")),
            }
        }
    }
    for (name, value) in all {
        like.spec.env.retain(|(known, _)| *known != name);
        like.spec.env.push((name, value));
    }
    Ok(())
}

fn command(like: &mut Like, service: &mut Fields) -> Result<(), Error> {
    let words = |at: &At| match &at.node.value {
        Value::List(_) => at.list()?.iter().map(|at| at.scalar().map(str::to_owned)).collect(),
        _ => split(at.scalar()?).map_err(|why| at.error(why)),
    };
    if let Some(at) = service.get("entrypoint") {
        like.spec.entrypoint = Some(words(&at)?);
        like.spec.command.clear();
    }
    if let Some(at) = service.get("command") {
        like.spec.command = words(&at)?;
    }
    Ok(())
}

fn limits_of(like: &mut Like, service: &mut Fields) -> Result<(), Error> {
    let spec = &mut like.spec;
    let mut limit = |name: &str, at: At| -> Result<(), Error> {
        let text = at.scalar()?;
        let wrong = |e: crate::ParseError| at.error(e.to_string());
        match name {
            "memory" => spec.limits.memory = limits::parse_memory(text).map_err(wrong)?,
            "pids" => spec.limits.pids = limits::parse_pids(text).map_err(wrong)?,
            _ => spec.limits.cpus = limits::parse_cpus(text).map_err(wrong)?,
        }
        Ok(())
    };
    for (field, name) in [("mem_limit", "memory"), ("pids_limit", "pids"), ("cpus", "cpus")] {
        service.get(field).map_or(Ok(()), |at| limit(name, at))?;
    }
    let resources = service.map("deploy")?.map(|mut deploy| deploy.map("resources")).transpose()?.flatten();
    if let Some(mut limits) = resources.map(|mut resources| resources.map("limits")).transpose()?.flatten() {
        for name in ["memory", "pids", "cpus"] {
            limits.get(name).map_or(Ok(()), |at| limit(name, at))?;
        }
    }
    if let Some(at) = service.get("ulimits") {
        for (key, at) in at.entries()? {
            let values = match at.node.text() {
                Some(text) => text.to_owned(),
                None => {
                    let mut fields = at.map()?;
                    format!("{}:{}", fields.required("soft")?.scalar()?, fields.required("hard")?.scalar()?)
                }
            };
            let limit = format!("{}={values}", key.name).parse::<Ulimit>();
            like.spec.ulimits.push(limit.map_err(|e| at.error(e.to_string()))?);
        }
    }
    for name in ["memswap_limit", "mem_swappiness", "cpu_quota", "cpu_period", "cpuset", "blkio_config"] {
        service.lose(name, &mut like.losses, "it is not limited here");
    }
    Ok(())
}

fn network(like: &mut Like, service: &mut Fields) -> Result<(), Error> {
    if let Some(at) = service.get("network_mode") {
        match at.text()? {
            "none" => like.spec.net = Net::None,
            "host" | "bridge" => {}
            _ => like.losses.push(at.loss("the network is the host's, or with --net private one of its own")),
        }
    }
    if let Some(at) = service.get("sysctls") {
        let pairs: Vec<(String, String)> = match &at.node.value {
            Value::List(_) => {
                let pair = |at: At| {
                    let (name, value) =
                        at.scalar()?.split_once('=').ok_or_else(|| at.error("expected NAME=VALUE"))?;
                    Ok((name.to_owned(), value.to_owned()))
                };
                at.list()?.into_iter().map(pair).collect::<Result<_, Error>>()?
            }
            _ => at
                .entries()?
                .into_iter()
                .map(|(key, at)| Ok((key.name.clone(), at.scalar()?.to_owned())))
                .collect::<Result<_, Error>>()?,
        };
        if like.spec.net == Net::Host && pairs.iter().any(|(name, _)| name.starts_with("net.")) {
            like.losses.push(at.loss("the network is the host's; with --net private it is set"));
        }
        like.spec.sysctls.extend(pairs);
    }
    for at in service.list("ports")? {
        let target = match at.node.text() {
            // [IP:][HOST:]CONTAINER[/PROTOCOL], each of which may be a range.
            Some(text) => text.split('/').next().and_then(|text| text.rsplit(':').next()),
            None => at.node.get("target").and_then(|target| target.text()),
        };
        let number = target.and_then(|text| text.split('-').next()?.parse::<u16>().ok());
        like.low_ports.extend(number.filter(|&port| port < 1024));
    }
    Ok(())
}
