//! An account is made in a root, with what the distribution's own adduser would give it.

use crate::{Error, ErrorKind, Result, Rootlet};
use rootlet_spec::User;
use rootlet_spec::recipe::RecipeUser;
use std::io;
use std::path::Path;

/// Who decides what an account is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Adduser {
    /// Debian's: a member of `users`, a home that nobody else enters.
    Debian,
    /// BusyBox': a member of its own group, once more.
    BusyBox,
    /// Anybody else's: useradd(8).
    Other,
}

impl Adduser {
    fn of(root: &Rootlet) -> Self {
        let release = root.read_to_string("/etc/os-release").unwrap_or_default();
        let mut ids = release.lines().filter(|line| line.starts_with("ID=") || line.starts_with("ID_LIKE="));
        match ids.by_ref().map(|line| line.replace(['"', '\''], "")).collect::<String>() {
            ids if ids.contains("debian") || ids.contains("ubuntu") => Self::Debian,
            ids if ids.contains("alpine") => Self::BusyBox,
            _ => Self::Other,
        }
    }

    fn home_mode(self) -> u32 {
        match self {
            Self::Debian | Self::Other => 0o700,
            Self::BusyBox => 0o2755,
        }
    }
}

/// Makes the account, its groups and its home; one of that name gets the ids that are asked for. Of another account with the same
/// number the name is no longer the number's.
pub(super) fn make(root: &Rootlet, user: &RecipeUser) -> Result<()> {
    let style = Adduser::of(root);
    let account = User {
        name: user.name.clone(),
        uid: user.uid,
        gid: user.gid(),
        home: user.home(),
        shell: user.shell.clone().unwrap_or_else(|| "/bin/sh".into()),
    };
    check(user)?;
    let failed = |e| Error::io(format!("failed to make the account `{}`", user.name), e);
    let mut files = root.accounts();
    let mut groups = Vec::new();
    for name in &user.groups {
        groups.push(files.group_or_new(name));
    }
    groups.extend(files.gid_of("users").filter(|_| style == Adduser::Debian));
    if let Some(with) = files.with_account(&account, &[]) {
        files = with;
    }
    files.join(&user.name, &groups);
    if style == Adduser::BusyBox {
        files.join(&user.name, &[account.gid]);
    }
    for (path, text) in [("/etc/passwd", &files.passwd), ("/etc/group", &files.group)] {
        root.write(path, text).map_err(failed)?;
    }
    if let Some(shadow) = &files.shadow {
        let fresh = !root.exists("/etc/shadow");
        root.write("/etc/shadow", shadow).map_err(failed)?;
        if fresh {
            root.set_permissions("/etc/shadow", 0o600).map_err(failed)?;
        }
    }
    home(root, &account, style).map_err(failed)?;
    if user.sudo {
        let rule = format!("{} ALL=(ALL) NOPASSWD: ALL\n", user.name);
        let path = format!("/etc/sudoers.d/{}", user.name);
        let done = root.create_dir_all("/etc/sudoers.d").and_then(|()| root.write(&path, rule));
        done.and_then(|()| root.set_permissions(&path, 0o440)).map_err(failed)?;
    }
    Ok(())
}

/// The home, with what /etc/skel has for it.
fn home(root: &Rootlet, account: &User, style: Adduser) -> io::Result<()> {
    let home = Path::new(&account.home);
    let owner = |path: &Path| root.lchown(path, Some(account.uid), Some(account.gid));
    if !root.exists(home) {
        root.create_dir_all(home)?;
        for entry in root.read_dir("/etc/skel").unwrap_or_default() {
            let place = home.join(entry.file_name());
            if entry.metadata().is_file() {
                root.copy(entry.path(), &place)?;
                owner(&place)?;
            }
        }
        owner(home)?;
        root.set_permissions(home, style.home_mode())?;
    }
    Ok(())
}

fn check(user: &RecipeUser) -> Result<()> {
    let plain = |text: &str| {
        !text.is_empty() && !text.contains([':', '\n', '/', ',', '\0']) && !text.starts_with('-')
    };
    let path = |text: &str| text.starts_with('/') && !text.contains([':', '\n', '\0']);
    let bad = |what: &str, text: &str| Error::new(ErrorKind::Recipe, format!("`{text}` is not {what}"));
    if !plain(&user.name) {
        return Err(bad("a user's name", &user.name));
    }
    if let Some(group) = user.groups.iter().find(|group| !plain(group)) {
        return Err(bad("a group's name", group));
    }
    match [Some(user.home()), user.shell.clone()].into_iter().flatten().find(|text| !path(text)) {
        Some(text) => Err(bad("an absolute path", &text)),
        None => Ok(()),
    }
}
