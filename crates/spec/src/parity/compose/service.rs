//! A service of Compose, as docker runs it.

use super::super::error::Error;
use super::super::fields::{At, Fields};
use super::super::words::split;
use super::super::yaml::Value;
use super::super::{Kind, Like, Request};
use super::interpolate::Variables;
use super::{Named, build, environment, volumes};
use crate::{Net, SecurityOpt, Ulimit, caps, limits, mount, net};

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
    "pull_refresh_after",
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
    let image = service.text("image")?.filter(|image| !image.is_empty()).map(str::to_owned);
    let project = Variables::of(request)?;
    let mut like = match service.get("build") {
        Some(at) => build::read(&at, image.as_deref(), &project, request)?,
        None => Like { image, ..Like::new(Kind::Compose, "") },
    };
    like.kind = Kind::Compose;
    like.what = format!("service {name}");
    like.spec.allow_new_privileges = true;
    user(&mut like, &mut service)?;
    rights(&mut like, &mut service)?;
    environment::read(&mut like, &mut service, &project, request)?;
    command(&mut like, &mut service)?;
    limits_of(&mut like, &mut service)?;
    network(&mut like, &mut service)?;
    volumes::read(&mut like, &mut service, named, request)?;
    service.ignore(SUPERVISION);
    service.ignore_prefix("x-");
    for (name, why) in NOT_APPLIED {
        service.lose(name, &mut like.losses, why);
    }
    service.rest(&mut like.losses);
    Ok(like)
}

/// How many of it run, where and when.
const DEPLOYMENT: &[&str] = &[
    "endpoint_mode",
    "labels",
    "mode",
    "placement",
    "replicas",
    "restart_policy",
    "rollback_config",
    "update_config",
];

/// What exists and is not carried over.
const NOT_APPLIED: [(&str, &str); 29] = [
    ("cgroup", "a rootlet's cgroup is its own"),
    ("cgroup_parent", "a rootlet's cgroup is its own"),
    ("cpu_count", "it is not limited here"),
    ("cpu_percent", "it is not limited here"),
    ("cpu_rt_period", "it is not limited here"),
    ("cpu_rt_runtime", "it is not limited here"),
    ("credential_spec", "it is for Windows"),
    ("device_cgroup_rules", "the host's devices are not here"),
    ("devices", "the host's devices are not here"),
    ("dns", "/etc/resolv.conf is the host's"),
    ("dns_opt", "/etc/resolv.conf is the host's"),
    ("dns_search", "/etc/resolv.conf is the host's"),
    ("external_links", "no other container is reached by a name"),
    ("extra_hosts", "/etc/hosts is rootlet's own"),
    ("gpus", "the host's devices are not here"),
    ("ipc", "a rootlet has IPC of its own"),
    ("isolation", "it is for Windows"),
    ("mac_address", "no address is given"),
    ("models", "no model is served"),
    ("pid", "a rootlet has processes of its own"),
    ("post_start", "it is not run"),
    ("provider", "nobody provides it"),
    ("runtime", "the runtime is rootlet"),
    ("shm_size", "/dev/shm has 64 MB"),
    ("use_api_socket", "no socket of docker's is here"),
    ("userns_mode", "a rootlet has a user namespace of its own"),
    ("uts", "a rootlet has a host name of its own"),
    ("volume_driver", "volumes are directories of the rootlet"),
    ("volumes_from", "volumes of other services are not here"),
];

fn user(like: &mut Like, service: &mut Fields) -> Result<(), Error> {
    if let Some(at) = service.get("user")
        && !at.scalar()?.is_empty()
    {
        // Where variables are not set, a part is empty: docker takes root, and the group that goes with the user.
        let (user, group) = at.scalar()?.split_once(':').unwrap_or((at.scalar()?, ""));
        let user = if user.is_empty() { "0" } else { user };
        let whole = if group.is_empty() { user.to_owned() } else { format!("{user}:{group}") };
        like.spec.user = Some(whole.parse().map_err(|e: crate::ParseError| at.error(e.to_string()))?);
    }
    for at in service.list("group_add")? {
        let group = at.scalar()?.parse().map_err(|e: crate::ParseError| at.error(e.to_string()))?;
        like.spec.groups.push(group);
    }
    if let Some(at) = service.get("working_dir") {
        like.spec.workdir = Some(mount::parse_workdir(at.text()?).map_err(|e| at.error(e.reason()))?);
    }
    if let Some(at) = service.get("hostname")
        && !at.text()?.is_empty()
    {
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
        // docker takes no notice of what is dropped besides.
        like.spec.caps.drop.clear();
        like.spec.seccomp_unconfined = true;
        like.losses.push(at.loss(
            "all capabilities and no filter, but in a user namespace: the host's devices are out of reach",
        ));
    }
    Ok(())
}

fn command(like: &mut Like, service: &mut Fields) -> Result<(), Error> {
    let words = |at: &At| -> Result<Vec<String>, Error> {
        let words: Vec<String> = match &at.node.value {
            Value::List(_) => {
                at.list()?.iter().map(|at| at.scalar().map(str::to_owned)).collect::<Result<_, _>>()?
            }
            _ => split(at.scalar()?).map_err(|why| at.error(why))?,
        };
        match words.iter().any(|word| word.contains('\0')) {
            true => Err(at.error("an argument cannot hold a NUL byte")),
            false => Ok(words),
        }
    };
    if let Some(at) = service.get("entrypoint") {
        like.spec.entrypoint = Some(words(&at)?);
        like.spec.command.clear();
    }
    if let Some(at) = service.get("command") {
        like.spec.command = words(&at)?;
        if like.spec.command.is_empty() && like.spec.entrypoint.is_none() {
            like.losses.push(at.loss("without an entrypoint beside it the image's own command is run"));
        }
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
    if let Some(mut deploy) = service.map("deploy")? {
        if let Some(mut resources) = deploy.map("resources")? {
            if let Some(mut limits) = resources.map("limits")? {
                for name in ["memory", "pids", "cpus"] {
                    limits.get(name).map_or(Ok(()), |at| limit(name, at))?;
                }
                limits.rest(&mut like.losses);
            }
            if let Some(mut reserved) = resources.map("reservations")? {
                // They say where it fits, not what it gets.
                reserved.ignore(&["cpus", "memory", "generic_resources"]);
                reserved.lose("devices", &mut like.losses, "the host's devices are not here");
                reserved.rest(&mut like.losses);
            }
            resources.rest(&mut like.losses);
        }
        deploy.ignore(DEPLOYMENT);
        deploy.rest(&mut like.losses);
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
