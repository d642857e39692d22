//! What nobody waits for any more ends. A command that is connected to the test tells of its end by that connection.

use crate::{Place, alpine};
use rootlet::functions::{Container, Dag, Engine, Options};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

const CODE: &str = r#"
import asyncio

import rootlet
from rootlet import dag, function, object_type

def connects(port):
    # What it reads never ends, or it would hang up.
    return ["sh", "-c", f"mkfifo /tmp/in /tmp/out; nc 127.0.0.1 {port} <>/tmp/in >/tmp/out & head -n 1 /tmp/out"]

class Server:
    """Commands connect to it, and stay."""

    async def __aenter__(self):
        self.connected = asyncio.Queue()
        self.server = await asyncio.start_server(lambda *ends: self.connected.put_nowait(ends), "127.0.0.1")
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()

    def command(self, base):
        return base.with_exec(connects(self.port))

@object_type
class Test:
    @function
    async def cancelled(self, base: rootlet.Container) -> str:
        async with Server() as server:
            task = asyncio.create_task(server.command(base).stdout())
            reader, writer = await server.connected.get()
            task.cancel()
            said = await reader.read()
            writer.close()
            return f"{said} {task.cancelled()}"

    @function
    async def forgotten(self, base: rootlet.Container, port: int) -> str:
        task = asyncio.create_task(base.with_exec(connects(port)).stdout())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readexactly(1)
        return "did not wait"
"#;

/// A command that stays connected to this listener.
fn connects(base: &Container, listener: &TcpListener) -> Container {
    let port = listener.local_addr().unwrap().port();
    // What it reads never ends, or it would hang up.
    base.with_exec([
        "sh",
        "-c",
        &format!("mkfifo /tmp/in /tmp/out; nc 127.0.0.1 {port} <>/tmp/in >/tmp/out & head -n 1 /tmp/out"),
    ])
}

fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().unwrap().0
}

/// Nobody is at the other end any more.
fn has_ended(mut stream: &TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

fn api() -> Dag {
    let store = rootlet::base::Store::open(rootlet_tests::store()).unwrap();
    Dag::new(&Engine::new(&rootlet::resolver(&store), Options::new(".")))
}

#[test]
fn a_cancelled_await_ends_its_command() {
    let Some(alpine) = alpine() else { return };
    let place = Place::with(CODE);
    assert_eq!(place.does(&["call", "--timeout=60s", "cancelled", "--base", &alpine]), "b'' True\n");
}

#[test]
fn what_a_function_leaves_behind_ends_with_it() {
    let Some(alpine) = alpine() else { return };
    let place = Place::with(CODE);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    std::thread::scope(|scope| {
        let call = || place.does(&["call", "--timeout=60s", "forgotten", "--base", &alpine, "--port", &port]);
        let called = scope.spawn(call);
        // The function and its command, in either order.
        let both = [accept(&listener), accept(&listener)];
        both.iter().for_each(|mut stream| stream.write_all(b".").unwrap());
        both.iter().for_each(has_ended);
        assert_eq!(called.join().unwrap(), "did not wait\n");
    });
}

#[test]
fn a_dropped_answer_ends_its_command() {
    let Some(alpine) = alpine() else { return };
    let (dag, listener) = (api(), TcpListener::bind("127.0.0.1:0").unwrap());
    let command = connects(&dag.container().from_(alpine), &listener);
    let answer = command.stdout();
    let stream = accept(&listener);
    drop(answer);
    has_ended(&stream);
    // It is begun again by who asks then.
    let answer = command.stdout();
    let mut stream = accept(&listener);
    stream.write_all(b"again\n").unwrap();
    drop(stream);
    assert_eq!(answer.wait().unwrap(), "again\n");
}

#[test]
fn what_somebody_else_waits_for_goes_on() {
    let Some(alpine) = alpine() else { return };
    let (dag, listener) = (api(), TcpListener::bind("127.0.0.1:0").unwrap());
    let command = connects(&dag.container().from_(alpine), &listener);
    let first = command.stdout();
    let stream = accept(&listener);
    let second = command.combined_output();
    drop(first);
    let served = std::thread::spawn(move || {
        // The second may also have come too late for the first one's.
        let begun = std::iter::once(stream).chain(listener.incoming().map(Result::unwrap));
        begun.for_each(|mut stream| drop(stream.write_all(b"served\n")));
    });
    assert_eq!(second.wait().unwrap(), "served\n");
    drop(served);
}
