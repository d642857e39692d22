"""``root.path`` against ``pathlib``: the same operations on the same tree, outside and inside, give the same."""

import errno
import os
import pathlib
import stat
import tempfile

import pytest

import rootlet


@pytest.fixture
def root():
    with rootlet.Rootlet(user="sam") as root:
        yield root


@pytest.fixture
def both(root, tmp_path):
    """The same small tree outside and inside."""
    os.umask(0o022)
    trees = tmp_path / "tree", root.path("/tree")
    for tree in trees:
        tree.mkdir()
        (tree / "a" / "b").mkdir(parents=True)
        (tree / "a" / "one.py").write_text("1")
        (tree / "a" / "b" / "two.py").write_text("22")
        (tree / "three.txt").write_text("three\n")
        (tree / ".hidden").write_text("")
        (tree / "link").symlink_to("a/b")
        (tree / "nowhere").symlink_to("gone")
    return trees


def outcome(tree, act):
    """What it gives, with the tree's own path taken out."""
    try:
        value = act(tree)
    except Exception as error:
        path = str(getattr(error, "filename", "")).replace(str(tree), "TREE")
        return type(error), getattr(error, "errno", None), path
    if isinstance(value, (list, set, tuple)) or hasattr(value, "__next__"):
        return sorted(str(item).replace(str(tree), "TREE") for item in value)
    return str(value).replace(str(tree), "TREE")


def seen(tree):
    """All there is, with types, modes and contents."""
    found = {}
    for path in tree.rglob("*"):
        mode = path.lstat().st_mode
        content = path.readlink() if path.is_symlink() else path.read_bytes() if stat.S_ISREG(mode) else ""
        found[str(path.relative_to(tree))] = (oct(mode), str(content))
    return found


ACTS = [
    lambda t: (t / "three.txt").read_text(),
    lambda t: (t / "three.txt").read_bytes(),
    lambda t: (t / "gone").read_text(),
    lambda t: (t / "a").read_text(),
    lambda t: (t / "three.txt" / "x").read_text(),
    lambda t: (t / "new").write_text("new"),
    lambda t: (t / "new").write_bytes(b"\xff"),
    lambda t: (t / "a" / ".." / "three.txt").exists(),
    lambda t: (t / "new").touch(),
    lambda t: (t / "new").touch(mode=0o600),
    lambda t: (t / "three.txt").touch(exist_ok=False),
    lambda t: (t / "new").mkdir(),
    lambda t: (t / "new").mkdir(0o700),
    lambda t: (t / "a").mkdir(),
    lambda t: (t / "a").mkdir(exist_ok=True),
    lambda t: (t / "three.txt").mkdir(exist_ok=True),
    lambda t: (t / "x" / "y").mkdir(),
    lambda t: (t / "x" / "y").mkdir(parents=True),
    lambda t: (t / "a" / "b").mkdir(parents=True),
    lambda t: (t / "a" / "b").mkdir(parents=True, exist_ok=True),
    lambda t: (t / "three.txt").chmod(0o4751),
    lambda t: (t / "gone").chmod(0o644),
    lambda t: (t / "three.txt").unlink(),
    lambda t: (t / "gone").unlink(),
    lambda t: (t / "gone").unlink(missing_ok=True),
    lambda t: (t / "a").rmdir(),
    lambda t: (t / "a" / "b" / "two.py").unlink() or (t / "a" / "b").rmdir(),
    lambda t: (t / "three.txt").rmdir(),
    lambda t: (t / "three.txt").rename(t / "four.txt"),
    lambda t: (t / "three.txt").replace(t / "a" / "one.py"),
    lambda t: (t / "three.txt").rename(t / "a"),
    lambda t: (t / "s").symlink_to("three.txt"),
    lambda t: (t / "link").symlink_to("x"),
    lambda t: (t / "h").hardlink_to(t / "three.txt"),
    lambda t: (t / "link").readlink(),
    lambda t: (t / "three.txt").readlink(),
    lambda t: (t / "three.txt").lstat().st_size,
    lambda t: stat.filemode((t / "link").lstat().st_mode),
    lambda t: stat.filemode((t / "link").stat().st_mode),
    lambda t: (t / "nowhere").stat(),
    lambda t: (t / "three.txt").stat().st_nlink,
    lambda t: [(t / n).exists() for n in ("a", "gone", "link", "nowhere", "three.txt")],
    lambda t: [(t / n).is_dir() for n in ("a", "gone", "link", "nowhere", "three.txt")],
    lambda t: [(t / n).is_file() for n in ("a", "gone", "link", "nowhere", "three.txt")],
    lambda t: [(t / n).is_symlink() for n in ("a", "gone", "link", "nowhere", "three.txt")],
    lambda t: [getattr(t / "a", n)() for n in ("is_fifo", "is_socket", "is_block_device", "is_char_device")],
    lambda t: (t / "link").samefile(t / "a" / "b"),
    lambda t: t.iterdir(),
    lambda t: list((t / "gone").iterdir()),
    lambda t: list((t / "three.txt").iterdir()),
    lambda t: t.glob("*"),
    lambda t: t.glob("*.txt"),
    lambda t: t.glob("*/*.py"),
    lambda t: t.glob("**/*.py"),
    lambda t: t.glob("**"),
    lambda t: t.glob("a/b"),
    lambda t: t.glob("?/[!b]*"),
    lambda t: t.glob("link/*"),
    lambda t: t.glob("gone/*"),
    lambda t: t.rglob("*.py"),
    lambda t: t.rglob("b"),
    lambda t: list(t.glob("/etc")),
    lambda t: list(t.glob("")),
    lambda t: (t / "link" / ".." / "one.py").resolve(),
    lambda t: (t / "gone" / "x").resolve(),
    lambda t: (t / "gone" / "x").resolve(strict=True),
    lambda t: (t / "three.txt").open("x"),
    lambda t: (t / "three.txt").open("a").write("more"),
    lambda t: (t / "three.txt").open("r+").write("T"),
    lambda t: (t / "three.txt").open("nonsense"),
    lambda t: (t / "three.txt").open("rb", 0).name,
    lambda t: (t / "three.txt").write_text("a\nb", newline="\r\n"),
    lambda t: (t / "a\0b").read_text(),
    lambda t: (t / ("x" * 300)).write_text(""),
    lambda t: t / "a" / "../b",
    lambda t: (t / "three.txt").with_suffix(".py"),
    lambda t: (t / "a" / "b").parent.name,
    lambda t: (t / "a" / "b").parents[1],
]


@pytest.mark.parametrize("act", ACTS, ids=range(len(ACTS)))
def test_as_outside(both, act):
    outside, inside = both
    expected, found = outcome(outside, act), outcome(inside, act)
    assert found == expected
    assert seen(inside) == seen(outside)


def test_a_path_is_a_pure_path_and_stays_one_of_its_rootlet(root):
    path = root.path("/etc") / "x" / "y.conf"
    for made in (path, path.parent, path.with_name("z"), path.joinpath("w"), *path.parents, path.relative_to("/etc")):
        assert isinstance(made, rootlet.Path) and isinstance(made, pathlib.PurePosixPath)
    assert path == pathlib.PurePosixPath("/etc/x/y.conf") and hash(path) == hash(pathlib.PurePosixPath(path.as_posix()))
    assert root.path("etc", "x") == root.path("/etc/x")


def test_this_machine_does_not_take_it_for_its_own(root):
    for act in (open, os.stat, os.fspath, pathlib.Path):
        try:
            made = act(root.path("/etc/passwd"))
        except TypeError as error:
            assert "of a rootlet" in str(error)
        else:
            # pathlib makes a path of the same words, as of any pure path.
            assert act is pathlib.Path and isinstance(made, pathlib.Path)


def test_the_author_is_root_and_the_user_is_refused(root):
    path = root.path("/etc/app.conf")
    path.write_text("x")
    assert (path.stat().st_uid, path.stat().st_gid, path.owner(), path.group()) == (0, 0, "root", "root")
    mine = root.as_user("sam").path(path)
    assert mine.read_text() == "x"
    for act in (lambda: mine.write_text("y"), mine.unlink, lambda: mine.chmod(0o777), lambda: mine.chown("sam")):
        with pytest.raises(PermissionError) as error:
            act()
        assert error.value.errno in (errno.EACCES, errno.EPERM) and error.value.filename == "/etc/app.conf"
    path.chown("sam", "sam")
    assert (path.owner(), path.group(), path.stat().st_uid) == ("sam", "sam", 1000)
    mine.write_text("y")
    assert not pathlib.Path("/etc/app.conf").exists()
    with pytest.raises(LookupError):
        path.chown("nosuch")


def test_times(root):
    path = root.path("/tmp/x")
    path.touch()
    found = path.stat()
    assert found.st_mtime_ns // 10**9 == int(found.st_mtime) > 1_000_000_000
    assert found.st_blksize and found.st_rdev == 0


def test_devices_and_walks(root):
    assert root.path("/dev/null").is_char_device()
    root.path("/w/x/y").mkdir(parents=True)
    root.path("/w/f").touch()
    root.path("/w/l").symlink_to("x")
    assert list(root.path("/w").walk()) == [
        (root.path("/w"), ["x"], ["f", "l"]),
        (root.path("/w/x"), ["y"], []),
        (root.path("/w/x/y"), [], []),
    ]
    assert [path.name for path, _, _ in root.path("/w").walk(top_down=False)] == ["y", "x", "w"]
    assert list(root.path("/gone").walk()) == []
    root.path("/w").rmtree()
    assert not root.path("/w").exists()


def test_nothing_leads_out(root):
    # The host base shows this machine's files, but for those in /tmp.
    with tempfile.NamedTemporaryFile("w", dir="/tmp") as secret:
        secret.write("of this machine")
        secret.flush()
        nothing_leads_to(root, secret.name)


def nothing_leads_to(root, secret):
    root.path("/out").symlink_to(f"/proc/self/root{secret}")
    for path in ("/out", f"/proc/1/root/../../..{secret}", f"/../../..{secret}", "/proc/self/cwd/../etc/shadow"):
        with pytest.raises(OSError):
            root.as_user("sam").path(path).read_text()


def test_a_circle_of_links(root):
    root.path("/c").symlink_to("/c")
    with pytest.raises(OSError) as error:
        root.path("/c").read_text()
    assert error.value.errno == errno.ELOOP
    assert not root.path("/c").exists() and root.path("/c").is_symlink()
    with pytest.raises(OSError):
        root.path("/c").resolve()


def test_an_open_file_outlives_the_rootlet():
    with rootlet.Rootlet() as root:
        file = root.path("/tmp/x").open("w+")
    file.write("x")
    file.seek(0)
    assert file.read() == "x"
    file.close()
    with pytest.raises(OSError):
        root.path("/tmp/x").read_text()
