//! Which tier a rootlet gets: the strongest that the host allows, found by trying, never by reading a version.

use crate::doctor;
use crate::host::caller;
use crate::{Error, ErrorKind, Identity, Result};
use rootlet_spec::{Require, Spec, Tier};
use std::sync::{Mutex, PoisonError};

/// What tiers have been refused in this process, and why: found by trying, and not tried again.
static REFUSED: Mutex<Vec<(Tier, String)>> = Mutex::new(Vec::new());

/// The tiers that this caller may be given, strongest first. To root one id is not given, which would make the production user the
/// host's root; and nobody else may change the root directory and become others.
pub(crate) fn possible() -> [Tier; 2] {
    if caller().is_root() { [Tier::Exact, Tier::Chroot] } else { [Tier::Exact, Tier::OneId] }
}

/// The tiers to be tried for this Spec, strongest first.
///
/// # Errors
/// The Spec, or the variable `ROOTLET_TIER`, names one that this caller can never have, or requires what none gives.
pub(crate) fn tiers(spec: &Spec) -> Result<Vec<Tier>> {
    let possible = possible();
    let tiers = match asked(spec)? {
        Some(tier) if possible.contains(&tier) => vec![tier],
        Some(tier) => return Err(never(tier)),
        None => {
            let refused = REFUSED.lock().unwrap_or_else(PoisonError::into_inner);
            let open = possible.into_iter().filter(|tier| refused.iter().all(|(known, _)| known != tier));
            let open: Vec<_> = open.collect();
            // Where all were refused, the last error is to be told again.
            if open.is_empty() { possible.into() } else { open }
        }
    };
    for require in &spec.require {
        if !tiers.iter().any(|&tier| gives(tier, *require)) {
            return Err(lacks(*require));
        }
    }
    Ok(tiers.into_iter().filter(|&tier| spec.require.iter().all(|r| gives(tier, *r))).collect())
}

/// The tier that is asked for: by the Spec, else by the caller's variable.
fn asked(spec: &Spec) -> Result<Option<Tier>> {
    let named = match spec.tier {
        Some(tier) => return Ok(Some(tier)),
        None => std::env::var("ROOTLET_TIER").ok().filter(|name| !name.is_empty()),
    };
    Ok(named.map(|name| name.parse()).transpose()?)
}

fn never(tier: Tier) -> Error {
    let who = if caller().is_root() { "root" } else { "an ordinary user" };
    Error::new(ErrorKind::Host, format!("failed to use the tier {tier}: {who} cannot have it")).with_hint(
        match tier {
            Tier::OneId => "it would make the production user the host's root; ask as an ordinary user",
            _ => "only root may change its root directory and its ids",
        },
    )
}

/// Whether a tier can give what is required; what else may be missing is seen when the rootlet stands.
fn gives(tier: Tier, require: Require) -> bool {
    match require {
        Require::Exact => tier != Tier::OneId,
        Require::Namespaces | Require::Proc => tier != Tier::Chroot,
        // The others always have something to report.
        Require::Everything => tier == Tier::Exact,
    }
}

/// The error of a host that does not give what `--require` names.
pub(crate) fn lacks(require: Require) -> Error {
    let mut why: Vec<String> =
        not_possible().into_iter().map(|(tier, why)| format!("{tier}: {why}")).collect();
    if why.is_empty() {
        why.push("see `rootlet doctor`".into());
    }
    Error::new(ErrorKind::Host, format!("this host does not give what --require {require} asks for"))
        .with_hint(why.join("; "))
}

/// The error of a host that refused every tier which was tried. They are tried again next time: nothing is left to be used
/// instead.
pub(crate) fn none(mut refused: Vec<(Tier, Error)>) -> Error {
    let mut known = REFUSED.lock().unwrap_or_else(PoisonError::into_inner);
    known.retain(|(tier, _)| refused.iter().all(|(tried, _)| tried != tier));
    drop(known);
    if let [_] = refused[..] {
        return refused.remove(0).1;
    }
    let why: Vec<String> = refused.iter().map(|(tier, error)| format!("{tier}: {error}")).collect();
    let what = format!("this host allows no rootlet ({})", why.join("; "));
    let last = refused.last().map(|(_, error)| error);
    let mend = doctor::user_namespaces(last.and_then(Error::raw_os_error));
    let hint = last.and_then(Error::hint).unwrap_or("`rootlet doctor` says what is missing");
    Error::new(ErrorKind::Host, what).with_hint(match (mend.is_empty(), caller().is_root()) {
        (true, _) => hint.to_owned(),
        (false, true) => format!("{mend}; or for the tier chroot: {hint}"),
        (false, false) => mend,
    })
}

/// The tier that a rootlet will likely get, where nothing else is asked for.
pub(crate) fn likely() -> Result<Tier> {
    tiers(&Spec::default()).map(|tiers| tiers[0])
}

/// Remembers that a tier was refused; `error` says why.
pub(crate) fn refuse(tier: Tier, error: &Error) {
    let mut refused = REFUSED.lock().unwrap_or_else(PoisonError::into_inner);
    if refused.iter().all(|(known, _)| *known != tier) {
        refused.push((tier, error.to_string()));
    }
}

/// The tiers above the one that is used which were refused in this process, and why.
pub(crate) fn not_possible() -> Vec<(Tier, String)> {
    REFUSED.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// What a rootlet of this tier cannot be, a sentence each.
pub(crate) fn not_reproduced(tier: Tier, proc_is_the_hosts: bool, who: &Identity) -> Vec<String> {
    let mut all = Vec::new();
    if tier == Tier::OneId {
        let refused = not_possible().into_iter().find(|(refused, _)| *refused == Tier::Exact);
        let why = refused.map(|(_, why)| format!(" ({why})")).unwrap_or_default();
        all.push(match who.uid {
            0 => format!("owners other than root: there is one id{why}; chown(2) and setuid(2) only seem to be done"),
            _ => format!(
                "owners as stat(2) tells them: there is one id{why}; what others own shows as the user's, with the rights that \
                 the user has there"
            ),
        });
    }
    if proc_is_the_hosts {
        all.push("/proc: parts of the host's are hidden, so the kernel allows no other; its process numbers are the host's".into());
    }
    all
}
