//! Unpacked layers: which directory serves which id map.

use super::Store;
use super::record::{read_json, touch};
use crate::{Digest, Error, ErrorKind, Result};
use rootlet_kernel::{IdMap, IdRange, OneId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// `about.json`: what is known of a layer since it was first unpacked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct About {
    /// The users that own something in it, each with the name of a file of theirs.
    pub uids: BTreeMap<u32, String>,
    /// Likewise the groups.
    pub gids: BTreeMap<u32, String>,
    /// Each id map needs a directory of its own: it was made for one, not unpacked.
    pub whole_map: bool,
    /// It leaves out parents of its entries, whose owner and mode come from the layers below: each stack of
    /// layers below needs a directory of its own.
    pub leans_on_lower: bool,
    /// It hides all layers below: an opaque root.
    pub hides_lower: bool,
    /// Something lies in a sticky directory, where only its owner removes it.
    pub fills_sticky: bool,
    /// Bytes of its files.
    pub bytes: u64,
    /// How many device nodes were left out.
    pub devices: u64,
}

impl About {
    /// What is known of the layer in this directory; nothing when that is damaged.
    pub(super) fn of(layer: &Path) -> Self {
        read_json(&layer.join("about.json")).ok().flatten().unwrap_or_default()
    }
}

/// `layers/KEY/`: the directories of one layer.
#[derive(Clone, Debug)]
pub(crate) struct LayerDir {
    key: Digest,
    path: PathBuf,
}

/// Stands for the layers below where they do not matter.
pub(crate) const NO_LOWER: &str = "";

impl LayerDir {
    pub(crate) fn new(store: &Store, key: Digest) -> Self {
        Self { key, path: store.layer_dir(key) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it when it is not there.
    pub(crate) fn create(&self) -> Result<()> {
        super::make_directories(&self.path)
            .and_then(|()| fs::set_permissions(&self.path, Permissions::from_mode(0o700)))
            .map_err(|e| Error::io(format!("failed to make {}", self.path.display()), e))
    }

    /// What is known of it; `None` before it is first unpacked.
    pub(crate) fn about(&self) -> Result<Option<About>> {
        read_json(&self.path.join("about.json"))
    }

    pub(crate) fn write_about(&self, store: &Store, about: &About) -> Result<()> {
        self.create()?;
        store.write_json(&self.path.join("about.json"), about)
    }

    /// The tree that is unpacked for `map`, and what is known of it; `None` when it is not there. It counts as
    /// used now.
    ///
    /// Errors: the map lacks an id of the layer.
    pub(crate) fn find(&self, map: &IdMap, lower: &str) -> Result<Option<(About, PathBuf)>> {
        let Some(about) = self.about()? else { return Ok(None) };
        let projection = self.serving(&about, map, lower)?;
        let tree = projection.join("root");
        if !tree.is_dir() {
            return Ok(None);
        }
        if let Ok(used) = fs::File::open(&projection) {
            touch(&used);
        }
        Ok(Some((about, tree)))
    }

    /// The tree of a layer that was made for one id map, and that map; `None` when it is not there.
    #[cfg(feature = "tarball")]
    pub(crate) fn made(&self) -> Result<Option<(IdMap, PathBuf)>> {
        for place in super::entries(&self.path)?.into_iter().filter(|place| place.join("root").is_dir()) {
            if let Some(map) = read_json::<MapRecord>(&place.join("map.json"))? {
                return Ok(Some((map.to_map(), place.join("root"))));
            }
        }
        Ok(None)
    }

    /// The directory that serves `map`, there or not. `lower` stands for the layers below.
    ///
    /// Errors: the map lacks an id of the layer.
    pub(crate) fn serving(&self, about: &About, map: &IdMap, lower: &str) -> Result<PathBuf> {
        let mut text = String::new();
        if about.whole_map {
            let _ = write!(text, "{:?}", MapRecord::of(map));
        } else if let Some(one) = &map.one {
            let user = one.user();
            for uid in about.uids.keys() {
                let _ = write!(text, "u{uid}={} ", if *uid == user.uid { "own" } else { "foreign" });
            }
            for gid in about.gids.keys() {
                let _ = write!(text, "g{gid}={} ", if user.is_in(*gid) { "in" } else { "out" });
            }
            // Root's rights are in no bits; and what is the user's and of his first group has no truth beside it.
            let first = about.gids.contains_key(&user.gid).then_some(user.gid);
            let _ = write!(text, "one {} {first:?}", user.uid == 0);
        } else {
            for (uid, file) in &about.uids {
                let outside =
                    map.uid_outside(*uid).ok_or_else(|| unmapped("user", *uid, file, &map.uids, self.key))?;
                let _ = write!(text, "u{uid}={outside} ");
            }
            for (gid, file) in &about.gids {
                let outside = map
                    .gid_outside(*gid)
                    .ok_or_else(|| unmapped("group", *gid, file, &map.gids, self.key))?;
                let _ = write!(text, "g{gid}={outside} ");
            }
        }
        if about.leans_on_lower {
            text.push_str(lower);
            let _ = write!(text, "{:?}", MapRecord::of(map));
        }
        Ok(self.path.join(&Digest::of(text.as_bytes()).hex()[..16]))
    }
}

/// The layer holds an id that the map lacks.
pub(crate) fn unmapped(what: &str, id: u32, file: &str, ranges: &[IdRange], layer: Digest) -> Error {
    let count: u64 = ranges.iter().map(|range| u64::from(range.count)).sum();
    let option = if what == "user" { "uids" } else { "gids" };
    Error::new(
        ErrorKind::UnmappedId,
        format!(
            "failed to unpack the layer {layer}: `{file}` belongs to {what} {id}, and the id map \
            ({count} ids) has no such {what}"
        ),
    )
    .with_hint(format!(
        "give this user more subordinate ids, at least up to {id}: `sudo usermod --add-sub{option} \
            100000-{} \"$USER\"`, or run as root",
        100_000u64 + u64::from(id)
    ))
}

/// `map.json`, and an [`IdMap`] in one form: adjoining ranges are one range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MapRecord {
    uids: Vec<(u32, u32, u32)>,
    gids: Vec<(u32, u32, u32)>,
    /// Supplementary groups, where one id stands for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    one: Option<Vec<u32>>,
}

impl MapRecord {
    pub(crate) fn of(map: &IdMap) -> Self {
        let merge = |ranges: &[IdRange]| {
            let mut ranges: Vec<_> = ranges.iter().map(|r| (r.inside, r.outside, r.count)).collect();
            ranges.sort_unstable();
            ranges.dedup_by(|next, before| {
                let adjoins = |a: u32, b: u32| a.checked_add(before.2) == Some(b);
                let joined = adjoins(before.0, next.0) && adjoins(before.1, next.1);
                if joined {
                    before.2 += next.2;
                }
                joined
            });
            ranges
        };
        let one = map.one.as_ref().map(|one| one.groups.clone());
        Self { uids: merge(&map.uids), gids: merge(&map.gids), one }
    }

    pub(crate) fn to_map(&self) -> IdMap {
        let ranges = |ranges: &[(u32, u32, u32)]| {
            ranges.iter().map(|&(inside, outside, count)| IdRange { inside, outside, count }).collect()
        };
        let mut map = IdMap::new(ranges(&self.uids), ranges(&self.gids));
        if let (Some(groups), [uid], [gid]) = (&self.one, map.uids.as_slice(), map.gids.as_slice()) {
            map.one = Some(OneId { uid: uid.inside, gid: gid.inside, groups: groups.clone() });
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(ranges: &[(u32, u32, u32)]) -> IdMap {
        MapRecord { uids: ranges.to_vec(), gids: ranges.to_vec(), one: None }.to_map()
    }

    fn dir() -> LayerDir {
        LayerDir { key: Digest::of(b"x"), path: "/x".into() }
    }

    fn holding(ids: &[u32]) -> About {
        let ids: BTreeMap<u32, String> = ids.iter().map(|id| (*id, format!("file-of-{id}"))).collect();
        About { uids: ids.clone(), gids: ids, ..About::default() }
    }

    #[test]
    fn maps_that_agree_on_its_ids_share_a_layer() {
        let sam_is_1000 = map(&[(0, 100_000, 1000), (1000, 1000, 1), (1001, 101_000, 60_000)]);
        let sam_is_2000 = map(&[(0, 100_000, 2000), (2000, 1000, 1), (2001, 102_000, 60_000)]);
        let place = |ids: &[u32], map: &IdMap| dir().serving(&holding(ids), map, "").unwrap();
        assert_eq!(place(&[0, 42], &sam_is_1000), place(&[0, 42], &sam_is_2000));
        assert_ne!(place(&[0, 1000], &sam_is_1000), place(&[0, 1000], &sam_is_2000));
        let leaning = About { leans_on_lower: true, ..holding(&[0]) };
        assert_ne!(
            dir().serving(&leaning, &sam_is_1000, "a").unwrap(),
            dir().serving(&leaning, &sam_is_1000, "b").unwrap()
        );
        let made = About { whole_map: true, ..About::default() };
        assert_ne!(
            dir().serving(&made, &sam_is_1000, "").unwrap(),
            dir().serving(&made, &sam_is_2000, "").unwrap()
        );
    }

    #[test]
    fn an_id_outside_is_named_with_its_file() {
        let error = dir().serving(&holding(&[0, 70_000]), &map(&[(0, 100_000, 65_536)]), "").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnmappedId);
        assert!(error.to_string().contains("`file-of-70000` belongs to user 70000"), "{error}");
        assert!(error.hint().unwrap().contains("--add-subuids 100000-170000"), "{error:?}");
    }

    #[test]
    fn one_map_has_one_form() {
        let split = map(&[(10, 110, 5), (0, 100, 10)]);
        assert_eq!(MapRecord::of(&split), MapRecord::of(&map(&[(0, 100, 15)])));
        assert_eq!(MapRecord::of(&split).to_map(), map(&[(0, 100, 15)]));
        assert_eq!(MapRecord::of(&map(&[(0, 100, 10), (11, 111, 5)])).uids.len(), 2);
        assert_eq!(MapRecord::of(&map(&[(0, u32::MAX, 1), (1, 0, 1)])).uids.len(), 2);
    }
}
