//! The images that the tutorial's library stands on, with the digests that their registries tell now.

use super::Lib;
use crate::functions::Failed;
use rootlet_spec::pipeline::{File, FileOrigin, NewFile};
use serde_json::{Map, Value};

const NAME: &str = "image-pins.json";

/// The file of them.
pub(super) fn file(lib: &Lib, digest: &dyn Fn(&str) -> Result<String, Failed>) -> Result<File, Failed> {
    let mut pins = Map::new();
    for image in images(lib) {
        let digest = digest(&image)?;
        pins.insert(image, Value::String(digest));
    }
    let contents = serde_json::to_string_pretty(&pins).unwrap_or_default() + "\n";
    let new = NewFile { name: NAME.into(), contents, permissions: None };
    Ok(File { from: FileOrigin::New(new), name: None, timestamp: None })
}

fn images(lib: &Lib) -> [String; 7] {
    let said = |name: &str| lib.said.text(name);
    let debian = said("debian_version");
    [
        format!("alpine:{}", said("alpine_version")),
        format!("debian:{debian}.{}-slim", said("debian_min_version")),
        said("dind_ubuntu_image"),
        said("dind_image"),
        format!("gcr.io/distroless/python3-debian{debian}"),
        format!("gcr.io/distroless/static-debian{debian}"),
        format!("python:{}-alpine", said("pip_tools_python_version")),
    ]
}
