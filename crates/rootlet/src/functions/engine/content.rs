//! What values are known by, for answers that are kept: also by what their files hold now, and never by what secrets are.

use super::{Engine, Result};
use crate::functions::{Failed, Outcome};
use rootlet_spec::pipeline::Container;
use serde_json::{Value, json};

impl Engine {
    /// A value with all that its files hold; `None`, where it stands on something that changes all the time.
    ///
    /// # Errors
    /// It cannot be made.
    pub(in crate::functions) fn content(&self, value: &Value) -> Result<Option<Value>> {
        let kind = value.get("$").and_then(Value::as_str).unwrap_or_default();
        let held = match (kind, value) {
            // How it was said counts as well: what a function gives may lead there.
            ("Directory", _) => json!([value, self.ask_plain("digest", value)?]),
            ("File", _) => json!([value, self.ask_plain("digest", value)?, self.ask_plain("stat", value)?]),
            ("Container", _) => {
                let container: Container =
                    serde_json::from_value(value.clone()).map_err(|e| Failed::query(e.to_string()))?;
                let state = self.state(&container)?;
                let Some(files) = state.base.fingerprint()? else { return Ok(None) };
                let Some(services) = self.content(&json!(state.services))? else { return Ok(None) };
                json!([value, files, state.config, services])
            }
            (_, Value::Array(items)) => {
                let items: Option<Vec<Value>> =
                    items.iter().map(|item| self.content(item)).collect::<Result<_>>()?;
                let Some(items) = items else { return Ok(None) };
                items.into()
            }
            (_, Value::Object(map)) => {
                let mut held = serde_json::Map::new();
                for (name, value) in map {
                    let Some(value) = self.content(value)? else { return Ok(None) };
                    held.insert(name.clone(), value);
                }
                held.into()
            }
            _ => value.clone(),
        };
        Ok(Some(held))
    }

    fn ask_plain(&self, name: &str, on: &Value) -> Result<Value> {
        self.ask(name, on, &serde_json::Map::new())
    }

    /// Whether a value may be kept for others: it tells no secret, neither its text nor one that was told in this session alone.
    pub(in crate::functions) fn is_for_others(&self, value: &Value) -> bool {
        let scrubber = self.0.secrets.scrubber();
        let is_clean = |text: &String| scrubber.scrub(text.as_bytes(), true).0 == text.as_bytes();
        match value {
            Value::String(text) => is_clean(text),
            Value::Array(items) => items.iter().all(|item| self.is_for_others(item)),
            Value::Object(map) if map.get("$").is_some_and(|kind| kind == "Secret") => {
                map.get("uri").is_some_and(Value::is_string)
            }
            Value::Object(map) => map.iter().all(|(name, value)| is_clean(name) && self.is_for_others(value)),
            _ => true,
        }
    }

    /// What was given once in this session is given again; a failure is not.
    pub(in crate::functions) fn once(
        &self,
        key: rootlet_base::Digest,
        make: impl FnOnce() -> Result<Value>,
    ) -> Result<Value> {
        self.0.answers.get_or_try(key, make)
    }

    /// Tells that something did not have to be done.
    pub(in crate::functions) fn was_known(&self, what: &str) {
        self.0.told(what, Outcome::Cached);
    }
}
