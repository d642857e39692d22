//! Answers of functions that are given again, since their authors say so: for a session, or for some time, in the store.
//!
//! One is known by the module's source and those of the modules that it uses, by the object, and by the arguments, with what their files
//! hold. A failure is never kept, nor what tells a secret.

use super::module::Module;
use super::stamps;
use crate::functions::schema::Object;
use crate::functions::{Engine, Failed};
use crate::{Error, Result};
use rootlet_base::{Digest, Store};
use rootlet_spec::Keep;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The form of what is kept; another one is another answer.
const VERSION: &str = "answer 1";
const KIND: &str = "answers";
const FILE: &str = "answer.json";

/// What a function is called on, and with.
pub(super) struct Called<'a> {
    pub object: &'a Object,
    pub state: &'a Value,
    pub constructor: &'a super::Values,
    pub function: &'a str,
    pub args: &'a super::Values,
}

/// What the function gave before, as long as that is kept; else what `run` gives.
pub(super) fn kept(
    engine: &Engine,
    module: &Module,
    called: &Called<'_>,
    keep: Keep,
    run: impl FnOnce() -> Result<Value, Failed>,
) -> Result<Value, Failed> {
    if keep.is_never() {
        return run();
    }
    // What cannot be known is run, and says itself what is wrong with it.
    let Ok(Some(key)) = key(engine, module, called) else { return run() };
    let told = || format!("{}.{}", called.object.name, called.function);
    engine.once(key, || match keep {
        Keep::For(time) => {
            let (store, key) = (module.store(), key.hex());
            if let Some(answer) = known(store, &key, time) {
                engine.was_known(&told());
                return Ok(answer);
            }
            let answer = run()?;
            if engine.is_for_others(&answer) {
                write(store, &key, &answer)?;
            }
            Ok(answer)
        }
        Keep::Never | Keep::Session => run(),
    })
}

fn key(engine: &Engine, module: &Module, called: &Called<'_>) -> Result<Option<Digest>, Failed> {
    let with = json!([called.state, called.constructor, called.args]);
    let Some(with) = engine.content(&with)? else { return Ok(None) };
    let parts = json!([
        VERSION,
        env!("CARGO_PKG_VERSION"),
        module.source()?,
        called.object.name,
        called.function,
        with
    ]);
    Ok(Some(Digest::of(parts.to_string().as_bytes())))
}

/// One that is not too old. One of the future is as good as none: nobody knows how old it is.
fn known(store: &Store, key: &str, time: Duration) -> Option<Value> {
    let file = store.known_made(KIND, key)?.join(FILE);
    let age = SystemTime::now().duration_since(fs::metadata(&file).ok()?.modified().ok()?).ok()?;
    if age >= time {
        return None;
    }
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

fn write(store: &Store, key: &str, answer: &Value) -> Result<()> {
    store.forget_made(KIND, key)?;
    store.made::<Error>(KIND, key, |place: &Path| {
        let file = place.join(FILE);
        let text = answer.to_string();
        fs::write(&file, text).map_err(|e| Error::io(format!("failed to write {}", file.display()), e))
    })?;
    Ok(())
}

/// What the code of a module is known by that uses no other one.
pub(super) fn source_of(project: &super::Project, runtime: &super::Runtime) -> Result<Value> {
    let failed = |e| Error::io(format!("failed to read the module {}", project.name()), e);
    let interpreter = super::process::interpreter(project);
    Ok(json!([
        runtime.sdk_key(),
        interpreter,
        project.source(),
        stamps::contents(project).map_err(failed)?.hex()
    ]))
}
