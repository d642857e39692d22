//! Directories of the host in a rootlet: bound, or below an overlay.

use crate::ground::{idmapped, plain};
use crate::{Identity, host};
use rootlet_kernel::{Bounds, IdMap, IdRange, Nursery, Source, mount};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

/// What is bound into a rootlet: the project's directory, a socket. `true`: the owners are those on the host.
pub(crate) fn bound(nursery: &Arc<Nursery>, path: &Path) -> io::Result<(Source, bool)> {
    if host::caller().is_root()
        && let Ok(source) = idmapped(nursery, path, true)
    {
        return Ok((source, true));
    }
    Ok((plain(nursery, path, true)?, !host::caller().is_root()))
}

/// A directory of the host below an overlay. With `user`, what real root owns there is that user's.
pub(crate) fn lower(nursery: &Arc<Nursery>, path: &Path, user: Option<&Identity>) -> io::Result<Source> {
    if !host::caller().is_root() {
        return plain(nursery, path, false);
    }
    let exchanged = match user {
        Some(user) if user.uid != 0 => Some(exchanged(nursery.map(), user)?),
        _ => None,
    };
    // The nursery of that map is there for its user namespace alone.
    let namespace = exchanged.as_deref().unwrap_or(nursery).user_namespace()?;
    match mount::clone_idmapped(path, namespace, false) {
        Ok(mount) => nursery.add_mount(mount.as_fd()),
        Err(_) => plain(nursery, path, false),
    }
}

/// A user namespace in which root and the user have changed their places.
fn exchanged(map: &IdMap, user: &Identity) -> io::Result<Arc<Nursery>> {
    let exchanged = IdMap::new(exchange(&map.uids, user.uid), exchange(&map.gids, user.gid));
    Nursery::shared(&exchanged, Bounds::NONE).map_err(io::Error::other)
}

/// The same ranges, in which 0 and `id` have each other's number outside.
fn exchange(ranges: &[IdRange], id: u32) -> Vec<IdRange> {
    let outside = |id| ranges.iter().find_map(|range| range.outside_of(id));
    let (Some(roots), Some(own)) = (outside(0), outside(id)) else { return ranges.to_vec() };
    let without = |range: &IdRange, id: u32| match range.outside_of(id) {
        None => vec![*range],
        Some(_) => {
            let below = IdRange { count: id - range.inside, ..*range };
            let above = IdRange {
                inside: id + 1,
                outside: range.outside + (id - range.inside) + 1,
                count: range.count - (id - range.inside) - 1,
            };
            [below, above].into_iter().filter(|range| range.count > 0).collect()
        }
    };
    let rest = ranges.iter().flat_map(|range| without(range, 0));
    let mut all: Vec<IdRange> = rest.flat_map(|range| without(&range, id)).collect();
    all.push(IdRange { inside: 0, outside: own, count: 1 });
    all.extend((id != 0).then_some(IdRange { inside: id, outside: roots, count: 1 }));
    all.sort_by_key(|range| range.inside);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_a_user_change_places() {
        let range = |inside, outside, count| IdRange { inside, outside, count };
        let all = [range(0, 5000, 2000), range(70_000, 9000, 1)];
        let exchanged = exchange(&all, 1000);
        assert_eq!(
            exchanged,
            [
                range(0, 6000, 1),
                range(1, 5001, 999),
                range(1000, 5000, 1),
                range(1001, 6001, 999),
                range(70_000, 9000, 1)
            ]
        );
        assert_eq!(exchange(&all, 70_000)[0], range(0, 9000, 1));
        assert_eq!(exchange(&all, 0), [range(0, 5000, 1), range(1, 5001, 1999), range(70_000, 9000, 1)]);
        assert_eq!(exchange(&all, 1234), exchange(&all, 1234));
        assert_eq!(exchange(&all, 60_000), all);
    }
}
