//! The documents of an image that is exported: config and manifest, and its entry in an index.
//!
//! Nothing in them depends on when and where they are written.

use super::layer::Blob;
use crate::resolve::Platform;
use crate::{Base, Digest};
use serde_json::{Map, Value, json};

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// What a layout says of itself in its file `oci-layout`.
pub(super) const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// The annotation that is a tag.
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A document, and what names it.
pub(super) struct Document {
    pub digest: Digest,
    pub bytes: Vec<u8>,
}

impl Document {
    fn new(value: &Value) -> Self {
        let bytes = value.to_string().into_bytes();
        Self { digest: Digest::of(&bytes), bytes }
    }
}

/// The config: what the base says about running it, and the diff ids of its layers, bottom first.
pub(super) fn config(base: &Base, diff_ids: &[Digest]) -> Document {
    // Some tools cannot do without a time; this one is the same always.
    const CREATED: &str = "1970-01-01T00:00:00Z";
    let history = vec![json!({ "created": CREATED, "created_by": "rootlet export" }); diff_ids.len()];
    let mut config = platform(base);
    config.insert("created".into(), CREATED.into());
    config.insert("config".into(), run_config(base));
    config.insert("rootfs".into(), json!({ "type": "layers", "diff_ids": diff_ids }));
    config.insert("history".into(), history.into());
    Document::new(&config.into())
}

/// Which platform the image is for: what it says itself, else what the base was resolved for.
fn platform(base: &Base) -> Map<String, Value> {
    let said = base.defaults().platform.as_deref().and_then(|platform| platform.parse::<Platform>().ok());
    let Platform { os, architecture, variant } = said.unwrap_or_else(|| base.resolver().platform.clone());
    let fields = [("os", Some(os)), ("architecture", Some(architecture)), ("variant", variant)];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect()
}

/// `config` of the config. What is not said is left out.
fn run_config(base: &Base) -> Value {
    let defaults = base.defaults();
    let set = |names: &[String]| -> Value {
        names.iter().map(|name| (name.clone(), json!({}))).collect::<Map<_, _>>().into()
    };
    let env: Vec<String> = defaults.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let fields = [
        ("User", json!(defaults.user)),
        ("Env", json!(env)),
        ("WorkingDir", json!(defaults.workdir)),
        ("Entrypoint", json!(defaults.entrypoint)),
        ("Cmd", json!(defaults.cmd)),
        ("Volumes", set(&defaults.volumes)),
        ("ExposedPorts", set(&defaults.exposed_ports)),
        ("Labels", json!(defaults.labels)),
        ("StopSignal", json!(defaults.stop_signal)),
        // Docker's: others take no notice of what they do not know.
        ("Healthcheck", json!(defaults.healthcheck)),
        ("Shell", json!(defaults.shell)),
        ("OnBuild", json!(defaults.on_build)),
    ];
    let said = |value: &Value| match value {
        Value::Array(values) => !values.is_empty(),
        Value::Object(values) => !values.is_empty(),
        value => !value.is_null(),
    };
    let said = fields.into_iter().filter(|(_, value)| said(value));
    said.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
}

/// The manifest of these layers, bottom first.
pub(super) fn manifest(config: &Document, layers: &[Blob]) -> Document {
    let layers: Vec<Value> = layers
        .iter()
        .map(|layer| json!({ "mediaType": LAYER, "digest": layer.digest, "size": layer.size }))
        .collect();
    Document::new(&json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": CONFIG, "digest": config.digest, "size": config.bytes.len() },
        "layers": layers,
    }))
}

/// An index with nothing in it.
pub(super) fn empty_index() -> Value {
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] })
}

/// Puts the image into an index, in place of what had this tag; `false` when the index is none.
pub(super) fn enter(index: &mut Value, base: &Base, manifest: &Document, tag: &str) -> bool {
    let Some(Value::Array(entries)) = index.get_mut("manifests") else { return false };
    entries.retain(|entry| entry["annotations"][REF_NAME] != tag);
    entries.push(json!({
        "mediaType": MANIFEST, "digest": manifest.digest, "size": manifest.bytes.len(),
        "platform": platform(base), "annotations": { REF_NAME: tag },
    }));
    true
}
