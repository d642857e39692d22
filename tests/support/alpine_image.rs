//! Alpine's image, without a registry.

use crate::OwnStore;
use std::fs;

/// A store that has Alpine's small root under the name of the image that the presets begin with, as a registry would have
/// given it; `None` where its tarball is not at hand.
pub fn alpine_image() -> Option<OwnStore> {
    let tar = crate::alpine_tar()?;
    let own = OwnStore::default();
    let store = rootlet::Store::open(own.path()).unwrap();
    let base = rootlet::Base::resolve(&format!("tar:{}", tar.display()), &store).unwrap();
    let bases = own.path().join("bases");
    let record = bases.read_dir().unwrap().next().unwrap().unwrap().path();
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(record).unwrap()).unwrap();
    json["name"] = "docker.io/library/alpine:3.23".into();
    json.as_object_mut().unwrap().remove("stamp");
    fs::write(bases.join("docker.io%2Flibrary%2Falpine%3A3.23.json"), json.to_string()).unwrap();
    drop(base);
    Some(own)
}
