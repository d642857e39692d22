//! Who answers: an engine of this process, or the command that called this one.

use super::Answer;
use super::answer::{GiveUp, Slot};
use crate::functions::Failed;
#[cfg(feature = "functions")]
use crate::functions::{Asked, Engine};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who answers what is asked. Cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Kind>);

enum Kind {
    #[cfg(feature = "functions")]
    Here(Engine),
    There(There),
}

struct There {
    socket: Mutex<UnixStream>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    slots: HashMap<u64, Arc<Slot>>,
    gone: bool,
}

#[derive(Deserialize)]
struct Told {
    id: u64,
    #[serde(default)]
    answer: Value,
    error: Option<Failed>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(feature = "functions")]
impl From<Engine> for Client {
    fn from(engine: Engine) -> Self {
        Self(Arc::new(Kind::Here(engine)))
    }
}

impl Client {
    /// The command at the other end of a socket (see [`session`](crate::functions::session)), whose answers are read from `reader`.
    pub(crate) fn of(socket: UnixStream, reader: BufReader<UnixStream>) -> Self {
        let there = There { socket: Mutex::new(socket), waiting: Mutex::default() };
        let client = Self(Arc::new(Kind::There(there)));
        let hears = client.clone();
        std::thread::spawn(move || hears.hear(reader));
        client
    }

    fn hear(&self, mut reader: BufReader<UnixStream>) {
        #[cfg_attr(
            not(feature = "functions"),
            expect(irrefutable_let_patterns, reason = "there is no other kind then")
        )]
        let Kind::There(there) = &*self.0 else { return };
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if let Ok(Told { id, answer, error }) = serde_json::from_slice(&line)
                && let Some(slot) = lock(&there.waiting).slots.remove(&id)
            {
                slot.put(error.map_or(Ok(answer), Err));
            }
            line.clear();
        }
        let mut waiting = lock(&there.waiting);
        waiting.gone = true;
        waiting.slots.drain().for_each(|(_, slot)| slot.put(Err(gone())));
    }

    /// Asks; the answer comes later.
    pub(super) fn ask<T: DeserializeOwned>(&self, name: &str, on: Value, with: Value) -> Answer<T> {
        let slot = Arc::new(Slot::default());
        let give_up: GiveUp = match &*self.0 {
            #[cfg(feature = "functions")]
            Kind::Here(engine) => {
                let (engine, name, slot) = (engine.clone(), name.to_owned(), slot.clone());
                let with = with.as_object().cloned().unwrap_or_default();
                let asked = Asked::default();
                let (answers, question) = (engine.clone(), asked.clone());
                std::thread::spawn(move || slot.put(answers.ask_as(&question, &name, &on, &with)));
                Box::new(move || engine.give_up(&asked))
            }
            Kind::There(there) => {
                let mut waiting = lock(&there.waiting);
                waiting.next += 1;
                let id = waiting.next;
                let mut line = json!({"id": id, "ask": name, "on": on, "with": with}).to_string();
                line.push('\n');
                waiting.slots.insert(id, slot.clone());
                let is_gone = waiting.gone;
                drop(waiting);
                if is_gone || lock(&there.socket).write_all(line.as_bytes()).is_err() {
                    slot.put(Err(gone()));
                }
                let client = self.clone();
                Box::new(move || client.give_up(id))
            }
        };
        Answer::new(slot, give_up)
    }

    /// Nobody waits for that answer any more.
    fn give_up(&self, id: u64) {
        #[cfg_attr(
            not(feature = "functions"),
            expect(irrefutable_let_patterns, reason = "there is no other kind then")
        )]
        let Kind::There(there) = &*self.0 else { return };
        if lock(&there.waiting).slots.remove(&id).is_some() {
            let line = json!({"cancel": id}).to_string() + "\n";
            let _ = lock(&there.socket).write_all(line.as_bytes());
        }
    }

    pub(super) fn ask_plain<T: DeserializeOwned>(&self, name: &str, on: Value) -> Answer<T> {
        self.ask(name, on, Value::Object(Map::new()))
    }
}

fn gone() -> Failed {
    Failed::query("the command that answers has ended")
}
