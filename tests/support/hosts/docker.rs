//! Docker's default profile, as its project keeps it, for a container with docker's default capabilities.

use super::filter::{Answer, ENOSYS, EPERM, Rule, Test, calls, compile};
use serde_json::Value;
use std::path::Path;

/// Docker's fourteen.
pub const CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The profile, compiled as docker's runtime does: rules that fit this machine and these capabilities. Calls that this
/// machine does not know by name (they are newer than its headers) get ENOSYS, as that runtime has it for what is newer
/// than its profile.
pub fn filter(profile: &Path) -> Vec<u8> {
    let text = std::fs::read_to_string(profile).expect("the profile can be read");
    let profile: Value = serde_json::from_str(&text).expect("the profile is JSON");
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    let known = calls();
    let fitting = profile["syscalls"].as_array().expect("a list of rules").iter().filter(|rule| fits(rule));
    let mut rules: Vec<Rule> = Vec::new();
    for rule in fitting {
        let names = rule["names"].as_array().expect("names").iter().filter_map(Value::as_str);
        let test = rule["args"].as_array().and_then(|args| args.first()).map(test);
        let answer = answer(rule);
        rules.extend(names.filter_map(|name| Some(Rule { call: *known.get(name)?, test, answer })));
    }
    let named = |call| known.values().any(|number| *number == call);
    let last = known.values().max().expect("there are system calls");
    let newer =
        (0..last + 100).filter(|call| !named(*call)).map(|call| Rule { call, test: None, answer: ENOSYS });
    rules.extend(newer);
    compile(&rules, EPERM)
}

fn fits(rule: &Value) -> bool {
    let lists = |key: &str, what: &str, ours: &dyn Fn(&str) -> bool| -> Option<bool> {
        let list = rule[key][what].as_array()?;
        Some(list.iter().filter_map(Value::as_str).any(ours))
    };
    let capability = |name: &str| CAPABILITIES.contains(&name.trim_start_matches("CAP_"));
    let here = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let architecture = |name: &str| name == here;
    let included = [lists("includes", "caps", &capability), lists("includes", "arches", &architecture)];
    let excluded = [lists("excludes", "caps", &capability), lists("excludes", "arches", &architecture)];
    // Of kernels the profile names 4.8 only, which is older than any that has what rootlet asks for.
    assert!(["4.8", ""].contains(&rule["includes"]["minKernel"].as_str().unwrap_or_default()));
    included.iter().all(|list| list.unwrap_or(true)) && !excluded.iter().any(|list| list.unwrap_or(false))
}

fn answer(rule: &Value) -> Answer {
    match rule["action"].as_str() {
        Some("SCMP_ACT_ALLOW") => Answer::Allow,
        Some("SCMP_ACT_ERRNO") => Answer::Errno(rule["errnoRet"].as_u64().unwrap_or(1) as u32),
        other => panic!("an action that nobody taught this test: {other:?}"),
    }
}

fn test(arg: &Value) -> Test {
    let number = |key: &str| arg[key].as_u64().unwrap_or(0) as u32;
    let (index, value) = (number("index"), number("value"));
    match arg["op"].as_str() {
        Some("SCMP_CMP_LT") => Test::Less(index, value),
        Some("SCMP_CMP_EQ") => Test::Equal(index, value),
        Some("SCMP_CMP_GT") => Test::Greater(index, value),
        Some("SCMP_CMP_MASKED_EQ") => Test::Masked(index, value, number("valueTwo")),
        other => panic!("a comparison that nobody taught this test: {other:?}"),
    }
}
