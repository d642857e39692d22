//! How a service lies on the one that it extends, and a file on the one that it overrides: mappings are merged, lists follow each other, all else is replaced.

use super::super::yaml::{Key, Node, Tag, Value};

/// What replaces although it is a list.
const REPLACED: [&str; 2] = ["command", "entrypoint"];
/// What may be one text or a list of them.
const LISTS: [&str; 4] = ["env_file", "tmpfs", "dns", "dns_search"];
/// What may be a list of `NAME=VALUE` or a mapping.
const PAIRS: [&str; 4] = ["environment", "labels", "sysctls", "annotations"];

/// One file on another: services by their names, all else likewise.
pub fn files(base: Node, over: &Node) -> Node {
    let Value::Map(more) = &over.value else { return base };
    let Value::Map(mut entries) = base.value else { return over.clone() };
    for (key, node) in more {
        if node.tag == Some(Tag::Reset) {
            entries.retain(|(known, _)| known.name != key.name);
            continue;
        }
        let Some((_, known)) = entries.iter_mut().find(|(known, _)| known.name == key.name) else {
            entries.push((key.clone(), node.clone()));
            continue;
        };
        match (&mut known.value, &node.value) {
            // A service may be called as a field of one is.
            (Value::Map(services), Value::Map(more)) if key.name == "services" => {
                for (key, service) in more {
                    match services.iter_mut().find(|(known, _)| known.name == key.name) {
                        Some((_, known)) => *known = merge(known.clone(), service),
                        None => services.push((key.clone(), service.clone())),
                    }
                }
            }
            _ => *known = merge(known.clone(), node),
        }
    }
    Node { place: base.place, value: Value::Map(entries), tag: None }
}

/// `!override` replaces, `!reset` takes away (the Compose specification, "Merge").
pub fn merge(base: Node, over: &Node) -> Node {
    if over.tag == Some(Tag::Override) {
        return over.clone();
    }
    match (base.value, &over.value) {
        (Value::Map(mut entries), Value::Map(more)) => {
            for (key, node) in more {
                if node.tag == Some(Tag::Reset) {
                    entries.retain(|(known, _)| known.name != key.name);
                    continue;
                }
                match entries.iter_mut().find(|(known, _)| known.name == key.name) {
                    Some((_, known)) => *known = merged(&key.name, known.clone(), node),
                    None => entries.push((key.clone(), node.clone())),
                }
            }
            Node { place: over.place, value: Value::Map(entries), tag: None }
        }
        (Value::List(mut nodes), Value::List(more)) => {
            nodes.extend(more.iter().cloned());
            Node { place: over.place, value: Value::List(nodes), tag: None }
        }
        _ => over.clone(),
    }
}

fn merged(name: &str, base: Node, over: &Node) -> Node {
    if REPLACED.contains(&name) {
        return over.clone();
    }
    if PAIRS.contains(&name) && over.tag.is_none() {
        return merge(as_map(base), &as_map(over.clone()));
    }
    if LISTS.contains(&name) && over.tag.is_none() {
        return merge(as_list(base), &as_list(over.clone()));
    }
    merge(base, over)
}

fn as_list(node: Node) -> Node {
    match node.value {
        Value::Scalar { .. } => Node { place: node.place, tag: None, value: Value::List(vec![node]) },
        _ => node,
    }
}

/// `[A=1, B]` as `{A: 1, B: }`.
fn as_map(node: Node) -> Node {
    let Value::List(nodes) = node.value else { return node };
    let entries = nodes.into_iter().filter_map(|node| {
        let (name, value) = match node.text()?.split_once('=') {
            Some((name, value)) => (name.to_owned(), Value::Scalar { text: value.to_owned(), quoted: true }),
            None => (node.text()?.to_owned(), Value::Scalar { text: String::new(), quoted: false }),
        };
        Some((Key { place: node.place, name }, Node { place: node.place, value, tag: None }))
    });
    Node { place: node.place, value: Value::Map(entries.collect()), tag: None }
}
