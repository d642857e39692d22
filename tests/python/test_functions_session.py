"""Scripts: `async with dagger.connection()` starts the command, and it ends with the connection."""

import asyncio
import gc
import io
import os
import sys
import textwrap
from pathlib import Path

import pytest
from conftest import Descriptors
from fake_engine import LIB

from rootlet import functions
from rootlet.functions import _session, dag


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Writes the command that is started instead of `rootlet`; it speaks on its standard input."""

    def write(code):
        path = tmp_path / "rootlet"
        head = f"#!{sys.executable}\nimport json, os, socket, sys, time\nhere = {str(tmp_path)!r}\n"
        path.write_text(head + textwrap.dedent(code))
        path.chmod(0o755)
        monkeypatch.setenv("ROOTLET_BIN", str(path))
        return tmp_path

    return write


ANSWERS = """
assert sys.argv[1:] == ["session"]
print("progress", file=sys.stderr, flush=True)
with socket.socket(fileno=0) as end, end.makefile("rwb") as stream:
    def say(message):
        stream.write(json.dumps(message).encode() + b"\\n")
        stream.flush()
    say({"job": "session", "modules": MODULES})
    for line in stream:
        said = json.loads(line)
        answer = os.getcwd() if said["ask"] == "workdir" else said["on"] and said["on"]["steps"][0].get("address")
        say({"id": said["id"], "answer": answer})
open(here + "/ended", "w")
""".replace("MODULES", repr({"lib": LIB}))


def test_a_script_asks_and_the_command_ends(command):
    directory = command(ANSWERS)

    async def script():
        async with functions.connection() as client:
            assert client is dag
            both = dag.container().from_("a").stdout(), dag.container().from_("b").stdout()
            assert await asyncio.gather(*both) == ["a", "b"]
            assert dag.lib().alpine_user()
            # A function that connects, too, has the one that is there.
            async with functions.connection():
                assert await dag.container().from_("c").stdout() == "c"

    asyncio.run(script())
    assert (directory / "ended").exists() and _session.current is None
    asyncio.run(script())


def test_two_clients_have_engines_of_their_own(command, tmp_path):
    command(ANSWERS)
    (tmp_path / "one").mkdir()

    async def script():
        one = functions.Connection(functions.Config(workdir=tmp_path / "one"))
        async with one as first, functions.Connection() as second:
            assert await first.container().from_("x").workdir() == str(tmp_path / "one")
            assert await second.container().from_("x").workdir() == os.getcwd()
            with pytest.raises(functions.ClientConnectionError):
                await dag.container().stdout()
        with pytest.raises(functions.ClientConnectionError, match="closed"):
            await first.container().stdout()

    asyncio.run(script())


def test_progress_goes_where_it_is_to(command, tmp_path, capfd):
    command(ANSWERS)

    async def script(log):
        async with functions.connection(functions.Config(log_output=log)):
            pass

    memory = io.StringIO()
    asyncio.run(script(memory))
    assert memory.getvalue() == "progress\n"
    with open(tmp_path / "log", "w") as file:
        asyncio.run(script(file))
    assert (tmp_path / "log").read_text() == "progress\n"
    asyncio.run(script(None))
    assert capfd.readouterr().err == ""


def test_a_command_that_is_of_no_use_is_said(command, monkeypatch):
    async def script(timeout=None):
        async with functions.connection(functions.Config(timeout=timeout)):
            pass

    command("print('no store', file=sys.stderr); sys.exit(1)")
    with pytest.raises(functions.SessionError, match="no store"):
        asyncio.run(script())
    command("socket.socket(fileno=0).recv(1)")
    with pytest.raises(functions.SessionError, match="said nothing"):
        asyncio.run(script(0.2))
    monkeypatch.setenv("ROOTLET_BIN", "/no/such/rootlet")
    with pytest.raises(functions.ProvisionError, match="No such file"):
        asyncio.run(script())
    assert _session.current is None


def test_an_engine_that_ends_is_said(command):
    command(ANSWERS.replace("    for line in stream:", "    stream.readline(); sys.exit(3)\n    for line in stream:"))

    async def script():
        async with functions.connection():
            await dag.container().from_("x").stdout()

    with pytest.raises(functions.TransportError, match="ended"):
        asyncio.run(script())


def test_nothing_is_left_behind(command):
    command(ANSWERS)

    async def script():
        async with functions.connection():
            raise ValueError

    gc.collect()
    before = Descriptors.count()
    for _ in range(3):
        with pytest.raises(ValueError):
            asyncio.run(script())
    assert Descriptors.count() == before
    task = Path(f"/proc/self/task/{os.getpid()}/children")
    assert task.read_text() == ""
