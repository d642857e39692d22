"""The drop-in for the package fakechroot: its own tests, unchanged, and what they do not reach."""

import os
import subprocess
import sys
import zipfile

import pytest

from rootlet import fakechroot

RUN = """
import sys, unittest
from rootlet import fakechroot
fakechroot.install()
import fakechroot
# The published tests are a module of the package that they test.
fakechroot.__path__.append(sys.argv.pop())
unittest.main("fakechroot.tests", verbosity=2)
"""


@pytest.fixture(scope="module")
def published(data, tmp_path_factory):
    """The published tests.py, alone."""
    archive = data / "fakechroot-0.2.1.zip"
    if not archive.exists():
        pytest.skip("the package index has not been asked for fakechroot")
    place = tmp_path_factory.mktemp("published")
    with zipfile.ZipFile(archive) as source:
        (place / "tests.py").write_bytes(source.read("fakechroot-0.2.1/fakechroot/tests.py"))
    return place


def test_its_own_tests_pass_unchanged(published, debian):
    environment = {**os.environ, "ROOTLET_BASE": debian}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(published)], capture_output=True, text=True, env=environment, cwd="/"
    )
    assert done.returncode == 0 and "\nRan 20 tests in " in done.stderr and done.stderr.endswith("\nOK\n"), done.stderr


def test_pytest_finds_it_under_its_name(pytester, published, debian, monkeypatch):
    monkeypatch.setenv("ROOTLET_BASE", debian)
    pytester.makeconftest(f"import fakechroot\nfakechroot.__path__.append({str(published)!r})")
    pytester.makepyfile("from fakechroot.tests import TestFakeChrootFixture\nfrom fakechroot import TestCase, FakeChroot")
    result = pytester.runpytest_subprocess("-p", "rootlet.fakechroot", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=20)


def test_its_readmes_example(debian, monkeypatch):
    import unittest

    monkeypatch.setattr(fakechroot.FakeChroot, "base", debian)

    class TestInAChroot(fakechroot.TestCase):
        def test_true(self):
            retval = self.chroot.call(["/bin/true"])
            self.assertEqual(retval, 0)
            self.failUnlessExists("/etc/passwd")
            self.failIfExists("/etc/nosuch")
            for fails in (self.failUnlessExists, self.failIfExists):
                with self.assertRaises(AssertionError):
                    fails("/etc/nosuch" if fails == self.failUnlessExists else "/etc/passwd")

    result = unittest.TestResult()
    TestInAChroot("test_true").run(result)
    assert result.wasSuccessful() and result.testsRun == 1, result.errors


@pytest.fixture
def chroot(debian, monkeypatch, tmp_path):
    monkeypatch.setattr(fakechroot.FakeChroot, "base", debian)
    made = fakechroot.FakeChroot.create_in_tempdir(str(tmp_path))
    made.build()
    yield made
    made.destroy()


def test_ownership_is_real(chroot):
    chroot.put("/srv/x", "x", chmod=0o640)
    assert chroot.check_call(["chown", "7:8", "/srv/x"]) == (0, b"", b"")
    found = chroot.stat("/srv/x")
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (7, 8, 0o640)
    assert chroot.check_call(["id", "-u"]) == (0, b"0\n", b"")
    code, out, err = chroot.check_call(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (code, out, err) == (3, b"out\n", b"err\n")
    # Root there is nobody's root here, and its low ports are its own.
    assert not os.path.exists("/srv/x") or os.stat("/srv/x").st_uid != 7


def test_all_methods(chroot):
    chroot.makedirs("/a/b/c")
    with pytest.raises(FileExistsError):
        chroot.makedirs("/a/b/c")
    with chroot.open("/a/f", "w") as file:
        file.write("text")
    assert chroot.get("/a/f") == "text" and chroot.isfile("/a/f") and not chroot.isdir("/a/f")
    chroot.touch("/a/f")
    assert chroot.get("/a/f") == "text"
    chroot.symlink("a/f", "/link")
    assert chroot.islink("/link") and chroot.readlink("/link") == "/a/f"
    assert chroot.lstat("/link").st_size == 4 and chroot.stat("/link").st_size == 4
    chroot.symlink("/gone", "/dangling")
    assert chroot.lexists("/dangling") and not chroot.exists("/dangling")
    with pytest.raises(OSError):
        chroot.stat("/dangling")
    chroot.unlink("/a/f")
    assert not chroot.exists("/a/f")
    outside, inside = chroot.write_temporary_file(b"contents")
    assert chroot.get(inside) == "contents" and outside.endswith(inside)
    assert chroot.getpwnam("root").pw_dir == "/root" and chroot.getpwuid(0).pw_name == "root"
    assert chroot.getgrgid(0).gr_name == "root" and chroot.getgrnam("root") in chroot.getgrall()
    assert chroot.getspnam("root") in chroot.getspall() and len(chroot.getpwall()) > 5
    assert chroot.get_user("root")[1] == "0" and chroot.get_group("root")[1] == "0"
    with pytest.raises(KeyError):
        chroot.get_user("nosuch")
    with pytest.raises(KeyError):
        chroot.getpwuid(4242)
    chroot.run_commands(["touch /made"])
    assert chroot.exists("/made") and chroot.get_env()["USER"] == "root"
    with pytest.raises(SystemExit):
        chroot.run_commands(["false"])
    with pytest.raises(OSError):
        chroot.call(["/no/such/program"])


def test_the_environment_is_refreshed_once(debian, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    class Yaybu(fakechroot.FakeChroot):
        base = debian
        times = 0

        def refresh_environment(self):
            type(self).times += 1
            self.put("/etc/refreshed", str(self.times))
            assert self.call(["mkdir", "/deployed"]) == 0

    def one(_):
        chroot = Yaybu.create_in_tempdir(str(tmp_path))
        chroot.build()
        try:
            assert chroot.isdir("/deployed")
            seen = chroot.get("/etc/refreshed")
            chroot.unlink("/etc/refreshed")
            return seen
        finally:
            chroot.destroy()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(8))) == ["1"] * 8
    assert Yaybu.times == 1 and not Yaybu.firstrun and fakechroot.FakeChroot.firstrun


def test_what_is_not_built_and_what_is_destroyed(tmp_path):
    chroot = fakechroot.FakeChroot(str(tmp_path / "x"))
    with pytest.raises(fakechroot.FakeChrootError, match="call build"):
        chroot.exists("/")
    chroot.destroy()
    assert os.listdir(tmp_path) == []


def test_the_other_package_is_not_hidden():
    script = "import sys, types; sys.modules['fakechroot'] = types.ModuleType('fakechroot')\nfrom rootlet import fakechroot; fakechroot.install()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "already imported" in done.stderr
