//! SARIF 2.1.0 (OASIS): one rule for each cause, one result for each refusal.

use rootlet::why::{Refusal, Why};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub fn log(why: &Why) -> String {
    let rules: BTreeSet<String> = why.refusals.iter().map(rule).collect();
    let rules: Vec<_> = rules.iter().map(|id| json!({ "id": id })).collect();
    let results: Vec<_> = why.refusals.iter().map(result).collect();
    let driver = json!({ "name": "rootlet", "version": env!("CARGO_PKG_VERSION"), "rules": rules });
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{ "tool": { "driver": driver }, "results": results }],
    });
    serde_json::to_string_pretty(&log).expect("it is plain data") + "\n"
}

fn rule(refusal: &Refusal) -> String {
    serde_json::to_value(refusal.cause).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn result(refusal: &Refusal) -> Value {
    // A result of no place is not shown; the program is one.
    let path = refusal.path.as_ref().unwrap_or(&refusal.program);
    let path: String = path.trim_start_matches('/').bytes().map(encoded).collect();
    json!({
        "ruleId": rule(refusal),
        "level": if refusal.handled { "note" } else { "error" },
        "message": { "text": refusal.to_string() },
        "occurrenceCount": refusal.count,
        "locations": [{ "physicalLocation": { "artifactLocation": { "uri": path } } }],
    })
}

/// As a URI has it.
fn encoded(byte: u8) -> String {
    match byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
        true => (byte as char).into(),
        false => format!("%{byte:02X}"),
    }
}
