"""``rootlet.aio`` against ``asyncio.subprocess``."""

import asyncio
import gc
import os
import subprocess
from asyncio.subprocess import DEVNULL, PIPE

import pytest

import rootlet
from rootlet import aio


@pytest.fixture(scope="module")
def root():
    with rootlet.Rootlet(user="sam") as root:
        yield root


def both(root, act):
    """What ``asyncio``'s own gives, and ours."""

    async def outside():
        return await act(asyncio.create_subprocess_exec)

    async def inside():
        return await act(lambda *args, **options: aio.create_subprocess_exec(root, *args, **options))

    return asyncio.run(outside()), asyncio.run(inside())


async def _talk(create):
    process = await create("cat", stdin=PIPE, stdout=PIPE)
    process.stdin.write(b"one\n")
    line = await process.stdout.readline()
    process.stdin.close()
    return line, await process.wait(), await process.stdout.read()


async def _communicate(create):
    process = await create("sh", "-c", "cat; echo err >&2; exit 3", stdin=PIPE, stdout=PIPE, stderr=PIPE)
    return await process.communicate(b"x" * 300_000), process.returncode


async def _unread(create):
    process = await create("true", stdin=PIPE, stdout=DEVNULL)
    return await process.communicate(b"x" * 300_000), process.returncode


async def _killed(create):
    process = await create("sleep", "1000")
    process.terminate()
    return await process.wait(), process.stdin, process.stdout


@pytest.mark.parametrize("act", [_talk, _communicate, _unread, _killed])
def test_as_outside(root, act):
    outside, inside = both(root, act)
    assert inside == outside


def test_run(root):
    async def test():
        done = await aio.run(root, ["tr", "a", "b"], input="banana", capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "bbnbnb")
        with pytest.raises(subprocess.CalledProcessError):
            await aio.run(root, ["false"], check=True)
        with pytest.raises(FileNotFoundError):
            await aio.run(root, ["nosuch"])
        with pytest.raises(subprocess.TimeoutExpired):
            await aio.run(root, ["sleep", "1000"], timeout=0.05)
        shell = await aio.create_subprocess_shell(root, "echo $((6 * 7))", stdout=PIPE)
        assert await shell.communicate() == (b"42\n", None)

    asyncio.run(test())


def test_many_at_once(root):
    async def test():
        done = await asyncio.gather(*(aio.run(root, ["echo", str(n)], capture_output=True) for n in range(50)))
        assert [int(one.stdout) for one in done] == list(range(50))

    asyncio.run(test())
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    asyncio.run(test())
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_cancelling_ends_the_command():
    async def test(root):
        task = asyncio.create_task(aio.run(root, "sleep 1000 & exec sleep 1000", shell=True, capture_output=True))
        while root.process_count < 2:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while root.process_count:
            await asyncio.sleep(0)

    with rootlet.Rootlet() as root:
        asyncio.run(asyncio.wait_for(test(root), 60))
