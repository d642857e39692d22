//! OpenShift's restricted profile (the security context constraint `restricted-v2`).

use super::error::Error;
use super::fields::At;
use super::{Kind, Like};
use crate::{GroupSpec, Memberships, Spec, UserSpec};

/// A program without a file of its own.
pub fn profile(uid: u32) -> Like {
    let mut like = Like::new(Kind::OpenShift, format!("the profile restricted-v2, as uid {uid}"));
    restrict(&mut like.spec, uid);
    like.spec.memberships = Memberships::Merge;
    like.non_root = true;
    like
}

/// What the profile gives to a pod that says none of it: a uid of the namespace's range with group 0, no capability but
/// NET_BIND_SERVICE where it is asked for, no new privileges, the default filter. CRI-O then gives the uid a line in
/// `/etc/passwd`; the strict side has none.
pub fn restrict(spec: &mut Spec, uid: u32) {
    spec.user = Some(UserSpec::Id(uid, Some(GroupSpec::Id(0))));
    spec.caps.add.retain(|name| name == "NET_BIND_SERVICE");
    spec.caps.drop = vec![crate::caps::ALL.into()];
    spec.allow_new_privileges = false;
    spec.seccomp_unconfined = false;
    let group = GroupSpec::Id(uid);
    if !spec.groups.contains(&group) {
        spec.groups.push(group);
    }
}

/// What the profile does not let a pod say.
pub fn admit(name: &str, at: &At, uid: u32) -> Result<(), Error> {
    let range = format!("must be in the ranges: [{uid}, {}]", uid.saturating_add(9999));
    let refused = match name {
        "runAsUser" => !(uid..uid.saturating_add(10_000)).contains(&at.id()?),
        "privileged" | "allowPrivilegeEscalation" if at.truth()? => {
            return Err(at.refused("the profile restricted-v2 allows no privileges"));
        }
        _ => false,
    };
    if refused { Err(at.refused(range)) } else { Ok(()) }
}
