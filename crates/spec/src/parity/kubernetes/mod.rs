//! Objects of Kubernetes: which of them have pods, and which container is meant.

mod container;
mod env;
pub mod quantity;
mod security;
mod volumes;

use super::error::Error;
use super::fields::{At, Fields};
use super::yaml::{Node, Value};
use super::{Like, Request};
use std::collections::BTreeMap;

/// What else is in the file, that pods refer to.
#[derive(Default)]
pub struct Objects<'a> {
    pub config_maps: Held<'a>,
    pub secrets: Held<'a>,
    workloads: Vec<Workload<'a>>,
    /// `Service web`, for the message when there is no pod.
    others: Vec<String>,
}

/// What ConfigMaps or Secrets hold, by their names, and then by their namespaces.
pub type Held<'a> = BTreeMap<&'a str, BTreeMap<Option<&'a str>, env::Data>>;

/// Something that has a pod.
pub struct Workload<'a> {
    pub kind: &'a str,
    pub name: &'a str,
    pub namespace: Option<&'a str>,
    /// The metadata of the pod itself.
    pub metadata: Option<At<'a>>,
    /// The pod's spec.
    pub pod: At<'a>,
    /// A StatefulSet's, each a volume of the same name.
    pub claims: Vec<At<'a>>,
}

/// A container that may be meant.
struct Choice<'a, 'b> {
    workload: &'b Workload<'a>,
    name: &'a str,
    at: At<'a>,
    init: bool,
}

pub fn read(documents: &[Node], request: &Request) -> Result<Like, Error> {
    let mut objects = Objects::default();
    for (i, node) in documents.iter().filter(|node| !node.is_null()).enumerate() {
        // A file of one document needs no number.
        let path = if documents.len() > 1 { format!("[{i}]") } else { String::new() };
        objects.add(At::new(node, path).typed())?;
    }
    let choices = objects.choices()?;
    let chosen = choose(&choices, request.select, &objects)?;
    container::read(&objects, chosen.workload, &chosen.at, chosen.init, request)
}

impl<'a> Objects<'a> {
    fn add(&mut self, object: At<'a>) -> Result<(), Error> {
        let mut fields = object.map().map_err(|_| {
            object.error("expected an object of Kubernetes: a mapping with `apiVersion` and `kind`")
        })?;
        let kind = fields.required("kind")?.text()?;
        if kind.ends_with("List") {
            return fields.list("items")?.into_iter().try_for_each(|item| self.add(item));
        }
        let metadata = fields.get("metadata");
        let of_metadata = |name: &str| metadata.as_ref().and_then(|at| at.node.get(name)?.text());
        let name = of_metadata("name").or_else(|| of_metadata("generateName")).unwrap_or("unnamed");
        let namespace = of_metadata("namespace");
        let hold = |all: &mut Held<'a>| -> Result<(), Error> {
            all.entry(name).or_default().insert(namespace, env::data(&object, kind)?);
            Ok(())
        };
        match kind {
            "ConfigMap" => hold(&mut self.config_maps)?,
            "Secret" => hold(&mut self.secrets)?,
            _ => match workload(kind, name, namespace, metadata.clone(), &mut fields)? {
                Some(workload) => self.workloads.push(workload),
                None => self.others.push(format!("{kind} {name}")),
            },
        }
        Ok(())
    }

    fn choices(&self) -> Result<Vec<Choice<'a, '_>>, Error> {
        let mut choices = Vec::new();
        for workload in &self.workloads {
            let mut pod = workload.pod.map()?;
            for (list, init) in [("containers", false), ("initContainers", true)] {
                for at in pod.list(list)? {
                    let name = workload.container_name(&at)?;
                    choices.push(Choice { workload, name, at, init });
                }
            }
            if !choices.iter().any(|choice| std::ptr::eq(choice.workload, workload) && !choice.init) {
                return Err(workload.pod.refused("containers: Required value"));
            }
        }
        Ok(choices)
    }
}

/// Kinds that Kubernetes has of its own.
const KNOWN: [&str; 9] = [
    "Pod",
    "PodTemplate",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "ReplicationController",
    "Job",
    "CronJob",
];

impl<'a> Workload<'a> {
    /// Others may leave it out: Knative then gives this one.
    pub fn container_name(&self, container: &At<'a>) -> Result<&'a str, Error> {
        let mut fields = container.map()?;
        match fields.text("name")? {
            None if !KNOWN.contains(&self.kind) => Ok("user-container"),
            _ => fields.required("name")?.text(),
        }
    }
}

/// The pod of an object; `None` where it has none. What is not of Kubernetes itself (a Rollout, say) is taken for what it
/// looks like.
fn workload<'a>(
    kind: &'a str,
    name: &'a str,
    namespace: Option<&'a str>,
    metadata: Option<At<'a>>,
    object: &mut Fields<'a>,
) -> Result<Option<Workload<'a>>, Error> {
    if kind == "Pod" {
        let pod = object.required("spec")?;
        return Ok(Some(Workload { kind, name, namespace, metadata, pod, claims: Vec::new() }));
    }
    let spec = match (kind, object.get("spec")) {
        ("PodTemplate", _) => None,
        (_, Some(spec)) if matches!(spec.node.value, Value::Map(_)) => Some(spec.map()?),
        _ if KNOWN.contains(&kind) => {
            return Err(object.required("spec").and_then(|at| at.map()).unwrap_err());
        }
        _ => return Ok(None),
    };
    let mut claims = Vec::new();
    let template = match spec {
        None => object.required("template")?,
        Some(mut spec) => {
            if kind == "StatefulSet" {
                claims = spec.list("volumeClaimTemplates")?;
            }
            let mut holder = match kind {
                "CronJob" => spec.required("jobTemplate")?.map()?.required("spec")?.map()?,
                // KEDA's ScaledJob.
                _ if !KNOWN.contains(&kind) && spec.get("jobTargetRef").is_some() => {
                    spec.required("jobTargetRef")?.map()?
                }
                _ => spec,
            };
            match holder.get("template") {
                Some(template) => template,
                None if KNOWN.contains(&kind) => return Err(holder.required("template").unwrap_err()),
                None => return Ok(None),
            }
        }
    };
    if !KNOWN.contains(&kind) && template.node.get("spec").is_none_or(|spec| spec.get("containers").is_none())
    {
        return Ok(None);
    }
    let mut template = template.map()?;
    let metadata = template.get("metadata");
    let pod = template.required("spec")?;
    Ok(Some(Workload { kind, name, namespace, metadata, pod, claims }))
}

/// As many others are named where there is no pod.
const MOST_NAMED: usize = 10;

const DEFAULT: &str = "kubectl.kubernetes.io/default-container";

fn choose<'a, 'b>(
    choices: &'b [Choice<'a, 'b>],
    select: Option<&str>,
    objects: &Objects,
) -> Result<&'b Choice<'a, 'b>, Error> {
    if choices.is_empty() {
        let others = match &objects.others[..] {
            [] if objects.config_maps.len() + objects.secrets.len() > 0 => {
                "only ConfigMaps and Secrets".into()
            }
            [] => "nothing".into(),
            [some @ .., _] if some.len() >= MOST_NAMED => {
                let more = objects.others.len() - MOST_NAMED;
                format!("{} and {more} more", objects.others[..MOST_NAMED].join(", "))
            }
            others => others.join(", "),
        };
        let kinds = objects.others.iter().filter_map(|other| other.split(' ').next());
        let meant = kinds.filter_map(|kind| crate::similar::nearest(kind, KNOWN)).next();
        let meant = meant.map(|kind| format!("did you mean `kind: {kind}`? ")).unwrap_or_default();
        return Err(Error::new(format!("no object in it has a pod; it holds {others}")).with_hint(format!(
            "{meant}expected a Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob; put its ConfigMaps and \
             Secrets beside it"
        )));
    }
    let full = |choice: &Choice| format!("{}/{}", choice.workload.name, choice.name);
    let ordinary: Vec<_> = choices.iter().filter(|choice| !choice.init).collect();
    let found: Vec<_> = match select {
        None => match by_default(&ordinary) {
            Some(choice) => vec![choice],
            None => ordinary.clone(),
        },
        Some(name) => {
            let named = |choice: &&'b Choice<'a, 'b>| choice.name == name || full(choice) == name;
            let of_workload = || ordinary.iter().copied().filter(|choice| choice.workload.name == name);
            let named: Vec<_> = choices.iter().filter(named).collect();
            if named.is_empty() { of_workload().collect() } else { named }
        }
    };
    let listed = |choices: &[&Choice]| {
        let several = choices.iter().any(|choice| !std::ptr::eq(choice.workload, choices[0].workload));
        let name = |choice: &&Choice| {
            let name = if several { full(choice) } else { choice.name.to_owned() };
            if choice.init { format!("{name} (init)") } else { name }
        };
        choices.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    match found[..] {
        [one] => Ok(one),
        [] => {
            let all: Vec<_> = choices.iter().collect();
            Err(Error::new(format!("it has no container {}", select.unwrap_or_default()))
                .with_hint(format!("it has {}", listed(&all))))
        }
        _ => Err(Error::new(format!("it has several containers: {}", listed(&found)))
            .with_hint("say which one: FILE#NAME or FILE#OBJECT/NAME")),
    }
}

/// What kubectl takes where nobody says: the annotation of the only workload.
fn by_default<'a, 'b>(choices: &[&'b Choice<'a, 'b>]) -> Option<&'b Choice<'a, 'b>> {
    let first = choices.first()?;
    if choices.iter().any(|choice| !std::ptr::eq(choice.workload, first.workload)) {
        return None;
    }
    let name = first.workload.metadata.as_ref()?.node.get("annotations")?.get(DEFAULT)?.text()?;
    choices.iter().copied().find(|choice| choice.name == name)
}
