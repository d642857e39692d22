//! The conversation with the process that runs a module's code: a line of JSON each, over a stream socket.
//!
//! ```text
//! engine ─▶ {"job": "call", …}
//!           {"id": 1, "ask": "stdout", "on": {"$": "Container", …}, "with": {}} ◀─ module
//! engine ─▶ {"id": 1, "answer": "sam\n"}          or {"id": 1, "error": {"kind": "exec", …}}
//!           {"cancel": 1}                         nobody waits for that any more ◀─ module
//!           {"done": "sam\n"}                     or {"failed": {"kind": "raised", …}} ◀─ module
//! ```
//!
//! A module may ask many things at once; each is answered when its answer is there. What it does not wait for any more, at its end above
//! all, is ended.

use super::{Asked, Engine, deep};
use crate::functions::Failed;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A line of more bytes is not read: what a function gives is no file.
const LONGEST: u64 = 256 << 20;

/// What a module says.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Ask(Ask),
    Done { done: Value },
    Failed { failed: Failed },
    GivenUp { cancel: u64 },
}

#[derive(Deserialize)]
struct Ask {
    id: u64,
    ask: String,
    #[serde(default)]
    on: Value,
    #[serde(default)]
    with: Map<String, Value>,
}

/// Gives a module's process its job, answers what it asks, and gives what it has done. `socket` is this process's end.
///
/// # Errors
/// What the module says where it failed; it has ended, or says what is not understood.
pub fn serve(engine: &Engine, socket: UnixStream, job: &Value) -> Result<Value, Failed> {
    let gone = |e: std::io::Error| Failed::query(format!("the module's process cannot be talked to: {e}"));
    let writer = Arc::new(Mutex::new(socket.try_clone().map_err(gone)?));
    // One that has ended already is told by what is read.
    let _ = tell(&writer, job);
    let reader = BufReader::new(socket);
    let open = Open::default();
    let done = deep::with_room(|| converse(engine, reader, &writer, &open));
    let left = std::mem::take(&mut *lock(&open));
    left.values().for_each(|asked| engine.give_up(asked));
    done
}

/// The questions that are not answered yet.
type Open = Arc<Mutex<HashMap<u64, Asked>>>;

fn converse(
    engine: &Engine,
    mut reader: BufReader<UnixStream>,
    writer: &Arc<Mutex<UnixStream>>,
    open: &Open,
) -> Result<Value, Failed> {
    loop {
        let Some(line) = line(&mut reader)? else {
            return Err(Failed::query("the module's process ended before its function did"));
        };
        match deep::read(&line) {
            Ok(Said::Done { done }) => return Ok(done),
            Ok(Said::Failed { failed }) => return Err(failed),
            Ok(Said::Ask(ask)) => {
                let (writer, engine, open) = (writer.clone(), engine.clone(), open.clone());
                let asked = Asked::default();
                lock(&open).insert(ask.id, asked.clone());
                std::thread::spawn(move || {
                    let answer = match engine.ask_as(&asked, &ask.ask, &ask.on, &ask.with) {
                        Ok(answer) => json!({"id": ask.id, "answer": answer}),
                        Err(failed) => json!({"id": ask.id, "error": failed}),
                    };
                    lock(&open).remove(&ask.id);
                    // Who does not wait for it any more has ended.
                    let _ = tell(&writer, &answer);
                });
            }
            Ok(Said::GivenUp { cancel }) => {
                let asked = lock(open).remove(&cancel);
                asked.inspect(|asked| engine.give_up(asked));
            }
            Err(why) => {
                return Err(Failed::query(format!(
                    "the module's process says what is not understood: {why}"
                )));
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn line(reader: &mut BufReader<UnixStream>) -> Result<Option<Vec<u8>>, Failed> {
    use std::io::Read;
    let mut line = Vec::new();
    let read = reader.by_ref().take(LONGEST).read_until(b'\n', &mut line);
    match read {
        // A process that was ended leaves its last words unread, or resets the connection.
        Ok(0) | Err(_) => Ok(None),
        Ok(_) if line.last() != Some(&b'\n') && line.len() as u64 == LONGEST => {
            Err(Failed::query("the module's process says more than 256 MiB at once"))
        }
        Ok(_) => Ok(Some(line)),
    }
}

fn tell(writer: &Mutex<UnixStream>, value: &Value) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    lock(writer).write_all(&line)
}
