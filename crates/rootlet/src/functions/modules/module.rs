//! A module that can be called, and those that it uses.

use super::answers::{self, Called};
use super::git::Place;
use super::locate::{Located, circular, default_value, locate, no_dependency};
use super::names::rename;
use super::process::{Process, Runtime, interpreter};
use super::project::{Dependency, Project};
use super::{presets, stamps};
use crate::functions::schema::{Arg, Object, Schema};
use crate::functions::{Engine, Failed, FailedKind, Modules};
use crate::{Error, Result};
use rootlet_base::Digest;
use rootlet_spec::pipeline::Call;
use rootlet_spec::similar::nearest;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Values by name.
pub type Values = Map<String, Value>;

/// A module. Cheap to clone; it is described once.
#[derive(Clone)]
pub struct Module {
    node: Arc<Node>,
    /// The main module of all; itself, where there is none.
    root: Option<Arc<Node>>,
    runtime: Runtime,
}

struct Node {
    /// Where it is in the whole: ``, `/lib`, `/lib/lib`.
    at: String,
    what: What,
    /// The directories of those that use it, itself included.
    line: Vec<PathBuf>,
    schema: OnceLock<Schema>,
    children: Mutex<BTreeMap<String, Arc<Node>>>,
}

enum What {
    Project(Box<Project>),
    /// rootlet's own, with the names of the tutorial's library.
    Presets,
}

impl Module {
    /// The module of a project.
    pub fn new(project: Project, runtime: &Runtime) -> Self {
        let line = vec![project.directory().to_owned()];
        let node = Node::new(String::new(), What::Project(Box::new(project)), line);
        Self { node: Arc::new(node), root: None, runtime: runtime.clone() }
    }

    /// The module that a name says, as one installs it: a path, a git repository with `@VERSION`, or rootlet's own `rootlet:lib`.
    ///
    /// # Errors
    /// There is none.
    pub fn open(what: &str, directory: &Path, runtime: &Runtime) -> Result<Self> {
        let path = directory.join(what);
        if Place::parse(what).is_none() && what != presets::SOURCE {
            return Ok(Self::new(Project::exactly_at(&path)?, runtime));
        }
        let named = Dependency { name: what.to_owned(), source: what.to_owned(), pin: None };
        match locate(directory, &named, runtime.store())? {
            Located::Project(project) => Ok(Self::new(*project, runtime)),
            Located::Presets => {
                let node = Node::new(String::new(), What::Presets, Vec::new());
                Ok(Self { node: Arc::new(node), root: None, runtime: runtime.clone() })
            }
        }
    }

    /// Where its file is; `None` of rootlet's own.
    pub fn project(&self) -> Option<&Project> {
        match &self.node.what {
            What::Project(project) => Some(project),
            What::Presets => None,
        }
    }

    /// The same module, with another runtime.
    pub fn with_runtime(&self, runtime: Runtime) -> Self {
        Self { runtime, ..self.clone() }
    }

    /// What it offers, as it says itself. That is kept until its files change.
    ///
    /// # Errors
    /// Its code cannot be run, or fails when it is loaded.
    pub fn schema(&self, engine: &Engine) -> Result<&Schema, Failed> {
        if let Some(schema) = self.node.schema.get() {
            return Ok(schema);
        }
        let schema = match &self.node.what {
            What::Presets => presets::schema(),
            What::Project(project) => self.described(project, engine)?,
        };
        Ok(self.node.schema.get_or_init(|| schema))
    }

    /// What those offer that it uses, by name: as its process is told. Each says where it is in the whole, and is there by that, too, for
    /// objects that are handed over.
    ///
    /// # Errors
    /// One of them is not there, or cannot be described; they use each other in a circle.
    pub fn dependencies(&self, engine: &Engine) -> Result<BTreeMap<String, Schema>, Failed> {
        let What::Project(project) = &self.node.what else { return Ok(BTreeMap::new()) };
        let mut all = BTreeMap::new();
        for one in project.dependencies() {
            let child = self.child(&one.name)?;
            let mut schema =
                child.schema(engine).map_err(|e| e.within(format!("the module {}", one.name)))?.clone();
            schema.name.clone_from(&child.node.at);
            all.insert(child.node.at.clone(), schema.clone());
            all.insert(one.name.clone(), schema);
        }
        Ok(all)
    }

    /// Calls functions, each on what the one before gave, of a list on each of it; the first on the main object. Without any the main object is made. What an
    /// object holds counts as a function without arguments.
    ///
    /// # Errors
    /// There is no such function, an argument is missing; what the module says where it fails.
    pub fn call(&self, engine: &Engine, call: &Call) -> Result<Value, Failed> {
        if let What::Presets = self.node.what {
            return presets::call(call, &|image| engine.image_digest(image));
        }
        let schema = self.schema(engine)?;
        let constructor = self.filled(&schema.main_object().constructor, &call.constructor, &schema.name)?;
        let (object, state) = match &call.on {
            None => (schema.main_object(), Value::Null),
            Some(on) => receiver(schema, serde_json::to_value(on).unwrap_or_default(), "")?,
        };
        let Some((first, rest)) = call.calls.split_first() else {
            return self.run(engine, &object, &Value::Null, &constructor, "", &Values::new());
        };
        let mut given = self.step(engine, &object, &state, &constructor, first)?;
        for function in rest {
            given = each(given, &mut |value| {
                let (object, state) = receiver(schema, value, &function.function)?;
                self.step(engine, &object, &state, &constructor, function)
            })?;
        }
        Ok(given)
    }

    fn step(
        &self,
        engine: &Engine,
        object: &Object,
        state: &Value,
        constructor: &Values,
        called: &rootlet_spec::pipeline::Function,
    ) -> Result<Value, Failed> {
        let name = called.function.as_str();
        if let Some(function) = object.function(name) {
            let args = self.filled(&function.args, &called.args, name)?;
            let called = Called { object, state, constructor, function: name, args: &args };
            return answers::kept(engine, self, &called, function.cache, || {
                self.run(engine, object, state, constructor, name, &args)
            });
        }
        if !object.fields.iter().any(|field| field.name == name) {
            return Err(unknown(object, name));
        }
        let held = match state {
            Value::Null => self.run(engine, object, state, constructor, "", &Values::new())?["state"].take(),
            state => state.clone(),
        };
        Ok(held.get(name).cloned().unwrap_or_default())
    }

    /// Has the module's process call one function.
    fn run(
        &self,
        engine: &Engine,
        object: &Object,
        state: &Value,
        constructor: &Values,
        function: &str,
        args: &Values,
    ) -> Result<Value, Failed> {
        let job = json!({
            "job": "call", "object": object.name, "state": state, "constructor": constructor,
            "function": function, "args": args, "modules": self.dependencies(engine)?,
        });
        self.perform(engine, &job)
    }

    fn perform(&self, engine: &Engine, job: &Value) -> Result<Value, Failed> {
        let What::Project(project) = &self.node.what else { return Ok(Value::Null) };
        Process::start(project, &self.runtime)?.perform(engine, job).map_err(hinted)
    }

    /// The schema, from the store where none of the files that it depends on has changed.
    fn described(&self, project: &Project, engine: &Engine) -> Result<Schema, Failed> {
        let parts = json!([
            env!("CARGO_PKG_VERSION"),
            self.runtime.sdk_key(),
            interpreter(project),
            project.source(),
            stamps::of(project),
        ]);
        let key = Digest::of(parts.to_string().as_bytes()).hex();
        let store = self.runtime.store();
        let known =
            store.known_made("schemas", &key).and_then(|place| fs::read(place.join("schema.json")).ok());
        if let Some(schema) = known.and_then(|json| serde_json::from_slice(&json).ok()) {
            return Ok(schema);
        }
        let described = self.perform(engine, &json!({"job": "describe"}))?;
        let mut schema: Schema = serde_json::from_value(described).map_err(|e| {
            Failed::query(format!(
                "the module {} describes itself in a way that is not understood: {e}",
                project.name()
            ))
        })?;
        project.name().clone_into(&mut schema.name);
        store.forget_made("schemas", &key)?;
        store.made::<Error>("schemas", &key, |place| {
            let file = place.join("schema.json");
            let text = serde_json::to_vec(&schema).unwrap_or_default();
            fs::write(&file, text).map_err(|e| Error::io(format!("failed to write {}", file.display()), e))
        })?;
        Ok(schema)
    }

    /// Arguments with what is taken of this machine where nothing is said.
    fn filled(&self, wanted: &[Arg], said: &BTreeMap<String, Value>, of: &str) -> Result<Values, Failed> {
        let usage = |text: String| Failed { kind: FailedKind::Usage, ..Failed::query(text) };
        if let Some(name) = said.keys().find(|name| !wanted.iter().any(|arg| arg.name == **name)) {
            let near = nearest(name, wanted.iter().map(|arg| arg.name.as_str()));
            let failed = usage(format!("`{of}` takes no `{name}`"));
            return Err(
                near.map_or(failed.clone(), |near| failed.with_hint(format!("did you mean `{near}`?")))
            );
        }
        let mut values: Values = said.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        for arg in wanted.iter().filter(|arg| !said.contains_key(&arg.name)) {
            match (&arg.default_path, &self.node.what) {
                (Some(path), What::Project(project)) => {
                    values.insert(arg.name.clone(), default_value(project, arg, path));
                }
                _ if arg.is_required() => return Err(usage(format!("`{of}` wants `{}`", arg.name))),
                _ => {}
            }
        }
        Ok(values)
    }

    pub(super) fn store(&self) -> &rootlet_base::Store {
        self.runtime.store()
    }

    /// What its code is known by, with that of those that it uses.
    pub(super) fn source(&self) -> Result<Value> {
        let What::Project(project) = &self.node.what else { return Ok(presets::NAME.into()) };
        let used =
            project.dependencies().iter().map(|one| Ok(json!([one.name, self.child(&one.name)?.source()?])));
        let used: Vec<Value> = used.collect::<Result<_>>()?;
        Ok(json!([answers::source_of(project, &self.runtime)?, used]))
    }

    fn own_name(&self) -> &str {
        match &self.node.what {
            What::Project(project) => project.name(),
            What::Presets => presets::NAME,
        }
    }

    /// A module by its name: one of those that this one uses, or, by an absolute name, of the whole.
    fn named(&self, name: &str) -> Result<Self> {
        let (mut found, path) = match name.strip_prefix('/') {
            Some(path) => {
                let node = self.root.clone().unwrap_or_else(|| self.node.clone());
                (Self { node, root: None, runtime: self.runtime.clone() }, path)
            }
            None => (self.clone(), name),
        };
        for part in path.split('/') {
            found = found.child(part)?;
        }
        Ok(found)
    }

    fn child(&self, name: &str) -> Result<Self> {
        let mut children = self.node.children.lock().unwrap_or_else(PoisonError::into_inner);
        let node = match children.get(name) {
            Some(known) => known.clone(),
            None => {
                let node = Arc::new(self.node.load(name, self.runtime.store())?);
                children.insert(name.to_owned(), node.clone());
                node
            }
        };
        let root = self.root.clone().unwrap_or_else(|| self.node.clone());
        Ok(Self { node, root: Some(root), runtime: self.runtime.clone() })
    }
}

impl Node {
    fn new(at: String, what: What, line: Vec<PathBuf>) -> Self {
        let (schema, children) = Default::default();
        Self { at, what, line, schema, children }
    }

    /// One that this module uses.
    fn load(&self, name: &str, store: &rootlet_base::Store) -> Result<Self> {
        let What::Project(project) = &self.what else { return Err(no_dependency("lib", name, &[])) };
        let found = project.dependencies().iter().find(|one| one.name == name);
        let one = found.ok_or_else(|| no_dependency(project.name(), name, project.dependencies()))?;
        let at = format!("{}/{name}", self.at);
        match locate(project.directory(), one, store)? {
            Located::Presets => Ok(Self::new(at, What::Presets, Vec::new())),
            Located::Project(child) => {
                let mut line = self.line.clone();
                let circle = line.iter().any(|above| above == child.directory());
                line.push(child.directory().to_owned());
                match circle {
                    true => Err(circular(&line)),
                    false => Ok(Self::new(at, What::Project(child), line)),
                }
            }
        }
    }
}

impl Modules for Module {
    fn call(&self, engine: &Engine, call: &Call) -> Result<Value, Failed> {
        let called = self.named(&call.module)?;
        let (at, own) = (called.node.at.clone(), called.own_name().to_owned());
        let mut call = call.clone();
        let objects = call.on.iter_mut().flat_map(|on| on.state.values_mut());
        let values =
            call.constructor.values_mut().chain(call.calls.iter_mut().flat_map(|one| one.args.values_mut()));
        for value in values.chain(objects) {
            made(engine, value)?;
            rename(value, &at, &own);
        }
        let mut answer = called.call(engine, &call)?;
        rename(&mut answer, &own, &at);
        // What it gives of another module's may be one that nobody has made yet.
        made(engine, &mut answer)?;
        Ok(answer)
    }
}

/// What is handed over as a call, an object that nobody has made yet, is made.
fn made(engine: &Engine, value: &mut Value) -> Result<(), Failed> {
    match value {
        Value::Array(list) => list.iter_mut().try_for_each(|value| made(engine, value)),
        value if value["$"] == "Call" => {
            *value = engine.ask("call", value, &Values::new())?;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn unknown(object: &Object, name: &str) -> Failed {
    let known =
        object.functions.iter().map(|f| f.name.as_str()).chain(object.fields.iter().map(|f| f.name.as_str()));
    let failed = Failed {
        kind: FailedKind::Usage,
        ..Failed::query(format!("{} has no function `{name}`", object.name))
    };
    match nearest(name, known) {
        Some(near) => failed.with_hint(format!("did you mean `{near}`?")),
        None => failed,
    }
}

/// A value, or each one of a list.
pub fn each<E>(value: Value, act: &mut dyn FnMut(Value) -> Result<Value, E>) -> Result<Value, E> {
    match value {
        Value::Array(list) => list.into_iter().map(|value| each(value, act)).collect(),
        value => act(value),
    }
}

/// The object that a function gave, and what it holds.
fn receiver(schema: &Schema, value: Value, wanted: &str) -> Result<(Object, Value), Failed> {
    let object =
        value["type"].as_str().filter(|_| value["$"] == "Object").and_then(|name| schema.object(name));
    match object {
        Some(object) => Ok((object.clone(), value["state"].clone())),
        None => {
            Err(Failed::query(format!("`{wanted}` cannot be called on what the function before it gave")))
        }
    }
}

/// What a module lacks that it imports is to be put beside it.
fn hinted(failed: Failed) -> Failed {
    let missing =
        failed.message.contains("No module named") || failed.message.contains("ModuleNotFoundError");
    match missing && failed.hint.is_none() {
        true => failed.with_hint(
            "a module's Python is that of `.venv` beside its code, where there is one: `python3 -m venv .venv`, \
             `.venv/bin/pip install …`",
        ),
        false => failed,
    }
}
