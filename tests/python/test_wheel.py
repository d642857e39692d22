"""The wheel: pip installs it into a clean environment, with the command, and the README's example runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def clean(data, tmp_path_factory):
    """The programs of an environment that has nothing but the wheel and what pytest is."""
    place = tmp_path_factory.mktemp("clean") / "environment"
    done = subprocess.run([sys.executable, "-m", "venv", place], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
    if done.returncode != 0:
        pytest.skip(f"no environment can be made: {done.stdout}{done.stderr}")
    (wheel,) = (data / "wheel").glob("*.whl")
    pip(place, "install", "--no-index", wheel)
    return place


def pip(place, *arguments):
    subprocess.run([place / "bin/pip", "--disable-pip-version-check", "-q", *arguments], check=True, env={"PATH": "/usr/bin:/bin"})


def call(program, *arguments, **options):
    done = subprocess.run([program, *arguments], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_is_in_it(clean, data):
    from email.parser import HeaderParser

    (wheel,) = (data / "wheel").glob("*.whl")
    assert "-cp310-abi3-" in wheel.name
    told = HeaderParser().parsestr(call(clean / "bin/pip", "show", "rootlet", env={"PATH": "/usr/bin:/bin"}))
    assert told["Version"] == subprocess.run([clean / "bin/rootlet", "--version"], capture_output=True, text=True).stdout.split()[1]
    assert list(clean.rglob("rootlet/py.typed")) and list(clean.rglob("rootlet/_rootlet.pyi"))


def test_the_command(clean, monkeypatch):
    assert call(clean / "bin/rootlet", "run", "--", "id", "-un") == "sam\n"


def test_the_readmes_example(clean, tmp_path, monkeypatch, data):
    import os

    readme = Path(__file__).parents[2] / "crates/python/README.md"
    (example,) = re.findall(r"```python\n(.*?)```", readme.read_text(), re.S)
    (tmp_path / "test_readme.py").write_text(example)
    # pytest and what it needs come from where the tests have them; ours from the environment.
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "others")}
    (tmp_path / "others").mkdir()
    for package in (data / "packages").iterdir():
        if not package.name.startswith("rootlet"):
            (tmp_path / "others" / package.name).symlink_to(package)
    said = call(clean / "bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path / "test_readme.py", cwd=tmp_path, env=environment)
    assert "1 passed" in said
    where = call(clean / "bin/python", "-c", "import rootlet; print(rootlet.__file__)", env=environment)
    assert where.startswith(str(clean))
