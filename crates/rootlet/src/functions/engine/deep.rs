//! Values that hold others that hold others: a file of a container with a file of a container, and so on.

use super::asked::{self, Context};
use serde::de::DeserializeOwned;

/// How many objects and lists may be within each other: some hundred steps that each need what the one before made.
const DEEPEST: usize = 800;
/// Room for what reads and evaluates that, a function within the other. It takes no memory before it is used.
const ROOM: usize = 512 << 20;

/// Does something that may go deep.
///
/// # Panics
/// With what it panics, and when no thread can be started.
pub(super) fn with_room<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    let context = Context::here();
    let act = || {
        context.enter();
        (act(), asked::was_ended())
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(ROOM).spawn_scoped(scope, act);
        let done = thread.expect("a thread can be started").join();
        let (done, ended) = done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        asked::set_ended(asked::was_ended() || ended);
        done
    })
}

/// Reads JSON, of a caller that has room.
pub(super) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    if depth(json) > DEEPEST {
        return Err(format!(
            "it holds values in values, more than {DEEPEST} deep: export files in between, and begin anew with those"
        ));
    }
    let mut reader = serde_json::Deserializer::from_slice(json);
    reader.disable_recursion_limit();
    let value = T::deserialize(&mut reader).map_err(|e| e.to_string())?;
    reader.end().map_err(|e| e.to_string())?;
    Ok(value)
}

fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0usize, 0, false, false);
    for &byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn how_deep_it_is() {
        assert_eq!(depth(br#"{"a\"[": "[[[\\", "b": [[]], "c": {}}"#), 3);
        let nested = |deep: usize| format!("{}{}", "[".repeat(deep), "]".repeat(deep));
        with_room(|| assert!(read::<Value>(nested(DEEPEST).as_bytes()).is_ok()));
        assert!(read::<Value>(nested(100_000).as_bytes()).unwrap_err().contains("deep"));
        assert!(read::<Value>(b"{} {}").is_err());
    }
}
