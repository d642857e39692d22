//! A static program that runs inside roots and says what it finds there.
//!
//! It trusts nothing but system calls and `/proc`. Facts are JSON on standard output; whatever was asked for and is
//! impossible is an error on standard error and exit code 1.

mod attempts;
mod collect;

use rootlet_probe::errno;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};

const USAGE: &str = "\
probe facts             everything about this process
probe can PATH...       what may be done with each path
probe attempts FILE     how each attempt of the JSON in this file ends
probe fds               open descriptors
probe tty               whether 0, 1, 2 are terminals, and the size
probe exit N            exit with this code
probe signal N          end by this signal
probe hold              say `ready`, then read standard input to its end
probe daemonise         leave a process in a session of its own; print its pid
probe fork N            hold N children at once; print how many could be made
probe eat-memory BYTES  touch this much memory; print `ok`
probe listen PORT       say `ready`, answer one connection with what it sent
probe threads N FILE    open a file in N threads at once; exit status 1 where one is refused
probe connect PORT      send standard input to 127.0.0.1, print the answer";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match answer(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("probe: {}", errno::name(&error));
            ExitCode::FAILURE
        }
    }
}

fn answer(words: &[&str]) -> io::Result<ExitCode> {
    match words {
        ["facts"] => print_json(&collect::facts()?)?,
        ["can", paths @ ..] => {
            print_json(&paths.iter().map(|path| (*path, collect::can(path))).collect::<BTreeMap<_, _>>())?;
        }
        ["attempts", file] => print_json(&attempts::attempts(file)?)?,
        ["fds"] => print_json(&collect::descriptors()?)?,
        ["tty"] => print_json(&terminal())?,
        ["exit", code] => return Ok(ExitCode::from(number::<u8>(code)?)),
        ["signal", signal] => end_by(number(signal)?)?,
        ["hold"] => hold()?,
        ["daemonise"] => println!("{}", daemonise()?),
        // The middle process of the two forks of a daemon: a new session, then the daemon as an orphan.
        ["daemonise-session"] => {
            rustix::process::setsid()?;
            println!("{}", again(&["pause"])?.id());
        }
        ["pause"] => loop {
            std::thread::park();
        },
        ["fork", count] => println!("{}", fork(number(count)?)),
        ["threads", count, file] => return Ok(threads(number(count)?, file)),
        ["eat-memory", bytes] => println!("{}", eat(number(bytes)?)),
        ["listen", port] => listen(number(port)?)?,
        ["connect", port] => connect(number(port)?)?,
        _ => {
            eprintln!("{USAGE}");
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_json(value: &impl serde::Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    out.write_all(b"\n")
}

fn number<T: std::str::FromStr>(word: &str) -> io::Result<T> {
    word.parse().map_err(|_| io::Error::other(format!("{word}: not such a number")))
}

/// Says `ready` at once, whatever standard output is.
fn ready() -> io::Result<()> {
    println!("ready");
    io::stdout().flush()
}

fn terminal() -> BTreeMap<&'static str, String> {
    let size = rustix::termios::tcgetwinsize(io::stdin())
        .map_or("-".into(), |s| format!("{}x{}", s.ws_col, s.ws_row));
    let controlling = std::fs::File::open("/dev/tty").is_ok();
    BTreeMap::from([
        ("stdin", io::stdin().is_terminal().to_string()),
        ("stdout", io::stdout().is_terminal().to_string()),
        ("stderr", io::stderr().is_terminal().to_string()),
        ("controlling", controlling.to_string()),
        ("size", size),
    ])
}

fn end_by(signal: i32) -> io::Result<()> {
    let signal = Signal::from_named_raw(signal).ok_or(io::Error::other("no such signal"))?;
    rustix::process::kill_process(rustix::process::getpid(), signal)?;
    Ok(())
}

/// Lives until the other end of standard input goes away: tests wait for processes by pipes, not by clocks.
fn hold() -> io::Result<()> {
    ready()?;
    io::copy(&mut io::stdin(), &mut io::sink()).map(drop)
}

/// This program again, with nothing of ours open.
fn again(words: &[&str]) -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("probe").args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

fn daemonise() -> io::Result<u32> {
    let middle = Command::new("/proc/self/exe").arg("daemonise-session").stderr(Stdio::inherit()).output()?;
    number(String::from_utf8_lossy(&middle.stdout).trim())
}

fn fork(count: usize) -> usize {
    let mut children: Vec<Child> = Vec::new();
    while children.len() < count {
        match again(&["pause"]) {
            Ok(child) => children.push(child),
            Err(_) => break,
        }
    }
    let made = children.len();
    for mut child in children {
        let _ = child.kill();
        let _ = child.wait();
    }
    made
}

/// Touches every page, for memory that is never touched is never counted.
fn eat(bytes: usize) -> &'static str {
    let mut memory: Vec<u8> = Vec::new();
    if memory.try_reserve_exact(bytes).is_err() {
        return "ENOMEM";
    }
    memory.resize(bytes, 1);
    std::hint::black_box(&memory);
    "ok"
}

/// Opens a file in several threads at once; whether all could.
fn threads(count: u32, file: &str) -> ExitCode {
    let opened = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(|| std::fs::File::open(file).is_ok())).collect();
        threads.into_iter().all(|thread| thread.join().unwrap_or(false))
    });
    if opened { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn listen(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    ready()?;
    let (mut peer, _) = listener.accept()?;
    let mut heard = Vec::new();
    peer.read_to_end(&mut heard)?;
    peer.write_all(&heard)
}

fn connect(port: u16) -> io::Result<()> {
    let mut peer = TcpStream::connect(("127.0.0.1", port))?;
    io::copy(&mut io::stdin(), &mut peer)?;
    peer.shutdown(std::net::Shutdown::Write)?;
    io::copy(&mut peer, &mut io::stdout()).map(drop)
}
