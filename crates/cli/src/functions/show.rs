//! What a call gives, on standard output or in a file.

use crate::args::functions::CallOptions;
use crate::failure::Failure;
use crate::functions::here;
use crate::output::print;
use rootlet::functions::schema::Type;
use rootlet::functions::{Engine, Failed};
use rootlet::spec::printable;
use serde_json::{Map, Value, json};
use std::path::Path;

/// What is left to do once the last function gave a value: a container, directory or file is made, and written where that is asked for.
pub fn finished(engine: &Engine, value: Value, options: &CallOptions) -> Result<Value, Failed> {
    let kind = value["$"].as_str().unwrap_or_default().to_owned();
    let none = Map::new();
    match (&options.output, kind.as_str()) {
        (Some(path), "Container" | "Directory" | "File" | "Changeset") => {
            let here = here().map_err(|e| Failed::query(e.to_string()))?;
            let path = here.join(path).to_string_lossy().into_owned();
            engine.ask("export", &value, &Map::from_iter([("path".to_owned(), json!(path))]))
        }
        (None, "Container") => {
            engine.ask("sync", &value, &none)?;
            Ok(json!({"$": kind, "id": id(&value), "value": value}))
        }
        (None, "Directory" | "File") => {
            let digest = engine.ask("digest", &value, &none)?;
            Ok(json!({"$": kind, "id": digest, "value": value}))
        }
        (None, "Changeset") => {
            let ask = |name| engine.ask(name, &value, &none);
            let (added, modified) = (ask("added_paths")?, ask("modified_paths")?);
            Ok(json!({"$": kind, "added": added, "modified": modified, "removed": ask("removed_paths")?}))
        }
        _ => Ok(value),
    }
}

/// What tells one container from another: what it is made of.
fn id(value: &Value) -> String {
    rootlet::base::Digest::of(value.to_string().as_bytes()).to_string()
}

/// Whether `--output` exports what is of this type, rather than writing what would be printed.
pub fn is_exported(kind: &str) -> bool {
    matches!(kind, "Container" | "Directory" | "File" | "Changeset")
}

/// Prints it, or writes it to the file that is asked for.
pub fn result(value: &Value, returns: &Type, options: &CallOptions) -> Result<(), Failure> {
    let text = match options.json {
        true => serde_json::to_string_pretty(&plain_json(value)).unwrap_or_default() + "\n",
        false => text(value, returns),
    };
    match &options.output {
        // What was exported says where.
        Some(_) if returns.name().is_some_and(is_exported) => print(&text),
        Some(path) => write(path, &text),
        None => print(&text),
    }
}

/// What was made, as what it is made of.
fn plain_json(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(plain_json).collect(),
        // Variables and labels have a value, too.
        value => value.get("$").and(value.get("value")).unwrap_or(value).clone(),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|e| Failure::new(format!("failed to write {}", path.display())).caused_by(e))
}

/// For a person, and for a shell: a text as it is, a list a line each.
fn text(value: &Value, returns: &Type) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.is_empty() || text.ends_with('\n') => text.clone(),
        Value::String(text) => format!("{text}\n"),
        Value::Array(items) => items.iter().map(|item| text_of_item(item, returns)).collect(),
        Value::Object(map) => object(map),
        other => format!("{other}\n"),
    }
}

fn text_of_item(item: &Value, returns: &Type) -> String {
    match item {
        Value::Object(map) if !map.contains_key("$") => {
            // Variables, labels and ports.
            let values: Vec<String> = map.values().filter(|value| !value.is_null()).map(plain).collect();
            format!("{}\n", values.join(if map.contains_key("value") { "=" } else { " " }))
        }
        Value::Null => "\n".into(),
        item => text(item, returns),
    }
}

fn object(map: &Map<String, Value>) -> String {
    match map.get("$").and_then(Value::as_str) {
        Some("Object") => {
            let state = map.get("state").and_then(Value::as_object);
            let is_plain = |value: &Value| match value {
                Value::Array(items) => !items.iter().any(Value::is_object),
                value => !value.is_object(),
            };
            let fields = state.into_iter().flatten().filter(|(_, value)| is_plain(value));
            fields.map(|(name, value)| format!("{}: {}\n", super::kebab(name), plain(value))).collect()
        }
        Some("Changeset") => [("added", '+'), ("modified", '~'), ("removed", '-')]
            .iter()
            .flat_map(|(name, sign)| {
                let paths = map.get(*name).and_then(Value::as_array).into_iter().flatten();
                paths.map(move |path| format!("{sign} {}\n", plain(path)))
            })
            .collect(),
        Some(kind) => match map.get("id") {
            Some(id) => format!("{kind}@{}\n", plain(id)),
            None => format!("{kind}\n"),
        },
        None => format!("{}\n", Value::from(map.clone())),
    }
}

/// In a line.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text).into_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_a_shell_wants_them() {
        let kind = Type::Named("String".into());
        for (value, expected) in [
            (json!("sam"), "sam\n"),
            (json!("sam\n"), "sam\n"),
            (json!(""), ""),
            (json!(null), ""),
            (json!(3), "3\n"),
            (json!(true), "true\n"),
            (json!(["a", "b"]), "a\nb\n"),
            (json!([{"name": "A", "value": "1"}]), "A=1\n"),
            (json!({"$": "Container", "id": "sha256:1", "value": {}}), "Container@sha256:1\n"),
            (json!({"$": "Object", "state": {"my_name": "x", "n": 1}}), "my-name: x\nn: 1\n"),
            (json!({"$": "Changeset", "added": ["a"], "modified": [], "removed": ["b"]}), "+ a\n- b\n"),
        ] {
            assert_eq!(text(&value, &kind), expected, "{value}");
        }
    }
}
