//! What a user namespace with one id makes of owners; compiled into the library and the nursery's program.
//!
//! On disk everything belongs to the caller, and inside to the one id: its owner bits are what the kernel looks at. So a file
//! of somebody else is stored with the rights that the user has there (as owner, as member of the group, or as anybody) in the
//! place of the owner's, and the truth beside it in an attribute. Refusals are then the kernel's own. What is left is
//! what an owner may do whatever the bits say (chmod(2) and its kin): the rootlet's pid 1 is asked about those.

/// The attribute that holds the truth of a file that is not the user's. Its value: uid, gid and mode, four bytes each.
pub const TRUTH: &core::ffi::CStr = c"user.rootlet";

/// What takes no attributes (a symlink, a FIFO) and is not the user's is marked by its time of access, which overlayfs never changes
/// in a layer: seconds and nanoseconds. It counts as root's.
pub const FOREIGN_ATIME: [i64; 2] = [0, 424_242_424];

/// An owner, and a mode (07777).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

impl Owner {
    /// The value of [`TRUTH`].
    pub fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        for (place, word) in bytes.chunks_exact_mut(4).zip([self.uid, self.gid, self.mode]) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    /// Back from it.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 12] = bytes.try_into().ok()?;
        let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Some(Self { uid: word(0), gid: word(4), mode: word(8) })
    }
}

/// The one id: whose rights are stored.
#[derive(Clone, Copy, Debug)]
pub struct User<'a> {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: &'a [u32],
}

impl User<'_> {
    /// Whether `gid` is one of the user's groups.
    pub fn is_in(&self, gid: u32) -> bool {
        gid == self.gid || self.groups.contains(&gid)
    }

    /// Whether the kernel's own answer, the one id, is the truth.
    pub fn is_own(&self, owner: Owner) -> bool {
        (owner.uid, owner.gid) == (self.uid, self.gid)
    }

    /// The mode that is stored for a file of `owner`. Root goes by no bits, so theirs stay as they are.
    pub fn stored_mode(&self, owner: Owner) -> u32 {
        let mode = owner.mode & 0o7777;
        if self.uid == 0 || owner.uid == self.uid {
            return mode;
        }
        let rights = if self.is_in(owner.gid) { mode >> 3 & 7 } else { mode & 7 };
        mode & 0o7077 | rights << 6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAM: User = User { uid: 1000, gid: 1000, groups: &[27] };

    fn stored(uid: u32, gid: u32, mode: u32) -> u32 {
        SAM.stored_mode(Owner { uid, gid, mode })
    }

    #[test]
    fn the_owners_bits_are_the_users_rights() {
        assert_eq!(stored(0, 0, 0o644), 0o444);
        assert_eq!(stored(0, 0, 0o4755), 0o4555);
        assert_eq!(stored(0, 42, 0o640), 0o040);
        assert_eq!(stored(0, 27, 0o2770), 0o2770);
        assert_eq!(stored(0, 1000, 0o640), 0o440);
        assert_eq!(stored(0, 0, 0o1777), 0o1777);
        // An owner's own bits hold, even where others have more.
        assert_eq!(stored(1000, 0, 0o077), 0o077);
        let root = User { uid: 0, gid: 0, groups: &[] };
        assert_eq!(root.stored_mode(Owner { uid: 33, gid: 33, mode: 0o400 }), 0o400);
    }

    #[test]
    fn the_truth_survives() {
        let owner = Owner { uid: 1_000_680_000, gid: 42, mode: 0o4755 };
        assert_eq!(Owner::from_bytes(&owner.to_bytes()), Some(owner));
        assert_eq!(Owner::from_bytes(b"short"), None);
    }
}
