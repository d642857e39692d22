//! What the presets do with containers.

use crate::functions::Failed;
use rootlet_spec::pipeline::{
    Container, ContainerStep, Directory, DirectoryOrigin, Exec, File, FileOrigin, FileStep,
};
use rootlet_spec::preset;
use rootlet_spec::recipe::{Recipe, RecipeUser};
use serde_json::Value;

pub(super) const APT_CLEANUP: &str = "apt-get clean && rm -rf /var/lib/apt/lists/*";

pub(super) fn made(recipe: Recipe) -> Container {
    Container { steps: vec![ContainerStep::Recipe { recipe: Box::new(recipe) }] }
}

pub(super) fn told(value: &impl serde::Serialize) -> Result<Value, Failed> {
    serde_json::to_value(value).map_err(|e| Failed::query(e.to_string()))
}

pub(super) fn inside(container: Container, path: &str) -> Directory {
    Directory {
        from: Some(DirectoryOrigin::Container { container, path: path.into(), expand: false }),
        steps: Vec::new(),
    }
}

pub(super) fn file_of(container: Container, path: &str) -> File {
    let from = FileOrigin::Container { container: Box::new(container), path: path.into(), expand: false };
    File { from, name: None, timestamp: None }
}

/// A script that root runs, whoever runs what comes later.
pub(super) fn root(container: Container, script: &str) -> Container {
    let before = container.steps.iter().rev().find_map(|step| match step {
        ContainerStep::WithUser { name } => Some(Some(name.clone())),
        ContainerStep::WithoutUser => Some(None),
        _ => None,
    });
    let mut container = container;
    container.steps.push(ContainerStep::WithUser { name: "root".into() });
    container = shell(container, script);
    container.steps.push(match before.flatten() {
        Some(name) => ContainerStep::WithUser { name },
        None => ContainerStep::WithoutUser,
    });
    container
}

pub(super) fn shell(mut container: Container, script: &str) -> Container {
    let args = ["sh", "-ec", script].map(str::to_owned).to_vec();
    container.steps.push(ContainerStep::WithExec(Exec { args, ..Exec::default() }));
    container
}

pub(super) fn variable(name: &str, value: &str, expand: bool) -> ContainerStep {
    ContainerStep::WithEnvVariable { name: name.into(), value: value.into(), expand }
}

/// Any container gets an account, by what every shell has. One that a recipe alone has made gets it by the recipe.
pub(super) fn setup_user(mut container: Container, user: &RecipeUser) -> Container {
    if let [ContainerStep::Recipe { recipe }] = container.steps.as_slice()
        && recipe.user.is_none()
    {
        return made(preset::setup_user((**recipe).clone(), user.clone()));
    }
    let (name, uid, gid, home) = (&user.name, user.uid, user.gid(), user.home());
    let login = user.shell.as_deref().unwrap_or("/bin/sh");
    let mut script = format!(
        "n={} h={} l={}\n\
         cut -d: -f3 /etc/group | grep -qx {gid} || echo \"$n:x:{gid}:\" >> /etc/group\n\
         cut -d: -f1 /etc/passwd | grep -Fqx \"$n\" || echo \"$n:x:{uid}:{gid}::$h:$l\" >> /etc/passwd\n\
         [ ! -e /etc/shadow ] || cut -d: -f1 /etc/shadow | grep -Fqx \"$n\" || echo \"$n:!:1::::::\" >> /etc/shadow\n\
         mkdir -p \"$h\" && chown -R {uid}:{gid} \"$h\"\n",
        quoted(name),
        quoted(&home),
        quoted(login)
    );
    for group in &user.groups {
        script += &format!(
            "g={}; cut -d: -f1 /etc/group | grep -Fqx \"$g\" || \
             {{ i=900; while cut -d: -f3 /etc/group | grep -qx $i; do i=$((i-1)); done; echo \"$g:x:$i:\" >> /etc/group; }}\n\
             sed -i \"s/^$g:\\([^:]*:[0-9]*\\):\\(..*\\)$/$g:\\1:\\2,$n/; s/^$g:\\([^:]*:[0-9]*\\):$/$g:\\1:$n/\" /etc/group\n",
            quoted(group)
        );
    }
    if user.sudo {
        script += "mkdir -p /etc/sudoers.d && echo \"$n ALL=(ALL) NOPASSWD: ALL\" > /etc/sudoers.d/\"$n\" && chmod 440 /etc/sudoers.d/\"$n\"\n";
    }
    container = root(container, &script);
    container.steps.push(variable("PATH", &format!("{home}/.local/bin:$PATH"), true));
    container
}

pub(super) fn as_user(mut container: Container, user: &RecipeUser) -> Container {
    container.steps.push(variable("HOME", &user.home(), false));
    container.steps.push(ContainerStep::WithUser { name: user.name.clone() });
    container.steps.push(ContainerStep::WithWorkdir { path: user.home(), expand: false });
    container
}

pub(super) fn no_auto_install(mut container: Container) -> Container {
    container.steps.push(ContainerStep::Files(FileStep::WithNewFile {
        path: "/etc/apt/apt.conf.d/99_norecommends".into(),
        contents: "APT::Install-Recommends \"0\";\nAPT::Install-Suggests \"0\";\n".into(),
        permissions: None,
        owner: None,
        expand: false,
    }));
    container
}

pub(super) fn venv(container: Container, base: &str, packages: &[String]) -> Container {
    let venv = format!("{base}/venv");
    let mut script = format!("python3 -m venv --system-site-packages {}", quoted(&venv));
    if !packages.is_empty() {
        script += &format!("\n{}/bin/python3 -m pip install --no-cache-dir --upgrade", quoted(&venv));
        packages.iter().for_each(|name| script += &format!(" {}", quoted(name)));
    }
    let mut container = shell(container, &script);
    container.steps.push(variable("VIRTUAL_ENV", &venv, false));
    container.steps.push(variable("PATH", &format!("{venv}/bin:$PATH"), true));
    container
}

/// A word for a shell.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
