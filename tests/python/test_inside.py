"""``@rootlet.inside``: a whole test inside, and what it reports as if it had run outside."""

import sys

import pytest
from conftest import ONE_ID, packed

SUITE = """
import os, sys, pytest, rootlet

@rootlet.inside
def test_who():
    assert os.getuid() == 1000 and os.environ["HOME"] == "/home/sam" and os.path.expanduser("~") == "/home/sam"
    with pytest.raises(PermissionError):
        open("/etc/motd", "w")

@rootlet.inside(user="root")
def test_root():
    with open("/etc/inside", "w") as file:
        file.write("x")

def test_outside():
    assert not os.path.exists("/etc/inside")

@rootlet.inside
def test_fails():
    print("what it said")
    numbers = [1, 2, 3]
    assert numbers == [1, 2, 4]

@rootlet.inside
def test_raises():
    raise ValueError("of its own")

@rootlet.inside
def test_skips():
    pytest.skip("because")

@rootlet.inside
@pytest.mark.xfail(reason="known")
def test_xfails():
    assert 0

@pytest.fixture
def made(tmp_path):
    (tmp_path / "made").write_text(str(os.getuid()))
    yield tmp_path / "made"

@rootlet.inside
@pytest.mark.parametrize("n", [1, 2])
def test_fixtures(made, n, monkeypatch, capsys):
    assert made.read_text() == "1000"

class TestClass:
    @rootlet.inside
    def test_method(self):
        assert os.getpid() < 100

@rootlet.inside
def test_dies():
    os._exit(3)

@rootlet.inside(faults=FAULTS)
def test_fault():
    with pytest.raises(OSError):
        open("/srv/x", "w") if "read-only:/srv" in FAULTS else os.stat("/proc/self")

@rootlet.inside
def test_the_project_is_copied_on_write():
    here = os.path.dirname(os.path.abspath(__file__))
    assert os.path.exists(os.path.join(here, "beside"))
    assert os.getcwd() == here
"""


@pytest.fixture
def suite(pytester):
    pytester.path.chmod(0o755)
    (pytester.path / "beside").touch()
    # With one id and without /proc the author's files cannot be marked as root's.
    faults = ["read-only:/srv"] if ONE_ID else ["no-proc"]
    return pytester.makepyfile(f"FAULTS = {faults}\n{SUITE}")


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_inside(pytester, suite, arguments):
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-ra", *arguments)
    result.assert_outcomes(passed=8, failed=3, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(
        ["*numbers == ?1, 2, 4?", "*At index 2 diff: 3 != 4*", "*what it said*", "ran as *sam*"], consecutive=False
    )
    result.stdout.fnmatch_lines_random(
        ["*ValueError: of its own*", "*did not end inside: exit status 3*", "SKIPPED*because*", "XFAIL*known*"]
    )


def test_a_base_without_this_python(pytester, debian):
    """It has one, but not all of it."""
    if not sys.executable.startswith("/usr/"):
        return  # One that is elsewhere is shown inside whole.
    pytester.makepyfile(f"import rootlet\n@rootlet.inside(base={debian!r})\ndef test_x(): pass")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*did not end inside*", "hint: a whole test runs inside only where its own Python does*"])


def test_a_base_without_python(pytester):
    (pytester.path / "tree" / "etc").mkdir(parents=True)
    tree = packed(pytester.path / "tree")
    pytester.makepyfile(f"import rootlet\n@rootlet.inside(base='tar:{tree}')\ndef test_x(): pass")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*cannot start Python on the base tar:*", "hint: *"])


def test_an_unknown_key(pytester):
    pytester.makepyfile("import rootlet\n@rootlet.inside(usr='sam')\ndef test_x(): pass")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.stderr.fnmatch_lines(["ERROR: *no key 'usr': did you mean user?"])
