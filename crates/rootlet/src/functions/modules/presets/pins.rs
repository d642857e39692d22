//! The images that the tutorial's library stands on, with the digests that their registries tell now.

use super::Lib;
use crate::functions::Failed;
use rootlet_spec::pipeline::{File, FileOrigin, NewFile};
use serde_json::Value;

const NAME: &str = "image-pins.json";

/// The file of them.
pub(super) fn file(lib: &Lib, digest: &dyn Fn(&str) -> Result<String, Failed>) -> Result<File, Failed> {
    let pin =
        |image: String| Ok(format!("  {}: {}", Value::from(image.as_str()), Value::from(digest(&image)?)));
    let pins: Vec<String> = images(lib).into_iter().map(pin).collect::<Result<_, Failed>>()?;
    let contents = format!("{{\n{}\n}}\n", pins.join(",\n"));
    let new = NewFile { name: NAME.into(), contents, permissions: None };
    Ok(File { from: FileOrigin::New(new), name: None, timestamp: None })
}

/// In the order in which the library has them.
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
