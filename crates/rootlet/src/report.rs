//! What a rootlet was: who ran, on what, and what of production could not be reproduced.

use crate::Identity;
use rootlet_base::Base;
use rootlet_spec::Tier;
use serde::Serialize;

/// What a person, or a program, should know of a rootlet.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Who runs commands.
    pub user: Identity,
    /// The base's whole name.
    pub base: String,
    /// The base's content id.
    pub base_id: String,
    /// How this host gives the identity.
    pub tier: Tier,
    /// How the limits of memory, processes and processors are kept: `cgroup` (of the whole tree), `rlimit` (of each process,
    /// as [`not_reproduced`](Self::not_reproduced) says), or nothing when there are none.
    pub limits_by: Option<&'static str>,
    /// What this host cannot reproduce, a sentence each.
    pub not_reproduced: Vec<String>,
}

impl Report {
    pub(crate) fn new(base: &Base, user: &Identity, tier: Tier) -> Self {
        Self {
            user: user.clone(),
            base: base.name().to_owned(),
            base_id: base.id().to_owned(),
            tier,
            limits_by: None,
            not_reproduced: Vec::new(),
        }
    }
}
