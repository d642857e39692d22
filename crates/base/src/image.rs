//! The documents of an image: index, manifest and config, of the OCI image specification and of docker's
//! schema 2.

use crate::base::{BaseKind, Defaults};
use crate::resolve::Platform;
use crate::store::{Content, Layer, Origin};
use crate::{Digest, Error, ErrorKind, Result};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Points at a blob.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    #[serde(default)]
    pub platform: Option<PlatformOf>,
    #[serde(default)]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// Which platform an entry of an index is for.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PlatformOf {
    pub os: String,
    pub architecture: String,
    #[serde(default)]
    pub variant: Option<String>,
}

/// An index or a manifest: one has `manifests`, the other `config` and `layers`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    schema_version: u32,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
}

#[derive(Debug, Deserialize)]
struct ConfigFile {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default)]
    config: Option<RunConfig>,
    rootfs: RootFs,
}

#[derive(Debug, Deserialize)]
struct RootFs {
    diff_ids: Vec<Digest>,
}

type Set = Option<BTreeMap<String, serde_json::Value>>;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RunConfig {
    user: Option<String>,
    env: Option<Vec<String>>,
    working_dir: Option<String>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    volumes: Set,
    exposed_ports: Set,
    labels: Option<BTreeMap<String, String>>,
    stop_signal: Option<String>,
    /// Docker's own, in whatever form: nothing depends on them.
    healthcheck: serde_json::Value,
    shell: serde_json::Value,
    on_build: serde_json::Value,
}

/// An image of one platform, with the documents that lead to it.
#[derive(Debug)]
pub(crate) struct Image {
    /// Diff id and blob of each layer, bottom first.
    pub layers: Vec<(Digest, Descriptor)>,
    pub defaults: Defaults,
    /// Manifest, config and indexes, with their bytes.
    pub documents: Vec<(Digest, Vec<u8>)>,
}

/// Which sort of document a descriptor points at: registries keep them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A manifest or an index.
    Manifest,
    /// A config.
    Config,
}

/// Fetches a small document and verifies its digest.
pub(crate) type Fetch<'a> = dyn FnMut(What, &Descriptor) -> Result<Vec<u8>> + 'a;

/// Indexes in indexes are allowed; a chain longer than this is a trap.
const DEPTH: usize = 4;

impl Image {
    /// Follows an index or a manifest, given by its bytes, to the image for `platform`.
    pub(crate) fn read(top: Vec<u8>, platform: &Platform, fetch: &mut Fetch<'_>) -> Result<Self> {
        let mut documents = Vec::new();
        let mut bytes = top;
        for _ in 0..DEPTH {
            let document: Document = parse("manifest", &bytes)?;
            documents.push((Digest::of(&bytes), bytes));
            if let Some(manifests) = &document.manifests {
                bytes = fetch(What::Manifest, choose(manifests.iter(), platform)?)?;
                continue;
            }
            let (Some(config), Some(layers)) = (document.config, document.layers) else {
                return Err(not_an_image(document.schema_version));
            };
            let config_bytes = fetch(What::Config, &config)?;
            return Self::of_config(documents, config.digest, config_bytes, layers);
        }
        Err(Error::new(ErrorKind::Hostile, format!("the index leads to an index more than {DEPTH} times")))
    }

    fn of_config(
        mut documents: Vec<(Digest, Vec<u8>)>,
        digest: Digest,
        bytes: Vec<u8>,
        layers: Vec<Descriptor>,
    ) -> Result<Self> {
        for layer in &layers {
            check_media_type(&layer.media_type)?;
        }
        let (defaults, diff_ids) = read_config(&bytes)?;
        if diff_ids.len() != layers.len() {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("the manifest has {} layers, and the config {}", layers.len(), diff_ids.len()),
            ));
        }
        documents.push((digest, bytes));
        Ok(Self { layers: diff_ids.into_iter().zip(layers).collect(), defaults, documents })
    }

    /// The content that the store keeps; `origin` says where a layer's bytes are.
    pub(crate) fn content(&self, origin: impl Fn(&Descriptor) -> Origin) -> Content {
        Content {
            bottom: BaseKind::Layers,
            layers: self
                .layers
                .iter()
                .map(|(diff_id, blob)| Layer { key: *diff_id, diff_id: Some(*diff_id), origin: origin(blob) })
                .collect(),
            defaults: self.defaults.clone(),
            documents: self.documents.iter().map(|(digest, _)| *digest).collect(),
        }
    }
}

/// What an image's config says about running it, and the diff ids of its layers.
pub(crate) fn read_config(bytes: &[u8]) -> Result<(Defaults, Vec<Digest>)> {
    let file: ConfigFile = parse("config", bytes)?;
    let run = file.config.unwrap_or_default();
    let said = |text: Option<String>| text.filter(|text| !text.is_empty());
    let keys = |set: Set| set.unwrap_or_default().into_keys().collect();
    let platform = Platform { os: file.os, architecture: file.architecture, variant: said(file.variant) };
    let defaults = Defaults {
        user: said(run.user),
        env: run.env.unwrap_or_default().into_iter().map(split_variable).collect(),
        workdir: said(run.working_dir),
        entrypoint: run.entrypoint.unwrap_or_default(),
        cmd: run.cmd.unwrap_or_default(),
        volumes: keys(run.volumes),
        exposed_ports: keys(run.exposed_ports),
        labels: run.labels.unwrap_or_default(),
        stop_signal: said(run.stop_signal),
        healthcheck: serde_json::from_value(run.healthcheck).unwrap_or_default(),
        shell: serde_json::from_value(run.shell).unwrap_or_default(),
        on_build: serde_json::from_value(run.on_build).unwrap_or_default(),
        platform: Some(platform).filter(|p| !p.os.is_empty()).map(|p| p.to_string()),
    };
    Ok((defaults, file.rootfs.diff_ids))
}

fn split_variable(variable: String) -> (String, String) {
    match variable.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => (variable, String::new()),
    }
}

/// The entry of an index for that platform: among several, the one whose variant was asked for or is the
/// plainest.
pub(crate) fn choose<'a>(
    manifests: impl Iterator<Item = &'a Descriptor> + Clone,
    wanted: &Platform,
) -> Result<&'a Descriptor> {
    let fits = |of: &PlatformOf| of.os == wanted.os && of.architecture == wanted.architecture;
    let rank = |of: &PlatformOf| match (of.variant.as_deref(), wanted.variant.as_deref()) {
        (has, Some(asked)) if has == Some(asked) => Some(3),
        (None, _) => Some(2),
        (Some(_), Some(_)) => None,
        (Some("v8" | "v1" | "v7"), None) => Some(1),
        (Some(_), None) => Some(0),
    };
    let mut best: Option<(u8, &Descriptor)> = None;
    for entry in manifests.clone() {
        let rank = entry.platform.as_ref().filter(|of| fits(of)).and_then(rank);
        // Of equals, the first: an index puts what it prefers first.
        if let Some(rank) = rank
            && best.is_none_or(|(best, _)| rank > best)
        {
            best = Some((rank, entry));
        }
    }
    if let Some((_, entry)) = best {
        return Ok(entry);
    }
    // An index that names no platform, with one image in it.
    let mut all = manifests.clone();
    if let (Some(only), None) = (all.next(), all.next())
        && only.platform.is_none()
    {
        return Ok(only);
    }
    let known: Vec<String> =
        manifests.filter_map(|entry| entry.platform.as_ref()).filter_map(platform_name).collect();
    let error = Error::new(ErrorKind::NotFound, format!("the image is not for {wanted}"));
    Err(match known.is_empty() {
        true => error,
        false => error.with_hint(format!("it is for {}: choose with `--platform`", known.join(", "))),
    })
}

/// Attestations are of the platform `unknown/unknown`.
fn platform_name(of: &PlatformOf) -> Option<String> {
    let variant = of.variant.as_deref().map(|variant| format!("/{variant}")).unwrap_or_default();
    (of.os != "unknown").then(|| format!("{}/{}{variant}", of.os, of.architecture))
}

/// `index.json` of an OCI image layout.
pub(crate) fn read_index(bytes: &[u8]) -> Result<Vec<Descriptor>> {
    let document: Document = parse("index", bytes)?;
    document.manifests.ok_or_else(|| Error::new(ErrorKind::Corrupt, "the index has no `manifests`"))
}

fn parse<T: serde::de::DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| {
        Error::new(ErrorKind::Corrupt, format!("the {what} of the image cannot be read")).caused_by(e)
    })
}

fn check_media_type(media_type: &str) -> Result<()> {
    const LAYERS: [&str; 3] = [
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.docker.image.rootfs.diff.tar",
    ];
    let error =
        |why: &str| Error::new(ErrorKind::Unsupported, format!("a layer is of type `{media_type}`: {why}"));
    if media_type.contains("foreign") {
        return Err(error("its bytes are not in the registry"));
    }
    if media_type.ends_with("+encrypted") {
        return Err(error("it is encrypted"));
    }
    match media_type.is_empty() || LAYERS.iter().any(|known| media_type.starts_with(known)) {
        true => Ok(()),
        false => Err(error("this is not an image that holds a root")),
    }
}

fn not_an_image(schema_version: u32) -> Error {
    match schema_version {
        1 => Error::new(ErrorKind::Unsupported, "the image has docker's manifest schema 1, given up in 2017")
            .with_hint("push it again with a current docker, podman or skopeo"),
        _ => Error::new(ErrorKind::Corrupt, "the manifest has neither `manifests` nor `config` and `layers`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(platform: &str, first: char) -> Descriptor {
        let wanted: Platform = platform.parse().unwrap();
        Descriptor {
            media_type: String::new(),
            digest: format!("sha256:{}", first.to_string().repeat(64)).parse().unwrap(),
            size: 1,
            platform: Some(PlatformOf {
                os: wanted.os,
                architecture: wanted.architecture,
                variant: wanted.variant,
            }),
            annotations: None,
        }
    }

    #[test]
    fn chooses_the_platform() {
        let index = [
            entry("unknown/unknown", '0'),
            entry("linux/arm/v6", '1'),
            entry("linux/arm/v7", '2'),
            entry("linux/amd64", '3'),
            entry("linux/arm64/v8", '4'),
            entry("windows/amd64", '5'),
        ];
        for (wanted, digit) in [
            ("amd64", "3"),
            ("linux/arm/v6", "1"),
            ("arm", "2"),
            ("arm64", "4"),
            ("linux/arm64/v8", "4"),
            ("windows/amd64", "5"),
        ] {
            let chosen = choose(index.iter(), &wanted.parse().unwrap()).unwrap();
            assert!(chosen.digest.hex().starts_with(digit), "{wanted}");
        }
        let error = choose(index.iter(), &"s390x".parse().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "the image is not for linux/s390x");
        assert!(error.hint().unwrap().contains("linux/arm/v6, linux/arm/v7, linux/amd64"), "{error:?}");
        assert!(!error.hint().unwrap().contains("unknown"));
    }

    #[test]
    fn reads_a_config_with_nulls() {
        let json = br#"{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]},
            "config":{"User":"","Env":["A=b=c","D"],"Volumes":{"/v":{}},"ExposedPorts":null,"Cmd":null,"Labels":null,
            "Entrypoint":["/x"],"WorkingDir":"/w","StopSignal":"SIGQUIT","Healthcheck":{"Test":["x"]}}}"#;
        let (defaults, _) = read_config(json).unwrap();
        assert_eq!(defaults.user, None);
        assert_eq!(defaults.env, [("A".into(), "b=c".into()), ("D".into(), String::new())]);
        assert_eq!(defaults.volumes, ["/v"]);
        assert_eq!(defaults.workdir.as_deref(), Some("/w"));
        assert_eq!(defaults.stop_signal.as_deref(), Some("SIGQUIT"));
        assert_eq!(defaults.platform.as_deref(), Some("linux/amd64"));
        assert_eq!(defaults.healthcheck.unwrap().test, ["x"]);
        // What is of an odd form is not what a run depends on.
        let odd = br#"{"rootfs":{"diff_ids":[]},"config":{"Healthcheck":[1],"Shell":"sh","OnBuild":null}}"#;
        let (defaults, _) = read_config(odd).unwrap();
        assert_eq!((defaults.healthcheck, defaults.shell, defaults.on_build), (None, vec![], vec![]));
    }

    #[test]
    fn refuses_what_is_no_image() {
        let kind = |bytes: &[u8]| {
            Image::read(bytes.to_vec(), &Platform::default(), &mut |_, _| panic!("nothing to fetch"))
                .unwrap_err()
                .kind()
        };
        assert_eq!(kind(b"{\"schemaVersion\":1}"), ErrorKind::Unsupported);
        assert_eq!(kind(b"{\"schemaVersion\":2}"), ErrorKind::Corrupt);
        assert_eq!(kind(b"<html>"), ErrorKind::Corrupt);
        assert_eq!(
            check_media_type("application/vnd.cncf.helm.chart.content.v1.tar+gzip").unwrap_err().kind(),
            ErrorKind::Unsupported
        );
    }

    #[test]
    fn an_index_that_leads_to_itself_ends() {
        let index = br#"{"schemaVersion":2,"manifests":[{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":1}]}"#;
        let error =
            Image::read(index.to_vec(), &Platform::default(), &mut |_, _| Ok(index.to_vec())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Hostile);
    }
}
