"""fork, spawn, threads, many rootlets, and Ctrl-C: nothing is left and nobody is disturbed."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import Descriptors, children

import rootlet


def _use(number):
    """What a worker does."""
    with rootlet.Rootlet(user="sam") as root:
        return root.run(["sh", "-c", f"echo {number} > /tmp/n; cat /tmp/n"], capture_output=True, text=True).stdout


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method):
    with rootlet.Rootlet() as mine, warnings.catch_warnings():
        # From 3.12 on, forking beside threads is warned of.
        warnings.simplefilter("ignore", DeprecationWarning)
        with multiprocessing.get_context(method).Pool(3) as pool:
            assert pool.map(_use, range(12)) == [f"{n}\n" for n in range(12)]
        # The parent's own lives on.
        assert mine.run(["true"]).returncode == 0
    assert _use(1) == "1\n"


def test_a_forked_child_has_none_of_its_parents_rootlets():
    with rootlet.Rootlet() as root:
        path = root.path("/tmp/x")
        path.touch()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                root.run(["true"])
            except rootlet.Error as error:
                code = 0 if "another process" in str(error) else 2
            finally:
                # Nor does its end end them.
                root.close()
                gc.collect()
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert path.exists() and root.run(["true"]).returncode == 0


def test_threads():
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(_use, range(64))) == [f"{n}\n" for n in range(64)]
    with rootlet.Rootlet() as root, ThreadPoolExecutor(8) as pool:
        outs = pool.map(lambda n: root.run(["echo", str(n)], capture_output=True).stdout, range(64))
        assert list(outs) == [b"%d\n" % n for n in range(64)]


def _memory():
    """Bytes of this process's own."""
    with open("/proc/self/statm") as file:
        return (int(file.read().split()[1]) - 0) * os.sysconf("SC_PAGESIZE")


def test_thousands_leave_no_trace():
    def some(count):
        for _ in range(count):
            with rootlet.Rootlet(user="sam") as root:
                root.path("/tmp/x").write_text("x")
                assert root.run(["/bin/true"], capture_output=True).returncode == 0
        gc.collect()

    some(500)
    before = _memory(), Descriptors.count(), len(children(os.getpid())), threading.active_count()
    some(5000)
    after = _memory(), Descriptors.count(), len(children(os.getpid())), threading.active_count()
    assert after[1:] == before[1:]
    # 5,000 that were held would be many times this; a hundred bytes each are let pass.
    assert after[0] - before[0] < 5000 * 100 + (2 << 20), (before, after)


SCRIPT = """
import os, sys, time, rootlet
root = rootlet.Rootlet(user="sam")
print(root.host_pid, flush=True)
root.path("/tmp/ready").touch()
try:
    {act}
except KeyboardInterrupt:
    end = time.monotonic() + {patience}
    while (left := root.leftovers(["/"])) and time.monotonic() < end:
        time.sleep(0.005)
    print("interrupted", left, flush=True)
    raise
"""

WAITS = {
    "run": 'root.run("sleep 1000 & echo begun; exec sleep 1000", shell=True)',
    "captured": 'root.run("sleep 1000 & echo begun >&2; exec sleep 1000", shell=True, stdout=-1)',
    "wait": 'root.popen("echo begun; exec sleep 1000", shell=True).wait()',
    "with": 'with root.popen("echo begun; exec sleep 1000", shell=True): sys.stdin.read()',
    "port": 'print("begun", flush=True); root.wait_for_port(1, timeout=1000)',
}


@pytest.mark.parametrize("wait", WAITS)
def test_ctrl_c_leaves_nothing(wait):
    """SIGINT to Python alone: what runs inside is in sessions of its own, as with a terminal's Ctrl-C."""
    ends = wait in ("run", "captured", "port")
    script = SCRIPT.format(act=WAITS[wait], patience=60 if ends else 0)
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    init = int(process.stdout.readline())
    assert process.stdout.readline() == "begun\n"
    ours = [init, *children(process.pid)]
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT and "KeyboardInterrupt" in said, said
    if ends:
        # The command had ended when the exception came, and what it had started was killed with it.
        assert "interrupted []\n" in said
    _are_gone(ours)


def test_ctrl_c_while_a_recipe_is_built(tmp_path, debian):
    toml = f'[root.slow]\nfrom = "{debian}"\nrun = ["echo $$ > /begun; sleep 1000"]\n'
    (tmp_path / "rootlet.toml").write_text(toml)
    script = "import rootlet; print('begun', flush=True); rootlet.Rootlet(recipe='slow')"
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    _until(lambda: _descendants(process.pid, "sleep"))
    ours = _descendants(process.pid)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert "KeyboardInterrupt" in said
    _are_gone(ours)


def test_a_killed_python_leaves_nothing():
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(act=WAITS["run"], patience=0)], stdout=subprocess.PIPE, text=True
    )
    init = int(process.stdout.readline())
    assert process.stdout.readline() == "begun\n"
    ours = [init, *children(process.pid)]
    process.kill()
    process.communicate(timeout=60)
    _are_gone(ours)


def _descendants(pid, name=None):
    found, left = [], [pid]
    while left:
        try:
            left += (new := children(left.pop()))
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += new
    return [pid for pid in found if name is None or _name(pid) == name]


def _name(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def _are_gone(pids):
    # A zombie is the business of whoever adopted it.
    _until(lambda: not [pid for pid in pids if _state(pid) not in ("", "Z", "X")])


def _state(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _until(true):
    """Nothing tells when another's process has gone."""
    end = time.monotonic() + 60
    while not (found := true()):
        assert time.monotonic() < end
        time.sleep(0.005)
    return found
