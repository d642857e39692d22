"""The types of functions: mypy takes what the documents write, and nothing that is wrong. The examples describe themselves, too."""

import os
import re
import subprocess
import textwrap
from pathlib import Path

import pytest
from fake_engine import COMPAT, PACKAGE, run

DOCUMENT = Path(__file__).parents[2] / "docs/functions.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.S)

WRONG = {
    'dag.container().with_exec("id")': "list[str]",
    "dag.container().with_exec([1])": 'expected "str"',
    "dag.container().with_exce(['id'])": 'has no attribute "with_exce"',
    "dag.container().with_exec(['id'], expect='ANY')": "ReturnType",
    "dag.container().with_exec(['id'], 'x')": "Too many positional arguments",
    "dag.container().with_file('/f', dag.directory())": "File",
    "number: int = await dag.container().stdout()": 'variable has type "int"',
    "text: str = dag.container().stdout()": 'variable has type "str"',
    "dag.lib().alpine_user(uid='1')": '"int"',
    "dag.lib().alpine_users()": 'has no attribute "alpine_users"',
    "Demo(size='1')": '"int"',
    "Demo(1)": "Too many positional arguments",
    "dagger.contaner": "has no attribute",
}


@pytest.fixture(scope="module")
def mypy(data, tmp_path_factory):
    """Gives what mypy says of some code, line by line."""
    program = data / "tools/bin/mypy"
    if not program.exists():
        pytest.skip("no mypy")
    place = tmp_path_factory.mktemp("mypy")
    # The package alone: what lies beside it is looked for where mypy is.
    (place / "ours").mkdir()
    (place / "ours/rootlet").symlink_to(PACKAGE.parent)

    def check(code):
        (place / "checked.py").write_text(code)
        command = [program, "--strict", "--no-error-summary", "--cache-dir", place / "cache", "checked.py"]
        environment = {"PATH": os.environ["PATH"], "MYPYPATH": f"{place / 'ours'}:{COMPAT}"}
        done = subprocess.run(command, capture_output=True, text=True, cwd=place, env=environment)
        return done.stdout + done.stderr

    return check


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_documents_examples_are_typed(mypy, example):
    assert mypy(example) == ""


def test_what_is_wrong_is_found(mypy):
    head = """
import dagger
from dagger import dag, function, object_type

@object_type
class Demo:
    size: int = 1

async def main() -> None:
"""
    code = head + "".join(f"    {line}\n" for line in WRONG)
    first = head.count("\n") + 1
    said = mypy(code)
    for number, (line, message) in enumerate(WRONG.items(), first):
        found = [one for one in said.splitlines() if one.startswith(f"checked.py:{number}: error")]
        assert any(message in one for one in found), (line, found, said)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_documents_examples_describe_themselves(tmp_path, example):
    if "@object_type" not in example:
        return
    (tmp_path / "main.py").write_text(textwrap.dedent(example))
    name = re.findall(r"@object_type\nclass (\w+)", example)[-1]
    (tmp_path / "rootlet.json").write_text('{"name": "%s"}' % name)
    said, _, _ = run(tmp_path, {"job": "describe"})
    assert said["done"]["main"] == name and said["done"]["objects"][0]["functions"]


def test_there_are_examples():
    assert len(EXAMPLES) == 4
