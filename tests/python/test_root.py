"""What a rootlet is, what is told of it, and what cannot be."""

import inspect
import os
import pathlib
import subprocess

import pytest

import rootlet


def test_what_is_told():
    with rootlet.Rootlet(user="sam") as root:
        assert (root.user.name, root.user.uid, root.user.home) == ("sam", 1000, "/home/sam")
        assert root.report.user == root.user and root.report.base == "host"
        assert root.identity("root").uid == 0
        assert not root.closed and "uid=1000(sam)" in repr(root)
    assert root.closed and "closed" in repr(root)
    root.close()
    with pytest.raises(rootlet.Error, match="closed"):
        root.run(["true"])


def test_changes():
    with rootlet.Rootlet() as root:
        assert root.changes() == []
        root.path("/srv/x").write_text("x")
        root.path("/srv/x").chmod(0o600)
        root.path("/etc/passwd").chown(7, 8)
        root.path("/etc/hostname").unlink(missing_ok=True)
        root.run(["touch", "/home/sam/\x1b[31mred"], check=True)
        by_path = {str(change.path): change for change in root.changes()}
        x = by_path["/srv/x"]
        assert (x.kind, x.permissions, x.uid, str(x)) == ("added", "-rw-------", 0, "A /srv/x")
        assert isinstance(x.path, pathlib.PurePosixPath) and not isinstance(x.path, rootlet.Path)
        assert str(by_path["/etc/passwd"]) == "C /etc/passwd" and by_path["/etc/passwd"].gid == 8
        red = next(change for path, change in by_path.items() if path.endswith("red"))
        assert red.uid == 1000 and "\x1b" not in str(red)
        assert root.changes() == sorted(root.changes())
        left = root.leftovers(["/srv", "/home", "/etc"])
        assert left == []


def test_snapshots_and_what_is_kept():
    with rootlet.Rootlet() as root:
        root.path("/srv/warm").write_text("warm")
        base = root.snapshot()
        kept = root.keep()
    with rootlet.Rootlet(base) as first, rootlet.Rootlet(base) as second:
        first.path("/srv/warm").unlink()
        assert second.path("/srv/warm").read_text() == "warm"
    assert kept.isalnum() and rootlet.resolve(f"snapshot:kept-{kept}").name == f"snapshot:kept-{kept}"


def test_options():
    with rootlet.Rootlet(
        user="app:10001:0",
        env={"A": "b"},
        workdir="/srv/work",
        hostname="box",
        net="private",
        umask=0o077,
        groups=[7],
        tmpfs=["/scratch:size=1m"],
        cap_drop=["ALL"],
    ) as root:
        out = root.run("id -u; id -g; pwd; hostname; echo $A; umask; touch ~/x", shell=True, capture_output=True, text=True)
        assert out.stdout.split() == ["10001", "0", "/srv/work", "box", "b", "0077"], out
        assert 7 in root.user.groups and root.path("/home/app/x").stat().st_mode & 0o777 == 0o600


POD = """
apiVersion: v1
kind: Pod
metadata: { name: api }
spec:
  securityContext: { runAsUser: 10001, runAsGroup: 0 }
  containers:
    - name: api
      image: registry.example/api:1
      env: [{ name: MODE, value: production }]
      securityContext: { readOnlyRootFilesystem: true }
"""


def test_like_production(tmp_path):
    (tmp_path / "pod.yaml").write_text(POD)
    with rootlet.Rootlet("host", like=tmp_path / "pod.yaml") as root:
        out = root.run("id -u; id -g; echo $MODE; touch /srv/x", shell=True, capture_output=True, text=True)
        assert out.stdout.split() == ["10001", "0", "production"] and "Read-only file system" in out.stderr
    with rootlet.Rootlet("host", like=[str(tmp_path / "pod.yaml#api")], user="7:7") as root:
        assert root.user.uid == 7
    with pytest.raises(rootlet.Error, match="registry.example"):
        # Its image, where no base is said, which nobody has.
        rootlet.Rootlet(like=tmp_path / "pod.yaml")
    with pytest.raises(rootlet.Error, match="gone.yaml"):
        rootlet.Rootlet("host", like=tmp_path / "gone.yaml")


def test_mounts(tmp_path):
    (tmp_path / "f").write_text("f")
    os.chmod(tmp_path, 0o777)
    with rootlet.Rootlet(user="root", binds={tmp_path: "/ro:ro"}, volumes=[f"{tmp_path}:/cow:O"]) as root:
        assert root.path("/ro/f").read_text() == "f"
        with pytest.raises(OSError):
            root.path("/ro/f").write_text("x")
        root.path("/cow/f").write_text("x")
        assert (tmp_path / "f").read_text() == "f" and root.path("/cow/f").read_text() == "x"


def test_a_relative_bind_begins_where_the_caller_is(tmp_path, monkeypatch):
    (tmp_path / "src:x").mkdir()
    (tmp_path / "src:x" / "f").write_text("f")
    monkeypatch.chdir(tmp_path)
    with rootlet.Rootlet(binds={"src:x": "/src:ro"}) as root:
        assert root.path("/src/f").read_text() == "f"


@pytest.mark.parametrize(
    "fault, act, name",
    [
        ("full-disk", lambda root: root.path("/srv/x").write_text("x" * 100_000), "ENOSPC"),
        ("read-only:/etc", lambda root: root.path("/etc/x").write_text("x"), "EROFS"),
        ("no-proc", lambda root: root.path("/proc/self").stat(), "ENOENT"),
    ],
)
def test_faults(fault, act, name):
    import errno

    with rootlet.Rootlet(faults=[fault]) as root, pytest.raises(OSError) as error:
        act(root)
    assert errno.errorcode[error.value.errno] == name


@pytest.mark.parametrize(
    "options, words",
    [
        ({"base": "nosuch:"}, "nosuch"),
        ({"base": "dir:/nowhere"}, "nowhere"),
        ({"user": "nosuch"}, "no user"),
        ({"user": "a:b:c:d"}, "user"),
        ({"net": "bridge"}, "private"),
        ({"workdir": "relative"}, "absolute"),
        ({"cap_add": ["NO_SUCH"]}, "NO_SUCH"),
        ({"faults": ["nosuch"]}, "full-disk"),
        ({"tier": "best"}, "exact"),
        ({"memory": "lots"}, "lots"),
        ({"volumes": ["a:b:c:d"]}, "a:b:c:d"),
        ({"binds": {"/nowhere": "/x"}}, "/nowhere"),
        ({"env": {"A=B": "c"}}, "A=B"),
        ({"recipe": "x", "preset": "y"}, "one of them"),
        ({"preset": "debian_usr"}, "debian_user"),
        ({"recipe": "x", "directory": "/"}, "rootlet.toml"),
    ],
    ids=str,
)
def test_what_cannot_be(options, words):
    with pytest.raises((rootlet.Error, OSError), match="(?i)" + words) as error:
        rootlet.Rootlet(**options)
    if isinstance(error.value, rootlet.Error):
        assert error.value.kind and str(error.value).startswith(error.value.what)


def test_a_word_in_place_of_a_list_is_told():
    with pytest.raises(TypeError, match=r"cap_drop=\['ALL'\]"):
        rootlet.Rootlet(cap_drop="ALL")
    with pytest.raises(TypeError):
        rootlet.Rootlet(cap_drp=["ALL"])


def test_ports():
    with rootlet.Rootlet(net="private", user="root") as root:
        with pytest.raises(ConnectionRefusedError):
            root.connect(80)
        with pytest.raises(TimeoutError, match="port 80 within 0.05s"):
            root.wait_for_port(80, timeout=0.05)
        script = "import http.server as h; h.HTTPServer(('127.0.0.1', 80), h.SimpleHTTPRequestHandler).serve_forever()"
        with root.popen(["/usr/bin/python3", "-c", script], cwd="/srv", stderr=subprocess.DEVNULL) as server:
            root.path("/srv/hello").write_text("from inside")
            root.wait_for_port(80, timeout=60)
            with root.connect(80) as connection:
                connection.sendall(b"GET /hello HTTP/1.0\r\n\r\n")
                answer = b"".join(iter(lambda: connection.recv(4096), b""))
            server.kill()
        assert answer.endswith(b"from inside")


def test_a_recipe_that_fails_is_built_once(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "rootlet.toml").write_text('[root.api]\nfrom = "./root"\ncopy = [{ from = "gone", to = "/x" }]\n')
    with pytest.raises(rootlet.Error) as first:
        rootlet.Rootlet(recipe="api", directory=tmp_path)
    assert "gone" in str(first.value) and first.value.kind == "recipe"
    with pytest.raises(rootlet.Error) as second:
        rootlet.Rootlet(recipe="api", directory=tmp_path)
    assert "recipe api failed before" in str(second.value) and "\n" not in str(second.value)


def test_the_plugin_knows_every_option():
    from rootlet import pytest_plugin

    known = {name for name in inspect.signature(rootlet.Rootlet).parameters if not name.startswith("_")}
    assert pytest_plugin._keys() == known | {"users", "leaves"}


def test_the_package_is_lazy():
    script = "import sys, rootlet, rootlet.pytest_plugin; print('rootlet._rootlet' in sys.modules); rootlet.Rootlet; dir(rootlet)"
    import sys

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    with pytest.raises(AttributeError, match="no attribute 'nosuch'"):
        rootlet.nosuch
