"""The pytest plugin, in pytest's own way."""

import os
import sys

import pytest
from conftest import packed

FRESH = """
import pytest
@pytest.mark.parametrize("n", range({count}))
def test_fresh(rootlet, n):
    path = rootlet.path("/srv/n")
    assert not path.exists()
    path.write_text(str(n))
    assert rootlet.run(["cat", "/srv/n"], capture_output=True, text=True).stdout == str(n)
"""


@pytest.fixture
def run(pytester):
    def run(*arguments):
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)

    return run


def test_each_test_has_a_fresh_one(pytester, run):
    pytester.makepyfile(FRESH.format(count=20))
    run().assert_outcomes(passed=20)


def test_xdist(pytester, run):
    pytester.makepyfile(FRESH.format(count=500))
    result = run("-n", "4", "-q")
    result.assert_outcomes(passed=500)


def test_the_fixture_is_not_paid_for_where_nobody_asks(pytester, run):
    pytester.makepyfile("def test_none():\n    import sys\n    assert 'rootlet._rootlet' not in sys.modules")
    run().assert_outcomes(passed=1)


def test_marks(pytester, run):
    pytester.makepyfile(
        """
        import pytest
        pytestmark = pytest.mark.rootlet(user="root", workdir="/srv")

        def test_module(rootlet):
            assert rootlet.run("id -u; pwd", shell=True, capture_output=True).stdout == b"0\\n/srv\\n"

        @pytest.mark.rootlet(user="app:1234:0")
        class TestClass:
            def test_class(self, rootlet):
                assert rootlet.run("id -u; pwd", shell=True, capture_output=True).stdout == b"1234\\n/srv\\n"

            @pytest.mark.rootlet(workdir="/")
            def test_method(self, rootlet):
                assert rootlet.run("id -u; pwd", shell=True, capture_output=True).stdout == b"1234\\n/\\n"

        @pytest.mark.rootlet(faults=["read-only:/etc"])
        def test_fault(rootlet):
            with pytest.raises(OSError):
                rootlet.path("/etc/x").touch()
        """
    )
    run().assert_outcomes(passed=4)


def test_users(pytester, run):
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.rootlet(users=["root", "sam", 1234, "random:0"])
        def test_each(rootlet, rootlet_user):
            uid = rootlet.user.uid
            known = {"root": 0, "sam": 1000, 1234: 1234}
            assert uid == known[rootlet_user] if rootlet_user in known else uid > 10**9
        """
    )
    result = run("-v")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*test_each?root?*", "*test_each?sam?*", "*test_each?1234?*", "*test_each?random:0?*"])


def test_factory(pytester, run):
    pytester.makepyfile(
        """
        import os, pytest
        inits = []
        @pytest.mark.rootlet(user="root")
        def test_two(rootlet_factory, rootlet):
            one, two = rootlet_factory(), rootlet_factory("host", user="sam")
            assert (one.user.uid, two.user.uid) == (0, 1000)
            one.path("/x").touch()
            assert not two.path("/x").exists() and not rootlet.path("/x").exists()
            inits.extend([one.host_pid, two.host_pid])
        def test_they_are_gone():
            assert not [pid for pid in inits if os.path.exists(f"/proc/{pid}")]
        """
    )
    run().assert_outcomes(passed=2)


def test_the_command_line_and_the_file(pytester, run):
    pytester.makepyfile(
        """
        import pytest
        def test_who(rootlet):
            print("who", rootlet.user.uid)
        @pytest.mark.rootlet(user="root")
        def test_mark(rootlet):
            print("mark", rootlet.user.uid)
        """
    )
    pytester.makeini("[pytest]\nrootlet_user = ini:1111:0\n")
    run("-s").stdout.fnmatch_lines(["*who 1111*", "*mark 0*"])
    run("-s", "--rootlet-user", "line:2222:0").stdout.fnmatch_lines(["*who 2222*", "*mark 0*"])
    pytester.makepyfile("def test_base(rootlet): pass")
    result = run("--rootlet-base", "dir:/nowhere")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*nowhere*"])


def test_like_production(pytester, run):
    pytester.mkdir("deploy")
    (pytester.path / "deploy/Dockerfile").write_text("FROM scratch\nUSER 4321:0\nENV MODE=production\n")
    pytester.makepyfile(
        """
        import pytest
        def test_like(rootlet):
            out = rootlet.run("id -u; echo $MODE", shell=True, capture_output=True, text=True).stdout
            assert out.split() == ["4321", "production"]
        """
    )
    run("--rootlet-base", "host", "--rootlet-like", "deploy/Dockerfile").assert_outcomes(passed=1)
    pytester.makeini("[pytest]\nrootlet_like = deploy/Dockerfile\nrootlet_base = host\n")
    os.chdir(pytester.path / "deploy")
    run("..").assert_outcomes(passed=1)
    os.chdir(pytester.path)
    run("--rootlet-like", "deploy/gone").assert_outcomes(errors=1)


def test_recipes(pytester, run):
    """Built once for all; one that fails is told once, and shortly then."""
    pytester.mkdir("tree")
    for name in ("etc", "bin", "proc", "dev"):
        (pytester.path / "tree" / name).mkdir()
    tree = packed(pytester.path / "tree")
    pytester.makefile(
        ".toml",
        rootlet=f'[root.good]\nfrom = "tar:{tree}"\nuser = {{ name = "app", uid = 4321 }}\n'
        f'[root.bad]\nfrom = "tar:{tree}"\ncopy = [{{ from = "gone", to = "/x" }}]\n',
    )
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.parametrize("n", range(3))
        @pytest.mark.rootlet(recipe="good")
        def test_good(rootlet, n):
            assert (rootlet.user.name, rootlet.user.uid) == ("app", 4321)
        @pytest.mark.parametrize("n", range(3))
        @pytest.mark.rootlet(recipe="bad")
        def test_bad(rootlet, n):
            pass
        """
    )
    result = run()
    result.assert_outcomes(passed=3, errors=3)
    told = [line for line in result.outlines if line.startswith("E ") and "rootlet.Error" in line]
    assert len(told) == 3 and "gone" in told[0]
    assert all("the recipe bad failed before" in line for line in told[1:])
    # From another directory, the test's own project is found.
    os.chdir("/")
    pytester.run(sys.executable, "-m", "pytest", "-q", pytester.path, "-k", "good").assert_outcomes(passed=3)


def test_a_failure_tells_of_its_rootlet(pytester, run):
    pytester.makepyfile(
        """
        def test_fails(rootlet):
            rootlet.path("/srv/x").write_text("x")
            for n in range(30):
                rootlet.path(f"/srv/{n:02}").touch()
            process = rootlet.popen(["sleep", "1000"])
            assert False
        def test_passes(rootlet):
            rootlet.path("/srv/unheard-of").touch()
        """
    )
    result = run()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- rootlet -*",
            "ran as      uid=1000(sam) gid=1000 groups=* HOME=/home/sam",
            "on          host, tier *",
            "changed *A /srv/00 -rw-r--r-- 0:0",
            "*and 11 more",
            "running     1 process",
            "refused     ROOTLET_WHY=1, or pytest --rootlet-why, says what and why",
        ]
    )
    result.stdout.no_fnmatch_line("*unheard-of*")
    result.stdout.no_fnmatch_line("*kept*")


REFUSED = """
import pytest
{mark}
def test_refused(rootlet):
    rootlet.run(["mkdir", "/etc/refused"], check=True)
"""
SAYS = [
    "*- rootlet -*",
    "refused",
    """  */mkdir?*?: mkdir("/etc/refused", 0777) = EACCES""",
    "    directory /etc (owner 0:0, mode 0755) does not let uid 1000 write",
    "    root would pass",
]


def test_a_failure_says_what_was_refused_when_asked(pytester, run, monkeypatch):
    pytester.makepyfile(REFUSED.format(mark=""))
    run().stdout.no_fnmatch_line("*EACCES*")
    run("--rootlet-why").stdout.fnmatch_lines(SAYS)
    run("--rootlet-why", "-n", "2").stdout.fnmatch_lines(SAYS)
    titled = "::error title=test_a_failure*.py%3A%3Atest_refused%3A EACCES /etc/refused::*"
    run("--rootlet-why=github").stdout.fnmatch_lines([titled])
    monkeypatch.setenv("ROOTLET_WHY", "github")
    run().stdout.fnmatch_lines([titled])
    monkeypatch.setenv("ROOTLET_WHY", "1")
    run().stdout.fnmatch_lines(SAYS)
    monkeypatch.setenv("ROOTLET_WHY", "0")
    run().stdout.no_fnmatch_line("*EACCES*")
    pytester.makepyfile(REFUSED.format(mark="@pytest.mark.rootlet(why=True)"))
    run().stdout.fnmatch_lines(SAYS)
    pytester.makepyfile("import rootlet\n@rootlet.inside\ndef test_refused():\n    open('/etc/refused', 'w')")
    inside = run("--rootlet-why").stdout
    inside.fnmatch_lines(["refused", "  *openat(AT_FDCWD, \"/etc/refused\", *) = EACCES", "    root would pass"])
    assert run("--rootlet-why=sarif").ret == pytest.ExitCode.USAGE_ERROR


def test_a_failed_one_is_kept(pytester, run, data):
    pytester.makepyfile("def test_fails(rootlet):\n    rootlet.path('/srv/x').write_text('kept')\n    assert False")
    result = run("--rootlet-keep")
    line = next(line for line in result.outlines if line.startswith("kept "))
    command = [data / "packages/bin/rootlet", *line.split()[2:], "--", "cat", "/srv/x"]
    pytester.run(*command).stdout.fnmatch_lines(["kept"])


@pytest.mark.parametrize(
    "mark, words",
    [
        ("usr='sam'", "no key 'usr': did you mean user?"),
        ("faluts=[]", "did you mean faults?"),
        ("nosuchthing=1", "it knows base, binds,*"),
        ("'alpine'", "takes keywords only: rootlet(base='alpine')"),
    ],
)
def test_an_unknown_key(pytester, run, mark, words):
    pytester.makepyfile(f"import pytest\n@pytest.mark.rootlet({mark})\ndef test_x(rootlet): pass")
    result = run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: test_an_unknown_key.py::test_x: rootlet: *{words}"])
    assert "Traceback" not in result.stderr.str()
    spread = run("-n", "2")
    assert spread.ret != 0 and words.rstrip("*") in spread.stdout.str() + spread.stderr.str()


def test_another_fixture_of_the_name(pytester, run):
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef rootlet():\n    return 'theirs'")
    pytester.makepyfile("def test_theirs(rootlet):\n    assert rootlet == 'theirs'")
    run().assert_outcomes(passed=1)
    pytester.makepyfile("import pytest\n@pytest.mark.rootlet(user='sam')\ndef test_theirs(rootlet): pass")
    result = run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *conftest.py:2 defines a fixture `rootlet`, which hides rootlet's own*"])
    # One that builds on ours is welcome.
    pytester.makeconftest(
        "import pytest\n@pytest.fixture\ndef rootlet(rootlet):\n    rootlet.path('/srv/warm').touch()\n    return rootlet"
    )
    pytester.makepyfile(
        "import pytest\n@pytest.mark.rootlet(user='root')\ndef test_ours(rootlet):\n    assert rootlet.path('/srv/warm').exists()"
    )
    run().assert_outcomes(passed=1)


def test_what_may_be_left(pytester, run):
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.rootlet(leaves=["/srv"])
        def test_may(rootlet):
            rootlet.path("/srv/x").touch()
        @pytest.mark.rootlet(leaves=["/srv"])
        def test_may_not(rootlet):
            rootlet.path("/opt/x").touch()
        @pytest.mark.rootlet(leaves=[])
        def test_fails_first(rootlet):
            rootlet.path("/opt/x").touch()
            assert 0, "its own failure"
        """
    )
    result = run()
    result.assert_outcomes(passed=2, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*left behind:*", "*A /opt/x*"])


def test_help(run):
    result = run("--help")
    result.stdout.fnmatch_lines(["*--rootlet-base*", "*--rootlet-recipe*", "*--rootlet-like*", "*--rootlet-user*", "*--rootlet-keep*", "*--rootlet-why*"])
    run("--markers").stdout.fnmatch_lines(["@pytest.mark.rootlet(users=*"])
