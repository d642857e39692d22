//! The variables of a container: envFrom, then env, whose values may name earlier ones.

use super::super::error::Error;
use super::super::fields::{At, Fields};
use super::super::{Like, Loss, MOST_ENTRIES, Room};
use super::{Objects, Workload, quantity};
use base64::Engine;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The variables so far, in order; a later one wins.
pub struct Variables {
    values: HashMap<String, String>,
    /// The names as often as they were set.
    order: Vec<String>,
    room: Room,
}

impl Variables {
    fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    fn set(&mut self, name: String, value: String, at: &At) -> Result<(), Error> {
        let value = self.room.take(value).map_err(|why| at.error(why))?;
        if self.order.len() >= MOST_ENTRIES {
            return Err(at.error(format!("more than {MOST_ENTRIES} variables are set")));
        }
        self.order.push(name.clone());
        self.values.insert(name, value);
        Ok(())
    }

    /// Each at the place of its last value.
    fn list(&self) -> Vec<(String, String)> {
        let mut seen = HashSet::new();
        let last = self.order.iter().rev().filter(|name| seen.insert(name.as_str()));
        let mut all: Vec<_> = last.map(|name| (name.clone(), self.values[name].clone())).collect();
        all.reverse();
        all
    }

    /// `$(NAME)` for what is set before, `$$` for a dollar; what is not set stays as it stands.
    pub fn expand(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else if let Some((name, after)) =
                rest.strip_prefix('(').and_then(|inside| inside.split_once(')'))
            {
                match self.get(name) {
                    Some(value) => out.push_str(value),
                    None => out.push_str(&format!("$({name})")),
                }
                rest = after;
            } else {
                out.push('$');
            }
            // Values that name values multiply.
            if out.len() > 1 << 20 {
                break;
            }
        }
        out.push_str(rest);
        out
    }
}

pub fn read(
    like: &mut Like,
    objects: &Objects,
    workload: &Workload,
    container: &mut Fields,
) -> Result<Variables, Error> {
    let mut all = Variables { values: HashMap::new(), order: Vec::new(), room: Room::new() };
    for at in container.list("envFrom")? {
        from_object(&mut all, objects, workload, &at, &mut like.losses)?;
    }
    let entries = container.list("env")?;
    let limits = container.get("resources");
    for at in entries {
        let mut variable = at.map()?;
        let name = variable.required("name")?.text()?.to_owned();
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(at.refused(format!("invalid name `{name}` of a variable")));
        }
        let value = match (variable.get("value"), variable.get("valueFrom")) {
            (Some(value), None) => Some(all.expand(value.text()?)),
            (None, None) => Some(String::new()),
            (None, Some(from)) => value_from(objects, workload, limits.as_ref(), &from, &mut like.losses)?,
            (Some(_), Some(from)) => {
                return Err(from.refused("may not be specified when `value` is not empty"));
            }
        };
        if let Some(value) = value {
            if value.contains('\0') {
                return Err(at.error("a variable cannot hold a NUL byte"));
            }
            all.set(name, value, &at)?;
        }
        variable.rest(&mut like.losses);
    }
    like.spec.env = all.list();
    Ok(all)
}

fn from_object(
    all: &mut Variables,
    objects: &Objects,
    workload: &Workload,
    at: &At,
    losses: &mut Vec<Loss>,
) -> Result<(), Error> {
    let mut source = at.map()?;
    let prefix = source.text("prefix")?.unwrap_or_default();
    for (field, kind) in [("configMapRef", "ConfigMap"), ("secretRef", "Secret")] {
        let Some(mut reference) = source.map(field)? else { continue };
        let name = reference.required("name")?.text()?;
        let optional = reference.truth("optional")?.unwrap_or(false);
        match object(objects, kind, workload, name) {
            Some(data) => {
                for (key, bytes) in data {
                    match String::from_utf8(bytes.clone()) {
                        Ok(value) if !value.contains('\0') => all.set(format!("{prefix}{key}"), value, at)?,
                        _ => losses.push(at.loss(format!("the value of {key} is no text, so it is not set"))),
                    }
                }
            }
            None if optional => {}
            None => {
                losses.push(at.loss(format!("the {kind} is not in this file: its variables are not set")))
            }
        }
    }
    source.rest(losses);
    Ok(())
}

fn value_from(
    objects: &Objects,
    workload: &Workload,
    resources: Option<&At>,
    from: &At,
    losses: &mut Vec<Loss>,
) -> Result<Option<String>, Error> {
    let mut source = from.map()?;
    for (field, kind) in [("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")] {
        let Some(at) = source.get(field) else { continue };
        let mut reference = at.map()?;
        let name = reference.required("name")?.text()?;
        let key = reference.required("key")?.text()?;
        let optional = reference.truth("optional")?.unwrap_or(false);
        let found = object(objects, kind, workload, name).map(|data| data.get(key));
        return Ok(match found {
            Some(Some(bytes)) => match String::from_utf8(bytes.clone()) {
                Ok(value) => Some(value),
                Err(_) => {
                    losses.push(at.loss("the value is no text, so it is not set"));
                    None
                }
            },
            _ if optional => None,
            Some(None) => {
                return Err(Error::refused_at(
                    at.place(),
                    format!("couldn't find key {key} in {kind} {name}"),
                ));
            }
            None => {
                losses.push(at.loss(format!("the {kind} is not in this file, so the variable is not set")));
                None
            }
        });
    }
    if let Some(at) = source.get("fieldRef") {
        let path = at.map()?.required("fieldPath")?.text()?;
        return field(workload, path, &at, losses).map(Some);
    }
    if let Some(at) = source.get("resourceFieldRef") {
        return resource(resources, &at, losses);
    }
    losses.push(from.loss("this source is not known, so the variable is not set"));
    Ok(None)
}

/// What the downward API says of a pod, as far as the file tells.
pub fn field(workload: &Workload, path: &str, at: &At, losses: &mut Vec<Loss>) -> Result<String, Error> {
    let metadata = |name: &str| workload.metadata.as_ref().and_then(|at| at.node.get(name));
    let entry = |map: &str, key: &str| {
        metadata(map).and_then(|map| map.get(key)?.text()).unwrap_or_default().to_owned()
    };
    for map in ["labels", "annotations"] {
        let Some(key) = path.strip_prefix("metadata.").and_then(|rest| rest.strip_prefix(map)) else {
            continue;
        };
        if let Some(key) = key.strip_prefix("['").and_then(|key| key.strip_suffix("']")) {
            return Ok(entry(map, key));
        }
        let Some(map) = metadata(map) else { return Ok(String::new()) };
        let lines = At::new(map, path).entries()?.into_iter();
        return Ok(lines
            .map(|(key, at)| format!("{}={:?}\n", key.name, at.node.text().unwrap_or_default()))
            .collect());
    }
    let mut stands_in = |value: &str, why: &str| {
        losses.push(at.loss(format!("{why}; `{value}` stands in its place")));
        Ok(value.to_owned())
    };
    match path {
        "metadata.name" => match workload.kind {
            "Pod" => Ok(workload.name.to_owned()),
            "StatefulSet" => Ok(format!("{}-0", workload.name)),
            _ => stands_in(workload.name, "the pod's name is known when it runs"),
        },
        "metadata.namespace" => Ok(workload.namespace.unwrap_or("default").to_owned()),
        "spec.serviceAccountName" => {
            let name = workload.pod.node.get("serviceAccountName").and_then(|name| name.text());
            Ok(name.unwrap_or("default").to_owned())
        }
        "metadata.uid" => stands_in("00000000-0000-0000-0000-000000000000", "known when it runs"),
        "spec.nodeName" => stands_in("rootlet", "there is no node"),
        "status.podIP" | "status.podIPs" | "status.hostIP" | "status.hostIPs" => {
            stands_in("127.0.0.1", "there is no cluster's network")
        }
        _ => Err(at.refused(format!("error converting fieldPath: field label not supported: {path}"))),
    }
}

/// A limit of this container, in units of the divisor.
fn resource(resources: Option<&At>, at: &At, losses: &mut Vec<Loss>) -> Result<Option<String>, Error> {
    let mut fields = at.map()?;
    let name = fields.required("resource")?.text()?;
    let divisor = fields.get("divisor").map(|at| at.scalar()).transpose()?.unwrap_or("1");
    let said = |list: &str, what: &str| resources.and_then(|at| at.node.get(list)?.get(what)?.text());
    let value = match name.split_once('.') {
        Some(("limits", what)) => said("limits", what),
        Some(("requests", what)) => said("requests", what).or_else(|| said("limits", what)),
        _ => None,
    };
    // Whole units, rounded up; "0" divides by one, as Kubernetes has it.
    let divisor = quantity::parse(divisor).filter(|&n| n > 0).unwrap_or(1000);
    match value.and_then(quantity::parse) {
        Some(value) => Ok(Some((value / divisor + i128::from(value % divisor != 0)).to_string())),
        None => {
            losses.push(at.loss("without a limit it is the node's own, so the variable is not set"));
            Ok(None)
        }
    }
}

/// Keys in order, and what each holds.
pub type Data = BTreeMap<String, Vec<u8>>;

/// What a ConfigMap or Secret of the file holds; `None` where it is not there.
///
/// Those of the workload's namespace go before one whose namespace is that in which the file is applied.
pub fn object<'a, 'b>(
    objects: &'b Objects<'a>,
    kind: &str,
    workload: &Workload<'a>,
    name: &str,
) -> Option<&'b Data> {
    let all = if kind == "Secret" { objects.secrets.get(name) } else { objects.config_maps.get(name) }?;
    let of = workload.namespace;
    let anywhere = || all.values().next().filter(|_| of.is_none());
    all.get(&of).or_else(|| all.get(&None)).or_else(anywhere)
}

/// Reads one; plain text goes before what is encoded.
pub fn data(object: &At, kind: &str) -> Result<Data, Error> {
    let (plain, encoded) = if kind == "Secret" { ("stringData", "data") } else { ("data", "binaryData") };
    let mut fields = object.map()?;
    let mut all = Data::new();
    if let Some(data) = fields.get(encoded) {
        for (key, at) in data.entries()? {
            let text: String = at.node.text().unwrap_or_default().split_whitespace().collect();
            let bytes = base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| {
                at.error("illegal base64 data")
                    .with_hint("plain text goes into `stringData` of a Secret, `data` of a ConfigMap")
            })?;
            all.insert(key.name.clone(), bytes);
        }
    }
    if let Some(data) = fields.get(plain) {
        for (key, at) in data.entries()? {
            let text = if at.node.is_null() { "" } else { at.text()? };
            all.insert(key.name.clone(), text.as_bytes().to_vec());
        }
    }
    Ok(all)
}
