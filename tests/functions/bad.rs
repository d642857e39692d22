//! Modules that do not do what they should.

use crate::{Place, finish};
use std::fs;

fn module(body: &str) -> Place {
    let head =
        "import sys, os, time\nfrom rootlet import dag, function, object_type\n\n@object_type\nclass Test:\n";
    let body: String = body.lines().map(|line| format!("    {line}\n")).collect();
    Place::with(&format!("{head}{body}"))
}

#[test]
fn it_raises() {
    let place = module("@function\ndef bad(self) -> str:\n    raise ValueError('the \\x1b[31mreason')");
    place.fails(1, &["call", "bad"], &["ValueError", "reason", "main.py", "in bad"]);
    let said = place.ran(&["call", "bad"]).stderr;
    assert!(!said.contains("\x1b[31m"), "it steers the terminal: {said:?}");
}

#[test]
fn it_does_not_import() {
    let place = Place::with("import no_such_package_anywhere\n");
    place.fails(125, &["call", "x"], &["no_such_package_anywhere", ".venv"]);
    place.fails(125, &["functions"], &["no_such_package_anywhere"]);
    let place = Place::with("def broken(:\n");
    place.fails(125, &["functions"], &["SyntaxError", "main.py"]);
    let place = Place::default();
    place.write("rootlet.json", r#"{"name": "test", "sdk": "python"}"#);
    place.fails(125, &["functions"], &["there is no code in"]);
    place.write("rootlet.json", r#"{"name": "test", "sdk": "go"}"#);
    place.fails(125, &["functions"], &["the module test is written in go"]);
    place.write("rootlet.json", "{\"name\": \"test\",\n\"sdk\"}");
    place.fails(125, &["functions"], &["rootlet.json: expected `:` at line 2"]);
}

#[test]
fn it_hangs() {
    let place = module(
        "@function\ndef hang(self, file: str) -> str:\n    open(file, 'w').write(str(os.getpid()))\n    time.sleep(1000)\n    return ''",
    );
    let words = ["call", "--timeout=1500ms", "hang", "--file=pid"];
    place.fails(124, &words, &["took longer than it may"]);
    assert!(!is_running(&place), "it still runs");
    // Behind the function as well.
    fs::remove_file(place.at("pid")).unwrap();
    place.fails(124, &["call", "hang", "--file=pid", "--timeout", "1500ms"], &["took longer"]);
}

#[test]
fn nothing_is_left_of_it_when_the_command_is_killed() {
    let place = module(
        "@function\ndef hang(self, file: str) -> str:\n    os.mkfifo(file + '.fifo')\n    open(file, 'w').write(str(os.getpid()))\n    open(file + '.fifo').read()\n    return ''",
    );
    let mut child = place.command(&["call", "-q", "hang", "--file=pid"]).spawn().unwrap();
    // Whoever opens the other end knows that it waits there.
    while !place.at("pid.fifo").exists() {
        std::thread::yield_now();
    }
    let _fifo = fs::OpenOptions::new().write(true).open(place.at("pid.fifo")).unwrap();
    assert!(is_running(&place));
    child.kill().unwrap();
    child.wait().unwrap();
    // It dies by itself, at once but not before we are told of the command's end.
    let mut patience = 1_000_000;
    while is_running(&place) && patience > 0 {
        std::thread::yield_now();
        patience -= 1;
    }
    assert!(!is_running(&place), "it lives on");
}

#[test]
fn it_hangs_when_it_is_loaded() {
    let place = Place::with("import time\ntime.sleep(1000)\n");
    place.fails(124, &["call", "--timeout=500ms", "any"], &["took longer than it may"]);
    place.fails(124, &["call", "any", "--timeout", "500ms"], &["took longer than it may"]);
    let ran = place.ran(&["check", "--timeout=500ms"]);
    assert_eq!(ran.status, Some(124), "{}", ran.stderr);
}

/// Whether the process whose number the module wrote is there, and no zombie.
fn is_running(place: &Place) -> bool {
    let Ok(pid) = fs::read_to_string(place.at("pid")) else { return false };
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z') && !line.contains('X'))
}

#[test]
fn it_prints_megabytes() {
    let place = module(
        "@function\ndef loud(self) -> str:\n    sys.stdout.write('o' * 5_000_000)\n    sys.stderr.write('e' * 5_000_000)\n    return 'done'",
    );
    let ran = place.ran(&["call", "loud"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "done\n"));
    assert!(ran.stderr.len() >= 10_000_000, "{}", ran.stderr.len());
    let place = module("@function\ndef large(self) -> str:\n    return 'x' * 20_000_000");
    assert_eq!(place.does(&["call", "large"]).len(), 20_000_001);
}

#[test]
fn it_gives_what_cannot_be_told() {
    let place = module("@function\ndef odd(self) -> str:\n    return object()");
    place.fails(1, &["call", "odd"], &["odd", "object"]);
}

#[test]
fn it_ends_without_a_word() {
    let place = module(
        "@function\ndef gone(self) -> str:\n    os._exit(3)\n@function\ndef shot(self) -> str:\n    os.kill(os.getpid(), 11)",
    );
    place.fails(1, &["call", "gone"], &["ended before its function did", "it ended with 3"]);
    place.fails(1, &["call", "shot"], &["signal 11 ended it"]);
}

#[test]
fn no_module_of_the_callers_directory_stands_for_pythons() {
    let place = module("@function\ndef fine(self) -> str:\n    import json\n    return json.dumps(1)");
    for name in ["json", "rootlet", "asyncio", "enum"] {
        place.write(&format!("{name}.py"), "raise RuntimeError('the wrong one')\n");
    }
    let ran = finish(&mut place.command(&["call", "-q", "fine"]));
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "1\n"), "{}", ran.stderr);
}
