//! The facts of a base, found once and kept beside it.

use crate::facts::Facts;
use crate::failed::explain;
use crate::ground::Ground;
use crate::plan::{Inputs, plan};
use crate::prepared::{add_skin, places};
use crate::{Identity, Result, host};
use rootlet_base::{Base, BaseKind};
use rootlet_kernel::{Bounds, Nursery, Op, Plan};
use rootlet_spec::Tier;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// What the facts are called that are kept beside a base.
const FACTS: &str = "facts";

/// Facts by the id of the base, of this process.
type Known = Vec<(String, Arc<Facts>)>;
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

/// The facts of a base: kept beside it, or read from a directory, or asked of a bare rootlet of it.
pub(crate) fn facts_of(base: &Base, tier: Tier) -> Result<Arc<Facts>> {
    // A directory may change at any time; what is on top of it, in a snapshot, may not.
    if base.layer_count() == 0 {
        match base.kind() {
            BaseKind::Directory(path) => {
                let facts = Facts::of_directory(path)?;
                return match host::caller().is_root() {
                    true => Ok(Arc::new(facts)),
                    // Whoever is mapped to root, all others are where they are for anybody.
                    false => {
                        let map = host::caller().id_map(tier, base.kind(), &Identity::default())?;
                        Ok(Arc::new(facts.seen_by(&map)))
                    }
                };
            }
            BaseKind::Host => return Facts::of_directory(Path::new("/")).map(Arc::new),
            BaseKind::Layers => {}
        }
    }
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, facts)) = known.iter().find(|(id, _)| id == base.id()) {
        return Ok(facts.clone());
    }
    drop(known);
    match base.note(FACTS).and_then(|bytes| Facts::from_json(&bytes)) {
        Some(facts) => Ok(remember(base, facts)),
        None if tier == Tier::Chroot => Ok(know(base, Facts::of_directory(base.flat()?.path())?)),
        None => Ok(know(base, ask_base(base, tier)?)),
    }
}

/// Keeps the facts of a base beside it.
pub(crate) fn know(base: &Base, facts: Facts) -> Arc<Facts> {
    base.set_note(FACTS, &facts.to_json());
    remember(base, facts)
}

fn remember(base: &Base, facts: Facts) -> Arc<Facts> {
    const MOST: usize = 64;
    let facts = Arc::new(facts);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= MOST {
        known.remove(0);
    }
    known.push((base.id().to_owned(), facts.clone()));
    facts
}

fn ask_base(base: &Base, tier: Tier) -> Result<Facts> {
    let map = host::caller().id_map(
        tier,
        base.kind(),
        &Identity { uid: 1000, gid: 1000, ..Identity::default() },
    )?;
    let nursery = Nursery::shared(&map, Bounds::NONE).map_err(host::explain)?;
    let ground = Ground::of(base, &nursery)?;
    let mut tree = rootlet_kernel::Tree::for_ids(&map);
    // Only the mount points that a plan relies on.
    tree.directory("", 0o755, 0, 0);
    let skin = add_skin(&nursery, &tree)?;
    let inputs = Inputs {
        skin: skin.place(),
        lowers: places(ground.snapshots.iter().chain(&ground.layers)),
        ..Inputs::default()
    };
    let mut planned = plan(&inputs);
    // No /proc, no /dev: what stands there is one of the facts.
    planned.ops.retain(|op| !matches!(op, Op::FileSystem { .. } | Op::Dev(_)));
    let made = nursery.spawn(&Plan::new(planned.namespaces, &planned.ops));
    Facts::of_rootlet(&made.map_err(|error| explain(error, &planned))?)
}
