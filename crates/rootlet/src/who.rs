//! Who runs the commands of a rootlet.

use crate::facts::Facts;
use crate::{Identity, Result};
use rootlet_spec::{Lenient, Spec, User, UserSpec};
use std::sync::LazyLock;

/// The user that stands for a uid which nobody knows, as OpenShift gives one to each project.
const RANDOM: &str = "random";

/// The same for all rootlets of a process, since each uid needs a user namespace of its own.
static RANDOM_UID: LazyLock<u32> = LazyLock::new(|| {
    use std::hash::{BuildHasher, RandomState};
    1_000_000_000 + (RandomState::new().hash_one(0) % 1_000_000_000) as u32
});

/// Who runs commands, and whether their account is made.
pub(crate) struct Who {
    pub identity: Identity,
    pub account: Option<User>,
}

impl Who {
    pub fn of(spec: &Spec, facts: &Facts) -> Result<Self> {
        let sam = User::sam();
        // `--user sam` on a base without a sam means the default account, not an error.
        let asked = match &spec.user {
            None => UserSpec::Account(sam),
            Some(UserSpec::Name(name, None)) if *name == sam.name && !facts.accounts.has_user(name) => {
                UserSpec::Account(sam)
            }
            Some(UserSpec::Name(name, group)) if name == RANDOM && !facts.accounts.has_user(name) => {
                UserSpec::Id(*RANDOM_UID, group.clone())
            }
            Some(user) => user.clone(),
        };
        let identity = facts.accounts.identify(&asked, &spec.groups, spec.memberships)?;
        let account = match asked {
            UserSpec::Account(user) => Some(user),
            // As Podman and CRI-O write it.
            _ if identity.name.is_none() && spec.lenient.contains(&Lenient::Passwd) => Some(User {
                home: "/".into(),
                shell: "/sbin/nologin".into(),
                ..User::new(&identity.uid.to_string(), identity.uid, identity.gid)
            }),
            _ => None,
        };
        Ok(Self { identity, account })
    }
}
