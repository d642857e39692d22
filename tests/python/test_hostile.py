"""Tests that misbehave: each fails or passes by itself, and the next one has a rootlet as fresh as ever."""

import textwrap

import pytest


@pytest.fixture
def suite(pytester):
    """Runs tests, and one after them that has to pass."""

    def run(body, *arguments):
        after = "\ndef test_zz_next(rootlet):\n    assert rootlet.run(['id', '-un'], capture_output=True).stdout == b'sam\\n'\n"
        pytester.makepyfile(textwrap.dedent(body) + after)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)

    return run


def test_a_daemon_is_left_behind(suite):
    result = suite(
        """
        import pytest, os
        pids = []
        def test_daemon(rootlet):
            rootlet.run("setsid sleep 100000 > /dev/null 2>&1 < /dev/null &", shell=True, check=True)
            assert rootlet.process_count == 1
            pids.append(rootlet.host_pid)
        def test_it_is_gone():
            assert not os.path.exists(f"/proc/{pids[0]}") or open(f"/proc/{pids[0]}/stat").read().split()[2] in "ZX"
        @pytest.mark.rootlet(leaves=[])
        def test_when_asked(rootlet):
            rootlet.run("setsid sleep 100000 > /dev/null 2>&1 < /dev/null &", shell=True, check=True)
        """
    )
    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(["*left behind:*", "*process *: sleep 100000*"])


def test_two_gigabytes_are_written(suite):
    result = suite(
        """
        import pytest
        @pytest.mark.rootlet(writable="disk")
        def test_large(rootlet):
            done = rootlet.run("head -c 2147483648 /dev/zero > /tmp/large", shell=True)
            assert done.returncode == 0
            assert rootlet.path("/tmp/large").stat().st_size == 2 << 30
        def test_full(rootlet):
            '''In memory, or until that is full.'''
            rootlet.run("head -c 2147483648 /dev/zero > /tmp/large", shell=True)
        def test_afterwards(rootlet):
            assert not rootlet.path("/tmp/large").exists()
        """
    )
    result.assert_outcomes(passed=4)


def test_all_descriptors_are_closed(suite):
    """By a command, and by the test itself."""
    result = suite(
        """
        import os
        def test_inside(rootlet):
            script = "import os; os.closerange(0, 4096)"
            assert rootlet.run(["/usr/bin/python3", "-c", script]).returncode == 0
        def test_outside(rootlet):
            before = {int(n) for n in os.listdir("/proc/self/fd")}
            mine = [n for n in sorted(before) if n > 2 and "socket:" in (os.readlink(f"/proc/self/fd/{n}") if os.path.exists(f"/proc/self/fd/{n}") else "")]
            for n in mine:
                os.close(n)
            try:
                rootlet.run(["true"])
            except Exception as error:
                print(error)
        """,
        "-s",
    )
    result.assert_outcomes(passed=3)


def test_pid_1_is_killed(suite):
    result = suite(
        """
        import os, signal, pytest, rootlet as package
        def test_from_inside(rootlet):
            # The kernel lets nobody in it kill it.
            rootlet.run(["sh", "-c", "kill -9 1"], user="root")
            assert rootlet.run(["true"]).returncode == 0
        def test_from_outside(rootlet):
            process = rootlet.popen(["sleep", "1000"])
            os.kill(rootlet.host_pid, signal.SIGKILL)
            with pytest.raises(package.Error) as error:
                process.wait()
            assert error.value.kind == "ended"
            with pytest.raises((package.Error, OSError)):
                rootlet.run(["true"])
        def test_and_fails(rootlet):
            os.kill(rootlet.host_pid, signal.SIGKILL)
            rootlet.run(["true"])
        def test_all_is_killed(rootlet):
            rootlet.popen(["sleep", "1000"])
            rootlet.signal_all(signal.SIGKILL)
            assert rootlet.run(["true"]).returncode == 0
        """
    )
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["*rootlet has ended*", "*ran as*sam*", "*nothing can be told*"])


def test_the_nursery_is_killed(suite):
    result = suite(
        """
        import os, signal
        def test_kill(rootlet):
            for task in os.listdir("/proc/self/task"):
                for pid in open(f"/proc/self/task/{task}/children").read().split():
                    os.kill(int(pid), signal.SIGKILL)
        """
    )
    result.assert_outcomes(passed=2)


def test_the_work_directory_is_deleted(suite):
    result = suite(
        """
        import os, pytest, rootlet as package
        def test_gone(rootlet, tmp_path):
            os.chdir(tmp_path)
            os.rmdir(tmp_path)
            assert rootlet.run(["pwd"], capture_output=True).stdout == b"/home/sam\\n"
        def test_next(rootlet):
            assert rootlet.run(["pwd"], capture_output=True).stdout == b"/home/sam\\n"
        def test_inside(rootlet):
            done = rootlet.run('mkdir d; cd d; rmdir ../d; pwd; echo still here', shell=True, capture_output=True)
            assert b"still here" in done.stdout
        """
    )
    result.assert_outcomes(passed=4)


def test_everything_is_removed(suite):
    result = suite(
        """
        def test_rm(rootlet):
            rootlet.run("rm -rf /etc /usr/bin /home /tmp", shell=True, user="root")
            assert not rootlet.path("/etc/passwd").exists()
        """
    )
    result.assert_outcomes(passed=2)
