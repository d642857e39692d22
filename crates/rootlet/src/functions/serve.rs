//! A module that is written in Rust: what `#[rootlet::module]` makes of it, and its process.

use super::schema::{Arg, Function, Object, Schema, Type};
use super::{CacheVolume, Client, Container, Dag, Directory, Failed, FailedKind, File, Secret, Service};
use crate::Error;
#[cfg(doc)]
use rootlet_spec::Keep;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::future::Future;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

/// What a function of a module gives, or why it failed. `?` takes the library's own errors, those of std's input and output, and texts.
pub type Result<T, E = Failed> = std::result::Result<T, E>;

/// The arguments of a function, by name.
pub type Arguments = Map<String, Value>;

/// A function that is running.
pub type Called<'a> = Pin<Box<dyn Future<Output = Result<Value>> + 'a>>;

/// The main object of a module. `#[rootlet::module]` implements it.
pub trait Served: Sized {
    /// What it offers.
    fn describe() -> Object;

    /// Makes it.
    ///
    /// # Errors
    /// An argument is missing, or is something else than is expected.
    fn construct(client: &Client, arguments: &Arguments) -> Result<Self>;

    /// Calls a function of it.
    fn call<'a>(&'a self, client: &'a Client, function: &'a str, arguments: &'a Arguments) -> Called<'a>;
}

/// What can be an argument of a function, or what it gives.
pub trait Told: Sized {
    /// What the schema calls it.
    fn kind() -> Type;

    /// From what it is told as.
    ///
    /// # Errors
    /// It is something else.
    fn read(client: &Client, value: &Value) -> Result<Self>;

    /// To what it is told as.
    fn tell(&self) -> Value;
}

macro_rules! plain {
    ($($type:ty => $name:literal),*) => {$(
        impl Told for $type {
            fn kind() -> Type {
                Type::Named($name.into())
            }

            fn read(_: &Client, value: &Value) -> Result<Self> {
                Self::deserialize(value).map_err(|e| usage(format!("{e}")))
            }

            fn tell(&self) -> Value {
                json!(self)
            }
        }
    )*};
}

plain!(String => "String", bool => "Boolean", f64 => "Float", () => "Void");
plain!(i32 => "Integer", i64 => "Integer", u16 => "Integer", u32 => "Integer", u64 => "Integer");

macro_rules! core_types {
    ($($type:ident),*) => {$(
        impl Told for $type {
            fn kind() -> Type {
                Type::Named(stringify!($type).into())
            }

            fn read(client: &Client, value: &Value) -> Result<Self> {
                let value = serde_json::from_value(value.clone()).map_err(|e| usage(format!("{e}")))?;
                Ok($type::from_value(client, value))
            }

            fn tell(&self) -> Value {
                json!(self.value())
            }
        }
    )*};
}

core_types!(Container, Directory, File, Service, Secret, CacheVolume);

impl<T: Told> Told for Option<T> {
    fn kind() -> Type {
        Type::Optional(Box::new(T::kind()))
    }

    fn read(client: &Client, value: &Value) -> Result<Self> {
        match value {
            Value::Null => Ok(None),
            value => T::read(client, value).map(Some),
        }
    }

    fn tell(&self) -> Value {
        self.as_ref().map_or(Value::Null, Told::tell)
    }
}

impl<T: Told> Told for Vec<T> {
    fn kind() -> Type {
        Type::List(Box::new(T::kind()))
    }

    fn read(client: &Client, value: &Value) -> Result<Self> {
        let list = value.as_array().ok_or_else(|| usage("a list is expected"))?;
        list.iter().map(|value| T::read(client, value)).collect()
    }

    fn tell(&self) -> Value {
        self.iter().map(Told::tell).collect()
    }
}

fn usage(message: impl Into<String>) -> Failed {
    Failed { kind: FailedKind::Usage, ..Failed::query(message) }
}

/// An argument of a function, as its schema has it.
pub fn argument<T: Told>(name: &str, doc: &str, default: Option<Value>) -> Arg {
    Arg {
        name: name.into(),
        kind: T::kind(),
        doc: doc.into(),
        default,
        default_path: None,
        ignore: Vec::new(),
    }
}

/// A function, as its schema has it.
///
/// # Panics
/// `cache` is nothing that [`Keep`] reads: the macro has looked.
pub fn function<T: Told>(name: &str, doc: &str, args: Vec<Arg>, check: bool, cache: &str) -> Function {
    let cache = cache.parse().expect("the macro has looked");
    Function { name: name.into(), doc: doc.into(), args, returns: T::kind(), check, cache }
}

/// The argument of that name, or what stands for it.
///
/// # Errors
/// It is missing, or is something else than is expected.
pub fn take<T: Told>(
    client: &Client,
    arguments: &Arguments,
    name: &str,
    default: Option<Value>,
) -> Result<T> {
    match arguments.get(name).or(default.as_ref()) {
        Some(value) => T::read(client, value),
        None => T::read(client, &Value::Null),
    }
    .map_err(|failed| failed.within(format!("the argument `{name}`")))
}

/// What stands for an argument, as the schema tells it.
pub fn json(value: impl serde::Serialize) -> Value {
    json!(value)
}

/// There is no such function.
pub fn no_such(function: &str) -> Failed {
    usage(format!("the module has no function `{}`", rootlet_spec::printable(function)))
}

#[derive(Deserialize)]
struct Job {
    job: String,
    #[serde(default)]
    constructor: Arguments,
    #[serde(default)]
    function: String,
    #[serde(default)]
    args: Arguments,
}

/// Is the process of a module: does the one thing that the command which started it asks for. What `main` of a module calls.
///
/// # Errors
/// It was not started by `rootlet call`; the command cannot be talked to. What a function fails of is told to the command.
pub fn serve<M: Served>() -> Result<()> {
    let number = std::env::var("ROOTLET_SESSION").ok().and_then(|number| number.parse().ok());
    let number = number.ok_or_else(|| {
        Failed::query("this is a module of functions, which does nothing by itself")
            .with_hint("`rootlet functions` lists them, `rootlet call` calls one")
    })?;
    let gone = |e| Error::io("failed to talk to the command that called", e);
    let socket: UnixStream = rootlet_kernel::inherited(number).map_err(gone)?.into();
    let mut reader = BufReader::new(socket.try_clone().map_err(gone)?);
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).map_err(gone)?;
    let job: Job = serde_json::from_slice(&line)
        .map_err(|e| Failed::query(format!("its job is not understood: {e}")))?;
    let mut writer = socket.try_clone().map_err(gone)?;
    let client = Client::of(socket, reader);
    let done = catch_unwind(AssertUnwindSafe(|| perform::<M>(&client, &job)));
    let done = done.unwrap_or_else(|panic| {
        let text =
            panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        let message = format!("the function panicked: {}", text.unwrap_or("it did not say why"));
        Err(Failed { kind: FailedKind::Raised, ..Failed::query(message) })
    });
    let mut line = match done {
        Ok(done) => json!({"done": done}),
        Err(failed) => json!({"failed": failed}),
    }
    .to_string();
    line.push('\n');
    Ok(writer.write_all(line.as_bytes()).map_err(gone)?)
}

fn perform<M: Served>(client: &Client, job: &Job) -> Result<Value> {
    if job.job == "describe" {
        let object = M::describe();
        let (main, doc) = (object.name.clone(), object.doc.clone());
        return Ok(json!(Schema {
            name: String::new(),
            main,
            doc,
            objects: vec![object],
            enums: Vec::new()
        }));
    }
    Dag::connect(client.clone());
    let module = M::construct(client, &job.constructor)?;
    if job.function.is_empty() {
        return Ok(json!({"$": "Object", "module": "", "type": M::describe().name, "state": {}}));
    }
    super::block_on(module.call(client, &job.function, &job.args))
}
