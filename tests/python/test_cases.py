"""unittest, testtools and fixtures."""

import sys
import unittest

import testtools
from fixtures import TestWithFixtures

import rootlet
from rootlet.fixtures import RootletFixture
from rootlet.testing import TestCase


def outcome(case):
    result = unittest.TestResult()
    case.run(result)
    return result


def test_unittest(capsys, monkeypatch):
    class Api(TestCase):
        rootlet = {"user": "app:4321:0"}
        roots = []

        def test_passes(self):
            self.roots.append(self.root)
            self.root.run(["touch", "/home/app/x"], check=True)
            self.assertPathExists("/home/app/x")
            self.assertPathNotExists("/home/app/y")

        def test_fails(self):
            self.root.path("/srv/changed").touch()
            self.assertPathExists("/srv/gone")

        def test_is_refused(self):
            self.root.run(["mkdir", "/etc/refused"], check=True)

        def test_two(self):
            self.roots.append(self.make_rootlet(user="root"))
            assert self.roots[-1].user.uid == 0

    assert outcome(Api("test_passes")).wasSuccessful() and outcome(Api("test_two")).wasSuccessful()
    assert all(root.closed for root in Api.roots) and len(Api.roots) == 2
    (failure,) = outcome(Api("test_fails")).failures
    assert "/srv/gone does not exist" in failure[1]
    # Before 3.11 an exception takes no notes.
    said = failure[1] if sys.version_info >= (3, 11) else capsys.readouterr().err
    assert "A /srv/changed" in said and "uid=4321(app)" in said and "ROOTLET_WHY=1" in said
    monkeypatch.setenv("ROOTLET_WHY", "1")
    (error,) = outcome(Api("test_is_refused")).errors
    said = error[1] if sys.version_info >= (3, 11) else capsys.readouterr().err
    assert "= EACCES" in said and "does not let uid 4321 write" in said


def test_fixtures():
    fixture = RootletFixture(user="root")
    fixture.setUp()
    first = fixture.root
    fixture.root.path("/srv/x").touch()
    assert "A /srv/x" in fixture.getDetails()["rootlet"].as_text()
    cleaned = []
    fixture.addCleanup(cleaned.append, 1)
    fixture.reset()
    assert first.closed and not fixture.root.closed and not fixture.root.path("/srv/x").exists() and cleaned == [1]
    fixture.cleanUp()
    assert fixture.root.closed
    with RootletFixture() as again:
        assert again.root.run(["true"]).returncode == 0


def test_testtools(monkeypatch):
    class Case(testtools.TestCase):
        def test(self):
            self.root = self.useFixture(RootletFixture(user="sam")).root
            self.root.path("/srv/x").touch()
            self.root.run(["cat", "/etc/shadow"])
            self.fail("told")

    case = Case("test")
    (failure,) = outcome(case).failures
    assert "A /srv/x" in failure[1] and case.root.closed and "EACCES" not in failure[1]
    monkeypatch.setenv("ROOTLET_WHY", "1")
    (failure,) = outcome(Case("test")).failures
    assert "/etc/shadow\", O_RDONLY) = EACCES" in failure[1]


def test_a_fixture_of_a_fixture():
    class Case(TestWithFixtures, unittest.TestCase):
        def test(self):
            root = self.useFixture(RootletFixture("host")).root
            assert isinstance(root, rootlet.Rootlet) and root.user.name == "sam"

    assert outcome(Case("test")).wasSuccessful()


def test_as_a_context_of_unittest():
    class Case(unittest.TestCase):
        def test(self):
            if hasattr(self, "enterContext"):  # From 3.11 on.
                root = self.enterContext(rootlet.Rootlet())
                self.assertEqual(root.run(["true"]).returncode, 0)

    assert outcome(Case("test")).wasSuccessful()
