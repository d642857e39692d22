//! `--tty`: the command has a terminal of its own inside, and the caller's is put back whatever happens.

mod support;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OutputModes, Pid, Winsize, tcgetattr, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A terminal with `rootlet` in its foreground, as a person has it.
struct Terminal {
    master: File,
    /// Kept open: a terminal that nobody has open forgets its settings.
    slave: File,
    child: Child,
    shown: String,
}

impl Terminal {
    fn run(args: &[&str]) -> Self {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = OpenOptions::new().read(true).write(true).open(name).unwrap();
        set_size(&slave, 40, 100);
        let stream = || Stdio::from(slave.try_clone().unwrap());
        let child = Command::new("setsid")
            .arg("--ctty")
            .arg(support::rootlet(&[]).get_program())
            .args(["run", "--tty"])
            .args(args)
            .stdin(stream())
            .stdout(stream())
            .stderr(stream())
            .spawn()
            .unwrap();
        rustix::io::ioctl_fionbio(&master, true).unwrap();
        Self { master: master.into(), slave, child, shown: String::new() }
    }

    /// Reads until this is on the screen.
    #[track_caller]
    fn expect(&mut self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.shown.contains(text) {
            self.read();
            assert!(Instant::now() < deadline, "{text:?} did not come; the screen: {:?}", self.shown);
        }
    }

    /// What has come, waiting a moment for it.
    fn read(&mut self) {
        let moment = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        poll(&mut [PollFd::new(&self.master, PollFlags::IN)], Some(&moment)).unwrap();
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = self.master.read(&mut buffer) {
            self.shown += &String::from_utf8_lossy(&buffer[..n]);
        }
    }

    fn type_in(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the end; gives the status. The terminal must be as it was.
    #[track_caller]
    fn end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let status = loop {
            self.read();
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end; the screen: {:?}", self.shown);
        };
        self.read();
        let settings = tcgetattr(&self.slave).unwrap();
        assert!(settings.local_modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG));
        assert!(settings.output_modes.contains(OutputModes::OPOST));
        status.code()
    }
}

fn set_size(terminal: &File, rows: u16, columns: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}

#[test]
fn the_command_has_a_terminal_of_its_own() {
    let mut terminal =
        Terminal::run(&["--", "sh", "-c", "tty; test -t 0 && test -t 1 && test -t 2 && exit 5"]);
    assert_eq!(terminal.end(), Some(5));
    assert!(
        terminal.shown.contains("/dev/pts/") || terminal.shown.contains("/dev/console"),
        "{}",
        terminal.shown
    );
}

#[test]
fn the_size_is_the_callers_and_follows_it() {
    let script = "stty size; trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done";
    let mut terminal = Terminal::run(&["--", "sh", "-c", script]);
    terminal.expect("40 100\r\nready");
    set_size(&terminal.slave, 50, 120);
    terminal.expect("50 120");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn what_is_typed_goes_in_and_control_c_interrupts_the_command_only() {
    let script = "trap 'echo interrupted; exit 9' INT; echo ready; read x; echo \"<$x>\"; while :; do sleep 0.05; done";
    let mut terminal = Terminal::run(&["--", "sh", "-c", script]);
    terminal.expect("ready");
    terminal.type_in("hello\r");
    terminal.expect("<hello>");
    terminal.type_in("\x03");
    terminal.expect("interrupted");
    assert_eq!(terminal.end(), Some(9));
}

#[test]
fn control_d_ends_the_input() {
    let mut terminal = Terminal::run(&["--", "cat"]);
    terminal.type_in("line\r");
    terminal.expect("line\r\nline\r\n");
    terminal.type_in("\x04");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn a_job_can_be_stopped_and_continued_inside() {
    let mut terminal = Terminal::run(&["--", "bash", "--norc", "-i"]);
    terminal.type_in("sh -c 'echo be''gun; exec sleep 100'\r");
    terminal.expect("begun");
    terminal.type_in("\x1a");
    terminal.expect("Stopped");
    terminal.type_in("kill -9 %1; disown -a; exit 4\r");
    assert_eq!(terminal.end(), Some(4));
}

#[test]
fn much_output_arrives_whole() {
    let mut terminal = Terminal::run(&["--", "sh", "-c", "seq 1 20000; echo done"]);
    assert_eq!(terminal.end(), Some(0));
    assert!(terminal.shown.contains("\r\n19999\r\n20000\r\ndone\r\n"));
    assert!(terminal.shown.len() >= 20000 * 6);
}

#[test]
fn a_signal_to_rootlet_reaches_the_command_and_the_terminal_is_put_back() {
    let mut terminal = Terminal::run(&["--", "sh", "-c", "echo ready; exec sleep 100"]);
    terminal.expect("ready");
    // setsid(1) does not fork here: it becomes rootlet.
    let rootlet = Pid::from_child(&terminal.child);
    rustix::process::kill_process(rootlet, rustix::process::Signal::TERM).unwrap();
    assert_eq!(terminal.end(), Some(143));
}

#[test]
fn a_failure_before_the_command_leaves_the_terminal_alone() {
    let mut terminal = Terminal::run(&["--", "no-such-program"]);
    assert_eq!(terminal.end(), Some(127));
}

#[test]
fn without_a_terminal_of_the_callers_the_command_has_one_still() {
    let output =
        support::run(&["--tty", "--", "sh", "-c", "test -t 0 && read x && echo \"<$x>\""], "typed\n");
    assert_eq!(output.status, Some(0), "{}", output.stderr);
    assert!(output.stdout.contains("<typed>"), "{}", output.stdout);
}
