"""An engine that answers what it is told to: what an SDK says is seen without anything being done."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import rootlet.functions

# Found where the package is, so that the copy under test is meant.
PACKAGE = Path(rootlet.functions.__file__).parent
COMPAT = PACKAGE / "compat"

LIB = {
    "name": "lib",
    "main": "Lib",
    "doc": "Presets.",
    "objects": [
        {
            "name": "Lib",
            "doc": "",
            "constructor": [{"name": "default_username", "type": "String", "default": "sam"}],
            "fields": [{"name": "timezone", "type": "String", "doc": ""}],
            "functions": [
                {
                    "name": "alpine_user",
                    "doc": "Alpine, as a user.",
                    "args": [
                        {"name": "distro_packages", "type": "[String]", "default": []},
                        {"name": "uid", "type": "Integer", "default": 1000},
                    ],
                    "returns": "Container",
                },
                {
                    "name": "setup_user",
                    "args": [
                        {"name": "ctr", "type": "Container"},
                        {"name": "username", "type": "String?"},
                    ],
                    "returns": "Container",
                },
                {"name": "alpine_tz", "args": [], "returns": "Directory"},
                {"name": "debian_localtime", "args": [], "returns": "File"},
                {"name": "user", "args": [{"name": "name", "type": "String"}], "returns": "User"},
                {"name": "users", "args": [], "returns": "[User]"},
                {"name": "from", "args": [{"name": "import", "type": "String"}], "returns": "String"},
            ],
        },
        {
            "name": "User",
            "constructor": [],
            "fields": [{"name": "uid", "type": "Integer"}],
            "functions": [{"name": "home", "args": [], "returns": "String"}],
        },
    ],
    "enums": [],
}


class Engine:
    """One end of a socket: what was asked, and what is answered to it."""

    def __init__(self, answers=None):
        self.answers = answers or {}
        self.asked = []
        self.cancelled = []

    def serve(self, end, job=None):
        """Answers until the other end says what it has done, and gives that; `None`: it ended."""
        with end, end.makefile("rwb") as stream:
            try:
                if job is not None:
                    self.say(stream, job)
                for line in stream:
                    said = json.loads(line)
                    if "cancel" in said:
                        self.cancelled.append(said["cancel"])
                        continue
                    if "id" not in said:
                        return said
                    self.asked.append(said)
                    self.answer(stream, said)
            except (BrokenPipeError, ConnectionResetError):
                pass
            return None

    # What is asked with this answer waits for ever.
    NEVER = object()

    def answer(self, stream, said):
        answer = self.answers.get(said["ask"])
        if answer is self.NEVER:
            return
        answer = answer(said) if callable(answer) else answer
        if isinstance(answer, dict) and "error" in answer:
            self.say(stream, {"id": said["id"], **answer})
        else:
            self.say(stream, {"id": said["id"], "answer": answer})

    @staticmethod
    def say(stream, message):
        stream.write(json.dumps(message).encode() + b"\n")
        stream.flush()

    def begin(self, end):
        """Serves in a thread."""
        thread = threading.Thread(target=self.serve, args=(end,), daemon=True)
        thread.start()
        return thread


def run(directory, job, answers=None, how=None):
    """Runs a module as `rootlet call` does; gives the last line, the engine and what the process said."""
    ours, theirs = socket.socketpair()
    environment = {**os.environ, "ROOTLET_SESSION": str(theirs.fileno())}
    environment["PYTHONPATH"] = f"{PACKAGE.parents[1]}:{COMPAT}"
    command = [sys.executable, *(how or ["-m", "rootlet.functions"]), str(directory)]
    engine = Engine(answers)
    with theirs:
        process = subprocess.Popen(
            command,
            env=environment,
            pass_fds=[theirs.fileno()],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=directory,
        )
    last = {}
    thread = threading.Thread(target=lambda: last.update(said=engine.serve(ours, job)))
    thread.start()
    try:
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    thread.join()
    return last["said"], engine, output


def call(directory, function, args=None, constructor=None, state=None, object=None, answers=None, modules=None):
    """Calls a function of a module."""
    described = None if object else run(directory, {"job": "describe"})[0]
    if described and "failed" in described:
        return described, None, ""
    job = {
        "job": "call",
        "object": object or described["done"]["main"],
        "state": state,
        "constructor": constructor or {},
        "function": function,
        "args": args or {},
        "modules": modules if modules is not None else {"lib": LIB},
    }
    return run(directory, job, answers)


def done(said):
    """What a module's process gave."""
    assert "done" in said[0], said
    return said[0]["done"]


def failed(said):
    """What it says where it failed."""
    assert "failed" in said[0], said
    return said[0]["failed"]
