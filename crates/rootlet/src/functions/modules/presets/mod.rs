//! The module `lib`: rootlet's own presets, with the names, arguments and defaults of the library that the tutorial uses.

use crate::functions::schema::{Arg, Function, Object, Schema};
use crate::functions::{Failed, FailedKind};
use rootlet_spec::Keep;
use rootlet_spec::pipeline::{Call, Container, ContainerStep, Directory, FileStep};
use rootlet_spec::preset;
use rootlet_spec::recipe::{Recipe, RecipeUser};
use rootlet_spec::similar::nearest;
use serde_json::{Value, json};
use std::collections::BTreeMap;

mod docker;
mod pins;
mod steps;

use steps::{
    APT_CLEANUP, as_user, file_of, inside, made, no_auto_install, quoted, root, setup_user, told, venv,
};

/// What it is called by.
pub(super) const NAME: &str = "lib";
/// What a project's file says that uses it and nothing else.
pub(super) const SOURCE: &str = "rootlet:lib";
/// The repository of the library whose names it has.
pub(super) const LIBRARY: &str = "daggerlib";

/// What its main object is made with.
const FIELDS: [(&str, &str, &str); 8] = [
    ("alpine_version", "3.23", "The version of Alpine"),
    ("debian_version", "13", "The version of Debian"),
    ("debian_min_version", "2", "Accepted; packages are of the suite as it is"),
    ("pip_tools_python_version", "3.12", "Accepted; Python is Debian's own"),
    ("default_username", "sam", "The user, where none is named"),
    ("timezone", "Europe/Paris", "The time zone"),
    ("dind_ubuntu_image", "ubuntu:24.04", "Accepted, and pinned; `dind_container` is Debian"),
    ("dind_image", "docker:27-dind", "Accepted, and pinned; Docker is Debian's own"),
];

const CTR: &str = "ctr:Container";
const USER: [&str; 5] =
    [CTR, "uid:Integer=1000", "username:String?=null", "sudoer:Boolean=false", "groups:[String]=[]"];
const PACKAGES: &str = "distro_packages:[String]=[]";
const GROUPS: &str = "groups:[String]=[]";
const PIP: &str = "pip_packages:[String]=[]";
const WORKDIR: &str = "work_dir:String=\"/app\"";

/// A function: its name, its arguments, what it gives, what it is for.
type Offered = (&'static str, &'static [&'static str], &'static str, &'static str);

const FUNCTIONS: &[Offered] = &[
    ("alpine", &[PACKAGES], "Container", "Alpine, as root"),
    (
        "alpine_user",
        &[PACKAGES, GROUPS, "uid:Integer=1000"],
        "Container",
        "Alpine, as a regular user with a home",
    ),
    ("alpine_tz", &[], "Directory", "The files of the time zone: localtime and timezone"),
    ("alpine_set_tz", &[CTR], "Container", "Sets the time zone"),
    ("alpine_python", &[PACKAGES], "Container", "Alpine with Python and pip"),
    (
        "alpine_python_user_venv",
        &[PACKAGES, GROUPS, PIP, WORKDIR],
        "Container",
        "Alpine with a virtual environment of the user's own",
    ),
    ("debian", &[PACKAGES], "Container", "Debian, as root, without what its packages recommend"),
    ("debian_user", &[PACKAGES], "Container", "Debian, as a regular user with a home"),
    ("debian_localtime", &[], "File", "The file of the time zone"),
    ("debian_set_tz", &[CTR], "Container", "Sets the time zone"),
    (
        "debian_no_auto_install",
        &[CTR],
        "Container",
        "apt installs neither what is recommended nor what is suggested",
    ),
    ("debian_apt_cleanup", &[CTR], "Container", "Removes what apt has fetched"),
    (
        "debian_python_user_venv",
        &[PACKAGES, GROUPS, PIP, WORKDIR],
        "Container",
        "Debian with a virtual environment of the user's own",
    ),
    ("distroless_debian", &[], "Container", "Google's static image, as its user, not root"),
    ("distroless_python3_debian", &[], "Container", "Google's image of Python, as its user, not root"),
    ("distroless_set_tz", &[CTR], "Container", "Sets the time zone"),
    (
        "setup_user",
        &[
            CTR,
            "uid:Integer=1000",
            "username:String?=null",
            "sudoer:Boolean=false",
            "shell:String=\"/bin/sh\"",
            "groups:[String]=[]",
        ],
        "Container",
        "Makes a user with a home; commands still run as before",
    ),
    ("as_user", &[CTR, "username:String?=null"], "Container", "Commands run as the user, in its home"),
    ("use_user", &USER, "Container", "Makes a user with a home, who runs commands"),
    ("python_venv", &[CTR, "base:String", PIP], "Container", "A virtual environment in BASE/venv"),
    (
        "python_user_venv",
        &[CTR, GROUPS, PIP, WORKDIR],
        "Container",
        "A virtual environment of the user's own",
    ),
    ("flask_venv", &[PIP], "Directory", "A virtual environment with flask in it"),
    ("pip_tools", &[], "Container", "pip-compile, for the user"),
    ("dind_service", &[], "Service", "Docker's daemon, on port 2375"),
    ("dind_container", &["base:Container?=null"], "Container", "Debian, or BASE, with the command docker"),
    (
        "dind_with_docker",
        &["cmd:String", "ctr:Container?=null"],
        "Container",
        "Runs a script in bash, with Docker's daemon at hand",
    ),
    ("upgrade_pins", &[], "File", "image-pins.json: images with the digests that their registries tell now"),
];

/// What it offers.
pub(super) fn schema() -> Schema {
    let constructor = FIELDS.iter().map(|(name, default, doc)| Arg {
        default: Some(json!(default)),
        doc: (*doc).into(),
        ..arg(&format!("{name}:String"))
    });
    let functions = FUNCTIONS.iter().map(|(name, args, returns, doc)| Function {
        name: (*name).into(),
        doc: (*doc).into(),
        args: args.iter().map(|text| arg(text)).collect(),
        returns: crate::functions::schema::Type::Named((*returns).into()),
        check: false,
        cache: Keep::Never,
    });
    let doc = "Roots of Alpine and Debian, with a regular user or without";
    let main = Object {
        name: "Lib".into(),
        doc: doc.into(),
        constructor: constructor.collect(),
        fields: Vec::new(),
        functions: functions.collect(),
    };
    Schema { name: NAME.into(), main: "Lib".into(), doc: doc.into(), objects: vec![main], enums: Vec::new() }
}

/// `name:Type=default`.
fn arg(text: &str) -> Arg {
    let (name, rest) = text.split_once(':').unwrap_or((text, "String"));
    let (kind, default) =
        rest.split_once('=').map_or((rest, None), |(kind, json)| (kind, serde_json::from_str(json).ok()));
    let kind = kind.parse().expect("the types are constants");
    Arg { name: name.into(), kind, doc: String::new(), default, default_path: None, ignore: Vec::new() }
}

/// Calls one of them. `digest` asks a registry what an image is now.
pub(super) fn call(call: &Call, digest: &dyn Fn(&str) -> Result<String, Failed>) -> Result<Value, Failed> {
    let usage = |text: String| Failed { kind: FailedKind::Usage, ..Failed::query(text) };
    let [function] = call.calls.as_slice() else {
        return Err(usage(format!("a function of `{NAME}` is to be called, and nothing on what it gives")));
    };
    let schema = schema();
    let main = schema.main_object();
    let Some(declared) = main.function(&function.function) else {
        let failed = usage(format!("`{NAME}` has no function `{}`", function.function));
        let near = nearest(&function.function, main.functions.iter().map(|one| one.name.as_str()));
        return Err(near.map_or(failed.clone(), |near| failed.with_hint(format!("did you mean `{near}`?"))));
    };
    let lib = Said::new(&main.constructor, &call.constructor, NAME)?;
    let args = Said::new(&declared.args, &function.args, &declared.name)?;
    Lib { said: lib }.call(&declared.name, &args, digest)
}

/// Arguments, with their defaults.
struct Said(BTreeMap<String, Value>);

impl Said {
    fn new(wanted: &[Arg], said: &BTreeMap<String, Value>, of: &str) -> Result<Self, Failed> {
        let usage = |text: String| Failed { kind: FailedKind::Usage, ..Failed::query(text) };
        if let Some(odd) = said.keys().find(|name| !wanted.iter().any(|arg| arg.name == **name)) {
            return Err(usage(format!("`{of}` takes no `{odd}`")));
        }
        let value = |arg: &Arg| match said.get(&arg.name).or(arg.default.as_ref()) {
            Some(value) => Ok((arg.name.clone(), value.clone())),
            None => Err(usage(format!("`{of}` wants `{}`", arg.name))),
        };
        wanted.iter().map(value).collect::<Result<_, _>>().map(Self)
    }

    fn text(&self, name: &str) -> String {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    fn list(&self, name: &str) -> Vec<String> {
        let list = self.0.get(name).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(|value| value.as_str().map(str::to_owned)).collect()
    }

    fn container(&self) -> Result<Container, Failed> {
        self.given("ctr")?.ok_or_else(|| Failed::query("`ctr` is no container"))
    }

    /// A container that need not be said.
    fn given(&self, name: &str) -> Result<Option<Container>, Failed> {
        let value = self.0.get(name).cloned().unwrap_or_default();
        serde_json::from_value(value).map_err(|e| Failed::query(format!("`{name}` is no container: {e}")))
    }

    fn user(&self, lib: &Lib) -> Result<RecipeUser, Failed> {
        let name = self.0.get("username").and_then(Value::as_str).map(str::to_owned);
        let uid = self.0.get("uid").map_or(Some(1000), Value::as_u64).and_then(|uid| u32::try_from(uid).ok());
        let uid = uid.ok_or_else(|| Failed::query("`uid` is no user's number"))?;
        let shell = Some(self.text("shell")).filter(|shell| !shell.is_empty());
        let sudo = self.0.get("sudoer").and_then(Value::as_bool).unwrap_or_default();
        let name = name.unwrap_or_else(|| lib.said.text("default_username"));
        Ok(RecipeUser { uid, shell, sudo, groups: self.list("groups"), ..RecipeUser::new(name) })
    }
}

struct Lib {
    said: Said,
}

impl Lib {
    fn call(
        &self,
        name: &str,
        args: &Said,
        digest: &dyn Fn(&str) -> Result<String, Failed>,
    ) -> Result<Value, Failed> {
        let container = match name {
            "alpine" => made(self.alpine(args)),
            "alpine_user" => made(preset::use_user(self.alpine(args), args.user(self)?)),
            "alpine_python" => made(self.alpine_python(args)),
            "alpine_python_user_venv" => made(self.user_venv(self.alpine_python(args), args, &[])?),
            "debian" => made(self.debian(args)),
            "debian_user" => made(preset::use_user(self.debian(args), args.user(self)?)),
            "debian_python_user_venv" => made(self.debian_venv(args, &[])?),
            "distroless_debian" => made(self.zoned(preset::distroless_debian())),
            "distroless_python3_debian" => made(self.zoned(preset::distroless_python3_debian())),
            "pip_tools" => made(self.debian_venv(args, &["pip-tools"])?),
            "alpine_set_tz" | "debian_set_tz" | "distroless_set_tz" => self.set_zone(args.container()?),
            "setup_user" => setup_user(args.container()?, &args.user(self)?),
            "as_user" => as_user(args.container()?, &args.user(self)?),
            "use_user" => as_user(setup_user(args.container()?, &args.user(self)?), &args.user(self)?),
            "debian_no_auto_install" => no_auto_install(args.container()?),
            "debian_apt_cleanup" => root(args.container()?, APT_CLEANUP),
            "python_venv" => venv(args.container()?, &args.text("base"), &args.list("pip_packages")),
            "python_user_venv" => self.container_venv(args)?,
            "flask_venv" => return told(&inside(made(self.debian_venv(args, &["flask"])?), "/app/venv")),
            "dind_container" => self.with_docker_command(args.given("base")?),
            "dind_with_docker" => {
                let container = args.given("ctr")?.unwrap_or_else(|| self.with_docker_command(None));
                docker::with_docker(container, &args.text("cmd"))
            }
            "dind_service" => return told(&docker::service()),
            "upgrade_pins" => return told(&pins::file(self, digest)?),
            "alpine_tz" => return told(&self.zone_files()),
            "debian_localtime" => return told(&file_of(made(self.debian(args)), "/etc/localtime")),
            other => return Err(Failed::query(format!("`{NAME}` has no function `{other}`"))),
        };
        told(&container)
    }

    fn with_docker_command(&self, base: Option<Container>) -> Container {
        docker::with_command(base.unwrap_or_else(|| made(self.debian(&Said(BTreeMap::new())))))
    }

    fn alpine(&self, args: &Said) -> Recipe {
        let from = format!("alpine:{}", self.said.text("alpine_version"));
        self.zoned(Recipe { from: Some(from), ..preset::alpine() }).packages(args.list("distro_packages"))
    }

    fn alpine_python(&self, args: &Said) -> Recipe {
        self.alpine(args).packages(["python3", "py3-pip"])
    }

    fn debian(&self, args: &Said) -> Recipe {
        // By its number, as images are tagged; anything else is a suite's name.
        let version = self.said.text("debian_version");
        let suite = match version.as_str() {
            "14" => "forky",
            "13" => "trixie",
            "12" => "bookworm",
            "11" => "bullseye",
            suite => suite,
        };
        let from = Some(format!("apt:{suite}"));
        self.zoned(Recipe { from, ..preset::debian() }).packages(args.list("distro_packages"))
    }

    fn debian_venv(&self, args: &Said, more: &[&str]) -> Result<Recipe, Failed> {
        self.user_venv(self.debian(args).packages(["python3", "python3-venv"]), args, more)
    }

    fn user_venv(&self, recipe: Recipe, args: &Said, more: &[&str]) -> Result<Recipe, Failed> {
        let work =
            Some(args.text("work_dir")).filter(|path| !path.is_empty()).unwrap_or_else(|| "/app".into());
        let venv = format!("{work}/venv");
        let mut recipe = preset::use_user(recipe, args.user(self)?);
        let path = recipe.env.remove("PATH").unwrap_or_default();
        let packages = more.iter().map(|name| (*name).to_owned()).chain(args.list("pip_packages"));
        recipe = recipe.python(&venv, packages);
        recipe.workdir = Some(work);
        Ok(recipe.env("PATH", format!("{venv}/bin:{path}")).env("VIRTUAL_ENV", venv))
    }

    fn container_venv(&self, args: &Said) -> Result<Container, Failed> {
        let (user, work) = (args.user(self)?, args.text("work_dir"));
        let mut container = setup_user(args.container()?, &user);
        let owned = format!("mkdir -p {0} && chown {1}:{2} {0}", quoted(&work), user.uid, user.gid());
        container = as_user(root(container, &owned), &user);
        container.steps.push(ContainerStep::WithWorkdir { path: work.clone(), expand: false });
        Ok(venv(container, &work, &args.list("pip_packages")))
    }

    fn zoned(&self, recipe: Recipe) -> Recipe {
        match self.said.text("timezone") {
            zone if zone.is_empty() => recipe,
            zone => recipe.timezone(zone),
        }
    }

    /// The files as they are on Alpine, laid into another container.
    fn set_zone(&self, mut container: Container) -> Container {
        let source = Box::new(self.zone_files());
        container.steps.push(ContainerStep::Files(FileStep::WithDirectory(rootlet_spec::pipeline::Copied {
            path: "/etc".into(),
            source,
            include: Vec::new(),
            exclude: Vec::new(),
            owner: None,
            expand: false,
            read_only: false,
        })));
        container
    }

    fn zone_files(&self) -> Directory {
        let alpine = made(self.alpine(&Said(BTreeMap::new())));
        let file = |name: &str| {
            let source = Box::new(file_of(alpine.clone(), &format!("/etc/{name}")));
            let step = FileStep::WithFile {
                path: name.into(),
                source,
                permissions: None,
                owner: None,
                expand: false,
            };
            rootlet_spec::pipeline::DirectoryStep::Files(step)
        };
        Directory { from: None, steps: vec![file("localtime"), file("timezone")] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(function: &str, args: Value) -> Result<Value, Failed> {
        called_on(json!({}), function, args)
    }

    fn called_on(lib: Value, function: &str, args: Value) -> Result<Value, Failed> {
        let calls = json!([{"function": function, "args": args}]);
        let call_json = json!({"$": "Call", "module": "lib", "constructor": lib, "calls": calls});
        let digest = |image: &str| match image {
            "gone:1" => Err(Failed::query("there is none")),
            image => Ok(format!("sha256:{}", image.len())),
        };
        call(&serde_json::from_value(call_json).unwrap(), &digest)
    }

    #[test]
    fn images_are_pinned_as_their_registries_say() {
        let with = |lib: Value| called_on(lib, "upgrade_pins", json!({}));
        let file = with(json!({"alpine_version": "3.22", "dind_image": "me/dind:1"})).unwrap();
        assert_eq!(
            file["from"]["new"]["contents"],
            r#"{
  "alpine:3.22": "sha256:11",
  "debian:13.2-slim": "sha256:16",
  "ubuntu:24.04": "sha256:12",
  "me/dind:1": "sha256:9",
  "gcr.io/distroless/python3-debian13": "sha256:34",
  "gcr.io/distroless/static-debian13": "sha256:33",
  "python:3.12-alpine": "sha256:18"
}
"#
        );
        assert_eq!(with(json!({"dind_image": "gone:1"})).unwrap_err().message, "there is none");
    }

    #[test]
    fn docker_is_put_into_what_is_given() {
        let alpine = json!({"$": "Container", "steps": [{"do": "from", "address": "x"}]});
        let value = called("dind_with_docker", json!({"cmd": "docker info", "ctr": alpine})).unwrap();
        let done: Vec<&str> =
            value["steps"].as_array().unwrap().iter().map(|step| step["do"].as_str().unwrap()).collect();
        assert_eq!(done, ["from", "with_service_binding", "with_env_variable", "with_exec"]);
        assert_eq!(value["steps"][1]["service"]["insecure_root_capabilities"], true);
        let value = called("dind_container", json!({"base": alpine})).unwrap();
        assert_eq!(value["steps"][0]["address"], "x");
        assert_eq!(value["steps"][1]["path"], "/usr/local/bin/docker");
    }

    #[test]
    fn every_function_gives_what_it_says() {
        let ctr = json!({"$": "Container", "steps": [{"do": "from", "address": "x"}]});
        for function in &schema().main_object().functions {
            let args: Value = function
                .args
                .iter()
                .filter(|arg| arg.is_required())
                .map(|arg| (arg.name.clone(), if arg.name == "ctr" { ctr.clone() } else { json!("/base") }))
                .collect::<serde_json::Map<_, _>>()
                .into();
            let value = called(&function.name, args).unwrap();
            assert_eq!(value["$"], function.returns.name().unwrap(), "{}", function.name);
        }
    }

    #[test]
    fn the_tutorials_user_is_the_presets() {
        let value = called("alpine_user", json!({})).unwrap();
        let expected = preset::alpine_user().timezone("Europe/Paris");
        assert_eq!(value["steps"][0]["recipe"], serde_json::to_value(expected).unwrap());
        let value = called("alpine_user", json!({"uid": 2000, "groups": ["dialout"]})).unwrap();
        assert_eq!(value["steps"][0]["recipe"]["user"]["uid"], 2000);
        assert_eq!(called("alpine_usr", json!({})).unwrap_err().hint.unwrap(), "did you mean `alpine_user`?");
        assert!(called("alpine_user", json!({"gid": 1})).unwrap_err().message.contains("takes no `gid`"));
    }
}
