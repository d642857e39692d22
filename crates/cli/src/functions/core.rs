//! The functions of the API's own types, as a table: what can be called on a container, directory, file or service that a module gave.

use rootlet::functions::schema::{Arg, Enum, EnumValue, Type};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a function of the API is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A step more.
    Step,
    /// A question.
    Ask,
    /// Another value that begins with this one.
    Part,
}

/// A function of the API.
#[derive(Clone, Debug)]
pub struct CoreFunction {
    pub name: String,
    pub kind: Kind,
    pub args: Vec<Arg>,
    pub returns: Type,
    pub doc: String,
}

/// `TYPE NAME(ARG: TYPE=DEFAULT, …) KIND RETURNS what it does`, a line each.
const TABLE: &str = "\
Container combined_output() ask String What its last command said, both streams
Container default_args() ask [String] What runs where nothing is said
Container directory(path: String) part Directory A directory in it
Container entrypoint() ask [String] What is put before a command
Container exposed_ports() ask [Port] What it serves on
Container from(address: String) step Container It begins with a base
Container image_ref() ask String The base that it began with
Container stat(path: String) ask Stat What is there
Container env_variable(name: String) ask String? The value of a variable
Container env_variables() ask [Variable] Its variables
Container exists(path: String, expected_type: ExistsType?) ask Boolean Whether a path is there
Container exit_code() ask Integer How its last command ended
Container export(path: String) ask String Writes it to an archive on this machine
Container file(path: String) part File A file in it
Container label(name: String) ask String? The value of a label
Container labels() ask [Label] Its labels
Container mounts() ask [String] Where something is mounted
Container platform() ask String Its platform
Container publish(address: String) ask String Pushes it to a registry
Container rootfs() part Directory All of its files
Container stderr() ask String What its last command said on standard error
Container stdout() ask String What its last command said on standard output
Container sync() ask Container It is made now
Container terminal(cmd: [String]?) ask Void A shell in it, on this terminal
Container up(ports: [Port]?) ask Void Runs it as a service until it is interrupted
Container user() ask String Who runs commands
Container workdir() ask String Where commands begin
Container as_service(args: [String]?, use_entrypoint: Boolean?, insecure_root_capabilities: Boolean?, expand: Boolean?) part Service It serves
Container as_tarball() part File It as an archive that `docker load` reads
Container with_default_args(args: [String]) step Container What runs where nothing is said
Container with_directory(path: String, source: Directory, include: [String]?, exclude: [String]?, owner: String?) step Container A directory is copied
Container with_entrypoint(args: [String], keep_default_args: Boolean?) step Container What is put before a command
Container with_env_variable(name: String, value: String, expand: Boolean?) step Container A variable is set
Container with_exec(args: [String], use_entrypoint: Boolean?, stdin: String?, redirect_stdin: String?, redirect_stdout: String?, redirect_stderr: String?, expect: ReturnType?, insecure_root_capabilities: Boolean?, expand: Boolean?) step Container A command runs
Container with_exposed_port(port: Integer, protocol: NetworkProtocol?, description: String?) step Container A port that it serves on
Container with_file(path: String, source: File, permissions: Integer?, owner: String?) step Container A file is copied
Container with_label(name: String, value: String) step Container A label is set
Container with_mounted_cache(path: String, cache: CacheVolume, sharing: CacheSharingMode?, owner: String?) step Container A directory that lasts
Container with_mounted_directory(path: String, source: Directory, owner: String?) step Container A directory is there for commands
Container with_mounted_file(path: String, source: File, owner: String?) step Container A file is there for commands
Container with_mounted_secret(path: String, source: Secret, owner: String?, mode: Integer?) step Container A secret is there for commands
Container with_mounted_temp(path: String, size: Integer?) step Container An empty directory in memory
Container with_new_file(path: String, contents: String, permissions: Integer?, owner: String?) step Container A file is written
Container with_registry_auth(address: String, username: String, secret: Secret) step Container Who we are to a registry
Container with_rootfs(directory: Directory) step Container All files are replaced
Container with_secret_variable(name: String, secret: Secret) step Container A variable that holds a secret
Container with_symlink(target: String, link_name: String) step Container A symlink is made
Container with_user(name: String) step Container Who runs commands
Container with_workdir(path: String) step Container Where commands begin
Container without_default_args() step Container Nothing runs where nothing is said
Container without_directory(path: String) step Container A directory is removed
Container without_entrypoint(keep_default_args: Boolean?) step Container Nothing is put before a command
Container without_env_variable(name: String) step Container A variable is removed
Container without_exposed_port(port: Integer, protocol: NetworkProtocol?) step Container A port is no longer served on
Container without_file(path: String) step Container A file is removed
Container without_files(paths: [String]) step Container Files are removed
Container without_label(name: String) step Container A label is removed
Container without_mount(path: String) step Container What is mounted there is gone
Container without_registry_auth(address: String) step Container Nobody in particular
Container without_secret_variable(name: String) step Container A secret variable is removed
Container without_user() step Container Root runs commands
Container without_workdir() step Container Commands begin at /
Directory digest() ask String Of all that it holds
Directory directory(path: String) part Directory A directory in it
Directory entries(path: String?) ask [String] The names in it
Directory exists(path: String, expected_type: ExistsType?) ask Boolean Whether a path is there
Directory export(path: String, wipe: Boolean?) ask String Writes it to a directory of this machine
Directory file(path: String) part File A file in it
Directory glob(pattern: String) ask [String] The paths that a pattern takes
Directory stat(path: String) ask Stat What is there
Directory name() ask String Its name
Directory sync() ask Directory It is made now
Directory diff(other: Directory) step Directory What another one has not
Directory filter(include: [String]?, exclude: [String]?) step Directory Some of it
Directory with_directory(path: String, source: Directory, include: [String]?, exclude: [String]?, owner: String?) step Directory A directory is copied
Directory with_file(path: String, source: File, permissions: Integer?, owner: String?) step Directory A file is copied
Directory with_new_directory(path: String, permissions: Integer?) step Directory A directory is made
Directory with_new_file(path: String, contents: String, permissions: Integer?) step Directory A file is written
Directory with_symlink(target: String, link_name: String) step Directory A symlink is made
Directory with_timestamps(timestamp: Integer) step Directory All of it gets this time
Directory without_directory(path: String) step Directory A directory is removed
Directory without_file(path: String) step Directory A file is removed
Directory without_files(paths: [String]) step Directory Files are removed
File contents() ask String What it holds
File digest() ask String Of what it holds
File export(path: String) ask String Writes it to this machine
File stat() ask Stat What it is
File name() ask String Its name
File size() ask Integer Bytes
File with_name(name: String) part File It, under another name
File with_timestamps(timestamp: Integer) part File It, with this time
File sync() ask File It is made now
Service endpoint(port: Integer?, scheme: String?) ask String Where it is reached
Service hostname() ask String Its name
Service ports() ask [Port] What it serves on
Service stop(kill: Boolean?) ask Service Ends it
Service start() ask Service Starts it
Service up(ports: [Port]?) ask Void Runs it until it is interrupted
Secret name() ask String Its name
Changeset added_paths() ask [String] What is there now alone
Changeset modified_paths() ask [String] What is otherwise
Changeset removed_paths() ask [String] What is gone
Changeset after() part Directory The later one
Changeset before() part Directory The earlier one
Changeset export(path: String) ask String Does the same to a directory of this machine
Changeset layer() part Directory What is new or other in the later one
Changeset is_empty() ask Boolean Whether nothing differs
";

const ENUMS: [(&str, &[&str]); 4] = [
    ("ReturnType", &["SUCCESS", "FAILURE", "ANY"]),
    ("NetworkProtocol", &["TCP", "UDP"]),
    ("CacheSharingMode", &["SHARED", "PRIVATE", "LOCKED"]),
    ("ExistsType", &["REGULAR_TYPE", "DIRECTORY_TYPE", "SYMLINK_TYPE"]),
];

/// The enums of the API.
pub fn enums() -> impl Iterator<Item = Enum> {
    ENUMS.iter().map(|(name, values)| Enum {
        name: (*name).into(),
        doc: String::new(),
        values: values
            .iter()
            .map(|one| EnumValue { name: (*one).into(), value: (*one).into(), doc: String::new() })
            .collect(),
    })
}

/// What can be called on a type of the API; nothing on any other.
pub fn functions(of: &str) -> Vec<CoreFunction> {
    let lines = TABLE.lines().filter_map(|line| line.strip_prefix(of)?.strip_prefix(' '));
    lines.map(|line| read(line).expect("the table is a constant")).collect()
}

fn read(line: &str) -> Option<CoreFunction> {
    let (name, rest) = line.split_once('(')?;
    let (args, rest) = rest.split_once(") ")?;
    let mut rest = rest.splitn(3, ' ');
    let kind = match rest.next()? {
        "step" => Kind::Step,
        "ask" => Kind::Ask,
        _ => Kind::Part,
    };
    let returns = rest.next()?.parse().ok()?;
    let args = args.split(", ").filter(|arg| !arg.is_empty()).map(|arg| {
        let (name, kind) = arg.split_once(": ")?;
        let (name, kind) = (name.to_owned(), kind.parse().ok()?);
        Some(Arg { name, kind, doc: String::new(), default: None, default_path: None, ignore: Vec::new() })
    });
    let args = args.collect::<Option<_>>()?;
    Some(CoreFunction { name: name.into(), kind, args, returns, doc: rest.next()?.into() })
}

impl CoreFunction {
    /// The value that comes of a step or a part.
    pub fn applied(&self, on: Value, args: BTreeMap<String, Value>) -> Value {
        let path = || args.get("path").cloned().unwrap_or_else(|| json!("/"));
        let container = on["$"] == "Container";
        match self.name.as_str() {
            "file" if container => json!({"$": "File", "from": {"container": on, "path": path()}}),
            "file" => json!({"$": "File", "from": {"directory": on, "path": path()}}),
            "directory" | "rootfs" if container => {
                json!({"$": "Directory", "from": {"container": on, "path": path()}})
            }
            "directory" => json!({"$": "Directory", "from": {"directory": on, "path": path()}}),
            "with_name" | "with_timestamps" if on["$"] == "File" => {
                let (mut file, key) = (on, if self.name == "with_name" { "name" } else { "timestamp" });
                file[key] = args.into_values().next().unwrap_or_default();
                file
            }
            "after" => on["of"].clone(),
            "before" => on["from"].clone(),
            "layer" => {
                let diff = json!({"do": "diff", "other": on["of"]});
                let mut before = on["from"].clone();
                match before["steps"].as_array_mut() {
                    Some(steps) => steps.push(diff),
                    None => before["steps"] = json!([diff]),
                }
                before
            }
            "as_tarball" => json!({"$": "File", "from": {"tarball": on}}),
            "as_service" => {
                let mut service = Map::from_iter([("$".into(), json!("Service")), ("container".into(), on)]);
                service.extend(args);
                service.into()
            }
            name => {
                let mut step = Map::from_iter([("do".into(), json!(name))]);
                step.extend(args);
                let mut on = on;
                match on["steps"].as_array_mut() {
                    Some(steps) => steps.push(step.into()),
                    None => on["steps"] = json!([step]),
                }
                on
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rootlet::spec::pipeline::{Container, Directory, File, Service};

    #[test]
    fn every_step_and_part_is_one_that_the_engine_reads() {
        let of = |kind: &Type| -> Value {
            match kind.to_string().as_str() {
                "String" => json!("x"),
                "[String]" => json!(["x"]),
                "Integer" => json!(7),
                "Directory" => json!({"$": "Directory"}),
                "File" => json!({"$": "File", "from": {"new": {"name": "n", "contents": ""}}}),
                "Secret" => json!({"$": "Secret", "uri": "env://X"}),
                "CacheVolume" => json!({"$": "CacheVolume", "key": "k"}),
                other => panic!("{other}"),
            }
        };
        let begin =
            [("Container", json!({"$": "Container", "steps": []})), ("Directory", json!({"$": "Directory"}))];
        for (kind, on) in begin {
            for function in functions(kind).into_iter().filter(|function| function.kind != Kind::Ask) {
                let required = function.args.iter().filter(|arg| arg.is_required());
                let args = required.map(|arg| (arg.name.clone(), of(&arg.kind))).collect();
                let value = function.applied(on.clone(), args);
                let name = &function.name;
                match function.returns.name().unwrap() {
                    "Container" => drop(
                        serde_json::from_value::<Container>(value).unwrap_or_else(|e| panic!("{name}: {e}")),
                    ),
                    "Directory" => drop(
                        serde_json::from_value::<Directory>(value).unwrap_or_else(|e| panic!("{name}: {e}")),
                    ),
                    "File" => {
                        drop(serde_json::from_value::<File>(value).unwrap_or_else(|e| panic!("{name}: {e}")))
                    }
                    "Service" => drop(
                        serde_json::from_value::<Service>(value).unwrap_or_else(|e| panic!("{name}: {e}")),
                    ),
                    other => panic!("{other}"),
                }
            }
        }
        assert!(functions("Container").len() > 50 && functions("String").is_empty());
    }
}
