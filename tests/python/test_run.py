"""``root.run`` and ``root.popen`` against ``subprocess``: the same call outside and inside gives the same."""

import gc
import os
import select
import signal
import subprocess

import pytest
from conftest import ONE_ID

import rootlet


@pytest.fixture(scope="module")
def root():
    with rootlet.Rootlet(user="sam") as root:
        yield root


def came(run, *args, **options):
    """What came of a call, errors included."""
    try:
        done = run(*args, **options)
        return done.returncode, done.stdout, done.stderr
    except Exception as error:
        known = {"returncode", "output", "stderr", "errno", "filename"}
        return type(error), {name: getattr(error, name) for name in known if hasattr(error, name)}


CALLS = [
    (["true"], {}),
    (["false"], {}),
    ("true", {}),
    (["sh", "-c", "echo out; echo err >&2; exit 3"], {"capture_output": True}),
    (["sh", "-c", "echo out; echo err >&2; exit 3"], {"capture_output": True, "check": True}),
    (["sh", "-c", "echo out; echo err >&2"], {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}),
    (["sh", "-c", "echo out; echo err >&2"], {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}),
    (["printf", "a\\r\\nb\\rc\\n"], {"capture_output": True, "text": True}),
    (["printf", "a\\r\\nb\\rc\\n"], {"capture_output": True}),
    (["printf", "\\303\\244"], {"capture_output": True, "encoding": "utf-8"}),
    (["printf", "\\303\\244"], {"capture_output": True, "encoding": "latin-1"}),
    (["printf", "\\377"], {"capture_output": True, "encoding": "utf-8"}),
    (["printf", "\\377"], {"capture_output": True, "encoding": "utf-8", "errors": "replace"}),
    (["cat"], {"input": b"bytes", "capture_output": True}),
    (["cat"], {"input": "text ä", "capture_output": True, "encoding": "utf-8"}),
    (["cat"], {"input": b"x" * 300_000, "capture_output": True}),
    (["true"], {"input": b"x" * 300_000, "capture_output": True}),
    (["cat"], {"stdin": subprocess.DEVNULL, "capture_output": True}),
    (["cat"], {"stdin": subprocess.PIPE, "capture_output": True}),
    (["sh", "-c", "kill -TERM $$"], {}),
    ("echo $A; exit 4", {"shell": True, "env": {"A": "b"}, "capture_output": True}),
    (["/bin/pwd"], {"cwd": "/usr", "capture_output": True}),
    (["/usr/bin/env"], {"env": {"A": "1", "B": "2 3"}, "capture_output": True}),
    (["/usr/bin/env"], {"env": {}, "capture_output": True}),
    ([b"/bin/echo", b"\xff"], {"capture_output": True}),
    (["sleep", "60"], {"timeout": 0.05}),
    (["sleep", "60"], {"timeout": 0.05, "capture_output": True}),
    (["/nowhere/program"], {}),
    (["/etc/passwd"], {}),
    (["true"], {"cwd": "/nowhere"}),
    (["true"], {"input": b"x", "stdin": subprocess.PIPE}),
    (["true"], {"capture_output": True, "stdout": subprocess.PIPE}),
    (["true"], {"no_such_option": 1}),
]


@pytest.mark.parametrize("args, options", CALLS, ids=lambda value: repr(value)[:40])
def test_as_outside(root, args, options):
    outside, inside = came(subprocess.run, args, **options), came(root.run, args, **options)
    assert inside == outside


def test_what_was_written_before_the_time_was_up(root):
    with pytest.raises(subprocess.TimeoutExpired) as late:
        root.run(["sh", "-c", "echo early; exec sleep 60"], capture_output=True, timeout=2)
    assert (late.value.stdout, late.value.stderr, late.value.timeout) == (b"early\n", None, 2)


def test_a_timeout_ends_the_process_group_and_waits_for_nobody(root):
    # What is left holds the pipe: subprocess would wait for it.
    with pytest.raises(subprocess.TimeoutExpired):
        root.run("sleep 1000 & exec sleep 1000", shell=True, capture_output=True, timeout=0.2)
    assert root.leftovers(["/"]) == []


def test_a_missing_program_is_told_in_words(root):
    with pytest.raises(FileNotFoundError, match="no `does-not-exist` in the PATH of this root") as error:
        root.run(["does-not-exist"])
    assert error.value.filename == "does-not-exist"


def test_files_and_descriptors(root, tmp_path):
    (tmp_path / "in").write_text("from a file")
    with open(tmp_path / "in") as source, open(tmp_path / "out", "w") as sink:
        root.run(["cat"], stdin=source, stdout=sink, check=True)
    assert (tmp_path / "out").read_text() == "from a file"
    reader, writer = os.pipe()
    root.run(["echo", "x"], stdout=writer, check=True)
    os.close(writer)
    assert os.read(reader, 10) == b"x\n"
    os.close(reader)
    with pytest.raises(OSError) as error:
        root.run(["true"], stdout=9999)
    assert error.value.errno == 9


def test_inherited_streams_are_the_callers(root, capfd):
    root.run(["sh", "-c", "echo out; echo err >&2"])
    assert capfd.readouterr() == ("out\n", "err\n")


def test_users(root):
    def who(**options):
        return root.run(["id", "-u"], capture_output=True, text=True, **options).stdout.strip()

    assert (who(), who(user="root")) == ("1000", "0")
    if ONE_ID:
        with pytest.raises(OSError, match="there is one id"):
            who(user=7)
    else:
        assert (who(user=7), who(user="8:9")) == ("7", "8")
    assert root.as_user("root").run(["id", "-u"], capture_output=True).stdout == b"0\n"
    with pytest.raises(rootlet.Error, match="nosuch"):
        root.run(["id"], user="nosuch")


def test_the_callers_variables_stay_outside(root, monkeypatch):
    monkeypatch.setenv("SECRET", "1")
    out = root.run(["env"], capture_output=True, text=True).stdout
    assert "SECRET" not in out and "HOME=/home/sam" in out
    more = root.run(["env"], capture_output=True, text=True, env={**root.environ, "MORE": "1"}).stdout
    assert set(more.splitlines()) == {*out.splitlines(), "MORE=1"}


def test_paths_of_the_rootlet_are_arguments(root):
    path = root.path("/tmp/argument")
    path.write_text("x")
    assert root.run(["cat", path], cwd=root.path("/tmp"), capture_output=True).stdout == b"x"


def test_a_conversation(root):
    with root.popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as cat:
        for line in ("one\n", "two\n"):
            cat.stdin.write(line)
            assert cat.stdout.readline() == line
        assert cat.poll() is None and cat.returncode is None
    assert cat.returncode == 0 and cat.poll() == 0


def test_signals(root):
    for act, code in (
        (lambda p: p.terminate(), -signal.SIGTERM),
        (lambda p: p.kill(), -signal.SIGKILL),
        (lambda p: p.send_signal(signal.SIGUSR1), -signal.SIGUSR1),
    ):
        process = root.popen(["sleep", "1000"])
        act(process)
        assert process.wait(60) == code
        act(process)  # It has ended: nothing happens, as with subprocess.


def test_waiting_with_a_timeout_goes_on_afterwards(root):
    process = root.popen(["sh", "-c", "echo a; exec sleep 1000"], stdout=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    assert select.select([process.stdout], [], [], 60)[0]
    with pytest.raises(subprocess.TimeoutExpired) as late:
        process.communicate(timeout=0.2)
    assert late.value.output == b"a\n"
    with pytest.raises(ValueError, match="after starting"):
        process.communicate(b"x")
    process.kill()
    assert process.communicate() == (b"a\n", None) and process.returncode == -9


def test_a_failed_start_leaves_no_descriptor(root):
    gc.collect()
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(20):
        for options in ({"stdin": subprocess.PIPE, "capture": 1}, {"cwd": "/nowhere"}, {"stdout": subprocess.PIPE}):
            with pytest.raises((OSError, TypeError)):
                root.popen(["/nowhere"], **options)
    with pytest.raises(ValueError):
        root.popen(["true"], stdin=subprocess.PIPE, stdout=subprocess.STDOUT)
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_no_descriptor_of_the_caller_is_inside(root):
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    out = root.run(["sh", "-c", "ls /proc/self/fd | wc -l"], capture_output=True).stdout
    os.close(reader), os.close(writer)
    # Three streams, and the directory itself.
    assert out == b"4\n"


def test_words_that_cannot_be_arguments(root):
    with pytest.raises((rootlet.Error, ValueError), match="(?i)nul"):
        root.run(["echo", "a\0b"])
    with pytest.raises(ValueError):
        root.run([])
    with pytest.raises(TypeError):
        root.run([1])
    with pytest.raises(OSError):
        root.run(["echo", "x" * (1 << 24)])


def test_other_threads_run_meanwhile(root):
    import threading

    process = root.popen(["sleep", "1000"])
    waits = threading.Thread(target=process.wait)
    waits.start()
    assert process.poll() is None
    process.kill()
    waits.join(60)
    assert not waits.is_alive() and process.returncode == -9
