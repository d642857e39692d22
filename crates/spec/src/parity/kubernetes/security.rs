//! The security contexts of a pod and its container: what the container says goes before what the pod says.

use super::super::error::Error;
use super::super::fields::{At, Fields};
use super::super::{Like, Loss, openshift};
use crate::{GroupSpec, Memberships, Net, UserSpec, caps};

/// What volumes need to know.
#[derive(Default)]
pub struct Owner {
    pub fs_group: Option<u32>,
}

pub fn read<'a>(
    like: &mut Like,
    pod: &mut Fields<'a>,
    container: &mut Fields<'a>,
    scc: Option<u32>,
) -> Result<Owner, Error> {
    let mut pods = pod.map("securityContext")?;
    let mut own = container.map("securityContext")?;
    if let Some(uid) = scc {
        for fields in [&mut pods, &mut own].into_iter().flatten() {
            for name in ["runAsUser", "privileged", "allowPrivilegeEscalation"] {
                fields.get(name).map_or(Ok(()), |at| openshift::admit(name, &at, uid))?;
            }
        }
    }
    let mut owner = Owner::default();
    identity(like, &mut pods, &mut own)?;
    if let Some(pods) = &mut pods {
        owner.fs_group = groups(like, pods)?;
        sysctls(like, pods)?;
    }
    if let Some(own) = &mut own {
        rights(like, own)?;
    }
    if let Some(uid) = scc {
        openshift::restrict(&mut like.spec, uid);
        owner.fs_group = owner.fs_group.or(Some(uid));
        like.non_root = true;
    }
    filter(like, &mut pods, &mut own)?;
    for mut fields in [pods, own].into_iter().flatten() {
        fields.ignore(&["windowsOptions"]);
        fields.lose(
            "seLinuxOptions",
            &mut like.losses,
            "no label is asked of this host: SELinux refuses nothing here",
        );
        app_armor(&mut fields, &mut like.losses)?;
        fields.rest(&mut like.losses);
    }
    Ok(owner)
}

/// The field of the container, else of the pod.
fn either<'a>(
    pods: &mut Option<Fields<'a>>,
    own: &mut Option<Fields<'a>>,
    name: &'static str,
) -> Option<At<'a>> {
    let of_pod = pods.as_mut().and_then(|fields| fields.get(name));
    own.as_mut().and_then(|fields| fields.get(name)).or(of_pod)
}

fn identity<'a>(
    like: &mut Like,
    pods: &mut Option<Fields<'a>>,
    own: &mut Option<Fields<'a>>,
) -> Result<(), Error> {
    let uid = either(pods, own, "runAsUser").map(|at| at.id()).transpose()?;
    // Without a user, the kubelet takes the image's, whose own group it leaves out.
    like.group = either(pods, own, "runAsGroup").map(|at| at.id()).transpose()?.map(GroupSpec::Id);
    like.spec.user = uid.map(|uid| UserSpec::Id(uid, like.group.clone()));
    like.non_root = either(pods, own, "runAsNonRoot").map_or(Ok(false), |at| at.truth())?;
    Ok(())
}

fn groups(like: &mut Like, pods: &mut Fields) -> Result<Option<u32>, Error> {
    let fs_group = pods.id("fsGroup")?;
    let mut more = Vec::new();
    for at in pods.list("supplementalGroups")? {
        more.push(at.id()?);
    }
    let groups = fs_group.into_iter().chain(more).map(GroupSpec::Id);
    like.spec.groups.extend(groups);
    if let Some(at) = pods.get("supplementalGroupsPolicy") {
        like.spec.memberships = match at.text()? {
            "Merge" => Memberships::Merge,
            "Strict" => Memberships::Strict,
            _ => return Err(at.refused("supported values: \"Merge\", \"Strict\"")),
        };
    }
    // On a fresh volume both policies do the same.
    if let Some(at) = pods.get("fsGroupChangePolicy")
        && !matches!(at.text()?, "OnRootMismatch" | "Always")
    {
        return Err(at.refused("supported values: \"OnRootMismatch\", \"Always\""));
    }
    pods.ignore(&["seLinuxChangePolicy"]);
    Ok(fs_group)
}

fn sysctls(like: &mut Like, pods: &mut Fields) -> Result<(), Error> {
    for at in pods.list("sysctls")? {
        let mut fields = at.map()?;
        let name = fields.required("name")?.text()?.replace('/', ".");
        let value = fields.required("value")?.text()?.to_owned();
        if name.starts_with("net.") && like.spec.net == Net::Host {
            like.losses.push(at.loss("the network is the host's; with --net private it is set"));
        }
        like.spec.sysctls.push((name, value));
    }
    Ok(())
}

fn rights(like: &mut Like, own: &mut Fields) -> Result<(), Error> {
    let spec = &mut like.spec;
    let privileged = own.get("privileged");
    let is_privileged = privileged.as_ref().map_or(Ok(false), At::truth)?;
    let escalation = own.get("allowPrivilegeEscalation");
    let may_escalate = escalation.as_ref().map(At::truth).transpose()?;
    spec.read_only = own.truth("readOnlyRootFilesystem")?.unwrap_or(false);
    if let Some(mut capabilities) = own.map("capabilities")? {
        let (add, drop) = (capabilities.list("add")?, capabilities.list("drop")?);
        spec.caps.drop = names(&drop)?;
        // containerd adds first: what is dropped by its name stays dropped.
        let mut added = names(&add)?;
        added.retain(|name| !spec.caps.drop.contains(name));
        spec.caps.add = added;
        capabilities.rest(&mut like.losses);
    }
    if let (Some(at), Some(false)) = (&escalation, may_escalate) {
        if is_privileged {
            return Err(at.refused("cannot set `allowPrivilegeEscalation` to false and `privileged` to true"));
        }
        if spec.caps.add.iter().any(|name| name == "SYS_ADMIN") {
            return Err(at.refused(
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
            ));
        }
    }
    spec.allow_new_privileges = may_escalate.unwrap_or(true);
    if let Some(at) = privileged.filter(|_| is_privileged) {
        spec.caps.add = vec![caps::ALL.into()];
        spec.caps.drop.clear();
        spec.seccomp_unconfined = true;
        like.losses.push(at.loss(
            "all capabilities and no filter, but in a user namespace: the node's devices and kernel are out of reach",
        ));
    }
    if let Some(at) = own.get("procMount")
        && at.text()? != "Default"
    {
        like.losses
            .push(at.loss("nothing of /proc is masked in a rootlet anyway; the kernel refuses what matters"));
    }
    Ok(())
}

fn names(list: &[At]) -> Result<Vec<String>, Error> {
    let name = |at: &At| {
        caps::parse(at.text()?).map_err(|e| {
            let error = at.error(e.to_string());
            match e.hint() {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        })
    };
    list.iter().map(name).collect()
}

/// The strict side where nothing is said: a kubelet with `seccompDefault` takes RuntimeDefault, one without takes none.
fn filter<'a>(
    like: &mut Like,
    pods: &mut Option<Fields<'a>>,
    own: &mut Option<Fields<'a>>,
) -> Result<(), Error> {
    let Some(at) = either(pods, own, "seccompProfile") else { return Ok(()) };
    let mut profile = at.map()?;
    let kind = profile.required("type")?;
    match kind.text()? {
        "RuntimeDefault" => like.spec.seccomp_unconfined = false,
        "Unconfined" => like.spec.seccomp_unconfined = true,
        "Localhost" => {
            like.losses.push(at.loss("a profile of the node; the runtime's default stands in its place"))
        }
        _ => return Err(kind.refused("supported values: \"Localhost\", \"RuntimeDefault\", \"Unconfined\"")),
    }
    Ok(())
}

fn app_armor(fields: &mut Fields, losses: &mut Vec<Loss>) -> Result<(), Error> {
    let Some(at) = fields.get("appArmorProfile") else { return Ok(()) };
    if at.map()?.text("type")? != Some("Unconfined") {
        losses.push(at.loss("no AppArmor profile is applied here"));
    }
    Ok(())
}
