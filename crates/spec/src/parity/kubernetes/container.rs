//! One container of a pod: all but its security context, variables and volumes, which have files of their own.

use super::super::error::Error;
use super::super::fields::{At, Fields};
use super::super::{Kind, Like, Request, Room};
use super::env::Variables;
use super::{Objects, Workload, env, quantity, security, volumes};
use crate::{Memberships, mount};

/// Fields of a pod that are about where, when and how often it runs.
const SCHEDULING: &[&str] = &[
    "activeDeadlineSeconds",
    "affinity",
    "automountServiceAccountToken",
    // Knative's.
    "containerConcurrency",
    "containers",
    "dnsPolicy",
    "enableServiceLinks",
    "hostUsers",
    "idleTimeoutSeconds",
    "imagePullSecrets",
    "nodeName",
    "nodeSelector",
    "os",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "readinessGates",
    "resourceClaims",
    "responseStartTimeoutSeconds",
    "restartPolicy",
    "schedulerName",
    "schedulingGates",
    "serviceAccount",
    "serviceAccountName",
    "setHostnameAsFQDN",
    "terminationGracePeriodSeconds",
    "timeoutSeconds",
    "tolerations",
    "topologySpreadConstraints",
    "volumes",
];

/// Fields of a container that its process does not see.
const SUPERVISION: &[&str] = &[
    "imagePullPolicy",
    "livenessProbe",
    "name",
    "readinessProbe",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "startupProbe",
    "stdin",
    "stdinOnce",
    "terminationMessagePolicy",
    "tty",
];

pub fn read<'a>(
    objects: &Objects<'a>,
    workload: &Workload<'a>,
    at: &At<'a>,
    init: bool,
    request: &Request,
) -> Result<Like, Error> {
    let mut pod = workload.pod.map()?;
    let mut container = at.map()?;
    let name = workload.container_name(at)?;
    let role = if init { "init container" } else { "container" };
    let mut like = Like::new(Kind::Kubernetes, format!("{} {}, {role} {name}", workload.kind, workload.name));
    // Kubernetes' defaults, where they differ from a Spec's.
    like.spec.memberships = Memberships::Merge;
    like.spec.allow_new_privileges = true;
    like.image = container.text("image")?.map(str::to_owned);
    let owner = security::read(&mut like, &mut pod, &mut container, request.openshift)?;
    resources(&mut like, &mut container)?;
    let variables = env::read(&mut like, objects, workload, &mut container)?;
    command(&mut like, &mut container, &variables)?;
    if let Some(at) = container.get("workingDir") {
        let path = at.text()?;
        like.spec.workdir = Some(mount::parse_workdir(path).map_err(|e| at.error(e.reason()))?);
    }
    volumes::read(&mut like, objects, workload, &mut pod, &mut container, &owner, &variables)?;
    ports(&mut like, &mut container)?;
    annotations(&mut like, workload, name)?;
    hostname(&mut like, workload, &mut pod)?;
    if !init {
        like.init = before(objects, workload, &mut pod, request, &mut like.losses)?;
    }
    rest_of_pod(&mut like, pod, init)?;
    rest_of_container(&mut like, container)?;
    like.losses.sort_by_key(|loss| loss.place);
    Ok(like)
}

/// The init containers that end before the containers start.
fn before<'a>(
    objects: &Objects<'a>,
    workload: &Workload<'a>,
    pod: &mut Fields<'a>,
    request: &Request,
    losses: &mut Vec<super::super::Loss>,
) -> Result<Vec<Like>, Error> {
    let mut all = Vec::new();
    for at in pod.list("initContainers")? {
        match at.node.get("restartPolicy").and_then(|policy| policy.text()) {
            Some("Always") => losses.push(at.loss("a sidecar: nothing runs beside the container")),
            _ => all.push(read(objects, workload, &at, true, request)?),
        }
    }
    Ok(all)
}

fn command(like: &mut Like, container: &mut Fields, variables: &Variables) -> Result<(), Error> {
    let words = |at: Option<At>| -> Result<Option<Vec<String>>, Error> {
        let Some(at) = at else { return Ok(None) };
        let mut room = Room::new();
        let expanded = at.texts()?.into_iter().map(|word| room.take(variables.expand(&word)));
        let words: Vec<String> = expanded.collect::<Result<_, _>>().map_err(|why| at.error(why))?;
        match words.iter().any(|word| word.contains('\0')) {
            true => Err(at.error("an argument cannot hold a NUL byte")),
            false => Ok(Some(words)),
        }
    };
    like.spec.entrypoint = words(container.get("command"))?;
    like.spec.command = words(container.get("args"))?.unwrap_or_default();
    Ok(())
}

fn resources(like: &mut Like, container: &mut Fields) -> Result<(), Error> {
    let Some(mut resources) = container.map("resources")? else { return Ok(()) };
    // A request says where a pod fits, not what it gets.
    resources.ignore(&["requests", "claims"]);
    if let Some(limits) = resources.get("limits") {
        for (key, at) in limits.entries()? {
            let text = at.scalar()?;
            let wrong = || at.error("expected a quantity").with_hint("such as 500m, 1.5, 128Mi or 1Gi");
            match key.name.as_str() {
                // Nothing is no limit.
                "memory" => {
                    let bytes = quantity::whole(text).ok_or_else(wrong)?;
                    like.spec.limits.memory = Some(bytes).filter(|&bytes| bytes > 0);
                }
                "cpu" => {
                    let thousandths = quantity::parse(text).filter(|&n| n >= 0).ok_or_else(wrong)?;
                    let cpus = Some(thousandths).filter(|&n| n > 0);
                    like.spec.limits.cpus = cpus.map(|thousandths| thousandths as f64 / 1000.0);
                }
                "ephemeral-storage" => {
                    like.losses.push(at.loss("the kubelet evicts a pod for it; here nobody does"))
                }
                _ => like.losses.push(at.loss("the node's devices are not here")),
            }
        }
    }
    resources.rest(&mut like.losses);
    Ok(())
}

/// Profiles, as they were said before there were fields for them.
fn annotations(like: &mut Like, workload: &Workload, container: &str) -> Result<(), Error> {
    let annotations = workload.metadata.as_ref().and_then(|at| at.node.get("annotations"));
    let Some(annotations) = annotations.filter(|node| !node.is_null()) else { return Ok(()) };
    for (key, at) in At::new(annotations, "metadata.annotations").entries()? {
        let value = at.node.text().unwrap_or_default();
        let (name, own) = key.name.split_once('/').unwrap_or((&key.name, ""));
        match name {
            "container.apparmor.security.beta.kubernetes.io" if own == container && value != "unconfined" => {
                like.losses.push(at.loss("no AppArmor profile is applied here"));
            }
            "seccomp.security.alpha.kubernetes.io" if own == "pod" && !value.ends_with("/default") => {
                like.losses.push(at.loss(OLD_FILTER));
            }
            "container.seccomp.security.alpha.kubernetes.io"
                if own == container && !value.ends_with("/default") =>
            {
                like.losses.push(at.loss(OLD_FILTER));
            }
            _ => {}
        }
    }
    Ok(())
}

const OLD_FILTER: &str =
    "Kubernetes takes no notice of it since 1.27, nor does a rootlet: the field is seccompProfile";

fn ports(like: &mut Like, container: &mut Fields) -> Result<(), Error> {
    for at in container.list("ports")? {
        let mut port = at.map()?;
        port.ignore(&["name", "protocol", "hostIP"]);
        let number = port.required("containerPort")?;
        let wrong = || number.refused("must be between 1 and 65535, inclusive");
        let number = u16::try_from(number.integer()?).ok().filter(|&port| port > 0).ok_or_else(wrong)?;
        if number < 1024 {
            like.low_ports.push(number);
        }
        port.lose("hostPort", &mut like.losses, "no port of the node is taken");
        port.rest(&mut like.losses);
    }
    Ok(())
}

/// A pod's name is its host name; that of a pod which others make is known only then.
fn hostname(like: &mut Like, workload: &Workload, pod: &mut Fields) -> Result<(), Error> {
    let on_host = pod.truth("hostNetwork")? == Some(true);
    let said = pod.text("hostname")?.map(str::to_owned);
    pod.ignore(&["subdomain"]);
    let own = match workload.kind {
        "Pod" => Some(workload.name.to_owned()),
        "StatefulSet" => Some(format!("{}-0", workload.name)),
        _ => None,
    };
    like.spec.hostname = said.or(own).filter(|_| !on_host).map(|name| {
        // The kubelet cuts it so.
        name.chars().take(63).collect::<String>().trim_end_matches(['-', '.']).to_owned()
    });
    Ok(())
}

fn rest_of_pod(like: &mut Like, mut pod: Fields, init: bool) -> Result<(), Error> {
    let losses = &mut like.losses;
    let service_account = pod.get("serviceAccountName").or_else(|| pod.get("serviceAccount"));
    if let (Some(at), true) = (service_account, pod.truth("automountServiceAccountToken")? != Some(false)) {
        losses.push(at.loss("its token is not at /var/run/secrets/kubernetes.io/serviceaccount"));
    }
    pod.ignore(SCHEDULING);
    if !init {
        pod.lose(
            "initContainers",
            losses,
            "they run before when that is asked for (--init-containers); FILE#NAME runs one of them",
        );
    }
    pod.ignore(&["initContainers", "ephemeralContainers"]);
    for name in ["hostPID", "hostIPC", "shareProcessNamespace"] {
        if let Some(at) = pod.get(name)
            && at.truth()?
        {
            losses.push(at.loss("a rootlet has processes and IPC of its own"));
        }
    }
    pod.lose("hostAliases", losses, "/etc/hosts is rootlet's own");
    pod.lose("dnsConfig", losses, "/etc/resolv.conf is the host's");
    pod.lose("runtimeClassName", losses, "the runtime is rootlet");
    pod.lose("resources", losses, "limits of the whole pod; only the container's are kept");
    pod.rest(losses);
    Ok(())
}

fn rest_of_container(like: &mut Like, mut container: Fields) -> Result<(), Error> {
    let losses = &mut like.losses;
    container.ignore(SUPERVISION);
    if let Some(mut lifecycle) = container.map("lifecycle")? {
        lifecycle.ignore(&["preStop", "stopSignal"]);
        lifecycle.lose("postStart", losses, "it is not run");
        lifecycle.rest(losses);
    }
    container.lose("terminationMessagePath", losses, "no such file is there, and nobody reads it");
    container.lose("volumeDevices", losses, "block devices are not here");
    container.rest(losses);
    Ok(())
}
