//! Which ids a user namespace maps: user_namespaces(7).

/// The ids of a user namespace, for users and for groups.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdMap {
    /// Users, in ascending order of `inside`, without overlap.
    pub uids: Vec<IdRange>,
    /// Groups, likewise.
    pub gids: Vec<IdRange>,
}

/// `count` ids from `inside` on, seen from within, are `outside` and following on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdRange {
    /// First id within.
    pub inside: u32,
    /// First id on the host.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

impl IdRange {
    /// The host's number of `id`, when it lies in this range.
    pub fn outside_of(&self, id: u32) -> Option<u32> {
        (id >= self.inside && id - self.inside < self.count).then(|| self.outside + (id - self.inside))
    }
}

impl IdMap {
    /// The host's number of the user `uid` within; `None` when it is not mapped.
    pub fn uid_outside(&self, uid: u32) -> Option<u32> {
        self.uids.iter().find_map(|r| r.outside_of(uid))
    }

    /// The host's number of the group `gid` within; `None` when it is not mapped.
    pub fn gid_outside(&self, gid: u32) -> Option<u32> {
        self.gids.iter().find_map(|r| r.outside_of(gid))
    }
}
